//! Authorities from a file that may be renewed while a service runs.
//!
//! The file is read at every handshake. Connections are kept, so handshakes are rare, and a file of some kilobytes takes a
//! few microseconds; a task that watches the file was the alternative, and would have to live as long as every clone of a
//! client.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::{certificates_in, contents};

/// Believes whom the system's authorities or those of the file, as it is now, have certified.
#[derive(Debug)]
pub(super) struct Renewed {
    path: PathBuf,
    system: RootCertStore,
    provider: Arc<CryptoProvider>,
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    /// What the file held when it was last looked at, whether it could be used or not.
    looked_at: Result<Vec<u8>, String>,
    /// By what it held when it could last be used.
    verifier: Arc<WebPkiServerVerifier>,
}

impl Renewed {
    /// Those of the system and of the file; the error says what is wrong with the file.
    pub(super) fn new(
        path: PathBuf,
        system: RootCertStore,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let read = contents(&path)?;
        let verifier = verifier(&read, &system, &provider)?;
        let current = RwLock::new(Current { looked_at: Ok(read), verifier });
        Ok(Self { path, system, provider, current })
    }

    /// Looks at the file, takes over what has changed and can be used, and says it.
    fn verifier(&self) -> Arc<WebPkiServerVerifier> {
        let looked_at = contents(&self.path);
        let known = self.current.read();
        if known.looked_at == looked_at {
            return Arc::clone(&known.verifier);
        }
        drop(known);
        let file = self.path.display();
        let renewed =
            looked_at.clone().and_then(|contents| verifier(&contents, &self.system, &self.provider));
        let mut current = self.current.write();
        match renewed {
            Ok(verifier) => {
                tracing::info!(%file, "the changed file of trusted certificates was taken over");
                current.verifier = verifier;
            }
            Err(reason) => {
                tracing::warn!(%file, reason, "the file of trusted certificates is not used; those before stay");
            }
        }
        current.looked_at = looked_at;
        Arc::clone(&current.verifier)
    }
}

fn verifier(
    contents: &[u8],
    system: &RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut roots = system.clone();
    for certificate in certificates_in(contents)? {
        roots.add(certificate).map_err(|error| format!("holds no authority: {error}"))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| format!("cannot be used: {error}"))
}

impl ServerCertVerifier for Renewed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier().verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current.read().verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current.read().verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current.read().verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use openclaw_testca::{Authority, Valid};

    use super::*;
    use crate::trust::{certificates, provider};

    #[test]
    fn a_renewed_file_is_taken_over_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(Authority::new);
        let shown = |authority: &Authority, name: &str| {
            let files = authority.certify(&["127.0.0.1"], Valid::Now, folder.path(), name);
            certificates(&files.cert).unwrap().remove(0)
        };
        let (by_one, by_other) = (shown(&one, "by-one"), shown(&other, "by-other"));
        let file = one.write(folder.path(), "ca");
        let trust = Renewed::new(file.clone(), RootCertStore::empty(), provider()).unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let believes = |shown: &CertificateDer<'_>| {
            trust.verify_server_cert(shown, &[], &name, &[], UnixTime::now()).is_ok()
        };
        assert_eq!((believes(&by_one), believes(&by_other)), (true, false));
        assert_eq!(other.write(folder.path(), "ca"), file);
        assert_eq!((believes(&by_one), believes(&by_other)), (false, true), "the renewed one alone");
        std::fs::write(&file, "half of a").unwrap();
        assert_eq!((believes(&by_one), believes(&by_other)), (false, true), "those before stay");
        std::fs::remove_file(&file).unwrap();
        assert!(believes(&by_other));
        let _ = one.write(folder.path(), "ca");
        assert_eq!((believes(&by_one), believes(&by_other)), (true, false));
    }
}
