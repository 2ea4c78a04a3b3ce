//! The console blocks of README.md and of docs/ are run as they stand, and what they print is compared.
//!
//! A block has lines `$ COMMAND` (a command that goes on, goes on with `> `), each followed by what it prints, on
//! either stream. Every block is one bash in an empty directory, with this sockkit first in PATH, stdin at its end, and
//! a loopback of its own (`unshare -rn`); where that is not permitted, the blocks run one after another. A server with
//! `&` may print its lines in any order with those of a client, but each below the command that brought it about:
//! what does not come there within [`PATIENCE`] fails the block. When the block is over all its processes are killed.
//!
//! Equal up to: a line `...`, which stands for any lines (none is waited for); numbers after `PEER_PORT=`, `pid `, `-fp `, `"pid":`, `"t":`, `"took":`, `"duration":`,
//! `"first_byte":`;
//! times after `in ` and in brackets, dates; ports from [`EPHEMERAL`] up; the kernel's names of clients, `@1a2b3`.
//!
//! Other blocks must be ```text or ```json. One that needs a program that is not here is told to be ignored, and fails
//! with `SOCKKIT_REQUIRE_PEERS=1`.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use rustix::process::{Pid, Signal, kill_process_group};

/// How long the output of one command may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// The lowest port that the kernel gives away by itself, net.ipv4.ip_local_port_range.
const EPHEMERAL: u32 = 32768;
/// Programs that a block may call and a machine may not have.
const PEERS: [&str; 10] =
    ["microsocks", "nc", "nc.openbsd", "ncat", "socat", "python3", "curl", "tar", "jq", "openssl"];

/// A command and what it prints.
struct Step {
    command: String,
    output: Vec<String>,
}

struct Block {
    /// File and line, and the heading above.
    name: String,
    steps: Vec<Step>,
}

fn main() -> std::process::ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec!["README.md".to_owned()];
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        pages.push(format!("docs/{}", entry.unwrap().file_name().into_string().unwrap()));
    }
    pages.sort();
    let mut trials = Vec::new();
    for page in pages {
        match blocks(&page, &fs::read_to_string(root.join(&page)).unwrap()) {
            Ok(blocks) => trials.extend(blocks.into_iter().map(trial)),
            Err(why) => trials.push(Trial::test(page, move || Err(why.into()))),
        }
    }
    assert!(trials.len() >= 20, "only {} blocks were found", trials.len());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Takes a page apart. A block that is malformed is an error: it would never be run.
fn blocks(page: &str, text: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut heading = "";
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let here = format!("{page}:{}", number + 1);
        if let Some(text) = line.strip_prefix('#') {
            heading = text.trim_start_matches('#').trim();
        }
        let Some(language) = line.trim_start().strip_prefix("```") else { continue };
        let mut inside = Vec::new();
        loop {
            match lines.next() {
                Some((_, "```")) => break,
                Some((_, line)) => inside.push(line),
                None => return Err(format!("{here}: the block has no end")),
            }
        }
        match language {
            "console" if line.starts_with("```") => {
                let steps = steps(&inside).map_err(|why| format!("{here}: {why}"))?;
                blocks.push(Block { name: format!("{here} {heading}"), steps });
            }
            "text" | "json" => {}
            other => return Err(format!("{here}: a block of {other:?}; console at the margin, text or json")),
        }
    }
    Ok(blocks)
}

fn steps(lines: &[&str]) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for line in lines {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), output: Vec::new() });
            continue;
        }
        let step = steps.last_mut().ok_or("output before the first command")?;
        match line.strip_prefix("> ") {
            // A dump of what was sent begins like this too, but not below a line that goes on.
            Some(more) if step.output.is_empty() && step.command.ends_with(['\\', '|', '{', '(']) => {
                step.command = format!("{}\n{more}", step.command);
            }
            _ => step.output.push((*line).to_owned()),
        }
    }
    (!steps.is_empty()).then_some(steps).ok_or("no command".to_owned())
}

fn trial(block: Block) -> Trial {
    Trial::ignorable_test(block.name.clone(), move || {
        let words = block.steps.iter().flat_map(|step| step.command.split(|c: char| " \n'\"|(){}".contains(c)));
        let mut missing: Vec<&str> = words.filter(|word| PEERS.contains(word) && !on_path(word)).collect();
        let mut printed = block.steps.iter().flat_map(|step| &step.output);
        if printed.any(|line| line.contains("[::]")) && std::net::TcpListener::bind("[::]:0").is_err() {
            missing.push("IPv6");
        }
        if missing.is_empty() {
            // Who holds a port is only looked for so long, so on a busy machine an error may say less: once more.
            return run(&block).or_else(|_| run(&block)).map(|()| Completion::Completed);
        }
        let reason = format!("not here: {}", missing.join(", "));
        match std::env::var_os("SOCKKIT_REQUIRE_PEERS") {
            Some(yes) if yes == "1" => Err(reason.into()),
            _ => Ok(Completion::ignored_with(reason)),
        }
    })
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// What goes in front of bash for a network, and a /proc, of its own. Nothing where that is not permitted.
fn wrap() -> &'static [&'static str] {
    static FOUND: OnceLock<&[&str]> = OnceLock::new();
    FOUND.get_or_init(|| {
        let rest = ["--pid", "--fork", "--kill-child", "--mount-proc"];
        let ways: [&[&str]; 2] = [&["unshare", "-rn"], &["unshare", "-n"]];
        let works = |way: &[&str]| {
            let mut probe = Command::new(way[0]);
            probe.args(&way[1..]).args(rest).args(["ip", "link", "set", "lo", "up"]);
            probe.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let way = ways.into_iter().find(|way| works(way));
        way.map_or(&[], |way| Vec::leak([way, &rest].concat()))
    })
}

/// Kills what a block started, however it ended.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = kill_process_group(self.0, Signal::TERM);
        if wrap().is_empty() {
            // Without a namespace, programs of handlers are in groups of their own, and end with their server.
            std::thread::sleep(Duration::from_millis(300));
        }
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

fn run(block: &Block) -> Result<(), Failed> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let alone = wrap().is_empty();
    let _guard = alone.then(|| ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner));
    let dir = tempfile::Builder::new().prefix("sockkit-readme-").tempdir()?;
    // After each command its status is told, and the next one begins when a line comes: that is where output is cut.
    let mut script = "exec 8<&0 </dev/null\n".to_owned();
    if !alone {
        script += "ip link set lo up\n";
    }
    for step in &block.steps {
        let _ = writeln!(script, "{}\ns=$?; printf '\\001%s\\n' $s; read -r _ <&8; (exit $s)", step.command);
    }
    let argv = [wrap(), &["bash", "-c", &script]].concat();
    let sockkit = Path::new(env!("CARGO_BIN_EXE_sockkit"));
    let own = sockkit.parent().into_iter().map(Path::to_owned);
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(own.chain(std::env::split_paths(&inherited)))?;
    let (mut reader, writer) = std::io::pipe()?;
    let mut command = Command::new(argv[0]);
    command.args(&argv[1..]).current_dir(&dir).env("PATH", path).env("HOME", dir.path()).env("LC_ALL", "C.UTF-8");
    // What tests are told is no part of what a reader sees.
    let tests = ["SOCKKIT_BIG", "SOCKKIT_REQUIRE_PEERS", "SOCKKIT_BLESS"];
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"].into_iter().chain(tests) {
        command.env_remove(name);
    }
    command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn()?;
    drop(command);
    let group = Group(Pid::from_child(&child));
    let (sender, bytes) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut go = child.stdin.take().expect("it was asked for");
    let background = block.steps.iter().any(|step| step.command.trim_end().ends_with('&'));
    let mut verdict = Ok(());
    for step in &block.steps {
        verdict = attend(step, &bytes, background);
        if verdict.is_err() || writeln!(go).is_err() {
            break;
        }
    }
    drop(group);
    child.wait()?;
    verdict
}

/// Waits until the command has ended and its output is there.
fn attend(step: &Step, bytes: &Receiver<Vec<u8>>, background: bool) -> Result<(), Failed> {
    let wanted: Vec<String> = step.output.iter().map(|line| normal(line)).collect();
    let end = Instant::now() + PATIENCE;
    let mut raw = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&raw).into_owned();
        let cut = text.split_once('\u{1}').and_then(|(before, after)| Some((before, after.split_once('\n')?.1)));
        let got: Vec<String> = match cut {
            Some((before, after)) => before.lines().chain(after.lines()).map(normal).collect(),
            None => text.lines().map(normal).collect(),
        };
        if cut.is_some() && same(&wanted, &got, background) {
            return Ok(());
        }
        match bytes.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(more) => raw.extend(more),
            Err(_) => {
                let how = if cut.is_some() { "printed" } else { "has not ended, and printed" };
                let (wanted, got) = (wanted.join("\n"), got.join("\n"));
                return Err(format!("$ {}\n{how}:\n{got}\n-- instead of:\n{wanted}", step.command).into());
            }
        }
    }
}

/// Whether the lines are the same; with a server in the background, in whatever order.
fn same(wanted: &[String], got: &[String], any_order: bool) -> bool {
    let Some((first, rest)) = wanted.split_first() else { return got.is_empty() };
    if any_order {
        let mut left: Vec<&String> = got.iter().collect();
        let takes = |line| left.iter().position(|got| *got == line).map(|at| left.swap_remove(at)).is_some();
        let elided = wanted.iter().any(|line| line == "...");
        return wanted.iter().filter(|line| *line != "...").all(takes) && (elided || left.is_empty());
    }
    if first == "..." {
        return (0..=got.len()).any(|skipped| same(rest, &got[skipped..], false));
    }
    got.split_first().is_some_and(|(line, others)| line == first && same(rest, others, false))
}

/// A line with everything that changes from run to run replaced.
fn normal(line: &str) -> String {
    /// `9` is a digit, `x` a hex digit, `_` a digit or blank, `A` a letter; all else is itself.
    const SHAPES: [&str; 4] = ["AAA AAA _9 99:99:99 9999", "9999-99-99T99:99:99.999999Z", "[9.999999]", "@xxxxx"];
    const BEFORE: [&str; 10] = [
        "PEER_PORT=",
        "pid ",
        "-fp ",
        " in ",
        "\"pid\":",
        "\"t\":",
        "\"took\":",
        "\"duration\":",
        "\"first_byte\":",
        "+",
    ];
    let mut out = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let shape = SHAPES.iter().find(|shape| has_shape(rest, shape));
        let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        if let Some(shape) = shape {
            out += shape;
            rest = &rest[shape.len()..];
        } else if number > 0 && !out.ends_with(|c: char| c.is_ascii_alphanumeric()) {
            let port = out.ends_with(':') && rest[..number].parse().is_ok_and(|port: u32| port >= EPHEMERAL);
            let changes = port || BEFORE.iter().any(|before| out.ends_with(before));
            out += if changes { "N" } else { &rest[..number] };
            rest = &rest[number..];
            if changes {
                rest = rest.strip_prefix(" ms").or_else(|| rest.strip_prefix(" s")).unwrap_or(rest);
            }
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(shape, byte): (u8, u8)| match shape {
        b'9' => byte.is_ascii_digit(),
        b'_' => byte.is_ascii_digit() || byte == b' ',
        b'x' => byte.is_ascii_hexdigit(),
        b'A' => byte.is_ascii_alphabetic(),
        other => byte == other,
    };
    text.len() >= shape.len() && shape.bytes().zip(text.bytes()).all(fits)
}
