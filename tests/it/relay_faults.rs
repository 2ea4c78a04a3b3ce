//! What `sockkit relay` does wrong on purpose, as a client sees it, and what it shows.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use crate::support::{
    Ctx, Data, PATIENCE, Proc, accept, connect, let_pass, listener, read_all, read_exactly, readable, shut_write,
    stays_silent, trials, try_connect, udp,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["relay_faults";
        delay_is_that_of_a_long_cable,
        delay_of_one_direction,
        delay_holds_back_ends_and_resets_too,
        rate_of_one_direction,
        rate_of_messages,
        chunks,
        drop_of_a_stream,
        drop_of_messages,
        corrupt_of_one_direction,
        reset_after,
        close_after,
        the_same_seed_does_the_same,
        all_together,
        faults_are_told,
        hex_shows_both_directions,
        a_record_can_be_replayed,
        events_of_a_session,
    ]
}

/// A relay with these faults, and both ends of a session on it.
#[track_caller]
fn cable(t: &Ctx, args: &[&str]) -> (Proc, TcpStream, TcpStream) {
    let (listener, address) = listener();
    let relay = t.sockkit(&["relay"]).args(args).args(&["127.0.0.1:0", &address]).server();
    let client = connect(relay.socket_addr());
    let target = accept(&listener);
    (relay, client, target)
}

fn delay_is_that_of_a_long_cable(t: &Ctx) {
    let (_relay, mut client, target) = cable(t, &["--delay", "300ms"]);
    let begin = Instant::now();
    // What follows is on its way at the same time, and does not wait for its turn.
    for n in 0..10 {
        client.write_all(&[n]).unwrap();
        let_pass(Duration::from_millis(10));
    }
    assert_eq!(read_exactly(&target, 10), (0..10).collect::<Vec<u8>>());
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(390) && took < Duration::from_secs(2), "{took:?}");
}

fn delay_of_one_direction(t: &Ctx) {
    let (_relay, mut client, mut target) = cable(t, &["--delay", "down=500ms"]);
    client.write_all(b"up").unwrap();
    assert_eq!(read_exactly(&target, 2), b"up");
    target.write_all(b"down").unwrap();
    stays_silent(&client, Duration::from_millis(300));
    assert_eq!(read_exactly(&client, 4), b"down");
}

fn delay_holds_back_ends_and_resets_too(t: &Ctx) {
    let (_relay, mut client, mut target) = cable(t, &["--delay", "300ms"]);
    client.write_all(b"last").unwrap();
    let begin = Instant::now();
    shut_write(&client);
    assert_eq!(read_all(&target), b"last");
    assert!(begin.elapsed() >= Duration::from_millis(290), "{:?}", begin.elapsed());
    target.write_all(b"answer").unwrap();
    crate::support::reset(target);
    // What was sent before the reset is on its way.
    let mut got = Vec::new();
    let end = (&client).read_to_end(&mut got);
    assert_eq!((got, end.unwrap_err().kind()), (b"answer".to_vec(), io::ErrorKind::ConnectionReset));
}

fn rate_of_one_direction(t: &Ctx) {
    let (_relay, client, target) = cable(t, &["--rate", "up=100k/s"]);
    let begin = Instant::now();
    let data = Data::new(1).bytes(100 << 10);
    std::thread::scope(|scope| {
        scope.spawn(|| (&client).write_all(&data).unwrap());
        assert!(read_exactly(&target, 100 << 10) == data);
    });
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(4), "{took:?}");
    // The other one is as fast as ever.
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| (&target).write_all(&Data::new(2).bytes(10 << 20)).unwrap());
        assert!(read_exactly(&client, 10 << 20) == Data::new(2).bytes(10 << 20));
    });
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

fn rate_of_messages(t: &Ctx) {
    let target = udp();
    let address = format!("udp://{}", target.local_addr().unwrap());
    let relay = t.sockkit(&["relay", "--rate", "1000/s", "udp://127.0.0.1:0", &address]).server();
    let client = udp();
    let begin = Instant::now();
    for _ in 0..5 {
        client.send_to(&[7; 200], relay.socket_addr()).unwrap();
    }
    for _ in 0..5 {
        assert_eq!(target.recv(&mut [0; 1000]).unwrap(), 200);
    }
    assert!(begin.elapsed() >= Duration::from_millis(700), "{:?}", begin.elapsed());
}

fn chunks(t: &Ctx) {
    let target = udp();
    let address = format!("udp://{}", target.local_addr().unwrap());
    let relay = t.sockkit(&["relay", "--chunk", "up=4", "udp://127.0.0.1:0", &address]).server();
    let client = udp();
    client.send_to(b"0123456789", relay.socket_addr()).unwrap();
    let mut buffer = [0; 100];
    let (_, from) = target.recv_from(&mut buffer).unwrap();
    assert_eq!([target.recv(&mut buffer).unwrap(), target.recv(&mut buffer).unwrap()], [4, 2]);
    target.send_to(b"0123456789", from).unwrap();
    assert_eq!(client.recv(&mut buffer).unwrap(), 10);
}

/// What comes out at the other end.
fn through(t: &Ctx, args: &[&str], bytes: &[u8]) -> Vec<u8> {
    let (_relay, client, target) = cable(t, args);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (&client).write_all(bytes).unwrap();
            shut_write(&client);
        });
        read_all(&target)
    })
}

fn drop_of_a_stream(t: &Ctx) {
    let sent = Data::new(4).bytes(200_000);
    let got = through(t, &["--drop", "0.1"], &sent);
    assert!((175_000..185_000).contains(&got.len()), "{}", got.len());
    // What came is in order.
    let mut rest = sent.iter();
    assert!(got.iter().all(|byte| rest.any(|sent| sent == byte)));
    assert!(through(t, &["--drop", "down=1"], &sent) == sent);
    assert!(through(t, &["--drop", "up=1"], &sent).is_empty());
}

fn drop_of_messages(t: &Ctx) {
    let target = t.sockkit(&["echo", "-u", "-q", "127.0.0.1:0"]).server();
    let args = ["relay", "--drop", "up=0.3", "--seed", "5", "udp://127.0.0.1:0", target.addr()];
    let answered = |relay: &Proc| -> Vec<u32> {
        let client = udp();
        client.connect(relay.socket_addr()).unwrap();
        let mut came = Vec::new();
        for n in 0..100u32 {
            client.send(&n.to_be_bytes()).unwrap();
            // One after the other, so that only the relay loses any.
            if readable(&client, Duration::from_millis(if n == 99 { 500 } else { 20 })) {
                let mut buffer = [0; 10];
                assert_eq!(client.recv(&mut buffer).unwrap(), 4);
                came.push(u32::from_be_bytes(buffer[..4].try_into().unwrap()));
            }
        }
        while readable(&client, Duration::from_millis(300)) {
            let mut buffer = [0; 10];
            client.recv(&mut buffer).unwrap();
            came.push(u32::from_be_bytes(buffer[..4].try_into().unwrap()));
        }
        came
    };
    let first = answered(&t.sockkit(&args).server());
    assert!((50..90).contains(&first.len()), "{first:?}");
    assert_eq!(first, answered(&t.sockkit(&args).server()));
}

fn corrupt_of_one_direction(t: &Ctx) {
    let (_relay, client, target) = cable(t, &["--corrupt", "down=0.01"]);
    let data = Data::new(6).bytes(100_000);
    std::thread::scope(|scope| {
        scope.spawn(|| (&client).write_all(&data).unwrap());
        assert!(read_exactly(&target, data.len()) == data);
        scope.spawn(|| (&target).write_all(&data).unwrap());
        let got = read_exactly(&client, data.len());
        let differ: Vec<_> = got.iter().zip(&data).filter(|(got, sent)| got != sent).collect();
        assert!((800..1200).contains(&differ.len()), "{}", differ.len());
        assert!(differ.iter().all(|(got, sent)| (*got ^ *sent).count_ones() == 1));
    });
}

fn ends(mut stream: &TcpStream) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut got = Vec::new();
    let end = stream.read_to_end(&mut got);
    (got, end.err().map(|error| error.kind()))
}

fn reset_after(t: &Ctx) {
    let (relay, mut client, target) = cable(t, &["--reset-after", "up=5"]);
    client.write_all(b"0123456789").unwrap();
    // It arrives, and then both are reset.
    assert_eq!(ends(&target), (b"01234".to_vec(), Some(io::ErrorKind::ConnectionReset)));
    assert_eq!(ends(&client), (Vec::new(), Some(io::ErrorKind::ConnectionReset)));
    relay.stderr.wait_for("up 5 bytes, down 0 bytes; ended on purpose");
    relay.stderr.wait_for("closed: sent 0 bytes");

    let (_relay, client, mut target) = cable(t, &["--reset-after", "down=3"]);
    target.write_all(b"0123456789").unwrap();
    assert_eq!(ends(&client), (b"012".to_vec(), Some(io::ErrorKind::ConnectionReset)));
    // Before anything: connect(2) itself may be what finds it reset.
    let (_listener, address) = listener();
    let relay = t.sockkit(&["relay", "--reset-after", "0", "127.0.0.1:0", &address]).server();
    let end =
        try_connect(relay.socket_addr()).map_or_else(|error| (Vec::new(), Some(error.kind())), |client| ends(&client));
    assert_eq!(end, (Vec::new(), Some(io::ErrorKind::ConnectionReset)));
}

fn close_after(t: &Ctx) {
    let (relay, client, mut target) = cable(t, &["--close-after", "down=3"]);
    target.write_all(b"0123456789").unwrap();
    assert_eq!(ends(&client), (b"012".to_vec(), None));
    drop(client);
    relay.stderr.wait_for("ended on purpose");
}

fn the_same_seed_does_the_same(t: &Ctx) {
    let args = ["--drop", "0.05", "--corrupt", "0.05", "--seed", "42"];
    let sent = Data::new(8).bytes(50_000);
    let first = through(t, &args, &sent);
    assert!(first != sent && first == through(t, &args, &sent));
    // However it is read.
    let slowly = [&args[..], &["--chunk", "7", "--delay", "10ms"]].concat();
    assert!(first == through(t, &slowly, &sent));
    let other = [&args[..5], &["43"]].concat();
    assert!(first != through(t, &other, &sent));
    // And without a seed it is told which one it was.
    let (relay, _client, _target) = cable(t, &["-v", "--drop", "0.5"]);
    relay.stderr.wait_for("option seed: asked any, is ");
}

fn all_together(t: &Ctx) {
    let args = [
        "--delay",
        "up=50ms,down=100ms",
        "--rate",
        "1m/s",
        "--drop",
        "up=0.01",
        "--corrupt",
        "down=0.01",
        "--chunk",
        "1000",
        "--close-after",
        "down=30000",
        "--seed",
        "1",
    ];
    let (_relay, client, target) = cable(t, &args);
    let data = Data::new(6).bytes(60_000);
    std::thread::scope(|scope| {
        scope.spawn(|| (&client).write_all(&data));
        scope.spawn(|| (&target).write_all(&data));
        scope.spawn(|| {
            let mut got = Vec::new();
            let _ = (&target).read_to_end(&mut got);
            assert!(got.len() < 60_000 && got.len() > 10_000, "{}", got.len());
        });
        let got = ends(&client).0;
        assert_eq!(got.len(), 30_000);
        assert!(got.iter().zip(&data).filter(|(got, sent)| got != sent).count() > 100);
    });
}

fn faults_are_told(t: &Ctx) {
    let (relay, mut client, target) = cable(t, &["-vv", "--drop", "up=1", "--corrupt", "down=1"]);
    client.write_all(b"hello").unwrap();
    relay.stderr.wait_for("received 5 bytes");
    relay.stderr.wait_for("dropped 5 bytes on the way up");
    (&target).write_all(b"answer").unwrap();
    relay.stderr.wait_for("damaged 6 bytes on the way down");
    relay.stderr.wait_for("sent 6 bytes");
}

fn hex_shows_both_directions(t: &Ctx) {
    let (relay, mut client, mut target) = cable(t, &["--hex"]);
    client.write_all(b"request").unwrap();
    read_exactly(&target, 7);
    target.write_all(b"answer").unwrap();
    read_exactly(&client, 6);
    relay.stdout.wait_for("|answer|");
    let shown = relay.stdout.text();
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("< 00000000") && lines[0].contains("|request|"), "{shown}");
    assert!(lines[1].starts_with("> 00000000") && lines[1].contains("|answer|"), "{shown}");
}

fn a_record_can_be_replayed(t: &Ctx) {
    let record = t.file("record");
    let echo = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let mut relay = t.sockkit(&["relay", "--count", "1", "--record", &record, "127.0.0.1:0", echo.addr()]).server();
    let mut client = connect(relay.socket_addr());
    client.write_all(b"hello\n").unwrap();
    read_exactly(&client, 6);
    shut_write(&client);
    assert_eq!(read_all(&client), b"");
    relay.wait().code(0);
    // To the same target, the client's part; and it is one session.
    t.sockkit(&["replay", "--speed", "0", &record, echo.addr()]).run(b"").code(0);
    let lines = std::fs::read_to_string(&record).unwrap();
    assert_eq!((lines.matches("\"accepted\"").count(), lines.matches("\"connected\"").count()), (1, 0), "{lines}");
    // One that does not say the same is told from it.
    let other = t.listen(&["-k", "--reply", "other\n", "127.0.0.1:0"]).server();
    t.sockkit(&["replay", "--speed", "0", &record, other.addr()]).run(b"").code(3);
}

fn events_of_a_session(t: &Ctx) {
    let (listener, address) = listener();
    let mut relay = t.sockkit(&["relay", "--json", "--count", "1", "127.0.0.1:0", &address]).server();
    let mut client = connect(relay.socket_addr());
    let mut target = accept(&listener);
    client.write_all(b"up").unwrap();
    shut_write(&client);
    assert_eq!(read_all(&target), b"up");
    target.write_all(b"down").unwrap();
    drop(target);
    assert_eq!(read_all(&client), b"down");
    let text = relay.wait_within(PATIENCE).code(0).stdout.text();
    let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of =
        |name: &str| events.iter().find(|event| event["event"] == name).unwrap_or_else(|| panic!("{name}: {text}"));
    assert_eq!((&of("recv")["text"], &of("send")["text"]), (&"up".into(), &"down".into()));
    let relayed = of("relayed");
    assert_eq!((&relayed["up"], &relayed["down"]), (&2.into(), &4.into()));
    assert_eq!(
        (&relayed["by"], &relayed["how"], &relayed["target"]),
        (&"client".into(), &"end".into(), &address.into())
    );
    assert!(
        events
            .iter()
            .filter(|event| event["event"] != "start")
            .all(|event| event["conn"] == 1 || event["conn"].is_null())
    );
    assert_eq!((&of("closed")["reason"], &of("end")["reason"]), (&"ok".into(), &"ok".into()));
}
