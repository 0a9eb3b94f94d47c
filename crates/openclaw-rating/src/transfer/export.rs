//! The store into a file, page by page.

use std::io::{self, Write};
use std::ops::ControlFlow;

use openclaw_store::{PAGE_RATINGS_MAX, ReadError, Store};
use serde::Serialize;

use super::write::RatingWriter;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportSummary {
    /// How many ratings.
    pub ratings: u64,
    /// Whether they are all there were.
    pub complete: bool,
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file cannot be written, or a rating not in its format.
    #[error("{0}")]
    Write(#[from] io::Error),
}

/// Writes every current rating, each user's together; `advanced` hears how many are written, and may end it.
///
/// # Errors
/// [`ExportError`].
pub async fn export<W: Write>(
    store: &Store,
    writer: &mut RatingWriter<W>,
    mut advanced: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<ExportSummary, ExportError> {
    let mut summary = ExportSummary::default();
    let mut cursor = None;
    loop {
        let page = store.ratings(cursor.as_ref(), PAGE_RATINGS_MAX).await?;
        for rating in &page.ratings {
            writer.write(rating)?;
        }
        summary.ratings += page.ratings.len() as u64;
        summary.complete = page.next.is_none();
        if advanced(summary.ratings).is_break() || summary.complete {
            return Ok(summary);
        }
        cursor = page.next;
    }
}
