//! Top lists over an engine: built when first asked for, kept current by what commits leave behind.
//!
//! Commits only note which tallies they changed, and only once somebody has asked for a top list; the next reader
//! sorts the changed items in. So writing pays one map entry per changed item, start-up pays nothing, and the
//! list a reader gets is that of one moment: of the last commit that was answered.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::cursor::{Cursor, Place};
use crate::engine::Engine;
use crate::error::ReadError;
use crate::ranking::{ItemOrder, Measure, RankValue, Ranking};
use crate::settings::StoreSettings;
use crate::tally::{ItemStats, Tally};

/// One page of a list of items.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemsPage {
    /// Item ids and their statistics, best first.
    pub items: Vec<(String, ItemStats)>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// The lists of one engine.
#[derive(Debug, Default)]
pub(crate) struct TopLists {
    /// Held through every commit, and while the lists begin: so a commit is either in the snapshot they are
    /// built from, or noted.
    gate: Mutex<()>,
    /// What commits changed since a reader last looked; `None` before the lists exist.
    noted: Mutex<Option<Changes>>,
    lists: RwLock<Option<Lists>>,
}

/// Tallies as commits left them.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    tallies: HashMap<String, Tally>,
    totals: Option<Tally>,
}

#[derive(Debug)]
struct Lists {
    ranking: Ranking,
    totals: Tally,
}

impl Changes {
    pub(crate) fn put(&mut self, tallies: &[(&str, Tally)], totals: &Tally) {
        self.tallies.extend(tallies.iter().map(|(item_id, tally)| ((*item_id).to_owned(), tally.clone())));
        self.totals = Some(totals.clone());
    }
}

impl TopLists {
    /// Taken by a commit from its beginning to its end, with a place for what it changes, where that matters.
    pub(crate) fn begin_commit(&self) -> (MutexGuard<'_, ()>, Option<Changes>) {
        let gate = self.gate.lock();
        let noting = self.noted.lock().is_some();
        (gate, noting.then(Changes::default))
    }

    /// Notes what a commit changed, once it is on disk and before its gate opens.
    pub(crate) fn note(&self, changes: Option<Changes>) {
        let (Some(changes), Some(noted)) = (changes, &mut *self.noted.lock()) else { return };
        noted.tallies.extend(changes.tallies);
        noted.totals = changes.totals.or(noted.totals.take());
    }

    /// The lists as the last answered commit left them.
    fn current(&self, engine: &Engine) -> Result<RwLockReadGuard<'_, Option<Lists>>, ReadError> {
        let mut lists = self.lists.write();
        match &mut *lists {
            None => *lists = Some(self.build(engine)?),
            Some(lists) => {
                let noted = self.noted.lock().replace(Changes::default()).unwrap_or_default();
                for (item_id, tally) in noted.tallies {
                    lists.ranking.set(&item_id, &tally);
                }
                if let Some(totals) = noted.totals {
                    lists.totals = totals;
                }
            }
        }
        Ok(RwLockWriteGuard::downgrade(lists))
    }

    fn build(&self, engine: &Engine) -> Result<Lists, ReadError> {
        let snapshot = {
            let _gate = self.gate.lock();
            *self.noted.lock() = Some(Changes::default());
            engine.snapshot()
        };
        let mut ranking = Ranking::default();
        for tally in engine.tallies(&snapshot)? {
            let (item_id, tally) = tally?;
            ranking.set(&item_id, &tally);
        }
        Ok(Lists { ranking, totals: engine.totals_in(&snapshot)? })
    }

    /// A page of the items by this order.
    pub(crate) fn page(
        &self,
        engine: &Engine,
        order: ItemOrder,
        after: Option<&Cursor>,
        limit: usize,
        settings: &StoreSettings,
    ) -> Result<ItemsPage, ReadError> {
        let place = place_in(order, after)?;
        let current = self.current(engine)?;
        let Some(Lists { ranking, totals }) = &*current else { return Err(ReadError::Closed) };
        let StoreSettings { scale, prior_ratings, .. } = *settings;
        let prior_mean = totals.mean().unwrap_or_else(|| scale.midpoint());
        let measure = Measure { order, prior_mean, prior_ratings };
        // One more than asked for tells whether there is a next page.
        let ids = ranking.top(&measure, place, limit + 1);
        let stats = |id: &Arc<str>| {
            let stats = ranking.stats(id, totals, &scale, prior_ratings);
            stats.ok_or_else(|| ReadError::Corrupted(format!("the tally of item {id:?}")))
        };
        let items = ids.iter().take(limit).map(|id| Ok((id.to_string(), stats(id)?)));
        let items = items.collect::<Result<Vec<_>, ReadError>>()?;
        let next = items.last().filter(|_| ids.len() > limit).map(|last| cursor_at(order, last));
        Ok(ItemsPage { items, next })
    }
}

/// The place a cursor names in this order.
pub(crate) fn place_in(
    order: ItemOrder,
    after: Option<&Cursor>,
) -> Result<Option<(RankValue, &str)>, ReadError> {
    match after {
        None => Ok(None),
        Some(Cursor { place: Place::Item(value, id) }) if value.order() == order => Ok(Some((*value, id))),
        Some(other) => Err(ReadError::CursorOfAnotherList(other.list_name())),
    }
}

/// The cursor after this item.
pub(crate) fn cursor_at(order: ItemOrder, (item_id, stats): &(String, ItemStats)) -> Cursor {
    let value = match order {
        ItemOrder::BayesianAverage => RankValue::BayesianAverage(stats.bayesian_average),
        ItemOrder::Mean => RankValue::Mean(stats.mean),
        ItemOrder::Count => RankValue::Count(stats.count),
    };
    Cursor { place: Place::Item(value, item_id.clone()) }
}
