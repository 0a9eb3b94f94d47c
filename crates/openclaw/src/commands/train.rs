//! `openclaw train`: a policy learned in the simulator.

mod progress;

use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use openclaw_controller::ControllerKind;
use openclaw_lab::train::{Maker, SelectionScore, Stage, TrainSettings, Training};
use openclaw_learn::{Compute, EventLog, Settings};
use serde_json::Value;

use super::check_writable;
use super::origin::command;
use crate::cli::{Algorithm, Conditions, TrainArgs};
use crate::terminal::{report as tell, say};
use progress::Progress;

/// What a policy has to beat.
const RIVALS: [ControllerKind; 2] = [ControllerKind::LittleGuard, ControllerKind::Aimd];

pub(super) fn run(args: &TrainArgs) -> Result<()> {
    let settings = settings(args)?;
    if args.print_settings {
        say(&serde_json::to_string_pretty(&settings).context("the settings cannot be printed")?);
        return Ok(());
    }
    check_writable(&args.out)?;
    let mut log = open_log(args)?;
    let compute = Compute::open(&args.device).context("--device")?;
    let steps = settings.steps;
    let mut training = Training::begin(settings, maker(args), compute, threads(args))?;
    resume(args, &mut training)?;
    for rival in RIVALS {
        tell(&sentence(rival.name(), &training.selection().score_kind(rival)));
    }

    let progress = Progress::new(steps);
    while let Some(advance) = training.advance()? {
        progress.at(advance.progress.steps);
        if let Some(log) = &mut log {
            log.add(now_s(), &advance.progress).context("--logs: progress cannot be written")?;
        }
        let Some(look) = advance.look else { continue };
        progress.note(&sentence(&format!("{} steps", advance.progress.steps), &look));
        if let Some(log) = &mut log {
            let named = look.named();
            let scalars = named.iter().map(|(name, value)| (name.as_str(), *value));
            log.scalars(now_s(), advance.progress.steps, scalars)
                .context("--logs: scores cannot be written")?;
            log.flush().context("--logs: scores cannot be written")?;
        }
        // Taken whether it is kept or not, so that a policy does not depend on it.
        let checkpoint = training.checkpoint()?;
        if let Some(path) = &args.checkpoint {
            replace(path, &checkpoint)?;
        }
        write_best(&training, &args.out)?;
    }
    progress.end();
    let Some((score, artifact)) = training.best() else { return Ok(()) };
    let at = artifact.info().provenance.scores.get("steps").copied().unwrap_or(0.0);
    say(&sentence(&format!("best, after {at:.0} steps"), score));
    say(&format!("policy written to {}", args.out.display()));
    Ok(())
}

/// The algorithm's and the conditions' own settings, with those of the file over them.
fn settings(args: &TrainArgs) -> Result<TrainSettings> {
    let mut learner = Settings::named(args.algorithm.name()).context("--algorithm")?;
    let steps = args.steps.unwrap_or(match (args.algorithm, args.conditions) {
        (Algorithm::Ppo, Conditions::All) => 1_250_000,
        (Algorithm::Ppo, Conditions::Classic) => 400_000,
        (Algorithm::Dqn | Algorithm::Sac | Algorithm::Ddpg, _) => 300_000,
    });
    if let Settings::Ppo(ppo) = &mut learner {
        ppo.steps = steps;
        if args.conditions == Conditions::All {
            // Chosen on the selection scenarios; wider networks scored no more there, and decide more slowly.
            (ppo.hidden, ppo.slot_hidden, ppo.minibatch) = (vec![64, 64], 24, 2048);
            (ppo.narrowing, ppo.averaging) = (1.0, 0.1);
        }
    }
    let (curriculum, selection) = match args.conditions {
        Conditions::Classic => (vec![Stage { until: 1.0, weights: [1.0, 0.0, 0.0, 0.0] }], [13, 0, 0, 0]),
        Conditions::All => {
            let first = Stage { until: 0.1, weights: [2.0, 1.0, 0.5, 0.5] };
            (vec![first, Stage { until: 1.0, weights: [1.0, 1.5, 3.0, 1.5] }], [13, 20, 50, 25])
        }
    };
    let services = if args.algorithm == Algorithm::Ppo { 64 } else { 16 };
    let look_every = (steps / 20).max(1);
    let own = TrainSettings {
        learner,
        seed: args.seed,
        steps,
        services,
        relative: true,
        curriculum,
        selection,
        look_every,
    };
    let Some(path) = &args.settings else { return Ok(own) };
    let text = std::fs::read_to_string(path).with_context(|| format!("--settings {}", path.display()))?;
    let over: Value =
        serde_json::from_str(&text).with_context(|| format!("--settings {}", path.display()))?;
    let mut merged = serde_json::to_value(&own).context("--settings")?;
    merge(&mut merged, over);
    serde_json::from_value(merged).with_context(|| format!("--settings {}", path.display()))
}

/// Lays one document over another: objects field by field, everything else whole.
fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                merge(under.entry(name).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

fn maker(args: &TrainArgs) -> Maker {
    let text = |part: Option<&std::ffi::OsStr>| {
        part.map_or_else(String::new, |part| part.to_string_lossy().into_owned())
    };
    let (name, stem) = (text(args.out.file_name()), text(args.out.file_stem()));
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    Maker {
        version: stem.chars().map(plain).take(64).collect(),
        // The name is part of the policy, the folder is not.
        command: format!("{} --out {name}", command(std::env::args().skip(1))),
        commit: env!("OPENCLAW_COMMIT").to_owned(),
    }
}

fn threads(args: &TrainArgs) -> usize {
    match args.threads {
        0 => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        threads => threads,
    }
}

fn open_log(args: &TrainArgs) -> Result<Option<EventLog>> {
    let Some(folder) = &args.logs else { return Ok(None) };
    let log = EventLog::create(folder, now_s());
    log.map(Some).with_context(|| format!("--logs: no file can be begun in {}", folder.display()))
}

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn resume(args: &TrainArgs, training: &mut Training) -> Result<()> {
    let Some(path) = &args.checkpoint else { return Ok(()) };
    if !path.exists() {
        return check_writable(path);
    }
    let bytes = std::fs::read(path).with_context(|| format!("--checkpoint {}", path.display()))?;
    training
        .resume(&bytes)
        .with_context(|| format!("--checkpoint {}: give another file to begin anew", path.display()))?;
    tell(&format!("going on from {}", path.display()));
    Ok(())
}

fn write_best(training: &Training, path: &Path) -> Result<()> {
    match training.best() {
        Some((_, artifact)) => replace(path, &artifact.to_bytes()?),
        None => Ok(()),
    }
}

/// Puts a whole new file in the place of the old one: whoever is killed in between leaves either.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        // Temporary files are their owner's alone; this one becomes a file like any other.
        let readable = std::fs::Permissions::from_mode(0o644);
        let mut file = tempfile::Builder::new().permissions(readable).tempfile_in(folder)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

fn sentence(who: &str, score: &SelectionScore) -> String {
    let families: Vec<_> = score.families.iter().map(|(family, jf)| format!("{family} {jf:.3}")).collect();
    format!(
        "{who:<24} selection {:.4}  J {:.3}  JF {:.3}: {}",
        score.total(),
        score.j,
        score.jf,
        families.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settings_file_changes_what_it_names_and_nothing_else() {
        let mut under = serde_json::json!({"learner": {"algorithm": "ppo", "gamma": 0.97}, "steps": 5});
        merge(&mut under, serde_json::json!({"learner": {"gamma": 0.9}}));
        assert_eq!(under, serde_json::json!({"learner": {"algorithm": "ppo", "gamma": 0.9}, "steps": 5}));
    }
}
