//! The collectors of one service: their counters, their flows, and which report is news.
//!
//! Counters are cumulative since a collector's epoch, so what matters of a report is what it adds to the last
//! one. A report that is older, or that comes twice, adds nothing.

use indexmap::IndexMap;
use openclaw_protocol::{Outcome, Totals};

use crate::NS_PER_S;
use crate::control_loop::Report;
use crate::filter::Shares;
use crate::signals::{Flow, Underway};
use crate::users::SourceId;

/// The source of events that come without an envelope.
pub(crate) const DIRECT: SourceId = 0;
/// The shortest time that counters are spread over, in seconds: two reports at once are no infinite flow.
const INTERVAL_MIN_S: f64 = 1e-3;

#[derive(Clone, Debug)]
struct Source {
    id: SourceId,
    epoch: u64,
    seq: u64,
    flow: Flow,
    in_flight: f64,
    round_trip_s: f64,
    seen_ns: u64,
}

impl Source {
    fn new(id: SourceId, epoch: u64, totals: Totals) -> Self {
        Self { id, epoch, seq: 0, flow: Flow::new(totals), in_flight: 0.0, round_trip_s: 0.0, seen_ns: 0 }
    }
}

/// All collectors of one service, and the events that come without one.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    by_name: IndexMap<String, Source>,
    ever: SourceId,
    sources_max: usize,
    direct: Source,
    direct_totals: Totals,
    completed_ns: u64,
}

/// What a report is.
pub(crate) enum Advance {
    News(News),
    /// Older than the last one of its collector, or delivered twice.
    Stale,
    /// From a collector more than there may be.
    Full,
}

/// What a report adds.
pub(crate) struct News {
    pub(crate) source: SourceId,
    /// Attempts since the last report.
    pub(crate) attempts: u64,
    /// Whether it only tells where the counters stand.
    pub(crate) baseline: bool,
    /// Since the collector's last report, in seconds.
    pub(crate) interval_s: f64,
}

impl Sources {
    pub(crate) fn new(sources_max: usize) -> Self {
        Self {
            by_name: IndexMap::new(),
            ever: DIRECT,
            sources_max,
            direct: Source::new(DIRECT, 0, Totals::default()),
            direct_totals: Totals::default(),
            completed_ns: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Takes a report; the first one of an epoch is spread over `tick_s` seconds.
    pub(crate) fn advance(&mut self, report: &Report<'_>, tick_s: f64, now_ns: u64) -> Advance {
        let info = report.collector;
        let (baseline, interval_s) = match self.by_name.get(&info.id) {
            Some(known) if known.epoch > info.epoch => return Advance::Stale,
            Some(known) if known.epoch == info.epoch => {
                if report.seq <= known.seq {
                    return Advance::Stale;
                }
                (false, now_ns.saturating_sub(known.seen_ns) as f64 / NS_PER_S)
            }
            known => {
                if known.is_none() && self.by_name.len() >= self.sources_max {
                    return Advance::Full;
                }
                // A collector that starts now counts from zero; of one that was running before this loop
                // began, the first report only tells where its counters stand.
                let baseline = report.seq > 1;
                let start = if baseline { report.totals } else { Totals::default() };
                self.ever += 1;
                self.by_name.insert(info.id.clone(), Source::new(self.ever, info.epoch, start));
                (baseline, tick_s)
            }
        };
        let Some(source) = self.by_name.get_mut(&info.id) else { return Advance::Full };
        let interval_s = interval_s.max(INTERVAL_MIN_S);
        if report.totals.completed > source.flow.completed() {
            self.completed_ns = now_ns;
        }
        let attempts = source.flow.advance(report.totals, interval_s);
        source.seq = report.seq;
        source.in_flight = f64::from(report.in_flight);
        source.round_trip_s = report.round_trip_s.filter(|s| s.is_finite()).unwrap_or(0.0).max(0.0);
        source.seen_ns = now_ns;
        Advance::News(News { source: source.id, attempts, baseline, interval_s })
    }

    /// Counts an event that came without an envelope.
    pub(crate) fn count_direct(&mut self, outcome: Outcome, in_flight: Option<u32>, now_ns: u64) {
        let totals = &mut self.direct_totals;
        totals.attempts += 1;
        totals.accepted += u64::from(outcome != Outcome::Throttled);
        totals.throttled += u64::from(outcome == Outcome::Throttled);
        totals.completed += u64::from(outcome == Outcome::Accepted);
        totals.failed += u64::from(matches!(outcome, Outcome::Failed | Outcome::Timeout));
        if let Some(in_flight) = in_flight {
            self.direct.in_flight = f64::from(in_flight);
        }
        self.direct.seen_ns = now_ns;
        if outcome == Outcome::Accepted {
            self.completed_ns = now_ns;
        }
    }

    /// Closes a tick: counts what came without an envelope, and forgets collectors that
    /// were silent for `ttl_ns`.
    pub(crate) fn tick(&mut self, shares: &Shares, ttl_ns: u64, now_ns: u64) {
        self.direct.flow.advance_by(self.direct_totals, shares);
        self.by_name.retain(|_, source| now_ns.saturating_sub(source.seen_ns) <= ttl_ns);
    }

    fn all(&self) -> impl Iterator<Item = &Source> {
        self.by_name.values().chain(std::iter::once(&self.direct))
    }

    pub(crate) fn flows(&self) -> impl Iterator<Item = &Flow> {
        self.all().map(|source| &source.flow)
    }

    /// Ratings in flight at all collectors, and when one was last seen to complete.
    pub(crate) fn underway(&self) -> Underway {
        let in_flight = self.all().map(|source| source.in_flight).sum();
        Underway { in_flight, completed_ns: self.completed_ns }
    }

    /// Time since anything was last reported, and the time that the newest collector's reports and answers take on
    /// their way, in seconds.
    pub(crate) fn feedback_age_s(&self, now_ns: u64) -> f64 {
        let newest = self.all().max_by_key(|source| source.seen_ns);
        newest.map_or(0.0, |source| {
            source.round_trip_s + now_ns.saturating_sub(source.seen_ns) as f64 / NS_PER_S
        })
    }

    /// A collector and its share of all traffic, 0 to 1; without a name, or with an unknown one, the share of
    /// what comes without an envelope.
    pub(crate) fn share(&self, name: Option<&str>) -> (SourceId, f64) {
        let source = name.and_then(|name| self.by_name.get(name)).unwrap_or(&self.direct);
        let total: f64 = self.all().map(|source| source.flow.demand_per_s()).sum();
        let share = if total > 0.0 { source.flow.demand_per_s() / total } else { 1.0 };
        (source.id, share)
    }
}
