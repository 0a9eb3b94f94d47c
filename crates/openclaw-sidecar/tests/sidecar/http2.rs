//! HTTP/2 on either side, and the other version on the other.

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use http_body_util::{BodyExt, Collected};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::stage::{Fed, Stage, body, data, echo, fed, service, status};

async fn client<B>(stage: &Stage) -> SendRequest<B>
where
    B: http_body::Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(stage.address).await.unwrap();
    let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move {
        // Ends with its client.
        let _ = connection.await;
    });
    client
}

async fn whole(answer: Response<Incoming>) -> (Response<()>, Collected<bytes::Bytes>) {
    let (head, body) = answer.into_parts();
    (Response::from_parts(head, ()), body.collect().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_http_2_reach_a_service_of_http_1() {
    let stage = Stage::before(echo().await).await;
    let mut client = client::<Body>(&stage).await;
    let request = Request::builder()
        .uri(format!("http://{}/film?x=1", stage.address))
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("x-user-id", "ann")
        .body(Body::empty())
        .unwrap();
    let (answer, body) = whole(client.send_request(request).await.unwrap()).await;
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    assert_eq!(answer.headers()["openclaw-mode"], "local");
    let seen = String::from_utf8(body.to_bytes().to_vec()).unwrap();
    for part in
        ["GET /film?x=1\n", "cookie: a=1; b=2\n", "via: 2 openclaw\n", &format!("host: {}\n", stage.address)]
    {
        assert!(seen.contains(part), "{part:?} is missing: {seen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_share_one_connection_and_each_has_its_own_bucket() {
    let stage = Stage::with(echo().await, |setup| {
        setup.collector.defaults.bucket_size = 1.0;
        setup.collector.defaults.refill_rate = 0.01;
        setup.collector.bounds.bucket_size_max = 1.0;
        setup.collector.bounds.refill_rate_min = 0.0;
        setup.collector.bounds.refill_rate_max = 0.01;
    })
    .await;
    let client = client::<Body>(&stage).await;
    let ask = |user: &'static str| {
        let mut client = client.clone();
        let uri = format!("http://{}/", stage.address);
        async move {
            let request = Request::builder().uri(uri).header("x-user-id", user).body(Body::empty()).unwrap();
            client.send_request(request).await.unwrap().status().as_u16()
        }
    };
    let answers = tokio::join!(ask("ann"), ask("ben"), ask("cat"));
    assert_eq!(answers, (200, 200, 200));
    assert_eq!((ask("ann").await, ask("dan").await), (429, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_stream_and_trailers_pass_between_the_versions() {
    let summing = service(|request| async move {
        let collected = request.into_body().collect().await.unwrap();
        let sum = collected.trailers().and_then(|trailers| trailers.get("x-sum")).cloned();
        let (send, body) = fed();
        tokio::spawn(async move {
            send.send(Frame::data(collected.to_bytes())).await.unwrap();
            let trailers = sum.map(|sum| (HeaderName::from_static("x-sum"), sum));
            send.send(Frame::trailers(HeaderMap::from_iter(trailers))).await.unwrap();
        });
        let mut response = Response::new(Body::new(body));
        response.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
        response
    })
    .await;
    for http2 in [false, true] {
        let stage = Stage::with(summing, |setup| setup.sidecar.connection.http2 = http2).await;
        let mut client = client::<Fed>(&stage).await;
        let (send, body) = fed();
        let request = Request::post(format!("http://{}/", stage.address))
            .header("te", "trailers")
            .header("trailer", "x-sum")
            .body(body)
            .unwrap();
        let feed = async {
            send.send(data("body")).await.unwrap();
            let trailers = [(HeaderName::from_static("x-sum"), HeaderValue::from_static("42"))];
            send.send(Frame::trailers(HeaderMap::from_iter(trailers))).await.unwrap();
            drop(send);
        };
        let (answer, ()) = tokio::join!(client.send_request(request), feed);
        let (answer, body) = whole(answer.unwrap()).await;
        assert_eq!(answer.status().as_u16(), 200);
        assert_eq!(
            body.trailers().map(|trailers| &trailers["x-sum"]),
            Some(&HeaderValue::from_static("42")),
            "{http2}"
        );
        assert_eq!(body.to_bytes(), "body");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_http_1_reach_a_service_of_http_2() {
    let versions =
        service(|request| async move { Response::new(Body::from(format!("{:?}", request.version()))) });
    let stage = Stage::with(versions.await, |setup| setup.sidecar.connection.http2 = true).await;
    let answer = stage.get("/", "").await;
    assert_eq!((status(&answer), body(&answer)), (200, "HTTP/2.0"));
}
