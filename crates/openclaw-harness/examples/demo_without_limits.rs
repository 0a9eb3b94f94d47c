//! The demo's traffic straight into the stand-in backend: what happens when nothing limits anybody.
//!
//! `cargo run --release -p openclaw-harness --example demo_without_limits -- 20` plays it in 20 s.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use openclaw_harness::{Backend, Load, LoadSettings, Progress, Traffic, demo_scenario};
use tokio::time::Instant;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let _ = openclaw_harness::raise_open_files_max();
    let duration_s = std::env::args().nth(1).map_or(Ok(60.0), |argument| argument.parse())?;
    let scenario = demo_scenario().scaled_to(duration_s);
    let backend = Backend::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &scenario).await?;
    let target = format!("http://{}/work", backend.local_addr());
    let state = backend.handle();
    tokio::spawn(backend.run(std::future::pending()));

    let mut settings = LoadSettings::new(vec![target], Traffic::scenario(scenario));
    let zero = Instant::now() + Duration::from_millis(50);
    settings.start = Some(zero);
    state.start_clock(zero);
    let show = |second: &Progress| {
        let backend = state.state().service;
        println!(
            "{:5.1} s  offered {:6.0}/s  goodput {:6.0}/s  p95 {:7.1} ms  throttled {:4.1} %  queued {:4}  capacity {:3.0} %",
            second.elapsed_s,
            second.offered_per_s,
            second.goodput_per_s,
            second.p95_ms.unwrap_or(0.0),
            second.throttled_fraction * 100.0,
            backend.queued,
            backend.capacity_level * 100.0,
        );
    };
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    let mut report = Load::new(settings)?.run(show, interrupted).await?;
    report.seconds.clear();
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
