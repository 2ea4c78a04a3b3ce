//! The programs at both ends of a bulk run.

use std::fs::File;
use std::io::Read;

use rustix::pipe::{SpliceFlags, splice};
use rustix::stdio::{stdin, stdout};

/// Writes `size` bytes of memory to stdout, so many at a time, once stdin has ended.
pub fn fill(mut size: usize, block: usize) {
    // Touched: pages that nobody wrote to are all the same one.
    let memory = vec![b'x'; block];
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    // Nobody reads any more when a contestant has failed, which is told by others.
    while size > 0
        && let Ok(bytes) = rustix::io::write(stdout(), &memory[..block.min(size)])
    {
        size -= bytes;
    }
}

/// Reads stdin to its end, so many bytes at a time, and prints how many they were.
pub fn drain(block: usize) {
    let (mut memory, mut total) = (vec![0; block], 0);
    loop {
        match rustix::io::read(stdin(), &mut memory[..]).unwrap() {
            0 => break,
            bytes => total += bytes,
        }
    }
    println!("{total}");
}

/// The same without a copy, which takes next to no time from who is measured.
pub fn drain_by_splice() {
    let null = File::options().write(true).open("/dev/null").unwrap();
    let mut total = 0;
    loop {
        match splice(stdin(), None, &null, None, 1 << 20, SpliceFlags::empty()).unwrap() {
            0 => break,
            bytes => total += bytes,
        }
    }
    println!("{total}");
}
