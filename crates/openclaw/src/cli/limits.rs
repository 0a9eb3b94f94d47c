//! The flags of `openclaw limits`.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{TrustArgs, parse_duration};

#[derive(Debug, Subcommand)]
pub(crate) enum LimitsCommand {
    /// Overrides one user's limits, in place of an override before
    #[command(after_help = "\
Examples:
  openclaw limits set ann --pin 20:5                   a bucket of 20, 5 ratings a second, whatever is learned
  openclaw limits set ann --pin 20:5 --for 1h          the same, for an hour
  openclaw limits set ann --max :50                    what is learned, but at most 50 ratings a second
  openclaw limits set ann --min 10:2 --max 100:50      between the two
  openclaw limits set ann --tier gold                  what edge.tiers says of gold
  openclaw limits set ann --priority 4                 four times the common level when not all can have enough")]
    Set(SetLimitsArgs),
    /// Shows one user's override
    #[command(after_help = "Example: openclaw limits show ann --json")]
    Show {
        /// The user
        user: String,
        #[command(flatten)]
        edge: EdgeApiArgs,
    },
    /// Lists every override
    #[command(after_help = "Example: openclaw limits list --url http://127.0.0.1:8081")]
    List {
        #[command(flatten)]
        edge: EdgeApiArgs,
    },
    /// Ends one user's override: what is learned holds again
    #[command(after_help = "Example: openclaw limits delete ann")]
    Delete {
        /// The user
        user: String,
        #[command(flatten)]
        edge: EdgeApiArgs,
    },
}

/// Which edge, and as whom.
#[derive(Args, Debug)]
pub(crate) struct EdgeApiArgs {
    /// The edge service
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    pub(crate) url: String,
    /// Bearer token of an admin; to look, a reader's will do
    #[arg(long, value_name = "TOKEN", env = "OPENCLAW_LIMITS_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// Prints the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[group(id = "override", multiple = true)]
pub(crate) struct SetLimitsArgs {
    /// The user
    pub(crate) user: String,
    /// Exactly this bucket: its size and ratings per second
    #[arg(long, value_name = "SIZE:RATE", conflicts_with_all = ["min", "max", "tier", "priority"],
          required_unless_present_any = ["min", "max", "tier", "priority"])]
    pub(crate) pin: Option<Pair>,
    /// At least this much; either number may be left out
    #[arg(long, value_name = "SIZE:RATE")]
    pub(crate) min: Option<Pair>,
    /// At most this much; either number may be left out
    #[arg(long, value_name = "SIZE:RATE")]
    pub(crate) max: Option<Pair>,
    /// A tier of edge.tiers
    #[arg(long, value_name = "TIER")]
    pub(crate) tier: Option<String>,
    /// Weight in the water level, 0.01 to 100; wins over the tier's
    #[arg(long, value_name = "WEIGHT")]
    pub(crate) priority: Option<f64>,
    /// For how long; without it until it is deleted
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) lasts: Option<Duration>,
    #[command(flatten)]
    pub(crate) edge: EdgeApiArgs,
}

/// A bucket's size and refill rate, of which one may be missing: `20:5`, `20:` or `:5`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pair {
    pub(crate) bucket_size: Option<f64>,
    pub(crate) refill_rate: Option<f64>,
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (size, rate) = text
            .split_once(':')
            .ok_or("write a bucket size and ratings per second with a colon between, such as 20:5")?;
        let number = |text: &str| match text.trim() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| format!("{text:?} is no number")),
        };
        match (number(size)?, number(rate)?) {
            (None, None) => {
                Err("at least one of the two numbers must be there, such as 20:5, 20: or :5".to_owned())
            }
            (bucket_size, refill_rate) => Ok(Self { bucket_size, refill_rate }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_two_numbers_of_which_one_may_be_left_out() {
        let pair = |bucket_size, refill_rate| Ok(Pair { bucket_size, refill_rate });
        assert_eq!("20:5".parse(), pair(Some(20.0), Some(5.0)));
        assert_eq!("20:".parse(), pair(Some(20.0), None));
        assert_eq!(": .5".parse(), pair(None, Some(0.5)));
        for text in ["", ":", "20", "20;5", "many:5"] {
            assert!(text.parse::<Pair>().is_err(), "{text}");
        }
    }
}
