//! `sockkit inspect`: sockets as a table for people, and as JSON Lines for programs (docs/inspect.md).

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant, SystemTime};

use rustix::termios::tcgetwinsize;
use serde::Serialize;
use serde_json::ser::Serializer;
use unicode_width::UnicodeWidthStr as _;

use super::json::Printable;
use super::print_part;
use crate::error::Result;
use crate::sys::Stop;
use crate::sys::sockets::{Entry, ListenCounters, Memory, Protocol, TcpDetails};
use crate::text::{cut, visible_line};
use crate::value::print_duration;

/// The version of the schema.
const VERSION: u32 = 1;
/// Between two columns.
const GAP: usize = 2;
/// A column is not made narrower than this, whatever the terminal.
const NARROWEST: usize = 8;
/// What stands before the lines that tell more of a socket.
const INDENT: &str = "    ";

/// How sockets are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketReport {
    /// `--json`.
    pub json: bool,
    /// `-v`.
    pub verbose: bool,
    /// `--listen`: queues in the place of peers.
    pub listen: bool,
    /// `--watch`.
    pub again: Option<Duration>,
}

/// Standard output, once or again and again.
pub struct SocketScreen {
    report: SocketReport,
    stop: Stop,
    terminal: bool,
    start: Instant,
    shown: bool,
}

impl SocketScreen {
    /// Nothing is shown yet. `stop` ends the wait for a reader who does not read.
    #[must_use]
    pub fn new(report: SocketReport, stop: &Stop) -> Self {
        let terminal = io::stdout().is_terminal();
        Self { report, stop: stop.clone(), terminal, start: Instant::now(), shown: false }
    }

    /// Shows these, and says whether anybody still looks.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn show(&mut self, entries: &[Entry], counters: Option<ListenCounters>) -> Result<bool> {
        let text = if self.report.json {
            json(entries, counters, self.start.elapsed())
        } else {
            let size = if self.terminal { tcgetwinsize(io::stdout()).ok() } else { None };
            let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
            let rows = size.map(|size| usize::from(size.ws_row)).filter(|rows| *rows > 0);
            let table = table(entries, counters, &self.report, columns);
            match self.report.again {
                None if entries.is_empty() => String::new(),
                None => table,
                Some(pause) => {
                    let now = humantime::format_rfc3339_seconds(SystemTime::now());
                    let head = format!("{now}, every {}: {}", print_duration(pause), count(entries.len()));
                    if self.terminal {
                        self.painted(&head, &table, columns, rows)
                    } else {
                        self.appended(&head, &table)
                    }
                }
            }
        };
        self.shown = true;
        print_part(text.as_bytes(), &self.stop)
    }

    fn appended(&self, head: &str, table: &str) -> String {
        format!("{}{head}\n{table}", if self.shown { "\n" } else { "" })
    }

    /// From the top of the terminal, as much as it has room for.
    fn painted(&self, head: &str, table: &str, columns: Option<usize>, rows: Option<usize>) -> String {
        let mut lines: Vec<String> = std::iter::once(head).chain(table.lines()).map(str::to_owned).collect();
        let room = rows.unwrap_or(24).saturating_sub(1).max(2);
        if lines.len() > room {
            let hidden = lines.len() - room + 1;
            lines.truncate(room - 1);
            lines.push(format!("… {hidden} more lines"));
        }
        let mut text = String::from(if self.shown { "\x1b[H" } else { "\x1b[2J\x1b[H" });
        for line in lines {
            let _ = writeln!(text, "\x1b[2K{}", cut(&line, columns.unwrap_or(80)));
        }
        text.push_str("\x1b[J");
        text
    }
}

/// `1 socket`, `2 sockets`.
fn count(number: usize) -> String {
    format!("{number} socket{}", if number == 1 { "" } else { "s" })
}

#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    t: f64,
    #[serde(flatten)]
    entry: &'a Entry,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<ListenCounters>,
}

fn json(entries: &[Entry], counters: Option<ListenCounters>, t: Duration) -> String {
    #[allow(clippy::cast_precision_loss, reason = "exact for 285 years")]
    let t = t.as_micros() as f64 / 1e6;
    let mut bytes = Vec::with_capacity(entries.len() * 768);
    for entry in entries {
        let host = counters.filter(|_| entry.protocol == Protocol::Tcp && entry.queue.is_some());
        let line = Line { v: VERSION, t, entry, host };
        let written = line.serialize(&mut Serializer::with_formatter(&mut bytes, Printable));
        debug_assert!(written.is_ok(), "every socket has a JSON form");
        bytes.push(b'\n');
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// A column: its head, whether it holds numbers, whether it may be made narrower.
type Column = (&'static str, bool, bool);

const ALL: &[Column] = &[
    ("PROTO", false, false),
    ("STATE", false, false),
    ("RECV-Q", true, false),
    ("SEND-Q", true, false),
    ("LOCAL", false, true),
    ("PEER", false, true),
    ("PROCESS", false, true),
];
const LISTENERS: &[Column] = &[
    ("PROTO", false, false),
    ("QUEUE", true, false),
    ("LIMIT", true, false),
    ("DROPS", true, false),
    ("LOCAL", false, true),
    ("PROCESS", false, true),
];

/// The table; cut to so many columns of a terminal.
fn table(entries: &[Entry], counters: Option<ListenCounters>, report: &SocketReport, columns: Option<usize>) -> String {
    let heads = if report.listen { LISTENERS } else { ALL };
    let mut cells = Cells::default();
    for entry in entries {
        if report.listen { listener(entry, &mut cells) } else { row(entry, &mut cells) }
    }
    let mut widths: Vec<usize> = heads.iter().map(|(head, ..)| head.len()).collect();
    for nth in 0..entries.len() {
        for (width, cell) in widths.iter_mut().zip(cells.row(nth, heads.len())) {
            *width = (*width).max(cell.width());
        }
    }
    if let Some(columns) = columns {
        narrow(&mut widths, heads, columns);
    }
    let mut text = String::with_capacity((entries.len() + 1) * (widths.iter().sum::<usize>() + 16));
    line(&mut text, heads, &widths, heads.iter().map(|(head, ..)| *head), columns.is_some());
    for (nth, entry) in entries.iter().enumerate() {
        line(&mut text, heads, &widths, cells.row(nth, heads.len()), columns.is_some());
        if report.verbose {
            for more in details(entry) {
                let more = format!("{INDENT}{more}");
                let _ = writeln!(text, "{}", columns.map_or(Cow::from(&more), |columns| cut(&more, columns)));
            }
        }
    }
    if let Some(ListenCounters { overflows, drops }) = counters {
        let _ = writeln!(text, "host: ListenOverflows {overflows}, ListenDrops {drops} since it started");
    }
    text
}

/// The cells of a table in one string, row after row: one by one they would cost ten thousand rows some milliseconds.
#[derive(Default)]
struct Cells {
    text: String,
    ends: Vec<usize>,
}

impl Cells {
    fn push(&mut self, cell: impl Display) {
        let _ = write!(self.text, "{cell}");
        self.ends.push(self.text.len());
    }

    fn push_or_dash(&mut self, cell: Option<impl Display>) {
        match cell {
            Some(cell) => self.push(cell),
            None => self.push("-"),
        }
    }

    /// Those of a row, where each has so many.
    fn row(&self, nth: usize, columns: usize) -> impl Iterator<Item = &str> {
        (nth * columns..(nth + 1) * columns).map(|cell| {
            let start = if cell == 0 { 0 } else { self.ends[cell - 1] };
            &self.text[start..self.ends[cell]]
        })
    }
}

/// Takes from the widest until all fit.
fn narrow(widths: &mut [usize], heads: &[Column], columns: usize) {
    let gaps = GAP * (widths.len() - 1);
    while widths.iter().sum::<usize>() + gaps > columns {
        let widest = (0..widths.len()).filter(|nth| heads[*nth].2).max_by_key(|nth| widths[*nth]);
        match widest {
            Some(nth) if widths[nth] > NARROWEST => widths[nth] -= 1,
            _ => return,
        }
    }
}

fn line<'a>(
    text: &mut String,
    heads: &[Column],
    widths: &[usize],
    cells: impl Iterator<Item = &'a str>,
    terminal: bool,
) {
    let start = text.len();
    for (nth, cell) in cells.enumerate() {
        if nth > 0 {
            text.extend([' '; GAP]);
        }
        let shortened;
        let cell = if terminal && cell.width() > widths[nth] {
            shortened = cut(cell, widths[nth]);
            &shortened
        } else {
            cell
        };
        let padding = widths[nth].saturating_sub(cell.width());
        let (before, after) = if heads[nth].1 { (padding, 0) } else { (0, padding) };
        text.extend(std::iter::repeat_n(' ', before));
        text.push_str(cell);
        text.extend(std::iter::repeat_n(' ', after));
    }
    let kept = start + text[start..].trim_end_matches(' ').len();
    text.truncate(kept);
    text.push('\n');
}

fn row(entry: &Entry, cells: &mut Cells) {
    let (receive, send) = match entry.queue {
        Some(queue) => (Some(queue.waiting), Some(queue.limit)),
        None => (entry.recv_q, entry.send_q),
    };
    cells.push(entry.protocol.name());
    cells.push(entry.state.name());
    cells.push_or_dash(receive);
    cells.push_or_dash(send);
    cells.push_or_dash(entry.local.as_ref());
    cells.push_or_dash(entry.peer.as_ref());
    owner(entry, cells);
}

/// The queue of a listener counts connections; that of datagrams, bytes.
fn listener(entry: &Entry, cells: &mut Cells) {
    cells.push(entry.protocol.name());
    match entry.queue {
        Some(queue) => {
            cells.push(queue.waiting);
            cells.push(queue.limit);
        }
        None => {
            let bytes = |number: Option<u32>| number.map(|number| format!("{number}B"));
            cells.push_or_dash(bytes(entry.recv_q));
            cells.push_or_dash(bytes(entry.memory.map(|memory| memory.receive_limit)));
        }
    }
    cells.push_or_dash(entry.memory.map(|memory| memory.drops));
    cells.push_or_dash(entry.local.as_ref());
    owner(entry, cells);
}

/// `nginx, pid 12`; where the process may not be seen, whose it is.
fn owner(entry: &Entry, cells: &mut Cells) {
    if entry.processes.is_empty() {
        return cells.push_or_dash(user(entry).map(|user| format!("user {user}")));
    }
    for (nth, process) in entry.processes.iter().enumerate() {
        let between = if nth == 0 { "" } else { "; " };
        let _ = write!(cells.text, "{between}{}, pid {}", visible_line(&process.program), process.pid);
    }
    cells.push("");
}

fn user(entry: &Entry) -> Option<String> {
    let uid = entry.uid?;
    Some(entry.user.as_ref().map_or_else(|| uid.to_string(), |name| visible_line(name).into_owned()))
}

/// What `-v` adds, a line for each subject.
fn details(entry: &Entry) -> Vec<String> {
    let mut lines = Vec::new();
    let mut facts = Vec::new();
    facts.extend(user(entry).map(|user| format!("user {user}")));
    facts.extend((entry.inode != 0).then(|| format!("inode {}", entry.inode)));
    facts.extend(entry.peer_inode.map(|inode| format!("peer inode {inode}")));
    facts.extend(entry.interface.as_ref().map(|name| format!("interface {}", visible_line(name))));
    facts.extend(entry.v6only.map(|only| if only { "IPv6 only" } else { "IPv6 and IPv4" }.to_owned()));
    facts.extend(entry.timer.map(|timer| {
        let tries = if timer.tries > 0 { format!(" (try {})", timer.tries) } else { String::new() };
        format!("{} timer in {}{tries}", timer.kind, print_duration(timer.after))
    }));
    lines.extend((!facts.is_empty()).then(|| facts.join(", ")));
    lines.extend(entry.tcp.as_deref().map(tcp));
    let options: Vec<_> = entry.congestion.as_deref().into_iter().chain(entry.options.iter().copied()).collect();
    lines.extend((!options.is_empty()).then(|| format!("options {}", visible_line(&options.join(" ")))));
    lines.extend(entry.memory.map(|Memory { receive, receive_limit, send, send_limit, drops }| {
        format!("memory: receive {receive} of {receive_limit}, send {send} of {send_limit}, drops {drops}")
    }));
    lines
}

fn tcp(tcp: &TcpDetails) -> String {
    let TcpDetails { rtt, rttvar, rto, cwnd, mss, pmtu, unacked, lost, retransmits, .. } = tcp;
    let milliseconds = |duration: &Duration| format!("{:.3}ms", duration.as_secs_f64() * 1000.0);
    let mut text = format!(
        "rtt {} ± {}, rto {}, cwnd {cwnd}, mss {mss}, pmtu {pmtu}, unacked {unacked}, lost {lost}, retransmits {retransmits}",
        milliseconds(rtt),
        milliseconds(rttvar),
        milliseconds(rto),
    );
    for (name, value, unit) in
        [("pacing", tcp.pacing_rate, " B/s"), ("acked", tcp.bytes_acked, " B"), ("received", tcp.bytes_received, " B")]
    {
        if let Some(value) = value {
            let _ = write!(text, ", {name} {value}{unit}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Process;
    use crate::sys::sockets::{Queue, State, Timer};

    const REPORT: SocketReport = SocketReport { json: false, verbose: false, listen: false, again: None };

    /// One with every field, and a name that tries to drive the terminal.
    fn full() -> Entry {
        let mut entry = Entry::new(Protocol::Tcp, State::Established).with_queues(3, 4);
        entry.local = Some("127.0.0.1:80".parse().unwrap());
        entry.peer = Some("[fe80::1%2]:4000".parse().unwrap());
        entry.inode = 4242;
        (entry.uid, entry.user) = (Some(1000), Some("me".to_owned()));
        entry.processes = vec![
            Process { pid: 12, program: "ng\x1b[2Jinx".to_owned() },
            Process { pid: 13, program: "收到".to_owned() },
        ];
        entry.interface = Some("eth0".to_owned());
        entry.timer = Some(Timer { kind: "retransmit", after: Duration::from_millis(212), tries: 1 });
        entry.congestion = Some("cubic".to_owned());
        entry.options = vec!["sack", "IP_FREEBIND"];
        entry.tcp = Some(Box::new(TcpDetails {
            rtt: Duration::from_micros(250),
            rttvar: Duration::from_micros(125),
            rto: Duration::from_millis(200),
            cwnd: 10,
            mss: 1448,
            pmtu: 1500,
            unacked: 1,
            lost: 0,
            retransmits: 7,
            pacing_rate: Some(1_000_000),
            bytes_acked: Some(5),
            bytes_received: Some(6),
        }));
        entry.memory = Some(Memory { receive: 1, receive_limit: 2, send: 3, send_limit: 4, drops: 5 });
        entry
    }

    fn listening() -> Entry {
        let mut entry = Entry::new(Protocol::Tcp, State::Listen);
        entry.queue = Some(Queue { waiting: 2, limit: 1 });
        entry.local = Some("[::]:80".parse().unwrap());
        entry.inode = 7;
        entry.v6only = Some(false);
        entry
    }

    fn unix() -> Entry {
        let mut entry = Entry::new(Protocol::Unix(crate::addr::UnixKind::Stream), State::Established).with_queues(0, 0);
        entry.peer = Some("unix:/run/x".parse().unwrap());
        entry.peer_inode = Some(9);
        entry.inode = 8;
        entry
    }

    #[test]
    fn a_table_is_as_wide_as_its_contents() {
        assert_eq!(
            table(&[full(), listening(), unix()], None, &REPORT, None),
            concat!(
                "PROTO  STATE        RECV-Q  SEND-Q  LOCAL         PEER              PROCESS\n",
                "tcp    established       3       4  127.0.0.1:80  [fe80::1%2]:4000  ng\\x1b[2Jinx, pid 12; 收到, pid 13\n",
                "tcp    listen            2       1  [::]:80       -                 -\n",
                "unix   established       0       0  -             unix:/run/x       -\n",
            )
        );
        let counters = ListenCounters { overflows: 3, drops: 4 };
        assert_eq!(
            table(&[listening()], Some(counters), &SocketReport { listen: true, ..REPORT }, None),
            concat!(
                "PROTO  QUEUE  LIMIT  DROPS  LOCAL    PROCESS\n",
                "tcp        2      1      -  [::]:80  -\n",
                "host: ListenOverflows 3, ListenDrops 4 since it started\n",
            )
        );
    }

    #[test]
    fn at_a_terminal_every_line_fits() {
        for columns in [80, 100] {
            let text = table(&[full()], None, &SocketReport { verbose: true, ..REPORT }, Some(columns));
            assert!(text.lines().all(|line| line.width() <= columns), "{text}");
            assert!(text.contains('…'));
        }
        assert!(!table(&[full()], None, &REPORT, Some(200)).contains('…'));
        // Nor does one that is too narrow for anything make trouble.
        assert!(table(&[full()], None, &REPORT, Some(5)).contains("established"));
    }

    #[test]
    fn more_is_told_when_asked() {
        assert_eq!(
            details(&full()),
            [
                "user me, inode 4242, interface eth0, retransmit timer in 212ms (try 1)",
                "rtt 0.250ms ± 0.125ms, rto 200.000ms, cwnd 10, mss 1448, pmtu 1500, unacked 1, lost 0, retransmits 7, pacing 1000000 B/s, acked 5 B, received 6 B",
                "options cubic sack IP_FREEBIND",
                "memory: receive 1 of 2, send 3 of 4, drops 5",
            ]
        );
    }

    #[test]
    fn every_key_is_as_documented() {
        const DOCUMENT: &str = include_str!("../../docs/inspect.md");
        let lines = json(
            &[full(), listening(), unix()],
            Some(ListenCounters { overflows: 3, drops: 4 }),
            Duration::from_micros(1250),
        );
        let documented: Vec<_> = DOCUMENT.lines().filter(|line| line.starts_with("{\"v\":")).collect();
        assert_eq!(lines.trim_end(), documented.join("\n"));
        for line in lines.lines() {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
            let inner = object.values().filter_map(|value| value.as_object());
            for key in object.keys().chain(inner.flat_map(|object| object.keys())) {
                assert!(DOCUMENT.contains(&format!("| `{key}` |")), "{key}");
            }
        }
    }
}
