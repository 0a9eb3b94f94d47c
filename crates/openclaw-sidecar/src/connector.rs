//! Connections to the service behind, plain or by TLS, with one clock over all of it: a service that accepts and then
//! never shakes hands is as far away as one that does not accept.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use openclaw_collector::Trust;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

type BoxError = Box<dyn Error + Send + Sync>;

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector {
    connector: HttpsConnector<HttpConnector>,
    timeout: Duration,
}

impl Connector {
    /// Connections that believe whom `trust` says, and speak HTTP/2 or HTTP/1.1 over TLS.
    pub(crate) fn new(trust: &Trust, http2: bool, timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout));
        tcp.enforce_http(false);
        let mut config = ClientConfig::clone(&trust.client_config());
        config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        Self { connector: HttpsConnector::from((tcp, config)), timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, timeout) = (self.connector.call(uri), self.timeout);
        Box::pin(async move {
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the connection took too long to be made");
            tokio::time::timeout(timeout, connecting).await.map_err(late)?
        })
    }
}
