//! Certificates, with every fault that they can have.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use super::Ctx;

/// An authority, and the directory that what it issues goes to: `NAME.pem` (the chain) and `NAME.key`.
pub(crate) struct Ca<'t> {
    t: &'t Ctx,
    name: String,
    issuer: Issuer<'static, KeyPair>,
}

fn params(subject: &str, names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    params.distinguished_name.push(DnType::CommonName, subject);
    params
}

impl<'t> Ca<'t> {
    /// An authority; its own certificate is `NAME.pem`.
    pub(crate) fn new(t: &'t Ctx, name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        fs::write(t.path(&format!("{name}.pem")), cert.pem()).unwrap();
        fs::write(t.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        Self { t, name: name.to_owned(), issuer: Issuer::new(params, key) }
    }

    /// A good certificate for these names.
    pub(crate) fn issue(&self, name: &str, names: &[&str]) -> Pem {
        self.issue_with(name, names, |_| {})
    }

    /// One with a fault.
    pub(crate) fn issue_with(&self, name: &str, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pem {
        let mut params = params(name, names);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Pem::write(self.t, name, &cert.pem(), &key)
    }

    /// The file of its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.t.file(&format!("{}.pem", self.name))
    }
}

/// A certificate and its key.
pub(crate) struct Pem {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Pem {
    fn write(t: &Ctx, name: &str, cert: &str, key: &KeyPair) -> Self {
        let pem = Self { cert: t.file(&format!("{name}.pem")), key: t.file(&format!("{name}.key")) };
        fs::write(&pem.cert, cert).unwrap();
        fs::write(&pem.key, key.serialize_pem()).unwrap();
        pem
    }

    /// One that vouches for itself.
    pub(crate) fn self_signed(t: &Ctx, name: &str, names: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let cert = params(name, names).self_signed(&key).unwrap();
        Self::write(t, name, &cert.pem(), &key)
    }

    /// `--tls --tls-cert … --tls-key …`
    pub(crate) fn flags(&self) -> [&str; 5] {
        ["--tls", "--tls-cert", &self.cert, "--tls-key", &self.key]
    }
}
