//! The controllers from papers and products that OpenClaw is compared with, each by its published rule.
//!
//! A comparison is worth what its weakest part is worth, so no rule here is a strawman. All of them act through the
//! same two quantities, a total admitted rate R and a guard time W, hence through the same water-filling, the same
//! buckets and the same in-flight guard as little-guard and the learned policies; all of them scale with the SLO; none
//! can lock a service out, as R has a floor ([`Total`]); and every number in them is a [`Parameter`] with a published
//! value as its default, where there is one, so that one tuner gives all of them the same chance.
//!
//! Where the original limits concurrency L, R is L / latency by Little's law ([`Limit`]). Every rule runs with token
//! buckets alone or with the in-flight guard as well, by [`Handout::guard`].

mod aimd;
mod aperture;
mod bouncer;
mod breakwater;
mod dagor;
mod envoy_gradient;
mod fixed;
mod gradient2;
mod handout;
mod limit;
mod pace;
mod parameter;
mod pid;
mod seda;
mod sla_gradient;
mod static_total;
mod tame;
mod topfull;
mod total;
mod vegas;

pub use aimd::{Aimd, AimdSettings};
pub use aperture::{Aperture, ApertureSettings};
pub use bouncer::{Bouncer, BouncerSettings};
pub use breakwater::{Breakwater, BreakwaterSettings};
pub use dagor::{Dagor, DagorSettings};
pub use envoy_gradient::{EnvoyGradient, EnvoyGradientSettings};
pub use fixed::{Fixed, FixedSettings};
pub use gradient2::{Gradient2, Gradient2Settings};
pub use handout::Handout;
pub use parameter::Parameter;
pub use pid::{Pid, PidSettings};
pub use seda::{Seda, SedaSettings};
pub use sla_gradient::{SlaGradient, SlaGradientSettings};
pub use static_total::{StaticTotal, StaticTotalSettings};
pub use topfull::{TopFullMimd, TopFullMimdSettings, TopFullStep, TopFullStepSettings};
pub use vegas::{Vegas, VegasSettings};

use limit::Limit;
use pace::Pace;
pub(crate) use parameter::Values;
use parameter::settings;
use tame::tame;
use total::Total;

#[cfg(test)]
mod tests;
