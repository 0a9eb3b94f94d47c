//! `openclaw demo`: the same traffic against several controllers, side by side.
//!
//! Everything is real but the people: sockets between all parts, ratings synced to disk, a backend that takes
//! its time. Each controller gets a loop, a store and a backend of its own, and the same attempts at the same
//! times.

mod play;
mod report;

use std::time::{Duration, Instant};

use anyhow::Result;
use openclaw_admin::metrics::Exporter;
use openclaw_admin::shutdown::{Phase, Shutdown};
use openclaw_edge::ControllerKind;
use openclaw_scenario::Scenario;

use crate::cli::DemoArgs;
use crate::commands::{check_writable, write_json};
use crate::compose::{self, Admin};
use crate::config::Config;
use crate::terminal::{report as tell, say};

/// The controllers compared, the plainest first.
const CONTROLLERS: [ControllerKind; 3] =
    [ControllerKind::Static, ControllerKind::Aimd, ControllerKind::LittleGuard];

/// What every user may do at first, and always under the static controller: generous, so that no user is
/// refused in quiet times. Per second.
const REFILL_RATE: f64 = 100.0;

pub(crate) async fn run(args: DemoArgs) -> Result<()> {
    openclaw_admin::logging::init("warn", openclaw_admin::logging::LogFormat::Text)?;
    args.json.as_deref().map_or(Ok(()), check_writable)?;
    let exporter = Exporter::install()?;
    compose::describe_metrics();
    let shutdown = Shutdown::on_signals()?;
    // What cannot be raised shows as failed attempts with their reason.
    let _ = openclaw_harness::raise_open_files_max();
    let scenario = scenario(&args);
    tell(&introduction(&scenario));

    let mut runs = Vec::new();
    for controller in CONTROLLERS {
        let stage = play::Stage::set(&configuration(controller), &scenario, &exporter).await?;
        let played = stage.play(controller, &scenario, &shutdown).await;
        stage.strike().await;
        runs.push(played?);
        if shutdown.phase() != Phase::Running {
            break;
        }
    }
    let report = report::DemoReport::new(&scenario, runs);
    say(&report.table());
    say(&report.sentence());
    if let Some(path) = &args.json {
        write_json(path, &report)?;
        tell(&format!("figures written to {}", path.display()));
    }
    if args.exit || shutdown.phase() != Phase::Running {
        return Ok(());
    }
    stay_up(&scenario, exporter, shutdown).await
}

fn scenario(args: &DemoArgs) -> Scenario {
    let mut scenario = openclaw_scenario::demo().scaled_to(args.duration.as_secs_f64());
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    scenario
}

fn introduction(scenario: &Scenario) -> String {
    let capacity_per_s = f64::from(scenario.service.workers) / scenario.service.service_time.mean_s();
    format!(
        "{} s per controller: {}.\n\
         A backend of {} workers completes {capacity_per_s:.0} ratings/s; {} users send real ratings over real sockets;\n\
         every acknowledged rating is synced to disk. static and aimd have token buckets only, as they are usually\n\
         deployed; little-guard is buckets and in-flight guard.\n",
        scenario.duration_s, scenario.description, scenario.service.workers, scenario.users.count
    )
}

/// Embedded defaults on free ports, and generous limits for everybody.
fn configuration(controller: ControllerKind) -> Config {
    let mut config = Config::default();
    config.edge.controller = controller;
    config.limits.refill_rate = REFILL_RATE;
    config.limits.bucket_size = 2.0 * REFILL_RATE;
    for listen in [&mut config.rating.listen, &mut config.edge.listen] {
        listen.set_port(0);
    }
    // Nobody can override anything here, and a demo leaves nothing behind.
    config.edge.folder = None;
    // Requests that are on their way when a run ends are a second old at most.
    config.shutdown.timeout = Duration::from_secs(2);
    config
}

/// The loop, without traffic of its own, until Ctrl-C.
async fn stay_up(scenario: &Scenario, exporter: Exporter, shutdown: Shutdown) -> Result<()> {
    let config = configuration(ControllerKind::LittleGuard);
    let stage = play::Stage::set(&config, scenario, &exporter).await?;
    let token = openclaw_admin::access::Token::random()?;
    let access = config.access.policy().with(openclaw_admin::access::Role::Admin, token.clone());
    let admin = Admin::new(Instant::now(), exporter, access, shutdown.clone());
    let (admin_url, admin_task) = stage.show(admin).start(&config)?;
    say(&format!(
        "\nThe loop stays up until Ctrl-C.\n\
         rating      {rating}\n\
         edge        {edge}\n\
         admin       {admin_url}   token {token}\n\
         try         curl -d '{{\"userId\":\"ann\",\"itemId\":\"film\",\"score\":8}}' -H 'content-type: application/json' {rating}/ratings\n\
         watch       openclaw status --url {admin_url}",
        rating = stage.rating_url(),
        edge = stage.edge_url(),
        token = token.expose(),
    ));
    shutdown.stopping().await;
    stage.strike().await;
    admin_task.await?;
    Ok(())
}
