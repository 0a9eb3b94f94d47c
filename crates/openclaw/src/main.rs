//! OpenClaw, the binary.
fn main() {}
