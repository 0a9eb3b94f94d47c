//! `openclaw load`: sends ratings at their intended times, whatever the answers do.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use openclaw_admin::shutdown::Shutdown;
use openclaw_collector::Trust;
use openclaw_harness::{
    Load, LoadReport, LoadSettings, Pace, Progress, RatingsSource, Traffic, raise_open_files_max,
};

use crate::cli::LoadArgs;
use crate::terminal::{report, say, show_ms};

/// Length of a load that has no scenario to tell it.
const DURATION: Duration = Duration::from_secs(30);
/// Ratings per second of a load that is told neither a rate nor a speed-up.
const RATE_PER_S: f64 = 100.0;

pub(super) async fn run(args: LoadArgs) -> Result<()> {
    args.json.as_deref().map_or(Ok(()), check_writable)?;
    let shutdown = Shutdown::on_signals()?;
    // What cannot be raised shows as failed attempts with their reason.
    let _ = raise_open_files_max();
    let mut settings = LoadSettings::new(args.target.clone(), traffic(&args)?);
    settings.slo = args.slo;
    settings.timeout = args.timeout.unwrap_or(settings.timeout);
    settings.token.clone_from(&args.token);
    settings.tls = tls(&args)?.map(|trust| trust.client_config());
    let load = Load::new(settings)?;
    let done = load.run(|now| report(&line(now)), async { shutdown.stopping().await }).await?;
    say(&summary(&done));
    if let Some(path) = &args.json {
        write_json(path, &done)?;
    }
    Ok(())
}

/// Whom to believe, where a target is reached by TLS. A file that is named is read in any case.
fn tls(args: &LoadArgs) -> Result<Option<Trust>> {
    let named = args.trust.read()?;
    let by_tls = |target: &String| target.starts_with("https://");
    if named.is_none() && args.target.iter().any(by_tls) {
        return Ok(Some(Trust::system(None)?));
    }
    Ok(named)
}

fn traffic(args: &LoadArgs) -> Result<Traffic> {
    if args.scenario.scenario.is_some() {
        let mut scenario = super::scenario::read(&args.scenario)?;
        scenario.seed = args.seed.unwrap_or(scenario.seed);
        if let Some(duration) = args.duration {
            scenario = scenario.scaled_to(duration.as_secs_f64());
        }
        return Ok(Traffic::Scenario(Box::new(super::scenario::traffic(&args.scenario, scenario)?)));
    }
    let pace = match (args.rate, args.speedup) {
        (_, Some(speedup)) => Pace::Speedup(speedup),
        (rate, None) => Pace::PerSecond(rate.unwrap_or(RATE_PER_S)),
    };
    let ratings = args.ratings.clone().map_or(RatingsSource::Shipped, RatingsSource::File);
    Ok(Traffic::Ratings { ratings, pace, duration_s: args.duration.unwrap_or(DURATION).as_secs_f64() })
}

/// One second as a line.
fn line(now: &Progress) -> String {
    format!(
        "{:>5.0} s of {:.0}   offered {:>6.0}/s   in time {:>6.0}/s   p95 {}   throttled {:>3.0} %   failed {}",
        now.elapsed_s,
        now.duration_s,
        now.offered_per_s,
        now.goodput_per_s,
        show_ms(now.p95_ms),
        now.throttled_fraction * 1e2,
        now.failed + now.timeouts,
    )
}

fn summary(done: &LoadReport) -> String {
    let mut text = format!(
        "{} attempts in {:.0} s: {} accepted, {} throttled ({} by bucket, {} by guard), {} failed, {} timed out\n\
         {:.1} ratings/s within {:.0} ms; p50 {}, p95 {}, p99 {}; {:.1} % of the seconds over the objective",
        done.attempts,
        done.duration_s,
        done.accepted,
        done.throttled,
        done.throttled_by_bucket,
        done.throttled_by_guard,
        done.failed,
        done.timeouts,
        done.goodput_per_s,
        done.slo_ms,
        show_ms(done.p50_ms),
        show_ms(done.p95_ms),
        show_ms(done.p99_ms),
        done.windows_over_slo * 1e2,
    );
    for (reason, count) in &done.failures {
        text.push_str(&format!("\n{count} x {reason}"));
    }
    text
}

/// Finds out whether `path` can be written before minutes are spent on what should go there. Whoever is interrupted
/// meanwhile finds no empty file in its place, which a later run would take for what was written.
pub(crate) fn check_writable(path: &Path) -> Result<()> {
    let was_there = path.exists();
    let unwritable = || format!("{} cannot be written", path.display());
    std::fs::OpenOptions::new().append(true).create(true).open(path).with_context(unwritable)?;
    if was_there { Ok(()) } else { std::fs::remove_file(path).with_context(unwritable) }
}

/// Writes `value` to `path` as JSON.
pub(crate) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<()> {
    let text = serde_json::to_string(value).context("writing JSON")?;
    std::fs::write(path, text + "\n").with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_whether_a_file_can_be_written_leaves_none_and_changes_none() {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new"), folder.path().join("old"));
        std::fs::write(&old, "kept").unwrap();
        check_writable(&new).unwrap();
        check_writable(&old).unwrap();
        assert!(!new.exists());
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "kept");
        let refused = check_writable(&old.join("below")).unwrap_err().to_string();
        assert!(refused.ends_with("old/below cannot be written"), "{refused}");
    }
}
