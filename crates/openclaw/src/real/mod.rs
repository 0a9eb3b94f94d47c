//! `openclaw evaluate --real`: scenarios in real time through real processes, beside the same scenarios simulated.
//!
//! Services and backend are child processes of this same binary, so that what is measured is what is deployed; the load
//! generator is this process. One controller plays at a time, and all controllers play a scenario one after the other,
//! so that they meet the same machine as nearly as a shared machine allows.

mod child;
mod configuration;
mod processor;
mod stage;
mod watch;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use openclaw_admin::shutdown::{Phase, Shutdown};
use openclaw_harness::{Load, LoadReport, LoadSettings, ScenarioTraffic, Traffic};
use openclaw_lab::evaluate::{Case, Contender, EVERYONE, Origin, Played, Role, Trial};
use openclaw_lab::real::{
    Chance, Circumstances, DRAWS, RealEvaluation, RealOutcome, Side, Unplayable, likely_cause, playable,
    scaled, table,
};
use openclaw_lab::report;
use openclaw_scenario::CapacityTimeline;
use tokio::time::Instant;

use crate::cli::EvaluateArgs;
use crate::commands::{block_on, write_json};
use crate::live::Live;
use crate::terminal::{report as tell, say};
use stage::Stage;
use watch::{Seen, Watch};

/// Courses of each scenario where nobody says how many: each takes its time.
const SEEDS: u64 = 1;
/// Time between the start of all processes and the first attempt.
const CURTAIN: std::time::Duration = std::time::Duration::from_millis(500);

/// Who plays, with the file of its policy where it has one.
struct Player {
    contender: Contender,
    policy: Option<PathBuf>,
}

/// Plays all courses and reports them.
///
/// # Errors
/// Scenarios or controllers that cannot be played, processes that end badly, files that cannot be written.
pub(crate) fn run(
    args: &EvaluateArgs,
    cases: Vec<Case>,
    contenders: Vec<Contender>,
    origin: Origin,
) -> Result<()> {
    let cases = cases.into_iter().map(|case| scaled(case, args.scale)).collect::<Result<Vec<_>, _>>()?;
    cases.iter().try_for_each(playable)?;
    let players = players(args, contenders)?;
    tell(&introduction(args, &cases, &players));
    // What cannot be raised shows as failed attempts with their reason.
    let _ = openclaw_harness::raise_open_files_max();
    let results = block_on(0, play_all(args, &cases, &players))?;
    let evaluation = RealEvaluation {
        results,
        machine: processor::machine(),
        version: origin.version,
        commit: origin.commit,
        command: origin.command,
        slo_ms: args.slo.as_secs_f64() * 1e3,
        scale: args.scale,
    };
    show(&cases, &evaluation);
    write(args, &evaluation)
}

/// The contenders that can be played. `all` means all of these; a bound that is named is refused.
fn players(args: &EvaluateArgs, contenders: Vec<Contender>) -> Result<Vec<Player>> {
    let everyone = args.controllers.iter().any(|word| word.trim() == EVERYONE);
    let mut policies = args.policy.iter().cloned();
    let mut players = Vec::new();
    for contender in contenders {
        let policy = match contender.role() {
            Role::Bound if everyone => continue,
            Role::Bound => bail!(Unplayable::Bound(contender.name)),
            Role::Classical => None,
            // Learned contenders come in the order of their files.
            Role::Learned => Some(policies.next().context("--policy: a learned controller has no file")?),
        };
        players.push(Player { contender, policy });
    }
    Ok(players)
}

fn seeds(args: &EvaluateArgs) -> u64 {
    args.seeds.unwrap_or(SEEDS)
}

fn introduction(args: &EvaluateArgs, cases: &[Case], players: &[Player]) -> String {
    let each_s: f64 = cases.iter().map(|case| case.scenario.duration_s).sum();
    let courses = cases.len() as u64 * seeds(args) * players.len() as u64;
    let all_s = each_s * seeds(args) as f64 * players.len() as f64;
    format!(
        "{courses} courses in real time, {:.1} min of traffic; services, backend and load share this machine, so leave it \
         alone meanwhile",
        all_s / 60.0
    )
}

async fn play_all(args: &EvaluateArgs, cases: &[Case], players: &[Player]) -> Result<Vec<RealOutcome>> {
    let shutdown = Shutdown::on_signals()?;
    let mut results = Vec::new();
    for case in cases {
        for seed in 0..seeds(args) {
            let trial = Trial::new(case, seed, args.slo.as_secs_f64());
            for player in players {
                let Some(outcome) = play(args, &trial, player, &shutdown).await? else {
                    tell(&format!(
                        "stopped early: {} of {} was not finished",
                        case.name, player.contender.name
                    ));
                    return Ok(results);
                };
                tell(&format!("{:<13}{}: {}", outcome.controller, outcome.scenario, outcome.cause));
                results.push(outcome);
            }
        }
    }
    Ok(results)
}

/// One course, played and simulated; `None` where the process was told to stop.
async fn play(
    args: &EvaluateArgs,
    trial: &Trial,
    player: &Player,
    shutdown: &Shutdown,
) -> Result<Option<RealOutcome>> {
    let (contender, name) = (&player.contender, &player.contender.name);
    let simulated = trial.play(contender, false);
    let chance = Chance::of(&trial.redrawn_jf(contender, DRAWS));
    let what = || format!("{name} on {}", trial.case().name);
    let set = Stage::set(trial, contender, player.policy.as_deref(), args.slo);
    let mut stage = tokio::select! {
        stage = set => stage.with_context(what)?,
        () = shutdown.stopping() => return Ok(None),
    };
    let zero = Instant::now() + CURTAIN;
    let watch = Watch::begin(&stage, trial.scenario(), zero);
    let done = send(args, trial, &stage, name, zero, shutdown).await;
    let seen = watch.end().await;
    if shutdown.phase() != Phase::Running {
        return Ok(None);
    }
    stage.check_alive().with_context(what)?;
    let (done, seen) = (done.with_context(what)?, seen.with_context(what)?);
    Ok(Some(outcome(trial, contender, &done, (&simulated, chance), seen)))
}

async fn send(
    args: &EvaluateArgs,
    trial: &Trial,
    stage: &Stage,
    name: &str,
    zero: Instant,
    shutdown: &Shutdown,
) -> Result<LoadReport> {
    let scenario = trial.scenario();
    let traffic = ScenarioTraffic::new(scenario.clone());
    let traffic = match &trial.case().trace {
        Some(trace) => traffic.with_trace((**trace).clone()),
        None => traffic,
    };
    let mut settings =
        LoadSettings::new(vec![stage.rating_url().to_owned()], Traffic::Scenario(Box::new(traffic)));
    settings.slo = args.slo;
    settings.start = Some(zero);
    let capacity_per_s = f64::from(scenario.service.workers) / scenario.service.service_time.mean_s();
    let timeline = CapacityTimeline::for_service(scenario);
    let live = Live::new(name, scenario.duration_s);
    let observer = |now: &openclaw_harness::Progress| {
        live.show(now, capacity_per_s * timeline.level_at(now.elapsed_s));
    };
    let done = Load::new(settings)?.run(observer, async { shutdown.stopping().await }).await?;
    live.end();
    Ok(done)
}

fn outcome(
    trial: &Trial,
    contender: &Contender,
    done: &LoadReport,
    (simulated, chance): (&Played, Chance),
    seen: Seen,
) -> RealOutcome {
    let oracle = trial.oracle();
    let real = Side::played(done, oracle);
    let simulated = Side::simulated(&simulated.run, trial.scenario().duration_s, oracle);
    let circumstances = Circumstances {
        machine: &seen.machine,
        backend: &seen.backend,
        commits: seen.commits,
        send_lag_p99_ms: done.send_lag_p99_ms,
        slo_ms: done.slo_ms,
    };
    let cause = likely_cause(&real, &chance, &circumstances);
    RealOutcome {
        controller: contender.name.clone(),
        role: contender.role(),
        scenario: trial.case().name.clone(),
        description: trial.scenario().description.clone(),
        seed: trial.seed(),
        difference_jf: real.jf - chance.mean_jf,
        chance,
        oracle_good_work: oracle.figures.good_work,
        real,
        simulated,
        cause,
        machine: seen.machine,
        backend: seen.backend,
        commits: seen.commits,
        send_lag_p99_ms: done.send_lag_p99_ms,
        failures: done.failures.clone(),
    }
}

fn show(cases: &[Case], evaluation: &RealEvaluation) {
    for case in cases {
        let rows: Vec<&RealOutcome> =
            evaluation.results.iter().filter(|row| row.scenario == case.name).collect();
        if !rows.is_empty() {
            say(&format!("\n{}: {}", case.name, case.scenario.description));
            say(&table::table(&rows));
        }
    }
    say(&table::verdict(evaluation));
}

fn write(args: &EvaluateArgs, evaluation: &RealEvaluation) -> Result<()> {
    if let Some(path) = &args.json {
        write_json(path, evaluation)?;
        tell(&format!("results written to {}", path.display()));
    }
    if let Some(path) = &args.html {
        write_page(path, &report::real_page(evaluation, args.timeline.as_deref()))?;
        tell(&format!("report written to {}", path.display()));
    }
    Ok(())
}

fn write_page(path: &Path, page: &str) -> Result<()> {
    std::fs::write(path, page).with_context(|| format!("{} cannot be written", path.display()))
}
