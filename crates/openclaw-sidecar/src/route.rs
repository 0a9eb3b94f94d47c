//! Which requests are metered, and what each costs.
//!
//! Routes are lines of text, `METHODS PATH [cost=N] [pass]`, the first that fits counts, and what fits none passes
//! unmetered. Paths are compared in their normal form, so that `//ratings`, `/./ratings` and `/%72atings`, which many
//! services take for `/ratings`, are not ways past it.

use std::borrow::Cow;
use std::str::FromStr;

use http::Method;
use openclaw_protocol::ItemId;

/// Highest cost of a request, in tokens.
const COST_MAX: f64 = 1e6;

/// One line of the routes.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Empty for every method.
    methods: Vec<Method>,
    /// In normal form, without a slash at the end.
    path: String,
    /// How requests count; `None` where they pass.
    metered: Option<Metered>,
}

/// How requests of a route count.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metered {
    /// Tokens that a request takes.
    pub(crate) cost: f64,
    /// What events name as the item: the route's path.
    pub(crate) item: ItemId,
}

/// Why a text is no route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no route: {reason}; write for example \"POST /ratings cost=2\", \"* /\" or \"GET /healthz pass\""
)]
pub struct InvalidRoute {
    text: String,
    reason: &'static str,
}

impl Route {
    fn fits(&self, method: &Method, path: &str) -> bool {
        let method_fits = self.methods.is_empty() || self.methods.contains(method);
        let rest = path.strip_prefix(&self.path);
        method_fits && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for Route {
    type Err = InvalidRoute;

    fn from_str(text: &str) -> Result<Self, InvalidRoute> {
        let invalid = |reason| InvalidRoute { text: text.chars().take(80).collect(), reason };
        let mut words = text.split_ascii_whitespace();
        let methods = words.next().ok_or_else(|| invalid("it is empty"))?;
        let methods = match methods {
            "*" => Vec::new(),
            names => names
                .split('|')
                .map(|name| Method::from_str(name).ok().filter(|_| name == name.to_ascii_uppercase()))
                .collect::<Option<_>>()
                .ok_or_else(|| invalid("it does not begin with methods in capitals, as in GET|HEAD, or *"))?,
        };
        let path = words.next().filter(|path| path.starts_with('/'));
        let path = path.ok_or_else(|| invalid("its second word must be a path that begins with a slash"))?;
        let (mut cost, mut pass) = (1.0, false);
        for word in words {
            match word.split_once('=') {
                None if word == "pass" => pass = true,
                Some(("cost", number)) => {
                    cost = number.parse().map_err(|_| invalid("its cost is no number"))?;
                    if !(0.0..=COST_MAX).contains(&cost) {
                        return Err(invalid("its cost must lie from 0 to a million"));
                    }
                }
                _ => return Err(invalid("after the path only cost=N and pass can stand")),
            }
        }
        let item = ItemId::new(path).map_err(|_| invalid("its path is longer than 256 bytes"))?;
        let path = normal(path).trim_end_matches('/').to_owned();
        Ok(Self { methods, path, metered: (!pass).then_some(Metered { cost, item }) })
    }
}

/// How a request counts; `None` where it passes.
pub(crate) fn metered<'r>(routes: &'r [Route], method: &Method, path: &str) -> Option<&'r Metered> {
    let path = normal(path);
    routes.iter().find(|route| route.fits(method, &path))?.metered.as_ref()
}

/// The path in normal form (RFC 3986, section 6.2.2): unreserved characters decoded, dot segments resolved; and
/// repeated slashes made one, as most servers do.
pub(crate) fn normal(path: &str) -> Cow<'_, str> {
    if !path.contains('%') && !path.contains("//") && !path.contains("/.") {
        return Cow::Borrowed(path);
    }
    let decoded = decode_unreserved(path);
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let ends = ["/", "/.", "/.."].iter().any(|end| decoded.ends_with(end));
    let mut normal = String::with_capacity(decoded.len());
    for segment in &segments {
        normal.push('/');
        normal.push_str(segment);
    }
    if ends || segments.is_empty() {
        normal.push('/');
    }
    Cow::Owned(normal)
}

fn decode_unreserved(path: &str) -> String {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        let byte = rest.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) {
            Some(byte) => {
                decoded.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            None => {
                decoded.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    decoded.push_str(rest);
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(lines: &[&str]) -> Vec<Route> {
        lines.iter().map(|line| line.parse().unwrap()).collect()
    }

    fn cost(routes: &[Route], method: Method, path: &str) -> Option<f64> {
        metered(routes, &method, path).map(|metered| metered.cost)
    }

    #[test]
    fn the_first_route_that_fits_counts_and_what_fits_none_passes() {
        let routes = routes(&["GET /healthz pass", "POST|PUT /ratings cost=2.5", "GET /", "* /admin cost=0"]);
        assert_eq!(cost(&routes, Method::GET, "/healthz"), None);
        assert_eq!(cost(&routes, Method::PUT, "/ratings/7"), Some(2.5));
        assert_eq!(cost(&routes, Method::GET, "/ratings"), Some(1.0));
        assert_eq!(cost(&routes, Method::DELETE, "/admin/"), Some(0.0));
        assert_eq!(cost(&routes, Method::DELETE, "/ratings"), None);
    }

    #[test]
    fn a_prefix_ends_at_a_slash() {
        let routes = routes(&["* /ratings/"]);
        assert!(cost(&routes, Method::GET, "/ratings").is_some());
        assert!(cost(&routes, Method::GET, "/ratingsx").is_none());
    }

    #[test]
    fn other_ways_to_write_a_path_are_no_ways_past_it() {
        let routes = routes(&["* /ratings"]);
        for path in [
            "//ratings",
            "/./ratings",
            "/x/../ratings",
            "/%72atings",
            "/%2e/ratings",
            "/../ratings",
            "/a/%2E%2e/ratings/b",
        ] {
            assert!(cost(&routes, Method::GET, path).is_some(), "{path}");
        }
        for path in ["/x%2fratings", "/x/ratings", "/ratings/..", "/%", "/%7", "/%zz"] {
            assert!(cost(&routes, Method::GET, path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_route_that_cannot_be_read_is_refused_with_the_reason() {
        for (line, reason) in [
            ("", "empty"),
            ("/ratings", "methods in capitals"),
            ("post /ratings", "methods in capitals"),
            ("POST ratings", "begins with a slash"),
            ("POST /ratings cost=lots", "no number"),
            ("POST /ratings cost=-1", "from 0 to a million"),
            ("POST /ratings cost=NaN", "from 0 to a million"),
            ("POST /ratings twice", "only cost=N and pass"),
        ] {
            let said = line.parse::<Route>().unwrap_err().to_string();
            assert!(said.contains(reason), "{line}: {said}");
        }
    }
}
