//! Keys from a claim of a JSON Web Token, verified here: a claim that nobody has verified is a header that anybody sets.

use std::borrow::Cow;

use http::header::AUTHORIZATION;
use jsonwebtoken::{DecodingKey, Validation, decode};
use serde_json::{Map, Value};

use crate::{KeyExtractor, RequestHead};

/// A claim of the bearer token in `Authorization`; none where the token is missing, wrong, expired, or without that claim.
pub struct JwtClaim {
    claim: String,
    key: DecodingKey,
    validation: Validation,
}

impl JwtClaim {
    /// The claim called `claim` (usually `sub`) of tokens that `key` and `validation` accept.
    #[must_use]
    pub fn new(claim: impl Into<String>, key: DecodingKey, validation: Validation) -> Self {
        Self { claim: claim.into(), key, validation }
    }
}

impl std::fmt::Debug for JwtClaim {
    // Not the key, which may be the secret that signs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtClaim").field("claim", &self.claim).finish_non_exhaustive()
    }
}

impl KeyExtractor for JwtClaim {
    fn key<'r>(&self, request: &RequestHead<'r>) -> Option<Cow<'r, str>> {
        let credentials = request.headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = credentials.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let token = decode::<Map<String, Value>>(token.trim(), &self.key, &self.validation).ok()?;
        match token.claims.get(&self.claim)? {
            Value::String(text) => Some(Cow::Owned(text.clone())),
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        }
    }
}
