//! Echo: RFC 862, faithful to the byte and to the border of each message.

use crate::error::Result;
use crate::work::link::{Got, Link};

pub(super) async fn run(link: &Link) -> Result<()> {
    loop {
        let message = link.recv(|got| match got {
            Got::Bytes(bytes) => Some(bytes.to_vec()),
            Got::Eof => None,
        });
        let Some(message) = message.await? else {
            link.finish();
            return Ok(());
        };
        link.send(&message).await?;
    }
}
