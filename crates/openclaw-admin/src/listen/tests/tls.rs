//! TLS on a listener: a handshake that ends in an answer, and files that cannot give one.
//!
//! The fixtures are a self-signed certificate for `localhost` and its key, made for these tests alone.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::super::{BoundListener, Endpoint, Exposure, ListenError, ServeLimits, bind, serve};
use crate::access::Roles;
use crate::shutdown::Shutdown;

const CERT: &str = include_str!("fixtures/localhost.crt");
const KEY: &str = include_str!("fixtures/localhost.key");

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn listen(cert_file: &Path, key_file: &Path) -> Result<BoundListener, ListenError> {
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let endpoint =
        Endpoint { name: "edge", address, key: "edge.listen", flag: None, roles: Roles::default() };
    let (cert_file, key_file) = (Some(cert_file.to_owned()), Some(key_file.to_owned()));
    bind(&endpoint, &Exposure { cert_file, key_file, ..Exposure::default() })
}

fn trusting() -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CERT.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn requests_are_answered_over_tls_and_plain_ones_are_not() {
    let folder = TempDir::new().unwrap();
    let listener = listen(&write(&folder, "cert", CERT), &write(&folder, "key", KEY)).unwrap();
    assert_eq!(listener.scheme(), "https");
    let address = listener.address();
    let routes = Router::new().route("/", get(|| async { "over tls" }));
    tokio::spawn(serve(listener, routes, ServeLimits::default(), Shutdown::new()));
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = trusting().connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 ") && reply.ends_with("over tls"), "{reply}");

    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // An alert, or a reset connection; never an answer.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_with_their_key() {
    let folder = TempDir::new().unwrap();
    let shown = folder.path().display();
    let (cert, key) = (write(&folder, "cert", CERT), write(&folder, "key", KEY));
    let other = write(&folder, "other", "nothing of the kind\n");
    let missing = folder.path().join("missing");
    for (cert, key, expected) in [
        (&missing, &key, "missing (tls.certFile) cannot be read: No such file or directory (os error 2)"),
        (&other, &key, "other (tls.certFile) holds no certificate in PEM form"),
        (&cert, &other, "other (tls.keyFile) holds no private key in PEM form"),
        (&cert, &missing, "missing (tls.keyFile) cannot be read: No such file or directory (os error 2)"),
    ] {
        let error = listen(cert, key).unwrap_err().to_string();
        assert_eq!(error, format!("TLS cannot be set up: {shown}/{expected}"));
    }
}
