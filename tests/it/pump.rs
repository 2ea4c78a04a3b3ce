//! Moving bytes: every kind of standard input and output, and nothing lost, whatever happens on the way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::process::Signal;

use crate::support::{
    Ctx, Data, In, Out, Proc, Pty, SOON, accept, big, check_stream, connect, let_pass, listener, one_bulk_at_a_time,
    poll_until, read_all, read_exactly, reset, shut_write, trials,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["pump";
        stdin_is_a_file,
        stdin_is_a_pipe,
        stdin_is_a_terminal,
        another_encoding,
        stdin_is_a_socket,
        stdin_is_dev_null,
        stdin_is_closed,
        stdout_is_a_file,
        stdout_is_appended_to,
        stdout_is_a_socket,
        stdout_is_a_terminal,
        stdout_is_a_closed_pipe,
        stdout_is_full,
        stdout_is_closed,
        a_gigabyte_both_ways_at_once [] 240,
        a_gigabyte_from_file_to_dev_null [] 120,
        a_slow_reader_gets_everything [] 120,
        bulk_over_a_unix_socket [] 120,
        a_unix_peer_that_reads_later_gets_everything,
        r01_last_bytes_before_close [] 120,
        r01_last_bytes_after_half_close,
        r02_answer_long_after_stdin_ended,
        r03_peer_closes_with_stdin_a_silent_pipe,
        r03_peer_closes_with_stdin_a_terminal [Setsid],
        r03_peer_that_ended_reads_slowly,
        r04_stdout_ends_with_the_peer [Tar],
        r07_small_nonblocking_pipes [] 120,
        r07_stopped_and_continued [] 120,
        r08_signals_at_a_kilohertz [] 120,
        r09_crlf_split_across_reads,
        r10_reset_in_mid_transfer,
        r11_reader_of_stdout_goes_away,
        r12_nonblocking_is_never_left_set,
        r15_only_payload_on_stdout,
        r38_idle_means_no_cpu,
        urgent_data_does_not_stop_the_stream,
        a_blocked_stdout_is_no_silent_peer,
        the_send_timeout_holds_for_files,
        the_send_timeout_holds_for_pipes,
        bulk_within_this_host_has_a_queue_that_fits,
        r39_memory_is_bounded_when_stdout_blocks [] 120,
    ]
}

/// `connect ARGS` with the test as its peer.
fn dialled(t: &Ctx, args: &[&str], stdin: In, stdout: Out) -> (Proc, TcpStream) {
    let (peer, addr) = listener();
    let proc = t.connect(&[&addr]).args(args).stdin(stdin).stdout(stdout).spawn();
    let stream = accept(&peer);
    (proc, stream)
}

fn pipe() -> (OwnedFd, OwnedFd) {
    pipe_with(PipeFlags::CLOEXEC).unwrap()
}

/// Sends on its own thread, then FIN.
fn send(stream: &TcpStream, data: Data, len: u64) -> std::thread::JoinHandle<()> {
    let mut stream = stream.try_clone().unwrap();
    std::thread::spawn(move || {
        copy(data.reader(len), &mut stream).unwrap();
        shut_write(&stream);
    })
}

/// `io::copy` with a buffer for bulk.
fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut buf = vec![0; 1 << 17];
    loop {
        match from.read(&mut buf)? {
            0 => return Ok(()),
            n => to.write_all(&buf[..n])?,
        }
    }
}

// ---- kinds of standard input

fn stdin_is_a_file(t: &Ctx) {
    for len in [0, 1, 4096, 4097, 3_000_000] {
        let bytes = Data::new(1).bytes(len);
        fs::write(t.path("in"), &bytes).unwrap();
        let file = File::open(t.path("in")).unwrap();
        let (mut proc, mut stream) = dialled(t, &[], In::Fd(file.into()), Out::Keep);
        stream.write_all(b"answer").unwrap();
        assert_eq!(read_all(&stream).len(), len);
        drop(stream);
        proc.wait().code(0).stdout("answer");
    }
    // From where the file stands, not from its beginning.
    fs::write(t.path("in"), "skipped, sent").unwrap();
    let mut file = File::open(t.path("in")).unwrap();
    file.read_exact(&mut [0; 9]).unwrap();
    let (_proc, stream) = dialled(t, &[], In::Fd(file.into()), Out::Keep);
    assert_eq!(read_all(&stream), b"sent");
}

fn stdin_is_a_pipe(t: &Ctx) {
    let (mut proc, mut stream) = dialled(t, &[], In::Pipe, Out::Keep);
    // What is written goes out at once, not when a buffer is full.
    proc.write(b"one");
    assert_eq!(read_exactly(&stream, 3), b"one");
    stream.write_all(b"two").unwrap();
    proc.stdout.wait_len(3);
    proc.write(b"three");
    proc.close_stdin();
    assert_eq!(read_all(&stream), b"three");
    drop(stream);
    proc.wait().code(0).stdout("two");
}

fn stdin_is_a_terminal(t: &Ctx) {
    let mut pty = Pty::open();
    let modes = format!("{:?}", pty.modes());
    let (mut proc, stream) = dialled(t, &[], In::Fd(pty.side()), Out::Keep);
    pty.keys("hello\n");
    assert_eq!(read_exactly(&stream, 6), b"hello\n");
    pty.keys("\x04");
    assert_eq!(read_all(&stream), b"");
    drop(stream);
    proc.wait().code(0);
    assert_eq!(format!("{:?}", pty.modes()), modes);
}

/// Text at a terminal is in the encoding of the peer; a file and a pipe have the bytes as they are.
fn another_encoding(t: &Ctx) {
    let mut keys = Pty::open();
    let screen = Pty::open();
    let args = &["--pipe", "--encoding", "gbk", "--crlf"];
    let (mut proc, mut stream) = dialled(t, args, In::Fd(keys.side()), Out::Fd(screen.side()));
    keys.keys("收到\n");
    assert_eq!(read_exactly(&stream, 6), b"\xca\xd5\xb5\xbd\r\n");
    // No line with a character that it does not have, and the next one all the same.
    keys.keys("\u{1f600}\n");
    proc.stderr.wait_for("gbk has no '\u{1f600}' (U+1F600): nothing of this was sent");
    keys.keys("!\n");
    assert_eq!(read_exactly(&stream, 3), b"!\r\n");
    stream.write_all(b"\xca\xd5\xb5").unwrap();
    stream.write_all(b"\xbd\xff\n").unwrap();
    screen.screen.wait_for("收到\\xff");
    drop(stream);
    proc.wait().code(0);
    let mut client = t.connect(&["--encoding", "gbk", "echo:"]).piped().spawn();
    client.write("收\n".as_bytes());
    client.close_stdin();
    client.wait().code(0).stdout("收\n");
    // A script's lines are typed lines; its text is not.
    let script = t.file("script");
    fs::write(&script, "send-line 收\nsend \"收\\n\"\nrecv 7\n").unwrap();
    let exit = t.connect(&["--encoding", "gbk", "--script", &script, "echo:"]).run(b"");
    exit.code(0).stdout(b"\xca\xd5\n\xe6\x94\xb6\n");
    for (name, words) in
        [("gkb", "try: gbk"), ("utf-16", "never sent in it"), ("", "no encoding is known by this name")]
    {
        t.connect(&["--encoding", name, "echo:"]).run(b"").code(2).says(&["invalid encoding", words]);
    }
    t.connect(&["--encoding", "gbk", "--raw", "echo:"]).run(b"").code(2).says(&["--raw"]);
    t.connect(&["-z", "--encoding", "gbk", "echo:"]).run(b"").code(2).says(&["--encoding"]);
}

fn stdin_is_a_socket(t: &Ctx) {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let (mut proc, stream) = dialled(t, &[], In::Fd(theirs.into()), Out::Keep);
    ours.write_all(b"through a socket").unwrap();
    assert_eq!(read_exactly(&stream, 16), b"through a socket");
    drop(ours);
    assert_eq!(read_all(&stream), b"");
    drop(stream);
    proc.wait().code(0);
}

fn stdin_is_dev_null(t: &Ctx) {
    let (mut proc, mut stream) = dialled(t, &[], In::Null, Out::Keep);
    assert_eq!(read_all(&stream), b"");
    stream.write_all(b"still read").unwrap();
    drop(stream);
    proc.wait().code(0).stdout("still read");
}

fn stdin_is_closed(t: &Ctx) {
    let (mut proc, mut stream) = dialled(t, &[], In::Closed, Out::Keep);
    stream.write_all(b"still read").unwrap();
    assert_eq!(read_all(&stream), b"");
    drop(stream);
    proc.wait().code(0).stdout("still read");
}

// ---- kinds of standard output

fn stdout_is_a_file(t: &Ctx) {
    let bytes = Data::new(2).bytes(3_000_000);
    let file = File::create(t.path("out")).unwrap();
    let (mut proc, mut stream) = dialled(t, &[], In::Null, Out::Fd(file.into()));
    stream.write_all(&bytes).unwrap();
    drop(stream);
    proc.wait().code(0);
    assert!(fs::read(t.path("out")).unwrap() == bytes);
}

fn stdout_is_appended_to(t: &Ctx) {
    // splice(2) refuses a file opened with O_APPEND; that must not show.
    fs::write(t.path("log"), "before ").unwrap();
    let file = OpenOptions::new().append(true).open(t.path("log")).unwrap();
    let (mut proc, mut stream) = dialled(t, &[], In::Null, Out::Fd(file.into()));
    stream.write_all(b"after").unwrap();
    drop(stream);
    proc.wait().code(0);
    assert_eq!(fs::read_to_string(t.path("log")).unwrap(), "before after");
}

fn stdout_is_a_socket(t: &Ctx) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (mut proc, mut stream) = dialled(t, &[], In::Null, Out::Fd(theirs.into()));
    stream.write_all(b"to a socket").unwrap();
    drop(stream);
    proc.wait().code(0);
    assert_eq!(read_all(ours), b"to a socket");
}

fn stdout_is_a_terminal(t: &Ctx) {
    // R45: what a peer sends must not drive the terminal, unless asked for.
    for (args, raw) in [(&[][..], false), (&["--raw"], true)] {
        let pty = Pty::open();
        let (mut proc, mut stream) = dialled(t, args, In::Null, Out::Fd(pty.side()));
        stream.write_all(b"a\x1b[2Jb\x07c\n").unwrap();
        drop(stream);
        proc.wait().code(0);
        pty.screen.wait_for("c");
        let shown = pty.screen.text();
        assert_eq!(shown.contains('\x1b') || shown.contains('\x07'), raw, "{shown:?}");
    }
}

fn stdout_is_a_closed_pipe(t: &Ctx) {
    let (reader, writer) = pipe();
    drop(reader);
    let (mut proc, mut stream) = dialled(t, &[], In::Null, Out::Fd(writer));
    stream.write_all(b"nobody reads this").unwrap();
    proc.wait().code(0).within(SOON);
}

fn stdout_is_full(t: &Ctx) {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (mut proc, mut stream) = dialled(t, &[], In::Null, Out::Fd(full.into()));
    stream.write_all(b"no room for this").unwrap();
    proc.wait().code(1).says(&["no space left"]).within(SOON);
    for form in ["--json", "--hex"] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (mut proc, mut stream) = dialled(t, &[form], In::Null, Out::Fd(full.into()));
        stream.write_all(b"no room for this").unwrap();
        drop(stream);
        proc.wait().code(1).says(&["no space left"]).within(SOON);
    }
}

fn stdout_is_closed(t: &Ctx) {
    let (mut proc, mut stream) = dialled(t, &[], In::Null, Out::Closed);
    stream.write_all(b"nobody reads this").unwrap();
    shut_write(&stream);
    // Whether that is an error is left open; that it ends, and that the bytes go to no socket, is not.
    assert_eq!(read_all(&stream), b"");
    proc.wait().within(SOON);
}

// ---- bulk

fn a_gigabyte_both_ways_at_once(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    let (there, back, len) = (Data::new(3), Data::new(4), big());
    let mut server = t.listen(&["127.0.0.1:0"]).piped().stdout(Out::Check(there)).server();
    let mut client = t.connect(&[server.addr()]).piped().stdout(Out::Check(back)).spawn();
    let feeders = [(client.take_stdin(), there), (server.take_stdin(), back)]
        .map(|(stdin, data)| std::thread::spawn(move || copy(data.reader(len), stdin)));
    let limit = Duration::from_secs(200);
    client.wait_within(limit).code(0).stdout_len(len);
    server.wait_within(limit).code(0).stdout_len(len);
    for feeder in feeders {
        feeder.join().unwrap().unwrap();
    }
}

fn a_gigabyte_from_file_to_dev_null(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    let len = big();
    let mut file = File::create(t.path("big")).unwrap();
    copy(Data::new(5).reader(len), &mut file).unwrap();
    drop(file);
    // The fast path where there is one; the content is checked by the peer, the way into /dev/null by its end.
    let file = File::open(t.path("big")).unwrap();
    let (mut client, stream) = dialled(t, &[], In::Fd(file.into()), Out::Null);
    assert_eq!(check_stream(&stream, Data::new(5)), (len, None));
    drop(stream);
    client.wait().code(0);
    let mut server = t.listen(&["127.0.0.1:0"]).stdout(Out::Null).server();
    let file = File::open(t.path("big")).unwrap();
    let mut client = t.connect(&[server.addr()]).stdin(In::Fd(file.into())).spawn();
    client.wait_within(Duration::from_secs(60)).code(0);
    server.wait_within(Duration::from_secs(60)).code(0);
}

fn a_slow_reader_gets_everything(t: &Ctx) {
    let (data, len) = (Data::new(6), 24 << 20);
    let (reader, writer) = pipe();
    let mut server = t.listen(&["127.0.0.1:0"]).stdout(Out::Fd(writer)).server();
    let stream = connect(server.socket_addr());
    let sending = send(&stream, data, len);
    // A reader that sleeps: 100 ms after every 2 MiB.
    let mut slow = File::from(reader);
    let mut at = 0;
    let mut piece = vec![0; 2 << 20];
    while at < len {
        slow.read_exact(&mut piece).unwrap();
        data.check(at, &piece).unwrap();
        at += piece.len() as u64;
        let_pass(Duration::from_millis(100));
    }
    sending.join().unwrap();
    assert_eq!(slow.read(&mut piece).unwrap(), 0);
    server.wait().code(0);
}

fn bulk_over_a_unix_socket(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    let (there, back, len) = (Data::new(7), Data::new(11), big() / 8);
    let addr = format!("unix:{}", t.file("s"));
    let mut server = t.listen(&[&addr]).piped().stdout(Out::Check(there)).server();
    let mut client = t.connect(&[&addr]).piped().stdout(Out::Check(back)).spawn();
    let feeders = [(client.take_stdin(), there), (server.take_stdin(), back)]
        .map(|(stdin, data)| std::thread::spawn(move || copy(data.reader(len), stdin)));
    client.wait_within(Duration::from_secs(60)).code(0).stdout_len(len);
    server.wait_within(Duration::from_secs(60)).code(0).stdout_len(len);
    for feeder in feeders {
        feeder.join().unwrap().unwrap();
    }
}

fn a_unix_peer_that_reads_later_gets_everything(t: &Ctx) {
    let (data, len) = (Data::new(12), 8 << 20);
    let listener = UnixListener::bind(t.path("s")).unwrap();
    let mut client = t.connect(&[&format!("unix:{}", t.file("s"))]).piped().spawn();
    let (mut stream, _) = listener.accept().unwrap();
    let stdin = client.take_stdin();
    let feeder = std::thread::spawn(move || copy(data.reader(len), stdin));
    // Its answer comes through while what we send is stuck, and stuck takes no CPU.
    stream.write_all(b"not yet").unwrap();
    client.stdout.wait_for("not yet");
    let before = client.cpu();
    let_pass(Duration::from_millis(500));
    let used = client.cpu() - before;
    assert!(used < Duration::from_millis(30), "{used:?} of CPU in half a second of waiting");
    assert!(!feeder.is_finished());
    assert_eq!(check_stream(&stream, data), (len, None));
    feeder.join().unwrap().unwrap();
    drop(stream);
    client.wait().code(0).stdout("not yet");
}

// ---- rows of the list of historical failures

fn r01_last_bytes_before_close(t: &Ctx) {
    let sizes = [0, 1, 4095, 4096, 65537];
    for round in 0..60 {
        let (data, len) = (Data::new(round), sizes[round as usize % sizes.len()]);
        let mut server = t.listen(&["127.0.0.1:0"]).server();
        let mut stream = connect(server.socket_addr());
        stream.write_all(&data.bytes(len)).unwrap();
        drop(stream);
        server.wait().code(0).stdout(data.bytes(len));
    }
    let (data, len) = (Data::new(8), 64 << 20);
    let mut server = t.listen(&["127.0.0.1:0"]).stdout(Out::Check(data)).server();
    let mut stream = connect(server.socket_addr());
    copy(data.reader(len), &mut stream).unwrap();
    drop(stream);
    server.wait_within(Duration::from_secs(30)).code(0).stdout_len(len);
}

fn r01_last_bytes_after_half_close(t: &Ctx) {
    let data = Data::new(9);
    let mut server = t.listen(&["127.0.0.1:0"]).server();
    let mut stream = connect(server.socket_addr());
    stream.write_all(&data.bytes(65537)).unwrap();
    shut_write(&stream);
    assert_eq!(read_all(&stream), b"");
    server.wait().code(0).stdout(data.bytes(65537));
}

fn r02_answer_long_after_stdin_ended(t: &Ctx) {
    let data = Data::new(10);
    let (mut client, mut stream) = dialled(t, &[], In::Pipe, Out::Check(data));
    client.write(b"request");
    client.close_stdin();
    assert_eq!(read_all(&stream), b"request");
    let_pass(Duration::from_secs(3));
    copy(data.reader(1 << 20), &mut stream).unwrap();
    drop(stream);
    client.wait().code(0).stdout_len(1 << 20);
}

fn r03_peer_closes_with_stdin_a_silent_pipe(t: &Ctx) {
    let (mut client, mut stream) = dialled(t, &[], In::Pipe, Out::Keep);
    stream.write_all(b"bye").unwrap();
    drop(stream);
    // With a line that stdin was still open.
    client.wait().code(0).stdout("bye").within(SOON).says(&["still open"]);
    let mut server = t.listen(&["127.0.0.1:0"]).piped().server();
    drop(connect(server.socket_addr()));
    server.wait().code(0).within(SOON).says(&["still open"]);
}

fn r03_peer_closes_with_stdin_a_terminal(t: &Ctx) {
    let pty = Pty::open();
    let (peer, addr) = listener();
    let mut client = t.connect(&[&addr]).stdin(In::Fd(pty.side())).under(&["setsid", "-c"]).spawn();
    drop(accept(&peer));
    client.wait().code(0).within(SOON);
}

/// Pauses before each mebibyte but for the last ones, for longer than a silent pipe has.
struct Slow(TcpStream, usize);

impl Read for Slow {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = (1 << 20) - self.1 % (1 << 20);
        if left == 1 << 20 && self.1 < 3 << 20 {
            let_pass(Duration::from_millis(700));
        }
        let most = left.min(into.len());
        let bytes = self.0.read(&mut into[..most])?;
        self.1 += bytes;
        Ok(bytes)
    }
}

/// Once the peer has ended, a pipe that says nothing ends the session. One that nobody asks says nothing either.
fn r03_peer_that_ended_reads_slowly(t: &Ctx) {
    let (data, len) = (Data::new(15), 6 << 20);
    // By splice(2), and through this process.
    for extra in [&[][..], &["--output", "/dev/null"]] {
        let (mut client, stream) = dialled(t, extra, In::Pipe, Out::Keep);
        rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 64 << 10).unwrap();
        let stdin = client.take_stdin();
        let feeder = std::thread::spawn(move || copy(data.reader(len), stdin));
        shut_write(&stream);
        assert_eq!(check_stream(Slow(stream, 0), data), (len, None));
        feeder.join().unwrap().unwrap();
        client.wait().code(0);
    }
}

fn r04_stdout_ends_with_the_peer(t: &Ctx) {
    fs::write(t.path("member"), "content").unwrap();
    let tar = t.peer("tar", &["cf", "-", "member"]).run(b"").stdout.bytes();
    let (reader, writer) = pipe();
    let mut lists = t.peer("tar", &["tf", "-"]).stdin(In::Fd(reader)).spawn();
    let mut server = t.listen(&["127.0.0.1:0"]).piped().stdout(Out::Fd(writer)).server();
    let mut stream = connect(server.socket_addr());
    stream.write_all(&tar).unwrap();
    drop(stream);
    server.wait().code(0);
    lists.wait().code(0).stdout("member\n");
}

fn r07_small_nonblocking_pipes(t: &Ctx) {
    let (data, len) = (Data::new(11), 8 << 20);
    let ((from, feed), (reader, to)) = (pipe(), pipe());
    for fd in [&from, &to] {
        fcntl_setpipe_size(fd, 4096).unwrap();
        rustix::fs::fcntl_setfl(fd, OFlags::NONBLOCK).unwrap();
    }
    // The flag sits on the open file, which our end does not share.
    let mut server = t.listen(&["127.0.0.1:0"]).stdout(Out::Fd(to)).server();
    let mut client = t.connect(&[server.addr()]).stdin(In::Fd(from)).spawn();
    let feeding = std::thread::spawn(move || copy(data.reader(len), File::from(feed)));
    let (got, wrong) = check_stream(File::from(reader), data);
    feeding.join().unwrap().unwrap();
    assert_eq!((got, wrong), (len, None));
    client.wait().code(0);
    server.wait().code(0);
}

fn r07_stopped_and_continued(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    let (data, len) = (Data::new(12), 50 << 20);
    let mut server = t.listen(&["127.0.0.1:0"]).stdout(Out::Check(data)).server();
    let mut stream = connect(server.socket_addr());
    // Stopped at even places, so that each stop finds it at work.
    let mut rest = data.reader(len);
    for _ in 0..20 {
        copy((&mut rest).take(len / 20), &mut stream).unwrap();
        server.signal(Signal::STOP);
        server.wait_stopped();
        server.signal(Signal::CONT);
    }
    copy(rest, &mut stream).unwrap();
    drop(stream);
    server.wait_within(Duration::from_secs(30)).code(0).stdout_len(len);
}

fn r08_signals_at_a_kilohertz(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    let (data, len) = (Data::new(13), 100 << 20);
    let mut server = t.listen(&["127.0.0.1:0"]).piped().stdout(Out::Check(data)).server();
    let stream = connect(server.socket_addr());
    let sending = send(&stream, data, len);
    while !sending.is_finished() {
        server.signal(Signal::CHILD);
        server.signal(Signal::WINCH);
        let_pass(Duration::from_millis(1));
    }
    sending.join().unwrap();
    server.close_stdin();
    assert_eq!(read_all(&stream), b"");
    server.wait_within(Duration::from_secs(30)).code(0).stdout_len(len);
}

fn r09_crlf_split_across_reads(t: &Ctx) {
    let (mut client, stream) = dialled(t, &["--crlf"], In::Pipe, Out::Keep);
    client.write(b"a\r");
    // Two reads of it, for that is where it went wrong.
    let_pass(Duration::from_millis(200));
    client.write(b"\nb\n\n");
    client.close_stdin();
    assert_eq!(read_all(&stream), b"a\r\nb\r\n\r\n");
}

fn r10_reset_in_mid_transfer(t: &Ctx) {
    let (mut client, mut stream) = dialled(t, &[], In::Pipe, Out::Keep);
    stream.write_all(b"some").unwrap();
    client.stdout.wait_len(4);
    reset(stream);
    client.wait().code(9).stdout("some").says(&["reset"]).within(SOON);
    let mut server = t.listen(&["127.0.0.1:0"]).piped().server();
    let mut stream = connect(server.socket_addr());
    stream.write_all(b"some").unwrap();
    server.stdout.wait_len(4);
    reset(stream);
    server.wait().code(9).stdout("some").says(&["reset"]).within(SOON);
}

fn r11_reader_of_stdout_goes_away(t: &Ctx) {
    let (reader, writer) = pipe();
    let mut head = t.peer("head", &["-c", "1"]).stdin(In::Fd(reader)).spawn();
    let (mut client, mut stream) = dialled(t, &[], In::Null, Out::Fd(writer));
    let endless = std::thread::spawn(move || while stream.write_all(&[b'y'; 4096]).is_ok() {});
    head.wait().code(0).stdout("y");
    client.wait().code(0).within(SOON);
    endless.join().unwrap();
    // The same with an endless stdin, and nothing to read: `connect < /dev/zero | head -1`.
    let (reader, writer) = pipe();
    let zero = File::open("/dev/zero").unwrap();
    let (mut client, mut stream) = dialled(t, &[], In::Fd(zero.into()), Out::Fd(writer));
    drop(reader);
    let drain = stream.try_clone().unwrap();
    let drained = std::thread::spawn(move || copy(drain, io::sink()));
    let _ = stream.write_all(b"a line\n");
    client.wait().code(0).within(SOON);
    drop(stream);
    let _ = drained.join().unwrap();
}

fn r12_nonblocking_is_never_left_set(t: &Ctx) {
    let flags = |fd: &OwnedFd| rustix::fs::fcntl_getfl(fd).unwrap();
    for kill in [false, true] {
        let ((from, feed), (_reader, to), (_err_reader, err)) = (pipe(), pipe(), pipe());
        let ours = [&from, &to, &err].map(|fd| fd.try_clone().unwrap());
        let before = ours.each_ref().map(flags);
        let (peer, addr) = listener();
        let mut client = t.connect(&["-v", &addr]).stdin(In::Fd(from)).stdout(Out::Fd(to)).stderr(err).spawn();
        let mut stream = accept(&peer);
        stream.write_all(b"x").unwrap();
        rustix::io::write(&feed, b"y").unwrap();
        assert_eq!(read_exactly(&stream, 1), b"y");
        assert_eq!(ours.each_ref().map(flags), before, "while it runs");
        if kill {
            client.signal(Signal::KILL);
        } else {
            drop((feed, stream));
        }
        client.wait();
        assert_eq!(ours.each_ref().map(flags), before, "after its end, killed: {kill}");
    }
}

fn r15_only_payload_on_stdout(t: &Ctx) {
    let mut server = t.listen(&["-vv", "127.0.0.1:0"]).piped().server();
    let addr = server.addr().to_owned();
    server.write(b"from the server");
    server.close_stdin();
    let exit = t.connect(&["-vv", &addr]).run(b"from the client");
    exit.code(0).stdout("from the server");
    server.wait().code(0).stdout("from the client");
}

fn r38_idle_means_no_cpu(t: &Ctx) {
    let mut streams = Vec::new();
    let mut procs: Vec<(&str, Proc)> = Vec::new();
    procs.push(("nobody came", t.listen(&["127.0.0.1:0"]).piped().server()));
    procs.push(("nobody came, stdin ended", t.listen(&["127.0.0.1:0"]).server()));
    procs.push(("nobody came, UDP", t.listen(&["-u", "127.0.0.1:0"]).server()));
    let mut dial = |what, args: &[&str], stdin, stdout| {
        let (proc, stream) = dialled(t, args, stdin, stdout);
        procs.push((what, proc));
        streams.push(stream);
        streams.last().unwrap().try_clone().unwrap()
    };
    dial("idle", &[], In::Pipe, Out::Keep);
    dial("stdin ended", &[], In::Null, Out::Keep);
    shut_write(&dial("peer ended, --stay", &["--stay"], In::Pipe, Out::Keep));
    shut_write(&dial("peer ended, --send-only", &["--send-only"], In::Pipe, Out::Keep));
    dial("--recv-only", &["--recv-only"], In::Null, Out::Keep);
    let (_reader, writer) = pipe();
    let mut flood = dial("stdout blocked", &[], In::Null, Out::Fd(writer));
    flood.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    while flood.write(&[0; 65536]).is_ok() {}
    let zero = File::open("/dev/zero").unwrap();
    dial("peer does not read", &[], In::Fd(zero.into()), Out::Keep);
    let (reader, writer) = pipe();
    dial("reader of stdout gone", &[], In::Pipe, Out::Fd(writer));
    drop(reader);
    let keep = t.listen(&["-k", "127.0.0.1:0"]).piped().server();
    drop(connect(keep.socket_addr()));
    procs.push(("a client left", keep));

    let_pass(Duration::from_millis(500));
    let before: Vec<Duration> = procs.iter().map(|(_, proc)| proc.cpu()).collect();
    let_pass(Duration::from_secs(2));
    for ((what, proc), before) in procs.iter().zip(before) {
        let used = proc.cpu() - before;
        assert!(used < Duration::from_millis(50), "{what}: {used:?} of CPU in 2 s of nothing");
    }
}

/// splice(2) stops before a byte of urgent data for ever, and at a FIN behind it says that this is the end.
fn urgent_data_does_not_stop_the_stream(t: &Ctx) {
    let file = File::create(t.path("out")).unwrap();
    for (what, stdout) in [("a pipe", Out::Keep), ("a file", Out::Fd(file.into()))] {
        let (mut proc, mut stream) = dialled(t, &[], In::Pipe, stdout);
        stream.write_all(b"abc").unwrap();
        let_pass(Duration::from_millis(100));
        rustix::net::send(&stream, b"!", rustix::net::SendFlags::OOB).unwrap();
        stream.write_all(b"def").unwrap();
        let_pass(Duration::from_millis(100));
        let before = proc.cpu();
        let_pass(Duration::from_millis(500));
        let used = proc.cpu() - before;
        assert!(used < Duration::from_millis(100), "{what}: {used:?} of CPU");
        drop(stream);
        let exit = proc.wait();
        exit.code(0);
        if what == "a pipe" {
            exit.stdout("abcdef");
        }
    }
    assert_eq!(fs::read(t.path("out")).unwrap(), b"abcdef");
}

/// While stdout is blocked nothing can be received, so that time does not count for `--recv-timeout`.
fn a_blocked_stdout_is_no_silent_peer(t: &Ctx) {
    let (data, len) = (Data::new(11), 12 << 20);
    // By splice(2), and through this process.
    for extra in [&[][..], &["--output", "/dev/null"]] {
        let (reader, writer) = pipe();
        let args = [&["--recv-timeout", "500ms"], extra].concat();
        let (mut proc, stream) = dialled(t, &args, In::Null, Out::Fd(writer));
        let sender = send(&stream, data, len);
        let_pass(Duration::from_millis(1200));
        assert_eq!(check_stream(File::from(reader), data), (len, None));
        sender.join().unwrap();
        proc.wait().code(0);
    }
}

fn the_send_timeout_holds_for_files(t: &Ctx) {
    let file = File::create_new(t.path("large")).unwrap();
    file.set_len(64 << 20).unwrap();
    let file = File::open(t.path("large")).unwrap();
    let (mut proc, _stream) = dialled(t, &["--send-timeout", "300ms"], In::Fd(file.into()), Out::Keep);
    proc.wait().code(8).within(SOON);
}

fn the_send_timeout_holds_for_pipes(t: &Ctx) {
    // Nobody accepts, and nobody reads.
    let _unix = UnixListener::bind(t.path("s")).unwrap();
    let (_tcp, tcp) = listener();
    for address in [format!("unix:{}", t.file("s")), tcp] {
        let mut client = t.connect(&[&address, "--send-timeout", "300ms"]).piped().spawn();
        let mut stdin = client.take_stdin();
        // Once it ends, so does this.
        let feeder = std::thread::spawn(move || copy(Data::new(13).reader(64 << 20), &mut stdin));
        client.wait().code(8).within(SOON);
        assert!(feeder.join().unwrap().is_err());
    }
}

fn bulk_within_this_host_has_a_queue_that_fits(t: &Ctx) {
    for (args, limit) in [(&[][..], 425_984), (&["--sndbuf", "100k"], 204_800)] {
        // By splice(2), and through this process.
        for extra in [&[][..], &["--crlf"]] {
            let (peer, addr) = listener();
            let mut client = t.connect(&[&addr]).args(args).args(extra).piped().spawn();
            let _stream = accept(&peer);
            let mut stdin = client.take_stdin();
            let feeder = std::thread::spawn(move || copy(Data::new(14).reader(64 << 20), &mut stdin));
            // Nobody reads.
            poll_until("the send buffer is so large", || {
                let pid = client.pid().as_raw_nonzero().to_string();
                let exit = t.sockkit(&["inspect", "--json", "-t", "--process", &pid]).run(b"");
                let socket: serde_json::Value =
                    serde_json::from_str(exit.code(0).stdout.text().lines().next()?).unwrap();
                (socket["memory"]["send_limit"] == limit).then_some(())
            });
            client.signal(Signal::TERM);
            client.wait();
            assert!(feeder.join().unwrap().is_err());
        }
    }
}

fn r39_memory_is_bounded_when_stdout_blocks(t: &Ctx) {
    let (_reader, writer) = pipe();
    let (proc, mut stream) = dialled(t, &[], In::Null, Out::Fd(writer));
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut sent = 0_u64;
    while sent < 256 << 20 {
        match stream.write(&[b'x'; 1 << 16]) {
            Ok(n) => sent += n as u64,
            Err(_) => break,
        }
    }
    assert!(sent < 64 << 20, "{sent} bytes were taken that nobody reads");
    assert!(proc.peak_memory() < 64 << 20, "{} bytes of memory", proc.peak_memory());
}
