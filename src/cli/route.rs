//! What stands between a client and its target: `--proxy`, and who we are to it.

use std::ffi::OsString;
use std::io::{BufRead as _, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::value;
use crate::addr::{Endpoint, Host, Reading, Transport, UnixKind};
use crate::error::{Error, Exit, Phase, ProxyKind, Result};
use crate::event::{Event, Sink};
use crate::net::proxy::{Exempt, Login, Proxy};
use crate::net::proxy_protocol::Version;
use crate::net::via::{Announce, Via};
use crate::span::Misread;

/// The longest line that a file with a secret may begin with, in bytes.
const SECRET_MAX: u64 = 1024;

/// Where a user and a password may stand that nobody can read from the command line.
const USER: &str = "SOCKKIT_PROXY_USER";
const PASSWORD: &str = "SOCKKIT_PROXY_PASSWORD";

/// The way of a client to its target.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Proxy")]
pub struct ProxyArgs {
    /// Go through this proxy: socks5://[USER[:PASSWORD]@]HOST[:PORT], socks5h:// (it resolves names), socks4://, socks4a://, http:// (CONNECT); env: the one that ALL_PROXY names, but for NO_PROXY. Every user of this host can read a password that stands here: --proxy-user-file and SOCKKIT_PROXY_PASSWORD are for it
    #[allow(rustdoc::broken_intra_doc_links, reason = "the brackets of a synopsis")]
    #[arg(long, value_name = "URL|env")]
    proxy: Option<OsString>,
    /// The first line of this file is USER:PASSWORD for the proxy; the variables SOCKKIT_PROXY_USER and SOCKKIT_PROXY_PASSWORD do the same
    #[arg(long, value_name = "FILE", requires = "proxy", value_parser = value::path())]
    proxy_user_file: Option<PathBuf>,
}

/// The way of a client that may itself pass for a proxy.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Proxy")]
pub struct RouteArgs {
    #[command(flatten)]
    proxy: ProxyArgs,
    /// Begin each connection with a PROXY protocol header of this version, as HAProxy does with send-proxy: for a server that takes connections from proxies only
    #[arg(long, value_name = "v1|v2", value_parser = ["v1", "v2"])]
    proxy_protocol: Option<String>,
    /// Name this client in the header, and not our own address
    #[arg(long, value_name = "HOST:PORT", requires = "proxy_protocol", value_parser = announced)]
    proxy_protocol_source: Option<Endpoint>,
}

/// An address as a header has it.
fn announced(text: &str) -> Result<Endpoint, Misread> {
    let endpoint = Endpoint::parse(&[text.into()], &Reading { port: 0, ..Reading::default() })?;
    let literal = match &endpoint {
        Endpoint::Inet(inet) => inet.transport == Transport::Tcp && matches!(inet.host, Host::V4(_) | Host::V6 { .. }),
        Endpoint::Unix(unix) => unix.kind == UnixKind::Stream,
        _ => false,
    };
    if literal {
        Ok(endpoint)
    } else {
        Err(Misread::new("address", text, 0..text.len(), "a header has room for IP addresses and UNIX paths"))
    }
}

impl RouteArgs {
    /// The way.
    ///
    /// # Errors
    /// As of [`ProxyArgs::via`].
    pub fn via(&self, sink: &dyn Sink) -> Result<Via> {
        let version = self.proxy_protocol.as_deref().map(|name| if name == "v1" { Version::V1 } else { Version::V2 });
        let announce = version.map(|version| Announce { version, source: self.proxy_protocol_source.clone() });
        Ok(Via { announce, ..self.proxy.via(sink)? })
    }
}

impl ProxyArgs {
    /// The first of these flags that was given.
    #[must_use]
    pub fn given(&self) -> Option<&'static str> {
        self.proxy.is_some().then_some("--proxy")
    }

    /// The way.
    ///
    /// # Errors
    /// Exit 2 for what is no proxy; a file that cannot be read.
    pub fn via(&self, sink: &dyn Sink) -> Result<Via> {
        let Some(text) = &self.proxy else { return Ok(Via::default()) };
        let Some(mut proxy) = read(text)? else { return Ok(Via::default()) };
        self.identify(&mut proxy, sink)?;
        Ok(Via { proxy: Some(Arc::new(proxy)), announce: None })
    }

    /// Adds the user and the password from where they are kept.
    fn identify(&self, proxy: &mut Proxy, sink: &dyn Sink) -> Result<()> {
        let variable = |name: &str| std::env::var_os(name).map(OsString::into_vec);
        let socks4 = matches!(proxy.kind, ProxyKind::Socks4 | ProxyKind::Socks4a);
        let known = proxy.login.take();
        let (user, mut password) = match (&self.proxy_user_file, known) {
            (Some(_), Some(_)) => {
                return Err(Error::usage("--proxy-user-file says who the user is, and so does --proxy: which?"));
            }
            (Some(path), None) => {
                let line = secret(path, "--proxy-user-file", "USER:PASSWORD", sink)?;
                match line.iter().position(|byte| *byte == b':') {
                    Some(at) => (Some(line[..at].to_vec()), Some(line[at + 1..].to_vec())),
                    None => (Some(line), None),
                }
            }
            (None, Some(login)) => (Some(login.user), login.password),
            (None, None) => (variable(USER), None),
        };
        if socks4 && password.is_some() {
            return Err(Error::usage("SOCKS version 4 has a user, and no password: socks5:// has both"));
        }
        if password.is_none() && !socks4 {
            password = variable(PASSWORD);
        }
        let Some(user) = user else {
            return match password {
                Some(_) => Err(Error::usage(format!("{PASSWORD} is set, but no user: {USER} names one, or --proxy"))),
                None => Ok(()),
            };
        };
        proxy.login = Some(Login::new(user, password).map_err(Error::usage)?);
        Ok(())
    }
}

/// The proxy that was typed, or is in the environment. `None` where that has none.
fn read(text: &OsString) -> Result<Option<Proxy>> {
    let Some(text) = text.to_str() else {
        return Err(Error::usage("--proxy: it is not UTF-8; a password that is not can be written with %XX"));
    };
    if text != "env" {
        return Ok(Some(Proxy::parse(text, None)?));
    }
    // As with curl(1), the name in small letters counts before the other, and HTTP is what a proxy without a scheme
    // speaks.
    let variable = |names: [&'static str; 2]| {
        names
            .into_iter()
            .find_map(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(|value| (name, value)))
    };
    let Some((name, value)) = variable(["all_proxy", "ALL_PROXY"]) else { return Ok(None) };
    let Some(value) = value.to_str() else { return Err(Error::usage(format!("{name} is not UTF-8"))) };
    let mut proxy = Proxy::parse(value, Some(ProxyKind::Http)).map_err(|mut misread| {
        misread.message = format!("{name}: {}", misread.message);
        misread
    })?;
    if let Some((_, list)) = variable(["no_proxy", "NO_PROXY"]) {
        proxy.exempt = Exempt::parse(&list.to_string_lossy());
    }
    Ok(Some(proxy))
}

/// The first line of a file that holds a secret (`what`). One that everybody can read is warned of.
///
/// # Errors
/// When there is no such line.
pub fn secret(path: &Path, flag: &str, what: &str, sink: &dyn Sink) -> Result<Vec<u8>> {
    let os = |source: std::io::Error| Error::file(flag, path, &source);
    let file = std::fs::File::open(path).map_err(os)?;
    let meta = file.metadata().map_err(os)?;
    let mode = meta.permissions().mode() & 0o777;
    if meta.is_file() && mode & 0o004 != 0 {
        let path = path.display();
        let message = format!("everybody can read the password file {path} (mode {mode:04o}): chmod 600 {path}");
        sink.emit(None, &Event::Warning { message: &message });
    }
    let mut line = Vec::new();
    std::io::BufReader::new(file.take(SECRET_MAX)).read_until(b'\n', &mut line).map_err(os)?;
    let text = line.strip_suffix(b"\n").unwrap_or(&line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if text.is_empty() {
        let text = format!("{flag} {}: its first line, {what}, is empty", path.display());
        return Err(Error::text(Exit::Failed, Phase::File, None, text));
    }
    Ok(text.to_vec())
}
