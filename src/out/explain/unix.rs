//! Why UNIX sockets fail.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::addr::{Endpoint, UNIX_NAME_MAX, Unix, UnixKind, UnixName};
use crate::error::{Fact, Phase, Process, UnixPathState};
use crate::text::visible_line;

use super::{Case, Why, connections, name_of, word};

pub(super) fn why(case: &Case<'_>, unix: &Unix, errno: i32) -> Option<Why> {
    let phase = case.error.phase;
    let binding = matches!(phase, Phase::Binding | Phase::Listening);
    let state = case.facts().iter().find_map(|fact| match fact {
        Fact::UnixPath(state) => Some(state),
        _ => None,
    });
    let name = match &unix.name {
        UnixName::Path(path) => shown(path),
        other => Endpoint::Unix(Unix { kind: UnixKind::Stream, name: other.clone() }).to_string(),
    };
    let serve = format!("sockkit {} {}", case.server(), case.word());
    Some(match (errno, state) {
        (libc::EACCES, Some(UnixPathState::Forbidden { at, mode, owner })) => {
            let who = if *owner == 0 { "root".to_owned() } else { format!("user {owner}") };
            let what = if matches!(&unix.name, UnixName::Path(path) if path == at) {
                "write to it"
            } else if binding && is_parent(unix, at) {
                "make files in it"
            } else {
                "go through it"
            };
            Why::new(format!(
                "{} belongs to {who} and has mode {mode:04o}, which does not let this user {what}",
                shown(at)
            ))
            .try_(format!("ls -ld {}", path_word(at)))
            .try_(format!("sudo sockkit {} {}", case.command, case.word()))
        }
        (libc::EACCES, _) => Why::new(format!(
            "the mode of {name} or of a directory on the way does not let this user in, or a security policy does not"
        ))
        .try_(format!("namei -l {}", word(&name))),
        (_, Some(UnixPathState::NotASocket(kind))) => {
            let list = format!("ls -ld {}", path_word(&path_of(unix)));
            if binding {
                Why::new(format!("{name} is {kind}, not a socket; it was left alone")).try_(list)
            } else {
                Why::new(format!("{name} is {kind}, not a socket")).try_(list).try_("ss -lxp")
            }
        }
        (_, Some(UnixPathState::Missing { deepest })) => missing(unix, deepest, binding, errno),
        (libc::EADDRINUSE, Some(UnixPathState::Stale)) => {
            Why::new(format!("{name} is left over from a program that ended: no process serves it"))
                .try_(format!("sockkit {} --unlink {}", case.server(), case.word()))
                .try_(format!("rm {}", path_word(&path_of(unix))))
        }
        (libc::EADDRINUSE, Some(UnixPathState::Bound { process })) => Why::new(format!(
            "{name} is bound by {}, which does not listen on it (yet); it was left alone",
            someone(case, process.as_ref())
        ))
        .try_("ss -axp"),
        (libc::EADDRINUSE, Some(UnixPathState::Live { process, kind })) => {
            let there = Endpoint::Unix(Unix { kind: kind.unwrap_or(unix.kind), name: unix.name.clone() });
            Why::new(format!("{name} is served by {}; it was left alone", someone(case, process.as_ref())))
                .try_(format!("sockkit connect {}", word(&there.to_string())))
                .try_("ss -lxp")
        }
        (libc::EADDRINUSE, _) => {
            Why::new(format!("{name} is taken: another process serves it, or a file of that name is left over"))
                .try_("ss -lxp")
        }
        (libc::ECONNREFUSED, Some(UnixPathState::Stale)) => Why::new(format!(
            "the socket file {name} is there, but no process serves it: its server has ended, or does not listen yet"
        ))
        .try_(format!("sockkit {} --unlink {}", case.server(), case.word()))
        .try_("ss -lxp"),
        (libc::ECONNREFUSED, Some(UnixPathState::Bound { process })) => Why::new(format!(
            "{name} is bound by {}, which does not listen on it (yet)",
            someone(case, process.as_ref())
        ))
        .try_(format!("sockkit {} --retry 5s {}", case.client(), case.word()))
        .try_("ss -axp"),
        (libc::ECONNREFUSED, state @ Some(UnixPathState::Live { kind: Some(kind), .. }))
            if matches!(unix.name, UnixName::Abstract(_)) && *kind != unix.kind =>
        {
            wrong_kind(case, unix, &name, state)
        }
        (libc::ECONNREFUSED, Some(UnixPathState::Live { process, .. })) => {
            let who = someone(case, process.as_ref());
            Why::new(format!("{name} is served by {who} now: it had just not begun to listen")).try_(format!(
                "sockkit {} --retry 5s {}",
                case.client(),
                case.word()
            ))
        }
        (libc::ECONNREFUSED, _) if matches!(unix.name, UnixName::Abstract(_)) => {
            Why::new(format!("no process of this network namespace serves the abstract name {name}"))
                .try_(serve)
                .try_("ss -lxp")
        }
        (libc::ECONNREFUSED, _) => {
            Why::new(format!("no process serves {name}: its server has ended, or it is not a socket")).try_("ss -lxp")
        }
        (libc::EPROTOTYPE, state) => wrong_kind(case, unix, &name, state),
        (libc::EAGAIN, _) => full_queue(case, format!("sockkit {} --retry 5s {}", case.client(), case.word())),
        (libc::ELOOP, _) => Why::new(format!("the symbolic links on the way to {name} lead round in a circle"))
            .try_(format!("namei {}", word(&name))),
        (libc::EMSGSIZE, _) => Why::new(
            "the message is larger than the send buffer of the socket (net.core.wmem_default)",
        )
        .try_(format!("sockkit {} --sndbuf 1m {}", case.command, case.again())),
        (libc::ENAMETOOLONG | libc::EINVAL, _) if binding || phase == Phase::Connecting => {
            Why::new(format!("the path of a UNIX socket has at most {UNIX_NAME_MAX} bytes; a relative one may fit"))
        }
        // unix_may_send() of net/unix/af_unix.c.
        (libc::EPERM, _) if unix.kind == UnixKind::Dgram && !binding => Why::new(format!(
            "the socket at {name} is connected to another one, and takes messages from that alone; or a sandbox forbids it"
        ))
        .try_("ss -xap"),
        (libc::EPERM, _) => {
            Why::new(format!("{name} does not take us: the filesystem has no sockets, or a sandbox forbids it"))
                .try_(format!("findmnt -T {}", word(&name)))
        }
        (libc::EROFS, _) => Why::new(format!("the filesystem of {name} is read-only")).try_("mount"),
        (libc::ENOENT, _) => Why::new(format!("there is no {name}")).try_("ss -lxp"),
        (libc::ECONNRESET, _) => Why::new(
            "the peer closed the connection without reading all that was sent: its program ended, or did not want it",
        ),
        (libc::EPIPE, _) => Why::new("the peer had closed the connection already, so that nobody reads what was sent"),
        _ => return None,
    })
}

fn missing(unix: &Unix, deepest: &Path, binding: bool, errno: i32) -> Why {
    let path = path_of(unix);
    let parent = path.parent().filter(|up| !up.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if errno == libc::ENOTDIR {
        return Why::new(format!(
            "a part of {} is a file and not a directory; {} is one",
            shown(&path),
            shown(deepest)
        ))
        .try_(format!("ls -l {}", path_word(deepest)));
    }
    if parent == deepest {
        if binding {
            return Why::new(format!(
                "the directory {} is there, but takes no new files: its filesystem has none that are made (/proc), or it was just removed",
                shown(deepest)
            ))
            .try_(format!("df {}", path_word(deepest)));
        }
        return Why::new(format!(
            "the directory {} is there, but has no {}: the server is not running, or serves another path",
            shown(deepest),
            path.file_name().map(|name| visible_line(name.as_bytes()).into_owned()).unwrap_or_default()
        ))
        .try_(format!("ls -l {}", path_word(deepest)))
        .try_("ss -lxp");
    }
    let why =
        Why::new(format!("there is no directory {}; the deepest one on the way is {}", shown(parent), shown(deepest)));
    if binding {
        why.try_(format!("mkdir -p {}", path_word(parent)))
    } else {
        why.try_(format!("ls -l {}", path_word(deepest))).try_("ss -lxp")
    }
}

fn wrong_kind(case: &Case<'_>, unix: &Unix, name: &str, state: Option<&UnixPathState>) -> Why {
    let at = |kind| {
        let other = Endpoint::Unix(Unix { kind, name: unix.name.clone() });
        format!("sockkit {} {}", case.client(), word(&other.to_string()))
    };
    let known = match state {
        Some(UnixPathState::Live { kind, .. }) => *kind,
        _ => None,
    };
    let words = |kind| match kind {
        UnixKind::Stream => "stream",
        UnixKind::Dgram => "datagram",
        UnixKind::Seqpacket => "seqpacket",
    };
    if let Some(kind) = known {
        let who = match state {
            Some(UnixPathState::Live { process: Some(process), .. }) => format!(" of {}", name_of(process)),
            _ => String::new(),
        };
        return Why::new(format!("{name} is a {} socket{who}, not a {} one", words(kind), words(unix.kind)))
            .try_(at(kind));
    }
    let others = [UnixKind::Stream, UnixKind::Dgram, UnixKind::Seqpacket].into_iter().filter(|kind| *kind != unix.kind);
    let mut why = Why::new(format!("{name} is a socket of another type than {}", words(unix.kind)));
    for kind in others {
        why = why.try_(at(kind));
    }
    why
}

/// The server does not accept.
pub(super) fn full_queue(case: &Case<'_>, again: String) -> Why {
    let process = case.facts().iter().find_map(|fact| match fact {
        Fact::UnixPath(UnixPathState::Live { process, .. }) => Some(process.as_ref()),
        _ => None,
    });
    let (Some(process), Some((waiting, Some(limit)))) = (process, case.accept_queue()) else {
        return Why::new("the server does not accept: its queue of waiting connections is full").try_(again);
    };
    let name = case.endpoint;
    let connections = connections(waiting as usize);
    let who = someone(case, process);
    let cause = if waiting > limit {
        format!(
            "{who} serves {name} but does not accept, and its queue is full: {connections} in it, with a backlog of {limit}"
        )
    } else {
        format!("{who} serves {name}, and its queue has room again ({waiting} of {limit}): it accepts slowly")
    };
    Why::new(cause).try_(again).try_("ss -lxp")
}

fn someone(case: &Case<'_>, process: Option<&Process>) -> String {
    let user = case.facts().iter().find_map(|fact| match fact {
        Fact::Held(held) => held.other_user.as_deref(),
        _ => None,
    });
    match (process, user) {
        (Some(process), _) => format!("{} (pid {})", visible_line(&process.program), process.pid),
        (None, Some(user)) => format!("a process of the user {user}, which is hidden from this one"),
        (None, None) => "a process that was not found".to_owned(),
    }
}

fn path_of(unix: &Unix) -> std::path::PathBuf {
    match &unix.name {
        UnixName::Path(path) => path.clone(),
        _ => std::path::PathBuf::new(),
    }
}

fn is_parent(unix: &Unix, at: &Path) -> bool {
    path_of(unix).parent() == Some(at)
}

fn shown(path: &Path) -> String {
    visible_line(path.as_os_str().as_bytes()).into_owned()
}

fn path_word(path: &Path) -> String {
    word(&shown(path))
}
