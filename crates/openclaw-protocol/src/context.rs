//! User-level context: what a client says of its device, its network and its region.
//!
//! The values are enumerated by the operator. A free text would let clients invent classes of their own, and
//! with them limits of their own.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What is known of the circumstances of one rating. Every field may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// For example `mobile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub device_type: Option<Arc<str>>,
    /// For example `poor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub network_quality: Option<Arc<str>>,
    /// For example `eu-west`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub region: Option<Arc<str>>,
}

impl Context {
    /// Whether nothing at all is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.device_type.is_none() && self.network_quality.is_none() && self.region.is_none()
    }

    /// One line, as the header `openclaw-class` carries it to a backend: `deviceType=mobile;networkQuality=poor`.
    #[must_use]
    pub fn to_key(&self) -> String {
        let fields = [
            ("deviceType", &self.device_type),
            ("networkQuality", &self.network_quality),
            ("region", &self.region),
        ];
        let set =
            fields.iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={value}")));
        set.collect::<Vec<_>>().join(";")
    }
}

/// The values that each [`Context`] field may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextVocabulary {
    /// Allowed device types.
    pub device_types: Vec<String>,
    /// Allowed network qualities.
    pub network_qualities: Vec<String>,
    /// Allowed regions; empty means that a region is never taken from a client.
    pub regions: Vec<String>,
}

impl Default for ContextVocabulary {
    fn default() -> Self {
        let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect();
        Self {
            device_types: words(&["desktop", "mobile", "tablet", "tv", "bot", "other"]),
            network_qualities: words(&["good", "fair", "poor", "offline"]),
            regions: Vec::new(),
        }
    }
}

impl ContextVocabulary {
    /// Checks every field that is present.
    ///
    /// # Errors
    /// A sentence that names the field, the value and the values allowed.
    pub fn check(&self, context: &Context) -> Result<(), String> {
        check_word("context.deviceType", context.device_type.as_deref(), &self.device_types)?;
        check_word("context.networkQuality", context.network_quality.as_deref(), &self.network_qualities)?;
        check_word("context.region", context.region.as_deref(), &self.regions)
    }
}

fn check_word(field: &str, value: Option<&str>, allowed: &[String]) -> Result<(), String> {
    let Some(value) = value else { return Ok(()) };
    if allowed.iter().any(|word| word == value) {
        return Ok(());
    }
    let shown: String = value.chars().take(40).collect();
    if allowed.is_empty() {
        return Err(format!("{field} is {shown:?}, but this service is configured to take none"));
    }
    Err(format!("{field} is {shown:?}; allowed are {}", allowed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unlisted_value_is_refused_with_the_list() {
        let context = Context { device_type: Some("toaster".into()), ..Context::default() };
        let reason = ContextVocabulary::default().check(&context).unwrap_err();
        assert_eq!(
            reason,
            "context.deviceType is \"toaster\"; allowed are desktop, mobile, tablet, tv, bot, other"
        );
    }

    #[test]
    fn a_key_names_what_is_set() {
        let context =
            Context { device_type: Some("tv".into()), region: Some("eu".into()), ..Context::default() };
        assert_eq!(context.to_key(), "deviceType=tv;region=eu");
        assert_eq!(Context::default().to_key(), "");
    }

    #[test]
    fn missing_fields_are_always_allowed() {
        assert_eq!(ContextVocabulary::default().check(&Context::default()), Ok(()));
    }
}
