//! A cap on requests in flight that refuses the greedy first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

/// Counts requests in flight against a cap.
#[derive(Debug)]
pub struct InFlightGuard {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    cap: u32,
    in_flight: u32,
    by_key: HashMap<Box<[u8]>, u32>,
}

/// The guard refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{in_flight} requests are in flight, the cap is {cap}")]
pub struct GuardFull {
    /// Requests in flight at that moment.
    pub in_flight: u32,
    /// The cap at that moment.
    pub cap: u32,
}

/// A request in flight; leaves on drop.
#[derive(Debug)]
#[must_use = "dropping it at once ends the request"]
pub struct InFlight {
    guard: Arc<InFlightGuard>,
    key: Box<[u8]>,
}

impl InFlightGuard {
    /// A guard with a cap.
    #[must_use]
    pub fn new(cap: u32) -> Self {
        Self { state: Mutex::new(State { cap, in_flight: 0, by_key: HashMap::new() }) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the cap; requests already in flight stay.
    pub fn set_cap(&self, cap: u32) {
        self.state().cap = cap;
    }

    /// The cap.
    #[must_use]
    pub fn cap(&self) -> u32 {
        self.state().cap
    }

    /// Requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.state().in_flight
    }

    /// Lets a request in, or says why not.
    ///
    /// # Errors
    /// [`GuardFull`] where the cap is reached and the key is at or above its share, or where the
    /// hard ceiling (1.2 times the cap, at least one more) is reached.
    pub fn try_enter(self: &Arc<Self>, key: &str) -> Result<InFlight, GuardFull> {
        let key: Box<[u8]> = key.as_bytes().into();
        let mut state = self.state();
        let (cap, in_flight) = (state.cap, state.in_flight);
        if in_flight >= cap {
            let own = state.by_key.get(&key).copied().unwrap_or(0);
            let users = u32::try_from(state.by_key.len()).unwrap_or(u32::MAX) + u32::from(own == 0);
            let ceiling = cap.saturating_add((cap / 5).max(1));
            if in_flight >= ceiling || u64::from(own) * u64::from(users) >= u64::from(cap) {
                return Err(GuardFull { in_flight, cap });
            }
        }
        state.in_flight += 1;
        *state.by_key.entry(key.clone()).or_insert(0) += 1;
        drop(state);
        Ok(InFlight { guard: Arc::clone(self), key })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.guard.state();
        state.in_flight -= 1;
        if let Some(own) = state.by_key.get_mut(&self.key) {
            *own -= 1;
            if *own == 0 {
                state.by_key.remove(&self.key);
            }
        }
    }
}
