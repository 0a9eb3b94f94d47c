//! A certificate authority for tests, with certificates good, expired and for other hosts.
//!
//! Made anew by each test rather than committed: a committed certificate expires on some morning years from now, and
//! one that never expires shows nothing about those that do.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, Error, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

/// An authority that nobody trusts yet.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Valid {
    /// Yesterday to tomorrow.
    Now,
    /// Until ten days ago.
    Before,
    /// In ten days.
    Later,
}

/// A certificate and its key, in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

impl Authority {
    /// An authority of this name. Two of one name differ in their keys.
    ///
    /// # Panics
    /// Where no key can be made, which leaves a test nothing to do.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        span(&mut params, Valid::Now);
        let issuer = KeyPair::generate().and_then(|key| CertifiedIssuer::self_signed(params, key));
        Self { issuer: made(issuer) }
    }

    /// Writes the authority's own certificate into `folder`, as whoever trusts it needs it.
    ///
    /// # Panics
    /// Where the file cannot be written.
    #[must_use]
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(format!("{name}.pem"));
        written(fs::write(&path, self.issuer.pem()), &path);
        path
    }

    /// Certifies a host by `names`, DNS names or addresses, and writes certificate and key into `folder`, in one step
    /// each, as renewals are.
    ///
    /// # Panics
    /// Where a name is none, or a file cannot be written.
    #[must_use]
    pub fn certify(&self, names: &[&str], valid: Valid, folder: &Path, name: &str) -> Files {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = made(CertificateParams::new(names));
        params.distinguished_name.push(DnType::CommonName, "a host in a test");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        span(&mut params, valid);
        let key = made(KeyPair::generate());
        let certificate = made(params.signed_by(&key, &self.issuer));
        let place = |extension: &str, text: String| {
            let path = folder.join(format!("{name}.{extension}"));
            let new = path.with_extension("new");
            written(fs::write(&new, text).and_then(|()| fs::rename(&new, &path)), &path);
            path
        };
        Files { cert: place("crt", certificate.pem()), key: place("key", key.serialize_pem()) }
    }
}

fn span(params: &mut CertificateParams, valid: Valid) {
    let (now, day) = (OffsetDateTime::now_utc(), Duration::DAY);
    let around = match valid {
        Valid::Now => now,
        Valid::Before => now - day * 11,
        Valid::Later => now + day * 11,
    };
    (params.not_before, params.not_after) = (around - day, around + day);
}

fn made<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("a certificate for a test cannot be made: {error}"))
}

fn written(result: std::io::Result<()>, path: &Path) {
    result.unwrap_or_else(|error| panic!("{} cannot be written: {error}", path.display()));
}
