//! The Prometheus text format, version 0.0.4: the few rules that this crate writes by itself.

use std::fmt::Write;

/// Writes the `# HELP` and `# TYPE` lines of a family.
pub(super) fn write_head(text: &mut String, name: &str, kind: &str, help: &str) {
    let help = help.replace('\\', r"\\").replace('\n', r"\n");
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Writes one sample, with at most one label.
pub(super) fn write_sample(text: &mut String, name: &str, label: Option<(&str, &str)>, value: f64) {
    text.push_str(name);
    if let Some((key, label_value)) = label {
        let _ = write!(text, "{{{key}=\"{}\"}}", EscapedLabel(label_value));
    }
    // Rust writes infinities as `inf`, which Prometheus reads as well as `+Inf`; the format names the latter.
    let _ = match value {
        value if value == f64::INFINITY => writeln!(text, " +Inf"),
        value if value == f64::NEG_INFINITY => writeln!(text, " -Inf"),
        value => writeln!(text, " {value}"),
    };
}

/// A label value as the format demands it: backslash, quote and line feed escaped, all else verbatim.
struct EscapedLabel<'a>(&'a str);

impl std::fmt::Display for EscapedLabel<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => formatter.write_str(r"\\"),
            '"' => formatter.write_str("\\\""),
            '\n' => formatter.write_str(r"\n"),
            other => formatter.write_char(other),
        })
    }
}
