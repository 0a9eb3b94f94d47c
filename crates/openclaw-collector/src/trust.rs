//! Whom connections by TLS believe: the authorities that this system trusts and those of one file of the operator's
//! own, or, within one machine, exactly the certificate in a file.
//!
//! rustls with ring, as the listeners have it: aws-lc would bring a second C library and cmake for the same ciphers.
//! The system's authorities and not a list compiled in, so that the operator's decisions about them hold here too
//! (`SSL_CERT_FILE` and `SSL_CERT_DIR` are heard). Those are read once; files that are named here are read again.

mod renewed;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use renewed::Renewed;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

/// Whom to believe. Clones share it.
#[derive(Clone, Debug)]
pub struct Trust(Arc<ClientConfig>);

/// Why nobody can be believed.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTrust {
    /// The operator's file cannot be used.
    #[error("the file of trusted certificates {} {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody is trusted at all.
    #[error(
        "this system trusts no certificate authority ({reason}); install its CA certificates, or name a file of your own"
    )]
    Nobody {
        /// What the system said.
        reason: String,
    },
    /// The cryptography does not hold what TLS needs, which is a fault of the build.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] Error),
}

impl Trust {
    /// The authorities that this system trusts, and those of `ca_file` (PEM), where there is one. Reads files.
    ///
    /// The file is read again with every handshake: changed authorities are taken over at once, and where the file cannot be
    /// used, those before stay.
    ///
    /// # Errors
    /// [`InvalidTrust`] where the file holds no certificate, or nobody is trusted without one.
    pub fn system(ca_file: Option<&Path>) -> Result<Self, InvalidTrust> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(found.certs);
        if let Some(path) = ca_file {
            let renewed = Renewed::new(path.to_owned(), roots, provider())
                .map_err(|reason| InvalidTrust::File { path: path.to_owned(), reason })?;
            let config = builder()?.dangerous().with_custom_certificate_verifier(Arc::new(renewed));
            let mut config = config.with_no_client_auth();
            // A resumed session shows no certificate, and would outlive the authority that it was begun under.
            config.resumption = Resumption::disabled();
            return Ok(Self(Arc::new(config)));
        }
        if usable == 0 {
            let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
            let reason = if errors.is_empty() { "none is installed".to_owned() } else { errors.join(", ") };
            return Err(InvalidTrust::Nobody { reason });
        }
        Ok(Self(Arc::new(builder()?.with_root_certificates(roots).with_no_client_auth())))
    }

    /// Nobody: for clients that speak plain HTTP alone, which need not read the system's authorities.
    ///
    /// # Errors
    /// [`InvalidTrust::Tls`].
    pub fn nobody() -> Result<Self, InvalidTrust> {
        let roots = RootCertStore::empty();
        Ok(Self(Arc::new(builder()?.with_root_certificates(roots).with_no_client_auth())))
    }

    /// Exactly the first certificate in `cert_file` (PEM), whatever name it bears: for a listener of the same
    /// process, whose certificate is made for others to reach it by. The file is read at every handshake, so that a
    /// renewed certificate is known at once.
    ///
    /// # Errors
    /// [`InvalidTrust`] where the file holds no certificate.
    pub fn exactly(cert_file: &Path) -> Result<Self, InvalidTrust> {
        let path = cert_file.to_owned();
        if let Err(reason) = certificates(&path) {
            return Err(InvalidTrust::File { path, reason });
        }
        let exactly = Exactly { path, provider: provider() };
        let config = builder()?.dangerous().with_custom_certificate_verifier(Arc::new(exactly));
        Ok(Self(Arc::new(config.with_no_client_auth())))
    }

    /// The same for a rustls client of one's own.
    #[must_use]
    pub fn client_config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

/// Two are equal where they are the same: settings that name one are compared.
impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()
}

/// The certificates of a file, of which there is at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    certificates_in(&contents(path)?)
}

fn contents(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))
}

fn certificates_in(contents: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(contents).collect();
    match found {
        Ok(found) if found.is_empty() => Err("holds no certificate in PEM form".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("is not valid PEM: {error}")),
    }
}

/// Believes one certificate, by its bytes.
#[derive(Debug)]
struct Exactly {
    path: PathBuf,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let refused = |reason: String| {
            let text = format!("{} {reason}", self.path.display());
            Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(std::io::Error::other(
                text,
            )))))
        };
        let expected = certificates(&self.path).map_err(refused)?;
        if expected.first().is_some_and(|expected| expected == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(refused("holds another certificate than the one that was shown".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        std::fs::write(&empty, "nothing of the kind\n").unwrap();
        let garbled = folder.path().join("garbled");
        std::fs::write(&garbled, "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n").unwrap();
        for (file, reason) in [
            (folder.path().join("none"), "cannot be read"),
            (empty, "holds no certificate in PEM form"),
            (garbled, "is not valid PEM"),
        ] {
            for trust in [Trust::system(Some(&file)), Trust::exactly(&file)] {
                let said = trust.unwrap_err().to_string();
                assert!(said.contains(reason) && said.contains(&file.display().to_string()), "{said}");
            }
        }
    }
}
