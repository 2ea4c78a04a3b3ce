//! `echo`: faithful to the byte, to the border of each message and to the end; and every fault as its client sees it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::Signal;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::support::{
    Ctx, Data, PATIENCE, Proc, SOON, check_stream, connect, is_big, one_bulk_at_a_time, poll_until, read_all,
    read_exactly, reset, shut_write, stays_silent, trials, try_connect, udp, unix_connect,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["echo";
        bulk_comes_back [] 300,
        to_nc [NcOpenbsd],
        to_ncat [Ncat],
        to_socat [Socat],
        to_python [Python3],
        unix_stream,
        bulk_over_unix [Prlimit] 120,
        packets_keep_their_borders,
        unix_datagrams_keep_their_borders,
        udp_datagrams_keep_their_borders,
        half_close_is_answered_by_what_is_left,
        one_that_never_reads_costs_little,
        hundred_that_vanish [] 120,
        a_flood_takes_turns [] 120,
        what_follows_urgent_data_is_not_forgotten,
        delay,
        delay_is_cut_short_at_the_end,
        chunk_of_a_stream,
        chunk_of_messages,
        drip,
        drip_of_messages,
        reset_after,
        close_after,
        stall_of_answers,
        stall_of_reads,
        stall_of_datagrams,
        corrupt,
        corrupt_can_be_had_again,
        never_accept,
        faults_together,
        bad_values_are_shown,
        faults_that_do_not_fit,
    ]
}

fn echo(t: &Ctx, args: &[&str]) -> Proc {
    t.sockkit(&["echo"]).args(args).args(&["127.0.0.1:0"]).server()
}

fn is_served(mut stream: &TcpStream) -> bool {
    stream.write_all(b"ping").unwrap();
    read_exactly(stream, 4) == b"ping"
}

/// How much is sent through where it need not be a gigabyte.
fn some() -> u64 {
    if is_big() { 1 << 30 } else { 64 << 20 }
}

fn bulk_comes_back(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    let server = echo(t, &["-q"]);
    let (data, len) = (Data::new(60), some());
    let stream = connect(server.socket_addr());
    let mut sending = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let sent = io::copy(&mut data.reader(len), &mut sending).unwrap();
        shut_write(&sending);
        sent
    });
    assert_eq!(check_stream(&stream, data), (len, None));
    assert_eq!(sender.join().unwrap(), len);
    assert!(server.peak_memory() < 64 << 20, "{} bytes of memory", server.peak_memory());
}

/// A client of another make sends this and gets it back, and both end.
fn through(t: &Ctx, program: &str, args: &[&str]) {
    let server = echo(t, &["-q"]);
    let port = server.port().to_string();
    let args: Vec<String> = args.iter().map(|arg| arg.replace("PORT", &port)).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let data = Data::new(61).bytes(5_000_001);
    t.peer(program, &args).run(&data).code(0).stdout(&data);
}

fn to_nc(t: &Ctx) {
    through(t, "nc.openbsd", &["-N", "127.0.0.1", "PORT"]);
}

fn to_ncat(t: &Ctx) {
    through(t, "ncat", &["127.0.0.1", "PORT"]);
}

fn to_socat(t: &Ctx) {
    through(t, "socat", &["-t", "20", "-", "TCP:127.0.0.1:PORT"]);
}

fn to_python(t: &Ctx) {
    let server = echo(t, &["-q"]);
    let client = t.python("echo_client.py", &[&server.port().to_string()]).env("PYTHONDONTWRITEBYTECODE", "1");
    client.run(b"").code(0).stdout("the same\n");
}

fn unix_stream(t: &Ctx) {
    let _server = t.sockkit(&["echo", &format!("unix:{}", t.file("s"))]).server();
    let mut stream = unix_connect(&t.path("s"));
    stream.write_all(b"over a path").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&stream), b"over a path");
}

/// Where there is no room for answers, the session waits for it, also where no descriptor is left to wait with.
fn bulk_over_unix(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    for others in [0, 64] {
        let path = t.path(&format!("s{others}"));
        let address = format!("unix:{}", path.display());
        let server = t.sockkit(&["echo", &address]).under(&["prlimit", "--nofile=64"]).server();
        let stream = unix_connect(&path);
        let _others: Vec<UnixStream> = (0..others).map(|_| unix_connect(&path)).collect();
        if others > 0 {
            server.stderr.wait_for("cannot take more connections for now");
        }
        let data = Data::new(67);
        let mut sending = stream.try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            io::copy(&mut data.reader(16 << 20), &mut sending).unwrap();
            sending.shutdown(Shutdown::Write).unwrap();
        });
        // It is full for a while.
        std::thread::sleep(Duration::from_millis(100));
        let cpu = server.cpu();
        std::thread::sleep(Duration::from_millis(200));
        assert!(server.cpu() - cpu < Duration::from_millis(50), "it spins while nobody reads");
        assert_eq!(check_stream(&stream, data), (16 << 20, None));
        sender.join().unwrap();
    }
}

/// A packet socket that is connected to the path.
fn packets(t: &Ctx, name: &str) -> Socket {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    socket.connect(&SockAddr::unix(t.path(name)).unwrap()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn packet(mut socket: &Socket) -> Vec<u8> {
    let mut buffer = vec![0; 200_000];
    let len = socket.read(&mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

fn packets_keep_their_borders(t: &Ctx) {
    let _server = t.sockkit(&["echo", &format!("unix-seqpacket:{}", t.file("s"))]).server();
    let socket = packets(t, "s");
    let large = Data::new(62).bytes(150_000);
    for message in [&b"one"[..], b"", b"two", &large] {
        socket.send(message).unwrap();
    }
    for message in [&b"one"[..], b"", b"two", &large] {
        assert_eq!(packet(&socket), message);
    }
    socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(packet(&socket), b"");
}

fn unix_datagrams(t: &Ctx, name: &str) -> UnixDatagram {
    let socket = UnixDatagram::bind(t.path(&format!("{name}.client"))).unwrap();
    socket.connect(t.path(name)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn unix_datagrams_keep_their_borders(t: &Ctx) {
    let _server = t.sockkit(&["echo", &format!("unix-dgram:{}", t.file("s"))]).server();
    let socket = unix_datagrams(t, "s");
    let mut buffer = [0; 100];
    for message in [&b"one"[..], b"", b"two"] {
        socket.send(message).unwrap();
        let len = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], message);
    }
}

fn udp_datagrams_keep_their_borders(t: &Ctx) {
    let server = echo(t, &["-u"]);
    let socket = udp();
    socket.connect(server.socket_addr()).unwrap();
    let mut buffer = vec![0; 70_000];
    // The largest datagram of IPv4 is among them.
    for message in [&b"one"[..], b"", &Data::new(63).bytes(65_507)] {
        socket.send(message).unwrap();
        let len = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], message);
    }
}

fn half_close_is_answered_by_what_is_left(t: &Ctx) {
    let server = echo(t, &["-q"]);
    let mut stream = connect(server.socket_addr());
    // More than all buffers on the way hold, so that something is left when the end comes.
    let data = Data::new(64);
    let mut sending = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        io::copy(&mut data.reader(8 << 20), &mut sending).unwrap();
        shut_write(&sending);
    });
    let first = read_exactly(&mut stream, 1);
    assert_eq!(first, data.bytes(1));
    let rest = read_all(&stream);
    assert_eq!(data.check(1, &rest), Ok(()));
    assert_eq!(rest.len(), (8 << 20) - 1);
    sender.join().unwrap();
}

/// Sends until nothing more is taken for a while; says how much was.
fn fill(stream: &TcpStream) -> usize {
    let mut stream = stream;
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let piece = vec![7; 1 << 20];
    let mut sent = 0;
    loop {
        match stream.write(&piece) {
            Ok(n) => sent += n,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return sent,
            Err(e) => panic!("write: {e} after {sent} bytes"),
        }
    }
}

fn one_that_never_reads_costs_little(t: &Ctx) {
    let server = echo(t, &["-q"]);
    let steady = connect(server.socket_addr());
    assert!(is_served(&steady));
    let before = server.memory();
    let greedy: Vec<TcpStream> = (0..10).map(|_| connect(server.socket_addr())).collect();
    for stream in &greedy {
        assert!(fill(stream) > 100_000);
        assert!(is_served(&steady));
    }
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 10 * (128 << 10) + (1 << 20), "{grown} bytes for ten clients that do not read");
    let cpu = server.cpu();
    std::thread::sleep(Duration::from_millis(300));
    assert!(server.cpu() - cpu < Duration::from_millis(50), "it spins while nobody reads");
}

/// The slowest but one in a hundred of so many answers, without what the server and this thread waited for a CPU: that
/// is the doing of whatever else the machine has to run. Where they slept, or had it and were slow, is left.
fn p99(server: &Proc, stream: &TcpStream, mut goes_on: impl FnMut(usize) -> bool) -> Duration {
    // The second field of schedstat is the time on the run queue, in nanoseconds (Documentation/scheduler/sched-stats).
    let waited = |whose: &str| {
        let text = std::fs::read_to_string(format!("/proc/{whose}/schedstat")).unwrap_or_default();
        Duration::from_nanos(text.split_whitespace().nth(1).map_or(0, |field| field.parse().unwrap()))
    };
    let pid = server.pid().as_raw_nonzero().to_string();
    let waited = || waited(&pid) + waited("thread-self");
    let mut took = Vec::new();
    while goes_on(took.len()) {
        let (before, begin) = (waited(), Instant::now());
        assert!(is_served(stream));
        took.push(begin.elapsed().saturating_sub(waited() - before));
    }
    took.sort();
    took[took.len() * 99 / 100]
}

/// A hundred clients connect and vanish, each in one of five ways, whenever `next` comes: what is measured is what the
/// server makes of them, and not how busy they keep the machine themselves.
fn vanish(server: SocketAddr, next: &Receiver<()>) {
    let mut kept = Vec::new();
    for n in 0..100 {
        let mut stream = connect(server);
        match n % 5 {
            0 => reset(stream),
            1 => {
                stream.write_all(b"said and gone").unwrap();
                reset(stream);
            }
            // Half open: it has ended, and stays.
            2 => {
                shut_write(&stream);
                kept.push(stream);
            }
            // Never sends.
            3 => kept.push(stream),
            // Never reads.
            _ => {
                stream.set_nonblocking(true).unwrap();
                while stream.write(&[1; 65_536]).is_ok() {}
                kept.push(stream);
            }
        }
        let _ = next.recv();
    }
}

fn hundred_that_vanish(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    let server = echo(t, &["-q"]);
    let addr = server.socket_addr();
    let steady = connect(addr);
    steady.set_nodelay(true).unwrap();
    assert!(is_served(&steady));
    let open = server.fds();
    let median = |mut all: Vec<Duration>| {
        all.sort();
        all[all.len() / 2]
    };
    // Calm and storm in turn. In the calm the same clients vanish at another server: so what they and the machine's other
    // work take of the CPUs is in both, and what differs is that they are this server's. What is wrong with a server is
    // so in every round; what a busy machine does is not, so one good round of many is enough. Twice the calm is what is
    // asked for; where a calm answer takes but tens of microseconds, so does what an unoptimized server has to do for
    // each of them.
    const ANSWERS: usize = 40;
    const LITTLE: Duration = Duration::from_micros(100);
    let other = echo(t, &["-q"]);
    let during = |whose: SocketAddr| {
        let (tell, next) = std::sync::mpsc::channel();
        let vanishing = std::thread::spawn(move || vanish(whose, &next));
        // One for so many answers, whatever the clock says: on a busy machine they would come many at once.
        let p99 = p99(&server, &steady, |n| {
            if n.is_multiple_of(ANSWERS) {
                let _ = tell.send(());
            }
            n < 500 || !vanishing.is_finished()
        });
        vanishing.join().unwrap();
        p99
    };
    let mut seen = Vec::new();
    for _ in 0..30 {
        let (mut calm, mut storm) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            calm.push(during(other.socket_addr()));
            storm.push(during(addr));
        }
        let (calm, storm) = (median(calm), median(storm));
        seen.push((calm, storm));
        if storm <= (calm * 2).max(LITTLE) {
            break;
        }
    }
    let (calm, storm) = *seen.last().unwrap();
    assert!(storm <= (calm * 2).max(LITTLE), "p99 calm and in the storm: {seen:?}");
    assert!(is_served(&steady));
    poll_until("descriptors to be back", || (server.fds() == open).then_some(()));
}

/// However much one client keeps the server busy, the others have their turn after each of its own.
fn a_flood_takes_turns(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    let server = echo(t, &["-q"]);
    // It can always be read from and written to: the server never has to wait for it.
    let flood = connect(server.socket_addr());
    let (mut sending, mut reading) = (flood.try_clone().unwrap(), flood.try_clone().unwrap());
    let sender = std::thread::spawn(move || while sending.write_all(&[7; 1 << 20]).is_ok() {});
    let passed = Arc::new(AtomicU64::new(0));
    let count = passed.clone();
    let reader = std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 20];
        while let Ok(n @ 1..) = reading.read(&mut buffer) {
            count.fetch_add(n as u64, Ordering::Relaxed);
        }
    });
    let steady = connect(server.socket_addr());
    assert!(is_served(&steady));
    // What passes while one waits for its answer, in the middle: counted in bytes, which do not go by the clock of a
    // busy machine. Between two turns there are what is under way already and one buffer of the server. Where the
    // threads of this test wait for a processor, the flood goes on: then it is counted again.
    poll_until("the flood to take turns", || {
        let mut between: Vec<u64> = (0..200)
            .map(|_| {
                let before = passed.load(Ordering::Relaxed);
                assert!(is_served(&steady));
                passed.load(Ordering::Relaxed) - before
            })
            .collect();
        between.sort();
        (between[100] < 1 << 20).then_some(())
    });
    flood.shutdown(Shutdown::Both).unwrap();
    sender.join().unwrap();
    reader.join().unwrap();
}

/// A read stops in front of urgent data, though more has come.
fn what_follows_urgent_data_is_not_forgotten(t: &Ctx) {
    let server = echo(t, &["-q"]);
    let stream = connect(server.socket_addr());
    assert!(is_served(&stream));
    for _ in 0..20 {
        server.signal(Signal::STOP);
        server.wait_stopped();
        (&stream).write_all(b"before").unwrap();
        SockRef::from(&stream).send_out_of_band(b"!").unwrap();
        (&stream).write_all(b"behind").unwrap();
        server.signal(Signal::CONT);
        assert_eq!(read_exactly(&stream, 12), b"beforebehind");
    }
}

fn delay(t: &Ctx) {
    let server = echo(t, &["--delay", "300ms"]);
    let mut stream = connect(server.socket_addr());
    for _ in 0..2 {
        let begin = Instant::now();
        stream.write_all(b"slow").unwrap();
        assert_eq!(read_exactly(&stream, 4), b"slow");
        assert!(begin.elapsed() >= Duration::from_millis(300));
    }
    // The others are not kept waiting by it.
    let mut streams: Vec<TcpStream> = (0..20).map(|_| connect(server.socket_addr())).collect();
    let begin = Instant::now();
    streams.iter_mut().for_each(|stream| stream.write_all(b"all").unwrap());
    streams.iter().for_each(|stream| assert_eq!(read_exactly(stream, 3), b"all"));
    assert!(begin.elapsed() < SOON);
}

fn delay_is_cut_short_at_the_end(t: &Ctx) {
    let mut server = echo(t, &["--delay", "1h", "--json"]);
    let mut stream = connect(server.socket_addr());
    stream.write_all(b"late").unwrap();
    server.stdout.wait_for("\"recv\"");
    server.signal(Signal::TERM);
    assert_eq!(read_all(&stream), b"late");
    server.wait().code(143).within(SOON);
}

/// The sizes of so many bytes' writes, as events tell them.
fn writes(server: &Proc, total: u64) -> Vec<u64> {
    poll_until("the events of all writes", || {
        let text = server.stdout.text();
        let sizes: Vec<u64> = text
            .lines()
            .filter(|line| line.contains("\"event\":\"send\""))
            .map(|line| {
                let rest = line.split_once("\"bytes\":").unwrap().1;
                rest.split([',', '}']).next().unwrap().parse().unwrap()
            })
            .collect();
        (sizes.iter().sum::<u64>() >= total).then_some(sizes)
    })
}

fn chunk_of_a_stream(t: &Ctx) {
    let server = echo(t, &["--chunk", "4", "--json"]);
    let mut stream = connect(server.socket_addr());
    stream.write_all(b"0123456789").unwrap();
    assert_eq!(read_exactly(&stream, 10), b"0123456789");
    assert_eq!(writes(&server, 10), [4, 4, 2]);
}

fn chunk_of_messages(t: &Ctx) {
    let _server = t.sockkit(&["echo", "--chunk", "4", &format!("unix-seqpacket:{}", t.file("s"))]).server();
    let socket = packets(t, "s");
    socket.send(b"0123456789").unwrap();
    socket.send(b"").unwrap();
    assert_eq!(
        [packet(&socket), packet(&socket), packet(&socket), packet(&socket)],
        [&b"0123"[..], b"4567", b"89", b""]
    );
}

fn drip(t: &Ctx) {
    let server = echo(t, &["--drip", "10/100ms", "--json"]);
    let mut stream = connect(server.socket_addr());
    let begin = Instant::now();
    stream.write_all(&[b'x'; 50]).unwrap();
    assert_eq!(read_exactly(&stream, 50), [b'x'; 50]);
    // The first ten at once, and four times ten after a tenth of a second each.
    assert!(begin.elapsed() >= Duration::from_millis(400), "{:?}", begin.elapsed());
    assert_eq!(writes(&server, 50), [10; 5]);
}

fn drip_of_messages(t: &Ctx) {
    let server = echo(t, &["-u", "--drip", "10/100ms"]);
    let socket = udp();
    socket.connect(server.socket_addr()).unwrap();
    let begin = Instant::now();
    let mut buffer = [0; 100];
    for _ in 0..2 {
        socket.send(&[b'x'; 30]).unwrap();
        assert_eq!(socket.recv(&mut buffer).unwrap(), 30);
    }
    assert!(begin.elapsed() >= Duration::from_millis(300), "{:?}", begin.elapsed());
}

fn reset_after(t: &Ctx) {
    for (after, sent) in [("0", 0), ("5", 5), ("100k", 100 << 10)] {
        let server = echo(t, &["--reset-after", after]);
        let stream = match try_connect(server.socket_addr()) {
            // Reset before connect(2) has looked.
            Err(error) if sent == 0 && error.kind() == ErrorKind::ConnectionReset => continue,
            stream => stream.unwrap(),
        };
        let mut sending = stream.try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            // It may be over before all of it is sent.
            sending.write_all(&[b'x'; 200_000])
        });
        let mut got = Vec::new();
        let ends = [(&stream).read_to_end(&mut got).map(drop), sender.join().unwrap()];
        // A reset is told once, to whichever of the two asks first.
        let is_reset = |end: &io::Result<()>| end.as_ref().is_err_and(|e| e.kind() == ErrorKind::ConnectionReset);
        assert!(ends.iter().any(is_reset), "{after}: {ends:?}");
        assert_eq!(got.len(), sent, "{after}");
    }
}

fn close_after(t: &Ctx) {
    for (after, sent) in [("0", 0), ("5", 5), ("100k", 100 << 10)] {
        let server = echo(t, &["--close-after", after]);
        let stream = connect(server.socket_addr());
        let mut sending = stream.try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            let _ = sending.write_all(&[b'x'; 200_000]);
        });
        // An end and no reset, though more was sent.
        assert_eq!(read_all(&stream).len(), sent, "{after}");
        sender.join().unwrap();
    }
    // One that ends before is answered as ever.
    let server = echo(t, &["--close-after", "100"]);
    let mut stream = connect(server.socket_addr());
    stream.write_all(b"short").unwrap();
    shut_write(&stream);
    assert_eq!(read_all(&stream), b"short");
}

fn stall_of_answers(t: &Ctx) {
    let server = echo(t, &["--stall"]);
    let mut stream = connect(server.socket_addr());
    // All of it is taken.
    stream.write_all(&vec![1; 20 << 20]).unwrap();
    stays_silent(&stream, Duration::from_millis(200));
    shut_write(&stream);
    assert_eq!(read_all(&stream), b"");
    // With an end of its own, it counts what it would have answered.
    let server = echo(t, &["--stall", "--reset-after", "10"]);
    let mut stream = connect(server.socket_addr());
    stream.write_all(b"123456789").unwrap();
    stays_silent(&stream, Duration::from_millis(100));
    stream.write_all(b"0").unwrap();
    assert_eq!(stream.read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

fn stall_of_reads(t: &Ctx) {
    let mut server = echo(t, &["--stall=reads", "--stats"]);
    let stream = connect(server.socket_addr());
    assert!(fill(&stream) > 0);
    stays_silent(&stream, Duration::from_millis(100));
    // It notices when the connection breaks.
    let other = connect(server.socket_addr());
    server.stderr.wait_for(&format!("accepted {}", other.local_addr().unwrap()));
    reset(other);
    server.stderr.wait_for("closed");
    // And asked to end, it ends.
    server.signal(Signal::TERM);
    server.wait().code(143).within(SOON).says(&["0 sessions now, 2 in all", "received 0 bytes"]);
}

fn stall_of_datagrams(t: &Ctx) {
    for stall in ["--stall", "--stall=reads"] {
        let server = echo(t, &["-u", stall]);
        let socket = udp();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        socket.send_to(b"anybody?", server.socket_addr()).unwrap();
        assert_eq!(socket.recv(&mut [0; 10]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

fn answer(server: &Proc, data: &[u8]) -> Vec<u8> {
    let mut stream = connect(server.socket_addr());
    stream.write_all(data).unwrap();
    shut_write(&stream);
    read_all(&stream)
}

fn corrupt(t: &Ctx) {
    let data = Data::new(65).bytes(50_000);
    let damaged = |p| {
        let got = answer(&echo(t, &["-q", "--corrupt", p]), &data);
        assert_eq!(got.len(), data.len());
        let bits = data.iter().zip(&got).map(|(sent, got)| (sent ^ got).count_ones());
        // One bit of a byte, never more.
        bits.inspect(|bits| assert!(*bits <= 1)).sum::<u32>()
    };
    assert_eq!(damaged("0"), 0);
    assert_eq!(damaged("1"), 50_000);
    let some = damaged("0.1");
    assert!((4_000..6_000).contains(&some), "{some} of 50000 bytes");
}

fn corrupt_can_be_had_again(t: &Ctx) {
    let data = Data::new(66).bytes(10_000);
    let [one, two, other] =
        ["7", "7", "8"].map(|seed| answer(&echo(t, &["-q", "--corrupt", "0.5", "--seed", seed]), &data));
    assert!(one == two && one != other);
    // The one that it chose itself is told.
    let server = echo(t, &["-v", "--corrupt", "0.5"]);
    let first = answer(&server, &data);
    server.stderr.wait_for("option seed: asked any, is ");
    let told = server.stderr.text();
    let seed = told.split_once("option seed: asked any, is ").unwrap().1.lines().next().unwrap();
    assert_eq!(answer(&echo(t, &["-q", "--corrupt", "0.5", "--seed", seed]), &data), first);
}

fn never_accept(t: &Ctx) {
    let server = echo(t, &["--never-accept", "--backlog", "1"]);
    let mut stream = connect(server.socket_addr());
    server.stderr.wait_for("1 waiting");
    stream.write_all(b"hello?").unwrap();
    stays_silent(&stream, Duration::from_millis(200));
}

fn faults_together(t: &Ctx) {
    let args =
        ["--json", "--delay", "100ms", "--chunk", "3", "--corrupt", "1", "--drip", "5/50ms", "--close-after", "8"];
    let server = echo(t, &args);
    let mut stream = connect(server.socket_addr());
    let begin = Instant::now();
    stream.write_all(&[0; 20]).unwrap();
    let got = read_all(&stream);
    assert!(got.len() == 8 && got.iter().all(|byte| byte.count_ones() == 1), "{got:?}");
    assert_eq!(writes(&server, 8), [3, 3, 2]);
    // 100 ms, and 30 ms for each three bytes.
    assert!(begin.elapsed() >= Duration::from_millis(160), "{:?}", begin.elapsed());
}

fn bad_values_are_shown(t: &Ctx) {
    for (args, caret) in [
        (["--delay", "soon"], "\n  ^\n"),
        (["--chunk", "0"], "\n  ^\n"),
        (["--chunk", "-1"], "\n  ^\n"),
        (["--drip", "10"], "\n    ^\n"),
        (["--drip", "0/s"], "\n  ^\n"),
        (["--drip", "10/0"], "\n     ^\n"),
        (["--reset-after", "x"], "\n  ^\n"),
        (["--close-after", "1.5"], "\n   ^^\n"),
        (["--corrupt", "1.1"], "\n  ^^^\n"),
        (["--corrupt", "NaN"], "\n  ^\n"),
        (["--grace", "-1"], "\n  ^\n"),
    ] {
        let exit = t.sockkit(&["echo"]).args(&args).run(b"");
        exit.code(2);
        assert!(exit.stderr.contains(caret), "{args:?}: {}", exit.stderr);
    }
    t.sockkit(&["echo", "--stall=never"]).run(b"").code(2).says(&["possible values", "answers", "reads"]);
    t.sockkit(&["echo", "--seed", "1"]).run(b"").code(2).says(&["--corrupt"]);
}

fn faults_that_do_not_fit(t: &Ctx) {
    let unix = format!("unix:{}", t.file("s"));
    let dgram = format!("unix-dgram:{}", t.file("s"));
    for args in [
        ["--reset-after", "1", &unix],
        ["--reset-after", "1", "udp://127.0.0.1:0"],
        ["--close-after", "1", "udp://127.0.0.1:0"],
        ["--close-after", "1", &dgram],
        ["--never-accept", "-u", "127.0.0.1:0"],
    ] {
        t.sockkit(&["echo"]).args(&args).run(b"").code(2).says(&[args[0], "has not"]);
    }
    assert!(!t.path("s").exists());
}
