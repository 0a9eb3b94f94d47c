//! The handle that services hold: checks what comes in, queues it for the writer, reads off the runtime.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;

use crate::cursor::{Cursor, List};
use crate::engine::{Engine, Page};
use crate::error::{OpenError, PutError, ReadError};
use crate::folder::Folder;
use crate::layout::Mark;
use crate::metering;
use crate::queue::{DeleteJob, Incoming, Job, PutJob, Queue};
use crate::ranking::ItemOrder;
use crate::rating::{NewRating, Put, Rating, ScoreScale, check_id};
use crate::recount::{self, Recount};
use crate::settings::StoreSettings;
use crate::tally::ItemStats;
use crate::toplist::ItemsPage;
use crate::writer;

/// The most ratings or items one page holds.
pub const PAGE_RATINGS_MAX: usize = 1_000;

/// Whether ratings can be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Everything works.
    Ready,
    /// Writing failed; ratings are refused until it works again, which is tried by itself.
    Refusing {
        /// What failed, in a sentence for operators.
        reason: Arc<str>,
    },
    /// The store was closed.
    Closed,
}

/// Ratings on disk, and the statistics of their items.
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
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What the handle and the writer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) folder: Folder,
    pub(crate) settings: StoreSettings,
    pub(crate) queue: Queue,
    /// `None` while it is being reopened and after closing.
    pub(crate) engine: RwLock<Option<Engine>>,
    health: Mutex<Health>,
}

impl Store {
    /// Opens the store in this folder, creating it where there is none. Blocks while it replays what a
    /// crash left; call it before serving.
    ///
    /// # Errors
    /// [`OpenError`], each a sentence that says what to do.
    pub fn open(folder: &Path, settings: StoreSettings) -> Result<Self, OpenError> {
        settings.check().map_err(OpenError::Settings)?;
        let folder = Folder::acquire(folder)?;
        folder.prepare(&settings)?;
        let engine = folder.open_engine(&settings)?;
        let damaged = |error: ReadError| folder.corrupted(error.to_string());
        check_scale(&folder, &engine.scale().map_err(damaged)?, &settings.scale)?;
        metering::opened(engine.totals().map_err(damaged)?.count());
        let shared = Arc::new(Shared {
            folder,
            queue: Queue::new(settings.queue_ratings_max),
            settings,
            engine: RwLock::new(Some(engine)),
            health: Mutex::new(Health::Ready),
        });
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || writer::run(&shared)
            })
            .map_err(|source| OpenError::Io {
                doing: "starting the writer of",
                path: shared.folder.path().to_owned(),
                source,
            })?;
        Ok(Self { inner: Arc::new(Inner { shared, writer: Mutex::new(Some(writer)) }) })
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
        let item_id = item_id.to_owned();
        let StoreSettings { scale, prior_ratings, .. } = self.inner.shared.settings;
        self.read(move |engine| {
            let found = engine.tally_and_totals(&item_id)?;
            Ok(found.and_then(|(tally, all)| tally.stats(&all, &scale, prior_ratings)))
        })
        .await
    }

    /// A user's current rating of an item.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn rating(&self, user_id: &str, item_id: &str) -> Result<Option<Rating>, ReadError> {
        check_id("user id", user_id)
            .and_then(|()| check_id("item id", item_id))
            .map_err(ReadError::InvalidId)?;
        let (user_id, item_id) = (user_id.to_owned(), item_id.to_owned());
        self.read(move |engine| {
            let mark = engine.mark(&user_id, &item_id)?;
            Ok(mark.map(|Mark { score, timestamp_ms }| Rating {
                user_id,
                item_id,
                score: score.to_score(),
                timestamp_ms,
            }))
        })
        .await
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
        let after = after.cloned();
        let limit = limit.clamp(1, PAGE_RATINGS_MAX);
        self.read(move |engine| engine.page_of_all(after.as_ref(), limit)).await
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
        let after = after.cloned();
        let limit = limit.clamp(1, PAGE_RATINGS_MAX);
        let settings = self.inner.shared.settings.clone();
        self.read(move |engine| engine.top_lists.page(engine, order, after.as_ref(), limit, &settings)).await
    }

    /// How many current ratings there are.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn ratings_total(&self) -> Result<u64, ReadError> {
        self.read(|engine| Ok(engine.totals()?.count())).await
    }

    /// Counts everything anew and compares it with the statistics kept. Reads the whole store.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn recount(&self) -> Result<Recount, ReadError> {
        let scale = self.inner.shared.settings.scale;
        self.read(move |engine| recount::recount(engine, &scale)).await
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
    }

    async fn page(
        &self,
        list: List,
        of: &str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let (of, after) = (of.to_owned(), after.cloned());
        let limit = limit.clamp(1, PAGE_RATINGS_MAX);
        self.read(move |engine| engine.page(list, &of, after.as_ref(), limit)).await
    }

    /// Reads on a thread that may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Engine) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let shared = Arc::clone(&self.inner.shared);
        let task = tokio::task::spawn_blocking(move || {
            let engine = shared.engine.read();
            match (engine.as_ref(), shared.health()) {
                (Some(engine), _) => read(engine),
                (None, Health::Refusing { reason }) => Err(ReadError::Unavailable { reason }),
                (None, Health::Ready | Health::Closed) => Err(ReadError::Closed),
            }
        });
        task.await.unwrap_or_else(|error| Err(ReadError::Engine(format!("the read did not finish: {error}"))))
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
        let orderly = self.shared.health() == Health::Ready;
        self.shared.set_health(Health::Closed);
        drop(self.shared.engine.write().take());
        self.shared.folder.release(orderly);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    pub(crate) fn health(&self) -> Health {
        self.health.lock().clone()
    }

    pub(crate) fn set_health(&self, health: Health) {
        metering::refusing(matches!(health, Health::Refusing { .. }));
        *self.health.lock() = health;
    }

    pub(crate) fn start_refusing(&self, reason: Arc<str>) {
        self.set_health(Health::Refusing { reason });
    }

    /// Hands a job to the writer, or says at once why not.
    fn enqueue(&self, job: Job) -> Result<(), PutError> {
        match self.health() {
            Health::Ready => self.queue.push(job),
            Health::Closed => Err(PutError::Closed),
            Health::Refusing { reason } => Err(PutError::Refusing { reason }),
        }
    }

    /// Why ratings are refused, while they are.
    pub(crate) fn refusing(&self) -> Option<Arc<str>> {
        match &*self.health.lock() {
            Health::Refusing { reason } => Some(Arc::clone(reason)),
            Health::Ready | Health::Closed => None,
        }
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

fn check_scale(folder: &Folder, made_for: &ScoreScale, asked: &ScoreScale) -> Result<(), OpenError> {
    if made_for == asked {
        return Ok(());
    }
    let name = |scale: &ScoreScale| {
        format!("{} to {} in {} bins", scale.score_min(), scale.score_max(), scale.bins())
    };
    Err(OpenError::ScaleChanged {
        folder: folder.path().to_owned(),
        made_for: name(made_for),
        asked: name(asked),
    })
}
