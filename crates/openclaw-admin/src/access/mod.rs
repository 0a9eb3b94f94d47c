//! Who may do what: bearer tokens by role.
//!
//! Opaque tokens compared in constant time, and no JSON web tokens: an operator can rotate a line in a file,
//! and nothing that a client sends is parsed before it is trusted. A role without any token is open, which
//! [`listen::bind`](crate::listen::bind) allows on loopback only; the admin role is never open.

mod layer;
mod role;
mod token;

use std::sync::Arc;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use openclaw_protocol::ProblemKind;

pub use layer::{RequireRole, RequireRoleFuture, RequireRoleLayer};
pub use role::{Role, Roles};
pub use token::{Token, TokenError};

use crate::reply::ProblemReply;

/// Which tokens grant which roles. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct AccessPolicy {
    grants: Arc<Vec<Grant>>,
    configured: Roles,
}

#[derive(Debug)]
struct Grant {
    role: Role,
    token: Token,
}

impl AccessPolicy {
    /// A policy of `(role, token)` pairs. A role may have several tokens (for rotation), and a token several
    /// roles.
    #[must_use]
    pub fn new(grants: impl IntoIterator<Item = (Role, Token)>) -> Self {
        let grants: Vec<Grant> = grants.into_iter().map(|(role, token)| Grant { role, token }).collect();
        let configured = grants.iter().map(|grant| grant.role).collect();
        Self { grants: Arc::new(grants), configured }
    }

    /// Adds a token, for instance the admin token that `up` makes at random.
    #[must_use]
    pub fn with(self, role: Role, token: Token) -> Self {
        let kept = self.grants.iter().map(|grant| (grant.role, grant.token.clone()));
        Self::new(kept.chain([(role, token)]))
    }

    /// The roles that have at least one token.
    #[must_use]
    pub fn configured(&self) -> Roles {
        self.configured
    }

    /// Whether a request for one of `needed` passes without a token: where none of these roles has one. The
    /// admin role never does.
    #[must_use]
    pub fn is_open(&self, needed: Roles) -> bool {
        !needed.contains(Role::Admin) && self.configured.intersection(needed).is_empty()
    }

    /// Whether the bearer of these headers may do what needs any one of `needed`; an admin may do everything.
    ///
    /// # Errors
    /// 401 with `WWW-Authenticate` where a token is missing or unknown, 403 where its role is another.
    pub fn check(&self, headers: &HeaderMap, needed: Roles) -> Result<(), ProblemReply> {
        if self.is_open(needed) {
            return Ok(());
        }
        let sent = bearer_token(headers)?.ok_or_else(|| {
            unauthorized(format!("this needs {needed}: {}", self.how_to_send(needed)), false)
        })?;
        let granted = self.roles_of(sent);
        if granted.contains(Role::Admin) || !granted.intersection(needed).is_empty() {
            return Ok(());
        }
        if granted.is_empty() {
            return Err(unauthorized(format!("the token is not a known one; this needs {needed}"), true));
        }
        Err(ProblemReply::new(ProblemKind::Forbidden, format!("the token is {granted}; this needs {needed}")))
    }

    /// Every role of a token. All tokens are compared, each in constant time, so the time taken tells
    /// nothing about which one came close.
    fn roles_of(&self, sent: &[u8]) -> Roles {
        let sent = token::Padded::new(sent);
        self.grants.iter().filter(|grant| grant.token.is(&sent)).map(|grant| grant.role).collect()
    }

    fn how_to_send(&self, needed: Roles) -> &'static str {
        if self.configured.intersection(needed).is_empty() && !self.configured.contains(Role::Admin) {
            "but none is configured (access.adminTokens); `up` and `demo` print one that they make at random"
        } else {
            "send it as Authorization: Bearer TOKEN"
        }
    }
}

/// The bearer token of a request (RFC 6750, section 2.1), if it has one.
fn bearer_token(headers: &HeaderMap) -> Result<Option<&[u8]>, ProblemReply> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(unauthorized("Authorization is there more than once; send it once", true));
    }
    let value = value.as_bytes();
    let (scheme, token) = value.split_at(value.iter().position(|byte| *byte == b' ').unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(unauthorized("Authorization is not of the form Bearer TOKEN", true));
    }
    Ok(Some(token.trim_ascii()))
}

fn unauthorized(detail: impl Into<String>, token_was_sent: bool) -> ProblemReply {
    // RFC 6750, section 3.1: a request without any token gets no error code.
    let challenge = if token_was_sent {
        r#"Bearer realm="openclaw", error="invalid_token""#
    } else {
        r#"Bearer realm="openclaw""#
    };
    ProblemReply::new(ProblemKind::Unauthorized, detail)
        .header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

#[cfg(test)]
mod tests;
