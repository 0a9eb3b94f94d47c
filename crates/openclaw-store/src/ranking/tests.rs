//! The merge beside a plain sort of all items, page by page, while ratings come and go.

use proptest::prelude::*;

use super::*;
use crate::rating::Micros;

const ORDERS: [ItemOrder; 3] = [ItemOrder::BayesianAverage, ItemOrder::Mean, ItemOrder::Count];

fn measure(order: ItemOrder, all: &Tally) -> Measure {
    Measure { order, prior_mean: all.mean().unwrap_or(5.0), prior_ratings: 10 }
}

/// Few items and whole scores, so that counts, sums and values often tie.
fn tallies() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    prop::collection::vec((0u8..30, prop::collection::vec(0u8..=10, 0..6)), 0..60)
}

fn ranked(changes: &[(u8, Vec<u8>)]) -> (Ranking, BTreeMap<String, Tally>, Tally) {
    let scale = ScoreScale::default();
    let (mut ranking, mut plain) = (Ranking::default(), BTreeMap::new());
    for (item, scores) in changes {
        let mut tally = Tally::empty(&scale);
        for score in scores {
            tally.add(Micros(i64::from(*score) * 1_000_000), &scale);
        }
        ranking.set(&format!("i{item}"), &tally);
        plain.insert(format!("i{item}"), tally);
    }
    let mut all = Tally::empty(&scale);
    plain.retain(|_, tally| tally.count() > 0);
    for tally in plain.values() {
        all.sum_micros += tally.sum_micros;
        for (bin, more) in all.histogram.iter_mut().zip(&tally.histogram) {
            *bin += more;
        }
    }
    (ranking, plain, all)
}

fn sorted(plain: &BTreeMap<String, Tally>, measure: &Measure) -> Vec<String> {
    let mut entries: Vec<_> =
        plain.iter().map(|(id, tally)| (measure.value(tally.count(), tally.sum_micros), id)).collect();
    entries.sort_by(|(a, a_id), (b, b_id)| b.compare(*a).then_with(|| a_id.cmp(b_id)));
    entries.into_iter().map(|(_, id)| id.clone()).collect()
}

proptest! {
    #[test]
    fn pages_put_together_are_all_items_sorted(changes in tallies(), limit in 1usize..9) {
        let (ranking, plain, all) = ranked(&changes);
        for order in ORDERS {
            let measure = measure(order, &all);
            let mut seen: Vec<String> = Vec::new();
            loop {
                let after = seen.last().map(|id| {
                    let tally = &plain[id];
                    (measure.value(tally.count(), tally.sum_micros), id.as_str())
                });
                let page = ranking.top(&measure, after, limit);
                let ended = page.len() < limit;
                seen.extend(page.iter().map(|id| id.to_string()));
                if ended {
                    break;
                }
            }
            prop_assert_eq!(&seen, &sorted(&plain, &measure));
        }
    }

    #[test]
    fn any_place_is_answered_by_what_comes_after_it(
        changes in tallies(),
        value in -20.0..20.0,
        item in 0u8..30,
    ) {
        let (ranking, plain, all) = ranked(&changes);
        let id = format!("i{item}");
        let values =
            [RankValue::BayesianAverage(value), RankValue::Mean(value), RankValue::Count(value.abs() as u64)];
        for place in values {
            let measure = measure(place.order(), &all);
            let page = ranking.top(&measure, Some((place, &id)), usize::MAX);
            let place = Head { value: place, id: &id };
            let expected: Vec<_> = sorted(&plain, &measure)
                .into_iter()
                .filter(|id| {
                    let tally = &plain[id];
                    Head { value: measure.value(tally.count(), tally.sum_micros), id } < place
                })
                .collect();
            prop_assert_eq!(page.iter().map(|id| id.to_string()).collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn sums_next_to_each_other_are_told_apart_at_a_place() {
    let scale = ScoreScale::default();
    let mut ranking = Ranking::default();
    let mut all = Tally::empty(&scale);
    for number in 0..200i64 {
        let mut tally = Tally::empty(&scale);
        tally.add(Micros(5_000_000 + number), &scale);
        all.add(Micros(5_000_000 + number), &scale);
        ranking.set(&format!("i{number:03}"), &tally);
    }
    for order in [ItemOrder::BayesianAverage, ItemOrder::Mean] {
        let measure = measure(order, &all);
        let place = measure.value(1, 5_000_100);
        let next = ranking.top(&measure, Some((place, "i100")), 1);
        assert_eq!(next, [Arc::from("i099")], "{order:?}");
    }
}
