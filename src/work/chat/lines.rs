//! A client's bytes as lines: CR LF and LF both end one, no more than the limit of one is kept, and what a telnet
//! client negotiates (RFC 854) is left out.

use std::borrow::Cow;

use memchr::memchr2;

/// Past so many bytes of one line nobody waits for its end.
const ENDLESS: usize = 1 << 20;

/// A negotiation longer than this is none: bytes that merely look like the start of one.
const LONGEST_OPTION: u16 = 512;

// Telnet's commands, RFC 854.
const IAC: u8 = 255;
const WILL: u8 = 251;
const DONT: u8 = 254;
const SB: u8 = 250;
const SE: u8 = 240;

/// Where in a telnet command the stream is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Telnet {
    #[default]
    Text,
    /// After IAC.
    Command,
    /// After WILL, WONT, DO or DONT.
    Option,
    /// In a subnegotiation, so many bytes.
    Sub(u16),
    /// After IAC in a subnegotiation.
    SubCommand(u16),
}

/// See the module. Between two lines it holds no memory.
#[derive(Debug)]
pub(super) struct Lines {
    limit: usize,
    line: Vec<u8>,
    /// Bytes of this line that were left out.
    over: usize,
    telnet: Telnet,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Took<'a> {
    /// A line without its end, and whether it was cut at the limit.
    Line(Cow<'a, [u8]>, bool),
    /// A line that does not end.
    Endless,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, line: Vec::new(), over: 0, telnet: Telnet::Text }
    }

    /// Takes the next line off the front of `bytes`; `None` when its end has not come.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Took<'a>> {
        while !bytes.is_empty() {
            if self.telnet != Telnet::Text {
                let byte = bytes[0];
                if self.negotiate(byte) {
                    *bytes = &bytes[1..];
                }
                continue;
            }
            let Some(at) = memchr2(b'\n', IAC, bytes) else {
                self.keep(bytes);
                *bytes = &[];
                break;
            };
            let (text, rest) = (&bytes[..at], &bytes[at + 1..]);
            let ends = bytes[at] == b'\n';
            *bytes = rest;
            if ends && self.line.is_empty() && self.over == 0 && text.len() <= self.limit {
                return Some(Took::Line(Cow::Borrowed(without_cr(text)), false));
            }
            self.keep(text);
            if ends {
                return Some(self.end());
            }
            self.telnet = Telnet::Command;
        }
        (self.over > ENDLESS).then_some(Took::Endless)
    }

    /// What came before the end of the stream without an end of its line.
    pub(super) fn rest(&mut self) -> Option<Took<'static>> {
        (!self.line.is_empty()).then(|| self.end())
    }

    fn end(&mut self) -> Took<'static> {
        let mut line = std::mem::take(&mut self.line);
        let cut = std::mem::take(&mut self.over) > 0;
        if cut {
            // Not in the middle of a character.
            let incomplete = line.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
            if incomplete < 4 {
                line.truncate(line.len() - incomplete);
            }
        } else {
            line.truncate(without_cr(&line).len());
        }
        Took::Line(Cow::Owned(line), cut)
    }

    fn keep(&mut self, text: &[u8]) {
        // One more, for the CR of a line that just fits.
        let room = (self.limit + 1).saturating_sub(self.line.len()).min(text.len());
        if self.over == 0 {
            self.line.extend_from_slice(&text[..room]);
            self.over = text.len() - room;
        } else {
            self.over += text.len();
        }
        // The byte too many was no CR.
        if self.line.len() > self.limit && (self.over > 0 || self.line.last() != Some(&b'\r')) {
            self.line.truncate(self.limit);
            self.over += 1;
        }
    }

    /// Takes a byte of a command; says whether it was one.
    fn negotiate(&mut self, byte: u8) -> bool {
        self.telnet = match (self.telnet, byte) {
            (Telnet::Command, SB) => Telnet::Sub(0),
            (Telnet::Command, WILL..=DONT) => Telnet::Option,
            // No option that anybody has: a line of text ends here.
            (Telnet::Option, b'\n') => {
                self.telnet = Telnet::Text;
                return false;
            }
            (Telnet::Command, SE..SB) | (Telnet::Option, _) => Telnet::Text,
            // No command, so it was a byte of text, and no UTF-8. Doubled, it stands for one.
            (Telnet::Command, _) => {
                self.keep(&[IAC]);
                self.telnet = Telnet::Text;
                return byte == IAC;
            }
            (Telnet::Sub(LONGEST_OPTION..), _) => Telnet::Text,
            (Telnet::Sub(length), IAC) => Telnet::SubCommand(length),
            // Doubled, it is a byte of the subnegotiation.
            (Telnet::SubCommand(length), IAC) => Telnet::Sub(length + 1),
            (Telnet::SubCommand(_), _) => Telnet::Text,
            (Telnet::Sub(length), _) => Telnet::Sub(length + 1),
            (Telnet::Text, _) => return false,
        };
        true
    }
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(limit: usize, chunks: &[&[u8]]) -> Vec<(String, bool)> {
        let mut lines = Lines::new(limit);
        let mut all = Vec::new();
        let show = |line: &[u8]| line.escape_ascii().to_string();
        for mut chunk in chunks.iter().copied() {
            while let Some(took) = lines.next(&mut chunk) {
                match took {
                    Took::Line(line, cut) => all.push((show(&line), cut)),
                    Took::Endless => return vec![("endless".to_owned(), true)],
                }
            }
        }
        if let Some(Took::Line(line, cut)) = lines.rest() {
            all.push((show(&line), cut));
        }
        all
    }

    fn whole(texts: &[&str]) -> Vec<(String, bool)> {
        texts.iter().map(|text| ((*text).to_owned(), false)).collect()
    }

    #[test]
    fn both_line_ends_end_lines_however_the_stream_is_cut() {
        let bytes = b"one\r\ntwo\n\nx\rroot\r\r\nlast";
        let wanted = whole(&["one", "two", "", "x\\rroot\\r", "last"]);
        assert_eq!(lines(100, &[bytes]), wanted);
        assert_eq!(lines(100, &bytes.chunks(1).collect::<Vec<_>>()), wanted);
    }

    #[test]
    fn a_longer_line_is_cut_and_a_line_that_just_fits_is_not() {
        for end in ["\n", "\r\n"] {
            for chunk in [1, 3, 100] {
                let bytes = format!("12345{end}123456{end}1234567890{end}ab{end}");
                let wanted: Vec<(String, bool)> = [("12345", false), ("12345", true), ("12345", true), ("ab", false)]
                    .map(|(text, cut)| (text.to_owned(), cut))
                    .to_vec();
                assert_eq!(lines(5, &bytes.as_bytes().chunks(chunk).collect::<Vec<_>>()), wanted, "{end:?} {chunk}");
            }
        }
        assert_eq!(lines(4, &["abc收\n".as_bytes()]), [("abc".to_owned(), true)], "no half character");
    }

    #[test]
    fn a_line_without_end_is_given_up_and_never_held() {
        let chunk = vec![b'x'; 64 << 10];
        let mut all = Lines::new(4096);
        let mut chunks = 0;
        while all.next(&mut &chunk[..]).is_none() {
            chunks += 1;
            assert!(all.line.capacity() <= 3 * 4096, "{}", all.line.capacity());
        }
        assert_eq!(chunks, ENDLESS / chunk.len());
    }

    #[test]
    fn telnet_commands_are_left_out() {
        // WILL TERMINAL-TYPE, a subnegotiation of it, NOP, all within a word.
        let bytes = b"he\xff\xfb\x18l\xff\xfa\x18\x00xt\nerm\xff\xf0l\xff\xf1o\r\n";
        assert_eq!(lines(100, &[bytes]), whole(&["hello"]));
        assert_eq!(lines(100, &bytes.chunks(1).collect::<Vec<_>>()), whole(&["hello"]));
        assert_eq!(lines(100, &[b"a\xff\xffb\xffc\n"]), whole(&["a\\xffb\\xffc"]), "text that is no UTF-8");
    }
}
