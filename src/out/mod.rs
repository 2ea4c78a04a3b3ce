//! Floor 4: talk. The only place that prints events.
//!
//! [`Out`] is what a command gives to its work: it hands every event to a person on stderr ([`Human`]) and,
//! where asked for, as JSON Lines to stdout or another place ([`Json`]), and adds to every failure why it
//! happened and what to try ([`mod@explain`]).

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use crate::error::{Error, Exit, Phase, Result, words};
use crate::event::{ConnId, Detail, Event, Sink};
use crate::sys::{self, Stop};
use crate::text::visible_line;

use screen::Standard;

mod color;
mod dump;
pub mod explain;
mod human;
mod json;
mod progress;
mod record;
mod screen;
mod sockets;
mod stamp;

pub use color::{ColorChoice, Terminal, wanted as color_wanted};
pub use dump::Dump;
pub use explain::{Explained, explain, explain_oddity};
pub use human::{Human, Verbosity};
pub use json::{Broken, Json};
pub use progress::Progress;
pub use record::Record;
pub use screen::{Lent, lend_screen};
pub use sockets::{SocketReport, SocketScreen};
pub use stamp::Timestamps;

/// Where `--events` goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventsTarget {
    /// A file, made or emptied.
    File(PathBuf),
    /// `fd:N`: a descriptor that is open already. It is duplicated, not taken.
    Fd(i32),
}

/// What the flags say about talking.
#[derive(Debug, Clone)]
pub struct OutConfig {
    /// The subcommand, as errors name it.
    pub command: String,
    /// `-q`, `-v`, `-vv`.
    pub verbosity: Verbosity,
    /// `--json`: events with payload on stdout.
    pub json: bool,
    /// `--events`.
    pub events: Option<EventsTarget>,
    /// `--record`.
    pub record: Option<PathBuf>,
    /// `--hex`.
    pub hex: bool,
    /// `--stats`.
    pub stats: bool,
    /// `--timestamps`.
    pub timestamps: Option<Timestamps>,
    /// `--color`.
    pub color: ColorChoice,
    /// When the run began: the zero of every time that is shown.
    pub start: Instant,
    /// Ends the wait for a reader who does not read.
    pub stop: Option<Stop>,
}

/// Everybody who listens to the events of a run.
pub struct Out {
    command: String,
    sinks: Vec<Arc<dyn Sink>>,
    json: Vec<Arc<Json>>,
    dump: Option<Arc<Dump>>,
}

impl Out {
    /// Opens what the configuration names. Sets the colours of the whole program.
    ///
    /// # Errors
    /// `--events` that cannot be opened; exit 2 for a descriptor that is not open.
    pub fn new(config: &OutConfig) -> Result<Self> {
        let color = color::decide(config.color);
        let stop = config.stop.as_ref();
        let stderr = Box::new(Standard::new(io::stderr(), stop));
        let human = Human::new(stderr, config.verbosity, config.timestamps, config.start)
            .color(color)
            .stats(config.stats)
            .live(Progress::at_a_terminal());
        let mut out =
            Self { command: config.command.clone(), sinks: vec![Arc::new(human)], json: Vec::new(), dump: None };
        if config.hex {
            let stdout = Box::new(Standard::new(io::stdout(), stop));
            let dump = Arc::new(Dump::new(stdout, config.timestamps, config.start));
            out.sinks.push(dump.clone());
            out.dump = Some(dump);
        }
        if config.json {
            let json = Arc::new(Json::new(Box::new(Standard::new(io::stdout(), stop)), json::STDOUT, config.start));
            out.sinks.push(json.clone());
            out.json.push(json);
        }
        if let Some(target) = &config.events {
            let (file, name) = open(target)?;
            let json = Arc::new(Json::new(Box::new(Descriptor::new(file, stop)), name, config.start));
            out.sinks.push(json.clone());
            out.json.push(json);
        }
        if let Some(path) = &config.record {
            let (file, name) = open(&EventsTarget::File(path.clone()))?;
            let json = Arc::new(Json::new(Box::new(Descriptor::new(file, stop)), name, config.start));
            out.sinks.push(Arc::new(Record::new(json.clone())));
            out.json.push(json);
        }
        Ok(out)
    }

    /// Other listeners than those of the flags: for tests, and for a REPL that owns the screen.
    #[must_use]
    pub fn with_sinks(command: &str, sinks: Vec<Arc<dyn Sink>>) -> Self {
        Self { command: command.to_owned(), sinks, json: Vec::new(), dump: None }
    }

    /// Whether something that was asked for could not be written: `--json`, `--hex`, `--events` or `--record`. A reader that
    /// left is no failure.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        let dump = self.dump.as_ref().and_then(|dump| dump.broken());
        self.json.iter().filter_map(|json| json.broken()).chain(dump).any(|broken| matches!(broken, Broken::Failed(_)))
    }
}

impl Sink for Out {
    fn emit(&self, conn: Option<ConnId>, event: &Event<'_>) {
        for sink in &self.sinks {
            sink.emit(conn, event);
        }
    }

    fn fail(&self, conn: Option<ConnId>, error: &Error) {
        self.emit(conn, &explain(&self.command, error).for_this_host().event());
    }

    fn warn(&self, conn: Option<ConnId>, odd: &Error) {
        let Explained { headline, cause, r#try, .. } = explain_oddity(&self.command, odd);
        self.emit(conn, &Event::Oddity { message: &headline, cause: cause.as_deref(), r#try: &r#try });
    }

    fn is_curious(&self) -> bool {
        self.sinks.iter().any(|sink| sink.is_curious())
    }

    fn reader_left(&self) -> bool {
        self.sinks.iter().any(|sink| sink.reader_left())
    }

    fn detail(&self) -> Detail {
        self.sinks.iter().map(|sink| sink.detail()).max().unwrap_or(Detail::Sessions)
    }
}

/// Says this on stderr, as it is.
pub fn say(text: &str) {
    let _ = Standard::new(io::stderr(), None).write_all(text.as_bytes());
}

/// Prints what was asked for to stdout. A reader that left early is no failure.
///
/// # Errors
/// When it cannot be written.
pub fn print(bytes: &[u8]) -> Result<Exit> {
    put(bytes).map(|_| Exit::Ok)
}

/// The same for one of many parts; says whether anybody still reads.
///
/// # Errors
/// When it cannot be written.
pub fn put(bytes: &[u8]) -> Result<bool> {
    match Descriptor::new(io::stdout(), None).write_all(bytes) {
        Err(source) if source.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(source) => Err(Error::os(Phase::WritingStdout, None, source)),
        Ok(()) => Ok(true),
    }
}

/// Prints a part of a report to stdout. Says whether anybody reads on; not, where it was asked to end while nobody did.
///
/// # Errors
/// When it cannot be written.
pub fn print_part(bytes: &[u8], stop: &Stop) -> Result<bool> {
    match Standard::new(io::stdout(), Some(stop)).write_all(bytes) {
        Ok(()) => Ok(true),
        Err(source) if matches!(source.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::TimedOut) => Ok(false),
        Err(source) => Err(Error::os(Phase::WritingStdout, None, source)),
    }
}

/// Says a failure before there is an [`Out`]: arguments that do not parse.
pub fn complain(command: &str, error: &Error, color: ColorChoice) {
    let text = explain(command, error).for_this_host().render(color::decide(color));
    let _ = Descriptor::new(io::stderr(), None).write_all(text.as_bytes());
}

/// One line of our own on stderr, for what cannot be an event because events are what fails.
fn mutter(text: &str) {
    let _ = Standard::new(io::stderr(), None).write_all(format!("sockkit: {}\n", visible_line(text)).as_bytes());
}

fn open(target: &EventsTarget) -> Result<(OwnedFd, String)> {
    match target {
        EventsTarget::Fd(number) => match sys::duplicate(*number) {
            Ok(fd) => Ok((fd, format!("fd:{number}"))),
            Err(error) => Err(Error::usage(format!("--events fd:{number}: {}", words(&error)))),
        },
        EventsTarget::File(path) => match File::create(path) {
            Ok(file) => Ok((file.into(), path.display().to_string())),
            Err(error) => Err(Error::file("", path, &error)),
        },
    }
}

/// A descriptor that is written to without a buffer, so that a line is one write(2) and lines of parallel
/// connections do not mix.
///
/// It may be a full pipe that nobody drains, and then waiting for it must not keep the program from ending: a
/// pipe or terminal is only written to after poll(2) said that it takes so much, and the stop is in that poll.
struct Descriptor<F> {
    fd: F,
    stop: Option<Stop>,
}

/// What poll(2) promises room for: PIPE_BUF, pipe(7).
const PROMISED: usize = 4096;
/// Once the program is to stop, how long a line may still wait.
const LAST_WORDS: Duration = Duration::from_millis(100);

impl<F: AsFd> Descriptor<F> {
    fn new(fd: F, stop: Option<&Stop>) -> Self {
        Self { fd, stop: stop.cloned() }
    }

    /// Waits until it takes something.
    fn wait(&self) -> io::Result<()> {
        let fd = PollFd::new(&self.fd, PollFlags::OUT);
        let Some(stop) = &self.stop else { return sys::poll(&mut [fd], None).map(drop) };
        if stop.requested().is_none() {
            let mut fds = [fd, PollFd::new(stop, PollFlags::IN)];
            sys::poll(&mut fds, None)?;
            if !fds[0].revents().is_empty() {
                return Ok(());
            }
        }
        let fd = PollFd::new(&self.fd, PollFlags::OUT);
        if sys::poll(&mut [fd], Some(Instant::now() + LAST_WORDS))? {
            Ok(())
        } else {
            Err(io::ErrorKind::TimedOut.into())
        }
    }
}

impl<F: AsFd> Write for Descriptor<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.wait()?;
            match rustix::io::write(&self.fd, &bytes[..bytes.len().min(PROMISED)]) {
                // Non-blocking, for another process that shares it made it so, and was quicker.
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;
    use std::sync::Mutex;

    fn config() -> OutConfig {
        OutConfig {
            command: "connect".to_owned(),
            verbosity: Verbosity::Quiet,
            json: false,
            events: None,
            record: None,
            hex: false,
            stats: false,
            timestamps: None,
            color: ColorChoice::Never,
            start: Instant::now(),
            stop: None,
        }
    }

    #[test]
    fn events_go_to_a_file_or_a_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let out = Out::new(&OutConfig { events: Some(EventsTarget::File(path.clone())), ..config() }).unwrap();
        assert_eq!(out.detail(), Detail::Payload);
        out.emit(None, &Event::Warning { message: "odd" });
        assert!(std::fs::read_to_string(&path).unwrap().contains(r#""event":"warning","message":"odd""#));

        let (mut reader, writer) = io::pipe().unwrap();
        rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::empty()).unwrap();
        let target = EventsTarget::Fd(writer.as_raw_fd());
        let out = Out::new(&OutConfig { events: Some(target), ..config() }).unwrap();
        out.emit(Some(3), &Event::Warning { message: "odd" });
        drop((out, writer));
        let mut all = String::new();
        reader.read_to_string(&mut all).unwrap();
        assert!(all.ends_with("\n") && all.contains(r#""conn":3"#), "{all}");
    }

    #[test]
    fn events_that_cannot_go_anywhere_are_an_error() {
        let fails = |target| Out::new(&OutConfig { events: Some(target), ..config() }).err().unwrap();
        assert_eq!(fails(EventsTarget::Fd(999_999)).exit, Exit::Usage);
        let error = fails(EventsTarget::File("/nonexistent/x".into()));
        assert_eq!(
            (error.exit, error.to_string()),
            (Exit::Failed, "using a file: /nonexistent/x: No such file or directory".to_owned())
        );
    }

    #[test]
    fn without_payload_to_show_the_fast_path_stays_open() {
        assert_eq!(Out::new(&config()).unwrap().detail(), Detail::Sessions);
        assert_eq!(
            Out::new(&OutConfig { verbosity: Verbosity::VeryVerbose, ..config() }).unwrap().detail(),
            Detail::Transfers
        );
        assert_eq!(Out::new(&OutConfig { hex: true, ..config() }).unwrap().detail(), Detail::Payload);
    }

    #[test]
    fn a_failure_is_explained_to_everybody() {
        struct Keep(Mutex<Vec<String>>);
        impl Sink for Keep {
            fn emit(&self, _conn: Option<ConnId>, event: &Event<'_>) {
                self.0.lock().unwrap().push(serde_json::to_string(event).unwrap());
            }
        }
        let keep = Arc::new(Keep(Mutex::default()));
        let out = Out::with_sinks("connect", vec![keep.clone()]);
        let endpoint = "127.0.0.1:9".parse().unwrap();
        let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        out.fail(None, &Error::os(Phase::Connecting, Some(&endpoint), refused));
        assert_eq!(
            keep.0.lock().unwrap()[0],
            concat!(
                r#"{"event":"error","message":"connect failed: connecting, 127.0.0.1:9: Connection refused","#,
                r#""reason":"refused","cause":"nothing listens on 127.0.0.1:9","#,
                r#""try":["sockkit listen 127.0.0.1:9","ss -ltnp 'sport = :9'"]}"#
            )
        );
    }

    #[test]
    fn a_descriptor_that_is_full_is_waited_for() {
        let (mut reader, writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let bytes = vec![7; 1 << 20];
        let sent = bytes.clone();
        let thread = std::thread::spawn(move || Descriptor::new(writer, None).write_all(&sent));
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        thread.join().unwrap().unwrap();
        assert!(all == bytes);
    }
}
