//! What ends a session: a test for each row of the table of EOF rules, on `connect` and on `listen` alike.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use crate::support::{
    Ctx, Data, In, Proc, SOON, accept, check_stream, connect, let_pass, listener, read_all, read_exactly, shut_write,
    stays_silent, trials,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["eof";
        we_end_first_then_read_on,
        peer_ends_first_a_file_is_sent_to_its_end,
        peer_ends_first_a_pipe_is_sent_while_it_gives,
        peer_ends_first_a_silent_pipe_ends_after_half_a_second,
        peer_closes_for_good_in_mid_file,
        both_end_at_once,
        send_only_takes_no_notice_of_the_peers_end,
        send_only_ends_with_stdin,
        recv_only_sends_nothing_and_keeps_its_write_side,
        no_shutdown_sends_no_fin,
        linger_after_eof_against_silence,
        linger_after_eof_against_a_flood,
        linger_after_eof_lets_the_peer_end_first,
        stay_waits_for_stdin,
        datagrams_end_a_second_after_the_last,
    ]
}

const HALF: Duration = Duration::from_millis(500);

/// The two ways to have a session, with the test as the peer: dialled by us, and accepted by us.
fn both_ways(t: &Ctx, args: &[&str], stdin: fn(&Ctx) -> In, check: impl Fn(&mut Proc, TcpStream)) {
    let (peer, addr) = listener();
    let mut client = t.connect(args).args(&[&addr]).stdin(stdin(t)).spawn();
    let stream = accept(&peer);
    check(&mut client, stream);
    let mut server = t.listen(args).args(&["127.0.0.1:0"]).stdin(stdin(t)).server();
    let stream = connect(server.socket_addr());
    check(&mut server, stream);
}

fn pipe(_: &Ctx) -> In {
    In::Pipe
}

fn null(_: &Ctx) -> In {
    In::Null
}

const FILE: Data = Data::new(20);
const FILE_LEN: u64 = 8 << 20;

fn file(t: &Ctx) -> In {
    fs::write(t.path("in"), FILE.bytes(FILE_LEN as usize)).unwrap();
    In::Fd(File::open(t.path("in")).unwrap().into())
}

fn we_end_first_then_read_on(t: &Ctx) {
    both_ways(t, &[], pipe, |proc, mut stream| {
        proc.write(b"question");
        proc.close_stdin();
        assert_eq!(read_all(&stream), b"question");
        // As long as it takes: longer than any of the limits that other rules have.
        let_pass(HALF * 3);
        stream.write_all(b"answer").unwrap();
        drop(stream);
        proc.wait().code(0).stdout("answer");
    });
}

fn peer_ends_first_a_file_is_sent_to_its_end(t: &Ctx) {
    both_ways(t, &[], file, |proc, stream| {
        shut_write(&stream);
        // It is slow to take it, too.
        let_pass(HALF * 2);
        assert_eq!(check_stream(&stream, FILE), (FILE_LEN, None));
        drop(stream);
        proc.wait().code(0);
    });
}

fn peer_ends_first_a_pipe_is_sent_while_it_gives(t: &Ctx) {
    both_ways(t, &[], pipe, |proc, stream| {
        shut_write(&stream);
        // Longer than the silence that would end it, in steps shorter than that.
        for _ in 0..5 {
            let_pass(HALF / 3);
            proc.write(b"more");
            assert_eq!(read_exactly(&stream, 4), b"more");
        }
        proc.close_stdin();
        assert_eq!(read_all(&stream), b"");
        proc.wait().code(0);
    });
}

fn peer_ends_first_a_silent_pipe_ends_after_half_a_second(t: &Ctx) {
    both_ways(t, &[], pipe, |proc, stream| {
        proc.write(b"this was there");
        shut_write(&stream);
        let begin = Instant::now();
        assert_eq!(read_all(&stream), b"this was there");
        let waited = begin.elapsed();
        assert!(waited > HALF * 7 / 10, "ended after {waited:?}");
        // With a line about it.
        proc.wait().code(0).within(SOON).says(&["still open"]);
    });
}

fn peer_closes_for_good_in_mid_file(t: &Ctx) {
    // The kernel answers what is still sent with a reset: the rest of the file is lost, and that must be told.
    both_ways(t, &[], file, |proc, stream| {
        let got = read_exactly(&stream, 4096);
        FILE.check(0, &got).unwrap();
        drop(stream);
        proc.wait().code(9);
    });
}

fn both_end_at_once(t: &Ctx) {
    both_ways(t, &[], null, |proc, stream| {
        shut_write(&stream);
        assert_eq!(read_all(&stream), b"");
        proc.wait().code(0).stdout("").within(SOON);
    });
}

fn send_only_takes_no_notice_of_the_peers_end(t: &Ctx) {
    both_ways(t, &["--send-only"], pipe, |proc, stream| {
        shut_write(&stream);
        stays_silent(&stream, HALF * 2);
        proc.write(b"late");
        assert_eq!(read_exactly(&stream, 4), b"late");
        proc.close_stdin();
        assert_eq!(read_all(&stream), b"");
        drop(stream);
        proc.wait().code(0).stdout("");
    });
}

fn send_only_ends_with_stdin(t: &Ctx) {
    both_ways(t, &["--send-only"], pipe, |proc, stream| {
        proc.write(b"all there is");
        proc.close_stdin();
        assert_eq!(read_all(&stream), b"all there is");
        // The peer has not ended, and need not.
        proc.wait().code(0).stdout("").within(SOON);
    });
}

fn recv_only_sends_nothing_and_keeps_its_write_side(t: &Ctx) {
    // R49: peers that stop at the first EOF stopped sending when a receiver's FIN came at once.
    for stdin in [null as fn(&Ctx) -> In, file] {
        both_ways(t, &["--recv-only"], stdin, |proc, mut stream| {
            stays_silent(&stream, HALF);
            stream.write_all(b"received").unwrap();
            shut_write(&stream);
            assert_eq!(read_all(&stream), b"");
            proc.wait().code(0).stdout("received");
        });
    }
}

fn no_shutdown_sends_no_fin(t: &Ctx) {
    both_ways(t, &["--no-shutdown"], pipe, |proc, mut stream| {
        proc.write(b"x");
        proc.close_stdin();
        assert_eq!(read_exactly(&stream, 1), b"x");
        stays_silent(&stream, HALF);
        stream.write_all(b"y").unwrap();
        shut_write(&stream);
        assert_eq!(read_all(&stream), b"");
        proc.wait().code(0).stdout("y");
    });
}

fn linger_after_eof_against_silence(t: &Ctx) {
    both_ways(t, &["--linger-after-eof", "500ms"], pipe, |proc, stream| {
        let begin = Instant::now();
        proc.close_stdin();
        assert_eq!(read_all(&stream), b"");
        proc.wait().code(0).within(SOON);
        assert!(begin.elapsed() >= HALF, "lingered {:?}", begin.elapsed());
    });
}

fn linger_after_eof_against_a_flood(t: &Ctx) {
    // By the clock: what comes does not prolong it.
    both_ways(t, &["--linger-after-eof", "500ms"], null, |proc, mut stream| {
        let flood = std::thread::spawn(move || while stream.write_all(&[b'f'; 65536]).is_ok() {});
        proc.wait().code(0).within(SOON);
        flood.join().unwrap();
    });
}

fn linger_after_eof_lets_the_peer_end_first(t: &Ctx) {
    both_ways(t, &["--linger-after-eof", "30s"], null, |proc, mut stream| {
        stream.write_all(b"done").unwrap();
        drop(stream);
        proc.wait().code(0).stdout("done").within(SOON);
    });
}

fn stay_waits_for_stdin(t: &Ctx) {
    both_ways(t, &["--stay"], pipe, |proc, stream| {
        shut_write(&stream);
        stays_silent(&stream, HALF * 2);
        proc.write(b"still here");
        assert_eq!(read_exactly(&stream, 10), b"still here");
        proc.close_stdin();
        assert_eq!(read_all(&stream), b"");
        proc.wait().code(0);
    });
}

fn datagrams_end_a_second_after_the_last(t: &Ctx) {
    let socket = crate::support::udp();
    let addr = socket.local_addr().unwrap().to_string();
    let mut client = t.connect(&["-u", &addr]).piped().spawn();
    client.write(b"question");
    client.close_stdin();
    let mut buf = [0; 100];
    let (len, from) = socket.recv_from(&mut buf).unwrap();
    assert_eq!(&buf[..len], b"question");
    // Each answer begins the second anew.
    let mut begin = Instant::now();
    for _ in 0..3 {
        let_pass(Duration::from_millis(600));
        begin = Instant::now();
        socket.send_to(b"answer.", from).unwrap();
    }
    client.wait().code(0).stdout("answer.answer.answer.").within(SOON + HALF);
    assert!(begin.elapsed() >= Duration::from_secs(1), "ended {:?} after the last", begin.elapsed());
}
