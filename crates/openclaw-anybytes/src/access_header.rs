//! Tokens and the `Authorization` field: a request passes with a token that grants its role, and with no other bytes.

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue};
use openclaw_admin::access::{AccessPolicy, Role, Roles, Token};

const READER: &str = "a-reader-of-sixteen-or-more";
const ADMIN: &str = "an-admin-of-sixteen-or-more";

/// Checks a token, and a value of the field `Authorization`.
///
/// # Panics
/// Where the promise does not hold.
pub fn check(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(token) = Token::new(text)
    {
        assert_eq!(token.expose(), text);
        let policy = AccessPolicy::new([(Role::Reader, token)]);
        let value = HeaderValue::from_str(&format!("Bearer {text}")).expect("a token can be sent");
        assert!(policy.check(&HeaderMap::from_iter([(AUTHORIZATION, value)]), readers()).is_ok());
    }
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let grants = [(Role::Reader, READER), (Role::Admin, ADMIN)];
    let policy =
        AccessPolicy::new(grants.map(|(role, text)| (role, Token::new(text).expect("it is long enough"))));
    if policy.check(&HeaderMap::from_iter([(AUTHORIZATION, value)]), readers()).is_ok() {
        let (scheme, token) = bytes.split_at(b"bearer".len());
        assert!(scheme.eq_ignore_ascii_case(b"bearer"));
        assert!([READER, ADMIN].iter().any(|known| known.as_bytes() == token.trim_ascii()));
    }
}

fn readers() -> Roles {
    [Role::Reader].into_iter().collect()
}
