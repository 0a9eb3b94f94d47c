//! OpenClaw development tasks.
fn main() {}
