//! Sockets of the test itself, as peers under full control.

use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{PATIENCE, readable};

/// Connects; reads and writes that do not come about fail the test rather than hang it.
#[track_caller]
pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    try_connect(addr).unwrap_or_else(|e| panic!("connect to {addr}: {e}"))
}

/// As [`connect`], where the peer may have reset the connection before connect(2) has looked at it.
pub(crate) fn try_connect(addr: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&addr, PATIENCE).map(patient)
}

#[track_caller]
pub(crate) fn unix_connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap_or_else(|e| panic!("connect to {}: {e}", path.display()));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A listener of the test's own, and its address as `connect` takes it.
pub(crate) fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    (listener, addr)
}

/// A port that was free a moment ago, for a program that cannot choose one itself.
pub(crate) fn free_port() -> u16 {
    listener().0.local_addr().unwrap().port()
}

/// Asserts that nothing comes and nothing ends for a while.
#[track_caller]
pub(crate) fn stays_silent(mut stream: &TcpStream, time: Duration) {
    stream.set_read_timeout(Some(time)).unwrap();
    let got = stream.read(&mut [0; 100]);
    assert!(matches!(&got, Err(e) if e.kind() == io::ErrorKind::WouldBlock), "expected silence: {got:?}");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
}

/// Accepts one connection, within [`PATIENCE`].
#[track_caller]
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    assert!(readable(listener, PATIENCE), "nobody connected to {}", listener.local_addr().unwrap());
    patient(listener.accept().unwrap().0)
}

/// A UDP socket on loopback that does not wait for ever.
pub(crate) fn udp() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

/// Ends the connection by RST.
pub(crate) fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

pub(crate) fn shut_write(stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).unwrap();
}

/// Everything up to the peer's FIN.
#[track_caller]
pub(crate) fn read_all(mut from: impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    if let Err(e) = from.read_to_end(&mut all) {
        panic!("read: {e} after {} bytes: {:?}", all.len(), String::from_utf8_lossy(&all[..all.len().min(200)]));
    }
    all
}

/// Exactly `len` bytes.
#[track_caller]
pub(crate) fn read_exactly(mut from: impl Read, len: usize) -> Vec<u8> {
    let mut got = Vec::new();
    let mut buf = [0; 65536];
    while got.len() < len {
        let want = (len - got.len()).min(buf.len());
        match from.read(&mut buf[..want]) {
            Ok(0) => break,
            Ok(n) => got.extend_from_slice(&buf[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => panic!("read: {e} after {} of {len} bytes", got.len()),
        }
    }
    assert_eq!(got.len(), len, "the peer ended early: {:?}", String::from_utf8_lossy(&got[..got.len().min(200)]));
    got
}
