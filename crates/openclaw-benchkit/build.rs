//! Records which compiler built the benchmark: the one fact about a measurement that a running program cannot
//! look up. Asking `rustc --version` at run time lost: it names the compiler on the path, not the one used.

use std::process::Command;

fn main() {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler)
        .arg("--version")
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned());
    println!("cargo::rustc-env=BENCHKIT_RUSTC={version}");
    println!("cargo::rerun-if-changed=build.rs");
}
