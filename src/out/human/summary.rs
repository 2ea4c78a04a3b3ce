//! How a session went, in a line or two.

use std::fmt::Write as _;
use std::time::Duration;

use super::{bytes, span};
use crate::course::{Course, Ending, TcpInfo};
use crate::event::Side;

/// Shorter than this, nothing is said of how long it has been quiet.
const QUIET: Duration = Duration::from_millis(500);
/// Shorter than this, nothing is said of the peer's lack of room.
const LIMITED: Duration = Duration::from_millis(10);

/// `; the peer ended first (FIN)`.
pub(super) fn ending(course: &Course) -> String {
    let who = match course.ended_by {
        Some(Side::Local) => "we",
        Some(Side::Peer) => "the peer",
        None => return String::new(),
    };
    match course.how {
        Some(Ending::Fin) => format!("; {who} ended first (FIN)"),
        Some(Ending::Reset) => format!("; {who} reset it (RST)"),
        Some(Ending::Lost) => "; the peer was not heard of any more".to_owned(),
        None => String::new(),
    }
}

/// What stands below: rates, round trips, what was sent again, what waits.
pub(super) fn more(course: &Course) -> String {
    let mut parts = Vec::new();
    parts.extend(course.first_byte.map(|first| format!("first byte after {}", span(first))));
    if let Some((sent, received)) = course.rates().filter(|_| course.sent + course.received > 0) {
        parts.push(format!("sent {}, received {}", rate(sent), rate(received)));
    }
    parts.extend(course.tcp.as_ref().map(tcp));
    for (count, what) in [(course.send_queue, "not acknowledged"), (course.recv_queue, "not read by us")] {
        parts.extend(count.filter(|count| *count > 0).map(|count| format!("{} {what}", bytes(count))));
    }
    if course.quiet >= QUIET {
        parts.push(format!("nothing moved for {}", span(course.quiet)));
    }
    parts.join("; ")
}

fn tcp(info: &TcpInfo) -> String {
    let mut text = format!("rtt {} ± {}", span(info.rtt), span(info.rtt_deviation));
    match info.segments {
        Some(segments) => {
            let _ = write!(text, ", {} of {segments} segments sent again", info.retransmits);
        }
        None => {
            let _ = write!(text, ", {} segments sent again", info.retransmits);
        }
    }
    if let Some(limited) = info.window_limited.filter(|limited| *limited >= LIMITED) {
        let _ = write!(text, ", held back for {} by the peer's lack of room", span(limited));
    }
    if let Some(unsent @ 1..) = info.unsent {
        let _ = write!(text, ", {} not sent yet", bytes(unsent.into()));
    }
    text
}

/// Bytes a second, in three digits.
fn rate(rate: f64) -> String {
    match rate {
        0.0 => "nothing".to_owned(),
        ..1e3 => format!("{rate:.0} B/s"),
        ..1e6 => format!("{} kB/s", digits(rate / 1e3)),
        ..1e9 => format!("{} MB/s", digits(rate / 1e6)),
        _ => format!("{} GB/s", digits(rate / 1e9)),
    }
}

fn digits(number: f64) -> String {
    let decimals = if number < 9.995 { 2 } else { usize::from(number < 99.95) };
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_is_a_line() {
        let course = Course {
            age: Duration::from_secs(2),
            sent: 3_000_000,
            received: 24,
            ended_by: Some(Side::Peer),
            how: Some(Ending::Fin),
            first_byte: Some(Duration::from_micros(1500)),
            quiet: Duration::from_secs(1),
            send_queue: Some(9),
            recv_queue: Some(0),
            tcp: Some(TcpInfo {
                rtt: Duration::from_micros(50),
                rtt_deviation: Duration::from_micros(25),
                segments: Some(70),
                retransmits: 2,
                window_limited: Some(Duration::from_millis(300)),
                unsent: Some(5),
                ..TcpInfo::default()
            }),
            ..Course::default()
        };
        assert_eq!(ending(&course), "; the peer ended first (FIN)");
        assert_eq!(
            more(&course),
            "first byte after 1.50 ms; sent 1.50 MB/s, received 12 B/s; rtt 0.05 ms ± 0.03 ms, 2 of 70 segments \
             sent again, held back for 300 ms by the peer's lack of room, 5 bytes not sent yet; \
             9 bytes not acknowledged; nothing moved for 1.00 s"
        );
        assert_eq!((ending(&Course::default()), more(&Course::default())), (String::new(), String::new()));
    }

    #[test]
    fn rates_have_three_digits() {
        for (number, text) in
            [(0.0, "nothing"), (999.4, "999 B/s"), (1234.0, "1.23 kB/s"), (12_340.0, "12.3 kB/s"), (2.5e9, "2.50 GB/s")]
        {
            assert_eq!(rate(number), text);
        }
    }
}
