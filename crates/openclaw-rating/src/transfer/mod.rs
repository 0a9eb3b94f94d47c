//! Ratings from files into the store and back, a batch at a time: memory stays bounded however large the file is.
//!
//! It works on the store itself and not over HTTP. A million posts would go through guard and buckets, which exist to
//! slow such a caller down, and would be events that no user caused.

mod export;
mod format;
mod import;
mod mark;
mod record;
mod row;
mod write;

pub use export::{ExportError, ExportSummary, export};
pub use format::{Format, UnknownFormat};
pub use import::{Advance, ImportError, ImportSettings, Observer, Source, Summary, check, import};
pub use mark::MarkError;
pub use row::{BadRow, ReadError, Row, RowReader};
pub use write::{RatingWriter, Unwritable};
