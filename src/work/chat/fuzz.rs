//! Any bytes as what two clients send, cut anywhere: what each hears is whole lines that drive no terminal.

use std::time::Instant;

use super::lines::{Lines, Took};
use super::queue::Seats as _;
use super::room::{Flow, Rooms};
use super::{Rules, Said};

const LIMIT: usize = 64;

/// The first byte says how the stream is cut; its lines are said by the one and the other in turn.
///
/// # Panics
/// When something does not hold.
pub fn fuzz(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let whole = lines(&[bytes]);
    let cut: Vec<&[u8]> = bytes.chunks(usize::from(cut % 16) + 1).collect();
    assert_eq!(whole, lines(&cut), "a line is the same however the stream is cut");
    for (line, _) in &whole {
        assert!(line.len() <= LIMIT && !line.contains(&b'\n'), "{line:?}");
    }
    talk(&whole);
}

fn lines(chunks: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
    let mut lines = Lines::new(LIMIT);
    let mut all = Vec::new();
    for mut chunk in chunks.iter().copied() {
        while let Some(took) = lines.next(&mut chunk) {
            match took {
                Took::Line(line, cut) => all.push((line.into_owned(), cut)),
                Took::Endless => return all,
            }
        }
    }
    if let Some(Took::Line(line, cut)) = lines.rest() {
        all.push((line.into_owned(), cut));
    }
    all
}

fn talk(lines: &[(Vec<u8>, bool)]) {
    let rules = Rules {
        name_limit: 8,
        line_limit: LIMIT,
        history: 3,
        password: None,
        rate: 0,
        burst: 1,
        queue: 4096,
        record: true,
    };
    let mut rooms = Rooms::new(rules);
    let now = Instant::now();
    let mut seats: Vec<_> = ["ann", "bob"].iter().map(|_| rooms.enter(now)).collect();
    for (seat, name) in seats.iter().zip(["ann", "bob"]) {
        rooms.line(*seat, name.as_bytes(), false);
    }
    for (nth, (line, cut)) in lines.iter().enumerate() {
        let place = nth % seats.len();
        let flow = rooms.line(seats[place], line, *cut);
        for seat in &seats {
            hears(&mut rooms, *seat);
        }
        if flow == Flow::Quit {
            rooms.leave(seats[place]);
            rooms.free(seats[place]);
            seats[place] = rooms.enter(now);
        }
    }
    let record = rooms.take_record();
    for line in record.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        serde_json::from_slice::<serde_json::Value>(line).expect("a line of JSON");
    }
}

/// What waits for this client, taken as its session would take it.
fn hears(rooms: &mut Rooms, seat: usize) {
    let mut heard = Vec::new();
    loop {
        let before = heard.len();
        let took = rooms.write(seat, &mut |slices| {
            heard.extend(slices.iter().flat_map(|slice| slice.iter().copied()));
            Ok(slices.iter().map(|slice| slice.len()).sum())
        });
        if took.is_err() || heard.len() == before {
            break;
        }
    }
    let heard = std::str::from_utf8(&heard).expect("UTF-8");
    assert!(!heard.contains(|c: char| c.is_control() && c != '\n'), "{heard:?}");
    for line in heard.lines() {
        let _ = Said::of(line);
    }
}
