//! A listener that accepts nobody, so that its queue can be seen to fill: `--no-accept`.

use std::time::{Duration, Instant};

use crate::error::{Error, Exit, Phase, Result};
use crate::event::{Event, Sink};
use crate::net::bind::Listener;
use crate::net::socket::Family;
use crate::sys::{self, Stop};
use crate::work::handler::stdio::exit;

/// How often the kernel is asked. Nothing tells when a queue grows.
const INTERVAL: Duration = Duration::from_millis(50);

/// Watches until the program is to stop.
///
/// # Errors
/// When the kernel does not tell the queue of such a listener.
pub fn watch(listener: &Listener, stop: &Stop, sink: &dyn Sink) -> Result<Exit> {
    let os = |source| Error::os(Phase::Listening, Some(listener.local()), source);
    let before = sys::listen_counters();
    let mut last = None;
    loop {
        let (length, limit) = read(listener).map_err(os)?;
        let lost = before.zip(sys::listen_counters()).map(|(before, now)| {
            (now.overflows.saturating_sub(before.overflows), now.drops.saturating_sub(before.drops))
        });
        let (overflows, drops) = (lost.map(|lost| lost.0), lost.map(|lost| lost.1));
        if last != Some((length, lost)) {
            sink.emit(None, &Event::Queue { length, limit, overflows, drops });
            // The kernel takes one more than the limit: sk_acceptq_is_full() in include/net/sock.h.
            let was_full = last.is_some_and(|(length, _)| length > limit);
            if length > limit && !was_full {
                let message = match listener.shape().family {
                    Family::Unix => "the queue is full: further clients wait in connect(2), or get EAGAIN",
                    _ => "the queue is full: further clients get no answer, and time out",
                };
                sink.emit(None, &Event::Warning { message });
            }
            last = Some((length, lost));
        }
        if stop.wait(Instant::now() + INTERVAL).map_err(os)? {
            return Ok(stop.requested().map_or(Exit::Ok, exit));
        }
    }
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
