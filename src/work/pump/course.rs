//! How the session goes: what is remembered of it, and told of it when somebody asks.

use crate::addr::Endpoint;
use crate::course::{Course, Oddity};
use crate::error::{Error, Exit, Fact, Phase};
use crate::event::{ConnId, Event, Sink};

use super::{End, Rules, Session};

impl Session<'_> {
    /// How it went so far.
    pub(super) fn course(&self) -> Course {
        let mut course = self.track.course(self.conn, self.sent, self.received);
        course.output_full = self.has_unwritten();
        course
    }

    /// The same once it is over.
    pub(super) fn last_course(&self) -> Course {
        let mut course = self.track.last_course(self.conn, self.sent, self.received);
        course.output_full = self.has_unwritten();
        course
    }

    /// Tells how it stands, to whoever asked by SIGUSR1.
    pub(super) fn tell(&self) {
        let Some(Ok(())) = self.stop.asked().map(|asked| asked.take()) else { return };
        let course = self.course();
        let (sent, received, duration) = (self.sent, self.received, course.age);
        self.sink.emit(Some(self.id), &Event::SessionStats { sent, received, duration, course: &course });
    }
}

/// The failure knows how the session went; one that ended in order, and is odd, is worth a word.
pub(super) fn account(end: &mut End, course: &Course, conn: ConnId, peer: &Endpoint, rules: &Rules, sink: &dyn Sink) {
    match end {
        End::Failed(error) if matches!(error.phase, Phase::Waiting | Phase::Receiving | Phase::Sending) => {
            error.facts.push(Fact::Course(Box::new(course.clone())));
        }
        End::Finished => {
            // Who only sends waits for no answer.
            if let Some(odd) = odd(course, peer).filter(|_| !rules.send_only) {
                sink.warn(Some(conn), &odd);
            }
        }
        _ => {}
    }
}

/// What is odd, as an error that is none.
#[must_use]
pub fn odd(course: &Course, peer: &Endpoint) -> Option<Error> {
    let oddity = course.oddity()?;
    let name = peer.as_peer();
    let text = match oddity {
        Oddity::ClosedAtOnce => format!("{name} closed the connection at once"),
        Oddity::ClosedUnanswered => format!("{name} closed the connection without an answer"),
        Oddity::AnswersInTls => format!("{name} speaks TLS, and we do not"),
        Oddity::ClientHello => format!("{name} speaks TLS, and this server does not"),
    };
    let mut odd = Error::text(Exit::Ok, Phase::Receiving, Some(peer), text);
    odd.facts.push(Fact::Course(Box::new(course.clone())));
    Some(odd)
}
