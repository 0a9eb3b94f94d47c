//! Signals, in a process of their own: this test program started again, as a service that only waits.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, its helpers too")]

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use openclaw_admin::shutdown::Shutdown;

const CHILD: &str = "waits_for_signals";
const STARTED_BY_TEST: &str = "STARTED_BY_TEST";

/// The child: says where it is on its way out, and after an abort never ends by itself.
#[test]
#[ignore = "the process that the tests beside it start"]
fn waits_for_signals() {
    // Run with all ignored tests it would wait for ever.
    if std::env::var_os(STARTED_BY_TEST).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let shutdown = Shutdown::on_signals().unwrap();
        say("running");
        shutdown.stopping().await;
        say("stopping");
        shutdown.aborting().await;
        say("aborting");
        std::future::pending::<()>().await;
    });
}

fn say(word: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "child:{word}").unwrap();
    out.flush().unwrap();
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", CHILD, "--ignored", "--nocapture", "--test-threads=1"])
            .env(STARTED_BY_TEST, "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines };
        assert_eq!(process.next_word(), "running");
        process
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(status.success());
    }

    /// What the child says next, past what the test program prints itself.
    fn next_word(&mut self) -> String {
        let mut lines = self.lines.by_ref().map(Result::unwrap);
        lines
            .find_map(|line| line.split_once("child:").map(|(_, word)| word.to_owned()))
            .expect("the child ended")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_first_signal_stops_a_second_aborts_and_the_process_ends_with_its_number() {
    for (name, exit_code) in [("INT", 130), ("TERM", 143)] {
        let mut process = Process::start();
        process.signal(name);
        assert_eq!(process.next_word(), "stopping");
        assert!(process.child.try_wait().unwrap().is_none(), "a first signal must not end the process");
        process.signal(name);
        assert_eq!(process.next_word(), "aborting");
        assert_eq!(process.child.wait().unwrap().code(), Some(exit_code), "after {name}");
    }
}
