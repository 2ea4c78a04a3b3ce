//! A listener that accepts nobody, so that its queue can be seen to fill: `--no-accept`.

use std::time::{Duration, Instant};

use crate::addr::{Endpoint, Inet, Port};
use crate::error::{Error, Exit, Phase, Result};
use crate::event::{Event, Sink};
use crate::net::bind::Listener;
use crate::net::socket::Family;
use crate::sys::sockets::{State, Wanted};
use crate::sys::{self, Asked, Stop};
use crate::work::handler::stdio::stopped;

/// How often the kernel is asked. Nothing tells when a queue grows.
const INTERVAL: Duration = Duration::from_millis(50);
/// How often it is asked who has left: that costs a look at all connections of the host.
const SELDOM: u32 = 5;

/// The length of the queue, overflows and drops, and how many have left.
type Told = (u32, Option<(u64, u64)>, Option<u32>);

/// Watches until the program is to stop. `asked`: the limit that was asked for.
///
/// # Errors
/// When the kernel does not tell the queue of such a listener.
pub fn watch(listener: &Listener, asked: Option<u32>, stop: &Stop, sink: &dyn Sink) -> Result<Exit> {
    let os = |source| Error::os(Phase::Listening, Some(listener.local()), source);
    let before = sys::listen_counters();
    let cap = sys::proc::sysctl("net.core.somaxconn").and_then(|value| value.parse().ok());
    // As it was told: length, what was lost, who left.
    let mut last: Option<Told> = None;
    let (mut left, mut turn) = (None, 0_u32);
    loop {
        let (length, limit) = read(listener).map_err(os)?;
        let lost = before.zip(sys::listen_counters()).map(|(before, now)| {
            (now.overflows.saturating_sub(before.overflows), now.drops.saturating_sub(before.drops))
        });
        let (overflows, drops) = (lost.map(|lost| lost.0), lost.map(|lost| lost.1));
        // A change of the length is told at once; who of them has left, when it stands still.
        if turn.is_multiple_of(SELDOM) && last.is_none_or(|(known, ..)| known == length) {
            left = if length > 0 { gone(listener) } else { None };
        }
        turn = turn.wrapping_add(1);
        let question = stop.asked().is_some_and(|asked| Asked::take(asked).is_ok());
        if last != Some((length, lost, left)) || question {
            sink.emit(None, &Event::Queue { length, limit, asked, cap, left, overflows, drops });
            // The kernel takes one more than the limit: sk_acceptq_is_full() in include/net/sock.h.
            let was_full = last.is_some_and(|(length, ..)| length > limit);
            if length > limit && !was_full {
                let message = match listener.shape().family {
                    Family::Unix => "the queue is full: further clients wait in connect(2), or get EAGAIN",
                    _ => "the queue is full: further clients get no answer, and time out",
                };
                sink.emit(None, &Event::Warning { message });
            }
            last = Some((length, lost, left));
        }
        if stop.wait(Instant::now() + INTERVAL).map_err(os)? {
            return Ok(stopped(stop));
        }
    }
}

/// How many of those that wait have ended already: they stay in the queue until somebody accepts them.
fn gone(listener: &Listener) -> Option<u32> {
    let Endpoint::Inet(Inet { port: Port::Number(port), .. }) = listener.local() else { return None };
    let states = State::CloseWait.mask();
    let wanted = Wanted { tcp: true, udp: false, unix: false, v4: true, v6: true, states, details: false };
    let entries = sys::sockets(&wanted).ok()?;
    // One that nobody has accepted is in no process, and has no inode.
    let ours = |end: &Option<Endpoint>| matches!(end, Some(Endpoint::Inet(inet)) if inet.port == Port::Number(*port));
    let count = entries.iter().filter(|entry| entry.inode == 0 && ours(&entry.local)).count();
    u32::try_from(count).ok().filter(|count| *count > 0)
}

fn read(listener: &Listener) -> std::io::Result<(u32, u32)> {
    match listener.shape().family {
        Family::V4 | Family::V6 => sys::sockopt::tcp_info_listen(listener.socket()),
        Family::Unix => sys::unix_queue(listener),
        Family::Vsock => Err(std::io::Error::new(
            std::io::ErrorKind::Unsupported,
            "the kernel does not tell the queue of a vsock listener",
        )),
    }
}
