//! The process's own figures under the names that Prometheus clients agree on, read from `/proc` at each
//! scrape. On systems without `/proc` there are none.

use std::fs;

use super::text;

/// Clock ticks per second in `/proc/*/stat`. The kernel scales to this value for user space on every
/// architecture that Rust's standard library supports, whatever its own tick is (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

struct Figure {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: fn(&Snapshot) -> Option<f64>,
}

const FIGURES: [Figure; 6] = [
    Figure {
        name: "process_cpu_seconds_total",
        kind: "counter",
        help: "Processor time used by the process, user and system, in seconds.",
        value: |snapshot| snapshot.cpu_seconds,
    },
    Figure {
        name: "process_resident_memory_bytes",
        kind: "gauge",
        help: "Resident memory of the process, in bytes.",
        value: |snapshot| snapshot.resident_bytes,
    },
    Figure {
        name: "process_virtual_memory_bytes",
        kind: "gauge",
        help: "Virtual memory of the process, in bytes.",
        value: |snapshot| snapshot.virtual_bytes,
    },
    Figure {
        name: "process_open_fds",
        kind: "gauge",
        help: "File descriptors open in the process.",
        value: |snapshot| snapshot.open_fds,
    },
    Figure {
        name: "process_max_fds",
        kind: "gauge",
        help: "File descriptors that the process may have open.",
        value: |snapshot| snapshot.max_fds,
    },
    Figure {
        name: "process_start_time_seconds",
        kind: "gauge",
        help: "When the process started, in seconds since the epoch.",
        value: |snapshot| snapshot.start_seconds,
    },
];

/// Appends the figures that can be had.
pub(super) fn render(out: &mut String) {
    let snapshot = Snapshot::take();
    for figure in &FIGURES {
        if let Some(value) = (figure.value)(&snapshot) {
            text::write_head(out, figure.name, figure.kind, figure.help);
            text::write_sample(out, figure.name, None, value);
            out.push('\n');
        }
    }
}

/// Describes the figures for the reference of metrics.
pub(super) fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge};
    for Figure { name, kind, help, .. } in FIGURES {
        let unit = match name {
            name if name.contains("seconds") => Unit::Seconds,
            name if name.ends_with("bytes") => Unit::Bytes,
            _ => Unit::Count,
        };
        match kind {
            "counter" => describe_counter!(name, unit, help),
            _ => describe_gauge!(name, unit, help),
        }
    }
}

#[derive(Default)]
struct Snapshot {
    cpu_seconds: Option<f64>,
    resident_bytes: Option<f64>,
    virtual_bytes: Option<f64>,
    open_fds: Option<f64>,
    max_fds: Option<f64>,
    start_seconds: Option<f64>,
}

impl Snapshot {
    fn take() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
        Self {
            cpu_seconds: Some(ticks(&stat, 14).zip(ticks(&stat, 15)))
                .flatten()
                .map(|(user, system)| (user + system) / TICKS_PER_SECOND),
            resident_bytes: kibibytes(&status, "VmRSS:"),
            virtual_bytes: kibibytes(&status, "VmSize:"),
            #[expect(clippy::cast_precision_loss, reason = "a count of files is far below 2^52")]
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as f64),
            max_fds: word_after(&limits, "Max open files").and_then(|limit| limit.parse().ok()),
            start_seconds: word_after(&boot, "btime")
                .and_then(|seconds| seconds.parse::<f64>().ok())
                .zip(ticks(&stat, 22))
                .map(|(boot_seconds, ticks)| boot_seconds + ticks / TICKS_PER_SECOND),
        }
    }
}

/// Field `number` of `/proc/self/stat`, counted from 1 as proc(5) does. The second field, the command's name
/// in parentheses, may hold spaces and parentheses itself.
fn ticks(stat: &str, number: usize) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(number - 3)?.parse().ok()
}

fn kibibytes(status: &str, label: &str) -> Option<f64> {
    word_after(status, label)?.parse::<f64>().ok().map(|kibibytes| kibibytes * 1024.0)
}

/// The word that follows `label` at the start of a line.
fn word_after<'t>(text: &'t str, label: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(label))?.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::{kibibytes, ticks, word_after};

    #[test]
    fn a_command_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a b) c)) S 1 42 42 0 -1 4194560 100 0 0 0 7 5 0 0 20 0 3 0 12345 1 2";
        assert_eq!(ticks(stat, 14), Some(7.0));
        assert_eq!(ticks(stat, 15), Some(5.0));
        assert_eq!(ticks(stat, 22), Some(12345.0));
        assert_eq!(ticks("", 14), None);
    }

    #[test]
    fn sizes_are_in_bytes_and_an_unlimited_limit_is_left_out() {
        assert_eq!(kibibytes("Name:\tx\nVmRSS:\t    2048 kB\n", "VmRSS:"), Some(2_097_152.0));
        let limits = "Max cpu time              unlimited            unlimited            seconds\n\
                      Max open files            1024                 4096                 files\n";
        assert_eq!(word_after(limits, "Max open files"), Some("1024"));
        assert_eq!(word_after(limits, "Max cpu time").and_then(|word| word.parse::<f64>().ok()), None);
    }
}
