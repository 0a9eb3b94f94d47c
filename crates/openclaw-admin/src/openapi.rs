//! What the OpenAPI documents of all services share: who may ask, how a failure is answered, how a document is
//! written.
//!
//! The documents are generated from annotations beside the handlers, and the committed copies are compared with
//! them in the tests: a document written by hand is wrong from the second change on.

use openclaw_protocol::Problem;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi};

/// The document of `T` as it is committed: indented JSON with a line end.
///
/// # Errors
/// Where it cannot be written as JSON, which no annotation of ours brings about.
pub fn to_json<T: OpenApi>() -> Result<String, serde_json::Error> {
    T::openapi().to_pretty_json().map(|json| json + "\n")
}

/// Adds the security scheme `bearer`, whose requirements name roles (OpenAPI 3.1, section 4.8.30.1).
#[derive(Clone, Copy, Debug)]
pub struct BearerByRole;

impl Modify for BearerByRole {
    fn modify(&self, document: &mut Document) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some(
            "An opaque token of the role that the operation names: client, collector, reader or admin. An admin's \
             token serves everywhere. A role for which no token is configured is open, which listeners on other \
             than loopback addresses refuse unless told otherwise; the admin role is never open."
                .to_owned(),
        );
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// What [`AccessPolicy::check`](crate::access::AccessPolicy::check) answers.
#[derive(Debug, IntoResponses)]
pub enum AccessProblems {
    /// A token is required, and none or an unknown one was sent (`unauthorized`).
    #[response(
        status = 401,
        content_type = "application/problem+json",
        headers(("WWW-Authenticate" = String, description = "Bearer challenge (RFC 6750)"))
    )]
    Unauthorized(Problem),
    /// The token's role may not do this, or on the admin listener the request's `Host` or `Origin` may not
    /// (`forbidden`).
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
}

/// What the readers of bodies answer where a body as a whole is not taken; a 400 is the route's own.
#[derive(Debug, IntoResponses)]
pub enum BodyProblems {
    /// The body did not arrive in time (`body-timeout`).
    #[response(status = 408, content_type = "application/problem+json")]
    Timeout(Problem),
    /// The body has more bytes, or the batch more items, than this service takes (`body-too-large`).
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The content type is not one that this route reads (`unsupported-media-type`).
    #[response(
        status = 415,
        content_type = "application/problem+json",
        headers(("Accept" = String, description = "The media types that are read (RFC 9110, section 15.5.16)"))
    )]
    UnsupportedMediaType(Problem),
}

/// The admin listener's answer to a request from elsewhere.
#[derive(Debug, IntoResponses)]
pub enum OriginProblems {
    /// The `Host` or `Origin` is not one that this listener answers (`forbidden`).
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
}

/// A failure that the client cannot mend.
#[derive(Debug, IntoResponses)]
pub enum InternalProblem {
    /// A bug: the service's log says more (`internal`).
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
}
