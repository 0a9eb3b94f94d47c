//! The handle that services hold: checks what comes in, queues it for the writer, reads off the runtime.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::cursor::{Cursor, List};
use crate::embedded::Embedded;
use crate::engine::{Engine, Page};
use crate::error::{OpenError, PutError, ReadError};
use crate::layout::Mark;
use crate::metering;
use crate::postgres::Postgres;
use crate::queue::{DeleteJob, Incoming, Job, PutJob};
use crate::ranking::ItemOrder;
use crate::rating::{NewRating, Put, Rating, ScoreScale, check_id};
use crate::recount::{self, Recount};
use crate::settings::StoreSettings;
use crate::shared::{Health, Shared};
use crate::tally::ItemStats;
use crate::toplist::ItemsPage;
use crate::writer::{self, Commits};

/// The most ratings or items one page holds.
pub const PAGE_RATINGS_MAX: usize = 1_000;

/// Durable ratings, and the statistics of their items.
///
/// A handle is cheap to clone. The store ends with [`Store::close`], or when the last handle goes, which
/// waits for the ratings already taken.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    kept: Kept,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// Where the ratings are.
#[derive(Debug)]
enum Kept {
    Folder(Arc<Embedded>),
    Database(Postgres),
}

impl Store {
    /// Opens the store in this folder, creating it where there is none. Blocks while it replays what a
    /// crash left; call it before serving.
    ///
    /// # Errors
    /// [`OpenError`], each a sentence that says what to do.
    pub fn open(folder: &Path, settings: StoreSettings) -> Result<Self, OpenError> {
        settings.check().map_err(OpenError::Settings)?;
        let (embedded, ratings) = Embedded::open(folder, &settings)?;
        let embedded = Arc::new(embedded);
        let kept = Kept::Folder(Arc::clone(&embedded));
        Self::start(settings, kept, embedded, ratings)
    }

    /// Connects to a database that speaks PostgreSQL's wire protocol, as `postgres://user:password@host/database`,
    /// and makes the store's tables in it where there are none. Any number of services may share one database.
    ///
    /// What the URL holds is in no log and no error; host, port and database are.
    ///
    /// # Errors
    /// [`OpenError`], each a sentence that says what to do.
    pub async fn connect(url: &str, settings: StoreSettings) -> Result<Self, OpenError> {
        settings.check().map_err(OpenError::Settings)?;
        let (postgres, link, ratings) = Postgres::connect(url, &settings).await?;
        Self::start(settings, Kept::Database(postgres), link, ratings)
    }

    fn start(
        settings: StoreSettings,
        kept: Kept,
        mut backend: impl Commits + Send + 'static,
        ratings: u64,
    ) -> Result<Self, OpenError> {
        metering::opened(ratings);
        let shared = Arc::new(Shared::new(settings));
        let writer = std::thread::Builder::new().name("store-writer".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || writer::run(&shared, &mut backend)
        });
        let writer = Mutex::new(Some(writer.map_err(OpenError::Thread)?));
        Ok(Self { inner: Arc::new(Inner { shared, kept, writer }) })
    }

    /// Stores a batch, all of it or nothing, and answers once it is on disk, rating by rating in order.
    ///
    /// Dropping the future does not take the batch back.
    ///
    /// # Errors
    /// [`PutError`]; only [`PutError::Failed`] leaves open whether the batch will be there later.
    pub async fn put(&self, ratings: Vec<NewRating>) -> Result<Vec<Put>, PutError> {
        let shared = &self.inner.shared;
        let ratings = check(ratings, &shared.settings.scale)?;
        if ratings.is_empty() {
            return Ok(Vec::new());
        }
        let count = ratings.len();
        let queued = |(reply, answer)| shared.enqueue(Job::Put(PutJob { ratings, reply })).map(|()| answer);
        let answer = queued(oneshot::channel()).inspect_err(|error| match error {
            PutError::QueueFull { .. } => metering::refused("queue_full", count),
            PutError::Refusing { .. } => metering::refused("refusing", count),
            _ => {}
        })?;
        answer.await.unwrap_or_else(|_| Err(writer_stopped()))
    }

    /// Deletes all ratings of a user, and their part in the items' statistics, and answers once that is on
    /// disk with how many there were. What arrives later is not touched.
    ///
    /// A user with more ratings than one commit holds is deleted in several, each of which leaves statistics
    /// that equal a recount; readers may see a part of them gone. Dropping the future does not take it back.
    ///
    /// # Errors
    /// [`PutError`]; after [`PutError::Failed`] a part may be deleted, and deleting again is harmless.
    pub async fn delete_user(&self, user_id: &str) -> Result<u64, PutError> {
        check_id("user id", user_id).map_err(PutError::InvalidId)?;
        let (reply, answer) = oneshot::channel();
        let user_id = user_id.to_owned();
        self.inner.shared.enqueue(Job::Delete(DeleteJob { user_id, reply }))?;
        answer.await.unwrap_or_else(|_| Err(writer_stopped()))
    }

    /// The statistics of an item; `None` where nobody rated it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn item(&self, item_id: &str) -> Result<Option<ItemStats>, ReadError> {
        check_id("item id", item_id).map_err(ReadError::InvalidId)?;
        let embedded = match &self.inner.kept {
            Kept::Folder(embedded) => embedded,
            Kept::Database(postgres) => return self.guard(postgres.item(item_id)).await,
        };
        let item_id = item_id.to_owned();
        let StoreSettings { scale, prior_ratings, .. } = self.inner.shared.settings;
        let read = move |engine: &Engine| {
            let found = engine.tally_and_totals(&item_id)?;
            Ok(found.and_then(|(tally, all)| tally.stats(&all, &scale, prior_ratings)))
        };
        embedded.read(&self.inner.shared, read).await
    }

    /// A user's current rating of an item.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn rating(&self, user_id: &str, item_id: &str) -> Result<Option<Rating>, ReadError> {
        check_id("user id", user_id)
            .and_then(|()| check_id("item id", item_id))
            .map_err(ReadError::InvalidId)?;
        let embedded = match &self.inner.kept {
            Kept::Folder(embedded) => embedded,
            Kept::Database(postgres) => return self.guard(postgres.rating(user_id, item_id)).await,
        };
        let (user_id, item_id) = (user_id.to_owned(), item_id.to_owned());
        let read = move |engine: &Engine| {
            let mark = engine.mark(&user_id, &item_id)?;
            Ok(mark.map(|Mark { score, timestamp_ms }| Rating {
                user_id,
                item_id,
                score: score.to_score(),
                timestamp_ms,
            }))
        };
        embedded.read(&self.inner.shared, read).await
    }

    /// A page of a user's ratings, ordered by item id. `limit` is brought into 1 to
    /// [`PAGE_RATINGS_MAX`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn ratings_of_user(
        &self,
        user_id: &str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, ReadError> {
        check_id("user id", user_id).map_err(ReadError::InvalidId)?;
        self.page(List::OfUser, user_id, after, limit).await
    }

    /// A page of an item's ratings, ordered by user id. `limit` is brought into 1 to
    /// [`PAGE_RATINGS_MAX`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn ratings_of_item(
        &self,
        item_id: &str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, ReadError> {
        check_id("item id", item_id).map_err(ReadError::InvalidId)?;
        self.page(List::OfItem, item_id, after, limit).await
    }

    /// A page of all ratings, each user's together and ordered by item id; the order of the users is the
    /// store's own. `limit` is brought into 1 to [`PAGE_RATINGS_MAX`]. For exports and copies of a store.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn ratings(&self, after: Option<&Cursor>, limit: usize) -> Result<Page, ReadError> {
        let limit = limit.clamp(1, PAGE_RATINGS_MAX);
        let embedded = match &self.inner.kept {
            Kept::Folder(embedded) => embedded,
            Kept::Database(postgres) => return self.guard(postgres.page_of_all(after, limit)).await,
        };
        let after = after.cloned();
        embedded.read(&self.inner.shared, move |engine| engine.page_of_all(after.as_ref(), limit)).await
    }

    /// A page of the items in a descending order, ties by ascending item id. `limit` is brought into 1 to
    /// [`PAGE_RATINGS_MAX`].
    ///
    /// A page is that of one moment, its order exact. Between two pages values may move: the cursor names the
    /// value and id after which the next page begins, so an item whose value stays is listed exactly once, and
    /// one whose value crosses that place may come twice or not at all. By
    /// [`ItemOrder::BayesianAverage`], every write moves the values a little, as it moves the mean of all.
    ///
    /// Reading costs one look per different count of ratings, at most √2R of them among R ratings, and then
    /// the page itself. The first call after opening reads the statistics of all items once; from then on they
    /// stay in memory, some 300 bytes an item.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn top_items(
        &self,
        order: ItemOrder,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<ItemsPage, ReadError> {
        let limit = limit.clamp(1, PAGE_RATINGS_MAX);
        let embedded = match &self.inner.kept {
            Kept::Folder(embedded) => embedded,
            Kept::Database(postgres) => return self.guard(postgres.top_items(order, after, limit)).await,
        };
        let (after, settings) = (after.cloned(), self.inner.shared.settings.clone());
        let read =
            move |engine: &Engine| engine.top_lists.page(engine, order, after.as_ref(), limit, &settings);
        embedded.read(&self.inner.shared, read).await
    }

    /// How many current ratings there are.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn ratings_total(&self) -> Result<u64, ReadError> {
        match &self.inner.kept {
            Kept::Folder(embedded) => {
                embedded.read(&self.inner.shared, |engine| Ok(engine.totals().count())).await
            }
            Kept::Database(postgres) => self.guard(postgres.ratings_total()).await,
        }
    }

    /// Counts everything anew and compares it with the statistics kept. Reads the whole store.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn recount(&self) -> Result<Recount, ReadError> {
        let scale = self.inner.shared.settings.scale;
        match &self.inner.kept {
            Kept::Folder(embedded) => {
                let read = move |engine: &Engine| recount::recount(engine, &scale);
                embedded.read(&self.inner.shared, read).await
            }
            Kept::Database(postgres) => self.guard(postgres.recount()).await,
        }
    }

    /// Whether ratings can be stored.
    #[must_use]
    pub fn health(&self) -> Health {
        self.inner.shared.health()
    }

    /// The range of scores and its histogram bins.
    #[must_use]
    pub fn scale(&self) -> ScoreScale {
        self.inner.shared.settings.scale
    }

    /// Takes no more ratings, writes those that wait, and lets go of the folder. Other handles find the
    /// store closed.
    pub async fn close(&self) {
        let inner = Arc::clone(&self.inner);
        // Only a runtime that is shutting down refuses; then the last handle closes as it goes.
        let _ = tokio::task::spawn_blocking(move || inner.close()).await;
        if let Kept::Database(postgres) = &self.inner.kept {
            postgres.close().await;
        }
    }

    async fn page(
        &self,
        list: List,
        of: &str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let limit = limit.clamp(1, PAGE_RATINGS_MAX);
        let embedded = match &self.inner.kept {
            Kept::Folder(embedded) => embedded,
            Kept::Database(postgres) => return self.guard(postgres.page(list, of, after, limit)).await,
        };
        let (of, after) = (of.to_owned(), after.cloned());
        embedded.read(&self.inner.shared, move |engine| engine.page(list, &of, after.as_ref(), limit)).await
    }

    /// Reads from a database unless the store is closed: its connections may outlive that by a moment.
    async fn guard<T>(&self, read: impl Future<Output = Result<T, ReadError>>) -> Result<T, ReadError> {
        match self.health() {
            Health::Closed => Err(ReadError::Closed),
            Health::Ready | Health::Refusing { .. } => read.await,
        }
    }
}

impl Inner {
    fn close(&self) {
        self.shared.queue.close();
        // Held until all is done, so that whoever closes second also returns to a free folder.
        let mut writer = self.writer.lock();
        let Some(running) = writer.take() else { return };
        // A writer that panicked has said so by refusing.
        let _ = running.join();
        let before = self.shared.health();
        self.shared.set_health(Health::Closed);
        if let Kept::Folder(embedded) = &self.kept {
            embedded.close(&before);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

fn writer_stopped() -> PutError {
    PutError::Failed { reason: "the writer stopped; restart the service".into() }
}

fn check(ratings: Vec<NewRating>, scale: &ScoreScale) -> Result<Vec<Incoming>, PutError> {
    let check_one = |(index, rating): (usize, NewRating)| match rating.checked(scale) {
        Ok(score) => Ok(Incoming {
            user_id: rating.user_id,
            item_id: rating.item_id,
            mark: Mark { score, timestamp_ms: rating.timestamp_ms },
        }),
        Err(problem) => Err(PutError::Invalid { index, problem }),
    };
    ratings.into_iter().enumerate().map(check_one).collect()
}
