//! What is compared, by name: the catalogue's controllers with their settings, learned policies, and the bounds.

use std::fmt;
use std::sync::Arc;

use openclaw_controller::{Bounds, Controller, ControllerKind, UnknownController};
use openclaw_protocol::BucketPolicy;

use super::extremes::PerUser;
use super::outcome::Role;

/// The word for all controllers.
pub const EVERYONE: &str = "all";
/// The name of a learned policy, followed by a colon and its file's stem where there are several.
pub const LEARNED: &str = "learned";

const ORACLE: &str = "oracle";
const ACCEPT_ALL: &str = "accept-all";
const REJECT_ALL: &str = "reject-all";

/// Makes a fresh controller for a course; the argument is the configured start of the admitted rate, in work units
/// per second.
pub type Build = Arc<dyn Fn(f64) -> Box<dyn Controller> + Send + Sync>;

/// One of those that are compared.
#[derive(Clone, Debug)]
pub struct Contender {
    /// What results call it.
    pub name: String,
    /// What it is and how it is made.
    pub kind: Kind,
}

/// What a contender is.
#[derive(Clone)]
pub enum Kind {
    /// One of the catalogue, with values for its parameters; no value means the published one.
    Classical {
        /// Which one.
        kind: ControllerKind,
        /// In the order of the kind's parameters.
        values: Vec<f64>,
    },
    /// A learned policy.
    Learned(Build),
    /// Knows demand and capacity.
    Oracle,
    /// Lets everything through.
    AcceptAll,
    /// Lets nothing through.
    RejectAll,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Classical { kind, values } => {
                f.debug_struct("Classical").field("kind", kind).field("values", values).finish()
            }
            Self::Learned(_) => f.write_str("Learned"),
            Self::Oracle => f.write_str("Oracle"),
            Self::AcceptAll => f.write_str("AcceptAll"),
            Self::RejectAll => f.write_str("RejectAll"),
        }
    }
}

/// Why there is nobody to compare.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ContenderError {
    /// A name that nobody has.
    #[error("--controllers: {0}, and oracle, accept-all, reject-all, learned (with --policy) and all")]
    Unknown(UnknownController),
    /// A name given twice.
    #[error("--controllers: {0} is named twice")]
    Twice(String),
    /// `learned` without a policy.
    #[error("--controllers: learned needs a policy; name its artifact with --policy FILE")]
    NoPolicy,
    /// No name at all.
    #[error("--controllers: names nobody; write for example --controllers little-guard,aimd, or all")]
    Nobody,
}

impl Contender {
    /// A controller of the catalogue as published.
    #[must_use]
    pub fn classical(kind: ControllerKind) -> Self {
        Self { name: kind.name().to_owned(), kind: Kind::Classical { kind, values: Vec::new() } }
    }

    /// The contenders that `words` name, in that order. `policies` are the learned ones by name: `learned` stands for
    /// all of them, and they take part even where no word says so.
    ///
    /// # Errors
    /// Names the first word that cannot be used.
    pub fn parse(words: &[String], policies: Vec<(String, Build)>) -> Result<Vec<Self>, ContenderError> {
        let learned = |policies: &[(String, Build)]| -> Vec<Self> {
            policies
                .iter()
                .map(|(name, build)| Self { name: name.clone(), kind: Kind::Learned(Arc::clone(build)) })
                .collect()
        };
        let mut contenders: Vec<Self> = Vec::new();
        for word in words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()) {
            let named = match word {
                EVERYONE => Self::everyone(),
                LEARNED if policies.is_empty() => return Err(ContenderError::NoPolicy),
                LEARNED => learned(&policies),
                ORACLE | ACCEPT_ALL | REJECT_ALL => vec![Self::bound(word)],
                _ => vec![Self::classical(word.parse().map_err(ContenderError::Unknown)?)],
            };
            for contender in named {
                if contenders.iter().any(|other| other.name == contender.name) {
                    return Err(ContenderError::Twice(contender.name));
                }
                contenders.push(contender);
            }
        }
        if !contenders.iter().any(|contender| contender.role() == Role::Learned) {
            contenders.extend(learned(&policies));
        }
        if contenders.is_empty() { Err(ContenderError::Nobody) } else { Ok(contenders) }
    }

    /// What it is compared for.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.kind {
            Kind::Classical { .. } => Role::Classical,
            Kind::Learned(_) => Role::Learned,
            Kind::Oracle | Kind::AcceptAll | Kind::RejectAll => Role::Bound,
        }
    }

    /// A fresh controller for a course; `None` for the oracle, which is none.
    #[must_use]
    pub fn build(&self, start_per_s: f64) -> Option<Box<dyn Controller>> {
        match &self.kind {
            Kind::Classical { kind, values } => Some(kind.build(start_per_s, values)),
            Kind::Learned(build) => Some(build(start_per_s)),
            Kind::Oracle => None,
            Kind::AcceptAll => Some(Box::new(PerUser::new(ACCEPT_ALL, OPEN))),
            Kind::RejectAll => Some(Box::new(PerUser::new(REJECT_ALL, SHUT))),
        }
    }

    /// The operator's bounds it acts within. Those of the two that decide nothing leave no choice, so that they hold
    /// from the first instant on.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        match self.kind {
            Kind::AcceptAll => only(OPEN),
            Kind::RejectAll => only(SHUT),
            _ => Bounds::default(),
        }
    }

    fn everyone() -> Vec<Self> {
        let bounds = [ORACLE, ACCEPT_ALL, REJECT_ALL].map(Self::bound);
        ControllerKind::ALL.iter().copied().map(Self::classical).chain(bounds).collect()
    }

    fn bound(name: &str) -> Self {
        let kind = match name {
            ORACLE => Kind::Oracle,
            ACCEPT_ALL => Kind::AcceptAll,
            _ => Kind::RejectAll,
        };
        Self { name: name.to_owned(), kind }
    }
}

/// Bounds that leave no choice.
fn only(policy: BucketPolicy) -> Bounds {
    let (size, refill) = (policy.bucket_size, policy.refill_rate);
    Bounds { bucket_size_min: size, bucket_size_max: size, refill_rate_min: refill, refill_rate_max: refill }
}

/// More than any user can send.
const OPEN: BucketPolicy = BucketPolicy { bucket_size: 1e6, refill_rate: 1e6 };
/// Never a whole token.
const SHUT: BucketPolicy = BucketPolicy { bucket_size: 0.0, refill_rate: 0.0 };

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str, policies: &[&str]) -> Result<Vec<String>, String> {
        let words: Vec<_> = words.split(',').map(str::to_owned).collect();
        let build: Build = Arc::new(|start_per_s| ControllerKind::Aimd.build(start_per_s, &[]));
        let policies = policies.iter().map(|name| ((*name).to_owned(), Arc::clone(&build))).collect();
        let contenders = Contender::parse(&words, policies).map_err(|error| error.to_string())?;
        Ok(contenders.into_iter().map(|contender| contender.name).collect())
    }

    #[test]
    fn all_means_the_whole_catalogue_and_the_bounds() {
        let all = parse("all", &[]).unwrap();
        assert_eq!(all.len(), ControllerKind::ALL.len() + 3);
        assert_eq!(all[all.len() - 3..], ["oracle", "accept-all", "reject-all"]);
        assert_eq!(parse("all", &["learned"]).unwrap().last().unwrap(), "learned");
    }

    #[test]
    fn words_keep_their_order_and_learned_stands_for_every_policy() {
        assert_eq!(parse("little-guard, aimd", &[]).unwrap(), ["little-guard", "aimd"]);
        let policies = ["learned:a", "learned:b"];
        assert_eq!(parse("learned,aimd", &policies).unwrap(), ["learned:a", "learned:b", "aimd"]);
        assert_eq!(parse("", &policies).unwrap(), policies);
    }

    #[test]
    fn a_word_that_cannot_be_used_is_told_with_what_would_do() {
        let unknown = parse("little-gard", &[]).unwrap_err();
        assert!(unknown.starts_with("--controllers: no controller is called \"little-gard\""), "{unknown}");
        assert!(unknown.contains("little-guard") && unknown.contains("oracle"), "{unknown}");
        assert!(parse("learned", &[]).unwrap_err().contains("--policy FILE"));
        assert_eq!(parse("all,aimd", &[]).unwrap_err(), "--controllers: aimd is named twice");
        assert!(parse(" , ", &[]).unwrap_err().contains("names nobody"));
    }
}
