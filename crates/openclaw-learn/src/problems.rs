//! Small, well-known control problems, on which a learner shows that it learns.

mod cart_pole;
mod double_integrator;
mod pendulum;
mod valves;

pub use cart_pole::CartPole;
pub use double_integrator::DoubleIntegrator;
pub use pendulum::Pendulum;
pub use valves::Valves;
