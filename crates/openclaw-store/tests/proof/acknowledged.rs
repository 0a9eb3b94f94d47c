//! What was ever acknowledged, and what of it a store still has.

use std::collections::BTreeMap;

use openclaw_store::Store;

use super::writer;

/// The newest acknowledged timestamp of every writing task and item.
type Newest = BTreeMap<(u64, String), u64>;

/// All acknowledgements of all writers' lives.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    newest: Newest,
    /// How many there were.
    pub(crate) count: u64,
}

/// What did not survive.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Acknowledged ratings that are missing or older than acknowledged, or not as written.
    pub(crate) ratings: Vec<String>,
    /// Batches of which a part is there and a part is not, acknowledged or not.
    pub(crate) torn: Vec<String>,
    /// Statistics that differ from a recount.
    pub(crate) statistics: Vec<String>,
    /// Why the store did not open, if it did not.
    pub(crate) unopened: Option<String>,
}

impl Losses {
    pub(crate) fn is_none(&self) -> bool {
        self.ratings.is_empty()
            && self.torn.is_empty()
            && self.statistics.is_empty()
            && self.unopened.is_none()
    }
}

impl Acknowledged {
    /// Notes a line that a writer printed, if it is an acknowledgement.
    pub(crate) fn note(&mut self, line: &str) {
        let Some(stored) = line.strip_prefix("stored ") else { return };
        let (task, timestamp_ms) = stored.split_once(' ').unwrap();
        let (task, timestamp_ms): (u64, u64) = (task.parse().unwrap(), timestamp_ms.parse().unwrap());
        for item_id in writer::items_of(task, timestamp_ms) {
            let newest = self.newest.entry((task, item_id)).or_default();
            *newest = timestamp_ms.max(*newest);
        }
        self.count += 1;
    }

    /// Notes all that a writer printed up to its death.
    pub(crate) fn note_all(&mut self, printed: &[u8]) {
        let printed = str::from_utf8(printed).unwrap();
        // What follows the last line break was torn by the kill: an acknowledgement nobody received.
        let whole = printed.rfind('\n').map_or("", |end| &printed[..end]);
        whole.lines().for_each(|line| self.note(line));
    }

    /// Looks in the store for everything acknowledged.
    pub(crate) async fn losses(&self, store: &Store) -> Losses {
        let mut losses = Losses::default();
        let mut found = Newest::new();
        for task in 0..writer::TASKS {
            for rating in store.ratings_of_user(&format!("user-{task}"), None, 1_000).await.unwrap().ratings {
                if rating.score.to_bits() != writer::score_at(rating.timestamp_ms).to_bits() {
                    losses.ratings.push(format!("not as written: {rating:?}"));
                }
                found.insert((task, rating.item_id), rating.timestamp_ms);
            }
        }
        for (pair, newest) in &self.newest {
            if found.get(pair).is_none_or(|timestamp_ms| timestamp_ms < newest) {
                losses.ratings.push(format!("{pair:?}: {:?} instead of {newest}", found.get(pair)));
            }
        }
        losses.torn = torn_batches(&found);
        losses.statistics = store.recount().await.unwrap().described;
        losses
    }
}

/// A batch is there as soon as one of its ratings is: then all its items have its timestamp or a newer one.
fn torn_batches(found: &Newest) -> Vec<String> {
    let missing = |task: u64, timestamp_ms: u64| {
        writer::items_of(task, timestamp_ms)
            .filter(move |item| found.get(&(task, item.clone())).is_none_or(|there| *there < timestamp_ms))
    };
    found
        .iter()
        .flat_map(|((task, _), &there)| {
            missing(*task, there).map(move |item| format!("{task} {there}: no {item}"))
        })
        .collect()
}
