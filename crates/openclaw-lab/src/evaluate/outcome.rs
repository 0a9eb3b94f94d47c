//! What one controller got on one course: a row of the results.

use serde::Serialize;

use super::figures::Figures;

/// What a controller is compared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A learned policy.
    Learned,
    /// A rule from a paper or a product; the best of these is the rival.
    Classical,
    /// A bound: the oracle above, accepting or rejecting everything below. Never the rival.
    Bound,
}

/// One row of the results.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Which controller.
    pub controller: String,
    /// What it is there for.
    #[serde(skip)]
    pub role: Role,
    /// Which scenario.
    pub scenario: String,
    /// The scenario's file or family.
    pub family: String,
    /// Added to the scenario's own seed.
    pub seed: u64,
    /// The scores.
    #[serde(flatten)]
    pub figures: Figures,
    /// The same in absolute terms.
    #[serde(flatten)]
    pub volumes: Volumes,
    /// Median time of one decision, in microseconds of the machine's clock; the only figure that another run does not
    /// repeat, and therefore only there where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_us: Option<f64>,
}

/// Absolute figures of the whole course, the first seconds included that the scores leave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Volumes {
    /// Attempts, retries included.
    pub offered_per_s: f64,
    /// Admitted.
    pub accepted_per_s: f64,
    /// Completed within the SLO.
    pub good_per_s: f64,
    /// Completed within the SLO by the oracle.
    pub oracle_good_per_s: f64,
    /// Given up by clients or refused by a full queue.
    pub failed_per_s: f64,
    /// Fraction of the attempts that were refused.
    pub throttled_fraction: f64,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A middling row of the family `family`.
    pub(crate) fn outcome(controller: &str, role: Role, scenario: &str, seed: u64) -> Outcome {
        Outcome {
            controller: controller.to_owned(),
            role,
            scenario: scenario.to_owned(),
            family: "family".to_owned(),
            seed,
            figures: Figures { g: 0.9, j: 0.8, jf: 0.7, jain: 0.9, ..Figures::default() },
            volumes: Volumes::default(),
            decision_us: None,
        }
    }

    #[test]
    fn a_row_has_the_promised_names() {
        let row = serde_json::to_value(outcome("aimd", Role::Classical, "steady", 2)).unwrap();
        for name in [
            "controller",
            "scenario",
            "seed",
            "G",
            "J",
            "JF",
            "windowsOverSlo",
            "p95Ms",
            "wellBehavedThrottled",
            "recoveryS",
            "oscillation",
        ] {
            assert!(row.get(name).is_some(), "{name} is missing in {row}");
        }
        assert_eq!(row["seed"], 2);
        assert!(row.get("decisionUs").is_none());
    }
}
