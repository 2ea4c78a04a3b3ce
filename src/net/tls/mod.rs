//! TLS over a connection that stands: a step of its own behind dialling, or accepting.
//!
//! ```text
//! dial, accept -> Conn -> ClientTls::begin, ServerTls::begin -> handshake -> the same Conn, secured
//! ```
//!
//! Where the other side is trusted, what it is asked for and who we are is settled once, in [`ClientTls`] and
//! [`ServerTls`]; files are read then. Nothing of this is touched by a connection without TLS.

mod certificate;
mod files;
mod keylog;
mod layer;
mod starttls;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustix::event::PollFlags;
use rustls::client::{Resumption, UnbufferedClientConnection, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection, WebPkiClientVerifier};
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};

use crate::addr::{Endpoint, Host, Inet};
use crate::error::{Error, Exit, Phase, Result};
use crate::event::{ConnId, Event, Sink};
use crate::net::conn::Conn;
use crate::net::resolve::Budget;
use crate::net::socket::Kind;
use crate::sys::Stop;
use crate::tls::{Certificate, Fault};

use layer::Side;
pub use layer::{Layer, Step};
use rustls::sign::CertifiedKey;
pub use starttls::Starttls;
use verify::{Clients, TheOne, Trust, Verifier};

/// The flag that limits a server's handshake.
pub const FLAG: &str = "--tls-handshake-timeout";
/// How long a handshake may take where a server was told nothing else.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// A certificate of our own, and its key.
#[derive(Debug, Clone)]
pub struct Identity {
    /// A PEM file with the certificate, and those of its issuers behind it.
    pub cert: PathBuf,
    /// A PEM file with the key; without, it is in the same one.
    pub key: Option<PathBuf>,
}

/// The oldest version of the protocol that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Oldest {
    /// TLS 1.2, RFC 5246.
    #[default]
    Tls12,
    /// TLS 1.3, RFC 8446.
    Tls13,
}

/// What either side can be told.
#[derive(Debug, Clone, Default)]
pub struct Common {
    /// Who we are. A client without says nothing of it; a server without makes a certificate that its own key signs.
    pub identity: Option<Identity>,
    /// Protocols to agree on (ALPN), the first choice first.
    pub alpn: Vec<String>,
    /// The oldest version of TLS.
    pub oldest: Oldest,
    /// An end without close_notify is an end.
    pub allow_truncation: bool,
}

/// How a client is to be set up.
#[derive(Debug, Clone, Default)]
pub struct ClientSetup {
    /// What a server has as well.
    pub common: Common,
    /// A PEM file of certificates to trust, in place of the system's.
    pub ca: Option<PathBuf>,
    /// The SHA-256 of the one certificate to accept, in lower case hexadecimal.
    pub pin: Option<String>,
    /// Accept any certificate.
    pub insecure: bool,
    /// The name to ask for and to verify, in place of the address's.
    pub server_name: Option<String>,
    /// What is spoken in the clear first.
    pub starttls: Option<Starttls>,
}

/// How a server is to be set up.
#[derive(Debug, Clone, Default)]
pub struct ServerSetup {
    /// What a client has as well.
    pub common: Common,
    /// A PEM file of certificates: every client is asked for one that one of these signed.
    pub client_ca: Option<PathBuf>,
    /// How long a handshake may take.
    pub patience: Option<Duration>,
    /// One more name for a certificate that is made.
    pub host: Option<String>,
}

/// The client's side, ready for any number of connections.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    verified: &'static str,
    allow_truncation: bool,
    starttls: Option<Starttls>,
}

/// The server's side, ready for any number of connections.
pub struct ServerTls {
    config: Arc<ServerConfig>,
    allow_truncation: bool,
    /// How long a handshake may take.
    pub patience: Duration,
    own: Certificate,
    made: bool,
}

static ONLY_TLS13: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Oldest {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Tls12 => rustls::DEFAULT_VERSIONS,
            Self::Tls13 => &ONLY_TLS13,
        }
    }
}

/// What does not fit, before there is a connection: exit 12.
fn unfit(text: impl Into<String>) -> Error {
    Error::text(Exit::Tls, Phase::Securing, None, text)
}

fn protocols(names: &[String]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

/// A name as it is asked for.
///
/// # Errors
/// Exit 2 for one that no certificate can be for.
fn server_name(name: &str) -> Result<ServerName<'static>> {
    let plain = name.strip_suffix('.').filter(|rest| !rest.is_empty()).unwrap_or(name);
    ServerName::try_from(plain.to_owned()).map_err(|_| {
        Error::usage(format!("{name:?} is no name that a certificate can be for: a host name or an IP address"))
    })
}

impl ClientTls {
    /// Reads the files, and checks that what they hold fits together.
    ///
    /// # Errors
    /// Exit 12 for files that cannot be read or do not fit, exit 2 for a name that is none.
    pub fn new(setup: &ClientSetup) -> Result<Self> {
        let provider = provider();
        let algorithms = provider.signature_verification_algorithms;
        let trust = match (setup.insecure, &setup.pin) {
            (true, _) => Trust::Blind,
            (_, Some(pin)) => Trust::Pin(pin.clone()),
            _ => {
                let (roots, known) = match &setup.ca {
                    Some(path) => files::trusted(path, "--tls-ca")?,
                    None => (files::system()?, Vec::new()),
                };
                let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
                Trust::Roots(webpki.map_err(|error| unfit(error.to_string()))?, known)
            }
        };
        let verified = trust.name();
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(setup.common.oldest.versions())
            .map_err(|error| unfit(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier { trust, algorithms }));
        let mut config = match &setup.common.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = files::identity(identity)?;
                builder
                    .with_client_auth_cert(chain.clone(), key)
                    .map_err(|error| files::unfit_key(identity, &chain, &error))?
            }
        };
        config.alpn_protocols = protocols(&setup.common.alpn);
        // Each connection is to show what a connection takes.
        config.resumption = Resumption::disabled();
        config.key_log = keylog::log();
        let server_name = setup.server_name.as_deref().map(server_name).transpose()?;
        Ok(Self {
            config: Arc::new(config),
            server_name,
            verified,
            allow_truncation: setup.common.allow_truncation,
            starttls: setup.starttls,
        })
    }

    /// The same for connections to the addresses that this one resolved to: it is its name that is verified.
    ///
    /// # Errors
    /// Exit 2 where it has none and none was given.
    pub fn named(self, endpoint: &Endpoint) -> Result<Self> {
        let server_name = Some(self.name(endpoint)?);
        Ok(Self { server_name, ..self })
    }

    /// The name that is asked for at an address, and verified.
    ///
    /// # Errors
    /// Exit 2 where the address has none and none was given.
    fn name(&self, endpoint: &Endpoint) -> Result<ServerName<'static>> {
        if let Some(name) = &self.server_name {
            return Ok(name.clone());
        }
        match endpoint {
            Endpoint::Inet(Inet { host, .. }) => match host {
                Host::Any => server_name("localhost"),
                Host::Name(name) => server_name(name),
                Host::V4(address) => Ok(ServerName::IpAddress(std::net::IpAddr::V4(*address).into())),
                Host::V6 { addr, .. } => Ok(ServerName::IpAddress(std::net::IpAddr::V6(*addr).into())),
            },
            // Nothing is held against it.
            _ if self.verified != "ca" => server_name("localhost"),
            _ => Err(Error::usage(format!(
                "{endpoint} has no name that a certificate could be for: add --tls-server-name"
            ))),
        }
    }

    /// Puts the client's side of TLS on a connection. The handshake is still to be done.
    ///
    /// # Errors
    /// Exit 2 where there is no name to verify, or no byte stream.
    pub fn begin(&self, conn: &mut Conn, endpoint: &Endpoint) -> Result<()> {
        check_shape(conn)?;
        let name = self.name(endpoint)?;
        let asked = name.to_str().into_owned();
        let side = UnbufferedClientConnection::new(self.config.clone(), name)
            .map_err(|error| Error::text(Exit::Tls, Phase::Securing, Some(endpoint), error.to_string()))?;
        conn.secure(Layer::new(Side::Client(Box::new(side)), Some(asked), self.verified, self.allow_truncation));
        Ok(())
    }

    /// Secures a connection: the whole handshake, in what is left of `budget`. `false` when the program is to stop
    /// first.
    ///
    /// # Errors
    /// Exit 12; exit 2 as of [`ClientTls::begin`].
    pub fn secure(
        &self,
        conn: &mut Conn,
        id: ConnId,
        endpoint: &Endpoint,
        budget: Budget,
        stop: &Stop,
        sink: &dyn Sink,
    ) -> Result<bool> {
        check_shape(conn)?;
        if let Some(starttls) = self.starttls {
            let name = self.name(endpoint)?;
            let asked = starttls.ask(conn, endpoint, &name.to_str(), budget, stop);
            if !asked.map_err(|error| error.beyond(conn.proxy()))? {
                return Ok(false);
            }
        }
        self.begin(conn, endpoint)?;
        handshake(conn, id, endpoint, budget, stop, sink)
    }
}

fn check_shape(conn: &Conn) -> Result<()> {
    if conn.shape().kind == Kind::Stream { Ok(()) } else { Err(needs_a_stream(conn.peer())) }
}

fn needs_a_stream(endpoint: &Endpoint) -> Error {
    Error::usage(format!("TLS needs a byte stream: {endpoint} has messages (DTLS is not spoken here)"))
}

/// Whether TLS fits an address, as far as that shows before it is resolved.
///
/// # Errors
/// Exit 2.
pub fn fits(endpoint: &Endpoint) -> Result<()> {
    use crate::addr::{Transport, Unix, UnixKind};
    match endpoint {
        Endpoint::Inet(Inet { transport: Transport::Udp, .. })
        | Endpoint::Unix(Unix { kind: UnixKind::Dgram | UnixKind::Seqpacket, .. }) => Err(needs_a_stream(endpoint)),
        Endpoint::Builtin(_) => {
            Err(Error::usage(format!("{endpoint} speaks no TLS: sockkit echo --tls --tls-self-signed does")))
        }
        _ => Ok(()),
    }
}

/// The whole handshake of a connection that is prepared for it, in the calling thread. `false` when the program is to
/// stop first.
///
/// # Errors
/// Exit 12.
pub fn handshake(
    conn: &mut Conn,
    id: ConnId,
    endpoint: &Endpoint,
    budget: Budget,
    stop: &Stop,
    sink: &dyn Sink,
) -> Result<bool> {
    keylog::complain(sink);
    let done = shake(conn, endpoint, budget, stop).map_err(|error| match conn.is_tls_server() {
        true => error.accepted(conn.local()),
        false => error.beyond(conn.proxy()),
    })?;
    if done {
        tell(conn, id, sink);
    }
    Ok(done)
}

fn shake(conn: &Conn, endpoint: &Endpoint, budget: Budget, stop: &Stop) -> Result<bool> {
    loop {
        let wants = match conn.shake().map_err(|source| Error::os(Phase::Securing, Some(endpoint), source))? {
            Step::Done => return Ok(true),
            Step::Read => PollFlags::IN,
            Step::Write => PollFlags::OUT,
        };
        if !budget.wait(conn, wants, stop, Phase::Securing, Some(endpoint))? {
            return Ok(false);
        }
    }
}

/// Says how a connection is secured.
pub fn tell(conn: &Conn, id: ConnId, sink: &dyn Sink) {
    keylog::complain(sink);
    if let Some((secured, took)) = conn.secured() {
        sink.emit(Some(id), &Event::Tls { secured: &secured, took });
    }
}

impl ServerTls {
    /// Reads the files, and checks that what they hold fits together; or makes a certificate.
    ///
    /// # Errors
    /// Exit 12 for files that cannot be read or do not fit.
    pub fn new(setup: &ServerSetup) -> Result<Self> {
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(setup.common.oldest.versions())
            .map_err(|error| unfit(error.to_string()))?;
        let builder = match &setup.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let (roots, _) = files::trusted(path, "--tls-client-ca")?;
                let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
                let clients = clients.map_err(|error| unfit(error.to_string()))?;
                builder.with_client_cert_verifier(Arc::new(Clients(clients)))
            }
        };
        let (chain, key) = match &setup.common.identity {
            Some(identity) => files::identity(identity)?,
            None => self_signed(setup.host.as_deref())?,
        };
        let own = chain.first().map(certificate::read).ok_or_else(|| unfit("there is no certificate"))?;
        let made = setup.common.identity.is_none();
        let key =
            CertifiedKey::from_der(chain.clone(), key, &provider).map_err(|error| match &setup.common.identity {
                Some(identity) => files::unfit_key(identity, &chain, &error),
                None => unfit(error.to_string()),
            })?;
        let mut config = builder.with_cert_resolver(Arc::new(TheOne(Arc::new(key))));
        config.alpn_protocols = protocols(&setup.common.alpn);
        // A session is not resumed, so no ticket is sent: a client that only writes, and closes with tickets unread,
        // would reset the connection (close(2) with unread data), and lose what it wrote.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.key_log = keylog::log();
        let patience = setup.patience.unwrap_or(HANDSHAKE);
        Ok(Self { config: Arc::new(config), allow_truncation: setup.common.allow_truncation, patience, own, made })
    }

    /// Puts the server's side of TLS on a connection. The handshake is still to be done.
    ///
    /// # Errors
    /// Exit 2 where there is no byte stream.
    pub fn begin(&self, conn: &mut Conn) -> Result<()> {
        check_shape(conn)?;
        let side = UnbufferedServerConnection::new(self.config.clone())
            .map_err(|error| Error::text(Exit::Tls, Phase::Securing, Some(conn.peer()), error.to_string()))?;
        let mut layer = Layer::new(Side::Server(Box::new(side)), None, "ca", self.allow_truncation);
        layer.patience = self.patience;
        conn.secure(layer);
        Ok(())
    }

    /// The flag that limits a handshake, from now on.
    #[must_use]
    pub fn budget(&self) -> Budget {
        Budget::new(self.patience, FLAG)
    }

    /// Says which certificate is shown to clients: with its fingerprint, which they may want to know.
    pub fn announce(&self, sink: &dyn Sink) {
        keylog::complain(sink);
        sink.emit(None, &Event::Certificate { certificate: &self.own, made: self.made });
    }
}

/// A certificate for this host by its usual names, good for a year, and its key.
fn self_signed(host: Option<&str>) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let failed = |error: rcgen::Error| unfit(format!("no certificate could be made: {error}"));
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    for name in [rustix::system::uname().nodename().to_str().ok(), host].into_iter().flatten() {
        if ServerName::try_from(name).is_ok() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let mut params = rcgen::CertificateParams::new(names).map_err(failed)?;
    let now = rcgen::date_time_ymd(1970, 1, 1) + UNIX_EPOCH.elapsed().unwrap_or_default();
    let day = Duration::from_secs(86_400);
    // A clock may be a little behind.
    params.not_before = now - day;
    params.not_after = now + day * 365;
    let mut name = rcgen::DistinguishedName::new();
    name.push(rcgen::DnType::CommonName, "sockkit self-signed");
    params.distinguished_name = name;
    let key = rcgen::KeyPair::generate().map_err(failed)?;
    let cert = params.self_signed(&key).map_err(failed)?;
    Ok((vec![cert.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
}

/// Whether a fingerprint is one, and in the form that [`ClientSetup::pin`] takes: 64 digits, with or without colons.
#[must_use]
pub fn fingerprint(text: &str) -> Option<String> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let digits = lower.strip_prefix("sha256:").or(lower.strip_prefix("sha256 fingerprint=")).unwrap_or(&lower);
    let plain: String = digits.chars().filter(|c| *c != ':').collect();
    (plain.len() == 64 && plain.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(plain)
}

impl From<Fault> for std::io::Error {
    fn from(fault: Fault) -> Self {
        Self::other(fault)
    }
}

#[cfg(test)]
mod tests;
