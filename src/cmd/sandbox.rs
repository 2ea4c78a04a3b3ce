//! What a server gives up before it serves: whoever takes it over by a fault in it finds little to do.

use crate::addr::Endpoint;
use crate::cli::ServingArgs;
use crate::error::{Error, Result};
use crate::event::{Event, Sink};
use crate::net::bind::{Bound, SocketFile};
use crate::sys;
use crate::sys::confine::{Connects, Reach};
use crate::work::handler::Needs;

/// Has the kernel forbid what its sessions do not need, and warns of what it lets anybody do.
///
/// # Errors
/// Exit 2 for what is opened too late to be where it was meant; exit 4 for a service that there is not.
pub(super) fn confine(serving: &ServingArgs, needs: Needs<'_>, bound: &Bound, sink: &dyn Sink) -> Result<()> {
    let (writes, connects) = match needs {
        Needs::Programs => {
            warn(serving, bound, sink);
            return Ok(());
        }
        Needs::Anything => return Ok(()),
        Needs::Files(_) if serving.privilege.chroot.is_some() => {
            return Err(Error::usage("--output-dir is opened for each connection, and --chroot leads away from it"));
        }
        Needs::Files(dir) => (Some(dir), None),
        Needs::Tables => (None, Some(Connects::default())),
        Needs::Connections(target) => (None, Some(target.reach()?)),
        Needs::Nothing => (None, None),
    };
    if !serving.privilege.no_sandbox {
        let removes = bound.file().map(SocketFile::dir);
        shrink(&Reach { writes, removes, connects: connects.as_ref() }, sink);
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
    let writes = reach.writes.map(|dir| dir.display().to_string());
    let reads: Vec<String> = confined.reads.iter().map(|dir| dir.display().to_string()).collect();
    let ports = reach.connects.map(|connects| &connects.ports[..]);
    let (landlock, calls, writes, note) =
        (confined.landlock.ok(), confined.calls.ok(), writes.as_deref(), note.as_deref());
    sink.emit(None, &Event::Sandbox { landlock, calls, writes, reads: &reads, ports, note });
}

/// A program for anybody who reaches the port is most often a mistake.
fn warn(serving: &ServingArgs, bound: &Bound, sink: &dyn Sink) {
    let Endpoint::Inet(inet) = bound.local() else { return };
    let is_here = inet.host.ip().is_some_and(|ip| ip.to_canonical().is_loopback());
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
        "look" => std::fs::read_dir(".").map(drop),
        "write" => std::fs::write("escaped", "").map(drop),
        "exec" => std::process::Command::new("/bin/true").status().map(drop),
        "become" => Err(sys::become_program(&["/bin/true".into()])),
        "connect" => std::net::TcpStream::connect("127.0.0.1:9").map(drop),
        _ => return,
    };
    let outcome = outcome.map_or_else(|error| format!("stopped: {error}"), |()| "done".to_owned());
    sink.emit(None, &Event::Warning { message: &format!("escape by {way}: {outcome}") });
}
