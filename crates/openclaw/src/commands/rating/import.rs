//! `openclaw rating import`: ratings of files into the store.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use openclaw_admin::shutdown::{Phase, Shutdown};
use openclaw_collector::Clock;
use openclaw_rating::transfer::{
    self, Advance, BadRow, Format, ImportSettings, Observer, Source, Summary, UnknownFormat,
};
use serde::Serialize;

use super::progress::Progress;
use crate::cli::ImportArgs;
use crate::commands::{block_on, load_config};
use crate::compose;
use crate::config::Config;
use crate::terminal::{counted, report, say};

/// Ratings in one commit: enough for the waits for the disk not to count, few enough for little memory and for little to
/// be put again after an interruption. More than a service's commits hold, where somebody waits for each.
const BATCH_MAX: usize = 32_768;
/// Bad lines that are shown; further ones are counted.
const BAD_SHOWN_MAX: u64 = 20;

/// What was done.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    files: Vec<Summary>,
    ratings: u64,
    superseded: u64,
    bad: u64,
    duration_s: f64,
    complete: bool,
}

pub(super) fn run(args: &ImportArgs) -> Result<()> {
    let mut config = load_config(&args.config, args.config.flags())?.config;
    for ratings_max in [&mut config.store.commit_ratings_max, &mut config.store.queue_ratings_max] {
        *ratings_max = BATCH_MAX.max(*ratings_max);
    }
    let sources = args.files.iter().map(|file| source(file, args)).collect::<Result<Vec<_>>>()?;
    let settings = ImportSettings {
        rules: compose::rating_rules(&config),
        arrival_ms: Clock::unix_ms(),
        batch_max: BATCH_MAX,
    };
    if args.strict {
        check(&sources, &settings)?;
    }
    block_on(0, import(args, &config, &sources, &settings))
}

fn source(file: &Path, args: &ImportArgs) -> Result<Source> {
    let is_input = file.as_os_str() == "-";
    ensure!(
        !is_input || !(args.resume || args.strict),
        "standard input can be read once and from its beginning; --resume and --strict need a file"
    );
    let named = args.format.map(Format::from);
    let format = match (named, is_input) {
        (Some(format), _) => format,
        (None, true) => return Err(UnknownFormat("-".to_owned()).into()),
        (None, false) => Format::of_path(file)?,
    };
    if !is_input {
        // Rather now than after an hour with the files before it.
        let opened = std::fs::File::open(file);
        opened.with_context(|| format!("{}: cannot be read", file.display()))?;
    }
    Ok(Source { path: (!is_input).then(|| file.to_owned()), format })
}

/// Reads every file without storing anything, and refuses where any line is bad.
fn check(sources: &[Source], settings: &ImportSettings) -> Result<()> {
    let mut bad = 0;
    for source in sources {
        let Some(path) = &source.path else { continue };
        transfer::check(path, source.format, settings, |row| {
            bad += 1;
            if let Some(line) = complaint(source, row, bad) {
                report(&line);
            }
        })?;
    }
    ensure!(bad == 0, "{}; nothing was stored, because of --strict", counted(bad, "bad line"));
    Ok(())
}

async fn import(
    args: &ImportArgs,
    config: &Config,
    sources: &[Source],
    settings: &ImportSettings,
) -> Result<()> {
    let shutdown = Shutdown::on_signals()?;
    let store = super::open_store(config).await?;
    let began = Instant::now();
    let mut files: Vec<Summary> = Vec::new();
    let mut shown = 0;
    let mut failure = None;
    for source in sources {
        let mut view = View { progress: progress(source), shutdown: &shutdown, bad: shown };
        let imported = transfer::import(&store, source, settings, args.resume, &mut view).await;
        shown = view.bad;
        view.progress.end();
        match imported {
            Ok(summary) => files.push(summary),
            Err(error) => failure = Some(anyhow::Error::from(error)),
        }
        if failure.is_some() || !files.last().is_some_and(|file| file.complete) {
            break;
        }
    }
    store.close().await;
    let sum = |count: fn(&Summary) -> u64| files.iter().map(count).sum();
    let report = Report {
        ratings: sum(|file| file.ratings),
        superseded: sum(|file| file.superseded),
        bad: sum(|file| file.bad),
        duration_s: began.elapsed().as_secs_f64(),
        complete: failure.is_none() && files.iter().all(|file| file.complete),
        files,
    };
    say(&if args.json { serde_json::to_string(&report).context("writing JSON")? } else { summary(&report) });
    match failure {
        Some(error) => Err(error.context("the import stopped; once that is mended, --resume goes on there")),
        None if !report.complete => bail!("the import was interrupted; --resume goes on there"),
        None => Ok(()),
    }
}

fn progress(source: &Source) -> Progress {
    let bytes =
        source.path.as_ref().and_then(|path| std::fs::metadata(path).ok()).map_or(0, |file| file.len());
    Progress::new(source.name(), bytes)
}

fn summary(report: &Report) -> String {
    let lines = report.files.iter().map(|file| {
        let Summary { file: name, ratings, superseded, bad, lines, .. } = file;
        let resumed = file.resumed_after_line.map(|line| format!(", resumed after line {line}"));
        format!(
            "{name}: {} ({superseded} of them superseded) and {} in {}{}\n",
            counted(*ratings, "rating"),
            counted(*bad, "bad line"),
            counted(*lines, "line"),
            resumed.unwrap_or_default()
        )
    });
    let all = counted(report.ratings, "rating");
    format!("{}{all} in {:.1} s", lines.collect::<String>(), report.duration_s)
}

/// The `count`th bad line as it is shown, if it is.
fn complaint(source: &Source, row: &BadRow, count: u64) -> Option<String> {
    match count {
        0..=BAD_SHOWN_MAX => Some(format!("{}:{}: {}", source.name(), row.line, row.reason)),
        _ if count == BAD_SHOWN_MAX + 1 => Some("further bad lines are counted and not shown".to_owned()),
        _ => None,
    }
}

/// Shows an import, and ends it where the process is told to stop.
struct View<'a> {
    progress: Progress,
    shutdown: &'a Shutdown,
    /// Bad lines of all files so far.
    bad: u64,
}

impl Observer for View<'_> {
    fn bad_row(&mut self, source: &Source, row: &BadRow) {
        self.bad += 1;
        if let Some(line) = complaint(source, row, self.bad) {
            self.progress.note(&line);
        }
    }

    fn advanced(&mut self, advance: &Advance) -> ControlFlow<()> {
        self.progress.at(advance.bytes, advance.ratings);
        match self.shutdown.phase() {
            Phase::Running => ControlFlow::Continue(()),
            Phase::Stopping | Phase::Aborting => ControlFlow::Break(()),
        }
    }

    fn unrecorded(&mut self, source: &Source, reason: &io::Error) {
        let name = source.name();
        self.progress.note(&format!(
            "{name}: how far it got cannot be recorded beside it ({reason}); interrupted, it would begin anew"
        ));
    }
}
