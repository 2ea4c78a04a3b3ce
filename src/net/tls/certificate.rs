//! Reading certificates: what a person, or a diagnosis, wants to know of them.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use x509_cert::Version;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode as _, Header, SliceReader};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::text::hex;
use crate::tls::Certificate;

/// rsaEncryption: RFC 8017, appendix C.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// So many bits are the least that are taken.
const RSA_LEAST: usize = 2048;
/// Signatures that are not taken: RFC 8017, appendix C, and RFC 3279, section 2.2.3.
const WEAK: [(ObjectIdentifier, &str); 3] = [
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4"), "MD5 and RSA"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"), "SHA-1 and RSA"),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"), "SHA-1 and ECDSA"),
];

/// What the certificate says; as far as it can be read.
#[must_use]
pub(super) fn read(der: &CertificateDer<'_>) -> Certificate {
    let sha256 = sha256(der);
    let Ok(parsed) = x509_cert::Certificate::from_der(der) else {
        let unread = || "(unreadable)".to_owned();
        return Certificate {
            subject: unread(),
            issuer: unread(),
            names: Vec::new(),
            not_before: UNIX_EPOCH,
            not_after: UNIX_EPOCH,
            days_left: 0,
            sha256,
            self_signed: false,
        };
    };
    let body = &parsed.tbs_certificate;
    let at = |time: &x509_cert::time::Time| UNIX_EPOCH + time.to_unix_duration();
    let not_after = at(&body.validity.not_after);
    Certificate {
        subject: body.subject.to_string(),
        issuer: body.issuer.to_string(),
        names: body.get::<SubjectAltName>().ok().flatten().map(|(_, names)| names_of(&names)).unwrap_or_default(),
        not_before: at(&body.validity.not_before),
        not_after,
        days_left: days_until(not_after, SystemTime::now()),
        sha256,
        self_signed: body.subject == body.issuer,
    }
}

/// Whether it is of X.509 version 1.
pub(super) fn is_version_one(der: &CertificateDer<'_>) -> bool {
    x509_cert::Certificate::from_der(der).is_ok_and(|parsed| parsed.tbs_certificate.version == Version::V1)
}

/// What is too weak about its key, if something is.
pub(super) fn small_key(der: &CertificateDer<'_>) -> Option<String> {
    let parsed = x509_cert::Certificate::from_der(der).ok()?;
    let key = parsed.tbs_certificate.subject_public_key_info;
    if key.algorithm.oid != RSA {
        return None;
    }
    // RSAPublicKey (RFC 8017, section A.1.1): a sequence of the modulus and the exponent.
    let mut reader = SliceReader::new(key.subject_public_key.raw_bytes()).ok()?;
    Header::decode(&mut reader).ok()?;
    let modulus = UintRef::decode(&mut reader).ok()?;
    let first = modulus.as_bytes().first()?;
    let bits = modulus.as_bytes().len() * 8 - first.leading_zeros() as usize;
    (bits < RSA_LEAST).then(|| format!("its RSA key has {bits} bits, and {RSA_LEAST} is the least"))
}

/// By what it is signed, where that is not safe any more.
pub(super) fn weak_signature(der: &CertificateDer<'_>) -> Option<String> {
    let parsed = x509_cert::Certificate::from_der(der).ok()?;
    let oid = parsed.signature_algorithm.oid;
    let name = WEAK.iter().find(|(weak, _)| *weak == oid)?.1;
    Some(format!("it is signed by {name}, which can be forged"))
}

/// SHA-256 in hexadecimal.
#[must_use]
pub(super) fn sha256(der: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, der).as_ref())
}

fn names_of(names: &SubjectAltName) -> Vec<String> {
    names
        .0
        .iter()
        .filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
            GeneralName::IpAddress(bytes) => match bytes.as_bytes() {
                bytes if bytes.len() == 4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
                bytes => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
            },
            GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
            GeneralName::Rfc822Name(mail) => Some(mail.as_str().to_owned()),
            _ => None,
        })
        .collect()
}

fn days_until(end: SystemTime, now: SystemTime) -> i64 {
    let days = |span: Duration| i64::try_from(span.as_secs() / 86_400).unwrap_or(i64::MAX);
    match end.duration_since(now) {
        Ok(left) => days(left),
        Err(passed) => -days(passed.duration()) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_who_it_is() {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names.clone()).unwrap();
        let read = read(made.cert.der());
        assert_eq!(read.names, names);
        assert!(read.self_signed && read.days_left > 0 && read.sha256.len() == 64, "{read:?}");
        assert!(!is_version_one(made.cert.der()));
    }

    #[test]
    fn what_is_no_certificate_is_no_panic() {
        assert_eq!(read(&CertificateDer::from(&b"nonsense"[..])).subject, "(unreadable)");
    }

    #[test]
    fn days_are_whole_ones() {
        let now = SystemTime::now();
        let day = Duration::from_secs(86_400);
        assert_eq!(days_until(now + day, now), 1);
        assert_eq!(days_until(now + day / 2, now), 0);
        assert_eq!(days_until(now - day / 2, now), -1);
    }
}
