//! Event-driven simulation of a rating service: the production buckets, guard, signals and water-filling before a
//! modelled service, under simulated time.
//!
//! A [`Simulation`] plays one scenario under one controller, decision by decision for learners or at a stretch for
//! evaluation, and ends in a [`Run`]. [`oracle`] plays the same world knowing demand and capacity at every instant,
//! and [`score`] divides the one by the other. The same seed gives the same bytes.
//!
//! What is modelled: demand, retries, impatience, workers and dependencies, and the way of reports. What is not: the
//! network and the processor time of the service itself, which [`SimSettings`] has nothing on; a service that leads
//! itself while its edge is away; and deliveries that wait for each other: reports leave every tick, whatever
//! their delay.

mod clients;
mod demand;
mod door;
mod engine;
mod histogram;
mod lateness;
mod local_guard;
mod messages;
mod oracle;
mod present;
mod reports;
mod requests;
mod run;
mod scores;
mod seconds;
mod service;
mod settings;
mod simulation;
mod stages;
mod tally;
mod tick;
mod world;

pub use oracle::oracle;
pub use run::{Figures, Run, TimelinePoint};
pub use scores::{Scores, score, share_of_oracle};
pub use settings::SimSettings;
pub use simulation::Simulation;
pub use tick::TickOutcome;
pub use world::World;
