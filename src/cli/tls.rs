//! The flags about TLS: those of both sides, and those of one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{first_given, value};
use crate::addr::{Endpoint, Host, Inet};
use crate::error::{Error, Result};
use crate::event::Sink;
use crate::net::tls::{self, ClientSetup, ClientTls, Common, Identity, Oldest, ServerSetup, ServerTls, Starttls};
use crate::span::Misread;
use crate::value::parse_duration;

/// What both sides have.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "TLS")]
struct CommonArgs {
    /// Secure each connection by TLS
    #[arg(long)]
    tls: bool,
    /// Our certificate, with those of its issuers behind it (PEM)
    #[arg(long, value_name = "FILE", value_parser = value::path())]
    tls_cert: Option<PathBuf>,
    /// The key of that certificate (PEM); without, it is in the same file
    #[arg(long, value_name = "FILE", value_parser = value::path())]
    tls_key: Option<PathBuf>,
    /// Protocols to agree on (ALPN), the first choice first: h2,http/1.1
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = protocol)]
    tls_alpn: Vec<String>,
    /// The oldest version that is spoken
    #[arg(long, value_name = "VERSION", value_enum, default_value = "1.2")]
    tls_min: Version,
    /// Take a connection that ends without close_notify for one that ended well
    #[arg(long)]
    tls_allow_truncation: bool,
}

/// What a client holds against the server's certificate.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "TLS")]
pub struct TrustArgs {
    /// Trust the certificates in FILE (PEM), in place of the system's
    #[arg(long, value_name = "FILE", value_parser = value::path(), conflicts_with_all = ["tls_insecure", "tls_pin"])]
    tls_ca: Option<PathBuf>,
    /// Ask for this name, and verify it, in place of the address's
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Accept just the certificate with this fingerprint
    #[arg(long, value_name = "SHA256", value_parser = fingerprint, conflicts_with = "tls_insecure")]
    tls_pin: Option<String>,
    /// Begin in the clear, in this protocol, and go on in TLS
    #[arg(long, value_name = "PROTOCOL", value_parser = clap::builder::PossibleValuesParser::new(Starttls::NAMES.map(|(name, _)| name)))]
    starttls: Option<String>,
    /// Accept any certificate: whoever is on the way can read and change everything
    #[arg(long)]
    tls_insecure: bool,
}

/// The flags of a client.
#[derive(Debug, Clone, Args)]
pub struct ClientTlsArgs {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

/// The flags of a server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "TLS")]
pub struct ServerTlsArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Make a certificate for this run, and say its fingerprint
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    tls_self_signed: bool,
    /// Ask each client for a certificate that one of those in FILE (PEM) signed
    #[arg(long, value_name = "FILE", value_parser = value::path())]
    tls_client_ca: Option<PathBuf>,
    /// How long a handshake may take [default: 10s]
    #[arg(long, value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true)]
    tls_handshake_timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Version {
    #[default]
    #[value(name = "1.2")]
    Tls12,
    #[value(name = "1.3")]
    Tls13,
}

fn protocol(text: &str) -> Result<String, String> {
    match text.len() {
        1..=255 => Ok(text.to_owned()),
        _ => Err("the name of a protocol has 1 to 255 bytes".to_owned()),
    }
}

fn fingerprint(text: &str) -> Result<String, Misread> {
    tls::fingerprint(text).ok_or_else(|| {
        Misread::new("fingerprint", text, 0..text.len(), "SHA-256 has 64 hexadecimal digits (colons may be between)")
            .hint("openssl x509 -in cert.pem -noout -fingerprint -sha256")
    })
}

impl CommonArgs {
    fn common(&self) -> Result<Common> {
        Ok(Common {
            identity: self.identity()?,
            alpn: self.tls_alpn.clone(),
            oldest: match self.tls_min {
                Version::Tls12 => Oldest::Tls12,
                Version::Tls13 => Oldest::Tls13,
            },
            allow_truncation: self.tls_allow_truncation,
        })
    }

    fn identity(&self) -> Result<Option<Identity>> {
        match (&self.tls_cert, &self.tls_key) {
            (None, Some(_)) => Err(Error::usage("--tls-key is the key of a certificate: add --tls-cert")),
            (None, None) => Ok(None),
            (Some(cert), key) => Ok(Some(Identity { cert: cert.clone(), key: key.clone() })),
        }
    }

    fn given(&self) -> Option<&'static str> {
        first_given(&[
            (self.tls_cert.is_some(), "--tls-cert"),
            (self.tls_key.is_some(), "--tls-key"),
            (!self.tls_alpn.is_empty(), "--tls-alpn"),
            (self.tls_min != Version::Tls12, "--tls-min"),
            (self.tls_allow_truncation, "--tls-allow-truncation"),
        ])
    }
}

/// A flag that would have no effect must not look as if it had one.
fn needs_tls(flag: &str) -> Error {
    Error::usage(format!("{flag} is about TLS: add --tls"))
}

impl TrustArgs {
    fn given(&self) -> Option<&'static str> {
        first_given(&[
            (self.tls_ca.is_some(), "--tls-ca"),
            (self.tls_server_name.is_some(), "--tls-server-name"),
            (self.tls_pin.is_some(), "--tls-pin"),
            (self.tls_insecure, "--tls-insecure"),
            (self.starttls.is_some(), "--starttls"),
        ])
    }

    /// For a subcommand that is a server now.
    ///
    /// # Errors
    /// Exit 2.
    pub fn only_for_clients(&self) -> Result<()> {
        match self.given() {
            Some(flag) => {
                Err(Error::usage(format!("{flag} is about a server's certificate, and here we are the server")))
            }
            None => Ok(()),
        }
    }
}

fn client_setup(common: &CommonArgs, trust: &TrustArgs) -> Result<ClientSetup> {
    Ok(ClientSetup {
        common: common.common()?,
        ca: trust.tls_ca.clone(),
        pin: trust.tls_pin.clone(),
        insecure: trust.tls_insecure,
        server_name: trust.tls_server_name.clone(),
        starttls: trust.starttls.as_deref().and_then(Starttls::by_name),
    })
}

fn client(common: &CommonArgs, trust: &TrustArgs) -> Result<Option<ClientTls>> {
    let setup = client_setup(common, trust)?;
    if !common.tls && trust.starttls.is_none() {
        return common.given().or(trust.given()).map_or(Ok(None), |flag| Err(needs_tls(flag)));
    }
    ClientTls::new(&setup).map(Some)
}

impl ClientTlsArgs {
    /// TLS, if it is asked for.
    ///
    /// # Errors
    /// Exit 2 for flags that do not fit, exit 12 for files that do not.
    pub fn client(&self) -> Result<Option<ClientTls>> {
        client(&self.common, &self.trust)
    }

    /// The same where a script or a person may say later that TLS begins: flags need no `--tls` then. The second is
    /// for that moment.
    ///
    /// # Errors
    /// As of [`ClientTlsArgs::client`].
    pub fn client_or_later(&self) -> Result<(Option<ClientTls>, ClientSetup)> {
        let setup = client_setup(&self.common, &self.trust)?;
        let now = self.common.tls || self.trust.starttls.is_some();
        Ok((now.then(|| ClientTls::new(&setup)).transpose()?, setup))
    }
}

/// The flags of a relay's connecting side.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "TLS")]
pub struct OriginateArgs {
    /// Secure each connection to the target by TLS (--tls is about those that come)
    #[arg(long)]
    tls_originate: bool,
    #[command(flatten)]
    trust: TrustArgs,
}

impl OriginateArgs {
    fn is_on(&self) -> bool {
        self.tls_originate || self.trust.starttls.is_some()
    }

    /// TLS to this target, if it is asked for. Of the flags that both sides could have, those that have one value for
    /// both are for both; a certificate and its key, and ALPN, are for the listening side if that is secured too.
    ///
    /// # Errors
    /// Exit 2 for flags that do not fit, exit 12 for files that do not.
    pub fn client(&self, listening: &ServerTlsArgs, target: &Endpoint) -> Result<Option<ClientTls>> {
        if !self.is_on() {
            let lone = |flag| Err(Error::usage(format!("{flag} is about TLS to the target: add --tls-originate")));
            return self.trust.given().map_or(Ok(None), lone);
        }
        tls::fits(target)?;
        let mut setup = client_setup(&listening.common, &self.trust)?;
        if listening.common.tls {
            (setup.common.identity, setup.common.alpn) = (None, Vec::new());
        }
        ClientTls::new(&setup).map(Some)
    }

    /// What is left for the listening side.
    #[must_use]
    pub fn rest(&self, listening: &ServerTlsArgs) -> ServerTlsArgs {
        let common = match self.is_on() && !listening.common.tls {
            true => CommonArgs::default(),
            false => listening.common.clone(),
        };
        ServerTlsArgs { common, ..listening.clone() }
    }
}

impl ServerTlsArgs {
    /// TLS for the one time that a server's subcommand is a client.
    ///
    /// # Errors
    /// As of [`ClientTlsArgs::client`].
    pub fn as_client(&self, trust: &TrustArgs) -> Result<Option<ClientTls>> {
        if let Some(flag) = self.given() {
            return Err(Error::usage(format!("{flag} is for a server, and here we are the client")));
        }
        client(&self.common, trust)
    }

    fn given(&self) -> Option<&'static str> {
        first_given(&[
            (self.tls_self_signed, "--tls-self-signed"),
            (self.tls_client_ca.is_some(), "--tls-client-ca"),
            (self.tls_handshake_timeout.is_some(), "--tls-handshake-timeout"),
        ])
    }

    /// TLS, if it is asked for, at this address; and what clients may want to know of it is said.
    ///
    /// # Errors
    /// Exit 2 for flags that do not fit, exit 12 for files that do not.
    pub fn server(&self, endpoint: &Endpoint, sink: &dyn Sink) -> Result<Option<Arc<ServerTls>>> {
        if !self.common.tls {
            self.common.identity()?;
            return self.common.given().or(self.given()).map_or(Ok(None), |flag| Err(needs_tls(flag)));
        }
        self.ready(endpoint, sink).map(Some)
    }

    /// For `starttls` of a script, or of a person: TLS that begins later, if there is a certificate for it.
    ///
    /// # Errors
    /// As of [`ServerTlsArgs::server`].
    pub fn later(&self, endpoint: &Endpoint, sink: &dyn Sink) -> Result<Option<Arc<ServerTls>>> {
        let certified = self.common.tls_cert.is_some() || self.tls_self_signed;
        if !certified || self.common.tls {
            self.common.identity()?;
            return Ok(None);
        }
        self.ready(endpoint, sink).map(Some)
    }

    fn ready(&self, endpoint: &Endpoint, sink: &dyn Sink) -> Result<Arc<ServerTls>> {
        let common = self.common.common()?;
        tls::fits(endpoint)?;
        if common.identity.is_none() && !self.tls_self_signed {
            return Err(Error::usage(
                "--tls needs a certificate: add --tls-cert FILE --tls-key FILE, or --tls-self-signed",
            ));
        }
        let host = match endpoint {
            Endpoint::Inet(Inet { host: Host::Name(name), .. }) => Some(name.clone()),
            _ => endpoint.ip().filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string()),
        };
        let tls = ServerTls::new(&ServerSetup {
            common,
            client_ca: self.tls_client_ca.clone(),
            patience: self.tls_handshake_timeout,
            host,
        })?;
        tls.announce(sink);
        Ok(Arc::new(tls))
    }
}
