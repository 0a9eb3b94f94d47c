//! Whose bucket a request is taken from: sources of keys, tried in their order.
//!
//! Headers, claims of JSON Web Tokens and closures come from the bucket's tower layer. What it cannot have stands
//! here: addresses behind trusted proxies, and fields of the body, which a tower layer would have to buffer.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use openclaw_bucket_tower::{Header, JwtClaim, KeyExtractor, RequestHead};
use openclaw_protocol::UserId;

use crate::client_body::{ClientBody, ClientBodyError};
use crate::forwarded::client_address;
use crate::json_field::{FieldPath, FieldScan, Found};
use crate::jwt::{JwtKey, JwtSettings};
use crate::network::Network;
use crate::path::PathPattern;

/// Where a key may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// `header:NAME`: a header field, which a gateway that authenticates users must overwrite.
    Header(String),
    /// `path:/users/{user}`: a segment of the path.
    Path(PathPattern),
    /// `jwt:CLAIM`: a claim of the bearer token, which is verified here.
    Jwt(String),
    /// `peer`: the client's address, behind trusted proxies the one that they name.
    Peer,
    /// `json:FIELD`: a field of a JSON body, within its first bytes.
    Json(FieldPath),
}

/// Why a text is no source of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no source of keys: {reason}; write header:x-user-id, path:/users/{{user}}, jwt:sub, json:userId or peer"
)]
pub struct InvalidKeySource {
    text: String,
    reason: String,
}

impl FromStr for KeySource {
    type Err = InvalidKeySource;

    fn from_str(text: &str) -> Result<Self, InvalidKeySource> {
        let invalid = |reason: String| InvalidKeySource { text: text.chars().take(80).collect(), reason };
        let (kind, rest) = text.trim().split_once(':').unwrap_or((text.trim(), ""));
        match (kind, rest.trim()) {
            ("peer", "") => Ok(Self::Peer),
            ("header", name) => match Header::new(name) {
                Ok(_) => Ok(Self::Header(name.to_owned())),
                Err(_) => Err(invalid(format!("{name:?} cannot be the name of a header field"))),
            },
            ("path", pattern) => {
                PathPattern::new(pattern).map(Self::Path).map_err(|error| invalid(error.to_string()))
            }
            ("jwt", "") => Err(invalid("the claim is missing".to_owned())),
            ("jwt", claim) => Ok(Self::Jwt(claim.to_owned())),
            ("json", field) => {
                FieldPath::new(field).map(Self::Json).map_err(|error| invalid(error.to_string()))
            }
            (kind, _) => Err(invalid(format!("there is no kind {kind:?}"))),
        }
    }
}

/// The sources, ready to be asked.
#[derive(Debug)]
pub(crate) struct Keys {
    sources: Vec<Source>,
    trusted: Vec<Network>,
    prefix_bytes_max: usize,
}

#[derive(Debug)]
enum Source {
    Header(Header),
    Path(PathPattern),
    Jwt(Box<JwtClaim>),
    Peer,
    Json(FieldPath),
}

/// Why the sources cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeys {
    /// A claim is asked for, and there is no key to verify it with.
    #[error(
        "the key comes from a token's claim, but there is nothing to verify tokens with; set a secret or a public key"
    )]
    JwtWithoutKey,
    /// See [`InvalidKeySource`].
    #[error(transparent)]
    Source(#[from] InvalidKeySource),
}

impl Keys {
    pub(crate) fn new(
        sources: &[KeySource],
        jwt: Option<&JwtSettings>,
        trusted: &[Network],
        prefix_bytes_max: usize,
    ) -> Result<Self, InvalidKeys> {
        let source = |source: &KeySource| {
            Ok(match source {
                KeySource::Header(name) => {
                    Source::Header(Header::new(name).map_err(|_| InvalidKeySource {
                        text: name.clone(),
                        reason: "it cannot be the name of a header field".to_owned(),
                    })?)
                }
                KeySource::Path(pattern) => Source::Path(pattern.clone()),
                KeySource::Jwt(claim) => {
                    let JwtSettings { key: JwtKey(key), validation } =
                        jwt.ok_or(InvalidKeys::JwtWithoutKey)?;
                    Source::Jwt(Box::new(JwtClaim::new(claim, key.clone(), validation.clone())))
                }
                KeySource::Peer => Source::Peer,
                KeySource::Json(field) => Source::Json(field.clone()),
            })
        };
        let sources = sources.iter().map(source).collect::<Result<_, InvalidKeys>>()?;
        Ok(Self { sources, trusted: trusted.to_vec(), prefix_bytes_max })
    }

    /// The first key that a source finds; `None` where none does. A text that is too long for an id is no key.
    ///
    /// # Errors
    /// Where the body had to be read and broke off.
    pub(crate) async fn find(
        &self,
        head: &Parts,
        peer: IpAddr,
        body: &mut ClientBody,
    ) -> Result<Option<UserId>, ClientBodyError> {
        let request = RequestHead {
            method: &head.method,
            uri: &head.uri,
            headers: &head.headers,
            extensions: &head.extensions,
        };
        let id = |text: &str| UserId::new(text).ok();
        for source in &self.sources {
            let key = match source {
                Source::Header(header) => header.key(&request).and_then(|text| id(&text)),
                Source::Path(pattern) => pattern.find(head.uri.path()).and_then(|text| id(&text)),
                Source::Jwt(claim) => claim.key(&request).and_then(|text| id(&text)),
                Source::Peer => id(&address_key(client_address(peer, &head.headers, &self.trusted))),
                Source::Json(field) if is_plain_json(head) => {
                    self.in_body(field, body).await?.and_then(|text| id(&text))
                }
                Source::Json(_) => None,
            };
            if key.is_some() {
                return Ok(key);
            }
        }
        Ok(None)
    }

    /// Reads as much of the body as it takes to find the field, and no more than the configured prefix.
    async fn in_body(
        &self,
        field: &FieldPath,
        body: &mut ClientBody,
    ) -> Result<Option<String>, ClientBodyError> {
        let mut scan = FieldScan::new(field);
        let mut left = self.prefix_bytes_max;
        for place in 0.. {
            // An earlier source may have read ahead already.
            let data = match body.ahead(place) {
                Some(data) => data,
                None => match body.read_ahead().await {
                    Some(data) => data?,
                    None => break,
                },
            };
            let data = &data[..data.len().min(left)];
            match scan.feed(data) {
                Found::NotYet => left -= data.len(),
                Found::Value(text) => return Ok(Some(text.clone())),
                Found::Never => break,
            }
            if left == 0 {
                break;
            }
        }
        Ok(None)
    }
}

/// Whether the body is JSON as it stands on the wire.
fn is_plain_json(head: &Parts) -> bool {
    let Some(Ok(media)) = head.headers.get(CONTENT_TYPE).map(|value| value.to_str()) else { return false };
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = ["application/json", "application/x-ndjson", "text/json"].contains(&essence.as_str())
        || essence.ends_with("+json");
    is_json && !head.headers.contains_key(CONTENT_ENCODING)
}

/// An address as a key: IPv4 whole, of IPv6 the /64 network, since that is what one client commands. The prefix
/// keeps addresses apart from users' names.
fn address_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("peer:{address}"),
        IpAddr::V6(address) => format!("peer:{}/64", Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_as_they_are_written() {
        assert_eq!("peer".parse(), Ok(KeySource::Peer));
        assert_eq!("header:X-User".parse(), Ok(KeySource::Header("X-User".to_owned())));
        assert_eq!("jwt: sub".parse(), Ok(KeySource::Jwt("sub".to_owned())));
        assert!(matches!("json:user.id".parse(), Ok(KeySource::Json(_))));
        assert!(matches!("path:/users/{user}".parse(), Ok(KeySource::Path(_))));
    }

    #[test]
    fn what_is_no_source_is_refused_with_the_reason() {
        for (text, reason) in [
            ("cookie:session", "no kind \"cookie\""),
            ("", "no kind"),
            ("peer:x", "no kind"),
            ("header:", "name of a header field"),
            ("header:two words", "name of a header field"),
            ("jwt:", "claim is missing"),
            ("json:a..b", "no field"),
            ("path:/users", "{name}"),
        ] {
            let said = text.parse::<KeySource>().unwrap_err().to_string();
            assert!(said.contains(reason), "{text}: {said}");
        }
    }

    #[test]
    fn clients_of_one_ipv6_network_share_a_key() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), "peer:192.0.2.1");
    }
}
