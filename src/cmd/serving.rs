//! What all servers do around their handler: bind, say that they are ready, serve.

use std::sync::Arc;

use super::Context;
use super::ready::Ready;
use super::sandbox::confine;
use crate::addr::{Endpoint, Unix, UnixName};
use crate::cli::{ServerArgs, ServingArgs};
use crate::error::{Error, Exit, Phase, Result};
use crate::event::Event;
use crate::net::bind::{Bind, Bound};
use crate::net::options::Options;
use crate::net::socket::Kind;
use crate::net::tls::ServerTls;
use crate::sys::{self, Asked, Descriptors};
use crate::work::door::Door;
use crate::work::handler::{Handler, Needs};
use crate::work::serve::{GRACE, Serve};

/// Binds the address, gives up what its sessions do not need, and gives the ready signals.
///
/// # Errors
/// Those of binding; exit 2 for rules that do not fit the address.
pub(super) fn bind(
    needs: Needs<'_>,
    endpoint: &Endpoint,
    options: &Options,
    serving: &ServingArgs,
    context: &Context,
) -> Result<Bound> {
    let file = matches!(endpoint, Endpoint::Unix(Unix { name: UnixName::Path(_), .. }));
    // A header names peers with IP addresses whatever it comes over.
    let by_address = !serving.acl().is_empty() && serving.headers().is_none();
    if by_address && !matches!(endpoint, Endpoint::Inet(_) | Endpoint::Fd(_) | Endpoint::Systemd(_)) {
        return Err(Error::usage(format!("--allow and --deny are about IP addresses, which {endpoint} has not")));
    }
    if (serving.mode.is_some() || serving.unlink) && !file {
        return Err(Error::usage(format!("--mode and --unlink are about socket files, which {endpoint} has not")));
    }
    let ready = Ready::of(serving)?;
    let privilege = serving.privilege.resolve()?;
    let bind = Bind {
        endpoint,
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
    ready.write_file(&local)?;
    let confined = privilege.give_up().and_then(|()| confine(serving, needs, &bound, &*context.sink));
    if let Err(error) = confined {
        ready.withdraw();
        return Err(error);
    }
    ready.tell(&local)?;
    bound.announce(&*context.sink);
    Ok(bound)
}

/// Who looks at each that comes.
pub(super) fn door(serving: &ServingArgs, options: Options, tls: Option<Arc<ServerTls>>, context: &Context) -> Door {
    Door::new(serving.acl(), options, context.sink.clone()).with_headers(serving.headers()).secured(tls)
}

/// Serves many sessions side by side.
///
/// # Errors
/// Those of binding and of the listener.
pub(super) fn serve(
    endpoint: &Endpoint,
    server: &ServerArgs,
    handler: Handler,
    keep_open: bool,
    context: &Context,
) -> Result<Exit> {
    let ServerArgs { serving, timeouts, socket, .. } = server;
    let options = socket.options();
    let tls = serving.tls.server(endpoint, &*context.sink)?;
    // Before it is ready: from then on somebody may ask.
    let asked = Asked::by_signal().map_err(|source| Error::os(Phase::Opening, None, source))?;
    let limit = sys::raise_descriptors();
    let bound = bind(handler.needs(), endpoint, &options, serving, context)?;
    let max_conns = max_conns(serving, &handler, limit, &bound, context);
    let serve = Serve {
        door: door(serving, options, tls, context),
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
