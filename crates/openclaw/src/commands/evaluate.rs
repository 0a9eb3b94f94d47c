//! `openclaw evaluate`: controllers side by side on scenario files, in the simulator; with `--real` through real
//! processes too.

mod progress;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use openclaw_controller::ControllerKind;
use openclaw_lab::evaluate::{Comparison, Contender, Evaluation, Kind, Origin, read_policies, suite, table};
use openclaw_lab::tune::{self, Budget, TrainingScenario, Tuning};
use openclaw_lab::{evaluate::Case, report};
use openclaw_scenario::families::Family;

use super::origin::command;
use super::{check_writable, write_json};
use crate::cli::EvaluateArgs;
use crate::terminal::{report as tell, say};
use progress::Progress;

/// Courses of each scenario where nobody says how many.
const SEEDS: u64 = 3;

pub(super) fn run(args: &EvaluateArgs) -> Result<()> {
    for path in [&args.json, &args.html].into_iter().flatten() {
        check_writable(path)?;
    }
    let duration_s = args.duration.map(|duration| duration.as_secs_f64());
    let cases = suite::read(&args.scenarios, duration_s)?;
    check_timeline(args, &cases)?;
    let mut contenders = Contender::parse(&args.controllers, read_policies(&args.policy)?)?;
    if args.real {
        return crate::real::run(args, cases, contenders, origin());
    }
    let tuning = settings(args, &cases, &contenders)?;
    if let Some(tuning) = &tuning {
        tuning.apply(&mut contenders);
        let untuned = tuning.untuned(&contenders);
        if !untuned.is_empty() {
            tell(&format!("not in the settings, so played as published: {}", untuned.join(", ")));
        }
    }
    let comparison = Comparison {
        cases,
        contenders,
        seeds: args.seeds.unwrap_or(SEEDS),
        slo_s: args.slo.as_secs_f64(),
        threads: threads(args),
        timings: true,
        courses: args.html.is_some(),
    };
    let progress = Progress::new("evaluating", comparison.courses_total());
    let mut evaluation = comparison.play(origin(), tuning, |jobs| progress.step(jobs));
    progress.end();
    show(&evaluation);
    if !args.timings {
        forget_timings(&mut evaluation);
    }
    write(args, &evaluation)
}

fn threads(args: &EvaluateArgs) -> usize {
    match args.threads {
        0 => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        threads => threads,
    }
}

/// A scenario that is not there would be noticed only when everything has been played.
fn check_timeline(args: &EvaluateArgs, cases: &[Case]) -> Result<()> {
    let Some(name) = &args.timeline else { return Ok(()) };
    if cases.iter().any(|case| case.name == *name) {
        return Ok(());
    }
    let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
    bail!("--timeline: no scenario is called {name:?}; there are {}", names.join(", "))
}

/// Where the settings come from: a tuning now, a tuning of old, or nowhere.
fn settings(args: &EvaluateArgs, cases: &[Case], contenders: &[Contender]) -> Result<Option<Tuning>> {
    let Some(candidates) = args.tune else {
        let Some(path) = &args.tuned else { return Ok(None) };
        let tuning = tune::read(path)?;
        refuse_overlap(cases, &tuning.scenarios)?;
        return Ok(Some(tuning));
    };
    if let Some(path) = &args.tuned {
        check_writable(path)?;
    }
    let training = training(args)?;
    let remembered: Vec<_> = training.iter().map(TrainingScenario::of).collect();
    refuse_overlap(cases, &remembered)?;
    let kinds: Vec<ControllerKind> = contenders
        .iter()
        .filter_map(|contender| match contender.kind {
            Kind::Classical { kind, .. } => Some(kind),
            _ => None,
        })
        .collect();
    let budget = Budget {
        candidates: usize::try_from(candidates).context("--tune: too many settings")?,
        cases: training,
        slo_s: args.slo.as_secs_f64(),
        threads: threads(args),
    };
    let progress = Progress::new("tuning", budget.courses_total(&kinds));
    let tuning = budget.tune(&kinds, |jobs| progress.step(jobs));
    progress.end();
    show_tuning(&tuning);
    if let Some(path) = &args.tuned {
        tune::write(path, &tuning)?;
        tell(&format!("settings written to {}", path.display()));
    }
    Ok(Some(tuning))
}

/// The training scenarios: those of the files and families that `--tune-on` names, all families without it.
fn training(args: &EvaluateArgs) -> Result<Vec<Case>> {
    if args.tune_on.is_empty() {
        return Ok(tune::training_cases(&Family::ALL, args.tune_scenarios));
    }
    let mut families = Vec::new();
    let mut files = Vec::new();
    for word in &args.tune_on {
        match Family::ALL.into_iter().find(|family| family.name() == word) {
            Some(family) => families.push(family),
            None if Path::new(word).exists() => files.push(PathBuf::from(word)),
            None => {
                let names = Family::ALL.map(Family::name).join(", ");
                bail!("--tune-on: {word} is neither a file nor a family of scenarios ({names})")
            }
        }
    }
    let mut cases = tune::training_cases(&families, args.tune_scenarios);
    cases.extend(suite::read(&files, None)?);
    Ok(cases)
}

fn refuse_overlap(cases: &[Case], training: &[TrainingScenario]) -> Result<()> {
    let Some((case, name)) = tune::overlap(cases, training) else { return Ok(()) };
    bail!(
        "scenario {:?} of {} is what controllers were tuned on (there as {name:?}), so a comparison on it would be \
         worth nothing; evaluate other scenarios, or tune on others with --tune-on",
        case.name,
        case.group
    )
}

fn origin() -> Origin {
    Origin {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: env!("OPENCLAW_COMMIT").to_owned(),
        command: command(std::env::args().skip(1)),
    }
}

fn show(evaluation: &Evaluation) {
    let groups = &evaluation.summary.groups;
    for group in groups {
        let plural = if group.scenarios == 1 { "" } else { "s" };
        say(&format!("\n{} ({} scenario{plural})", group.name, group.scenarios));
        say(&table::table(group, |controller| table::decision_us(&evaluation.results, controller)));
    }
    if let Some(all) = groups.first() {
        say(&table::verdict(all));
    }
}

fn show_tuning(tuning: &Tuning) {
    let scenarios = tuning.scenarios.len();
    say(&format!(
        "tuned with {} settings each on {scenarios} training scenarios; {}, before and after:",
        tuning.candidates, tuning.objective
    ));
    for one in &tuning.controllers {
        let parameters: Vec<_> =
            one.parameters.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        let line = format!(
            "{:<16}{:>6.3} {:>6.3}   {}",
            one.controller,
            one.published_objective,
            one.objective,
            parameters.join(", ")
        );
        say(line.trim_end());
    }
}

/// Results without the only figures that another run does not repeat.
fn forget_timings(evaluation: &mut Evaluation) {
    for outcome in &mut evaluation.results {
        outcome.decision_us = None;
    }
}

fn write(args: &EvaluateArgs, evaluation: &Evaluation) -> Result<()> {
    if let Some(path) = &args.json {
        write_json(path, evaluation)?;
        tell(&format!("results written to {}", path.display()));
    }
    if let Some(path) = &args.html {
        let page = report::page(evaluation, args.timeline.as_deref());
        std::fs::write(path, page).with_context(|| format!("{} cannot be written", path.display()))?;
        tell(&format!("report written to {}", path.display()));
    }
    Ok(())
}
