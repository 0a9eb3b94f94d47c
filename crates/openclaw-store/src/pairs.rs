//! Which pairs of a user and an item may have a rating, so that commits do not look for those that have none.
//!
//! Most ratings are the first of their pair. To learn that from the engine takes a search in every memtable and a
//! question to the filter of every table that may have it: a third of a commit's time, most of it waiting for memory.
//! One Bloom filter over all pairs answers with one word of memory. It is made anew at every start, by a thread of its
//! own, and says "maybe" until that is done; ratings that go leave their bits behind. So it can be wrong in one
//! direction only, and is nothing that a crash could damage.
//!
//! All bits of a pair lie in one word (Putze, Sanders and Singler: Cache-, Hash- and Space-Efficient Bloom Filters,
//! 2007). Remembering pairs themselves lost: absence is what has to be known, and of all pairs.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// Words of a page, and pages of the filter: 8 MiB together. With five million ratings few new pairs are looked for in
/// vain, with twenty million about one of four.
const PAGE_WORDS: usize = 1024;
const PAGES: usize = 1024;

/// Stores with more ratings do without: the filter would say "maybe" more often than not.
pub(crate) const RATINGS_MAX: u64 = 40_000_000;

/// Bits of a pair.
const BITS: u32 = 4;

/// The pairs of one open store.
#[derive(Debug)]
pub(crate) struct Pairs {
    filter: Arc<Filter>,
    stop: Arc<AtomicBool>,
    /// Reads the pairs that were there at the start.
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Filter {
    /// In pages because those are cleared at once; one by one, a million words take a moment in a debug build.
    pages: Box<[[AtomicU64; PAGE_WORDS]]>,
    hasher: RandomState,
    /// Whether every pair that has a rating has its bits.
    complete: AtomicBool,
}

impl Pairs {
    /// Nothing is known.
    pub(crate) fn unknown() -> Self {
        let page = || [const { AtomicU64::new(0) }; PAGE_WORDS];
        let pages = std::iter::repeat_with(page).take(PAGES).collect();
        let filter = Filter { pages, hasher: RandomState::new(), complete: AtomicBool::new(false) };
        Self { filter: Arc::new(filter), stop: Arc::default(), reader: None }
    }

    /// Begins to read the pairs there are, in the background. Those that are [noted](Self::note) meanwhile need not be
    /// among them. An error in `read` ends it: then nothing will be known.
    pub(crate) fn learn<K: AsRef<[u8]>, E: std::fmt::Display>(
        &mut self,
        keys: impl Iterator<Item = Result<K, E>> + Send + 'static,
        split: impl Fn(&[u8]) -> Option<(&[u8], &[u8])> + Send + 'static,
    ) {
        let (filter, stop) = (Arc::clone(&self.filter), Arc::clone(&self.stop));
        let learn = move || {
            for key in keys {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                match key.as_ref().map(|key| split(key.as_ref())) {
                    Ok(Some(pair)) => filter.add(pair),
                    Ok(None) => return,
                    Err(error) => {
                        tracing::warn!(%error, "pairs could not be read; commits look for every one");
                        return;
                    }
                }
            }
            filter.complete.store(true, Ordering::Release);
        };
        let spawned = std::thread::Builder::new().name("store-pairs".to_owned()).spawn(learn);
        match spawned {
            Ok(reader) => self.reader = Some(reader),
            Err(error) => tracing::warn!(%error, "no thread to read pairs; commits look for every one"),
        }
    }

    /// Notes that a pair is about to have a rating. Returns whether it may have one already. To be called by one
    /// thread at a time.
    pub(crate) fn note(&self, user_id: &str, item_id: &str) -> bool {
        let pair = (user_id.as_bytes(), item_id.as_bytes());
        if !self.filter.complete.load(Ordering::Acquire) {
            self.filter.add(pair);
            return true;
        }
        let (word, bits) = self.filter.place(pair);
        // Nobody else writes any more. One atomic operation would do it as well, but makes the next wait for it.
        let known = word.load(Ordering::Relaxed);
        word.store(known | bits, Ordering::Relaxed);
        known & bits == bits
    }
}

impl Drop for Pairs {
    /// The reader holds the engine's files.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            // What it panicked of it has said.
            let _ = reader.join();
        }
    }
}

impl Filter {
    fn add(&self, pair: (&[u8], &[u8])) {
        let (word, bits) = self.place(pair);
        word.fetch_or(bits, Ordering::Relaxed);
    }

    fn place(&self, (user_id, item_id): (&[u8], &[u8])) -> (&AtomicU64, u64) {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(user_id);
        // No byte of UTF-8: else "a" and "bc" were "ab" and "c".
        hasher.write_u8(0xff);
        hasher.write(item_id);
        let hash = hasher.finish();
        // The lowest bits choose the word, four times six higher ones the bits in it.
        let bits = (0..BITS).fold(0, |bits, number| bits | 1 << (hash >> (40 + 6 * number) & 63));
        let word = hash as usize % (PAGES * PAGE_WORDS);
        (&self.pages[word / PAGE_WORDS][word % PAGE_WORDS], bits)
    }
}

#[cfg(test)]
mod tests {
    use super::Pairs;

    fn learnt(ids: std::ops::Range<u32>) -> Pairs {
        let mut pairs = Pairs::unknown();
        let keys = ids.map(|id| Ok::<_, String>(format!("user-{id}")));
        pairs.learn(keys, |key| Some((key, b"film")));
        pairs.reader.take().unwrap().join().unwrap();
        pairs
    }

    #[test]
    fn every_pair_that_was_read_or_noted_is_known() {
        let pairs = learnt(0..10_000);
        assert!((0..10_000).all(|id| pairs.note(&format!("user-{id}"), "film")));
        let unknown = |id: &u32| !pairs.note(&format!("user-{id}"), "book");
        let new = (0..10_000).filter(unknown).count();
        assert!(new > 9_900, "of 10,000 new pairs {new} are known to be new");
        assert!((0..10_000).all(|id| pairs.note(&format!("user-{id}"), "book")), "noted");
    }

    #[test]
    fn until_all_was_read_every_pair_may_have_a_rating() {
        let (mut pairs, (go, wait)) = (Pairs::unknown(), std::sync::mpsc::channel::<()>());
        let keys = std::iter::once_with(move || wait.recv().map(|()| "user-1"));
        pairs.learn(keys, |key| Some((key, b"film")));
        assert!(pairs.note("user-2", "film"));
        go.send(()).unwrap();
        pairs.reader.take().unwrap().join().unwrap();
        assert!(pairs.note("user-1", "film") && pairs.note("user-2", "film"));
        assert!(!pairs.note("user-3", "film"));
    }

    #[test]
    fn what_cannot_be_read_leaves_nothing_known() {
        let mut pairs = Pairs::unknown();
        let keys = ["user-1", ""].map(|key| if key.is_empty() { Err("gone") } else { Ok(key) });
        pairs.learn(keys.into_iter(), |key| Some((key, b"film")));
        pairs.reader.take().unwrap().join().unwrap();
        assert!(pairs.note("user-2", "film"));
    }

    #[test]
    fn whoever_ends_need_not_wait_for_the_reader_to_come_to_an_end() {
        let mut pairs = Pairs::unknown();
        pairs.learn(std::iter::repeat_with(|| Ok::<_, String>("user")), |key| Some((key, b"film")));
        drop(pairs);
    }
}
