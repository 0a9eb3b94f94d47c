//! Services that die, clients that dawdle, and what each side is told.

use std::sync::Arc;
use std::time::Duration;

use http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::stage::{Stage, body, eventually, fed, fine, raw_service, read_until, service, status};

const ANN: &str = "x-user-id: ann\r\n";

/// Reads the head of a request and sends `bytes`.
async fn send_after_head(mut stream: TcpStream, bytes: &'static [u8]) {
    read_until(&mut stream, |text| text.contains("\r\n\r\n")).await;
    stream.write_all(bytes).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_not_there_is_a_bad_gateway() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let stage = Stage::before(address).await;
    let answer = stage.get("/", ANN).await;
    assert_eq!(status(&answer), 502);
    assert!(body(&answer).contains("cannot be reached"), "{answer}");
    assert_eq!(stage.collector.status().totals.failed, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_does_not_answer_in_time_is_a_gateway_timeout() {
    let never = service(|_| std::future::pending()).await;
    let stage = Stage::with(never, |setup| {
        setup.sidecar.connection.head_timeout = Duration::from_millis(100);
    })
    .await;
    assert_eq!(status(&stage.get("/", ANN).await), 504);
    eventually("its place is free", || stage.sidecar.status().in_progress == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_dies_or_babbles_instead_of_answering_is_a_bad_gateway() {
    let dies = raw_service(|stream| send_after_head(stream, b"")).await;
    let babbles = raw_service(|stream| send_after_head(stream, b"what?\r\n\r\n")).await;
    let switches = raw_service(|stream| {
        send_after_head(
            stream,
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        )
    })
    .await;
    for address in [dies, babbles, switches] {
        let stage = Stage::before(address).await;
        assert_eq!(status(&stage.get("/", ANN).await), 502);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_is_not_passed_on_as_whole() {
    for (begun, whole) in [
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", "0\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf", "halfhalf"),
    ] {
        let seen = Arc::new(Notify::new());
        let told = Arc::clone(&seen);
        let dies = raw_service(move |mut stream| {
            let told = Arc::clone(&told);
            async move {
                read_until(&mut stream, |text| text.contains("\r\n\r\n")).await;
                stream.write_all(begun.as_bytes()).await.unwrap();
                told.notified().await;
            }
        })
        .await;
        let stage = Stage::before(dies).await;
        let mut client = TcpStream::connect(stage.address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
        let answer = read_until(&mut client, |text| text.contains("half")).await;
        assert_eq!(status(&answer), 200);
        seen.notify_one();
        let mut rest = String::new();
        // Reset or closed, as the timing has it.
        let _ = client.read_to_string(&mut rest).await;
        assert!(!format!("{answer}{rest}").ends_with(whole), "{answer}{rest}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_falls_silent_within_its_answer_is_cut_off() {
    let (send, silent) = fed();
    let silent = std::sync::Mutex::new(Some(silent));
    let silent = std::sync::Arc::new(silent);
    let address = service(move |_| {
        let body = silent.lock().unwrap().take();
        async move { Response::new(body.map_or(axum::body::Body::empty(), axum::body::Body::new)) }
    })
    .await;
    let stage =
        Stage::with(address, |setup| setup.sidecar.connection.idle = Duration::from_millis(100)).await;
    send.send(crate::stage::data("begun")).await.unwrap();
    let answer = stage.get("/", ANN).await;
    assert!(answer.contains("begun") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    eventually("its place is free", || stage.sidecar.status().in_progress == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_connection_that_died_costs_an_idempotent_request_nothing() {
    // Serves one request per connection, and closes without a word when a second one comes.
    let one_each = raw_service(|mut stream| async move {
        read_until(&mut stream, |text| text.contains("\r\n\r\n")).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine").await.unwrap();
        let mut byte = [0];
        let _ = stream.read(&mut byte).await;
    })
    .await;
    let stage = Stage::before(one_each).await;
    for _ in 0..5 {
        assert_eq!(status(&stage.get("/", ANN).await), 200);
    }
    let post = "POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(status(&stage.say(post).await), 502, "what may have been done is not done again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_pauses_its_body_for_too_long_is_answered_408() {
    let patient = service(|request| async {
        let _ = http_body_util::BodyExt::collect(request.into_body()).await;
        crate::stage::empty(200)
    })
    .await;
    let stage = Stage::with(patient, |setup| setup.sidecar.client_idle = Duration::from_millis(200)).await;
    let mut client = TcpStream::connect(stage.address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\nnot";
    client.write_all(head).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(status(&answer), 408);
    eventually("its place is free", || stage.sidecar.status().in_progress == 0).await;
    assert_eq!(stage.collector.status().in_flight, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_client_does_not_make_the_service_look_slow() {
    let reads = service(|request| async {
        let _ = http_body_util::BodyExt::collect(request.into_body()).await;
        crate::stage::empty(200)
    })
    .await;
    let stage = Stage::with(reads, |setup| {
        // Silence of the service while it is being fed is not lateness either.
        setup.sidecar.connection.head_timeout = Duration::from_millis(150);
        setup.collector.slo = Duration::from_secs(2);
    })
    .await;
    let mut client = TcpStream::connect(stage.address).await.unwrap();
    client
        .write_all(b"POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 8\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        client.write_all(b"x").await.unwrap();
    }
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(status(&answer), 200);
    eventually("its latency is known", || stage.collector.status().p95_ms.is_some()).await;
    let p95_ms = stage.collector.status().p95_ms.unwrap();
    assert!(p95_ms < 240.0, "{p95_ms} ms, half of the 480 that the client took");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_exchanges_than_the_service_may_have_are_refused() {
    let never = service(|_| std::future::pending()).await;
    let stage = Stage::with(never, |setup| setup.sidecar.connection.requests_max = 2).await;
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut client = TcpStream::connect(stage.address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
        waiting.push(client);
    }
    eventually("both are with the service", || stage.sidecar.status().in_progress == 2).await;
    assert_eq!(status(&stage.get("/", ANN).await), 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn header_fields_beyond_their_bound_are_refused() {
    let stage = Stage::with(fine().await, |setup| setup.limits.header_bytes_max = 8192).await;
    let long = format!("x-long: {}\r\n", "x".repeat(10_000));
    assert_eq!(status(&stage.get("/", &long).await), 431);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_says_nothing_is_closed() {
    let stage = Stage::with(fine().await, |setup| {
        setup.limits.header_timeout = Duration::from_millis(100);
    })
    .await;
    for begun in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HT"] {
        let mut client = TcpStream::connect(stage.address).await.unwrap();
        client.write_all(begun.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let closed = client.read_to_end(&mut answer);
        let closed = tokio::time::timeout(Duration::from_secs(20), closed).await;
        assert!(closed.is_ok(), "{begun:?} holds its connection");
    }
}
