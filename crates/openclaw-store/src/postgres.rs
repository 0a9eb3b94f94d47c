//! The backend for any database that speaks PostgreSQL's wire protocol, shared by as many services as one likes.
//!
//! Reads go through a pool on the caller's runtime, each one statement and so of one moment; writes go through the
//! writer's own connection (`link`). Statistics are kept in the transaction of the ratings they belong to (`commit`).

mod address;
mod commit;
mod failure;
mod link;
mod lists;
mod rows;
mod schema;

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgPoolOptions, PgRow};

use crate::cursor::{Cursor, List, Place};
use crate::engine::Page;
use crate::error::{OpenError, ReadError};
use crate::ranking::ItemOrder;
use crate::rating::Rating;
use crate::recount::{Count, Recount};
use crate::settings::StoreSettings;
use crate::tally::ItemStats;
use crate::toplist::{ItemsPage, cursor_at, place_in};
use address::Address;
pub(crate) use link::Link;
use rows::Totals;

/// How long a read waits for a connection before it says that there is none.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// How many ratings a recount holds at a time.
const RECOUNT_ROWS: i64 = 10_000;

const ITEM: &str = "SELECT item.ratings, item.sum_micros, item.histogram, total.*
    FROM openclaw_items AS item CROSS JOIN (
        SELECT coalesce(sum(ratings), 0)::bigint AS all_ratings,
            coalesce(sum(sum_micros), 0)::text AS all_sum_micros
        FROM openclaw_totals
    ) AS total
    WHERE item.item_id = $1 AND item.ratings > 0";

const RATING: &str = "SELECT user_id, item_id, score_micros, timestamp_ms FROM openclaw_ratings
    WHERE user_id = $1 AND item_id = $2";

const OF_USER: &str = "SELECT user_id, item_id, score_micros, timestamp_ms FROM openclaw_ratings
    WHERE user_id = $1 AND item_id > $2 ORDER BY item_id LIMIT $3";

const OF_ITEM: &str = "SELECT user_id, item_id, score_micros, timestamp_ms FROM openclaw_ratings
    WHERE item_id = $1 AND user_id > $2 ORDER BY user_id LIMIT $3";

const ALL: &str = "SELECT user_id, item_id, score_micros, timestamp_ms FROM openclaw_ratings
    WHERE (user_id, item_id) > ($1, $2) ORDER BY user_id, item_id LIMIT $3";

const TOTALS: &str = "SELECT coalesce(sum(ratings), 0)::bigint AS all_ratings,
    coalesce(sum(sum_micros), 0)::text AS all_sum_micros FROM openclaw_totals";

const ITEMS: &str = "SELECT item_id, ratings, sum_micros, histogram FROM openclaw_items
    WHERE item_id > $1 ORDER BY item_id LIMIT $2";

/// A database with ratings.
pub(crate) struct Postgres {
    pool: PgPool,
    settings: StoreSettings,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}

impl Postgres {
    /// Connects, makes the tables ready, and returns the writer's link and how many ratings there are, too.
    pub(crate) async fn connect(url: &str, settings: &StoreSettings) -> Result<(Self, Link, u64), OpenError> {
        let address = Address::parse(url)?;
        let place = address.place.clone();
        let failed = |problem: String| OpenError::Database { place: place.clone(), problem };
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections_max)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(address.options.clone());
        let scale = settings.scale;
        let link = tokio::task::spawn_blocking(move || Link::open(address, scale)).await;
        let link = link.map_err(|error| failed(format!("connecting did not finish: {error}")))??;
        let postgres = Self { pool, settings: settings.clone() };
        let ratings = postgres.ratings_total().await.map_err(|error| failed(error.to_string()))?;
        Ok((postgres, link, ratings))
    }

    /// Lets go of the connections that read.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) async fn item(&self, item_id: &str) -> Result<Option<ItemStats>, ReadError> {
        let row = sqlx::query(ITEM).bind(item_id.as_bytes()).fetch_optional(&self.pool).await?;
        row.map(|row| self.stats(&row)).transpose().map(Option::flatten)
    }

    /// An item's statistics from a row with its columns and those of the totals.
    fn stats(&self, row: &PgRow) -> Result<Option<ItemStats>, ReadError> {
        let StoreSettings { scale, prior_ratings, .. } = self.settings;
        let prior_mean = Totals::from_row(row)?.mean().unwrap_or_else(|| scale.midpoint());
        Ok(rows::tally(row)?.stats_beside(prior_mean, prior_ratings))
    }

    pub(crate) async fn rating(&self, user_id: &str, item_id: &str) -> Result<Option<Rating>, ReadError> {
        let asked = sqlx::query(RATING).bind(user_id.as_bytes()).bind(item_id.as_bytes());
        let row = asked.fetch_optional(&self.pool).await?;
        row.map(|row| Ok(rows::rating(&row)?.0)).transpose()
    }

    pub(crate) async fn page(
        &self,
        list: List,
        of: &str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let after = match after {
            // No id is empty, so all come after it.
            None => "",
            Some(Cursor { place: Place::Rating(of_list, other) }) if *of_list == list => other,
            Some(cursor) => return Err(ReadError::CursorOfAnotherList(cursor.list_name())),
        };
        let statement = match list {
            List::OfUser => OF_USER,
            List::OfItem => OF_ITEM,
        };
        let asked = sqlx::query(statement).bind(of.as_bytes()).bind(after.as_bytes()).bind(one_more(limit));
        let rows = asked.fetch_all(&self.pool).await?;
        page(&rows, limit, |last| match list {
            List::OfUser => Place::Rating(list, last.item_id.clone()),
            List::OfItem => Place::Rating(list, last.user_id.clone()),
        })
    }

    pub(crate) async fn page_of_all(&self, after: Option<&Cursor>, limit: usize) -> Result<Page, ReadError> {
        let (user_id, item_id) = match after {
            None => ("", ""),
            Some(Cursor { place: Place::Pair(user_id, item_id) }) => (user_id.as_str(), item_id.as_str()),
            Some(cursor) => return Err(ReadError::CursorOfAnotherList(cursor.list_name())),
        };
        let asked = sqlx::query(ALL).bind(user_id.as_bytes()).bind(item_id.as_bytes()).bind(one_more(limit));
        let rows = asked.fetch_all(&self.pool).await?;
        page(&rows, limit, |last| Place::Pair(last.user_id.clone(), last.item_id.clone()))
    }

    pub(crate) async fn top_items(
        &self,
        order: ItemOrder,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<ItemsPage, ReadError> {
        let place = place_in(order, after)?;
        let rows = lists::top(&self.pool, order, place, one_more(limit), self.settings.prior_ratings).await?;
        let entry = |row: &PgRow| {
            let stats = self.stats(row)?;
            let item_id = rows::id(row, "item_id")?;
            stats.map(|stats| (item_id, stats)).ok_or_else(|| ReadError::Corrupted("an item".to_owned()))
        };
        let items = rows.iter().take(limit).map(entry).collect::<Result<Vec<_>, _>>()?;
        let next = items.last().filter(|_| rows.len() > limit).map(|last| cursor_at(order, last));
        Ok(ItemsPage { items, next })
    }

    pub(crate) async fn ratings_total(&self) -> Result<u64, ReadError> {
        let row = sqlx::query(TOTALS).fetch_one(&self.pool).await?;
        Ok(Totals::from_row(&row)?.ratings.cast_unsigned())
    }

    /// Counts everything anew in one moment, page after page.
    pub(crate) async fn recount(&self) -> Result<Recount, ReadError> {
        let mut snapshot = self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        let mut count = Count::new(self.settings.scale);
        let mut last = (Vec::new(), Vec::new());
        loop {
            let asked = sqlx::query(ALL).bind(&last.0).bind(&last.1).bind(RECOUNT_ROWS);
            let rows = asked.fetch_all(&mut *snapshot).await?;
            for row in &rows {
                let (rating, score) = rows::rating(row)?;
                last = (rating.user_id.into_bytes(), rating.item_id.as_bytes().to_vec());
                count.rating(rating.item_id, score);
            }
            if rows.is_empty() {
                break;
            }
        }
        let Totals { ratings, sum_micros } =
            Totals::from_row(&sqlx::query(TOTALS).fetch_one(&mut *snapshot).await?)?;
        count.compare_totals(ratings.cast_unsigned(), sum_micros);
        let mut last = Vec::new();
        loop {
            let rows = sqlx::query(ITEMS).bind(&last).bind(RECOUNT_ROWS).fetch_all(&mut *snapshot).await?;
            for row in &rows {
                let item_id = rows::id(row, "item_id")?;
                last = item_id.as_bytes().to_vec();
                count.compare_item(item_id, &rows::tally(row)?);
            }
            if rows.is_empty() {
                return Ok(count.finish());
            }
        }
    }
}

/// One entry more than a page holds tells whether there is a next one.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1
}

fn page(rows: &[PgRow], limit: usize, place: impl Fn(&Rating) -> Place) -> Result<Page, ReadError> {
    let ratings = rows.iter().take(limit).map(|row| Ok(rows::rating(row)?.0));
    let ratings = ratings.collect::<Result<Vec<_>, ReadError>>()?;
    let next = ratings.last().filter(|_| rows.len() > limit).map(|last| Cursor { place: place(last) });
    Ok(Page { ratings, next })
}
