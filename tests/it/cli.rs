//! The face: help, version, completions, man pages, colours.

use std::fs;
use std::path::Path;

use libtest_mimic::Trial;

use crate::support::{Ctx, In, Out, Pty, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["cli";
        help_goes_to_stdout,
        every_option_is_explained,
        version,
        completions_are_the_committed_ones,
        man_pages,
        help_into_a_closed_pipe,
        color_follows_flag_and_environment,
        verbose_reports_options_asked_and_effective,
    ]
}

fn help_goes_to_stdout(t: &Ctx) {
    for args in [&["--help"][..], &["-h"], &["help"], &["listen", "--help"], &["connect", "-h"], &["help", "connect"]] {
        let exit = t.sockkit(args).run(b"");
        assert!(exit.code(0).stdout.text().contains("Usage: sockkit"), "{args:?}");
        assert_eq!(exit.stderr, "");
    }
}

fn every_option_is_explained(t: &Ctx) {
    // The groups of the contract are the headings of the help.
    for command in ["listen", "connect"] {
        let text = t.sockkit(&[command, "--help"]).run(b"").code(0).stdout.text();
        for heading in ["Socket", "Timeouts", "EOF"] {
            assert!(text.lines().any(|l| l.starts_with(heading) && l.ends_with(':')), "{command}: {heading}\n{text}");
        }
        for flag in ["--sndbuf", "--keepalive", "--opt", "--deadline", "--linger-after-eof", "--json", "--hex"] {
            assert!(text.contains(flag), "{command}: {flag}");
        }
    }
}

fn version(t: &Ctx) {
    let wanted = format!("sockkit {}\n", env!("CARGO_PKG_VERSION"));
    t.sockkit(&["--version"]).run(b"").code(0).stdout(&wanted);
    t.sockkit(&["-V"]).run(b"").code(0).stdout(&wanted);
}

fn completions_are_the_committed_ones(t: &Ctx) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (shell, file) in [
        ("bash", "sockkit.bash"),
        ("zsh", "_sockkit"),
        ("fish", "sockkit.fish"),
        ("powershell", "_sockkit.ps1"),
        ("elvish", "sockkit.elv"),
    ] {
        let committed = fs::read(root.join("completions").join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        let printed = t.sockkit(&["completions", shell]).run(b"").code(0).stdout.bytes();
        let same = "the same: after a change of the options, `cargo run -- completions SHELL > completions/FILE`";
        assert!(printed == committed, "completions/{file} is not {same}");
    }
    t.sockkit(&["completions", "no-such-shell"]).run(b"").code(2);
}

fn man_pages(t: &Ctx) {
    t.sockkit(&["man", &t.file("man")]).run(b"").code(0);
    let names: Vec<String> =
        fs::read_dir(t.path("man")).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    for name in ["sockkit.1", "sockkit-listen.1", "sockkit-connect.1", "sockkit-chat-serve.1"] {
        assert!(names.iter().any(|n| n == name), "{name} is not in {names:?}");
        assert!(fs::read_to_string(t.path("man").join(name)).unwrap().contains(".TH"));
    }
}

fn help_into_a_closed_pipe(t: &Ctx) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    drop(reader);
    t.sockkit(&["listen", "--help"]).stdout(Out::Fd(writer)).run(b"").code(0);
}

fn color_follows_flag_and_environment(t: &Ctx) {
    type Case = (&'static [&'static str], &'static [(&'static str, &'static str)], bool);
    let cases: [Case; 7] = [
        (&[], &[], true),
        (&[], &[("NO_COLOR", "1")], false),
        (&[], &[("TERM", "dumb")], false),
        (&["--color", "never"], &[("CLICOLOR_FORCE", "1")], false),
        (&["--color", "always"], &[("NO_COLOR", "1")], true),
        (&["--color", "auto"], &[("CLICOLOR_FORCE", "1")], true),
        (&["--color", "auto"], &[], true),
    ];
    for (flags, env, coloured) in cases {
        let pty = Pty::open();
        let mut cmd = t.connect(flags).args(&["unix:/nonexistent/s"]).stdin(In::Null).stderr(pty.side());
        cmd = cmd.env("TERM", "xterm");
        for (name, value) in env {
            cmd = cmd.env(name, value);
        }
        cmd.spawn().wait().code(6);
        pty.screen.wait_for("/nonexistent/s");
        let shown = pty.screen.text();
        assert_eq!(shown.contains('\x1b'), coloured, "{flags:?} {env:?}: {shown:?}");
    }
    // Not a terminal: plain, unless told otherwise.
    t.connect(&["unix:/nonexistent/s"]).run(b"").code(6).says_not(&["\x1b"]);
    t.connect(&["--color", "always", "unix:/nonexistent/s"]).run(b"").code(6).says(&["\x1b"]);
}

fn verbose_reports_options_asked_and_effective(t: &Ctx) {
    // Linux doubles what is asked for SO_RCVBUF; the report has both numbers.
    let exit = t.connect(&["-v", "--rcvbuf", "32k", "echo:"]).run(b"x");
    exit.code(0).stdout("x").says(&["rcvbuf", "32", "65536"]);
}
