//! TLS on a listener: rustls with the ring provider, certificate and key from PEM files.
//!
//! ring and not aws-lc: it builds with the C compiler that Rust's linker needs anyway, without cmake.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::{ListenError, Protocols};

/// Makes TLS streams of plain ones.
#[derive(Clone)]
pub(super) struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Acceptor")
    }
}

impl Acceptor {
    pub(super) fn from_files(cert_file: &Path, key_file: &Path) -> Result<Self, ListenError> {
        let certificates = CertificateDer::pem_file_iter(cert_file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable("tls.certFile", cert_file, &error))?;
        if certificates.is_empty() {
            let file = cert_file.display();
            return Err(ListenError::Tls {
                reason: format!("{file} (tls.certFile) holds no certificate in PEM form"),
            });
        }
        let key = PrivateKeyDer::from_pem_file(key_file)
            .map_err(|error| unreadable("tls.keyFile", key_file, &error))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
            .map_err(|error| ListenError::Tls {
                reason: format!(
                    "the certificate in {} and the key in {} cannot be used together: {error}",
                    cert_file.display(),
                    key_file.display()
                ),
            })?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// The same, which offers by ALPN what `protocols` holds.
    pub(super) fn speaking(&self, protocols: Protocols) -> Self {
        match protocols {
            Protocols::Http1 => self.clone(),
            Protocols::Http1And2 => {
                let mut config = ServerConfig::clone(self.0.config());
                config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
                Self(TlsAcceptor::from(Arc::new(config)))
            }
        }
    }

    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        timeout: Duration,
    ) -> io::Result<TlsStream<TcpStream>> {
        tokio::time::timeout(timeout, self.0.accept(stream)).await?
    }
}

fn unreadable(config_key: &str, file: &Path, error: &pem::Error) -> ListenError {
    let what = match error {
        pem::Error::Io(error) => format!("cannot be read: {error}"),
        pem::Error::NoItemsFound => "holds no private key in PEM form".to_owned(),
        other => format!("is not valid PEM: {other}"),
    };
    ListenError::Tls { reason: format!("{} ({config_key}) {what}", file.display()) }
}
