//! The two ways to speak to whoever started the process: results on standard output, complaints on standard
//! error. A reader that went away (`openclaw status | head`) is not an error.

use std::io::Write;

/// Writes a line of results.
pub(crate) fn say(line: &str) {
    // Nobody is left to tell that nobody listens.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Writes a line of complaint.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "openclaw: {line}");
}

/// Writes a line of progress, which is no result.
pub(crate) fn report(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A latency in ms, or a dash where nothing was admitted.
pub(crate) fn show_ms(ms: Option<f64>) -> String {
    ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0} ms"))
}

/// So many of a thing.
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
