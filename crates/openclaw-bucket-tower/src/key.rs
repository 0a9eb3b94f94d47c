//! Whose bucket a request is taken from.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::InvalidHeaderName;
use http::{Extensions, HeaderMap, HeaderName, Method, Request, Uri};

/// What of a request a decision may depend on: everything but the body.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'r> {
    /// The method.
    pub method: &'r Method,
    /// The target.
    pub uri: &'r Uri,
    /// The header fields.
    pub headers: &'r HeaderMap,
    /// What the server and earlier layers have attached.
    pub extensions: &'r Extensions,
}

impl<'r> RequestHead<'r> {
    pub(crate) fn of<B>(request: &'r Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}

/// Finds the key of a request.
pub trait KeyExtractor: Send + Sync {
    /// The key, or `None` where the request has none.
    fn key<'r>(&self, request: &RequestHead<'r>) -> Option<Cow<'r, str>>;
}

/// The value of a header field.
///
/// Only as trustworthy as whoever sets the field: let the gateway that authenticates users overwrite it.
#[derive(Clone, Debug)]
pub struct Header(HeaderName);

impl Header {
    /// The field called `name`, in any case.
    ///
    /// # Errors
    /// Where `name` cannot be the name of a field.
    pub fn new(name: &str) -> Result<Self, InvalidHeaderName> {
        name.parse().map(Self)
    }
}

impl KeyExtractor for Header {
    fn key<'r>(&self, request: &RequestHead<'r>) -> Option<Cow<'r, str>> {
        request.headers.get(&self.0).map(|value| String::from_utf8_lossy(value.as_bytes()))
    }
}

/// The client's network address: an IPv4 address, or the /64 network of an IPv6 one, since that is what one
/// client commands.
///
/// Taken from a [`SocketAddr`] among the request's extensions, or, with feature `axum`, from
/// `axum::extract::ConnectInfo`, which `into_make_service_with_connect_info` provides. Behind a proxy this is the proxy's.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeerAddress;

impl KeyExtractor for PeerAddress {
    fn key<'r>(&self, request: &RequestHead<'r>) -> Option<Cow<'r, str>> {
        let address = peer(request.extensions)?.ip().to_canonical();
        Some(Cow::Owned(match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("{}/64", network(address)),
        }))
    }
}

fn peer(extensions: &Extensions) -> Option<SocketAddr> {
    #[cfg(feature = "axum")]
    if let Some(info) = extensions.get::<axum::extract::ConnectInfo<SocketAddr>>() {
        return Some(info.0);
    }
    extensions.get::<SocketAddr>().copied()
}

fn network(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)
}

/// A closure that finds the key.
///
/// ```
/// use openclaw_bucket_tower::key_fn;
///
/// // One bucket for each tenant, the first part of the path.
/// let tenant = key_fn(|request| request.uri.path().split('/').nth(1).map(str::to_owned));
/// # drop(tenant);
/// ```
pub fn key_fn<F>(find: F) -> KeyFn<F>
where
    F: Fn(&RequestHead<'_>) -> Option<String> + Send + Sync,
{
    KeyFn(find)
}

/// See [`key_fn`].
#[derive(Clone, Copy)]
pub struct KeyFn<F>(F);

impl<F> std::fmt::Debug for KeyFn<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyFn")
    }
}

impl<F> KeyExtractor for KeyFn<F>
where
    F: Fn(&RequestHead<'_>) -> Option<String> + Send + Sync,
{
    fn key<'r>(&self, request: &RequestHead<'r>) -> Option<Cow<'r, str>> {
        self.0(request).map(Cow::Owned)
    }
}
