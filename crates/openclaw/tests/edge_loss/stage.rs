//! Backend, edge and rating service as three processes, and a load from this one.

use std::net::TcpListener;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

use openclaw_harness::{Load, LoadReport, LoadSettings, Traffic};
use openclaw_scenario::{Scenario, demo};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::support::http::get;
use crate::support::process::{self, FREE_PORTS, Program};
use crate::support::wait_for;

/// How long the edge's answers hold: short, so that the local controller need not be waited for.
pub(crate) const TTL: Duration = Duration::from_secs(1);
/// How long the edge is in control before and after its absence.
pub(crate) const WITH_EDGE: Duration = Duration::from_secs(2);
/// Longer than any run: a load ends when it is told to.
const DURATION_S: f64 = 3600.0;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    /// 16 workers of 20 ms, as in the demo.
    Full,
    /// 3 workers of 20 ms: what an unoptimised build on a busy machine serves with ease.
    Reduced,
}

pub(crate) struct Stage {
    scenario: Scenario,
    // In the order in which they are to end.
    rating: Program,
    edge: Option<Program>,
    edge_port: u16,
    _backend: Program,
    _folder: tempfile::TempDir,
}

/// A load under way, on a thread with a runtime of its own.
pub(crate) struct RunningLoad {
    start: Instant,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<LoadReport>,
}

impl Stage {
    pub(crate) fn set(size: Size) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scenario = overload(size);
        let file = folder.path().join("overload.json");
        let text = serde_json::json!({ "scenarios": [&scenario] }).to_string();
        std::fs::write(&file, text).unwrap();
        let mut backend = process::command(["backend", "--listen", "127.0.0.1:0", "--scenario"]);
        backend.arg(&file);
        let backend = process::start(backend);

        let edge_port = free_port();
        let edge = process::start(edge_command(edge_port));
        let rating = process::start(rating_command(
            &folder.path().join("ratings").display().to_string(),
            backend.url("backend"),
            edge_port,
        ));
        Self { scenario, rating, edge: Some(edge), edge_port, _backend: backend, _folder: folder }
    }

    pub(crate) fn kill_edge(&mut self) {
        self.edge.take().unwrap().kill();
    }

    pub(crate) fn start_edge(&mut self) {
        self.edge = Some(process::start(edge_command(self.edge_port)));
    }

    pub(crate) fn begin_load(&self) -> RunningLoad {
        let start = Instant::now() + Duration::from_millis(50);
        let traffic = Traffic::scenario(self.scenario.clone());
        let mut settings = LoadSettings::new(vec![self.rating.url("rating").to_owned()], traffic);
        settings.start = Some(start);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let load = Load::new(settings).unwrap();
                // A stage that fails drops the sender, which ends the load too.
                load.run(|_| {}, async { drop(stopped.await) }).await.unwrap()
            })
        });
        RunningLoad { start, stop, thread }
    }

    /// What the rating service's collector says of itself.
    pub(crate) fn collector(&self) -> Value {
        get(&format!("{}/api/v1/status", self.rating.url("admin"))).json()["collector"].take()
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.collector()["eventsDelivered"].as_u64().unwrap()
    }

    pub(crate) fn wait_for_control_by(&self, whom: &str) {
        wait_for(&format!("control by {whom}"), || (self.collector()["controlledBy"] == whom).then_some(()));
    }

    pub(crate) fn wait_for_deliveries_beyond(&self, events: u64) {
        wait_for("delivered events", || (self.delivered() > events).then_some(()));
    }

    /// Every admitted rating's event was delivered or counted as dropped; none is simply gone.
    pub(crate) fn assert_every_event_accounted_for(&self, report: &LoadReport) {
        wait_for("all events to leave", || {
            let collector = self.collector();
            let number = |name: &str| collector[name].as_u64().unwrap();
            let totals = |name: &str| collector["totals"][name].as_u64().unwrap();
            let ended = totals("completed") + totals("failed");
            // What timed out for the client may still be under way in the service.
            let is_settled = totals("accepted") == ended && ended >= report.accepted;
            let is_accounted_for = number("eventsDelivered") + number("eventsDropped") == ended;
            (is_settled && is_accounted_for && number("eventsWaiting") == 0).then_some(())
        });
    }
}

impl RunningLoad {
    /// Seconds since the first intended attempt.
    pub(crate) fn elapsed_s(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Sends no more, and waits for what is under way.
    pub(crate) fn end(self) -> LoadReport {
        self.stop.send(()).expect("the load goes on until it is told");
        self.thread.join().unwrap()
    }
}

/// Half as much again as the backend can do, all the time.
fn overload(size: Size) -> Scenario {
    let mut scenario = demo();
    scenario.name = "overload".to_owned();
    scenario.description = "half as much again as the backend can do".to_owned();
    scenario.duration_s = DURATION_S;
    scenario.load = 1.5;
    scenario.surges.clear();
    scenario.capacity.clear();
    scenario.service.workers = match size {
        Size::Full => 16,
        Size::Reduced => 3,
    };
    scenario
}

fn edge_command(port: u16) -> Command {
    let listen = format!("127.0.0.1:{port}");
    let mut command = process::command(["edge", "--listen", &listen, "--admin-listen", "127.0.0.1:0"]);
    command.args(["--set", &format!("edge.ttl={}ms", TTL.as_millis())]);
    command
}

fn rating_command(folder: &str, backend_url: &str, edge_port: u16) -> Command {
    let mut command = process::command(["rating"]);
    command.args(FREE_PORTS);
    for setting in [
        format!("store.folder={folder}"),
        format!("rating.backendUrl={backend_url}"),
        // A client that leaves takes its backend call with it; nothing else ends one.
        "rating.backendTimeout=30s".to_owned(),
        format!("collector.eventEndpoint=http://127.0.0.1:{edge_port}/api/v1/event"),
    ] {
        command.args(["--set", &setting]);
    }
    command
}

/// A port that nobody has at the moment. The edge must come back to the port that it had, so it cannot take
/// any free one when it starts.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
