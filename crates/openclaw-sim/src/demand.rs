//! First attempts, one window at a time: fair shares need to know what is asked before it is decided on.

use openclaw_scenario::{Arrival, SharedArrivals};

/// The first attempts of a scenario.
#[derive(Debug)]
pub(crate) struct Demand {
    arrivals: SharedArrivals,
    /// The first one after the window.
    beyond: Option<Arrival>,
    window: Vec<Arrival>,
    next: usize,
}

impl Demand {
    pub(crate) fn new(mut arrivals: SharedArrivals) -> Self {
        let beyond = arrivals.next();
        Self { arrivals, beyond, window: Vec::new(), next: 0 }
    }

    /// Opens the window that ends before `end_s`; the one before must be used up.
    pub(crate) fn open(&mut self, end_s: f64) -> &[Arrival] {
        debug_assert_eq!(self.next, self.window.len(), "a window was left with attempts in it");
        self.window.clear();
        self.next = 0;
        while let Some(arrival) = self.beyond.filter(|arrival| arrival.time_s < end_s) {
            self.window.push(arrival);
            self.beyond = self.arrivals.next();
        }
        &self.window
    }

    /// When the next attempt of the window comes; infinity where there is none.
    pub(crate) fn next_s(&self) -> f64 {
        self.window.get(self.next).map_or(f64::INFINITY, |arrival| arrival.time_s)
    }

    pub(crate) fn pop(&mut self) -> Option<Arrival> {
        let arrival = *self.window.get(self.next)?;
        self.next += 1;
        Some(arrival)
    }
}
