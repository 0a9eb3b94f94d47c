//! OpenClaw, the binary.
mod config;

fn main() {}
