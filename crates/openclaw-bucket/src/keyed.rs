//! A bucket per key.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;

use crate::{Allowed, BucketParams, Decision, Limited, RefusedBy, Settings, Snapshot, Standing};

/// A token bucket per key.
#[derive(Debug)]
pub struct KeyedBuckets {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    defaults: BucketParams,
    keys_max: usize,
    buckets: HashMap<Box<[u8]>, Bucket>,
    overflow: Bucket,
    newcomers: Option<Bucket>,
}

/// No room for another key, and none may be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("all {keys_max} keys of the table are in use and none may be forgotten")]
pub struct TableFull {
    /// The table's bound.
    pub keys_max: usize,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: f64,
    settled_ns: u64,
    params: BucketParams,
    assigned: bool,
}

impl Bucket {
    fn full(params: BucketParams, now_ns: u64) -> Self {
        Self { level: params.capacity(), settled_ns: now_ns, params, assigned: false }
    }

    fn settle(&mut self, now_ns: u64) {
        let gained = now_ns.saturating_sub(self.settled_ns) as f64 * 1e-9 * self.params.refill_rate();
        self.level = (self.level + gained).min(self.params.capacity());
        self.settled_ns = self.settled_ns.max(now_ns);
    }

    fn change(&mut self, params: BucketParams, now_ns: u64) {
        self.settle(now_ns);
        self.params = params;
        self.level = self.level.min(params.capacity());
    }

    fn wait(&self, tokens: f64) -> Option<Duration> {
        Duration::try_from_secs_f64(tokens.max(0.0) / self.params.refill_rate()).ok()
    }

    fn lacks(&self, cost: f64) -> Option<Option<Duration>> {
        let payable = cost >= 0.0 && cost <= self.params.capacity();
        (!(payable && cost <= self.level)).then(|| if payable { self.wait(cost - self.level) } else { None })
    }
}

impl KeyedBuckets {
    /// An empty table.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            state: Mutex::new(State {
                defaults: settings.defaults,
                keys_max: settings.keys_max,
                buckets: HashMap::new(),
                overflow: Bucket::full(settings.defaults, 0),
                newcomers: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `cost` tokens from the key's bucket, or says why not.
    pub fn try_acquire(&self, key: &str, cost: f64, now_ns: u64) -> Decision {
        let state = &mut *self.state();
        let full = state.buckets.len() >= state.keys_max && !state.buckets.contains_key(key.as_bytes());
        let own = if full {
            &mut state.overflow
        } else {
            let fresh = Bucket::full(state.defaults, now_ns);
            state.buckets.entry(key.as_bytes().into()).or_insert(fresh)
        };
        own.settle(now_ns);
        let (standing, refused_by) = match (full, own.assigned) {
            (true, _) => (Standing::Overflow, RefusedBy::Overflow),
            (false, true) => (Standing::Assigned, RefusedBy::Own),
            (false, false) => (Standing::Default, RefusedBy::Own),
        };
        let limited = |own: &Bucket, retry_after, refused_by| {
            Decision::Limited(Limited {
                retry_after,
                remaining: own.level,
                params: own.params,
                standing,
                refused_by,
            })
        };
        if let Some(retry_after) = own.lacks(cost) {
            return limited(own, retry_after, refused_by);
        }
        if let (false, Some(newcomers)) = (own.assigned, &mut state.newcomers) {
            newcomers.settle(now_ns);
            if let Some(retry_after) = newcomers.lacks(cost) {
                return limited(own, retry_after, RefusedBy::Newcomers);
            }
            newcomers.level -= cost;
        }
        own.level -= cost;
        Decision::Allowed(Allowed {
            remaining: own.level,
            reset_after: own.wait(own.params.capacity() - own.level).unwrap_or(Duration::MAX),
            params: own.params,
            standing,
        })
    }

    /// Gives a key parameters of its own.
    ///
    /// # Errors
    /// [`TableFull`] where the key is unknown and there is no room.
    pub fn set_params(&self, key: &str, params: BucketParams, now_ns: u64) -> Result<(), TableFull> {
        let state = &mut *self.state();
        let known = state.buckets.contains_key(key.as_bytes());
        if !known && state.buckets.len() >= state.keys_max {
            return Err(TableFull { keys_max: state.keys_max });
        }
        let fresh = Bucket::full(state.defaults, now_ns);
        let bucket = state.buckets.entry(key.as_bytes().into()).or_insert(fresh);
        bucket.change(params, now_ns);
        bucket.assigned = true;
        Ok(())
    }

    /// Puts a key back to the defaults.
    pub fn clear_params(&self, key: &str, now_ns: u64) {
        let state = &mut *self.state();
        if let Some(bucket) = state.buckets.get_mut(key.as_bytes()) {
            bucket.change(state.defaults, now_ns);
            bucket.assigned = false;
        }
    }

    /// Changes the defaults of all keys without parameters of their own, seen or unseen.
    pub fn set_defaults(&self, params: BucketParams, now_ns: u64) {
        let state = &mut *self.state();
        state.defaults = params;
        state.overflow.change(params, now_ns);
        for bucket in state.buckets.values_mut().filter(|bucket| !bucket.assigned) {
            bucket.change(params, now_ns);
        }
    }

    /// One more bucket that all keys at defaults share; `None` lifts it.
    pub fn set_newcomers(&self, params: Option<BucketParams>, now_ns: u64) {
        let state = &mut *self.state();
        match (params, &mut state.newcomers) {
            (Some(params), Some(bucket)) => bucket.change(params, now_ns),
            (params, slot) => *slot = params.map(|params| Bucket::full(params, now_ns)),
        }
    }

    /// A key's bucket as it stands; `None` where the key is not known.
    #[must_use]
    pub fn peek(&self, key: &str, now_ns: u64) -> Option<Snapshot> {
        let mut bucket = *self.state().buckets.get(key.as_bytes())?;
        bucket.settle(now_ns);
        let standing = if bucket.assigned { Standing::Assigned } else { Standing::Default };
        Some(Snapshot { level: bucket.level, params: bucket.params, standing })
    }

    /// Keys known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().buckets.len()
    }

    /// Whether no key is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets full buckets at defaults.
    pub fn forget_idle(&self, now_ns: u64) -> usize {
        let state = &mut *self.state();
        let before = state.buckets.len();
        state.buckets.retain(|_, bucket| {
            bucket.settle(now_ns);
            bucket.assigned || bucket.level < bucket.params.capacity()
        });
        before - state.buckets.len()
    }
}
