//! The files that TLS needs: certificates and keys, in PEM (RFC 7468).

use std::path::Path;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{Error as Tls, InconsistentKeys, RootCertStore};

use super::{Identity, certificate, unfit};
use crate::error::{Error, Result};

fn read(path: &Path, flag: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| {
        let mut error = Error::file(flag, path, &source);
        unfit(error.cause.to_string()).knowing(error.facts.drain(..))
    })
}

fn certificates(path: &Path, flag: &str) -> Result<(Vec<CertificateDer<'static>>, Vec<u8>)> {
    let text = read(path, flag)?;
    let bad = |error: &dyn std::fmt::Display| unfit(format!("{flag} {}: {error}", path.display()));
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| bad(&format!("the PEM in it is damaged: {error}")))?;
    if found.is_empty() {
        let why = if text.starts_with(&[0x30]) {
            "it is DER, and PEM is wanted: openssl x509 -inform der -in FILE -out FILE.pem"
        } else {
            "there is no certificate in it (-----BEGIN CERTIFICATE-----)"
        };
        return Err(bad(&why));
    }
    Ok((found, text))
}

/// Certificates to trust; and all of them as they are.
///
/// # Errors
/// Exit 12.
pub(super) fn trusted(path: &Path, flag: &str) -> Result<(RootCertStore, Vec<CertificateDer<'static>>)> {
    let (found, _) = certificates(path, flag)?;
    let mut roots = RootCertStore::empty();
    for der in &found {
        roots.add(der.clone()).map_err(|error| {
            unfit(format!("{flag} {}: a certificate in it cannot be read: {error}", path.display()))
        })?;
    }
    Ok((roots, found))
}

/// Those that this system trusts: `SSL_CERT_FILE`, `SSL_CERT_DIR`, or where OpenSSL looks.
///
/// # Errors
/// Exit 12 when there are none.
pub(super) fn system() -> Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
    Err(unfit(format!("this system has no certificates to trust{why}: install ca-certificates, or give --tls-ca")))
}

/// A certificate with its issuers, and its key.
///
/// # Errors
/// Exit 12.
pub(super) fn identity(identity: &Identity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let (chain, text) = certificates(&identity.cert, "--tls-cert")?;
    let (path, flag, text) = match &identity.key {
        Some(path) => (path, "--tls-key", read(path, "--tls-key")?),
        None => (&identity.cert, "--tls-cert", text),
    };
    let bad = |why: &str| unfit(format!("{flag} {}: {why}", path.display()));
    if is_encrypted(&text) {
        return Err(bad("the key is encrypted: openssl pkey -in FILE -out FILE.plain asks for the password"));
    }
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound if identity.key.is_none() => {
            bad("there is no key in it: add --tls-key FILE")
        }
        rustls::pki_types::pem::Error::NoItemsFound => bad("there is no key in it (-----BEGIN PRIVATE KEY-----)"),
        error => bad(&format!("the PEM in it is damaged: {error}")),
    })?;
    Ok((chain, key))
}

fn is_encrypted(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// What the library says of a key and a certificate that it does not take.
pub(super) fn unfit_key(identity: &Identity, chain: &[CertificateDer<'_>], error: &Tls) -> Error {
    let cert = identity.cert.display();
    let key = identity.key.as_ref().unwrap_or(&identity.cert).display();
    match error {
        Tls::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            unfit(format!("the key in {key} does not fit the certificate in {cert}"))
        }
        Tls::InvalidCertificate(_) if chain.first().is_some_and(certificate::is_version_one) => unfit(format!(
            "--tls-cert {cert}: the certificate is one of X.509 version 1, which has no names: make it with \
             a subjectAltName (openssl x509 -req -extfile)"
        )),
        Tls::InvalidCertificate(error) => unfit(format!("--tls-cert {cert}: the certificate cannot be used: {error}")),
        // The library's text names what it tried, and not what it wants.
        Tls::General(_) => unfit(format!(
            "--tls-key {key}: the key is of a kind or a size that is not taken: RSA has to have 2048 bits or more, ECDSA \
             to be on P-256 or P-384; Ed25519 is the third"
        )),
        error => unfit(format!("--tls-key {key}: the key cannot be used: {error}")),
    }
}
