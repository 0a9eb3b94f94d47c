//! What passes through: methods, header fields, bodies as they come, trailers.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;
use hyper::body::Frame;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::stage::{Fed, Stage, body, data, echo, fed, field, fine, read_until, service, status};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_sees_the_request_without_what_concerns_one_connection() {
    let stage = Stage::before(echo().await).await;
    let answer = stage
        .say(
            "GET /a%20b?c=d HTTP/1.1\r\nhost: example.org\r\nconnection: close, x-hop\r\nx-hop: 1\r\n\
             keep-alive: 5\r\nte: trailers\r\nproxy-authorization: x\r\nx-forwarded-for: 192.0.2.1\r\nx-kept: 2\r\n\r\n",
        )
        .await;
    let seen = body(&answer);
    assert!(seen.starts_with("GET /a%20b?c=d\n"), "{seen}");
    for kept in
        ["host: example.org", "x-kept: 2", "te: trailers", "via: 1.1 openclaw", "x-forwarded-for: 127.0.0.1"]
    {
        assert!(seen.contains(kept), "{kept} is missing in {seen}");
    }
    for gone in ["x-hop", "keep-alive", "proxy-authorization", "192.0.2.1", "connection"] {
        assert!(!seen.contains(gone), "{gone} is there: {seen}");
    }
    assert_eq!(field(&answer, "via"), Some("1.1 openclaw"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_request_is_answered_without_a_body() {
    let stage = Stage::before(fine().await).await;
    let answer = stage.say("HEAD / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
    assert_eq!((status(&answer), body(&answer), field(&answer, "content-length")), (200, "", Some("4")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tunnel_to_anywhere_is_refused() {
    let stage = Stage::before(fine().await).await;
    let answer =
        stage.say("CONNECT example.org:443 HTTP/1.1\r\nhost: example.org\r\nconnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), 405);
}

/// A service that answers once, with this body.
async fn answers_with(body: Fed) -> SocketAddr {
    let body = Arc::new(Mutex::new(Some(body)));
    service(move |_| {
        let body = body.lock().take();
        async move {
            let mut response = Response::new(body.map_or(Body::empty(), Body::new));
            response.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
            response
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_bytes_of_an_answer_arrive_before_the_last_are_sent() {
    let (send, body) = fed();
    let stage = Stage::before(answers_with(body).await).await;
    let mut client = TcpStream::connect(stage.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    send.send(data("first")).await.unwrap();
    read_until(&mut client, |text| text.contains("first")).await;
    send.send(data("second")).await.unwrap();
    read_until(&mut client, |text| text.contains("second")).await;
    drop(send);
    read_until(&mut client, |text| text.ends_with("0\r\n\r\n")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_bytes_of_a_request_arrive_before_the_last_are_sent() {
    let (told, mut tells) = mpsc::channel::<Bytes>(8);
    let listening = service(move |request| {
        let told = told.clone();
        async move {
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                if let Ok(data) = frame.into_data() {
                    told.send(data).await.unwrap();
                }
            }
            Response::new(Body::from("all there"))
        }
    })
    .await;
    let stage = Stage::before(listening).await;
    let mut client = TcpStream::connect(stage.address).await.unwrap();
    client
        .write_all(b"POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        .await
        .unwrap();
    assert_eq!(tells.recv().await.unwrap(), "first");
    client.write_all(b"6\r\nsecond\r\n").await.unwrap();
    assert_eq!(tells.recv().await.unwrap(), "second");
    client.write_all(b"0\r\n\r\n").await.unwrap();
    read_until(&mut client, |text| text.contains("all there")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_pass_to_the_client() {
    let (send, body) = fed();
    let stage = Stage::before(answers_with(body).await).await;
    let asked = stage.get("/", "te: trailers\r\n");
    let answered = async {
        send.send(data("body")).await.unwrap();
        let sum = HeaderMap::from_iter([(HeaderName::from_static("x-sum"), HeaderValue::from_static("42"))]);
        send.send(Frame::trailers(sum)).await.unwrap();
        drop(send);
    };
    let (answer, ()) = tokio::join!(asked, answered);
    assert!(answer.ends_with("0\r\nx-sum: 42\r\n\r\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_pass_to_the_service() {
    let summing = service(|request| async move {
        let collected = request.into_body().collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Response::new(Body::from(format!("{trailers:?}")))
    })
    .await;
    let stage = Stage::before(summing).await;
    let answer = stage
        .say(
            "POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
             4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n",
        )
        .await;
    assert!(body(&answer).contains("\"x-sum\": \"42\""), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_for_permission_to_send_gets_it() {
    let stage = Stage::before(echo().await).await;
    let mut client = TcpStream::connect(stage.address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n";
    client.write_all(head).await.unwrap();
    read_until(&mut client, |text| text.ends_with("100 Continue\r\n\r\n")).await;
    client.write_all(b"body").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(status(&answer) == 200 && answer.ends_with("body") && !answer.contains("expect:"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_kept_on_both_sides() {
    let stage = Stage::before(fine().await).await;
    let mut client = TcpStream::connect(stage.address).await.unwrap();
    for _ in 0..3 {
        client.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
        read_until(&mut client, |text| text.ends_with("fine")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_be_read_in_two_ways_reaches_no_service() {
    let stage = Stage::before(echo().await).await;
    for request in [
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +4\r\n\r\nabcd",
        "GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n folded: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
    ] {
        let answer = stage.say(request).await;
        assert_eq!(status(&answer), 400, "{request:?}: {answer}");
    }
    let both = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = stage.say(both).await;
    assert!(
        !body(&answer).contains("content-length: 4"),
        "one framing is chosen and the other gone: {answer}"
    );
}
