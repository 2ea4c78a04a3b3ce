//! The inner parts, each over what it is given in daily use: `cargo bench --bench inner`.

use std::ffi::OsString;
use std::hint::black_box;
use std::io::sink;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use regex::bytes::Regex;
use sockkit::addr::{Endpoint, Reading};
use sockkit::event::{Event, Payload, Sink};
use sockkit::out::Json;
use sockkit::work::chat::Said;
use sockkit::work::script::buffer::Buffer;
use sockkit::work::script::parse::parse_script;
use sockkit::work::script::search::{Expression, Look, Search};

fn addresses(c: &mut Criterion) {
    let mut group = c.benchmark_group("address");
    for text in ["127.0.0.1:8080", "[fe80::1%eth0]:443", "udp://example.org:53", "unix:/run/some/where.sock", ":9000"] {
        let words = [OsString::from(text)];
        let reading = Reading::default();
        group.bench_function(text, |b| b.iter(|| Endpoint::parse(black_box(&words), &reading).unwrap()));
    }
    group.finish();
}

fn scripts(c: &mut Criterion) {
    let steps = "send \"HELO example.org\\r\\n\"\nexpect /^250[ -].*\\r\\n/ within 5s\nsleep 10ms\n# a remark\nsend-hex 00 ff 10\n";
    let script = steps.repeat(200);
    let mut group = c.benchmark_group("script");
    group.throughput(Throughput::Bytes(script.len() as u64));
    group.sample_size(20);
    group.bench_function("parse 1000 lines", |b| {
        b.iter(|| parse_script("bench", black_box(&script)).unwrap_or_else(|why| panic!("{why:?}")));
    });
    group.finish();
}

/// What `expect` does with a stream of which the end alone is what is waited for.
fn expecting(c: &mut Criterion) {
    const PIECE: usize = 64 << 10;
    let line = b"2026-01-01 00:00:00 host program[123]: an ordinary line of some log, of no interest\n";
    let mut stream: Vec<u8> = line.iter().copied().cycle().take(16 << 20).collect();
    stream.extend_from_slice(b"login: ");
    let mut group = c.benchmark_group("expect");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.sample_size(20);
    let run = |mut search: Search| {
        let mut buffer = Buffer::new(64 << 20, false);
        for piece in stream.chunks(PIECE) {
            buffer.push(piece);
            if let Look::Found(at) = search.look(buffer.unread(), false) {
                return at;
            }
        }
        match search.look(buffer.unread(), true) {
            Look::Found(at) => at,
            other => panic!("{other:?}"),
        }
    };
    group.bench_function("text, 16 MiB", |b| b.iter(|| run(Search::text(b"login: "))));
    for (name, pattern) in [("expression", r"log(in|on): $"), ("expression without a longest match", r"l[a-z]+: $")] {
        let hir = regex_syntax::ParserBuilder::new().utf8(false).build().parse(pattern).unwrap();
        let expression = Expression::new(Regex::new(pattern).unwrap(), hir);
        group.bench_function(format!("{name}, 16 MiB"), |b| b.iter(|| run(Search::regex(&expression))));
    }
    group.finish();
}

fn chat_lines(c: &mut Criterion) {
    let mut group = c.benchmark_group("chat line");
    for (name, line) in [
        ("said", "[lobby] <somebody> an ordinary line that somebody says in a room"),
        ("notice", "-- you are in lobby"),
        ("other", "no line of a room at all"),
    ] {
        group.bench_function(name, |b| b.iter(|| Said::of(black_box(line)).kind));
    }
    group.finish();
}

fn events(c: &mut Criterion) {
    let mut group = c.benchmark_group("event");
    for (name, data) in [("recv of 64 bytes", vec![b'x'; 64]), ("recv of 64 KiB", vec![0xe9; 64 << 10])] {
        let json = Json::new(Box::new(sink()), "bench", Instant::now());
        group.throughput(Throughput::Bytes(data.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| json.emit(Some(1), &Event::Recv(Payload::of(black_box(&data)))));
        });
    }
    group.finish();
}

criterion_group!(inner, addresses, scripts, expecting, chat_lines, events);
criterion_main!(inner);
