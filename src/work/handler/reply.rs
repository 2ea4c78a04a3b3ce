//! Answers: a greeting, the same text to each message, and an end at a certain message.

use crate::error::Result;
use crate::work::close_on::CloseOn;
use crate::work::link::{Got, Link};

/// The longest line that is waited for, in bytes. A longer one counts as a message as far as it came.
const LONGEST_LINE: usize = 64 << 10;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// Sent at once.
    pub greeting: Option<Vec<u8>>,
    /// Sent for each message.
    pub reply: Option<Vec<u8>>,
    /// Ends the session, after its answer.
    pub close_on: Option<CloseOn>,
    /// Whether a message is a line, and not what one read returned.
    pub line: bool,
}

impl Reply {
    pub(super) async fn run(&self, link: &Link) -> Result<()> {
        if let Some(greeting) = &self.greeting {
            link.send(greeting).await?;
        }
        let mut rest = Vec::new();
        loop {
            let messages = link
                .recv(|got| match got {
                    Got::Bytes(bytes) => Some(self.messages(bytes, &mut rest)),
                    Got::Eof => None,
                })
                .await?;
            let Some(messages) = messages else {
                // What came before the end without an end of its line is a message too.
                if !rest.is_empty() {
                    self.answer(link, &rest).await?;
                }
                return link.finish();
            };
            for message in messages {
                if self.answer(link, &message).await? {
                    link.close().await;
                    return Ok(());
                }
            }
        }
    }

    /// Answers; says whether that was the last one.
    async fn answer(&self, link: &Link, message: &[u8]) -> Result<bool> {
        if let Some(reply) = &self.reply {
            link.send(reply).await?;
        }
        Ok(self.close_on.as_ref().is_some_and(|wanted| wanted.is(message)))
    }

    fn messages(&self, bytes: &[u8], rest: &mut Vec<u8>) -> Vec<Vec<u8>> {
        if !self.line {
            return vec![bytes.to_vec()];
        }
        rest.extend_from_slice(bytes);
        let mut messages = Vec::new();
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            messages.push(rest.drain(..=at).collect());
        }
        if rest.len() > LONGEST_LINE {
            messages.push(std::mem::take(rest));
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_taken_apart() {
        let reply = Reply { line: true, ..Reply::default() };
        let mut rest = Vec::new();
        assert_eq!(reply.messages(b"one\ntw", &mut rest), [b"one\n".to_vec()]);
        assert_eq!(reply.messages(b"o\nthree\n", &mut rest), [b"two\n".to_vec(), b"three\n".to_vec()]);
        assert!(rest.is_empty());
        assert_eq!(reply.messages(&vec![b'x'; LONGEST_LINE + 1], &mut rest).len(), 1, "bounded");
    }
}
