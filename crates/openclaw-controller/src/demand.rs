//! The water level: how much each user may have when there is not enough for all.
//!
//! Max-min fairness gives everyone what they ask for up to a common level L, chosen so that the total is what
//! may be admitted. Solving that exactly over a million users takes milliseconds; here demands live in a
//! log-histogram, and a solve walks 256 bins.
//!
//! All demands decay together (an impulse response with one time constant), so a user's place in the
//! histogram is kept in units that do not decay, and the decay is one common factor applied when reading. A
//! user is touched only when it does something.

use crate::division::{Ladder, Level, Shared, divide};

/// Time constant of a user's demand, in seconds.
const DEMAND_TAU_S: f64 = 1.0;

const BINS: i64 = 256;
/// Width of a bin in ln(demand): 256 bins span a factor of 10^8.
const BIN_LN: f64 = 18.42 / BINS as f64;

/// The undecayed logarithm of one user's demand; see [`Demand::per_s`].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Mark(f64);

impl Default for Mark {
    fn default() -> Self {
        Self(f64::NEG_INFINITY)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    /// Which bin of the endless ladder this slot holds now.
    rung: i64,
    users: u64,
    /// Sum of the users' demands, relative to the rung's lower end.
    sum: f64,
}

/// The demands of the users of one class.
#[derive(Clone, Debug)]
struct Histogram {
    bins: Box<[Bin; BINS as usize]>,
    highest_rung: i64,
    users: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { bins: Box::new([Bin::default(); BINS as usize]), highest_rung: i64::MIN, users: 0 }
    }
}

/// The demands of all users of one service, by class.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    origin_ns: u64,
    classes: Vec<Histogram>,
    /// What a solve works on, kept for the next one.
    ladders: Vec<Ladder>,
    /// By how much each rung lies below the highest.
    below: Box<[f64; BINS as usize]>,
}

impl Demand {
    /// No demand, at `now_ns`.
    #[must_use]
    pub(crate) fn new(now_ns: u64) -> Self {
        let below = Box::new(std::array::from_fn(|rung| (-(rung as f64) * BIN_LN).exp()));
        Self { origin_ns: now_ns, classes: Vec::new(), ladders: Vec::new(), below }
    }

    fn decay_ln(&self, now_ns: u64) -> f64 {
        now_ns.saturating_sub(self.origin_ns) as f64 / crate::NS_PER_S / DEMAND_TAU_S
    }

    /// Demand behind a mark at `now_ns`, in attempts per second.
    #[must_use]
    pub(crate) fn per_s(&self, mark: Mark, now_ns: u64) -> f64 {
        (mark.0 - self.decay_ln(now_ns)).exp()
    }

    /// The mark after `attempts` more attempts, without entering it in the histogram.
    #[must_use]
    pub(crate) fn raised(&self, mark: Mark, attempts: f64, now_ns: u64) -> Mark {
        if attempts <= 0.0 {
            return mark;
        }
        let added = (attempts / DEMAND_TAU_S).ln() + self.decay_ln(now_ns);
        let (high, low) = if mark.0 > added { (mark.0, added) } else { (added, mark.0) };
        Mark(high + (low - high).exp().ln_1p())
    }

    /// Moves a user from a class and a mark to others.
    pub(crate) fn replace(&mut self, (old_class, old): (usize, Mark), (class, mark): (usize, Mark)) {
        self.remove(old_class, old);
        if class >= self.classes.len() {
            self.classes.resize_with(class + 1, Histogram::default);
        }
        self.classes[class].insert(mark);
    }

    /// Takes a user out.
    pub(crate) fn remove(&mut self, class: usize, mark: Mark) {
        if let Some(histogram) = self.classes.get_mut(class) {
            histogram.remove(mark);
        }
    }

    /// Users of a class with a demand worth counting.
    #[must_use]
    pub(crate) fn users(&self, class: usize) -> u64 {
        self.classes.get(class).map_or(0, |histogram| histogram.users)
    }

    /// The level of every class of `shared`; see [`divide`].
    pub(crate) fn level(&mut self, shared: &Shared<'_>, now_ns: u64) -> Level {
        let decay_ln = self.decay_ln(now_ns);
        self.ladders.resize_with(shared.classes.len(), Ladder::default);
        for (class, ladder) in self.ladders.iter_mut().enumerate() {
            ladder.clear();
            if let Some(histogram) = self.classes.get(class) {
                histogram.fill(ladder, decay_ln, &self.below);
            }
        }
        divide(&self.ladders, shared)
    }
}

impl Histogram {
    fn insert(&mut self, mark: Mark) {
        let Some((rung, relative)) = place(mark) else { return };
        let bin = &mut self.bins[slot(rung)];
        if bin.users == 0 || bin.rung < rung {
            // What stood here lies 10^8 below the newest demand: nobody's share depends on it.
            self.users -= bin.users;
            *bin = Bin { rung, users: 0, sum: 0.0 };
        }
        if bin.rung == rung {
            bin.users += 1;
            bin.sum += relative;
            self.users += 1;
            self.highest_rung = self.highest_rung.max(rung);
        }
    }

    fn remove(&mut self, mark: Mark) {
        let Some((rung, relative)) = place(mark) else { return };
        let bin = &mut self.bins[slot(rung)];
        if bin.rung == rung && bin.users > 0 {
            bin.users -= 1;
            self.users -= 1;
            bin.sum = if bin.users == 0 { 0.0 } else { bin.sum - relative };
        }
    }

    /// The occupied rungs from the highest demand down, with the mean demand on each.
    fn fill(&self, ladder: &mut Ladder, decay_ln: f64, below: &[f64; BINS as usize]) {
        if self.users == 0 {
            return;
        }
        let highest = (self.highest_rung as f64 * BIN_LN - decay_ln).exp();
        let rungs = ((self.highest_rung - BINS + 1)..=self.highest_rung).rev();
        for (rung, below) in rungs.zip(below) {
            let bin = &self.bins[slot(rung)];
            if bin.rung == rung && bin.users > 0 {
                ladder.push(bin.users, bin.sum / bin.users as f64 * (highest * below));
            }
        }
    }
}

fn place(mark: Mark) -> Option<(i64, f64)> {
    if !mark.0.is_finite() {
        return None;
    }
    let rung = (mark.0 / BIN_LN).floor();
    Some((rung as i64, (mark.0 - rung * BIN_LN).exp()))
}

fn slot(rung: i64) -> usize {
    rung.rem_euclid(BINS) as usize
}

#[cfg(test)]
mod tests;
