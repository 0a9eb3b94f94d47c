//! `openclaw rating export`: the store's ratings into a file.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use openclaw_admin::shutdown::{Phase, Shutdown};
use openclaw_rating::transfer::{self, ExportError, ExportSummary, Format, RatingWriter};
use openclaw_store::Store;
use serde_json::json;

use super::progress::Progress;
use crate::cli::ExportArgs;
use crate::commands::{block_on, load_config};
use crate::config::Config;
use crate::terminal::{counted, report, say};

pub(super) fn run(args: &ExportArgs) -> Result<()> {
    let config = load_config(&args.config, args.config.flags())?.config;
    let format = match (args.format, &args.file) {
        (Some(format), _) => format.into(),
        (None, Some(file)) => Format::of_path(file)?,
        (None, None) => Format::Csv,
    };
    block_on(0, export(args, &config, format))
}

async fn export(args: &ExportArgs, config: &Config, format: Format) -> Result<()> {
    let folder = &config.store.folder;
    // Opening would make one. A database is no folder, and says itself what it lacks.
    let is_there = config.store.url.is_some() || folder.exists();
    ensure!(is_there, "there is no store in {} (store.folder)", folder.display());
    let shutdown = Shutdown::on_signals()?;
    let store = super::open_store(config).await?;
    let began = Instant::now();
    let written = match &args.file {
        Some(file) => to_file(&store, file, format, &shutdown).await.map(Some),
        None => to_output(&store, format, &shutdown).await,
    };
    store.close().await;
    // Whoever read the output has gone, as `head` does: nobody is left to tell.
    let Some(ExportSummary { ratings, complete }) = written? else { return Ok(()) };
    let duration_s = began.elapsed().as_secs_f64();
    let line = match args.json {
        true => json!({"ratings": ratings, "format": format.name(), "durationS": duration_s, "complete": complete})
            .to_string(),
        false => format!("{} in {duration_s:.1} s", counted(ratings, "rating")),
    };
    if args.file.is_some() {
        say(&line)
    } else {
        report(&line)
    }
    if !complete {
        bail!("the export was interrupted");
    }
    Ok(())
}

/// Puts a whole new file in the place of the old one: whoever is interrupted leaves the old one.
async fn to_file(store: &Store, file: &Path, format: Format, shutdown: &Shutdown) -> Result<ExportSummary> {
    let unwritable = || format!("{} cannot be written", file.display());
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure!(folder.is_dir(), "{} cannot be written: there is no folder {}", file.display(), folder.display());
    let mut fresh = tempfile::NamedTempFile::new_in(folder).with_context(unwritable)?;
    let writer = RatingWriter::new(BufWriter::new(fresh.as_file_mut()), format);
    let summary =
        write(store, writer, file.display().to_string(), shutdown).await.with_context(unwritable)?;
    if summary.complete {
        fresh.persist(file).with_context(unwritable)?;
    }
    Ok(summary)
}

/// Nothing where the reader has gone.
async fn to_output(store: &Store, format: Format, shutdown: &Shutdown) -> Result<Option<ExportSummary>> {
    let writer = RatingWriter::new(BufWriter::new(io::stdout().lock()), format);
    match write(store, writer, "export".to_owned(), shutdown).await {
        Err(ExportError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
        written => Ok(Some(written?)),
    }
}

async fn write<W: Write>(
    store: &Store,
    mut writer: RatingWriter<W>,
    what: String,
    shutdown: &Shutdown,
) -> Result<ExportSummary, ExportError> {
    let total = store.ratings_total().await?;
    let mut progress = Progress::new(what, total);
    let summary = transfer::export(store, &mut writer, |ratings| {
        progress.at(ratings, ratings);
        match shutdown.phase() {
            Phase::Running => ControlFlow::Continue(()),
            Phase::Stopping | Phase::Aborting => ControlFlow::Break(()),
        }
    })
    .await?;
    writer.finish()?;
    progress.end();
    Ok(summary)
}
