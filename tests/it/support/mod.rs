//! What the tests stand on: processes that die with their test, captured streams that can be waited for,
//! data that can be checked by the gigabyte, terminals and network namespaces.

mod certs;
mod ctx;
mod data;
mod needs;
mod net;
mod netns;
mod proc;
mod pty;

use std::time::Duration;

pub(crate) use certs::{Ca, Pem};
pub(crate) use ctx::{Ctx, Spec, one_bulk_at_a_time, trial};
pub(crate) use data::{Data, big, check_stream, is_big};
pub(crate) use needs::{Need, on_path, postgres};
pub(crate) use net::{
    accept, connect, free_port, listener, read_all, read_exactly, reset, shut_write, stays_silent, try_connect, udp,
    unix_connect,
};
pub(crate) use netns::Netns;
pub(crate) use proc::{Capture, Cmd, Exit, In, Out, Proc, children_of, readable};
pub(crate) use pty::Pty;

/// How long anything may take that should come at once. Long, since the machine may be busy; nothing waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The promise "within a second", with a second of grace for a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(2);

/// In front of a command: an ordinary user, by setpriv(1).
pub(crate) const NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// Registers tests: `trials!["area"; name, name2 [Ncat, Root], slow [] 120]`. The names are those of functions
/// that take a [`Ctx`] and panic to fail; in brackets is what they need; the number is a deadline in seconds, `120 / 900`
/// another one for the gigabytes of SOCKKIT_BIG.
macro_rules! trials {
    ($area:literal; $($name:ident $([$($need:ident),*])? $($secs:literal $(/ $big:literal)?)?),+ $(,)?) => {
        vec![$({
            #[allow(unused_mut)]
            let mut spec = $crate::support::Spec::new(concat!($area, "::", stringify!($name)));
            $(spec = spec.needs(&[$($crate::support::Need::$need),*]);)?
            $(
                spec = spec.deadline($secs);
                $(if $crate::support::is_big() { spec = spec.deadline($big); })?
            )?
            $crate::support::trial(spec, $name)
        }),+]
    };
}
pub(crate) use trials;

/// Asks `done` again and again until it answers, for things the kernel tells nobody about (a port that has come to
/// listen, a zombie that is gone). Fails the test after [`PATIENCE`].
#[track_caller]
pub(crate) fn poll_until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = done() {
            return found;
        }
        assert!(std::time::Instant::now() < end, "gave up waiting for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Lets time pass where the passing of time is what is tested: that something does *not* happen.
pub(crate) fn let_pass(time: Duration) {
    std::thread::sleep(time);
}
