//! Settings made ready for requests, replaced as a whole by a reload.

use http::HeaderValue;
use openclaw_protocol::UserId;

use crate::fields::Additions;
use crate::key::{InvalidKeys, Keys};
use crate::settings::SidecarSettings;
use crate::upstream::{InvalidUpstream, Upstream};

/// Whom requests without a key count as, together. A client that takes this name only joins them.
const UNKEYED: &str = "_unkeyed";

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSettings {
    /// See [`InvalidUpstream`].
    #[error(transparent)]
    Upstream(#[from] InvalidUpstream),
    /// See [`InvalidKeys`].
    #[error(transparent)]
    Keys(#[from] InvalidKeys),
    /// See [`InvalidVia`].
    #[error(transparent)]
    Via(#[from] InvalidVia),
}

/// Why a text is no name for `Via`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be a proxy's name in Via; write a word such as openclaw")]
pub struct InvalidVia(String);

/// Whether `name` can stand in `Via`.
///
/// # Errors
/// [`InvalidVia`] where it is no token (RFC 9110, section 7.6.3).
pub fn check_via(name: &str) -> Result<(), InvalidVia> {
    via(name).map(|_| ())
}

/// What holds for a request from its first line to its end, whatever is reloaded meanwhile.
pub(crate) struct Rules {
    pub(crate) settings: SidecarSettings,
    pub(crate) upstream: Upstream,
    pub(crate) keys: Keys,
    pub(crate) additions: Additions,
    pub(crate) unkeyed: UserId,
}

impl Rules {
    /// Makes `settings` ready. The pool of `before` is kept where it is the same service, reached in the same way.
    pub(crate) fn new(
        settings: SidecarSettings,
        scheme: &'static str,
        before: Option<&Self>,
    ) -> Result<Self, InvalidSettings> {
        let kept = before.filter(|before| {
            before.settings.upstream == settings.upstream && before.settings.connection == settings.connection
        });
        let upstream = match kept {
            Some(before) => before.upstream.clone(),
            None => Upstream::new(&settings.upstream, &settings.connection)?,
        };
        let keys =
            Keys::new(&settings.keys, settings.jwt.as_ref(), &settings.trusted, settings.prefix_bytes_max)?;
        let via = settings.via.as_deref().map(via).transpose()?;
        let additions =
            Additions { telling: settings.telling, trusted: settings.trusted.clone(), via, scheme };
        let unkeyed = UserId::new(UNKEYED).unwrap_or_else(|_| unreachable!("a constant that is an id"));
        Ok(Self { settings, upstream, keys, additions, unkeyed })
    }
}

/// `Via` for HTTP/1.1 and HTTP/2 by a proxy of this name.
fn via(name: &str) -> Result<[HeaderValue; 2], InvalidVia> {
    let is_token = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    let value = |version: &str| HeaderValue::from_str(&format!("{version} {name}")).ok();
    let both = value("1.1").zip(value("2")).filter(|_| is_token);
    both.map(<[HeaderValue; 2]>::from).ok_or_else(|| InvalidVia(name.to_owned()))
}
