//! Where a measurement was taken: without it a figure cannot be compared with another.

use serde::Serialize;
use std::fs;
use std::thread;

/// The machine and the build behind a report. What cannot be found out reads `unknown`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Logical processors this process may use.
    pub cores: usize,
    /// The processor's name as its maker prints it.
    pub cpu_model: String,
    /// The operating system and its kernel's release.
    pub kernel: String,
    /// The compiler that built the benchmark.
    pub rustc: String,
}

impl Machine {
    /// Describes the machine this process runs on.
    pub fn here() -> Self {
        let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            cpu_model: cpu_model(&cpu_info).unwrap_or_else(|| "unknown".to_owned()),
            kernel: kernel(std::env::consts::OS, &release),
            rustc: env!("BENCHKIT_RUSTC").to_owned(),
        }
    }
}

/// The first processor's name in the text of `/proc/cpuinfo`. ARM kernels print none there.
fn cpu_model(cpu_info: &str) -> Option<String> {
    let line = cpu_info.lines().find(|line| line.starts_with("model name"))?;
    let (_, name) = line.split_once(':')?;
    Some(name.trim().to_owned())
}

fn kernel(system: &str, release: &str) -> String {
    match release.trim() {
        "" => format!("{system} unknown"),
        release => format!("{system} {release}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_as_its_maker_prints_it() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nprocessor\t: 1\nmodel name\t: Other\n";
        assert_eq!(cpu_model(text).as_deref(), Some("Some CPU @ 2.00GHz"));
        assert_eq!(cpu_model("processor : 0\nBogoMIPS : 50\n"), None);
    }

    #[test]
    fn a_missing_kernel_release_is_said() {
        assert_eq!(kernel("linux", "6.1.0\n"), "linux 6.1.0");
        assert_eq!(kernel("macos", ""), "macos unknown");
    }

    #[test]
    fn this_machine_has_a_core_and_a_known_compiler() {
        let here = Machine::here();
        assert!(here.cores >= 1);
        assert!(here.rustc.starts_with("rustc "), "{}", here.rustc);
    }
}
