//! The binary as an operator runs it: started with arguments, found by the lines that it prints, ended by its
//! process id.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;

use super::{PATIENCE, wait_for};

/// Free ports for the listeners of `rating`, `edge` and `up`.
pub(crate) const FREE_PORTS: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

/// A running process of the binary; killed when dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    urls: BTreeMap<String, String>,
    /// What it printed before it listened, beside its listeners.
    pub(crate) said: Vec<String>,
    lines: Receiver<String>,
    complaints: Option<JoinHandle<String>>,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Standard output, as far as nobody read it before.
    pub(crate) output: String,
    /// Standard error: complaints and the log.
    pub(crate) complaint: String,
}

impl Ended {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// The binary with these arguments, in an environment without settings of its own: those of whoever runs the
/// tests must not reach it.
pub(crate) fn command<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openclaw"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let is_setting = |name: &OsStr| {
        name == "EVENT_ENDPOINT" || name.to_str().is_some_and(|name| name.starts_with("OPENCLAW_"))
    };
    std::env::vars_os().filter(|(name, _)| is_setting(name)).for_each(|(name, _)| {
        command.env_remove(name);
    });
    command
}

/// Runs a command to its end.
///
/// # Panics
/// Where it has not ended when patience has.
pub(crate) fn run(command: Command) -> Ended {
    spawn(command).wait("the command's end")
}

/// Starts a command, and does not wait for what it says.
pub(crate) fn spawn(mut command: Command) -> Program {
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    let output = child.stdout.take().map(BufReader::new);
    let mut errors = child.stderr.take();
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        // Ends with the process, or when nobody is interested any more.
        let lines = output.into_iter().flat_map(BufRead::lines).map_while(Result::ok);
        lines.map(|line| sender.send(line)).take_while(Result::is_ok).for_each(drop);
    });
    let complaints = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(errors) = &mut errors {
            let _ = errors.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    });
    Program { child, urls: BTreeMap::new(), said: Vec::new(), lines, complaints: Some(complaints) }
}

/// Starts a service and waits until it listens.
///
/// # Errors
/// How it ended, where it ended instead.
pub(crate) fn try_start(command: Command) -> Result<Program, Ended> {
    let mut program = spawn(command);
    loop {
        match program.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                let mut words = line.split_whitespace();
                let (Some(name), Some(url)) = (words.next(), words.next()) else { continue };
                if !url.starts_with("http://") && !url.starts_with("https://") {
                    program.said.push(line);
                    continue;
                }
                program.urls.insert(name.to_owned(), url.to_owned());
                // Services print their admin listener last; a backend has none.
                if name == "admin" || name == "backend" {
                    return Ok(program);
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return Err(program.wait("its end")),
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("it did not listen within {PATIENCE:?}"),
        }
    }
}

/// Starts a service that must be able to.
///
/// # Panics
/// Where it ends instead of listening; then with what it complained of.
pub(crate) fn start(command: Command) -> Program {
    let shown = format!("{command:?}");
    try_start(command).unwrap_or_else(|ended| panic!("{shown} ended ({}): {}", ended.status, ended.complaint))
}

impl Program {
    /// The URL of a listener: `rating`, `edge`, `admin` or `backend`.
    pub(crate) fn url(&self, listener: &str) -> &str {
        self.urls.get(listener).unwrap_or_else(|| panic!("there is no listener {listener:?}"))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// # Panics
    /// Where the process has ended.
    pub(crate) fn assert_alive(&mut self) {
        let ended = self.child.try_wait().expect("the process is this one's child");
        assert_eq!(ended, None, "the process ended");
    }

    /// Ends it as a power cut would, without a chance to finish anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the process is this one's child");
        self.child.wait().expect("the process is this one's child");
    }

    /// Asks it to end, as an orchestrator does.
    #[cfg(unix)]
    pub(crate) fn tell_to_end(&self) {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(told.expect("kill is a command of every Unix").success(), "the process was gone already");
    }

    /// Asks it to end, and waits until it has.
    #[cfg(unix)]
    pub(crate) fn terminate(self) -> Ended {
        self.tell_to_end();
        self.wait("its end after SIGTERM")
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    /// Where it has not ended when patience has; `what` says what was waited for.
    pub(crate) fn wait(mut self, what: &str) -> Ended {
        let status = wait_for(what, || self.child.try_wait().expect("the process is this one's child"));
        let output: Vec<_> = self.lines.iter().collect();
        let complaint = self.complaints.take().map(JoinHandle::join);
        Ended {
            status,
            output: output.join("\n"),
            complaint: complaint.map(|text| text.expect("reading does not panic")).unwrap_or_default(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail where it has ended already, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
