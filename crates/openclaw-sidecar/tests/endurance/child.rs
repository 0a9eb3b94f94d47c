//! The sidecar as a process of its own: this test program once more, asked for one function only.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use openclaw_admin::access::Roles;
use openclaw_admin::listen::{Endpoint, Exposure, Protocols, ServeLimits, bind};
use openclaw_admin::shutdown::Shutdown;
use openclaw_collector::{Collector, CollectorSettings};
use openclaw_protocol::BucketPolicy;
use openclaw_sidecar::{Sidecar, SidecarSettings};

use crate::service::Service;

const UPSTREAM: &str = "SIDECAR_ENDURANCE_UPSTREAM";

/// A running sidecar; ends when dropped.
pub(crate) struct Child {
    child: std::process::Child,
    pub(crate) address: SocketAddr,
    _service: Service,
}

impl Child {
    /// A sidecar before `service`.
    pub(crate) fn before(service: Service) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child::serve", "--ignored", "--nocapture"])
            .env(UPSTREAM, service.address.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address =
            lines.find_map(|line| line.unwrap().rsplit_once("listening on ")?.1.parse().ok()).unwrap();
        Self { child, address, _service: service }
    }

    /// Memory that it has now.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most that it had.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail where it has ended already, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until the parent is gone.
#[test]
#[ignore = "runs as a process of its own, started by the other tests"]
fn serve() {
    let Ok(upstream) = std::env::var(UPSTREAM) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let plenty = BucketPolicy { bucket_size: 1e6, refill_rate: 1e6 };
    let mut settings =
        CollectorSettings { defaults: plenty, start_per_s: 1e6, ..CollectorSettings::default() };
    settings.bounds.bucket_size_max = 1e6;
    settings.bounds.refill_rate_max = 1e6;
    // A guard for a service of any speed: what is looked at here is what the proxy itself bears.
    settings.guard = false;
    let collector = Collector::start(settings).unwrap();
    let settings = SidecarSettings::new(format!("http://{upstream}").parse().unwrap());
    let sidecar = Sidecar::new(settings, collector.admission(), false, "http").unwrap();
    let endpoint = Endpoint {
        name: "sidecar",
        address: ([127, 0, 0, 1], 0).into(),
        key: "sidecar.listen",
        flag: None,
        roles: Roles::default(),
    };
    let listener = bind(&endpoint, &Exposure::default()).unwrap();
    println!("listening on {}", listener.address());
    let limits = ServeLimits {
        connections_max: 12_000,
        header_timeout: Duration::from_secs(600),
        peer_address: true,
        protocols: Protocols::Http1And2,
        ..ServeLimits::default()
    };
    runtime.spawn(openclaw_admin::listen::serve(listener, sidecar, limits, Shutdown::new()));
    // The parent's end of this pipe closes with the parent, however it ends.
    let _ = std::io::stdin().read(&mut [0]);
}
