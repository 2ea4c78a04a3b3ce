//! Servers: `bare` is the least that one can do, as the limit to be measured against; the others are the load. Each
//! prints one line of JSON. Not for use: an error is a panic.

mod bare;
mod closed;
mod fan;
mod os;
mod udp;

use std::process::exit;

const USAGE: &str = "\
serving bare echo|udp|udp-epoll|broadcast ADDR serves; says `ready` on stderr once it listens
serving rtt ADDR COUNT                   round trips of 64 bytes, one after another (tcp, unix, udp)
serving closed ADDR CONNS SECONDS        so many connections, each with one message of 64 bytes under way
serving accept ADDR COUNT AT_ONCE        connect, 16 bytes each way, close
serving burst ADDR COUNT                 so many connects at once, 16 bytes each way
serving idle ADDR CONNS PID              memory of the server for each connection
serving udp ADDR SOCKETS WINDOW SECONDS  datagrams, so many under way on each socket
serving fan ADDR RECEIVERS WINDOW SECONDS chat|raw   lines from one to all
ADDR: tcp:HOST:PORT, unix:PATH, udp:HOST:PORT";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().unwrap_or_else(|_| usage());
    match args[..] {
        ["bare", "echo", addr] => bare::echo(&os::Addr::of(addr)),
        ["bare", "udp", addr] => bare::udp(&os::Addr::of(addr), false),
        ["bare", "udp-epoll", addr] => bare::udp(&os::Addr::of(addr), true),
        ["bare", "broadcast", addr] => bare::broadcast(&os::Addr::of(addr)),
        ["rtt", addr, count] => closed::rtt(&os::Addr::of(addr), number(count)),
        ["closed", addr, conns, seconds] => closed::closed(&os::Addr::of(addr), number(conns), number(seconds)),
        ["accept", addr, count, at_once] => closed::accept(&os::Addr::of(addr), number(count), number(at_once)),
        ["burst", addr, count] => closed::burst(&os::Addr::of(addr), number(count)),
        ["idle", addr, conns, pid] => closed::idle(&os::Addr::of(addr), number(conns), number(pid)),
        ["udp", addr, sockets, window, seconds] => {
            udp::load(&os::Addr::of(addr), number(sockets), number(window), number(seconds));
        }
        ["fan", addr, receivers, window, seconds, kind] => {
            fan::out(&os::Addr::of(addr), number(receivers), number(window), number(seconds), kind == "chat");
        }
        _ => usage(),
    }
}

fn usage() -> ! {
    eprintln!("{USAGE}");
    exit(2);
}
