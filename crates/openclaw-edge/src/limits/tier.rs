//! Tiers: overrides with a name, so that an operator writes `gold` for a user and changes what gold means in one place.

use std::collections::BTreeMap;
use std::fmt;

use openclaw_protocol::{LimitBounds, TIER_BYTES_MAX, WEIGHT_MAX, WEIGHT_MIN};
use thiserror::Error;

/// What a tier gives its users.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tier {
    /// Weight in the water level.
    pub weight: f64,
    /// Bounds, where the override itself sets none.
    pub bounds: LimitBounds,
}

impl Default for Tier {
    fn default() -> Self {
        Self { weight: 1.0, bounds: LimitBounds::default() }
    }
}

/// All tiers by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tiers {
    by_name: BTreeMap<String, Tier>,
}

/// Why a text is no tier.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text:?} is no tier: {reason}; one looks like \"gold weight=4 refillRateMin=5 refillRateMax=100\"")]
pub struct InvalidTier {
    text: String,
    reason: String,
}

impl Tiers {
    /// Reads tiers, each written as a name and settings: `weight`, `bucketSizeMin`, `bucketSizeMax`, `refillRateMin`
    /// and `refillRateMax`.
    ///
    /// # Errors
    /// [`InvalidTier`] of the first text that is none.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidTier> {
        let mut by_name = BTreeMap::new();
        for text in texts {
            let invalid = |reason: String| InvalidTier { text: text.to_owned(), reason };
            let (name, tier) = parse_one(text).map_err(invalid)?;
            if by_name.insert(name.to_owned(), tier).is_some() {
                return Err(invalid(format!("{name:?} is there twice")));
            }
        }
        Ok(Self { by_name })
    }

    /// The tier of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tier> {
        self.by_name.get(name)
    }
}

/// The names, for people.
impl fmt::Display for Tiers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.by_name.is_empty() {
            return formatter.write_str("none");
        }
        let names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        formatter.write_str(&names.join(", "))
    }
}

fn parse_one(text: &str) -> Result<(&str, Tier), String> {
    let mut words = text.split_whitespace();
    let name = words.next().ok_or("it has no name")?;
    if name.contains('=') || name.len() > TIER_BYTES_MAX {
        return Err(format!("it begins with a name of at most {TIER_BYTES_MAX} bytes, without '='"));
    }
    let mut tier = Tier::default();
    for word in words {
        let (setting, value) =
            word.split_once('=').ok_or_else(|| format!("{word:?} is not a setting and its value"))?;
        let number: f64 = value.parse().map_err(|_| format!("{value:?} is no number"))?;
        match setting {
            "weight" => tier.weight = number,
            "bucketSizeMin" => tier.bounds.bucket_size_min = Some(number),
            "bucketSizeMax" => tier.bounds.bucket_size_max = Some(number),
            "refillRateMin" => tier.bounds.refill_rate_min = Some(number),
            "refillRateMax" => tier.bounds.refill_rate_max = Some(number),
            _ => return Err(format!("there is no setting {setting:?}")),
        }
    }
    if !(WEIGHT_MIN..=WEIGHT_MAX).contains(&tier.weight) {
        return Err(format!("its weight must lie in {WEIGHT_MIN} to {WEIGHT_MAX}"));
    }
    tier.bounds.check()?;
    Ok((name, tier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_a_name_a_weight_and_bounds() {
        let tiers = Tiers::parse(["gold weight=4 refillRateMax=100", "plain"]).unwrap();
        let gold = tiers.get("gold").unwrap();
        assert_eq!((gold.weight, gold.bounds.refill_rate_max), (4.0, Some(100.0)));
        assert_eq!(tiers.get("plain"), Some(&Tier::default()));
        assert_eq!(
            (tiers.to_string().as_str(), Tiers::default().to_string().as_str()),
            ("gold, plain", "none")
        );
    }

    #[test]
    fn what_is_no_tier_is_refused_with_the_word_that_is_wrong() {
        for (text, part) in [
            ("", "no name"),
            ("weight=4", "begins with a name"),
            ("gold heavy", "\"heavy\" is not a setting"),
            ("gold weight=much", "\"much\" is no number"),
            ("gold weight=0", "must lie in 0.01 to 100"),
            ("gold height=1", "no setting \"height\""),
            ("gold refillRateMin=2 refillRateMax=1", "above refillRateMax"),
        ] {
            let reason = Tiers::parse([text]).unwrap_err().to_string();
            assert!(reason.contains(part) && reason.contains("looks like"), "{reason}");
        }
        assert!(Tiers::parse(["gold", "gold weight=2"]).unwrap_err().to_string().contains("twice"));
    }
}
