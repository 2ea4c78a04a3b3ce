//! A message that ends a session, as in the tutorials: "close", "bye".

/// See the module. Compared as a whole, without a trailing LF or CR LF, and without regard to ASCII case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseOn(Vec<u8>);

impl CloseOn {
    /// Ends on this message.
    #[must_use]
    pub fn new(message: &[u8]) -> Self {
        Self(without_line_end(message).to_owned())
    }

    /// Whether this message is the one.
    #[must_use]
    pub fn is(&self, message: &[u8]) -> bool {
        without_line_end(message).eq_ignore_ascii_case(&self.0)
    }
}

/// The message without its trailing LF or CR LF.
#[must_use]
pub fn without_line_end(message: &[u8]) -> &[u8] {
    match message {
        [message @ .., b'\r', b'\n'] | [message @ .., b'\n'] => message,
        message => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_message_counts_and_its_line_end_does_not() {
        let wanted = CloseOn::new(b"Bye");
        for message in ["bye", "BYE\n", "Bye\r\n"] {
            assert!(wanted.is(message.as_bytes()), "{message:?}");
        }
        for message in ["", "bye bye", "goodbye", "bye \n", "bye\n\n"] {
            assert!(!wanted.is(message.as_bytes()), "{message:?}");
        }
    }
}
