//! The words OpenClaw's parts exchange, and nothing else: no sockets, no clocks, no threads.

mod problem;

pub use problem::{PROBLEM_JSON, Problem, ProblemKind};
