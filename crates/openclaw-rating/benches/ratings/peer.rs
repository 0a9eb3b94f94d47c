//! The peer: PostgreSQL with its own load generator, pgbench, over the local socket.
//!
//! One statement is one transaction: it makes ratings up, upserts them where they are not older, learns from the same
//! statement what it replaced (`RETURNING old`, PostgreSQL 18), and upserts the statistics of their items by the
//! difference. Statistics are columns, because adding up arrays is slower. Ratings are taken in the order of items
//! and users, so that no two transactions wait for each other in a circle.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use openclaw_pgserver::Server;

use crate::{ITEMS, USERS};

const DATABASE: &str = "ratings_0";
const BINS: usize = 11;

pub(crate) struct Peer {
    server: Arc<Server>,
    /// Where pgbench finds its script.
    folder: tempfile::TempDir,
}

impl Peer {
    pub(crate) fn start() -> io::Result<Self> {
        let server = Server::shared()?;
        server.new_database()?;
        let bins: String = (0..BINS).fold(String::new(), |mut columns, bin| {
            let _ = write!(columns, ", bin_{bin} bigint NOT NULL");
            columns
        });
        server.execute(
            DATABASE,
            &format!(
                "CREATE TABLE ratings (user_id text, item_id text, score bigint NOT NULL, stamp bigint NOT NULL,
                    PRIMARY KEY (user_id, item_id));
                CREATE INDEX ratings_by_item ON ratings (item_id, user_id);
                CREATE TABLE items (item_id text PRIMARY KEY, ratings bigint NOT NULL, score bigint NOT NULL{bins})"
            ),
        )?;
        let folder = tempfile::tempdir()?;
        for size in [1, 1_000] {
            let script = folder.path().join(size.to_string());
            fs::write(&script, statement(size))?;
        }
        // pgbench may run as another user.
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        Ok(Self { server, folder })
    }

    /// Committed ratings per second.
    pub(crate) fn ratings_per_s(&self, connections: usize, size: usize, length: Duration) -> io::Result<f64> {
        let mut pgbench = self.server.client("pgbench", DATABASE)?;
        pgbench.args(["--no-vacuum", "--protocol=prepared", "--jobs=2"]);
        pgbench.arg(format!("--client={connections}")).arg(format!("--time={}", length.as_secs()));
        pgbench.arg("--file").arg(self.folder.path().join(size.to_string()));
        let ended = pgbench.output()?;
        let (said, complained) =
            (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        let tps = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        let tps: Option<f64> = tps.filter(|_| ended.status.success());
        tps.map(|tps| tps * size as f64)
            .ok_or_else(|| io::Error::other(format!("pgbench failed: {said}{complained}")))
    }
}

fn statement(size: usize) -> String {
    let mut names = String::new();
    let mut changes = String::new();
    let mut sums = String::new();
    for bin in 0..BINS {
        let of_bin = |score: &str| format!("(({score} + 500000) / 1000000 = {bin})");
        let _ = write!(names, ", bin_{bin}");
        let (new, old) = (of_bin("new_score"), of_bin("old_score"));
        let _ = write!(changes, ", count(*) FILTER (WHERE {new}) - count(*) FILTER (WHERE {old})");
        let _ = write!(sums, ", bin_{bin} = items.bin_{bin} + EXCLUDED.bin_{bin}");
    }
    let text = format!(
        "WITH made AS (
            SELECT 'user-' || (random() * {users})::int AS user_id, 'item-' || (random() * {items})::int AS item_id,
                (random() * 20)::int * 500000::bigint AS score,
                (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS stamp
            FROM generate_series(1, {size})
        ), new AS (
            SELECT DISTINCT ON (item_id, user_id) * FROM made ORDER BY item_id, user_id, stamp DESC
        ), stored AS (
            INSERT INTO ratings (user_id, item_id, score, stamp)
            SELECT user_id, item_id, score, stamp FROM new ORDER BY item_id, user_id
            ON CONFLICT (user_id, item_id) DO UPDATE SET score = EXCLUDED.score, stamp = EXCLUDED.stamp
            WHERE ratings.stamp <= EXCLUDED.stamp
            RETURNING ratings.item_id, new.score AS new_score, old.score AS old_score
        )
        INSERT INTO items (item_id, ratings, score{names})
        SELECT item_id, count(*) - count(old_score), sum(new_score) - coalesce(sum(old_score), 0){changes}
        FROM stored GROUP BY item_id ORDER BY item_id
        ON CONFLICT (item_id) DO UPDATE SET ratings = items.ratings + EXCLUDED.ratings,
            score = items.score + EXCLUDED.score{sums}",
        users = USERS - 1,
        items = ITEMS - 1,
    );
    // A pgbench script has one statement on as many lines as end with a semicolon.
    format!("{};\n", text.replace('\n', " "))
}
