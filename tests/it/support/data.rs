//! Data by the gigabyte, made and checked without being held.

use std::io::{self, Read};
use std::sync::OnceLock;

/// A prime, so that a piece that is lost, doubled or moved by any buffer's size shows up as a difference.
const PERIOD: usize = 1_048_583;

/// An endless, reproducible stream of bytes. Checking is a comparison with memory, so it costs next to nothing and
/// names the first byte that is wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Data {
    /// Where in the stream this one begins; two streams of one test should differ.
    start: u64,
}

impl Data {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { start: seed.wrapping_mul(99_991) % PERIOD as u64 }
    }

    fn block() -> &'static [u8] {
        static BLOCK: OnceLock<Vec<u8>> = OnceLock::new();
        BLOCK.get_or_init(|| {
            let mut state = 0x9e37_79b9_7f4a_7c15_u64;
            let mut bytes = Vec::with_capacity(PERIOD + 8);
            while bytes.len() < PERIOD {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                bytes.extend_from_slice(&state.to_le_bytes());
            }
            bytes.truncate(PERIOD);
            bytes
        })
    }

    /// The longest run at `offset` that lies in one piece in memory.
    fn piece(self, offset: u64) -> &'static [u8] {
        let place = (self.start + offset) % PERIOD as u64;
        &Self::block()[usize::try_from(place).unwrap()..]
    }

    /// The first `len` bytes.
    pub(crate) fn bytes(self, len: usize) -> Vec<u8> {
        let mut all = Vec::with_capacity(len);
        self.reader(len as u64).read_to_end(&mut all).unwrap();
        all
    }

    /// Reads the first `len` bytes of the stream.
    pub(crate) fn reader(self, len: u64) -> DataReader {
        DataReader { data: self, at: 0, end: len }
    }

    /// Compares bytes that arrived at `offset`; says where they differ.
    pub(crate) fn check(self, mut offset: u64, mut got: &[u8]) -> Result<(), String> {
        while !got.is_empty() {
            let piece = self.piece(offset);
            let len = piece.len().min(got.len());
            if piece[..len] != got[..len] {
                let first = (0..len).find(|&i| piece[i] != got[i]).unwrap() as u64;
                return Err(format!("byte {} differs", offset + first));
            }
            offset += len as u64;
            got = &got[len..];
        }
        Ok(())
    }
}

/// See [`Data::reader`].
pub(crate) struct DataReader {
    data: Data,
    at: u64,
    end: u64,
}

impl Read for DataReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let piece = self.data.piece(self.at);
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let len = piece.len().min(buf.len()).min(left);
        buf[..len].copy_from_slice(&piece[..len]);
        self.at += len as u64;
        Ok(len)
    }
}

/// Reads to the end and compares; gives the number of bytes that were right, and why it stopped before the end.
pub(crate) fn check_stream(mut from: impl Read, data: Data) -> (u64, Option<String>) {
    let mut buf = vec![0; 1 << 18];
    let mut at = 0;
    loop {
        match from.read(&mut buf) {
            Ok(0) => return (at, None),
            Ok(n) => match data.check(at, &buf[..n]) {
                Ok(()) => at += n as u64,
                Err(wrong) => return (at, Some(wrong)),
            },
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return (at, Some(e.to_string())),
        }
    }
}

/// How much "a gigabyte" is in this run: all of it with `SOCKKIT_BIG=1`, a quarter otherwise.
pub(crate) fn big() -> u64 {
    if is_big() { 1 << 30 } else { 256 << 20 }
}

/// Whether this run is to take the full measure, `SOCKKIT_BIG=1`.
pub(crate) fn is_big() -> bool {
    std::env::var_os("SOCKKIT_BIG").is_some_and(|v| v == "1")
}
