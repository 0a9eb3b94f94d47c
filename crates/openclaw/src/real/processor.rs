//! Processor time from `/proc`, of the whole machine and of single processes. Elsewhere there is none, and the report
//! says so.

use std::fs;

use openclaw_lab::real::Machine;

/// Clock ticks per second in `/proc/*/stat`; the kernel scales to this for user space whatever its own tick is.
const TICKS_PER_S: f64 = 100.0;

/// The machine's processor time since its start, in ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ticks {
    used: f64,
    all: f64,
}

impl Ticks {
    /// As of now.
    pub(super) fn now() -> Option<Self> {
        parse_machine(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// Fraction of the time since `before` that was used by anybody.
    pub(super) fn used_since(self, before: Self) -> Option<f64> {
        let all = self.all - before.all;
        (all > 0.0).then(|| ((self.used - before.used) / all).clamp(0.0, 1.0))
    }
}

/// Processor time of a process since its start, in seconds.
pub(super) fn process_s(id: u32) -> Option<f64> {
    parse_process(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// What the courses are played on.
pub(super) fn machine() -> Machine {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    Machine {
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        model: model.map(|(_, name)| name.trim().to_owned()),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
    }
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal. Guests are part of user, and
/// time stolen by the host is time that nobody here had, so it counts as used.
fn parse_machine(stat: &str) -> Option<Ticks> {
    let words = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let ticks = words.take(8).map(str::parse).collect::<Result<Vec<f64>, _>>().ok()?;
    let (idle, waiting) = (ticks.get(3)?, ticks.get(4)?);
    let all: f64 = ticks.iter().sum();
    Some(Ticks { used: all - idle - waiting, all })
}

/// User and system time. The second field, the command's name in parentheses, may hold spaces and parentheses itself.
fn parse_process(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_s_time_is_what_was_neither_idle_nor_waiting_for_a_disk() {
        let before = parse_machine("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 1 1 1\n").unwrap();
        let after = parse_machine("cpu  150 0 70 820 55 0 5 0 0 0\n").unwrap();
        assert_eq!(after.used_since(before), Some(0.75));
        assert_eq!(before.used_since(before), None, "no time has passed");
        assert_eq!(parse_machine("intr 1 2 3"), None);
        assert_eq!(parse_machine("cpu  1 2 x 4 5"), None);
    }

    #[test]
    fn a_command_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a b) c)) S 1 42 42 0 -1 4194560 100 0 0 0 70 50 0 0 20 0 3 0 12345 1 2";
        assert_eq!(parse_process(stat), Some(1.2));
        assert_eq!(parse_process(""), None);
    }
}
