//! Any bytes as an answer of sock_diag(7): it is read to its end, or refused; nothing is read that is not there.

use super::{dump, inetdiag, netlink, unixdiag};
use crate::sys::sockets::Entry;
use crate::sys::tables::Table;

/// As an answer of many messages, and as the body of one.
///
/// # Panics
/// When something does not hold.
pub fn fuzz(bytes: &[u8]) {
    let mut taken = 0;
    let _ = netlink::read(bytes, |body| {
        taken += body.len();
        message(body);
    });
    assert!(taken <= bytes.len(), "messages do not overlap");
    message(bytes);
}

fn message(body: &[u8]) {
    for table in [Table::Tcp, Table::Udp] {
        let entry = dump::inet_entry(table, body);
        assert!(entry.is_none() || inetdiag::message(body).is_some(), "the long reading and the short one agree");
        entry.iter().for_each(check);
    }
    let _ = unixdiag::queue_in(body);
    dump::unix_entry(body).iter().for_each(check);
}

fn check(entry: &Entry) {
    for address in [&entry.local, &entry.peer].into_iter().flatten() {
        let shown = address.to_string();
        assert!(!shown.contains(char::is_control), "{shown:?}");
    }
    serde_json::to_string(entry).expect("it can be told");
}
