//! A test's surroundings: its processes, its directory, its deadline.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, mpsc};
use std::time::Duration;

use libtest_mimic::{Completion, Failed, Trial};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Cmd, Need};

/// The processes of a test that still run, so that its deadline can end them.
pub(crate) type Pids = Arc<Mutex<Vec<Pid>>>;

/// What is known of a test before it runs.
pub(crate) struct Spec {
    name: &'static str,
    needs: Vec<Need>,
    deadline: Duration,
}

impl Spec {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, needs: Vec::new(), deadline: Duration::from_secs(60) }
    }

    pub(crate) fn needs(mut self, needs: &[Need]) -> Self {
        self.needs = needs.to_vec();
        self
    }

    pub(crate) fn deadline(mut self, secs: u64) -> Self {
        self.deadline = Duration::from_secs(secs);
        self
    }
}

/// Handed to every test. What it starts ends with the test, however that ends.
pub(crate) struct Ctx {
    pids: Pids,
    dir: TempDir,
}

impl Ctx {
    /// The program under test with these arguments.
    pub(crate) fn sockkit(&self, args: &[&str]) -> Cmd {
        Cmd::sockkit(Arc::clone(&self.pids), self.dir(), args)
    }

    /// `sockkit listen ARGS`, to be started by [`Cmd::server`].
    pub(crate) fn listen(&self, args: &[&str]) -> Cmd {
        self.sockkit(&["listen"]).args(args)
    }

    /// `sockkit connect ARGS`.
    pub(crate) fn connect(&self, args: &[&str]) -> Cmd {
        self.sockkit(&["connect"]).args(args)
    }

    /// Any other program.
    pub(crate) fn peer(&self, program: &str, args: &[&str]) -> Cmd {
        Cmd::peer(Arc::clone(&self.pids), self.dir(), program, args)
    }

    /// A program of `tests/peers`, in Python.
    pub(crate) fn python(&self, file: &str, args: &[&str]) -> Cmd {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(file);
        self.peer(&super::needs::python(), &["-u", path.to_str().unwrap()]).args(args)
    }

    /// The test's own directory.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A path in the test's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// The same, as text.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).into_os_string().into_string().unwrap()
    }

    /// A loopback address no other test uses, for tests that need the same port twice: nobody else can take it
    /// in between.
    pub(crate) fn loopback(&self) -> Ipv4Addr {
        static NEXT: AtomicU16 = AtomicU16::new(1);
        let [low_pid, n] = [std::process::id().to_le_bytes()[0], NEXT.fetch_add(1, Ordering::Relaxed) as u8];
        Ipv4Addr::new(127, 77, low_pid, n)
    }
}

/// Held by a test that moves bulk data, so that two such do not share the cores and run into their deadlines.
pub(crate) fn one_bulk_at_a_time() -> MutexGuard<'static, ()> {
    static BULK: Mutex<()> = Mutex::new(());
    BULK.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes a test of a function: checks its needs, runs it against its deadline, turns a panic into a failure.
pub(crate) fn trial(spec: Spec, body: fn(&Ctx)) -> Trial {
    keep_panic_messages();
    Trial::ignorable_test(spec.name, move || {
        let missing: Vec<&str> = spec.needs.iter().filter_map(|need| need.missing()).collect();
        if !missing.is_empty() {
            let reason = format!("not here: {}", missing.join(", "));
            return match std::env::var_os("SOCKKIT_REQUIRE_PEERS") {
                Some(yes) if yes == "1" => Err(reason.into()),
                _ => Ok(Completion::ignored_with(reason)),
            };
        }
        run(body, spec.deadline)
    })
}

fn run(body: fn(&Ctx), deadline: Duration) -> Result<Completion, Failed> {
    let pids = Pids::default();
    let (done, outcome) = mpsc::channel();
    let theirs = Arc::clone(&pids);
    std::thread::spawn(move || {
        let dir = tempfile::Builder::new().prefix("sockkit-it-").tempdir().expect("a temporary directory");
        let ctx = Ctx { pids: theirs, dir };
        let result = catch_unwind(AssertUnwindSafe(|| body(&ctx)));
        let message = PANIC.with_borrow_mut(Option::take);
        // The directory goes before the verdict is told, for the process may end right after the last verdict.
        drop(ctx);
        let _ = done.send(result.map_err(|_| message.unwrap_or_else(|| "panicked".to_owned())));
    });
    match outcome.recv_timeout(deadline) {
        Ok(Ok(())) => Ok(Completion::Completed),
        Ok(Err(message)) => Err(message.into()),
        Err(_) => {
            for pid in pids.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
                let _ = kill_process(pid, Signal::KILL);
            }
            // With its processes dead, the test most often finds its own words for what it waited for.
            let why = outcome.recv_timeout(Duration::from_secs(5)).ok().and_then(Result::err).unwrap_or_default();
            Err(format!("still running after {deadline:?}; {why}").into())
        }
    }
}

/// Panic messages are part of the verdict; printed at once, those of tests side by side would mix.
fn keep_panic_messages() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let text = info.payload().downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| info.payload().downcast_ref::<&str>().copied()).unwrap_or("panicked");
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            PANIC.with_borrow_mut(|kept| *kept = Some(format!("{place}: {text}")));
        }));
    });
}
