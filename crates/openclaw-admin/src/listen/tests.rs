//! Real sockets on loopback: what a listener refuses, bears and lets finish.

mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Endpoint, Exposure, ServeLimits, bind, serve};
use crate::access::{AccessPolicy, Role, Roles, Token};
use crate::shutdown::Shutdown;

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint {
        name: "rating",
        address,
        key: "rating.listen",
        flag: Some("--listen"),
        roles: Roles::from([Role::Client, Role::Admin]),
    }
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn anywhere() -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, 0).into()
}

fn refusal(endpoint: &Endpoint, exposure: &Exposure) -> String {
    bind(endpoint, exposure).unwrap_err().to_string()
}

struct Served {
    address: SocketAddr,
    shutdown: Shutdown,
    ended: JoinHandle<()>,
}

fn start(routes: Router, limits: ServeLimits) -> Served {
    let listener = bind(&endpoint(loopback()), &Exposure::default()).unwrap();
    let address = listener.address();
    let shutdown = Shutdown::new();
    let ended = tokio::spawn(serve(listener, routes, limits, shutdown.clone()));
    Served { address, shutdown, ended }
}

fn hello() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("a bug")
                }
            }),
        )
        .route("/peer", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }))
}

/// Sends a request and reads one reply with a `Content-Length`.
async fn ask(stream: &mut TcpStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&reply);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text.into_owned();
            }
        }
        assert_ne!(stream.read_buf(&mut reply).await.unwrap(), 0, "closed after {reply:?}");
    }
}

#[tokio::test]
async fn a_taken_port_is_told_with_the_flag_and_key_that_change_it() {
    let first = bind(&endpoint(loopback()), &Exposure::default()).unwrap();
    let port = first.address().port();
    assert_eq!(
        refusal(&endpoint(first.address()), &Exposure::default()),
        format!(
            "port {port} on 127.0.0.1 is taken by another process; choose another with --listen or rating.listen"
        )
    );
    let flagless = Endpoint { flag: None, ..endpoint(first.address()) };
    assert!(refusal(&flagless, &Exposure::default()).ends_with("choose another with rating.listen"));
}

#[tokio::test]
async fn an_address_of_another_machine_is_told() {
    // 192.0.2.0/24 is for documentation (RFC 5737): no machine has it.
    let elsewhere = endpoint((IpAddr::from([192, 0, 2, 1]), 0).into());
    let insecure = Exposure { insecure: true, ..Exposure::default() };
    assert_eq!(
        refusal(&elsewhere, &insecure),
        "192.0.2.1 is not an address of this machine; choose another with --listen or rating.listen"
    );
}

#[tokio::test]
async fn other_machines_are_let_in_only_with_tokens_or_by_word() {
    assert_eq!(
        refusal(&endpoint(anywhere()), &Exposure::default()),
        "rating.listen is 0.0.0.0:0, which other machines can reach, but no token is set for client; set \
         access.clientTokens, listen on 127.0.0.1, or accept it with --insecure"
    );
    let insecure = Exposure { insecure: true, ..Exposure::default() };
    assert!(bind(&endpoint(anywhere()), &insecure).is_ok());
    let access = AccessPolicy::new([(Role::Client, Token::new("client-token-0001").unwrap())]);
    assert!(bind(&endpoint(anywhere()), &Exposure { access, ..Exposure::default() }).is_ok());
}

#[tokio::test]
async fn a_certificate_without_key_is_refused_unless_insecure() {
    let half = Exposure { cert_file: Some("cert.pem".into()), ..Exposure::default() };
    assert_eq!(
        refusal(&endpoint(loopback()), &half),
        "tls.certFile is set but tls.keyFile is not; set both for TLS, or serve without TLS by --insecure"
    );
    let insecure = Exposure { insecure: true, ..half };
    assert_eq!(bind(&endpoint(loopback()), &insecure).unwrap().scheme(), "http");
}

#[tokio::test]
async fn a_connection_is_kept_for_further_requests_and_survives_a_panic() {
    let served = start(hello(), ServeLimits::default());
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    assert!(ask(&mut stream, "/").await.ends_with("hello"));
    let panicked = ask(&mut stream, "/panic").await;
    assert!(
        panicked.starts_with("HTTP/1.1 500 ") && panicked.contains("application/problem+json"),
        "{panicked}"
    );
    assert!(ask(&mut stream, "/").await.ends_with("hello"));
}

#[tokio::test]
async fn peers_are_known_where_that_was_asked_for() {
    let served = start(hello(), ServeLimits { peer_address: true, ..ServeLimits::default() });
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let own = stream.local_addr().unwrap().to_string();
    assert!(ask(&mut stream, "/peer").await.ends_with(&own));
}

#[tokio::test]
async fn a_stop_finishes_what_was_begun_and_takes_nothing_new() {
    let (entered, has_entered) = oneshot::channel();
    let (release, released) = oneshot::channel::<()>();
    let waits = Arc::new(Mutex::new(Some((entered, released))));
    let routes = Router::new().route(
        "/slow",
        get(move || {
            let parts = waits.lock().take();
            async move {
                let (entered, released) = parts.unwrap();
                entered.send(()).unwrap();
                released.await.unwrap();
                "finished"
            }
        }),
    );
    let served = start(routes, ServeLimits::default());
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    let mut busy = TcpStream::connect(served.address).await.unwrap();
    let reply = tokio::spawn(async move { ask(&mut busy, "/slow").await });
    has_entered.await.unwrap();

    served.shutdown.stop();
    // The idle connection is closed at once, while the busy one still waits for its reply.
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
    assert!(TcpStream::connect(served.address).await.is_err());
    assert!(!served.ended.is_finished());

    release.send(()).unwrap();
    assert!(reply.await.unwrap().ends_with("finished"));
    served.ended.await.unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever_and_an_abort_not_at_all() {
    for (stop_timeout, abort) in [(Duration::ZERO, false), (Duration::from_secs(3600), true)] {
        let stuck = Router::new().route("/", get(std::future::pending::<()>));
        let served = start(stuck, ServeLimits { stop_timeout, ..ServeLimits::default() });
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        if abort {
            served.shutdown.abort()
        } else {
            served.shutdown.stop()
        }
        served.ended.await.unwrap();
        // Closed without a reply; a reset is as good as an end.
        assert_eq!(stream.read(&mut [0; 100]).await.unwrap_or(0), 0);
    }
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_their_turn() {
    let served = start(hello(), ServeLimits { connections_max: 1, ..ServeLimits::default() });
    let mut first = TcpStream::connect(served.address).await.unwrap();
    assert!(ask(&mut first, "/").await.ends_with("hello"));
    let mut second = TcpStream::connect(served.address).await.unwrap();
    let waiting = tokio::spawn(async move { ask(&mut second, "/").await });
    // The first connection answers again while the second one, already sent, is not even read.
    assert!(ask(&mut first, "/").await.ends_with("hello"));
    assert!(!waiting.is_finished());
    drop(first);
    assert!(waiting.await.unwrap().ends_with("hello"));
}

#[tokio::test]
async fn too_long_a_header_is_refused_and_too_slow_a_one_is_cut_off() {
    let limits = ServeLimits { header_timeout: Duration::from_millis(20), ..ServeLimits::default() };
    let served = start(hello(), limits);
    let mut long = TcpStream::connect(served.address).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "x".repeat(40_000));
    // The service may answer and close before all of it is written.
    let _ = long.write_all(request.as_bytes()).await;
    let mut reply = vec![0; 12];
    long.read_exact(&mut reply).await.unwrap();
    assert_eq!(reply, b"HTTP/1.1 431");

    let mut slow = TcpStream::connect(served.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{rest:?}");
}
