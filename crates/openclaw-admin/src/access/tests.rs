//! Who gets in, who does not, and what they are told.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use proptest::prelude::*;
use tower::Service;

use super::{AccessPolicy, Role, Roles, Token, TokenError};
use crate::reply::ProblemReply;

fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

fn policy() -> AccessPolicy {
    AccessPolicy::new([
        (Role::Client, token("client-token-0001")),
        (Role::Client, token("client-token-0002")),
        (Role::Reader, token("reader-token-0001")),
        (Role::Admin, token("admin-token-00001")),
    ])
}

fn bearing(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
}

fn refusal(result: Result<(), ProblemReply>) -> (u16, String) {
    let problem = result.unwrap_err().into_problem();
    (problem.status, problem.detail)
}

#[test]
fn every_token_of_a_role_is_let_in() {
    for value in ["Bearer client-token-0001", "bearer client-token-0002", "Bearer   client-token-0001"] {
        assert!(policy().check(&bearing(value), Role::Client.into()).is_ok(), "{value}");
    }
}

#[test]
fn an_admin_may_do_everything() {
    for role in Role::ALL {
        assert!(policy().check(&bearing("Bearer admin-token-00001"), role.into()).is_ok(), "{role:?}");
    }
}

#[test]
fn a_known_token_of_another_role_is_forbidden() {
    let refused = refusal(policy().check(&bearing("Bearer client-token-0001"), Role::Reader.into()));
    assert_eq!(refused, (403, "the token is a client's token; this needs a reader's token".to_owned()));
}

#[test]
fn an_unknown_token_is_unauthorized_and_not_repeated() {
    let reply = policy().check(&bearing("Bearer nobody-token-0001"), Role::Reader.into()).unwrap_err();
    assert_eq!(reply.problem().detail, "the token is not a known one; this needs a reader's token");
    let response = axum::response::IntoResponse::into_response(reply);
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[WWW_AUTHENTICATE], r#"Bearer realm="openclaw", error="invalid_token""#);
}

#[test]
fn a_missing_token_is_asked_for() {
    let refused = refusal(policy().check(&HeaderMap::new(), Role::Reader.into()));
    assert_eq!(
        refused,
        (401, "this needs a reader's token: send it as Authorization: Bearer TOKEN".to_owned())
    );
}

#[test]
fn any_one_of_several_roles_is_enough() {
    let needed = Roles::from([Role::Client, Role::Reader]);
    for value in ["Bearer client-token-0001", "Bearer reader-token-0001"] {
        assert!(policy().check(&bearing(value), needed).is_ok(), "{value}");
    }
    let refused = refusal(policy().check(&HeaderMap::new(), needed));
    assert_eq!(refused.1, "this needs a client's or reader's token: send it as Authorization: Bearer TOKEN");
}

#[test]
fn a_role_without_tokens_is_open_until_one_of_its_companions_has_one() {
    assert!(policy().check(&HeaderMap::new(), Role::Collector.into()).is_ok());
    assert!(policy().check(&HeaderMap::new(), Roles::from([Role::Collector, Role::Reader])).is_err());
}

#[test]
fn every_refusal_is_counted_by_its_reason() {
    let (exporter, recorder) = crate::metrics::Exporter::unattached().unwrap();
    metrics::with_local_recorder(&recorder, || {
        let _: Result<_, _> = policy().check(&HeaderMap::new(), Role::Reader.into());
        let _: Result<_, _> = policy().check(&bearing("Bearer nobody-token-0001"), Role::Reader.into());
        let _: Result<_, _> = policy().check(&bearing("Basic bm9ib2R5"), Role::Reader.into());
        let _: Result<_, _> = policy().check(&bearing("Bearer client-token-0001"), Role::Reader.into());
        let _: Result<_, _> = policy().check(&bearing("Bearer reader-token-0001"), Role::Reader.into());
    });
    let text = exporter.render();
    for (reason, count) in [("missing", 1), ("unknown", 2), ("other_role", 1)] {
        let line = format!("openclaw_access_refused_total{{reason=\"{reason}\"}} {count}");
        assert!(text.lines().any(|rendered| rendered == line), "no {line} in\n{text}");
    }
}

#[test]
fn the_admin_role_is_never_open() {
    let nobody = AccessPolicy::default();
    assert!(nobody.check(&HeaderMap::new(), Roles::from([Role::Reader, Role::Admin])).is_ok());
    assert!(nobody.check(&HeaderMap::new(), Role::Reader.into()).is_ok());
    let refused = refusal(nobody.check(&HeaderMap::new(), Role::Admin.into()));
    assert_eq!(
        refused,
        (
            401,
            "this needs an admin's token: but none is configured (access.adminTokens); `up` and `demo` print one \
             that they make at random"
                .to_owned()
        )
    );
    let made = Token::random().unwrap();
    let with_admin = nobody.with(Role::Admin, made.clone());
    assert!(with_admin.check(&bearing(&format!("Bearer {}", made.expose())), Role::Admin.into()).is_ok());
}

#[test]
fn other_schemes_and_doubled_headers_are_unauthorized() {
    for value in
        ["Basic Y2xpZW50OnRva2Vu", "Bearer", "Bearer ", "client-token-0001", "Bearerclient-token-0001"]
    {
        assert_eq!(refusal(policy().check(&bearing(value), Role::Client.into())).0, 401, "{value}");
    }
    let mut doubled = bearing("Bearer client-token-0001");
    doubled.append(AUTHORIZATION, HeaderValue::from_static("Bearer client-token-0001"));
    assert_eq!(
        refusal(policy().check(&doubled, Role::Client.into())),
        (401, "Authorization is there more than once; send it once".to_owned())
    );
}

#[test]
fn tokens_that_cannot_be_used_are_refused_without_being_shown() {
    assert_eq!(Token::new("short").unwrap_err(), TokenError::TooShort(5));
    assert_eq!(Token::new("x".repeat(257)).unwrap_err(), TokenError::TooLong(257));
    assert_eq!(Token::new("sixteen characters").unwrap_err(), TokenError::Character(8));
    assert_eq!(
        TokenError::TooShort(5).to_string(),
        "the token is 5 characters long; at least 16 are needed, best made at random"
    );
}

#[test]
fn debug_shows_no_token() {
    assert!(!format!("{:?}", policy()).contains("token-0"));
}

#[test]
fn random_tokens_differ_and_are_long() {
    let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
    assert_ne!(one.expose(), other.expose());
    assert_eq!(one.expose().len(), 64);
}

#[tokio::test]
async fn the_layer_guards_its_routes_and_no_others() {
    let mut routes: Router = Router::new()
        .route("/guarded", get(|| async { "inside" }))
        .layer(policy().require(Role::Reader))
        .route("/open", get(|| async { "outside" }));
    for (path, value, expected) in [
        ("/guarded", None, StatusCode::UNAUTHORIZED),
        ("/guarded", Some("Bearer client-token-0001"), StatusCode::FORBIDDEN),
        ("/guarded", Some("Bearer reader-token-0001"), StatusCode::OK),
        ("/open", None, StatusCode::OK),
    ] {
        let mut request = Request::get(path);
        if let Some(value) = value {
            request = request.header(AUTHORIZATION, value);
        }
        let response = routes.call(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), expected, "{path} {value:?}");
    }
}

proptest! {
    #[test]
    fn only_the_token_itself_is_that_token(
        configured in "[A-Za-z0-9._~+/=-]{16,256}",
        sent in "[A-Za-z0-9._~+/=-]{1,600}",
    ) {
        let policy = AccessPolicy::new([(Role::Reader, token(&configured))]);
        let check = |text: &str| policy.check(&bearing(&format!("Bearer {text}")), Role::Reader.into()).is_ok();
        prop_assert!(check(&configured));
        prop_assert_eq!(check(&sent), sent == configured);
        // Neither a prefix nor an extension passes, also past the longest token.
        prop_assert!(!check(&configured[..configured.len() - 1]));
        let extended = format!("{configured}{}", "0");
        prop_assert!(!check(&extended));
    }
}
