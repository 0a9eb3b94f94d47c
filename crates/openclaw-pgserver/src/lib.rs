//! A real PostgreSQL of a test's own: on a free loopback port, in a temporary folder, stopped with its last user.
//!
//! The programs come from the folder that `OPENCLAW_POSTGRES_BIN` names; `cargo xtask` installs them and sets it. The
//! server refuses to run as root. Where the tests do, it runs as the user `nobody`, who is given its folder. A server
//! in a container lost: tests need no daemon this way, and can kill it like any process.

#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Names the folder with `initdb`, `postgres`, `psql` and `pg_ctl`.
pub const PROGRAMS: &str = "OPENCLAW_POSTGRES_BIN";

/// User and group of `nobody` on every Linux.
const NOBODY: u32 = 65_534;

/// How long a server may take to begin, on a machine that is busy with other tests.
const START_TIMEOUT: Duration = Duration::from_secs(60);

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// A running server.
#[derive(Debug)]
pub struct Server {
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    process: Mutex<Option<Child>>,
    databases: AtomicU32,
}

impl Server {
    /// The server that the tests of this program share, for as long as any of them holds it.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn shared() -> io::Result<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    /// Makes a server and starts it.
    ///
    /// # Errors
    /// A sentence: the programs are not where [`PROGRAMS`] says, or one of them failed.
    pub fn start() -> io::Result<Self> {
        let programs = std::env::var_os(PROGRAMS).map(PathBuf::from).ok_or_else(|| {
            io::Error::other(format!(
                "{PROGRAMS} names no PostgreSQL; `cargo xtask test --only postgres` does"
            ))
        })?;
        let folder = tempfile::Builder::new().prefix("openclaw-postgres-").tempdir()?;
        if owner(folder.path())? == 0 {
            chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server = Self { programs, folder, port, process: Mutex::new(None), databases: AtomicU32::new(0) };
        let mut initdb = server.program("initdb")?;
        initdb.args(["--auth=trust", "--username=openclaw", "--encoding=UTF8", "--no-locale", "--no-sync"]);
        succeed(initdb.arg("-D").arg(server.data()))?;
        server.run()?;
        Ok(server)
    }

    /// Starts it again after [`kill`](Self::kill). Returns once it takes connections.
    ///
    /// # Errors
    /// It did not come up within a minute.
    pub fn run(&self) -> io::Result<()> {
        let began = Instant::now();
        loop {
            let log = File::options().create(true).append(true).open(self.log())?;
            let mut postgres = self.program("postgres")?;
            postgres.arg("-D").arg(self.data()).arg("-p").arg(self.port.to_string());
            postgres.args(["-h", "127.0.0.1", "-c", "max_connections=100", "-k"]).arg(self.socket_folder());
            let mut child = postgres.stderr(log).stdout(Stdio::null()).spawn()?;
            if self.is_up(&mut child, began)? {
                *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
                return Ok(());
            }
            // The processes of a server just killed hold its memory for a moment.
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for it to come up; false where it ended by itself.
    fn is_up(&self, child: &mut Child, began: Instant) -> io::Result<bool> {
        loop {
            if began.elapsed() > START_TIMEOUT {
                let said = fs::read_to_string(self.log()).unwrap_or_default();
                return Err(io::Error::other(format!("the server did not start: {said}")));
            }
            if child.try_wait()?.is_some() {
                return Ok(false);
            }
            // Written by the server itself: its process, and in the last line `ready` once it takes connections.
            let state = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            let of_this_one = state.lines().next() == Some(child.id().to_string().as_str());
            if of_this_one && state.lines().last().is_some_and(|line| line.trim() == "ready") {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it as a crash would: every process of it at once, nothing written out.
    ///
    /// # Errors
    /// It could not be killed.
    pub fn kill(&self) -> io::Result<()> {
        let running = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut child) = running else { return Ok(()) };
        let children = children_of(child.id());
        child.kill()?;
        child.wait()?;
        // Some may have ended by themselves.
        let _ = Command::new("kill").arg("-9").args(&children).stderr(Stdio::null()).status();
        while children.iter().any(|child| Path::new("/proc").join(child).exists()) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Makes a new, empty database. Returns its URL, with a password that the server does not ask for.
    ///
    /// # Errors
    /// As [`Server::execute`].
    pub fn new_database(&self) -> io::Result<String> {
        let name = format!("ratings_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(format!("postgres://openclaw:hunter2@127.0.0.1:{}/{name}", self.port))
    }

    /// Runs SQL in a database. Returns what it printed.
    ///
    /// # Errors
    /// What the server said about it.
    pub fn execute(&self, database: &str, sql: &str) -> io::Result<String> {
        let mut psql = self.client("psql", database)?;
        succeed(psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]).args([
            "--set",
            "ON_ERROR_STOP=1",
            "--command",
            sql,
        ]))
    }

    /// A client program that talks to a database through the local socket; the database is its last argument so far.
    ///
    /// # Errors
    /// The folder's owner cannot be read.
    pub fn client(&self, program: &str, database: &str) -> io::Result<Command> {
        let mut client = self.program(program)?;
        client.arg("-h").arg(self.socket_folder()).arg("-p").arg(self.port.to_string());
        client.env("PGDATABASE", database).env("PGUSER", "openclaw");
        Ok(client)
    }

    fn program(&self, name: &str) -> io::Result<Command> {
        let mut command = Command::new(self.programs.join(name));
        // Elsewhere the working folder may be closed to the user it runs as.
        command.current_dir(self.folder.path()).env("LC_ALL", "C");
        if owner(self.folder.path())? == NOBODY {
            command.uid(NOBODY).gid(NOBODY);
        }
        Ok(command)
    }

    fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let running = self.process.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut child) = running else { return };
        let stopped = self.program("pg_ctl").and_then(|mut stop| {
            stop.args(["stop", "--mode=immediate", "--silent", "-D"]).arg(self.data()).status()
        });
        if !stopped.is_ok_and(|status| status.success()) {
            let _ = child.kill();
        }
        let _ = child.wait();
    }
}

/// Runs a program to its end. Returns what it printed.
fn succeed(command: &mut Command) -> io::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let ended = command.output().map_err(|error| {
        // Run as nobody, it may not even be reached.
        io::Error::other(format!("{program} cannot be run ({error}); can every user read its folder?"))
    })?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        return Err(io::Error::other(format!("{program} failed: {said}")));
    }
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}

fn children_of(process: u32) -> Vec<String> {
    let listed = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    listed.split_whitespace().map(str::to_owned).collect()
}

fn owner(path: &Path) -> io::Result<u32> {
    Ok(fs::metadata(path)?.uid())
}
