//! Top lists in SQL, by the same rule as in memory (`ranking`): among items with one count the order by value is the
//! order by sum, so an index by count and sum serves a value that moves with every rating.
//!
//! The database steps from count to count, takes each one's best item, keeps the counts whose best are good enough for
//! the page, and only of these reads on. So a page of `n` costs one step per different count and at most `n` entries
//! of `n` counts, whatever the number of items. An index by value lost: it would be stale with every commit.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgPool};

use crate::ranking::{ItemOrder, RankValue};

const ENTRY: &str = "entry.item_id, entry.ratings, entry.sum_micros, entry.histogram,
    total.all_ratings, total.all_sum_micros";

const TOTAL: &str = "total AS (
    SELECT coalesce(sum(ratings), 0)::bigint AS all_ratings, coalesce(sum(sum_micros), 0)::text AS all_sum_micros,
        sum(sum_micros)::float8 / nullif(sum(ratings), 0)::float8 / 1e6::float8 AS mean
    FROM openclaw_totals
)";

/// Items in this order after this place, each with the totals of the same moment.
pub(super) async fn top(
    pool: &PgPool,
    order: ItemOrder,
    place: Option<(RankValue, &str)>,
    limit: i64,
    prior_ratings: u32,
) -> Result<Vec<PgRow>, sqlx::Error> {
    let (value, item_id) = match place {
        None => (f64::INFINITY, ""),
        Some((RankValue::BayesianAverage(value) | RankValue::Mean(value), item_id)) => (value, item_id),
        Some((RankValue::Count(count), item_id)) => {
            return by_count(pool, i64::try_from(count).unwrap_or(i64::MAX), item_id, limit).await;
        }
    };
    if order == ItemOrder::Count {
        return by_count(pool, i64::MAX, "", limit).await;
    }
    let prior = if order == ItemOrder::Mean { 0.0 } else { f64::from(prior_ratings) };
    sqlx::query(AssertSqlSafe(by_value(order)))
        .bind(limit)
        .bind(prior)
        .bind(value)
        .bind(item_id.as_bytes())
        .fetch_all(pool)
        .await
}

async fn by_count(pool: &PgPool, count: i64, item_id: &str, limit: i64) -> Result<Vec<PgRow>, sqlx::Error> {
    let statement = format!(
        "WITH {TOTAL}, entry AS (
            (SELECT * FROM openclaw_items WHERE ratings = $1 AND ratings > 0 AND item_id > $2
                ORDER BY ratings DESC, item_id LIMIT $3)
            UNION ALL
            (SELECT * FROM openclaw_items WHERE ratings < $1 AND ratings > 0
                ORDER BY ratings DESC, item_id LIMIT $3)
        )
        SELECT {ENTRY} FROM entry CROSS JOIN total ORDER BY entry.ratings DESC, entry.item_id LIMIT $3"
    );
    let asked = sqlx::query(AssertSqlSafe(statement)).bind(count).bind(item_id.as_bytes()).bind(limit);
    asked.fetch_all(pool).await
}

/// The statement of a list by value: `$1` how many, `$2` the prior ratings, `$3` and `$4` the place.
fn by_value(order: ItemOrder) -> String {
    // The same operations in the same order as `tally` has them, so that both give the same bits.
    let value = match order {
        ItemOrder::BayesianAverage => {
            "(($2::float8 * total.mean + item.sum_micros::float8 / 1e6::float8)
                / ($2::float8 + item.ratings::float8))"
        }
        ItemOrder::Mean | ItemOrder::Count => {
            "(item.sum_micros::float8 / item.ratings::float8 / 1e6::float8)"
        }
    };
    // The best entries of one count after the place. The ceiling only spares reading the entries before it.
    let best = |limit: &str| {
        format!(
            "SELECT item.item_id, item.ratings, item.sum_micros, item.histogram, {value} AS value
            FROM openclaw_items AS item
            WHERE item.ratings = class.ratings AND item.sum_micros <= class.ceiling
                AND ({value} < $3::float8 OR ({value} = $3::float8 AND item.item_id > $4))
            ORDER BY item.sum_micros DESC, item.item_id LIMIT {limit}"
        )
    };
    let (head, entries) = (best("1"), best("$1"));
    format!(
        "WITH RECURSIVE {TOTAL}, step AS (
            (SELECT ratings FROM openclaw_items WHERE ratings > 0 ORDER BY ratings LIMIT 1)
            UNION ALL
            SELECT (SELECT next.ratings FROM openclaw_items AS next WHERE next.ratings > step.ratings
                ORDER BY next.ratings LIMIT 1)
            FROM step WHERE step.ratings IS NOT NULL
        ), rough AS (
            SELECT step.ratings,
                CASE WHEN $3::float8 = 'infinity'::float8 THEN 9e18::float8 ELSE
                    ($3::float8 * ($2::float8 + step.ratings::float8) - $2::float8 * total.mean) * 1e6::float8
                END AS micros
            FROM step CROSS JOIN total WHERE step.ratings IS NOT NULL
        ), class AS (
            SELECT ratings, least(greatest(ceil(micros + 2 + abs(micros) * 1e-12::float8), -9e18::float8),
                9e18::float8)::bigint AS ceiling
            FROM rough
        ), best AS (
            SELECT class.ratings, class.ceiling FROM class CROSS JOIN total CROSS JOIN LATERAL ({head}) AS head
            ORDER BY head.value DESC, head.item_id LIMIT $1
        )
        SELECT {ENTRY} FROM best AS class CROSS JOIN total CROSS JOIN LATERAL ({entries}) AS entry
        ORDER BY entry.value DESC, entry.item_id LIMIT $1"
    )
}
