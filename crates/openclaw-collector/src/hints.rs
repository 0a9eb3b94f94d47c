//! Context from client-hint header fields, where a rating says nothing of its own.
//!
//! `Sec-CH-UA-Mobile` (User-Agent Client Hints) and `ECT` (Network Information hints) are what browsers send
//! unasked or when asked. They fill gaps only: a client gains nothing by them that it could not say itself.

use std::sync::Arc;

use http::HeaderMap;
use openclaw_protocol::{Context, ContextVocabulary};

fn fill_field(field: &mut Option<Arc<str>>, hint: Option<&Arc<str>>) {
    if field.is_none() {
        *field = hint.cloned();
    }
}

/// What a request's header fields tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hints {
    device_type: Option<Arc<str>>,
    network_quality: Option<Arc<str>>,
    region: Option<Arc<str>>,
}

impl Hints {
    /// Reads the hints of one request: values of the vocabulary only; `region` is the service's own.
    #[must_use]
    pub fn read(headers: &HeaderMap, vocabulary: &ContextVocabulary, region: Option<&str>) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let device = match text("sec-ch-ua-mobile") {
            Some("?1") => Some("mobile"),
            Some("?0") => Some("desktop"),
            _ => None,
        };
        let network = match text("ect") {
            Some("slow-2g" | "2g") => Some("poor"),
            Some("3g") => Some("fair"),
            Some("4g") => Some("good"),
            _ => None,
        };
        let known = |word: Option<&str>, words: &[String]| {
            word.filter(|word| words.iter().any(|known| known == word)).map(Arc::from)
        };
        Self {
            device_type: known(device, &vocabulary.device_types),
            network_quality: known(network, &vocabulary.network_qualities),
            region: region.map(Arc::from),
        }
    }

    /// Fills the missing fields of `context`.
    pub fn fill(&self, context: &mut Context) {
        fill_field(&mut context.device_type, self.device_type.as_ref());
        fill_field(&mut context.network_quality, self.network_quality.as_ref());
        fill_field(&mut context.region, self.region.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(pairs: &[(&'static str, &'static str)]) -> Hints {
        let headers = pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect();
        Hints::read(&headers, &ContextVocabulary::default(), Some("eu"))
    }

    #[test]
    fn a_phone_on_a_slow_network_is_told_by_its_header_fields() {
        let mut context = Context::default();
        hints(&[("sec-ch-ua-mobile", "?1"), ("ect", "2g")]).fill(&mut context);
        assert_eq!(context.device_type.as_deref(), Some("mobile"));
        assert_eq!(context.network_quality.as_deref(), Some("poor"));
        assert_eq!(context.region.as_deref(), Some("eu"));
    }

    #[test]
    fn what_the_rating_says_itself_stands() {
        let mut context = Context { device_type: Some("tv".into()), ..Context::default() };
        hints(&[("sec-ch-ua-mobile", "?1")]).fill(&mut context);
        assert_eq!(context.device_type.as_deref(), Some("tv"));
    }

    #[test]
    fn unknown_hints_say_nothing() {
        let found = hints(&[("sec-ch-ua-mobile", "yes"), ("ect", "9g")]);
        assert_eq!(found, Hints { region: Some("eu".into()), ..Hints::default() });
    }
}
