//! The spawned binary against real peers.
//!
//! A test is a function `fn name(t: &Ctx)` that panics to fail, and its name in the list at the top of its file,
//! with what it needs in brackets. What a machine does not have makes a test ignored, with the reason printed;
//! with `SOCKKIT_REQUIRE_PEERS=1` it fails instead. `SOCKKIT_BIG=1` makes the bulk tests move a whole gigabyte.

mod chat;
mod cli;
mod connect;
mod course;
mod datagram;
mod doctor;
mod echo;
mod eof;
mod errors;
mod events;
mod examples;
mod exec;
mod explain;
mod faults;
mod harness;
mod inject;
mod inspect;
mod listen;
mod midway;
mod peers;
mod ping;
mod proxy;
mod proxy_protocol;
mod pump;
mod relay;
mod relay_faults;
mod relay_serving;
mod relay_tls;
mod reliability;
mod repl;
mod replay;
mod sandbox;
mod script;
mod serving;
mod signals;
mod starttls;
mod support;
mod time;
mod tls;
mod tls_ways;
mod tutorial;
mod wait;

use libtest_mimic::Arguments;

/// A shell without job control starts what it runs in the background with SIGINT and SIGQUIT ignored, nohup(1) does so
/// with SIGHUP: what the tests start would ignore them too, as it should. Starts again with the usual dispositions.
fn hear_signals() {
    use std::os::unix::process::CommandExt as _;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let usual = rustix::process::Signal::HUP.as_raw()..=rustix::process::Signal::QUIT.as_raw();
    if usual.map(|signal| ignored >> (signal - 1) & 1).sum::<u64>() > 0 {
        let mut again = std::process::Command::new("env");
        again
            .arg("--default-signal=HUP,INT,QUIT")
            .arg(std::env::current_exe().unwrap())
            .args(std::env::args_os().skip(1));
        panic!("signals are ignored that are to be tested, and env(1) cannot be started: {}", again.exec());
    }
}

fn main() -> std::process::ExitCode {
    hear_signals();
    let mut args = Arguments::from_args();
    // Most tests wait for something most of the time.
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    args.test_threads.get_or_insert(cores * 3);
    let trials = [
        chat::tests,
        cli::tests,
        connect::tests,
        course::tests,
        datagram::tests,
        doctor::tests,
        echo::tests,
        eof::tests,
        errors::tests,
        events::tests,
        examples::tests,
        exec::tests,
        explain::tests,
        faults::tests,
        harness::tests,
        inject::tests,
        inspect::tests,
        listen::tests,
        midway::tests,
        peers::tests,
        ping::tests,
        proxy::tests,
        proxy_protocol::tests,
        pump::tests,
        reliability::tests,
        repl::tests,
        relay::tests,
        relay_faults::tests,
        relay_serving::tests,
        relay_tls::tests,
        replay::tests,
        sandbox::tests,
        serving::tests,
        script::tests,
        signals::tests,
        starttls::tests,
        time::tests,
        tls::tests,
        tls_ways::tests,
        tutorial::tests,
        wait::tests,
    ]
    .into_iter()
    .flat_map(|tests| tests())
    .collect();
    libtest_mimic::run(&args, trials).exit_code()
}
