//! The tutorials' time server: each message comes back with the time, `[message] Mon Dec  9 17:06:41 2019`.

use std::time::SystemTime;

use crate::error::Result;
use crate::sys;
use crate::work::close_on::without_line_end;
use crate::work::link::{Got, Link};

pub(super) async fn run(link: &Link) -> Result<()> {
    loop {
        let answer = link.recv(|got| match got {
            Got::Bytes(message) => Some(answer(message, SystemTime::now())),
            Got::Eof => None,
        });
        let Some(answer) = answer.await? else {
            link.finish();
            return Ok(());
        };
        link.send(&answer).await?;
    }
}

/// A message that ends its line gets an answer that does.
fn answer(message: &[u8], now: SystemTime) -> Vec<u8> {
    let text = without_line_end(message);
    let end = &message[text.len()..];
    [b"[", text, b"] ", sys::ctime(now).as_bytes(), end].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_end_stays_at_the_end() {
        let now = SystemTime::UNIX_EPOCH;
        let time = sys::ctime(now);
        assert_eq!(answer(b"i am binary", now), format!("[i am binary] {time}").as_bytes());
        assert_eq!(answer(b"hi\r\n", now), format!("[hi] {time}\r\n").as_bytes());
    }
}
