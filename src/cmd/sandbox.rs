//! What a server gives up before it serves: whoever takes it over by a fault in it finds little to do.

use crate::addr::{Endpoint, Host};
use crate::cli::ServingArgs;
use crate::error::{Error, Result};
use crate::event::{Event, Sink};
use crate::net::bind::{Bound, SocketFile};
use crate::sys;
use crate::sys::confine::Reach;
use crate::work::handler::{Handler, Needs};

/// Has the kernel forbid what the handler does not need, and warns of what it lets anybody do.
///
/// # Errors
/// Exit 2 for what is opened too late to be where it was meant.
pub(super) fn confine(serving: &ServingArgs, handler: &Handler, bound: &Bound, sink: &dyn Sink) -> Result<()> {
    let writes = match handler.needs() {
        Needs::Programs => {
            warn(serving, bound, sink);
            return Ok(());
        }
        Needs::Anything => return Ok(()),
        Needs::Files(_) if serving.privilege.chroot.is_some() => {
            return Err(Error::usage("--output-dir is opened for each connection, and --chroot leads away from it"));
        }
        Needs::Files(dir) => Some(dir),
        Needs::Nothing => None,
    };
    if !serving.privilege.no_sandbox {
        shrink(&Reach { writes, removes: bound.file().map(SocketFile::dir) }, sink);
    }
    #[cfg(debug_assertions)]
    escape(sink);
    Ok(())
}

fn shrink(reach: &Reach<'_>, sink: &dyn Sink) {
    let confined = sys::confine(reach);
    let missing = |name: &str, error: Option<&String>| error.map(|error| format!("{name}: {error}"));
    let notes = [
        missing("no Landlock", confined.landlock.as_ref().err()),
        missing("no seccomp", confined.calls.as_ref().err()),
    ];
    let notes: Vec<String> = notes.into_iter().flatten().collect();
    let note = (!notes.is_empty()).then(|| notes.join("; "));
    let (landlock, calls) = (confined.landlock.ok(), confined.calls.ok());
    sink.emit(None, &Event::Sandbox { landlock, calls, note: note.as_deref() });
}

/// A program for anybody who reaches the port is most often a mistake.
fn warn(serving: &ServingArgs, bound: &Bound, sink: &dyn Sink) {
    let Endpoint::Inet(inet) = bound.local() else { return };
    let is_here = match &inet.host {
        Host::V4(address) => address.is_loopback(),
        Host::V6 { addr, .. } => addr.to_canonical().is_loopback(),
        _ => false,
    };
    if !is_here && serving.acl().allow.is_empty() {
        let message = format!(
            "whoever reaches {} runs the program: --allow says who may, 127.0.0.1 for an address keeps to this host",
            bound.local()
        );
        sink.emit(None, &Event::Warning { message: &message });
    }
}

/// For tests, and in no release: does what a server that was taken over would do, and tells how that went.
#[cfg(debug_assertions)]
fn escape(sink: &dyn Sink) {
    let Ok(way) = std::env::var("SOCKKIT_TEST_ESCAPE") else { return };
    let outcome = match way.as_str() {
        "open" => std::fs::File::open("/etc/passwd").map(drop),
        "write" => std::fs::write("escaped", "").map(drop),
        "exec" => std::process::Command::new("/bin/true").status().map(drop),
        "become" => Err(sys::become_program(&["/bin/true".into()])),
        "connect" => std::net::TcpStream::connect("127.0.0.1:9").map(drop),
        _ => return,
    };
    let outcome = outcome.map_or_else(|error| format!("stopped: {error}"), |()| "done".to_owned());
    sink.emit(None, &Event::Warning { message: &format!("escape by {way}: {outcome}") });
}
