//! TLS on a listener: rustls with the ring provider, certificate and key from PEM files, read again when they change.
//!
//! ring and not aws-lc: it builds with the C compiler that Rust's linker needs anyway, without cmake. Files are looked at
//! now and then rather than watched by the kernel: orchestrators swap folders of links under them, which such watches
//! miss, and a renewed certificate has days.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::PROBLEM_JSON;
use parking_lot::RwLock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::server::TlsStream;

use super::{ListenError, Protocols};

/// How much of a request without TLS is read before it is answered.
const PLAIN_BYTES_MAX: usize = 16 * 1024;

/// What is wrong with a request without TLS, as other failures are told.
const PLAIN_REFUSED: &str = r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"this listener speaks TLS: ask by https:// instead of http://"}"#;

/// The certificate that a listener shows, and its key, as they were last read.
#[derive(Debug)]
pub(super) struct Certificate {
    cert_file: PathBuf,
    key_file: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

impl Certificate {
    async fn take_over(self: &Arc<Self>, listener: &'static str) {
        let this = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || read(&this.cert_file, &this.key_file)).await;
        let result = match read {
            Ok(Ok(certificate)) => {
                *self.current.write() = Arc::new(certificate);
                tracing::info!(listener, file = %self.cert_file.display(), "the changed certificate was taken over");
                "taken"
            }
            Ok(Err(error)) => {
                // Often but half of a change: the other file follows, and with it the next look.
                tracing::warn!(listener, %error, "the changed certificate is not used; the one before stays");
                "refused"
            }
            Err(_) => return,
        };
        metrics::counter!(super::CERTIFICATES_TOTAL, "listener" => listener, "result" => result).increment(1);
    }

    /// What the files hold, in a number; one that is away for a moment counts as empty. Their times would not do: the
    /// files that orchestrators swap in may bear the same ones.
    async fn contents(self: &Arc<Self>) -> u64 {
        let this = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || {
            let mut hasher = DefaultHasher::new();
            for file in [&this.cert_file, &this.key_file] {
                std::fs::read(file).unwrap_or_default().hash(&mut hasher);
            }
            hasher.finish()
        });
        looked.await.unwrap_or_default()
    }
}

fn read(cert_file: &Path, key_file: &Path) -> Result<CertifiedKey, ListenError> {
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
    CertifiedKey::from_der(certificates, key, &ring::default_provider()).map_err(|error| ListenError::Tls {
        reason: format!(
            "the certificate in {} and the key in {} cannot be used together: {error}",
            cert_file.display(),
            key_file.display()
        ),
    })
}

fn unreadable(config_key: &str, file: &Path, error: &pem::Error) -> ListenError {
    let what = match error {
        pem::Error::Io(error) => format!("cannot be read: {error}"),
        pem::Error::NoItemsFound => "holds no private key in PEM form".to_owned(),
        other => format!("is not valid PEM: {other}"),
    };
    ListenError::Tls { reason: format!("{} ({config_key}) {what}", file.display()) }
}

/// Makes TLS streams of plain ones.
#[derive(Clone)]
pub(super) struct Acceptor {
    acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
    watch_interval: Duration,
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Acceptor")
            .field("certificate", &self.certificate.cert_file)
            .finish_non_exhaustive()
    }
}

/// Why a connection has no TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// It was a request without TLS, and has been told so.
    #[error("a request without TLS")]
    Plain,
    /// It took too long.
    #[error("it took too long")]
    Late,
    /// It failed.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

impl Acceptor {
    /// Files that are looked at again every `watch_interval`, never where that is zero.
    ///
    /// # Errors
    /// [`ListenError::Tls`] where the files hold no certificate and key that can be used.
    pub(super) fn from_files(
        cert_file: &Path,
        key_file: &Path,
        watch_interval: Duration,
    ) -> Result<Self, ListenError> {
        let current = RwLock::new(Arc::new(read(cert_file, key_file)?));
        let (cert_file, key_file) = (cert_file.to_owned(), key_file.to_owned());
        let certificate = Arc::new(Certificate { cert_file, key_file, current });
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| ListenError::Tls { reason: error.to_string() })?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as Arc<dyn ResolvesServerCert>);
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate, watch_interval })
    }

    /// The same, which offers by ALPN what `protocols` holds.
    pub(super) fn speaking(&self, protocols: Protocols) -> Self {
        let mut this = self.clone();
        if protocols == Protocols::Http1And2 {
            let mut config = ServerConfig::clone(self.acceptor.config());
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            this.acceptor = TlsAcceptor::from(Arc::new(config));
        }
        this
    }

    /// Looks at the files now and then, for ever, and takes over what has changed and can be used.
    pub(super) async fn follow_files(&self, listener: &'static str) {
        let mut seen = self.certificate.contents().await;
        while !self.watch_interval.is_zero() {
            tokio::time::sleep(self.watch_interval).await;
            let now = self.certificate.contents().await;
            if now != seen {
                seen = now;
                self.certificate.take_over(listener).await;
            }
        }
        std::future::pending().await
    }

    /// Shakes hands; a request without TLS is answered with what is wrong with it.
    pub(super) async fn accept(
        &self,
        mut stream: TcpStream,
        timeout: Duration,
    ) -> Result<TlsStream<TcpStream>, HandshakeError> {
        let shake = async {
            let mut first = [0];
            // A handshake begins with the byte 22 (RFC 8446, section 5.1), a request with a letter.
            if stream.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic() {
                refuse_plain(&mut stream).await?;
                return Err(HandshakeError::Plain);
            }
            Ok(self.acceptor.accept(stream).await?)
        };
        tokio::time::timeout(timeout, shake).await.unwrap_or(Err(HandshakeError::Late))
    }
}

async fn refuse_plain(stream: &mut TcpStream) -> io::Result<()> {
    // What is closed with bytes unread is reset, and the answer may then never be seen.
    let mut request = vec![0; PLAIN_BYTES_MAX];
    let _ = stream.read(&mut request).await?;
    let length = PLAIN_REFUSED.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: {PROBLEM_JSON}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{PLAIN_REFUSED}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
