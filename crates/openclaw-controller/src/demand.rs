//! The water level: how much each user may have when there is not enough for all.
//!
//! Max-min fairness gives everyone what they ask for up to a common level L, chosen so that the total is what
//! may be admitted. Solving that exactly over a million users takes milliseconds; here demands live in a
//! log-histogram, and a solve walks 256 bins.
//!
//! All demands decay together (an impulse response with one time constant), so a user's place in the
//! histogram is kept in units that do not decay, and the decay is one common factor applied when reading. A
//! user is touched only when it does something.

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

/// The demands of all users of one service.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    origin_ns: u64,
    bins: Box<[Bin; BINS as usize]>,
    highest_rung: i64,
}

impl Demand {
    /// No demand, at `now_ns`.
    #[must_use]
    pub(crate) fn new(now_ns: u64) -> Self {
        Self { origin_ns: now_ns, bins: Box::new([Bin::default(); BINS as usize]), highest_rung: i64::MIN }
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
    pub(crate) fn raised(&self, mark: Mark, attempts: u64, now_ns: u64) -> Mark {
        if attempts == 0 {
            return mark;
        }
        let added = (attempts as f64 / DEMAND_TAU_S).ln() + self.decay_ln(now_ns);
        let (high, low) = if mark.0 > added { (mark.0, added) } else { (added, mark.0) };
        Mark(high + (low - high).exp().ln_1p())
    }

    /// Moves a user from one mark to another.
    pub(crate) fn replace(&mut self, old: Mark, new: Mark) {
        self.remove(old);
        self.insert(new);
    }

    fn insert(&mut self, mark: Mark) {
        let Some((rung, relative)) = place(mark) else { return };
        let bin = &mut self.bins[slot(rung)];
        if bin.users == 0 || bin.rung < rung {
            // What stood here lies 10^8 below the newest demand: nobody's share depends on it.
            *bin = Bin { rung, users: 0, sum: 0.0 };
        }
        if bin.rung == rung {
            bin.users += 1;
            bin.sum += relative;
            self.highest_rung = self.highest_rung.max(rung);
        }
    }

    /// Takes a user out.
    pub(crate) fn remove(&mut self, mark: Mark) {
        let Some((rung, relative)) = place(mark) else { return };
        let bin = &mut self.bins[slot(rung)];
        if bin.rung == rung && bin.users > 0 {
            bin.users -= 1;
            bin.sum = if bin.users == 0 { 0.0 } else { bin.sum - relative };
        }
    }

    /// Users with a demand worth counting, and the level L with Σ min(L, demand) = `admitted_per_s` where the
    /// demand exceeds it; else the level at which the largest demand keeps its share of the surplus.
    #[must_use]
    pub(crate) fn level(&self, admitted_per_s: f64, now_ns: u64) -> Level {
        let decay_ln = self.decay_ln(now_ns);
        let rungs = self.rungs(decay_ln);
        let users: u64 = rungs.iter().map(|rung| rung.users).sum();
        let total_per_s: f64 = rungs.iter().map(|rung| rung.per_s * rung.users as f64).sum();
        if users == 0 || total_per_s <= 0.0 {
            return Level { per_s: admitted_per_s, users, total_per_s: 0.0 };
        }
        if total_per_s <= admitted_per_s {
            let per_s = rungs[0].per_s * admitted_per_s / total_per_s;
            return Level { per_s, users, total_per_s };
        }
        let (mut above, mut below_per_s, mut per_s) = (0.0, total_per_s, 0.0);
        for (index, rung) in rungs.iter().enumerate() {
            above += rung.users as f64;
            below_per_s -= rung.per_s * rung.users as f64;
            per_s = (admitted_per_s - below_per_s) / above;
            if rungs.get(index + 1).is_none_or(|next| per_s >= next.per_s) {
                break;
            }
        }
        Level { per_s: per_s.max(0.0), users, total_per_s }
    }

    /// The occupied rungs from the highest demand down, with the mean demand on each.
    fn rungs(&self, decay_ln: f64) -> Vec<Rung> {
        let mut rungs = Vec::new();
        if self.highest_rung == i64::MIN {
            return rungs;
        }
        for rung in ((self.highest_rung - BINS + 1)..=self.highest_rung).rev() {
            let bin = &self.bins[slot(rung)];
            if bin.rung == rung && bin.users > 0 {
                let mean = bin.sum / bin.users as f64 * (rung as f64 * BIN_LN - decay_ln).exp();
                rungs.push(Rung { users: bin.users, per_s: mean });
            }
        }
        rungs
    }
}

struct Rung {
    users: u64,
    per_s: f64,
}

/// Result of [`Demand::level`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Level {
    /// L, in attempts per second.
    pub(crate) per_s: f64,
    /// Users that share.
    pub(crate) users: u64,
    /// Demand of all of them, in attempts per second.
    pub(crate) total_per_s: f64,
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
