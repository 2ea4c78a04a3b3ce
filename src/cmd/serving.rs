//! What all servers do around their handler: bind, say that they are ready, serve.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use clap::Args;

use super::Context;
use super::sandbox::confine;
use crate::addr::{Endpoint, Unix, UnixName};
use crate::cli::socket_options::SocketOptions;
use crate::cli::{OutputArgs, ServerAddress, ServingArgs, TimeoutArgs};
use crate::error::{Error, Exit, Phase, Result, words};
use crate::event::Event;
use crate::net::bind::{Bind, Bound};
use crate::net::options::Options;
use crate::net::socket::Kind;
use crate::sys::{self, Asked, Descriptors};
use crate::work::door::Door;
use crate::work::handler::{Handler, Needs};
use crate::work::serve::{GRACE, Serve};

/// The groups of options that every server has.
#[derive(Debug, Clone, Args)]
pub(super) struct ServerArgs {
    #[command(flatten)]
    pub(super) serving: ServingArgs,
    #[command(flatten)]
    pub(super) timeouts: TimeoutArgs,
    #[command(flatten)]
    pub(super) socket: SocketOptions,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// Binds the address, gives up what its sessions do not need, and gives the ready signals.
///
/// # Errors
/// Those of binding; exit 2 for rules that do not fit the address.
pub(super) fn bind(
    needs: Needs<'_>,
    address: &ServerAddress,
    options: &Options,
    serving: &ServingArgs,
    context: &Context,
) -> Result<Bound> {
    let endpoint = address.endpoint()?;
    let file = matches!(endpoint, Endpoint::Unix(Unix { name: UnixName::Path(_), .. }));
    // A header names peers with IP addresses whatever it comes over.
    let by_address = !serving.acl().is_empty() && serving.headers().is_none();
    if by_address && !matches!(endpoint, Endpoint::Inet(_) | Endpoint::Fd(_) | Endpoint::Systemd(_)) {
        return Err(Error::usage(format!("--allow and --deny are about IP addresses, which {endpoint} has not")));
    }
    if (serving.mode.is_some() || serving.unlink) && !file {
        return Err(Error::usage(format!("--mode and --unlink are about socket files, which {endpoint} has not")));
    }
    // Before anything is bound: a descriptor that is not open is a mistake in the command line.
    let ready = serving.ready_fd.map(|number| (number, sys::inherited_output(number)));
    let ready = match ready {
        Some((number, Err(_))) => return Err(Error::usage(format!("--ready-fd: descriptor {number} is not open"))),
        Some((number, Ok(fd))) => Some((number, std::fs::File::from(fd))),
        None => None,
    };
    let privilege = serving.privilege.resolve()?;
    let bind = Bind {
        endpoint: &endpoint,
        options,
        mode: serving.mode,
        unlink: serving.unlink,
        stop: &context.stop,
        sink: &*context.sink,
    };
    let bound = bind.bind()?;
    let local = bound.local();
    // What an inherited socket is shows only now. A rule that can turn nobody away must not look as if it did.
    if by_address && !matches!(local, Endpoint::Inet(_)) {
        return Err(Error::usage(format!("--allow and --deny are about IP addresses, which {local} has not")));
    }
    let stream = match &bound {
        Bound::Listener(listener) => listener.shape().kind == Kind::Stream,
        Bound::Session(conn) => conn.shape().kind == Kind::Stream,
        Bound::Datagrams(_) => false,
    };
    if serving.headers().is_some() && !stream {
        return Err(Error::usage(format!(
            "--proxy-protocol is about connections that are streams, which {local} has not"
        )));
    }
    if let Some(path) = &serving.ready_file {
        write_whole(path, &local).map_err(|source| ready_failed(&path.display().to_string(), &source))?;
    }
    let confined = privilege.give_up().and_then(|()| confine(serving, needs, &bound, &*context.sink));
    if let Err(error) = confined {
        // Nobody is to wait for a server that does not come.
        serving.ready_file.iter().for_each(|path| drop(std::fs::remove_file(path)));
        return Err(error);
    }
    if let Some((number, mut file)) = ready {
        // In one write(2): whoever reads a part of it would connect to another port.
        file.write_all(format!("{local}\n").as_bytes())
            .map_err(|source| ready_failed(&format!("descriptor {number}"), &source))?;
    }
    bound.announce(&*context.sink);
    Ok(bound)
}

fn ready_failed(target: &str, source: &io::Error) -> Error {
    Error::text(Exit::Failed, Phase::File, None, format!("the ready signal to {target}: {}", words(source)))
}

/// Whoever reads the file finds all of the address, or no file: it is written beside, then renamed.
fn write_whole(path: &Path, local: &Endpoint) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(&beside)?;
    let done = file.write_all(format!("{local}\n").as_bytes()).and_then(|()| std::fs::rename(&beside, path));
    if done.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    done
}

/// Serves many sessions side by side.
///
/// # Errors
/// Those of binding and of the listener.
pub(super) fn serve(
    address: &ServerAddress,
    server: &ServerArgs,
    handler: Handler,
    keep_open: bool,
    context: &Context,
) -> Result<Exit> {
    let ServerArgs { serving, timeouts, socket, .. } = server;
    let options = socket.options();
    let tls = serving.tls.server(&address.endpoint()?, &*context.sink)?;
    // Before it is ready: from then on somebody may ask.
    let asked = Asked::by_signal().map_err(|source| Error::os(Phase::Opening, None, source))?;
    let limit = sys::raise_descriptors();
    let bound = bind(handler.needs(), address, &options, serving, context)?;
    let max_conns = max_conns(serving, &handler, limit, &bound, context);
    let serve = Serve {
        door: Door::new(serving.acl(), options, context.sink.clone()).with_headers(serving.headers()).secured(tls),
        handler: Arc::new(handler),
        count: if keep_open { serving.count } else { Some(1) },
        keep_open,
        max_conns,
        accept_timeout: serving.accept_timeout,
        limits: timeouts.limits(),
        grace: serving.grace.unwrap_or(GRACE),
        asked: Some(asked),
        stats: serving.stats,
        stop: context.stop.clone(),
    };
    serve.run(bound)
}

/// How many sessions at once: as many as were asked for, or as there are descriptors for.
fn max_conns(serving: &ServingArgs, handler: &Handler, limit: Descriptors, bound: &Bound, context: &Context) -> usize {
    let Some(asked) = serving.max_conns else { return handler.usual_most(limit.soft) };
    let possible = handler.possible_most(limit.soft);
    // Datagram peers share one.
    if asked > possible && !matches!(bound, Bound::Datagrams(_)) {
        let message = format!(
            "--max-conns {asked} cannot be reached: {} descriptors (RLIMIT_NOFILE, hard limit {}) are enough for {possible}",
            limit.soft, limit.hard
        );
        context.sink.emit(None, &Event::Warning { message: &message });
    }
    handler.may_begin(asked, possible)
}
