//! Errors as clients read them: RFC 9457 problem details.
//!
//! Every service answers every error with one of these, so that a client needs one parser and a person
//! reads one kind of sentence. The types are a closed list: a new kind of failure is added here, where
//! its status and its title stay together.

use serde::{Deserialize, Serialize};

/// The media type of a serialised [`Problem`] (RFC 9457, section 3).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What kind of failure a [`Problem`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The body is not the JSON that this route reads.
    MalformedBody,
    /// A field is missing, of the wrong type or out of its range.
    InvalidField,
    /// The body is larger than the configured bound.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The content type is not one that this route reads.
    UnsupportedMediaType,
    /// No such resource.
    NotFound,
    /// The path exists, but not for this method.
    MethodNotAllowed,
    /// A token is required, and none or an unknown one was sent.
    Unauthorized,
    /// The token's role may not do this, or the request's origin may not.
    Forbidden,
    /// The first request with this idempotency key is in progress (draft-ietf-httpapi-idempotency-key-header).
    RequestInProgress,
    /// The idempotency key belongs to a request of other content (draft-ietf-httpapi-idempotency-key-header).
    IdempotencyKeyReused,
    /// The user's token bucket is empty (draft-ietf-httpapi-ratelimit-headers).
    QuotaExceeded,
    /// The limits are lowered, or the service is full, for the time being
    /// (draft-ietf-httpapi-ratelimit-headers).
    TemporaryReducedCapacity,
    /// Something that this service depends on did not answer.
    DependencyFailed,
    /// The rating could not be made durable.
    StorageFailed,
    /// The service is shutting down.
    ShuttingDown,
    /// A failure that the client cannot mend.
    Internal,
}

impl ProblemKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::MalformedBody,
        Self::InvalidField,
        Self::BodyTooLarge,
        Self::BodyTimeout,
        Self::UnsupportedMediaType,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Unauthorized,
        Self::Forbidden,
        Self::RequestInProgress,
        Self::IdempotencyKeyReused,
        Self::QuotaExceeded,
        Self::TemporaryReducedCapacity,
        Self::DependencyFailed,
        Self::StorageFailed,
        Self::ShuttingDown,
        Self::Internal,
    ];

    /// The problem type URI.
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::MalformedBody => "urn:openclaw:problem:malformed-body",
            Self::InvalidField => "urn:openclaw:problem:invalid-field",
            Self::BodyTooLarge => "urn:openclaw:problem:body-too-large",
            Self::BodyTimeout => "urn:openclaw:problem:body-timeout",
            Self::UnsupportedMediaType => "urn:openclaw:problem:unsupported-media-type",
            Self::NotFound => "urn:openclaw:problem:not-found",
            Self::MethodNotAllowed => "urn:openclaw:problem:method-not-allowed",
            Self::Unauthorized => "urn:openclaw:problem:unauthorized",
            Self::Forbidden => "urn:openclaw:problem:forbidden",
            Self::RequestInProgress => "urn:openclaw:problem:request-in-progress",
            Self::IdempotencyKeyReused => "urn:openclaw:problem:idempotency-key-reused",
            Self::QuotaExceeded => "https://iana.org/assignments/http-problem-types#quota-exceeded",
            Self::TemporaryReducedCapacity => {
                "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
            }
            Self::DependencyFailed => "urn:openclaw:problem:dependency-failed",
            Self::StorageFailed => "urn:openclaw:problem:storage-failed",
            Self::ShuttingDown => "urn:openclaw:problem:shutting-down",
            Self::Internal => "urn:openclaw:problem:internal",
        }
    }

    /// The HTTP status that goes with this kind, unless a [`Problem`] says otherwise.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::MalformedBody | Self::InvalidField => 400,
            Self::BodyTooLarge => 413,
            Self::BodyTimeout => 408,
            Self::UnsupportedMediaType => 415,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::RequestInProgress => 409,
            Self::IdempotencyKeyReused => 422,
            Self::QuotaExceeded => 429,
            Self::TemporaryReducedCapacity | Self::ShuttingDown | Self::StorageFailed => 503,
            Self::DependencyFailed => 502,
            Self::Internal => 500,
        }
    }

    /// A short summary that does not vary between occurrences.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::MalformedBody => "malformed body",
            Self::InvalidField => "invalid field",
            Self::BodyTooLarge => "body too large",
            Self::BodyTimeout => "body too slow",
            Self::UnsupportedMediaType => "unsupported media type",
            Self::NotFound => "not found",
            Self::MethodNotAllowed => "method not allowed",
            Self::Unauthorized => "token required",
            Self::Forbidden => "not allowed",
            Self::RequestInProgress => "request in progress",
            Self::IdempotencyKeyReused => "idempotency key reused",
            Self::QuotaExceeded => "rate limit reached",
            Self::TemporaryReducedCapacity => "temporarily reduced capacity",
            Self::DependencyFailed => "dependency failed",
            Self::StorageFailed => "storage failed",
            Self::ShuttingDown => "shutting down",
            Self::Internal => "internal error",
        }
    }
}

/// One failure, as a client reads it (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// URI of the problem type.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", schema(schema_with = type_schema))]
    pub type_uri: String,
    /// Summary of the type.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What was wrong this time, where, and what to do.
    pub detail: String,
}

impl Problem {
    /// A problem of `kind` with its usual status.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            type_uri: kind.uri().to_owned(),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: detail.into(),
        }
    }

    /// The same problem under another status: an empty bucket is 429, a full guard 503, both of them
    /// [`ProblemKind::TemporaryReducedCapacity`].
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The JSON body.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_else(|_| b"{}".to_vec())
    }
}

/// The schema of `type`: the closed list of problem types, each with its title and its usual status.
#[cfg(feature = "openapi")]
fn type_schema() -> utoipa::openapi::schema::Object {
    let lines = ProblemKind::ALL
        .map(|kind| format!("- `{}`: {} (usually {})", kind.uri(), kind.title(), kind.status()))
        .join("\n");
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .enum_values(Some(ProblemKind::ALL.map(ProblemKind::uri)))
        .description(Some(format!("URI of the problem type, one of:\n\n{lines}")))
        .build()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_list_of_kinds_is_whole_and_their_uris_differ() {
        for (place, kind) in ProblemKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "{kind:?} stands elsewhere in the enumeration");
        }
        // `Internal` stays the last one, so that a kind left out of the list is missed here.
        assert_eq!(ProblemKind::ALL.len(), ProblemKind::Internal as usize + 1);
        let uris: BTreeSet<_> = ProblemKind::ALL.map(ProblemKind::uri).into();
        assert_eq!(uris.len(), ProblemKind::ALL.len());
    }
}
