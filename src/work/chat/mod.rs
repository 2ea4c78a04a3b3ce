//! A chat room for many people over plain lines, and the other side of it.

#[cfg(any(test, fuzzing))]
mod fuzz;
mod gate;
mod join;
mod lines;
mod log;
mod name;
mod queue;
mod raw;
mod room;
mod says;

use std::fs::File;
use std::future::poll_fn;
use std::io::Write as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

#[cfg(any(test, fuzzing))]
pub use fuzz::fuzz;
pub use join::{Face, Join};
pub use room::Rules;
pub use says::{Kind, Said};

use self::lines::{Lines, Took};
use self::queue::{Seat, Seats, Turn};
use self::raw::{Broker, LOOKS};
use self::room::{Flow, Rooms};
use crate::error::{Error, Exit, Phase, Result, words};
use crate::event::Event;
use crate::net::socket::Kind as SocketKind;
use crate::sys::OneThread;
use crate::work::link::{Got, Link, Wait};

/// How long a client may take to read what waits for it when it leaves, and when it was dropped.
const FLUSH: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(1));

/// What the sessions of a chat server share.
///
/// All of them run on one thread, that of the runtime, which has to be the one that made this.
pub struct Chat {
    table: Table,
    line_limit: usize,
    log: Option<File>,
}

enum Table {
    Rooms(OneThread<Rooms>),
    Raw(OneThread<Broker>),
}

/// How a session came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client ended what it sends.
    Eof,
    /// We end: it said so, or may not come in.
    Quit,
    /// The server ends.
    Stopped,
    /// It did not read what was sent to it.
    Fell,
    /// It sent a line without end.
    Endless,
}

impl Chat {
    /// Rooms with these rules; what is said there is written to `log`.
    #[must_use]
    pub fn rooms(rules: Rules, log: Option<File>) -> Self {
        let line_limit = rules.line_limit;
        Self { table: Table::Rooms(OneThread::new(Rooms::new(rules))), line_limit, log }
    }

    /// A plain broker; `queue` is what may wait for a client, in bytes.
    #[must_use]
    pub fn raw(queue: usize) -> Self {
        Self { table: Table::Raw(OneThread::new(Broker::new(queue))), line_limit: 0, log: None }
    }

    /// Serves one client to its end.
    ///
    /// # Errors
    /// When the connection breaks, or the client does not take part as it has to.
    pub async fn run(&self, link: &Link) -> Result<()> {
        if link.shape().kind != SocketKind::Stream {
            return Err(Error::usage(format!("a chat is for streams, which {} is not", link.local())));
        }
        match &self.table {
            Table::Rooms(rooms) => {
                let place = Place { table: rooms, seat: rooms.borrow().enter(Instant::now()), link };
                let mut talk = Talk { chat: self, place: &place, lines: Lines::new(self.line_limit) };
                serve(&place, pin!(talk.run())).await
            }
            Table::Raw(broker) => {
                let place = Place { table: broker, seat: broker.borrow().enter(), link };
                serve(&place, pin!(relay(&place))).await
            }
        }
    }
}

/// A client and its seat, which is freed at the end of the session, also of one that was aborted.
///
/// Whatever a future is called with takes its place twice: one reference to this is small.
struct Place<'a, S: Seats> {
    table: &'a OneThread<S>,
    seat: Seat,
    link: &'a Link,
}

impl<S: Seats> Place<'_, S> {
    /// Writes some of what waits for the client.
    fn poll_write(&self, cx: &mut Context<'_>, wait: &mut Wait) -> Poll<Result<()>> {
        self.link.poll_send_pieces(cx, wait, |write| self.table.borrow().write(self.seat, write))
    }
}

impl<S: Seats> Drop for Place<'_, S> {
    fn drop(&mut self) {
        self.table.borrow().free(self.seat);
    }
}

/// What a client of the rooms sends.
struct Talk<'a> {
    chat: &'a Chat,
    place: &'a Place<'a, Rooms>,
    lines: Lines,
}

impl Talk<'_> {
    /// Takes it to its end.
    async fn run(&mut self) -> Result<End> {
        loop {
            let Place { table, seat, link } = self.place;
            link.hush(table.borrow().is_secret(*seat));
            let look = |got: Got<'_>| match got {
                Got::Bytes(bytes) => self.lines(bytes),
                Got::Eof => Batch::Over(End::Eof),
            };
            let mut batch = link.recv(look).await?;
            loop {
                match batch {
                    Batch::Done => break,
                    // The end came, or the server is to end: which of them?
                    Batch::Over(End::Eof) if link.stopping().is_over() => {
                        table.borrow().close();
                        return Ok(End::Stopped);
                    }
                    Batch::Over(end) => {
                        if end == End::Eof
                            && let Some(Took::Line(line, cut)) = self.lines.rest()
                        {
                            table.borrow().line(*seat, &line, cut);
                            self.record();
                        }
                        return Ok(end);
                    }
                    Batch::Wait(time, rest) => {
                        // Boxed, for it is large and few wait.
                        if Box::pin(link.stopping().pause(time)).await {
                            table.borrow().close();
                            return Ok(End::Stopped);
                        }
                        batch = self.lines(&rest);
                    }
                }
            }
        }
    }

    /// Takes lines as far as the client's rate allows.
    fn lines(&mut self, mut bytes: &[u8]) -> Batch {
        let mut batch = Batch::Done;
        let now = Instant::now();
        {
            let (seat, mut rooms) = (self.place.seat, self.place.table.borrow());
            while !bytes.is_empty() {
                if let Err(time) = rooms.admit(seat, now) {
                    batch = Batch::Wait(time, bytes.to_vec());
                    break;
                }
                match self.lines.next(&mut bytes) {
                    Some(Took::Line(line, cut)) if rooms.line(seat, &line, cut) == Flow::Quit => {
                        batch = Batch::Over(End::Quit);
                        break;
                    }
                    Some(Took::Endless) => {
                        rooms.endless(seat);
                        batch = Batch::Over(End::Endless);
                        break;
                    }
                    Some(Took::Line(..)) | None => {}
                }
            }
        }
        self.record();
        batch
    }

    fn record(&self) {
        let Some(mut log) = self.chat.log.as_ref() else { return };
        let record = self.place.table.borrow().take_record();
        if let Err(error) = log.write_all(&record) {
            // The conversation goes on; that it is not kept any more is said once.
            if self.place.table.borrow().stop_record() {
                let message = format!("the log stops here: {}", words(&error));
                self.place.link.sink().emit(None, &Event::Warning { message: &message });
            }
        }
    }
}

/// What became of the bytes that were received.
enum Batch {
    /// All of them were taken.
    Done,
    /// The rest has to wait so long.
    Wait(Duration, Vec<u8>),
    /// There will be no more.
    Over(End),
}

/// One session: both directions at once, until the first of them ends.
async fn serve<S: Seats>(place: &Place<'_, S>, reading: Pin<&mut impl Future<Output = Result<End>>>) -> Result<()> {
    let end = tokio::select! {
        biased;
        end = writing(place) => end?,
        end = reading => end?,
    };
    place.table.borrow().leave(place.seat);
    // So that room for this is taken only when it comes to it.
    Box::pin(see_off(place, end)).await
}

/// Lets a client have what waits for it, for a while.
async fn see_off<S: Seats>(place: &Place<'_, S>, end: End) -> Result<()> {
    let link = place.link;
    let patience = if end == End::Fell { FLUSH.1 } else { FLUSH.0 };
    let flushed = tokio::time::timeout(patience, flush(place)).await;
    let broken = |text: &str| Err(Error::text(Exit::Failed, Phase::Sending, Some(link.peer()), text));
    match end {
        End::Fell => broken("it fell behind and was dropped"),
        // It is not waited for: it would go on sending.
        End::Endless => Err(Error::text(Exit::Failed, Phase::Receiving, Some(link.peer()), "a line without end")),
        _ => match flushed {
            Ok(Ok(())) if end == End::Eof => link.finish(),
            Ok(Ok(())) => {
                link.close().await;
                Ok(())
            }
            Ok(Err(error)) => Err(error),
            Err(_) => broken("it left without reading what waited for it"),
        },
    }
}

/// Writes whatever waits for a client, all of it in one call where it fits; until it falls behind.
async fn writing<S: Seats>(place: &Place<'_, S>) -> Result<End> {
    let mut wait = Wait::default();
    poll_fn(move |cx| {
        loop {
            let turn = place.table.borrow().turn(place.seat, cx.waker());
            match turn {
                Turn::Wait => return Poll::Pending,
                Turn::Fell => return Poll::Ready(Ok(End::Fell)),
                Turn::Write => {}
            }
            if place.poll_write(cx, &mut wait)?.is_pending() {
                let fell = place.table.borrow().fell(place.seat, cx.waker(), &|| place.link.unsent());
                return if fell { Poll::Ready(Ok(End::Fell)) } else { Poll::Pending };
            }
        }
    })
    .await
}

async fn flush<S: Seats>(place: &Place<'_, S>) -> Result<()> {
    let mut wait = Wait::default();
    poll_fn(move |cx| {
        while !place.table.borrow().is_drained(place.seat) {
            ready!(place.poll_write(cx, &mut wait))?;
        }
        Poll::Ready(Ok(()))
    })
    .await
}

/// Gives what a client sends to the others.
async fn relay(place: &Place<'_, Broker>) -> Result<End> {
    loop {
        let free = poll_fn(|context| {
            if place.table.borrow().may_send(place.seat, context.waker()) { Poll::Ready(()) } else { Poll::Pending }
        });
        if tokio::time::timeout(LOOKS, free).await.is_err() {
            place.table.borrow().drop_full(Instant::now());
            continue;
        }
        let goes_on = place.link.recv(|got| match got {
            Got::Bytes(bytes) => {
                place.table.borrow().relay(place.seat, bytes, Instant::now());
                true
            }
            Got::Eof => false,
        });
        if !goes_on.await? {
            return Ok(End::Eof);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, F: Future>(_: fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_session_is_small() {
        // There may be ten thousand; beside this each has its task, its link and its place in a room.
        let size = size_of_future(Chat::run);
        assert!(size <= 384, "{size} bytes");
    }
}
