//! A real PostgreSQL of the test's own: on a free loopback port, in a temporary folder, stopped when the last test that
//! uses it ends.
//!
//! The server refuses to run as root. Where the tests do, it runs as the user `nobody`, who is given its folder.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// Names the folder with `initdb` and `postgres`; `cargo xtask test` sets it.
const PROGRAMS: &str = "OPENCLAW_POSTGRES_BIN";

/// User and group of `nobody` on every Linux.
const NOBODY: u32 = 65_534;

/// How long a server may take to begin, on a machine that is busy with other tests.
const START_TIMEOUT: Duration = Duration::from_secs(60);

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// A running server.
pub(crate) struct Server {
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    process: Mutex<Option<Child>>,
    databases: AtomicU32,
}

impl Server {
    /// The server that tests of this program share, for as long as any of them holds it.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// A server of its own, for a test that stops it.
    pub(crate) fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("openclaw-postgres-").tempdir().unwrap();
        if is_root(folder.path()) {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { programs, folder, port, process: Mutex::new(None), databases: AtomicU32::new(0) };
        let mut initdb = server.program("initdb");
        initdb.args(["--auth=trust", "--username=openclaw", "--encoding=UTF8", "--no-locale", "--no-sync"]);
        let made = initdb.arg("-D").arg(server.data()).output().unwrap();
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        server.run();
        server
    }

    /// Starts it, or starts it again after [`kill`](Self::kill). Returns once it takes connections.
    pub(crate) fn run(&self) {
        let began = Instant::now();
        loop {
            let log = File::options().create(true).append(true).open(self.log()).unwrap();
            let mut postgres = self.program("postgres");
            postgres.arg("-D").arg(self.data()).arg("-p").arg(self.port.to_string());
            postgres.args(["-h", "127.0.0.1", "-c", "max_connections=100", "-k"]).arg(self.folder.path());
            let mut child = postgres.stderr(log).stdout(Stdio::null()).spawn().unwrap();
            if self.wait_until_ready(&mut child, began) {
                *self.process.lock().unwrap() = Some(child);
                return;
            }
            // The processes of a server just killed hold its memory for a moment.
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether it came up; false where it ended by itself.
    fn wait_until_ready(&self, child: &mut Child, began: Instant) -> bool {
        loop {
            assert!(began.elapsed() < START_TIMEOUT, "the server did not start: {}", self.said());
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            // Written by the server itself: the last line of this file is `ready` once it takes connections.
            let state = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            let of_this_one = state.lines().next() == Some(child.id().to_string().as_str());
            if of_this_one && state.lines().last().is_some_and(|line| line.trim() == "ready") {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it as a crash would: every process of it at once, nothing written out.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.process.lock().unwrap().take() {
            let children = children_of(child.id());
            child.kill().unwrap();
            child.wait().unwrap();
            // Some may have ended by themselves.
            let _ = Command::new("kill").arg("-9").args(&children).stderr(Stdio::null()).status();
            while children.iter().any(|child| Path::new("/proc").join(child).exists()) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// The URL of a new, empty database.
    pub(crate) async fn new_database(&self) -> String {
        let name = format!("ratings_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute("postgres", &format!("CREATE DATABASE {name}")).await;
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://openclaw:hunter2@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs SQL in a database.
    pub(crate) async fn execute(&self, database: &str, sql: &str) {
        use sqlx::Connection;
        let mut connection = sqlx::PgConnection::connect(&self.url(database)).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        // Elsewhere the working folder may be closed to the user it runs as.
        command.current_dir(self.folder.path()).env("LC_ALL", "C");
        if is_nobodys(self.folder.path()) {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let running = self.process.get_mut().map(Option::take);
        if let Ok(Some(mut child)) = running {
            let mut stop = self.program("pg_ctl");
            stop.args(["stop", "--mode=immediate", "--silent", "-D"]).arg(self.data());
            if !stop.status().is_ok_and(|status| status.success()) {
                let _ = child.kill();
            }
            let _ = child.wait();
        }
    }
}

fn children_of(process: u32) -> Vec<String> {
    let listed = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    listed.split_whitespace().map(str::to_owned).collect()
}

/// Whether these tests run as root, seen by whom a folder just made belongs to.
fn is_root(made: &Path) -> bool {
    fs::metadata(made).unwrap().uid() == 0
}

fn is_nobodys(folder: &Path) -> bool {
    fs::metadata(folder).unwrap().uid() == NOBODY
}

fn programs() -> PathBuf {
    let named = std::env::var_os(PROGRAMS).map(PathBuf::from);
    named.unwrap_or_else(|| panic!("{PROGRAMS} names no folder with initdb and postgres; run these tests with `cargo xtask test --only postgres`"))
}
