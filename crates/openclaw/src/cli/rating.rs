//! The flags of `openclaw rating`: the service itself, and what moves ratings between files and its store.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use openclaw_rating::transfer::Format;

use super::{ConfigArgs, ServiceArgs};

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RatingArgs {
    #[command(subcommand)]
    pub(crate) command: Option<RatingCommand>,
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RatingCommand {
    /// Puts the ratings of files into the store, while no service runs on it
    #[command(after_help = "\
Examples:
  openclaw rating import ratings.csv
  openclaw rating import --resume ratings.dat          goes on where it was interrupted
  openclaw rating import --strict --json a.ndjson b.ndjson
  zcat ratings.dat.gz | openclaw rating import --format movietweetings -")]
    Import(ImportArgs),
    /// Writes all ratings of the store into a file, while no service runs on it
    #[command(after_help = "\
Examples:
  openclaw rating export ratings.csv
  openclaw rating export --format ndjson | gzip > ratings.ndjson.gz")]
    Export(ExportArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The files, in the order given; - for standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// How the files hold ratings (without it: as their names end, .csv, .ndjson, .jsonl or .dat)
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<FileFormat>,
    /// Goes on where an interrupted import of the same file was
    #[arg(long)]
    pub(crate) resume: bool,
    /// Reads everything first, and stores nothing where any line is bad
    #[arg(long)]
    pub(crate) strict: bool,
    /// Prints what was done as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The file to write, whole or not at all; standard output if not given
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// How to hold the ratings (without it: as the file's name ends; csv on standard output)
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<FileFormat>,
    /// Prints what was done as JSON, on standard error where the ratings are on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a file of ratings can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileFormat {
    /// RFC 4180 with a header: userId,itemId,score,timestamp (ms since the epoch)
    Csv,
    /// One JSON object a line, as POST /ratings takes it
    Ndjson,
    /// user::item::rating::unix_seconds; exported timestamps lose their milliseconds
    Movietweetings,
}

impl From<FileFormat> for Format {
    fn from(format: FileFormat) -> Self {
        match format {
            FileFormat::Csv => Self::Csv,
            FileFormat::Ndjson => Self::NdJson,
            FileFormat::Movietweetings => Self::MovieTweetings,
        }
    }
}
