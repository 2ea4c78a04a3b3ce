//! Whether a certificate is accepted, and if not, why.
//!
//! The library says in one word what is wrong; the chain that it looked at is kept, so that more can be told.

use std::cell::RefCell;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::certificate::{self, sha256};
use crate::tls::{Fault, Flaw};

thread_local! {
    /// The name that a client asked for last: the library tells it in the call in which it chooses a certificate.
    static ASKED: RefCell<Option<String>> = const { RefCell::new(None) };
    /// The chain that was refused last: the library verifies in the call that fails then.
    static REFUSED: RefCell<Vec<CertificateDer<'static>>> = const { RefCell::new(Vec::new()) };
}

/// What a server's certificate is held against.
#[derive(Debug)]
pub(super) enum Trust {
    /// These issuers; and these certificates themselves, which a file may name in their place.
    Roots(Arc<WebPkiServerVerifier>, Vec<CertificateDer<'static>>),
    /// It has this SHA-256.
    Pin(String),
    /// Nothing.
    Blind,
}

impl Trust {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Roots(..) => "ca",
            Self::Pin(_) => "pin",
            Self::Blind => "nothing",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) trust: Trust,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

/// The certificate that a server shows, whoever is asked for.
#[derive(Debug)]
pub(super) struct TheOne(pub(super) Arc<CertifiedKey>);

impl ResolvesServerCert for TheOne {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        ASKED.set(hello.server_name().map(ToOwned::to_owned));
        Some(self.0.clone())
    }
}

/// The name that a client asked for just now.
pub(super) fn asked() -> Option<String> {
    ASKED.take()
}

fn keep(own: &CertificateDer<'_>, others: &[CertificateDer<'_>]) {
    let chain = std::iter::once(own).chain(others).map(|der| der.clone().into_owned()).collect();
    REFUSED.set(chain);
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let result = match &self.trust {
            Trust::Blind => Ok(ServerCertVerified::assertion()),
            Trust::Pin(pin) if *pin == sha256(own) => Ok(ServerCertVerified::assertion()),
            Trust::Pin(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
            // What many make with one command is a certificate of an authority and of a server at once, which the
            // library does not take for a server's.
            Trust::Roots(_, known) if known.iter().any(|known| known == own) => itself(own, name, now),
            Trust::Roots(webpki, _) => webpki.verify_server_cert(own, others, name, ocsp, now),
        };
        if result.is_err() {
            keep(own, others);
        }
        result
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, own, signature, &self.algorithms).inspect_err(|_| keep(own, &[]))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, own, signature, &self.algorithms).inspect_err(|_| keep(own, &[]))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A certificate that is trusted by name: what is left to look at is whom it is for, and when.
fn itself(own: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<ServerCertVerified, Error> {
    let read = certificate::read(own);
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now.as_secs());
    if at < read.not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if at > read.not_after {
        return Err(CertificateError::Expired.into());
    }
    rustls::client::verify_server_name(&ParsedCertificate::try_from(own)?, name)?;
    Ok(ServerCertVerified::assertion())
}

/// Whether a client's certificate is accepted.
#[derive(Debug)]
pub(super) struct Clients(pub(super) Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Clients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.0.verify_client_cert(own, others, now).inspect_err(|_| keep(own, others))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, own, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, own, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// The fault of the certificate that was refused just now.
pub(super) fn fault(error: &CertificateError, name: Option<String>) -> Fault {
    let chain = REFUSED.take();
    let parsed: Vec<_> = chain.iter().map(certificate::read).collect();
    let flaw = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Flaw::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Flaw::NotYetValid,
        // What else is wrong with it follows from that.
        _ if chain.first().is_some_and(certificate::is_version_one) => Flaw::VersionOne,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Flaw::WrongName,
        CertificateError::ApplicationVerificationFailure => Flaw::NotThePinned,
        // Of a key that is too small, the library takes no signature.
        CertificateError::BadSignature => {
            chain.iter().find_map(certificate::small_key).map_or(Flaw::BadSignature, Flaw::Weak)
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            let text = chain.iter().find_map(certificate::weak_signature);
            Flaw::Weak(text.unwrap_or_else(|| "it is signed in a way that is not known here".to_owned()))
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Flaw::WrongPurpose,
        CertificateError::UnknownIssuer if parsed.first().is_some_and(|own| own.self_signed) => Flaw::SelfSigned,
        CertificateError::UnknownIssuer => Flaw::UnknownIssuer,
        // What is its own issuer is taken for an authority's.
        CertificateError::Other(_) if parsed.first().is_some_and(|own| own.self_signed) => Flaw::SelfSigned,
        other => Flaw::Other(other.to_string()),
    };
    Fault::Certificate { flaw, name, chain: parsed }
}

/// `NoCipherSuitesInCommon`, as words: `no cipher suites in common`.
pub(super) fn words(name: &str) -> String {
    match name {
        "ServerDoesNotSupportTls12Or13" => return "the server speaks neither TLS 1.2 nor TLS 1.3".to_owned(),
        "ServerTlsVersionIsDisabledByOurConfig" => return "the server speaks TLS 1.2 only".to_owned(),
        "Tls12NotOffered" | "Tls12NotOfferedOrEnabled" | "SupportedVersionsExtensionRequired" => {
            return "the client offers no version of TLS that is spoken here".to_owned();
        }
        // Before TLS 1.2 there were none to name.
        "SignatureAlgorithmsExtensionRequired" => {
            return "the client names no signature algorithms, as one that offers no more than TLS 1.1".to_owned();
        }
        "NoCipherSuitesInCommon" => return "the client offers no cipher suite that is spoken here".to_owned(),
        _ => {}
    }
    apart(name, ' ')
}

/// The words of a name of the library's, in lower case, with this between them.
pub(super) fn apart(name: &str, between: char) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(between);
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}
