//! The commands that take what came: recv, expect, expect-eof, expect-reset, expect-silence.

use std::time::{Duration, Instant};

use super::act::span;
use super::run::{Engine, Failure, usage};
use super::search::{Look, Search};
use super::slot::Slot;
use super::wait::Watch;
use super::{Pattern, Place, quote};
use crate::error::{Error, Exit, Fact, Phase};
use crate::event::{ConnId, Event};
use crate::net::socket::Kind;
use crate::text::count_of_bytes;

/// How much of what came a failure shows, in bytes.
const SHOWN: usize = 200;

/// How long to wait between two looks whether all that was sent was acknowledged: nothing tells it by itself.
const ACKNOWLEDGED: Duration = Duration::from_millis(5);

impl Engine<'_> {
    pub(super) fn expect(&mut self, pattern: &Pattern, within: Option<Duration>, place: &Place) -> Result<(), Failure> {
        let (name, mut search) = match pattern {
            Pattern::Text(text) => {
                let bytes = self.text(text)?;
                (quote(&bytes), Search::text(&bytes))
            }
            Pattern::Regex(regex) => (format!("/{}/", regex.as_str()), Search::regex(regex)),
        };
        let outcome = self.search(&mut search, &name, within);
        self.tell_expect(&name, outcome, place)
    }

    fn search(&mut self, search: &mut Search, name: &str, within: Option<Duration>) -> Result<Duration, Failed> {
        let id = self.slots[self.nth()?].id;
        let limit = within.unwrap_or(self.config.timeout);
        let begun = Instant::now();
        let until = begun + limit;
        let mut late = false;
        loop {
            let slot = self.slot(id);
            let full = slot.buffer.room() == 0;
            let last = late || slot.is_over();
            let mut wait = until;
            match search.look(slot.buffer.unread(), last || full) {
                Look::Found(at) => {
                    let unread = slot.buffer.unread();
                    if let Some((groups, regex)) = search.groups(unread, &at) {
                        let bytes = |nth| groups.get(nth).map_or(Vec::new(), |group| group.as_bytes().to_vec());
                        let numbers = (0..groups.len()).map(|nth| (nth.to_string(), bytes(nth)));
                        let names = regex.capture_names().enumerate();
                        let names = names.filter_map(|(nth, name)| Some((name?.to_owned(), bytes(nth))));
                        let captures = numbers.chain(names).collect();
                        self.captures = captures;
                    }
                    self.slot_mut(id).buffer.take(at.end);
                    return Ok(begun.elapsed());
                }
                Look::Later(again) => wait = wait.min(again),
                Look::NotYet => {}
            }
            let slot = self.slot_mut(id);
            if full && !slot.is_over() {
                // No match begins any more in what was looked at; or none that would fit.
                let kept = search.keeps(slot.buffer.unread().len());
                search.forgot(slot.buffer.forget_but(kept));
            }
            let slot = self.slot(id);
            let full = slot.buffer.room() == 0;
            let why = if full && !slot.is_over() {
                let bytes = slot.buffer.unread().len();
                format!("{name}: the receive buffer is full: {bytes} bytes came without a match")
            } else if last {
                match how_over(slot) {
                    Some(over) => format!("{over} before {name} came"),
                    None if slot.refused.is_some() => format!("{name} did not come"),
                    None => {
                        let text = format!("{name} did not come within {}", span(limit));
                        return Err(Failed::met(failure_midway(slot, text), begun));
                    }
                }
            } else if let Some(refused) = &slot.refused {
                format!("{refused}, before {name} came")
            } else {
                late = Instant::now() >= until;
                self.turn(Some(wait), Watch { keep: Some(id), ..Watch::default() })?;
                continue;
            };
            let error = failure_midway(slot, format!("{why}, after {}", span(begun.elapsed())));
            self.slot_mut(id).refused = None;
            return Err(Failed::met(error, begun));
        }
    }

    pub(super) fn recv(&mut self, bytes: Option<usize>, within: Option<Duration>) -> Result<(), Failure> {
        let id = self.slots[self.nth()?].id;
        let limit = within.unwrap_or(self.config.timeout);
        if let Some(wanted) = bytes
            && wanted > self.config.buffer
        {
            let room = self.config.buffer;
            return Err(usage(format!("recv {wanted}: the receive buffer holds {room} bytes")).into());
        }
        let begun = Instant::now();
        let until = begun + limit;
        let mut late = false;
        loop {
            let slot = self.slot(id);
            let unread = slot.buffer.unread().len();
            let messages = slot.shape.kind != Kind::Stream;
            match (bytes, slot.buffer.next()) {
                (Some(wanted), Some(size)) if messages && size != wanted => {
                    let text = format!("a message of {wanted} bytes was expected, and one of {size} came");
                    return Err(failure_midway(slot, text).into());
                }
                (Some(wanted), _) if !messages && unread >= wanted => {
                    self.slot_mut(id).buffer.take(wanted);
                    return Ok(());
                }
                (Some(_), _) if !messages => {}
                (_, Some(_)) => {
                    self.slot_mut(id).buffer.take_next();
                    return Ok(());
                }
                (_, None) => {}
            }
            let got = bytes.filter(|_| !messages).map(|wanted| format!("{unread} of {wanted} bytes"));
            let text = match (how_over(slot), &slot.refused, got) {
                (Some(over), _, Some(got)) => format!("{over} when {got} had come"),
                (Some(over), _, None) => format!("{over} before anything came"),
                (None, Some(refused), _) => format!("{refused}, before anything came"),
                (None, None, _) if !late => {
                    late = Instant::now() >= until;
                    self.turn(Some(until), Watch { keep: Some(id), ..Watch::default() })?;
                    continue;
                }
                (None, None, got) => {
                    let got = got.unwrap_or_else(|| "nothing".to_owned());
                    return Err(failure_midway(slot, format!("{got} came within {}", span(limit))).into());
                }
            };
            let error = failure_midway(slot, format!("{text}, after {}", span(begun.elapsed())));
            self.slot_mut(id).refused = None;
            return Err(error.into());
        }
    }

    /// Waits for the FIN. What comes before it is shown and taken.
    pub(super) fn expect_eof(&mut self, within: Option<Duration>, place: &Place) -> Result<(), Failure> {
        let outcome = self.wait_for_end(within, false);
        self.tell_expect("eof", outcome, place)
    }

    /// Waits for the reset. What comes before it is shown and taken.
    pub(super) fn expect_reset(&mut self, within: Option<Duration>, place: &Place) -> Result<(), Failure> {
        let outcome = self.wait_for_end(within, true);
        self.tell_expect("reset", outcome, place)
    }

    /// Waits for the peer's end, or with `reset` for that.
    fn wait_for_end(&mut self, within: Option<Duration>, reset: bool) -> Result<Duration, Failed> {
        let name = if reset { "a reset (RST)" } else { "the peer's end (FIN)" };
        let id = self.slots[self.nth_open()?].id;
        let limit = within.unwrap_or(self.config.timeout);
        let begun = Instant::now();
        let until = begun + limit;
        let mut late = false;
        if !reset && self.slot(id).shape.kind == Kind::Dgram {
            return Err(usage("datagrams have no end to expect".to_owned()).into());
        }
        loop {
            let slot = self.slot(id);
            let is_reset = slot.broken.is_some() || slot.refused.is_some();
            let met = if reset { is_reset } else { slot.broken.is_none() && slot.peer_ended };
            if met {
                let slot = self.slot_mut(id);
                slot.buffer.clear();
                slot.refused = None;
                return Ok(begun.elapsed());
            }
            // After a FIN a reset can still be the answer to what we sent since.
            let answered = slot.conn.as_ref().is_none_or(|conn| conn.is_all_acknowledged());
            let over = how_over(slot).filter(|_| !reset || answered);
            if let Some(over) = over {
                let text = format!("{over}, and not by {name}, after {}", span(begun.elapsed()));
                return Err(Failed::met(failure(slot, text), begun));
            }
            if late {
                let text = format!("{name} did not come within {}", span(limit));
                return Err(Failed::met(failure(slot, text), begun));
            }
            late = Instant::now() >= until;
            let mut wait = until;
            if slot.peer_ended {
                wait = wait.min(Instant::now() + ACKNOWLEDGED);
            }
            // Kept while there is room, so that a failure can show it; the oldest goes first.
            self.turn(Some(wait), Watch { reset: reset.then_some(id), ..Watch::default() })?;
        }
    }

    /// Nothing comes: neither bytes, nor an end, nor a reset; and nothing that came before is unread.
    pub(super) fn expect_silence(&mut self, length: Duration, place: &Place) -> Result<(), Failure> {
        let outcome = self.silence(length);
        self.tell_expect("silence", outcome, place)
    }

    fn silence(&mut self, length: Duration) -> Result<Duration, Failed> {
        let id = self.slots[self.nth_open()?].id;
        let begun = Instant::now();
        let until = begun + length;
        let mut late = false;
        let before = self.slot(id).unread();
        loop {
            let slot = self.slot(id);
            let after = span(begun.elapsed());
            let text = match (how_over(slot), &slot.refused) {
                _ if before > 0 => Some(format!(
                    "what came before was not taken ({}), and that is no silence",
                    count_of_bytes(before as u64)
                )),
                _ if !slot.buffer.is_empty() => Some(format!("something came instead of silence, after {after}")),
                (Some(over), _) => Some(format!("{over} instead of silence, after {after}")),
                (None, Some(refused)) => Some(format!("{refused}, instead of silence, after {after}")),
                (None, None) => None,
            };
            if let Some(text) = text {
                return Err(Failed::met(failure(slot, text), begun));
            }
            if late {
                return Ok(begun.elapsed());
            }
            late = Instant::now() >= until;
            self.turn(Some(until), Watch { keep: Some(id), ..Watch::default() })?;
        }
    }

    pub(super) fn slot_mut(&mut self, id: ConnId) -> &mut Slot {
        self.slots.iter_mut().find(|slot| slot.id == id).expect("connections go only between commands")
    }

    /// Tells what came of an expectation.
    fn tell_expect(&mut self, pattern: &str, outcome: Result<Duration, Failed>, place: &Place) -> Result<(), Failure> {
        let (matched, took) = match &outcome {
            Ok(took) => (true, *took),
            Err(Failed { took: Some(took), .. }) => (false, *took),
            Err(Failed { took: None, .. }) => return outcome.map(drop).map_err(|failed| failed.why),
        };
        self.sink.emit(self.current, &Event::Expect { pattern, matched, took, line: place.line });
        outcome.map(drop).map_err(|failed| failed.why)
    }
}

/// A failure; with a time, one of the expectation itself.
struct Failed {
    why: Failure,
    took: Option<Duration>,
}

impl Failed {
    fn met(error: Error, begun: Instant) -> Self {
        Self { why: error.into(), took: Some(begun.elapsed()) }
    }
}

impl<T: Into<Failure>> From<T> for Failed {
    fn from(why: T) -> Self {
        Self { why: why.into(), took: None }
    }
}

/// What ended a connection, in words; `None` as long as more may come.
fn how_over(slot: &Slot) -> Option<String> {
    match (&slot.broken, slot.peer_ended, &slot.conn) {
        (Some((text, Exit::Ok)), ..) => Some(text.clone()),
        (Some((text, _)), ..) => Some(format!("the connection broke ({text})")),
        (None, _, None) => Some("it was closed by us".to_owned()),
        (None, true, Some(_)) => Some("the peer ended (FIN)".to_owned()),
        (None, false, Some(_)) => None,
    }
}

/// The same of one about what the peer says: why it does not may be seen in how the session went.
fn failure_midway(slot: &Slot, text: String) -> Error {
    let mut error = failure(slot, text);
    error.facts.extend(slot.course().map(|course| Fact::Course(Box::new(course))));
    error
}

/// An expectation that was not met, with what came.
fn failure(slot: &Slot, text: String) -> Error {
    let mut error = Error::text(Exit::Expectation, Phase::Expecting, Some(slot.peer()), text);
    let unread = slot.buffer.unread();
    let last = unread[unread.len().saturating_sub(SHOWN)..].to_vec();
    error.facts.push(Fact::Came { bytes: unread.len(), last });
    error
}
