//! The durability proof for a database: nothing acknowledged is lost, whether the service is killed, or the database
//! server with all its processes, or both, and two services go on writing after a failure of the server.
//!
//! Runs a few kills by default; `OPENCLAW_PROVE_KILLS=100` runs as many, `OPENCLAW_PROVE_SEED=7` at other moments.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise, their fixtures too")]

#[path = "proof/acknowledged.rs"]
mod acknowledged;
#[path = "proof/writer.rs"]
mod writer;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use acknowledged::Acknowledged;
use openclaw_pgserver::Server;
use openclaw_store::{Store, StoreSettings};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const KILLS_DEFAULT: u64 = 5;

#[test]
#[ignore = "the proof runs it as the process that dies"]
fn writer_process() {
    let (Ok(url), Ok(round)) = (std::env::var(writer::PLACE), std::env::var(writer::ROUND)) else {
        return;
    };
    let open = |settings| async move { Store::connect(&url, settings).await };
    writer::run(open, round.parse().unwrap());
}

/// A writer at work.
struct Writer {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Writer {
    /// This test program again, running its one ignored test that writes.
    fn start(url: &str, round: u64) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["writer_process", "--exact", "--ignored", "--nocapture"]);
        command.env(writer::PLACE, url).env(writer::ROUND, round.to_string());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Reads until so many lines began with this.
    fn read_until(&mut self, beginning: &str, times: u64, acknowledged: &mut Acknowledged) {
        let mut seen = 0;
        while seen < times {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).unwrap();
            assert!(read > 0, "the writer ended before it said {beginning:?} so often");
            acknowledged.note(line.trim_end());
            seen += u64::from(line.starts_with(beginning));
        }
    }

    fn kill(mut self, acknowledged: &mut Acknowledged) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut rest = Vec::new();
        self.lines.read_to_end(&mut rest).unwrap();
        acknowledged.note_all(&rest);
    }
}

fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable} must be a whole number, not {text:?}"))
    })
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server: cargo xtask test --only postgres"]
async fn nothing_acknowledged_is_lost_with_the_service_or_the_server() {
    let kills = number_from("OPENCLAW_PROVE_KILLS", KILLS_DEFAULT);
    let seed = number_from("OPENCLAW_PROVE_SEED", 1);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let server = Server::start().unwrap();
    let url = server.new_database().unwrap();
    let mut acknowledged = Acknowledged::default();
    for kill in 0..kills {
        let mut writer = Writer::start(&url, kill + 1);
        writer.read_until("stored", random.random_range(1..300), &mut acknowledged);
        std::thread::sleep(Duration::from_micros(random.random_range(0..5_000)));
        let what = match kill % 3 {
            0 => {
                writer.kill(&mut acknowledged);
                "the service"
            }
            1 => {
                server.kill().unwrap();
                writer.kill(&mut acknowledged);
                server.run().unwrap();
                "the server, then the service"
            }
            _ => {
                server.kill().unwrap();
                writer.read_until("refused", 3, &mut acknowledged);
                server.run().unwrap();
                // The same service goes on by itself.
                writer.read_until("stored", 20, &mut acknowledged);
                writer.kill(&mut acknowledged);
                "the server, and later the service"
            }
        };
        let store = Store::connect(&url, StoreSettings::default()).await.unwrap();
        let found = acknowledged.losses(&store).await;
        assert!(found.is_none(), "kill {kill} ({what}), seed {seed}: {found:#?}");
        store.close().await;
    }
    assert!(acknowledged.count > 0, "nothing was acknowledged, so nothing was proved");
    println!("{kills} kills, {} acknowledgements, none lost", acknowledged.count);
}
