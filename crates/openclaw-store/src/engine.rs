//! The embedded engine: which keyspace holds what, how it is read, and how one commit becomes durable.
//!
//! Nothing outside this module, `embedded` and `folder` knows fjall. Readers of many records go through snapshots, so
//! that what they compare belongs to the same moment.

mod commit;

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use fjall::compaction::Leveled;
use fjall::{
    Database, Guard, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable, Snapshot,
};

use crate::cursor::{Cursor, List, Place};
use crate::error::ReadError;
use crate::layout::{
    Mark, RECORDS_PREFIX, SCALE_KEY, TOTALS_KEY, decode_mark, decode_scale, decode_tally, encode_scale,
    encode_tally, list_prefix, pair_key, parse_pair_key, parse_record_key, split_pair_key,
};
use crate::pairs::{self, Pairs};
use crate::rating::{Micros, Rating, ScoreScale};
use crate::settings::StoreSettings;
use crate::tallies::{State, Tallies};
use crate::tally::Tally;
use crate::toplist::TopLists;
use commit::Commit;

/// Threads that flush and compact in the background. Where there are more, the engine's first one does not compact and
/// puts such work back into the queue again and again while the others are busy, which takes a whole core.
const WORKER_THREADS: usize = 1;

/// How many full memtables of a keyspace may wait to be written out: below the 4 at which the engine waits.
const SEALED_MAX: usize = 3;

/// How many new tables of a keyspace are merged at a time, fixed when a store is created. The engine's own 4 merge the
/// older ones with them twice as often; more make every look-up ask more tables.
const MERGED_TABLES: u8 = 8;

/// How many tables of a keyspace may wait to be merged: below the 30 at which the engine waits.
const UNMERGED_MAX: usize = 24;

/// How long to leave background threads to their work before looking again.
const BEHIND_PAUSE: Duration = Duration::from_millis(1);

/// An open database and its keyspaces.
pub(crate) struct Engine {
    database: Database,
    by_user: Keyspace,
    by_item: Keyspace,
    tallies: Keyspace,
    meta: Keyspace,
    /// How many journals there were after the last commit.
    journals: AtomicUsize,
    pub(crate) top_lists: TopLists,
    in_memory: Tallies,
    pairs: Pairs,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// One page of a list of ratings.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The ratings, ordered by the id that differs between them.
    pub ratings: Vec<Rating>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

impl Engine {
    /// Opens the database in this folder, creating it where there is none.
    pub(crate) fn open(folder: &Path, settings: &StoreSettings) -> fjall::Result<Self> {
        let database = Database::builder(folder)
            .cache_size(settings.cache_bytes)
            .worker_threads(WORKER_THREADS)
            .open()?;
        let merging = Arc::new(Leveled::default().with_l0_threshold(MERGED_TABLES));
        let options = || {
            let options = KeyspaceCreateOptions::default().max_memtable_size(settings.memtable_bytes);
            options.compaction_strategy(merging.clone())
        };
        let keyspace = |name| database.keyspace(name, options);
        Ok(Self {
            by_user: keyspace("by_user")?,
            by_item: keyspace("by_item")?,
            tallies: keyspace("tallies")?,
            meta: keyspace("meta")?,
            journals: AtomicUsize::new(database.journal_count()),
            top_lists: TopLists::default(),
            // Most records then go before the memtable they lie in is written out.
            in_memory: Tallies::new(settings.memtable_bytes / 2),
            pairs: Pairs::unknown(),
            database,
        })
    }

    /// Reads what commits need in memory. Without it the engine takes none.
    pub(crate) fn load(&mut self) -> Result<(), ReadError> {
        let snapshot = self.snapshot();
        self.in_memory.set(self.state_in(&snapshot)?);
        if self.totals().count() <= pairs::RATINGS_MAX {
            let keys = snapshot.iter(&self.by_user).map(Guard::key);
            self.pairs.learn(keys, split_pair_key);
        }
        Ok(())
    }

    /// Writes what a new store needs before its first rating.
    pub(crate) fn initialise(&self, scale: &ScoreScale) -> fjall::Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&self.meta, SCALE_KEY, encode_scale(scale));
        batch.insert(&self.meta, TOTALS_KEY, encode_tally(&Tally::empty(scale)));
        batch.commit()
    }

    /// The scale the store was made for.
    pub(crate) fn scale(&self) -> Result<ScoreScale, ReadError> {
        let value = self.meta.get(SCALE_KEY)?.ok_or_else(|| corrupted("the score scale is missing"))?;
        decode_scale(&value).ok_or_else(|| corrupted("the score scale"))
    }

    /// The current rating of this pair.
    pub(crate) fn mark(&self, user_id: &str, item_id: &str) -> Result<Option<Mark>, ReadError> {
        let value = self.by_user.get(pair_key(user_id, item_id))?;
        value.map(|value| decode_mark(&value).ok_or_else(|| corrupted("a rating"))).transpose()
    }

    /// For the writer: the rating of a pair that is about to have one.
    pub(crate) fn mark_before(&self, user_id: &str, item_id: &str) -> Result<Option<Mark>, ReadError> {
        if self.pairs.note(user_id, item_id) { self.mark(user_id, item_id) } else { Ok(None) }
    }

    /// For the writer: the tally of an item as last committed, which [`Commit::finish`] is then told of.
    pub(crate) fn take_tally(&self, item_id: &str) -> Result<Option<Tally>, ReadError> {
        match self.in_memory.take(item_id) {
            Some(tally) => Ok(Some(tally)),
            None => self.carried_over(item_id),
        }
    }

    /// The tally of an item that no record has.
    fn carried_over(&self, item_id: &str) -> Result<Option<Tally>, ReadError> {
        self.tallies.get(item_id)?.map(|value| parse_tally(&value, item_id)).transpose()
    }

    /// The tally of all ratings as last committed.
    pub(crate) fn totals(&self) -> Tally {
        self.in_memory.totals()
    }

    /// An item's tally and that of all ratings, of the same moment.
    pub(crate) fn tally_and_totals(&self, item_id: &str) -> Result<Option<(Tally, Tally)>, ReadError> {
        self.in_memory.with_totals(item_id, || self.carried_over(item_id))
    }

    /// A user's ratings, at most so many, ordered by item.
    pub(crate) fn marks_of_user(
        &self,
        user_id: &str,
        limit: usize,
    ) -> Result<Vec<(String, Mark)>, ReadError> {
        let prefix = list_prefix(user_id);
        let entries = self.by_user.prefix(&prefix).take(limit).map(|entry| {
            let (key, value) = entry.into_inner()?;
            let (_, item_id) = parse_pair_key(&key).ok_or_else(|| corrupted("the key of a rating"))?;
            let mark = decode_mark(&value).ok_or_else(|| corrupted("a rating"))?;
            Ok((item_id.to_owned(), mark))
        });
        entries.collect()
    }

    /// A page of the ratings of one user or one item, ordered by the other id.
    pub(crate) fn page(
        &self,
        list: List,
        of: &str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let prefix = list_prefix(of);
        let first = match after {
            None => Bound::Included(prefix.clone()),
            Some(Cursor { place: Place::Rating(of_list, other) }) if *of_list == list => {
                Bound::Excluded(pair_key(of, other))
            }
            Some(cursor) => return Err(ReadError::CursorOfAnotherList(cursor.list_name())),
        };
        let place = |last: &Rating| Place::Rating(list, other_id(list, last));
        self.page_from(list, first, &prefix, limit, place)
    }

    /// A page of all ratings, ordered by the length of the user id, the user id, and the item id.
    pub(crate) fn page_of_all(&self, after: Option<&Cursor>, limit: usize) -> Result<Page, ReadError> {
        let first = match after {
            None => Bound::Unbounded,
            Some(Cursor { place: Place::Pair(user_id, item_id) }) => {
                Bound::Excluded(pair_key(user_id, item_id))
            }
            Some(cursor) => return Err(ReadError::CursorOfAnotherList(cursor.list_name())),
        };
        let place = |last: &Rating| Place::Pair(last.user_id.clone(), last.item_id.clone());
        self.page_from(List::OfUser, first, &[], limit, place)
    }

    fn page_from(
        &self,
        list: List,
        first: Bound<Vec<u8>>,
        prefix: &[u8],
        limit: usize,
        place: impl Fn(&Rating) -> Place,
    ) -> Result<Page, ReadError> {
        let snapshot = self.database.snapshot();
        let mut ratings = Vec::new();
        for entry in snapshot.range(self.keyspace_of(list), (first, Bound::Unbounded)) {
            let (key, value) = entry.into_inner()?;
            if !key.starts_with(prefix) {
                break;
            }
            if ratings.len() == limit {
                let next = ratings.last().map(|last| Cursor { place: place(last) });
                return Ok(Page { ratings, next });
            }
            ratings.push(parse_rating(list, &key, &value)?.0);
        }
        Ok(Page { ratings, next: None })
    }

    /// A moment in time for walks over everything.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.database.snapshot()
    }

    /// Every rating in a snapshot with its exact score, ordered by user or by item.
    pub(crate) fn ratings(
        &self,
        snapshot: &Snapshot,
        list: List,
    ) -> impl Iterator<Item = Result<(Rating, Micros), ReadError>> + use<> {
        snapshot.iter(self.keyspace_of(list)).map(move |entry: Guard| {
            let (key, value) = entry.into_inner()?;
            parse_rating(list, &key, &value)
        })
    }

    /// Every rated item's tally in a snapshot, once each, in no particular order.
    pub(crate) fn tallies(
        &self,
        snapshot: &Snapshot,
    ) -> Result<impl Iterator<Item = Result<(String, Tally), ReadError>> + use<>, ReadError> {
        let pending = Arc::new(self.state_in(snapshot)?.into_pending());
        let known = Arc::clone(&pending);
        let settled = snapshot.iter(&self.tallies).filter_map(move |entry: Guard| {
            let parse = || {
                let (key, value) = entry.into_inner()?;
                let item_id = str::from_utf8(&key).map_err(|_| corrupted("an item id"))?;
                Ok((!known.contains_key(item_id))
                    .then(|| Ok((item_id.to_owned(), parse_tally(&value, item_id)?))))
            };
            parse().unwrap_or_else(|error| Some(Err(error)))
        });
        let rated = Arc::unwrap_or_clone(pending).into_iter().filter(|(_, tally)| tally.count() > 0);
        Ok(settled.chain(rated.map(Ok)))
    }

    /// The tallies that records hold in a snapshot, and the totals.
    fn state_in(&self, snapshot: &Snapshot) -> Result<State, ReadError> {
        let mut state = State::new(self.totals_in(snapshot)?);
        for entry in snapshot.prefix(&self.meta, RECORDS_PREFIX) {
            let (key, value) = entry.into_inner()?;
            let read = parse_record_key(&key).and_then(|number| state.read_record(number, &value));
            read.ok_or_else(|| corrupted("a record of tallies"))?;
        }
        Ok(state)
    }

    /// The tally of all ratings in a snapshot.
    pub(crate) fn totals_in(&self, snapshot: &Snapshot) -> Result<Tally, ReadError> {
        parse_totals(snapshot.get(&self.meta, TOTALS_KEY)?.as_deref())
    }

    /// Starts a commit of about so many ratings' records, which is on disk when [`Commit::finish`] returns.
    pub(crate) fn commit(&self, records: usize) -> Commit<'_> {
        let (gate, changes) = self.top_lists.begin_commit();
        // Two more for the totals and the record of tallies.
        let batch = OwnedWriteBatch::with_capacity(self.database.clone(), records + 2);
        let batch = batch.durability(Some(PersistMode::SyncData));
        Commit { engine: self, batch, changes, _gate: gate }
    }

    /// Waits while the background threads are behind.
    ///
    /// The engine would do so itself in the middle of a commit, but without an end where those threads have
    /// died of a write error. So this waits a little earlier, and finds out.
    fn wait_for_background(&self) -> fjall::Result<()> {
        let behind = |keyspace: &&Keyspace| {
            keyspace.sealed_memtable_count() >= SEALED_MAX || keyspace.l0_table_count() >= UNMERGED_MAX
        };
        while self.keyspaces().iter().any(behind) {
            // Writes nothing by itself; an error says that the engine takes no more writes.
            self.database.persist(PersistMode::Buffer)?;
            thread::sleep(BEHIND_PAUSE);
        }
        Ok(())
    }

    fn keyspaces(&self) -> [&Keyspace; 4] {
        [&self.by_user, &self.by_item, &self.tallies, &self.meta]
    }

    /// Has everything written out as tables when a journal was just sealed, so that it can go.
    ///
    /// The engine would keep a sealed journal for the sake of the least record in it, and the tally of all
    /// ratings is too small to ever be written out by itself. What journals hold is replayed at start-up.
    fn let_go_of_sealed_journals(&self) {
        let journals = self.database.journal_count();
        if journals > self.journals.swap(journals, Ordering::Relaxed) {
            for keyspace in self.keyspaces() {
                if let Err(error) = keyspace.rotate_memtable() {
                    // Only the start-up after a crash takes longer; if it is worse, the next commit fails.
                    tracing::warn!(%error, keyspace = %keyspace.name(), "records could not be written out early");
                }
            }
        }
    }

    fn keyspace_of(&self, list: List) -> &Keyspace {
        match list {
            List::OfUser => &self.by_user,
            List::OfItem => &self.by_item,
        }
    }
}

fn parse_totals(value: Option<&[u8]>) -> Result<Tally, ReadError> {
    value.and_then(decode_tally).ok_or_else(|| corrupted("the tally of all ratings"))
}

fn parse_tally(value: &[u8], item_id: &str) -> Result<Tally, ReadError> {
    decode_tally(value).ok_or_else(|| corrupted(&format!("the tally of item {item_id:?}")))
}

fn parse_rating(list: List, key: &[u8], value: &[u8]) -> Result<(Rating, Micros), ReadError> {
    let (first, second) = parse_pair_key(key).ok_or_else(|| corrupted("the key of a rating"))?;
    let mark = decode_mark(value).ok_or_else(|| corrupted("a rating"))?;
    let (user_id, item_id) = match list {
        List::OfUser => (first, second),
        List::OfItem => (second, first),
    };
    let rating = Rating {
        user_id: user_id.to_owned(),
        item_id: item_id.to_owned(),
        score: mark.score.to_score(),
        timestamp_ms: mark.timestamp_ms,
    };
    Ok((rating, mark.score))
}

fn other_id(list: List, rating: &Rating) -> String {
    match list {
        List::OfUser => rating.item_id.clone(),
        List::OfItem => rating.user_id.clone(),
    }
}

fn corrupted(what: &str) -> ReadError {
    ReadError::Corrupted(what.to_owned())
}

impl From<fjall::Error> for ReadError {
    fn from(error: fjall::Error) -> Self {
        Self::Engine(error.to_string())
    }
}
