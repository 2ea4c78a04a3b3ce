//! The bare limits of benches/compare: each file is one of them, with no choice, no check and no message that it
//! could do without. Not for use: an error is a panic.

mod answer;
mod ends;
mod relay;
mod talk;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["answer"] => answer::run(),
        ["fill", size, block] => ends::fill(number(size), number(block)),
        ["drain", "splice"] => ends::drain_by_splice(),
        ["drain", block] => ends::drain(number(block)),
        ["relay", listen, target] => relay::run(port(listen), port(target)),
        ["echo"] => relay::echo(),
        ["ask", at, connections, rounds] => relay::ask(port(at), number(connections), number(rounds)),
        ["talk", how, at, up, down] => talk::run(how, at, up, down),
        _ => panic!("no such limit: {args:?}"),
    }
}

fn port(text: &str) -> u16 {
    text.parse().expect("a port")
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}
