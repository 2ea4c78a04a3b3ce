//! Encodings of text other than UTF-8, by the names that the web knows them by (the WHATWG Encoding Standard).

use std::fmt;

use encoding_rs::{Decoder, DecoderResult, EncoderResult, Encoding};

use crate::span::Misread;

/// An encoding for what is typed and shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

/// Some of the names, for hints.
const KNOWN: [&str; 12] = [
    "utf-8",
    "latin1",
    "iso-8859-15",
    "windows-1252",
    "windows-1251",
    "koi8-r",
    "shift_jis",
    "euc-jp",
    "gbk",
    "gb18030",
    "big5",
    "euc-kr",
];

impl Charset {
    /// The encoding of this name, in either case: `gbk`, `latin1` (which is windows-1252, as on the web).
    ///
    /// # Errors
    /// A name that is not known, with those that are like it; one that text cannot be sent in.
    pub fn named(name: &str) -> Result<Self, Misread> {
        let misread = |message: &str| Misread::new("encoding", name, 0..name.len(), message);
        let Some(encoding) = Encoding::for_label(name.trim().as_bytes()) else {
            let asked = name.trim().to_ascii_lowercase();
            let alike = |known: &&&str| strsim::osa_distance(known, &asked) <= 1 + asked.len() / 5;
            let mut hints: Vec<&str> = KNOWN.iter().filter(alike).copied().collect();
            if hints.is_empty() {
                hints = vec!["utf-8", "latin1", "gbk"];
            }
            let misread = misread("no encoding is known by this name (those of the Encoding Standard are)");
            return Err(hints.into_iter().take(3).fold(misread, Misread::hint));
        };
        if encoding.output_encoding() != encoding {
            return Err(
                misread("text can be read in it, but is never sent in it (it is no superset of ASCII)").hint("utf-8")
            );
        }
        Ok(Self(encoding))
    }

    /// The text in this encoding.
    ///
    /// # Errors
    /// The first character that it does not have.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, char> {
        let mut encoder = self.0.new_encoder();
        let most = encoder.max_buffer_length_from_utf8_without_replacement(text.len()).unwrap_or(text.len());
        let mut bytes = Vec::with_capacity(most);
        match encoder.encode_from_utf8_to_vec_without_replacement(text, &mut bytes, true).0 {
            EncoderResult::Unmappable(missing) => Err(missing),
            EncoderResult::InputEmpty | EncoderResult::OutputFull => Ok(bytes),
        }
    }

    /// What was typed, in this encoding: text as such, and what is no text (an escape, a capture) as it is.
    ///
    /// # Errors
    /// In words: a character that it does not have.
    pub fn typed(self, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(bytes) };
        let missing = |c: char| format!("{self} has no {c:?} (U+{:04X}): nothing of this was sent", u32::from(c));
        self.encode(text).map_err(missing)
    }

    /// Text from bytes, as they stream by.
    #[must_use]
    pub fn decoder(self) -> Decoding {
        Decoding(self.0.new_decoder_without_bom_handling())
    }
}

impl fmt::Display for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name().to_ascii_lowercase())
    }
}

impl fmt::Debug for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// See [`Charset::decoder`].
pub struct Decoding(Decoder);

/// A piece of a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text.
    Text(String),
    /// Bytes that are none in this encoding; their beginning may have come before, and is then not among them.
    Bad(Vec<u8>),
}

impl Decoding {
    /// The next bytes, the last of the stream perhaps. The beginning of a character is kept until its end comes.
    pub fn push(&mut self, mut bytes: &[u8], last: bool) -> Vec<Piece> {
        let mut pieces = Vec::new();
        loop {
            let room = self.0.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(bytes.len() * 3);
            let mut text = String::with_capacity(room.max(4));
            let (result, read) = self.0.decode_to_string_without_replacement(bytes, &mut text, last);
            if !text.is_empty() {
                pieces.push(Piece::Text(text));
            }
            match result {
                DecoderResult::InputEmpty => return pieces,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(length, after) => {
                    let end = read.saturating_sub(usize::from(after));
                    pieces.push(Piece::Bad(bytes[end.saturating_sub(usize::from(length))..end].to_vec()));
                }
            }
            bytes = &bytes[read..];
            // Nothing is left to be looked at again, and the end was told.
            if bytes.is_empty() && last && matches!(result, DecoderResult::Malformed(..)) {
                return pieces;
            }
        }
    }
}

impl fmt::Debug for Decoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.encoding().name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_web_and_others_are_refused_with_some() {
        for (name, shown) in [
            ("UTF-8", "utf-8"),
            ("latin1", "windows-1252"),
            ("gb2312", "gbk"),
            ("sjis", "shift_jis"),
            ("KOI8-R", "koi8-r"),
        ] {
            assert_eq!(Charset::named(name).unwrap().to_string(), shown);
        }
        let told = Charset::named("gkb").unwrap_err().to_string();
        assert!(told.contains("no encoding is known by this name") && told.contains("gbk"), "{told}");
        assert!(Charset::named("utf-16le").unwrap_err().to_string().contains("never sent"));
        for known in KNOWN {
            assert!(Charset::named(known).is_ok(), "{known}");
        }
    }

    #[test]
    fn what_is_typed_is_encoded_or_refused() {
        let named = |name| Charset::named(name).unwrap();
        assert_eq!(named("gbk").encode("收到\n").unwrap(), b"\xca\xd5\xb5\xbd\n");
        assert_eq!(named("latin1").encode("né").unwrap(), b"n\xe9");
        assert_eq!(named("latin1").encode("ab收"), Err('收'));
        let told = named("latin1").typed("a收".into()).unwrap_err();
        assert!(told.contains("windows-1252 has no '收' (U+6536)"), "{told}");
        // What is no text goes as it is.
        assert_eq!(named("gbk").typed(vec![0xff, b'a']).unwrap(), [0xff, b'a']);
    }

    #[test]
    fn what_comes_is_decoded_however_it_is_cut() {
        let bytes = b"\xca\xd5\xb5\xbd!\n";
        for cut in 0..=bytes.len() {
            let mut decoder = Charset::named("gbk").unwrap().decoder();
            let mut all = decoder.push(&bytes[..cut], false);
            all.extend(decoder.push(&bytes[cut..], false));
            let text: String = all
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => text.as_str(),
                    Piece::Bad(bad) => panic!("{cut}: {bad:?}"),
                })
                .collect();
            assert_eq!(text, "收到!\n");
            assert!(decoder.push(b"", true).is_empty());
        }
    }

    #[test]
    fn bad_bytes_are_told_and_nothing_is_lost_behind_them() {
        let mut decoder = Charset::named("gbk").unwrap().decoder();
        let pieces = decoder.push(b"a\xff b", false);
        assert_eq!(pieces, [Piece::Text("a".into()), Piece::Bad(vec![0xff]), Piece::Text(" b".into())]);
        // A character that is cut off by the end.
        assert!(decoder.push(b"\xca", false).is_empty());
        assert_eq!(decoder.push(b"", true).len(), 1);
    }
}
