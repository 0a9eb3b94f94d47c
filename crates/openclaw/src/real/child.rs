//! A process of this same binary: started, found by the lines that it prints, ended by its id.
//!
//! Children stay in this process's group, so that Ctrl-C reaches them too; whatever else happens, dropping one ends it.
//! It is killed, not asked: what it stored lies in a folder that goes with it.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child as Process, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::mpsc;

/// How long a process may take until it listens; only a machine that is busy with something else comes near it.
const LISTENS_WITHIN: Duration = Duration::from_secs(30);
/// Lines of complaint that are kept, the last ones.
const COMPLAINTS_MAX: usize = 20;

/// A running process; killed when dropped.
pub(super) struct Child {
    name: &'static str,
    process: Process,
    urls: BTreeMap<String, String>,
    complaints: Complaints,
}

type Complaints = Arc<Mutex<VecDeque<String>>>;

impl Child {
    /// Starts this binary with `arguments` in `folder` and waits until it has printed its listener `last`.
    ///
    /// # Errors
    /// It cannot be started, ends, or does not listen in time; then with what it complained of.
    pub(super) async fn start<S: AsRef<OsStr>>(
        name: &'static str,
        arguments: impl IntoIterator<Item = S>,
        last: &str,
        folder: &Path,
    ) -> Result<Self> {
        let binary = std::env::current_exe().context("this program's own file cannot be found")?;
        let mut command = Command::new(binary);
        command.args(arguments).current_dir(folder).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        for (variable, _) in std::env::vars_os().filter(|(variable, _)| is_setting(variable)) {
            command.env_remove(variable);
        }
        let mut process = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        let lines = lines(process.stdout.take());
        let complaints = complaints(process.stderr.take());
        let mut child = Self { name, process, urls: BTreeMap::new(), complaints };
        match tokio::time::timeout(LISTENS_WITHIN, child.listen(lines, last)).await {
            Ok(true) => Ok(child),
            Ok(false) => bail!("{name} ended before listening{}", child.complaint()),
            Err(_) => {
                bail!("{name} did not listen within {} s{}", LISTENS_WITHIN.as_secs(), child.complaint())
            }
        }
    }

    /// Notes listeners until `last`; whether it came.
    async fn listen(&mut self, mut lines: mpsc::UnboundedReceiver<String>, last: &str) -> bool {
        while let Some(line) = lines.recv().await {
            let mut words = line.split_whitespace();
            let (Some(listener), Some(url)) = (words.next(), words.next()) else { continue };
            if url.starts_with("http://") {
                self.urls.insert(listener.to_owned(), url.to_owned());
                if listener == last {
                    return true;
                }
            }
        }
        false
    }

    /// The URL of a listener that it printed.
    ///
    /// # Errors
    /// It printed none of that name.
    pub(super) fn url(&self, listener: &str) -> Result<&str> {
        let url = self.urls.get(listener).map(String::as_str);
        url.with_context(|| format!("{} did not say where its listener {listener:?} is", self.name))
    }

    /// The process's id.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// # Errors
    /// It has ended; with what it complained of.
    pub(super) fn check_alive(&mut self) -> Result<()> {
        match self.process.try_wait().with_context(|| format!("{} is lost", self.name))? {
            None => Ok(()),
            Some(status) => {
                bail!("{} ended in the middle of the course ({status}){}", self.name, self.complaint())
            }
        }
    }

    /// What it wrote to standard error last, ready to follow a message.
    fn complaint(&self) -> String {
        let lines = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            return String::new();
        }
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        format!(": {}", lines.join("\n"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail where it has ended already, which is what they are for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Settings of whoever runs this must not reach what is compared.
fn is_setting(variable: &OsStr) -> bool {
    variable == "EVENT_ENDPOINT" || variable.to_str().is_some_and(|name| name.starts_with("OPENCLAW_"))
}

/// Its output line by line; read to its end whether anybody listens or not, because a full pipe would stop the process.
fn lines(output: Option<impl Read + Send + 'static>) -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let lines = output.into_iter().flat_map(|output| BufReader::new(output).lines());
        lines.map_while(Result::ok).for_each(|line| {
            let _ = sender.send(line);
        });
    });
    receiver
}

fn complaints(errors: Option<impl Read + Send + 'static>) -> Complaints {
    let complaints = Complaints::default();
    let kept = Arc::clone(&complaints);
    std::thread::spawn(move || {
        let lines = errors.into_iter().flat_map(|errors| BufReader::new(errors).lines());
        for line in lines.map_while(Result::ok) {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == COMPLAINTS_MAX {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    });
    complaints
}
