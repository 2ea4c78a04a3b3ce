//! The time: the tutorials' server, where each message comes back with it (`[message] Mon Dec  9 17:06:41 2019`),
//! and the old services that say it to whoever connects: RFC 867 (daytime) and RFC 868 (time).

use std::time::SystemTime;

use crate::error::Result;
use crate::net::socket::Kind;
use crate::work::clock::Format;
use crate::work::close_on::without_line_end;
use crate::work::link::{Got, Link};

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub struct Time {
    /// How the time is written.
    pub format: Format,
    /// Whether a connection is told the time and closed, and a datagram answered by the time alone.
    pub on_connect: bool,
}

impl Time {
    pub(super) async fn run(&self, link: &Link) -> Result<()> {
        if self.on_connect && link.shape().kind != Kind::Dgram {
            link.send(&self.alone(SystemTime::now())).await?;
            link.close().await;
            return Ok(());
        }
        loop {
            let answer = link.recv(|got| match got {
                Got::Bytes(_) if self.on_connect => Some(self.alone(SystemTime::now())),
                Got::Bytes(message) => Some(self.answer(message, SystemTime::now())),
                Got::Eof => None,
            });
            let Some(answer) = answer.await? else { return link.finish() };
            link.send(&answer).await?;
        }
    }

    /// The time to a message. One that ends its line gets an answer that does. The forms of the old services have
    /// no place for a message.
    fn answer(&self, message: &[u8], now: SystemTime) -> Vec<u8> {
        let time = self.format.write(now);
        if self.format.is_protocol() {
            return self.alone(now);
        }
        let text = without_line_end(message);
        let end = &message[text.len()..];
        [b"[", text, b"] ", &time, end].concat()
    }

    /// The time and nothing else; a text is a line, which ends as lines do on the network.
    fn alone(&self, now: SystemTime) -> Vec<u8> {
        let mut time = self.format.write(now);
        if self.format != Format::Rfc868 {
            time.extend_from_slice(b"\r\n");
        }
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_end_stays_at_the_end() {
        let now = SystemTime::UNIX_EPOCH;
        let answer = |message: &[u8]| String::from_utf8(Time::default().answer(message, now)).unwrap();
        let time = String::from_utf8(Format::Ctime.write(now)).unwrap();
        assert_eq!(answer(b"i am binary"), format!("[i am binary] {time}"));
        assert_eq!(answer(b"hi\r\n"), format!("[hi] {time}\r\n"));
    }
}
