//! The layer before a real tonic server, asked by a real tonic client over loopback connections.
//!
//! The service is written by hand over a codec of bare bytes: what is tested is what a client sees of a refusal,
//! and that needs no protocol compiler.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use openclaw_bucket::{BucketParams, HashSeed, KeyedBuckets, Settings};
use openclaw_bucket_tower::{Grpc, Header, LimitLayer, Unkeyed};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status};
use tower::Service;

const SECOND_NS: u64 = 1_000_000_000;
const PATH: &str = "/test.Echo/Say";

/// Messages as they are.
#[derive(Clone, Copy, Default)]
struct Bare;

impl Codec for Bare {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bare {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(message);
        Ok(())
    }
}

impl Decoder for Bare {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Says what it is told, and counts how often.
#[derive(Clone, Default)]
struct Echo {
    calls: Arc<AtomicUsize>,
}

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl UnaryService<Bytes> for Echo {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::Relaxed);
        ready(Ok(Response::new(request.into_inner())))
    }
}

impl Service<http::Request<tonic::body::Body>> for Echo {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let echo = self.clone();
        Box::pin(async move { Ok(tonic::server::Grpc::new(Bare).unary(echo, request).await) })
    }
}

/// A limited server, the clock it goes by, and a client.
struct Rig {
    calls: Arc<AtomicUsize>,
    now_ns: Arc<AtomicU64>,
    buckets: Arc<KeyedBuckets>,
    client: tonic::client::Grpc<Channel>,
}

impl Rig {
    async fn new(defaults: BucketParams) -> Self {
        let settings = Settings::new(defaults, 1000, HashSeed::new([1, 2]));
        let buckets = Arc::new(KeyedBuckets::new(settings));
        let now_ns = Arc::new(AtomicU64::new(SECOND_NS));
        let clock = Arc::clone(&now_ns);
        let limit = LimitLayer::new(Arc::clone(&buckets), Header::new("x-user").expect("a valid name"))
            .clock(move || clock.load(Ordering::Relaxed))
            .unkeyed(Unkeyed::Refuse)
            .build_with(Grpc);
        let echo = Echo::default();
        let calls = Arc::clone(&echo.calls);
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let incoming = TcpIncoming::bind(any_port).expect("a free port");
        let address = incoming.local_addr().expect("a bound listener");
        let server = Server::builder().layer(limit).add_service(echo);
        tokio::spawn(server.serve_with_incoming(incoming));
        let channel = Channel::from_shared(format!("http://{address}")).expect("a valid address");
        let channel = channel.connect().await.expect("the server accepts");
        Self { calls, now_ns, buckets, client: tonic::client::Grpc::new(channel) }
    }

    async fn say(&mut self, user: Option<&'static str>) -> Result<Response<Bytes>, Status> {
        let mut request = Request::new(Bytes::from_static(b"hello"));
        if let Some(user) = user {
            request.metadata_mut().insert("x-user", user.parse().expect("ASCII"));
        }
        self.client.ready().await.expect("the connection holds");
        self.client.unary(request, http::uri::PathAndQuery::from_static(PATH), Bare).await
    }
}

fn params(capacity: f64, refill_rate: f64) -> BucketParams {
    BucketParams::new(capacity, refill_rate).expect("valid parameters")
}

fn field<'a>(metadata: &'a MetadataMap, name: &str) -> Option<&'a str> {
    metadata.get(name).map(|value| value.to_str().expect("ASCII"))
}

#[tokio::test]
async fn an_allowed_call_passes_and_its_metadata_say_what_is_left() {
    let mut rig = Rig::new(params(2.0, 0.5)).await;
    let reply = rig.say(Some("a")).await.expect("allowed");
    assert_eq!(field(reply.metadata(), "ratelimit"), Some(r#""default";r=1;t=2"#));
    assert_eq!(field(reply.metadata(), "ratelimit-policy"), Some(r#""default";q=2;w=4"#));
    assert_eq!(reply.into_inner(), "hello");
}

#[tokio::test]
async fn a_limited_call_is_resource_exhausted_and_its_metadata_say_when_to_come_back() {
    let mut rig = Rig::new(params(1.0, 0.4)).await;
    rig.say(Some("a")).await.expect("the first is allowed");
    let status = rig.say(Some("a")).await.expect_err("the bucket is empty");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.message(), "the rate limit is reached, retry after 3 s");
    assert_eq!(field(status.metadata(), "grpc-retry-pushback-ms"), Some("2500"));
    assert_eq!(field(status.metadata(), "retry-after"), Some("3"));
    assert_eq!(field(status.metadata(), "ratelimit"), Some(r#""default";r=0;t=3"#));
    assert_eq!(rig.calls.load(Ordering::Relaxed), 1, "a limited call does not reach the service");

    rig.say(Some("b")).await.expect("another user has another bucket");
    rig.now_ns.fetch_add(2_500_000_000, Ordering::Relaxed);
    rig.say(Some("a")).await.expect("it came back when it was told to");
}

#[tokio::test]
async fn a_call_that_no_wait_helps_is_told_not_to_retry() {
    let mut rig = Rig::new(params(0.0, 1.0)).await;
    let status = rig.say(Some("a")).await.expect_err("nothing fits into this bucket");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(field(status.metadata(), "grpc-retry-pushback-ms"), Some("-1"));
    assert_eq!(field(status.metadata(), "retry-after"), None);
}

#[tokio::test]
async fn a_limit_raised_while_serving_is_felt_by_the_next_call() {
    let mut rig = Rig::new(params(1.0, 0.0)).await;
    rig.say(Some("a")).await.expect("the first is allowed");
    assert_eq!(rig.say(Some("a")).await.expect_err("empty").code(), Code::ResourceExhausted);
    let now_ns = rig.now_ns.load(Ordering::Relaxed);
    rig.buckets.set_params("a", params(10.0, 10.0), now_ns).expect("room");
    rig.now_ns.fetch_add(SECOND_NS / 10, Ordering::Relaxed);
    rig.say(Some("a")).await.expect("a tenth of a second refills one");
}

#[tokio::test]
async fn a_call_without_a_key_is_unauthenticated_where_keys_are_required() {
    let mut rig = Rig::new(params(1.0, 1.0)).await;
    let status = rig.say(None).await.expect_err("no key");
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(status.message(), "the call does not say whose limit it counts against");
    assert_eq!(field(status.metadata(), "grpc-retry-pushback-ms"), None);
}
