//! A chat room for many people over plain lines, and the other side of it.

mod join;
mod lines;
mod name;
mod queue;
mod raw;
mod room;
mod says;

use std::fs::File;
use std::future::poll_fn;
use std::io::Write as _;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

pub use join::{Face, Join};
pub use room::Rules;
pub use says::{Kind, Said};

use self::lines::{Lines, Took};
use self::queue::{Seat, Seats, Turn};
use self::raw::{Broker, PATIENCE};
use self::room::{Flow, Rooms};
use crate::error::{Error, Exit, Phase, Result, words};
use crate::event::Event;
use crate::net::socket::Kind as SocketKind;
use crate::sys::OneThread;
use crate::work::link::{Got, Link};
use crate::work::stopping::Stopping;

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
    pub async fn run(&self, link: &Link, stop: &Stopping) -> Result<()> {
        if link.shape().kind != SocketKind::Stream {
            return Err(Error::usage(format!("a chat is for streams, which {} is not", link.local())));
        }
        match &self.table {
            Table::Rooms(rooms) => {
                let seat = rooms.borrow().enter(Instant::now());
                serve(rooms, seat, link, pin!(self.talk(rooms, seat, link, stop))).await
            }
            Table::Raw(broker) => {
                let seat = broker.borrow().enter();
                serve(broker, seat, link, pin!(relay(broker, seat, link))).await
            }
        }
    }

    /// Takes what a client of the rooms sends.
    async fn talk(&self, rooms: &OneThread<Rooms>, seat: Seat, link: &Link, stop: &Stopping) -> Result<End> {
        let mut lines = Lines::new(self.line_limit);
        loop {
            link.hush(rooms.borrow().is_secret(seat));
            let mut batch = link
                .recv(|got| match got {
                    Got::Bytes(bytes) => self.lines(rooms, seat, link, &mut lines, bytes),
                    Got::Eof => Batch::Over(End::Eof),
                })
                .await?;
            loop {
                match batch {
                    Batch::Done => break,
                    // The end came, or the server is to end: which of them?
                    Batch::Over(End::Eof) if is_over(stop).await => {
                        rooms.borrow().close();
                        return Ok(End::Stopped);
                    }
                    Batch::Over(end) => {
                        if end == End::Eof
                            && let Some(Took::Line(line, cut)) = lines.rest()
                        {
                            rooms.borrow().line(seat, &line, cut);
                            self.record(rooms, link);
                        }
                        return Ok(end);
                    }
                    Batch::Wait(time, rest) => {
                        tokio::select! {
                            () = tokio::time::sleep(time) => {}
                            () = stop.wait() => {
                                rooms.borrow().close();
                                return Ok(End::Stopped);
                            }
                        }
                        batch = self.lines(rooms, seat, link, &mut lines, &rest);
                    }
                }
            }
            // Who sends much must not keep the others from reading it.
            tokio::task::yield_now().await;
        }
    }

    /// Takes lines as far as the client's rate allows.
    fn lines(&self, rooms: &OneThread<Rooms>, seat: Seat, link: &Link, lines: &mut Lines, mut bytes: &[u8]) -> Batch {
        let mut batch = Batch::Done;
        let now = Instant::now();
        {
            let mut rooms = rooms.borrow();
            while !bytes.is_empty() {
                if let Err(time) = rooms.admit(seat, now) {
                    batch = Batch::Wait(time, bytes.to_vec());
                    break;
                }
                match lines.next(&mut bytes) {
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
        self.record(rooms, link);
        batch
    }

    fn record(&self, rooms: &OneThread<Rooms>, link: &Link) {
        let Some(mut log) = self.log.as_ref() else { return };
        let record = rooms.borrow().take_record();
        if let Err(error) = log.write_all(&record) {
            // The conversation goes on; that it is not kept any more is said once.
            if rooms.borrow().stop_record() {
                let message = format!("the log stops here: {}", words(&error));
                link.sink().emit(None, &Event::Warning { message: &message });
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

/// Frees the seat of a session, also of one that was aborted.
struct Taken<'a, S: Seats>(&'a OneThread<S>, Seat);

impl<S: Seats> Drop for Taken<'_, S> {
    fn drop(&mut self) {
        self.0.borrow().free(self.1);
    }
}

/// One session: both directions at once, until the first of them ends.
async fn serve<S: Seats>(
    table: &OneThread<S>,
    seat: Seat,
    link: &Link,
    reading: Pin<&mut impl Future<Output = Result<End>>>,
) -> Result<()> {
    let _taken = Taken(table, seat);
    let end = tokio::select! {
        biased;
        end = writing(table, seat, link) => end?,
        end = reading => end?,
    };
    table.borrow().leave(seat);
    // So that room for this is taken only when it comes to it.
    Box::pin(see_off(table, seat, link, end)).await
}

/// Lets a client have what waits for it, for a while.
async fn see_off<S: Seats>(table: &OneThread<S>, seat: Seat, link: &Link, end: End) -> Result<()> {
    let patience = if end == End::Fell { FLUSH.1 } else { FLUSH.0 };
    let flushed = tokio::time::timeout(patience, flush(table, seat, link)).await;
    let broken = |text: &str| Err(Error::text(Exit::Failed, Phase::Sending, Some(link.peer()), text));
    match end {
        End::Fell => broken("it fell behind and was dropped"),
        // It is not waited for: it would go on sending.
        End::Endless => Err(Error::text(Exit::Failed, Phase::Receiving, Some(link.peer()), "a line without end")),
        _ => match flushed {
            Ok(Ok(())) if end == End::Eof => {
                link.finish();
                Ok(())
            }
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
async fn writing<S: Seats>(table: &OneThread<S>, seat: Seat, link: &Link) -> Result<End> {
    loop {
        let turn = poll_fn(|context| match table.borrow().turn(seat, context.waker()) {
            Turn::Wait => Poll::Pending,
            turn => Poll::Ready(turn),
        });
        if turn.await == Turn::Fell {
            return Ok(End::Fell);
        }
        let fell =
            poll_fn(|context| if table.borrow().fell(seat, context.waker()) { Poll::Ready(()) } else { Poll::Pending });
        tokio::select! {
            biased;
            sent = link.send_pieces(|write| table.borrow().write(seat, write)) => sent?,
            () = fell => return Ok(End::Fell),
        }
    }
}

async fn flush<S: Seats>(table: &OneThread<S>, seat: Seat, link: &Link) -> Result<()> {
    while !table.borrow().is_drained(seat) {
        link.send_pieces(|write| table.borrow().write(seat, write)).await?;
    }
    Ok(())
}

/// Gives what a client sends to the others.
async fn relay(broker: &OneThread<Broker>, seat: Seat, link: &Link) -> Result<End> {
    loop {
        let free =
            poll_fn(
                |context| {
                    if broker.borrow().may_send(seat, context.waker()) { Poll::Ready(()) } else { Poll::Pending }
                },
            );
        if tokio::time::timeout(PATIENCE, free).await.is_err() {
            broker.borrow().drop_full(Instant::now());
            continue;
        }
        let goes_on = link.recv(|got| match got {
            Got::Bytes(bytes) => {
                broker.borrow().relay(seat, bytes, Instant::now());
                true
            }
            Got::Eof => false,
        });
        if !goes_on.await? {
            return Ok(End::Eof);
        }
        tokio::task::yield_now().await;
    }
}

/// Whether the program is to stop.
async fn is_over(stop: &Stopping) -> bool {
    tokio::select! {
        biased;
        () = stop.wait() => true,
        () = std::future::ready(()) => false,
    }
}
