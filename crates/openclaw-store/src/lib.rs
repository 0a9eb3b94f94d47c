//! Ratings kept: durable before they are acknowledged, with item statistics that always equal a recount.
//!
//! [`Store`] keeps one current rating per user and item (the newest timestamp wins, a tie goes to the later
//! arrival) and the count, mean, histogram and Bayesian average of every item. [`Store::put`] answers once
//! they are durable; batches that arrive together share one sync. The ratings lie in a folder ([`Store::open`]) or in
//! a database that speaks PostgreSQL's wire protocol ([`Store::connect`]), and callers need not care which. How and
//! why: `docs/adr/0003-embedded-store.md`, `docs/adr/0013-ratings-in-a-database.md`.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use openclaw_store::{NewRating, Put, Store, StoreSettings};
//!
//! # let folder = tempfile::tempdir()?;
//! let store = Store::open(&folder.path().join("ratings"), StoreSettings::default())?;
//! let rating = NewRating {
//!     user_id: "ann".into(),
//!     item_id: "tt0111161".into(),
//!     score: 9.0,
//!     timestamp_ms: 1_700_000_000_000,
//! };
//! assert_eq!(store.put(vec![rating]).await?, [Put::Stored]);
//! assert_eq!(store.item("tt0111161").await?.map(|stats| stats.mean), Some(9.0));
//! store.close().await;
//! # Ok(())
//! # }
//! ```

mod cursor;
mod deletion;
mod embedded;
mod engine;
mod error;
mod folder;
mod layout;
mod metering;
mod pairs;
mod postgres;
mod queue;
mod ranking;
mod rating;
mod recount;
mod settings;
mod shared;
mod staging;
mod store;
mod tallies;
mod tally;
mod toplist;
mod writer;

pub use cursor::{Cursor, CursorError};
pub use engine::Page;
pub use error::{OpenError, PutError, ReadError};
pub use metering::describe_metrics;
pub use ranking::ItemOrder;
pub use rating::{ID_BYTES_MAX, NewRating, Put, Rating, ScoreScale};
pub use recount::Recount;
pub use settings::StoreSettings;
pub use shared::Health;
pub use store::{PAGE_RATINGS_MAX, Store};
pub use tally::ItemStats;
pub use toplist::ItemsPage;
