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

const REFUSED_TOTAL: &str = "openclaw_access_refused_total";

/// Describes what access checks measure.
pub fn describe_metrics() {
    metrics::describe_counter!(
        REFUSED_TOTAL,
        metrics::Unit::Count,
        "Requests refused for want of a token, or of the right one, by reason: missing, unknown, other_role."
    );
}

/// Why a request is refused, as the metric names it.
#[derive(Clone, Copy)]
enum Refusal {
    Missing,
    Unknown,
    OtherRole,
}

impl Refusal {
    fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::OtherRole => "other_role",
        }
    }
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

    /// Whether a request for one of `needed` passes without a token: where none of these roles has one. What
    /// needs an admin alone is never open.
    #[must_use]
    pub fn is_open(&self, needed: Roles) -> bool {
        let others = needed.without(Role::Admin);
        !others.is_empty() && self.configured.intersection(others).is_empty()
    }

    /// Whether the bearer of these headers may do what needs any one of `needed`; an admin may do everything.
    ///
    /// # Errors
    /// 401 with `WWW-Authenticate` where a token is missing or unknown, 403 where its role is another.
    pub fn check(&self, headers: &HeaderMap, needed: Roles) -> Result<(), ProblemReply> {
        if self.is_open(needed) {
            return Ok(());
        }
        self.check_token(headers, needed).map_err(|(refusal, reply)| {
            metrics::counter!(REFUSED_TOTAL, "reason" => refusal.name()).increment(1);
            reply
        })
    }

    fn check_token(&self, headers: &HeaderMap, needed: Roles) -> Result<(), (Refusal, ProblemReply)> {
        let sent = bearer_token(headers).map_err(|detail| (Refusal::Unknown, unauthorized(detail, true)))?;
        let Some(sent) = sent else {
            let detail = format!("this needs {needed}: {}", self.how_to_send(needed));
            return Err((Refusal::Missing, unauthorized(detail, false)));
        };
        let granted = self.roles_of(sent);
        if granted.contains(Role::Admin) || !granted.intersection(needed).is_empty() {
            return Ok(());
        }
        if granted.is_empty() {
            let detail = format!("the token is not a known one; this needs {needed}");
            return Err((Refusal::Unknown, unauthorized(detail, true)));
        }
        let detail = format!("the token is {granted}; this needs {needed}");
        Err((Refusal::OtherRole, ProblemReply::new(ProblemKind::Forbidden, detail)))
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

/// The bearer token of a request (RFC 6750, section 2.1), if it has one; an error where it has something else.
fn bearer_token(headers: &HeaderMap) -> Result<Option<&[u8]>, &'static str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err("Authorization is there more than once; send it once");
    }
    let value = value.as_bytes();
    let (scheme, token) = value.split_at(value.iter().position(|byte| *byte == b' ').unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err("Authorization is not of the form Bearer TOKEN");
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
