//! The sockets of this network namespace as `/proc/net` lists them: less of each than sock_diag(7) tells.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use super::dump::{endpoint, timer, unix_kind, unix_state};
use super::procfs::{each_line, inet_line};
use crate::addr::{Endpoint, Unix, UnixName};
use crate::sys::sockets::{Entry, Protocol, State};
use crate::sys::tables::Table;

/// `/proc/net/tcp` and its like.
///
/// # Errors
/// When the file cannot be opened.
pub(super) fn inet(table: Table, v6: bool, states: u32, deadline: Instant, all: &mut Vec<Entry>) -> io::Result<()> {
    let path = match (table, v6) {
        (Table::Tcp, false) => "/proc/net/tcp",
        (Table::Tcp, true) => "/proc/net/tcp6",
        (Table::Udp, false) => "/proc/net/udp",
        (Table::Udp, true) => "/proc/net/udp6",
    };
    fs::metadata(path)?;
    each_line(Path::new(path), deadline, |line| {
        all.extend(inet_entry(table, line).filter(|entry| states & entry.state.mask() != 0));
    });
    Ok(())
}

/// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`
fn inet_entry(table: Table, line: &[u8]) -> Option<Entry> {
    let socket = inet_line(line)?;
    let mut fields = std::str::from_utf8(line).ok()?.split_ascii_whitespace().skip(4);
    let (send, receive) = fields.next()?.split_once(':')?;
    let (kind, when) = fields.next()?.split_once(':')?;
    let tries = fields.next()?;
    let uid = fields.next()?.parse().ok()?;
    let hexadecimal = |text| u32::from_str_radix(text, 16).ok();
    let protocol = if table == Table::Tcp { Protocol::Tcp } else { Protocol::Udp };
    let mut entry = Entry::new(protocol, State::from_number(socket.state)?);
    if entry.state == State::Listen {
        // The limit of the queue is not told.
        entry.recv_q = hexadecimal(receive);
    } else {
        entry = entry.with_queues(hexadecimal(receive)?, hexadecimal(send)?);
    }
    entry.local = endpoint(table, socket.local);
    entry.peer = endpoint(table, socket.remote);
    entry.inode = socket.inode;
    entry.uid = (socket.inode != 0).then_some(uid);
    let ticks = u64::from(hexadecimal(when)?);
    let milliseconds = u32::try_from(ticks * 1000 / rustix::param::clock_ticks_per_second()).unwrap_or(u32::MAX);
    entry.timer =
        timer(u8::from_str_radix(kind, 16).ok()?, hexadecimal(tries)?.try_into().unwrap_or(u8::MAX), milliseconds);
    Some(entry)
}

/// `/proc/net/unix`.
///
/// # Errors
/// When the file cannot be opened.
pub(super) fn unix(states: u32, deadline: Instant, all: &mut Vec<Entry>) -> io::Result<()> {
    let path = "/proc/net/unix";
    fs::metadata(path)?;
    each_line(Path::new(path), deadline, |line| {
        all.extend(unix_entry(line).filter(|entry| states & entry.state.mask() != 0));
    });
    Ok(())
}

/// `Num RefCount Protocol Flags Type St Inode Path`: the path is what follows the inode and one blank, blanks and all.
fn unix_entry(line: &[u8]) -> Option<Entry> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut at = 0;
    let mut fields = [""; 7];
    for field in &mut fields {
        at += line[at..].iter().take_while(|byte| **byte == b' ').count();
        let length = line[at..].iter().take_while(|byte| **byte != b' ').count();
        *field = std::str::from_utf8(&line[at..at + length]).ok()?;
        at += length;
    }
    let [_, _, _, flags, kind, state, inode] = fields;
    let kind = unix_kind(u16::from_str_radix(kind, 16).ok()?)?;
    // __SO_ACCEPTCON of include/linux/net.h.
    let listens = u32::from_str_radix(flags, 16).ok()? & 0x1_0000 != 0;
    let state = unix_state(u8::from_str_radix(state, 16).ok()?, listens)?;
    let mut entry = Entry::new(Protocol::Unix(kind), state);
    entry.inode = inode.parse().ok()?;
    let name = match line.get(at + 1..) {
        None | Some([]) => return Some(entry),
        Some([b'@', name @ ..]) => UnixName::Abstract(name.to_vec()),
        Some(path) => UnixName::Path(std::ffi::OsStr::from_bytes(path).into()),
    };
    entry.local = Some(Endpoint::Unix(Unix { kind, name }));
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_cut_off_ones_are_none() {
        let line =
            b"   1: 0100007F:0050 0200007F:0FA0 01 00000006:00000005 02:00000096 00000003  1000        0 4242 2 0 20";
        let entry = inet_entry(Table::Tcp, line).unwrap();
        assert_eq!((entry.recv_q, entry.send_q, entry.uid, entry.inode), (Some(5), Some(6), Some(1000), 4242));
        assert_eq!(entry.timer.unwrap().kind, "keepalive");
        for end in 0..line.len() {
            let _ = inet_entry(Table::Tcp, &line[..end]);
        }
        let line = b"0000000000000000: 00000002 00000000 00010000 0001 01 4711 /run/a b";
        let entry = unix_entry(line).unwrap();
        assert_eq!((entry.state, entry.inode), (State::Listen, 4711));
        assert_eq!(entry.local.unwrap().to_string(), "unix:/run/a b");
        for end in 0..line.len() {
            let _ = unix_entry(&line[..end]);
        }
    }
}
