//! Through a proxy: SOCKS 4, 4A and 5, and CONNECT of HTTP. What is said to it and what it answers are plain functions
//! ([`socks`], [`http`], [`digest`]); here they meet a connection, within the time that is left.
//!
//! Nothing is sent for the target before the proxy has said yes, and nothing that follows its yes is taken.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::addr::{Endpoint, Host, Inet, IpFamily, Port, Transport};
use crate::error::{Cause, Error, Exit, Fact, Phase, ProxyAnswer, ProxyKind, ProxyPart, Result};
use crate::event::Event;
use crate::net::conn::Conn;
use crate::net::dial::Dial;
use crate::net::head::{Broken, Head};
use crate::net::resolve::{Budget, Purpose, port_number, resolve};
use crate::net::socket::Family;
use crate::net::via::Via;
use crate::text::hex;

pub mod digest;
pub mod http;
pub mod socks;
#[cfg(test)]
mod tests;
pub mod url;

pub use url::{Exempt, Login, Proxy, masked};

use socks::{Address, method};

/// How much of an answer of another protocol is shown, in bytes.
const SHOWN: usize = 60;

/// How many answers of HTTP that only say that more is to come (1xx) are passed over.
const INTERIM: usize = 8;

/// A connection through a proxy.
pub struct Through {
    /// Its peer is the target.
    pub conn: Conn,
    /// The proxy's address.
    pub via: Endpoint,
}

/// How a handshake came to nothing.
enum Failure {
    /// What the proxy said.
    Answer(ProxyAnswer),
    /// It was too long, or the system said no.
    Error(Error),
    /// The program is to stop.
    Stopped,
    /// It wants to know who we are: the connection is of no use any more.
    Challenge(http::Scheme),
}

impl From<ProxyAnswer> for Failure {
    fn from(answer: ProxyAnswer) -> Self {
        Self::Answer(answer)
    }
}

/// What a proxy is asked for.
struct Wanted {
    address: Address,
    port: u16,
    /// The same as a person reads it.
    endpoint: Endpoint,
}

/// Connects by way of a proxy. `None` when the program is to end first.
///
/// # Errors
/// [`Exit::Proxy`] whether the proxy cannot be reached or says no; [`Exit::Resolve`] where the target's name is resolved
/// here; exit 2 for a target that no proxy leads to.
pub(super) fn open(dial: &Dial<'_>, proxy: &Proxy, budget: Budget) -> Result<Option<Through>> {
    let target = dial.endpoint;
    check(target, proxy)?;
    let wanted = match wanted(dial, proxy, budget)? {
        Some(wanted) => wanted,
        None => return Ok(None),
    };
    let mut failures = Vec::new();
    for wanted in wanted {
        let way = Way { dial, proxy, budget, wanted };
        match way.open() {
            // One of several addresses; the proxy may reach another.
            Err(error) if error.proxy().is_some_and(is_about_target) => failures.push(error),
            result => return result,
        }
    }
    let mut error = Error::attempts(target, failures);
    if matches!(error.cause, Cause::Attempts(_)) {
        let part = ProxyPart { kind: proxy.kind, proxy: proxy.endpoint.clone(), target: target.clone(), answer: None };
        error.facts.push(Fact::Proxy(Box::new(part)));
    }
    Err(error)
}

fn is_about_target(part: &ProxyPart) -> bool {
    part.answer.as_ref().is_some_and(|answer| answer.about_target().is_some())
}

/// Whether it is worth to try the same again: the proxy was not there, or the target was not there for the proxy.
#[must_use]
pub fn may_pass(error: &Error) -> bool {
    error.proxy().is_some_and(|part| part.answer.is_none() || is_about_target(part))
}

/// Whether the proxy will say the same again, and may take offence at being asked too often: a wrong password.
#[must_use]
pub fn is_final(error: &Error) -> bool {
    use ProxyAnswer::{Foreign, LoginRefused, LoginWanted, NoCommonLogin};
    let answer = error.proxy().and_then(|part| part.answer.as_ref());
    matches!(answer, Some(LoginRefused | LoginWanted(_) | NoCommonLogin(_) | Foreign(_)))
}

/// Whether a proxy can lead there at all.
///
/// # Errors
/// Exit 2 where it cannot.
pub fn check(target: &Endpoint, proxy: &Proxy) -> Result<()> {
    let no = |why: String| Err(Error::usage(format!("--proxy carries TCP: {why}")));
    let inet = match target {
        Endpoint::Inet(inet) if inet.transport == Transport::Udp => return no(format!("{target} is UDP")),
        Endpoint::Inet(inet) => inet,
        _ => return no(format!("{target} is not reached over it")),
    };
    match &inet.host {
        Host::V6 { scope: Some(scope), .. } => {
            no(format!("the interface {scope} of {target} is one of this host, and means nothing to a proxy"))
        }
        Host::V6 { .. } if matches!(proxy.kind, ProxyKind::Socks4 | ProxyKind::Socks4a) => {
            Err(Error::usage(format!("SOCKS version 4 knows no IPv6 addresses, as {target} is one: socks5:// does")))
        }
        Host::Name(_) | Host::Any if inet.family.is_some() && !proxy.kind.resolves_here() => {
            let flag = if inet.family == Some(IpFamily::V4) { "-4" } else { "-6" };
            let kind = proxy.kind;
            Err(Error::usage(format!(
                "the proxy resolves {target} ({kind}), so {flag} has no say in it: socks5:// resolves here"
            )))
        }
        _ => Ok(()),
    }
}

/// What to ask for: one address after another where we resolve, else the name. `None` when the program is to end.
fn wanted(dial: &Dial<'_>, proxy: &Proxy, budget: Budget) -> Result<Option<Vec<Wanted>>> {
    let target = dial.endpoint;
    let Endpoint::Inet(inet) = target else { return Ok(None) };
    let name = match &inet.host {
        Host::V4(_) | Host::V6 { .. } => None,
        Host::Any => Some("localhost".to_owned()),
        Host::Name(name) => Some(name.clone()),
    };
    if let Some(name) = name.filter(|_| !proxy.kind.resolves_here()) {
        let port = port_number(target, inet)?;
        let endpoint = Inet { port: Port::Number(port), host: Host::Name(name.clone()), ..inet.clone() };
        return Ok(Some(vec![Wanted { address: Address::Name(name), port, endpoint: Endpoint::Inet(endpoint) }]));
    }
    let targets = resolve(target, Purpose::Client, Some(budget), dial.stop, dial.sink)?;
    if targets.is_empty() {
        return Ok(None);
    }
    let v4_only = proxy.kind == ProxyKind::Socks4;
    let wanted: Vec<Wanted> = targets
        .into_iter()
        .filter(|found| !v4_only || found.shape.family == Family::V4)
        .filter_map(|found| {
            let address = found.address.as_socket()?;
            Some(Wanted { address: Address::Ip(address.ip()), port: address.port(), endpoint: found.endpoint })
        })
        .collect();
    if wanted.is_empty() {
        let text = "it has IPv6 addresses only, which SOCKS version 4 does not know: socks4a:// and socks5:// do";
        return Err(Error::text(Exit::Resolve, Phase::Resolving, Some(target), text));
    }
    Ok(Some(wanted))
}

/// One request, which may take two connections to the proxy.
struct Way<'a> {
    dial: &'a Dial<'a>,
    proxy: &'a Proxy,
    budget: Budget,
    wanted: Wanted,
}

impl Way<'_> {
    fn open(&self) -> Result<Option<Through>> {
        let begun = Instant::now();
        let mut scheme: Option<http::Scheme> = None;
        let mut connect = Duration::ZERO;
        loop {
            let before = Instant::now();
            let Some(mut conn) = self.reach()? else { return Ok(None) };
            connect += before.elapsed();
            let via = conn.peer().clone();
            let outcome = self.handshake(&conn, scheme.as_ref());
            let (mut error, answer) = match outcome {
                Ok(login) => {
                    self.tell(&via, login, None, connect, begun.elapsed());
                    conn.leads_to(self.wanted.endpoint.clone(), self.proxy.between());
                    return Ok(Some(Through { conn, via }));
                }
                Err(Failure::Challenge(wanted)) if scheme.is_none() => {
                    scheme = Some(wanted);
                    continue;
                }
                Err(Failure::Stopped) => return Ok(None),
                Err(Failure::Error(error)) => (error, None),
                Err(Failure::Answer(answer)) => self.refused(answer),
                Err(Failure::Challenge(_)) => self.refused(ProxyAnswer::LoginRefused),
            };
            error.endpoint = Some(via.clone());
            let login = scheme.as_ref().map_or("none", http::Scheme::name);
            self.tell(&via, login, Some(&error.cause.to_string()), connect, begun.elapsed());
            error.facts.push(self.part(answer));
            return Err(error);
        }
    }

    fn refused(&self, answer: ProxyAnswer) -> (Error, Option<ProxyAnswer>) {
        let text = answer.words(&self.wanted.endpoint);
        (Error::text(Exit::Proxy, Phase::Proxying, None, text), Some(answer))
    }

    fn part(&self, answer: Option<ProxyAnswer>) -> Fact {
        let (kind, proxy) = (self.proxy.kind, self.proxy.endpoint.clone());
        Fact::Proxy(Box::new(ProxyPart { kind, proxy, target: self.wanted.endpoint.clone(), answer }))
    }

    fn tell(&self, via: &Endpoint, login: &'static str, error: Option<&str>, connect: Duration, took: Duration) {
        let (kind, target) = (self.proxy.kind.name(), &self.wanted.endpoint);
        let took = took.saturating_sub(connect);
        let event = Event::Proxy { kind, address: via, target, login, error, connect, took };
        self.dial.sink.emit(Some(self.dial.conn), &event);
    }

    /// A connection to the proxy itself.
    fn reach(&self) -> Result<Option<Conn>> {
        let dial = Dial { endpoint: &self.proxy.endpoint, via: Via::STRAIGHT, retry: None, ..*self.dial };
        dial.reach(self.budget).map_err(|mut error| {
            if error.exit != Exit::Usage {
                error.exit = Exit::Proxy;
            }
            error.facts.push(self.part(None));
            error
        })
    }

    /// Asks for the way. The answer is how we proved who we are.
    fn handshake(&self, conn: &Conn, scheme: Option<&http::Scheme>) -> Result<&'static str, Failure> {
        match self.proxy.kind {
            ProxyKind::Socks5 | ProxyKind::Socks5h => self.socks5(conn),
            ProxyKind::Socks4 | ProxyKind::Socks4a => self.socks4(conn),
            ProxyKind::Http => self.http(conn, scheme),
        }
    }

    fn socks5(&self, conn: &Conn) -> Result<&'static str, Failure> {
        let mut head = Head::default();
        let login = self.proxy.login.as_ref();
        let foreign = |_, head: &Head| foreign(head);
        self.send(conn, &socks::greeting5(login.is_some()))?;
        let chosen = self.receive(conn, &mut head, socks::parse_method5, foreign)?;
        let proved = match (chosen, login) {
            (method::NONE, _) => "none",
            (method::LOGIN, Some(login)) => {
                self.send(conn, &socks::login5(&login.user, login.password.as_deref().unwrap_or_default()))?;
                if self.receive(conn, &mut head, socks::parse_login5, foreign)? != 0 {
                    return Err(ProxyAnswer::LoginRefused.into());
                }
                "password"
            }
            // Either it wants no login of ours, or it wants one and there is none.
            (method::LOGIN, None) | (method::UNACCEPTABLE, None) => {
                return Err(ProxyAnswer::LoginWanted(format!("SOCKS5 method {chosen}")).into());
            }
            (method::UNACCEPTABLE, Some(_)) => {
                return Err(ProxyAnswer::NoCommonLogin("SOCKS5 method 255".to_owned()).into());
            }
            (method::GSSAPI, _) => return Err(ProxyAnswer::NoCommonLogin("GSSAPI, SOCKS5 method 1".to_owned()).into()),
            _ => return Err(ProxyAnswer::NoCommonLogin(format!("SOCKS5 method {chosen}")).into()),
        };
        self.send(conn, &socks::connect5(&self.wanted.address, self.wanted.port))?;
        match self.receive(conn, &mut head, socks::parse_reply5, foreign)? {
            0 => Ok(proved),
            code => Err(ProxyAnswer::Socks5(code).into()),
        }
    }

    fn socks4(&self, conn: &Conn) -> Result<&'static str, Failure> {
        let user = self.proxy.login.as_ref().map_or(&b""[..], |login| &login.user);
        self.send(conn, &socks::connect4(&self.wanted.address, self.wanted.port, user))?;
        let foreign = |_, head: &Head| foreign(head);
        match self.receive(conn, &mut Head::default(), socks::parse_reply4, foreign)? {
            90 => Ok(if user.is_empty() { "none" } else { "user" }),
            code => Err(ProxyAnswer::Socks4(code).into()),
        }
    }

    fn http(&self, conn: &Conn, scheme: Option<&http::Scheme>) -> Result<&'static str, Failure> {
        let port = self.wanted.port;
        let target = match &self.wanted.address {
            Address::Ip(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
            Address::Ip(ip) => format!("{ip}:{port}"),
            Address::Name(name) => format!("{name}:{port}"),
        };
        let authorization = match (scheme, &self.proxy.login) {
            (Some(scheme), Some(login)) => {
                let cnonce = unforeseen().map_err(|source| Error::os(Phase::Proxying, None, source))?;
                let password = login.password.as_deref().unwrap_or_default();
                let value = scheme.authorization(&login.user, password, &target, &cnonce);
                Some(value.ok_or_else(|| {
                    Error::usage("the proxy's user has a colon, which the scheme Basic of HTTP cannot say")
                })?)
            }
            _ => None,
        };
        self.send(conn, &http::connect(&target, authorization.as_deref()))?;
        let mut head = Head::default();
        for _ in 0..INTERIM {
            let none = |why, head: &Head| match why {
                http::NoHead::Foreign => foreign(head),
                http::NoHead::Endless => ProxyAnswer::Endless(http::HEAD_MAX),
            };
            let answer = self.receive(conn, &mut head, http::parse_head, none)?;
            match (answer.status, scheme, &self.proxy.login) {
                (100..=199, ..) => {}
                (200..=299, scheme, _) => return Ok(scheme.map_or("none", http::Scheme::name)),
                (407, None, None) => {
                    return Err(ProxyAnswer::LoginWanted(http::offered(&answer.challenges)).into());
                }
                (407, None, Some(_)) => {
                    return Err(match http::choose(&answer.challenges) {
                        Some(scheme) => Failure::Challenge(scheme),
                        None => ProxyAnswer::NoCommonLogin(http::offered(&answer.challenges)).into(),
                    });
                }
                (401 | 407, Some(_), _) => return Err(ProxyAnswer::LoginRefused.into()),
                (status, ..) => return Err(ProxyAnswer::Http(status, answer.reason).into()),
            }
        }
        Err(ProxyAnswer::Http(100, "without end".to_owned()).into())
    }

    fn send(&self, conn: &Conn, bytes: &[u8]) -> Result<(), Failure> {
        match self.budget.send(conn, bytes, self.dial.stop, Phase::Proxying, None) {
            // What it said before it closed tells more.
            Err(error) if matches!(error.errno(), Some(libc::EPIPE | libc::ECONNRESET)) => Ok(()),
            outcome => gone_on(outcome),
        }
    }

    fn receive<T, E>(
        &self,
        conn: &Conn,
        head: &mut Head,
        parse: impl Fn(&[u8]) -> Result<Option<(T, usize)>, E>,
        bad: impl Fn(E, &Head) -> ProxyAnswer,
    ) -> Result<T, Failure> {
        loop {
            match head.advance(conn, &parse) {
                Ok(Some(value)) => return Ok(value),
                Ok(None) => {
                    gone_on(self.budget.wait(conn, PollFlags::IN, self.dial.stop, Phase::Proxying, None))?;
                }
                Err(Broken::Bad(why)) => return Err(bad(why, head).into()),
                Err(Broken::Ended(bytes)) => return Err(ProxyAnswer::Ended(bytes).into()),
                Err(Broken::Os(source)) => {
                    return Err(lost(Error::os(Phase::Proxying, None, source)));
                }
            }
        }
    }
}

/// What came of a step that the program may have been asked to stop in.
fn gone_on(outcome: Result<bool>) -> Result<(), Failure> {
    match outcome {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Stopped),
        Err(error) => Err(lost(error)),
    }
}

/// Whatever fails on the way to a proxy's answer, it is the proxy that failed.
fn lost(error: Error) -> Failure {
    error.exiting(Exit::Proxy).into()
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// The beginning of an answer that is of another protocol.
fn foreign(head: &Head) -> ProxyAnswer {
    let bytes = head.seen();
    ProxyAnswer::Foreign(bytes[..bytes.len().min(SHOWN)].to_vec())
}

/// Text that nobody can foresee.
fn unforeseen() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex(&bytes))
}
