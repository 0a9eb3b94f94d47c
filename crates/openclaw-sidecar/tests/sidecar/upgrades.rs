//! WebSockets and whatever else takes a connection over.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{Stage, eventually, field, fine, raw_service, read_until, status};

const ASKED: &str = "GET /chat HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A service that takes the connection over and sends back what it gets.
async fn echo_socket() -> SocketAddr {
    raw_service(|mut stream| async move {
        let asked = read_until(&mut stream, |text| text.ends_with("\r\n\r\n")).await;
        assert!(asked.contains("upgrade: websocket") && asked.contains("sec-websocket-key: dGhl"), "{asked}");
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                       sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        let mut piece = [0; 1000];
        loop {
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(read) => stream.write_all(&piece[..read]).await.unwrap(),
            }
        }
    })
    .await
}

async fn open(stage: &Stage) -> (TcpStream, String) {
    let mut client = TcpStream::connect(stage.address).await.unwrap();
    client.write_all(ASKED.as_bytes()).await.unwrap();
    let answer = read_until(&mut client, |text| text.ends_with("\r\n\r\n")).await;
    (client, answer)
}

async fn echoed(client: &mut TcpStream, bytes: &[u8]) {
    client.write_all(bytes).await.unwrap();
    let mut back = vec![0; bytes.len()];
    client.read_exact(&mut back).await.unwrap();
    assert_eq!(back, bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_passes_and_its_opening_is_metered() {
    let stage = Stage::before(echo_socket().await).await;
    let (mut client, answer) = open(&stage).await;
    assert_eq!(status(&answer), 101);
    assert_eq!(field(&answer, "upgrade"), Some("websocket"));
    assert_eq!(field(&answer, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    // A masked text frame, RFC 6455, section 5.7.
    echoed(&mut client, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").await;
    echoed(&mut client, &[7; 100_000]).await;
    assert_eq!((stage.sidecar.status().tunnels, stage.sidecar.status().in_progress), (1, 1));
    let status = stage.collector.status();
    assert_eq!((status.totals.completed, status.in_flight), (1, 0), "it ended with its opening");
    drop(client);
    eventually("the tunnel is closed", || stage.sidecar.status().tunnels == 0).await;
    assert_eq!(stage.sidecar.status().in_progress, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_may_decline() {
    let stage = Stage::before(fine().await).await;
    let mut client = TcpStream::connect(stage.address).await.unwrap();
    client.write_all(ASKED.as_bytes()).await.unwrap();
    let answer = read_until(&mut client, |text| text.ends_with("fine")).await;
    assert_eq!(status(&answer), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tunnel_in_which_nothing_moves_is_closed() {
    let stage = Stage::with(echo_socket().await, |setup| {
        setup.sidecar.connection.tunnel_idle = Duration::from_millis(100);
    })
    .await;
    let (mut client, _) = open(&stage).await;
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    eventually("the tunnel is closed", || stage.sidecar.status().tunnels == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_requests_finish_and_closes_tunnels() {
    let stage = Stage::before(echo_socket().await).await;
    let (mut client, _) = open(&stage).await;
    stage.shutdown.stop();
    tokio::time::timeout(Duration::from_secs(20), stage.task).await.expect("the listener stops").unwrap();
    echoed(&mut client, b"still there").await;
    stage.sidecar.drain(Duration::from_millis(50)).await;
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
}
