//! TLS on a listener: a handshake that ends in an answer, requests without one, files that cannot give one, and files
//! that change.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use openclaw_testca::{Authority, Files, Valid};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::super::{BoundListener, Endpoint, Exposure, ListenError, Protocols, ServeLimits, bind, serve};
use crate::access::Roles;
use crate::shutdown::Shutdown;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn listen(files: &Files) -> Result<BoundListener, ListenError> {
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let endpoint =
        Endpoint { name: "edge", address, key: "edge.listen", flag: None, roles: Roles::default() };
    let (cert_file, key_file) = (Some(files.cert.clone()), Some(files.key.clone()));
    let watch_interval = Duration::from_millis(20);
    bind(&endpoint, &Exposure { cert_file, key_file, watch_interval, ..Exposure::default() })
}

fn start(files: &Files, protocols: Protocols) -> SocketAddr {
    let listener = listen(files).unwrap();
    assert_eq!(listener.scheme(), "https");
    let address = listener.address();
    let routes = Router::new().route("/", get(|| async { "over tls" }));
    let limits = ServeLimits { protocols, ..ServeLimits::default() };
    tokio::spawn(serve(listener, routes, limits, Shutdown::new()));
    address
}

/// Who believes the authority in this file, and asks for these protocols.
fn trusting(ca_file: &Path, alpn: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

async fn connect(address: SocketAddr, connector: &TlsConnector) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()
}

#[tokio::test]
async fn requests_are_answered_over_tls_and_those_without_are_told_so() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new("a test");
    let files = authority.certify(&["localhost"], Valid::Now, folder.path(), "edge");
    let ca_file = authority.write(folder.path(), "ca");
    let address = start(&files, Protocols::Http1);

    let mut stream = connect(address, &trusting(&ca_file, &[])).await;
    stream.write_all(REQUEST).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 ") && reply.ends_with("over tls"), "{reply}");

    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(REQUEST).await.unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 ") && head.contains("application/problem+json"), "{head}");
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["status"], 400);
    assert!(problem["detail"].as_str().unwrap().contains("ask by https://"), "{body}");

    let mut garbled = TcpStream::connect(address).await.unwrap();
    garbled.write_all(&[22, 3, 1, 0, 4, 99, 0, 0, 0]).await.unwrap();
    let mut answer = Vec::new();
    // An alert, or a reset connection; never an answer.
    let _ = garbled.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[tokio::test]
async fn http_2_is_offered_where_it_is_spoken() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new("a test");
    let files = authority.certify(&["localhost"], Valid::Now, folder.path(), "edge");
    let connector = trusting(&authority.write(folder.path(), "ca"), &["h2", "http/1.1"]);
    for (protocols, chosen) in [(Protocols::Http1And2, Some("h2")), (Protocols::Http1, None)] {
        let stream = connect(start(&files, protocols), &connector).await;
        let alpn = stream.get_ref().1.alpn_protocol();
        assert_eq!(alpn, chosen.map(str::as_bytes), "{protocols:?}");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_over_and_a_half_renewed_one_is_not() {
    let folder = TempDir::new().unwrap();
    let (before, after) = (Authority::new("before"), Authority::new("after"));
    let files = before.certify(&["localhost"], Valid::Now, folder.path(), "edge");
    let old = trusting(&before.write(folder.path(), "before"), &[]);
    let new = trusting(&after.write(folder.path(), "after"), &[]);
    let address = start(&files, Protocols::Http1);
    let mut kept = connect(address, &old).await;

    // The certificate alone does not fit its key.
    let renewed = after.certify(&["localhost"], Valid::Now, folder.path(), "renewed");
    std::fs::rename(&renewed.cert, &files.cert).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(connect(address, &old).await);
    std::fs::rename(&renewed.key, &files.key).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut looks = 0;
    while new.connect(name.clone(), TcpStream::connect(address).await.unwrap()).await.is_err() {
        looks += 1;
        assert!(looks < 1_000, "the renewed certificate is never shown");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    kept.write_all(REQUEST).await.unwrap();
    let mut reply = String::new();
    kept.read_to_string(&mut reply).await.unwrap();
    assert!(reply.ends_with("over tls"), "a connection that was open goes on: {reply}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_with_their_key() {
    let folder = TempDir::new().unwrap();
    let shown = folder.path().display();
    let authority = Authority::new("a test");
    let certify = |name| authority.certify(&["localhost"], Valid::Now, folder.path(), name);
    let (good, foreign) = (certify("good"), certify("foreign"));
    let other = folder.path().join("other");
    std::fs::write(&other, "nothing of the kind\n").unwrap();
    let missing = folder.path().join("missing");
    let with = |cert: &PathBuf, key: &PathBuf| {
        listen(&Files { cert: cert.clone(), key: key.clone() }).unwrap_err().to_string()
    };
    for (cert, key, expected) in [
        (
            &missing,
            &good.key,
            "missing (tls.certFile) cannot be read: No such file or directory (os error 2)",
        ),
        (&other, &good.key, "other (tls.certFile) holds no certificate in PEM form"),
        (&good.cert, &other, "other (tls.keyFile) holds no private key in PEM form"),
        (
            &good.cert,
            &missing,
            "missing (tls.keyFile) cannot be read: No such file or directory (os error 2)",
        ),
    ] {
        assert_eq!(with(cert, key), format!("TLS cannot be set up: {shown}/{expected}"));
    }
    let error = with(&good.cert, &foreign.key);
    assert!(error.contains("cannot be used together"), "{error}");
}
