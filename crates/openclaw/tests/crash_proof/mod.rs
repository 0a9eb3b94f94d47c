//! One folder over many lives of the service, what was ever acknowledged, and the comparison of the two.

mod writer;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::support::http::get;
use crate::support::process::{self, Ended, FREE_PORTS, Program};
use writer::{Writers, score_at, users};

/// What is lost with a kill.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    /// The process; the kernel keeps all that it wrote.
    Process,
    /// The machine's power, and with it whatever was not synced.
    #[cfg(target_os = "linux")]
    Power,
    /// All processes of the database server, and then the service.
    #[cfg(target_os = "linux")]
    Server,
}

/// The newest acknowledged timestamp of every user and item.
type Acknowledged = BTreeMap<(String, String), u64>;

/// What is not as it was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Acknowledged ratings that are missing or older than acknowledged.
    pub(crate) missing: Vec<String>,
    /// Ratings that nobody sent like that.
    pub(crate) mangled: Vec<String>,
    /// Statistics of an item that differ from a recount of all users' ratings.
    pub(crate) statistics: Vec<String>,
}

impl Findings {
    pub(crate) fn is_none(&self) -> bool {
        self.missing.is_empty() && self.mangled.is_empty() && self.statistics.is_empty()
    }
}

pub(crate) struct Proof {
    root: tempfile::TempDir,
    acknowledged: Acknowledged,
    ratings_acknowledged: usize,
    round: u64,
    #[cfg(target_os = "linux")]
    watch: Option<(openclaw_powerloss::Watch, openclaw_powerloss::Syncs)>,
    /// A database server and the URL of a database on it, where the ratings are in one.
    #[cfg(target_os = "linux")]
    database: Option<(openclaw_pgserver::Server, String)>,
}

impl Proof {
    pub(crate) fn begin() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            acknowledged: Acknowledged::new(),
            ratings_acknowledged: 0,
            round: 0,
            #[cfg(target_os = "linux")]
            watch: None,
            #[cfg(target_os = "linux")]
            database: None,
        }
    }

    /// A proof whose services keep ratings in a database.
    #[cfg(target_os = "linux")]
    pub(crate) fn begin_with_database() -> Self {
        let server = openclaw_pgserver::Server::start().unwrap();
        let url = server.new_database().unwrap();
        Self { database: Some((server, url)), ..Self::begin() }
    }

    /// A proof whose services run with the layer that knows what was synced.
    #[cfg(target_os = "linux")]
    pub(crate) fn begin_watched(syncs: openclaw_powerloss::Syncs) -> Self {
        let mut proof = Self::begin();
        let (folder, shadow) = (proof.root.path().join("data"), proof.root.path().join("shadow"));
        let watch = openclaw_powerloss::Watch::begin(&folder, &shadow).unwrap();
        proof.watch = Some((watch, syncs));
        proof
    }

    /// How many ratings were acknowledged, each answer counted.
    pub(crate) fn acknowledged(&self) -> usize {
        assert!(self.ratings_acknowledged > 0, "nothing was acknowledged, so nothing was proved");
        self.ratings_acknowledged
    }

    fn command(&self) -> std::process::Command {
        // A folder of its own below the watched one, so that its creation is part of the proof.
        let folder = format!("store.folder={}", self.root.path().join("data/ratings").display());
        let mut command = process::command(["rating", "--set", &folder]);
        command.args(FREE_PORTS);
        // Durability is the subject: nobody is throttled, whatever the controller would like.
        for setting in [
            "collector.eventEndpoint=off",
            "guard.enabled=false",
            "limits.refillRate=1e6",
            "limits.refillRateMin=1e6",
            "limits.bucketSize=1e6",
            "limits.bucketSizeMin=1e6",
        ] {
            command.args(["--set", setting]);
        }
        #[cfg(target_os = "linux")]
        if let Some((_, url)) = &self.database {
            command.env("OPENCLAW_STORE_URL", url);
        }
        #[cfg(target_os = "linux")]
        if let Some((watch, syncs)) = &self.watch {
            watch.observe(&mut command, *syncs).unwrap();
        }
        command
    }

    /// Starts the service over the folder as it is.
    pub(crate) fn start(&self) -> Result<Program, Ended> {
        process::try_start(self.command())
    }

    /// Kills a service that has hardly begun.
    pub(crate) fn kill_while_starting(&self, after: Duration) {
        let service = process::spawn(self.command());
        std::thread::sleep(after);
        service.kill();
    }

    /// Writes until so many ratings were acknowledged in this life and a moment longer, kills what is to be lost
    /// amid that, and notes every acknowledgement.
    pub(crate) fn load_and_kill(
        &mut self,
        service: Program,
        loss: Loss,
        acknowledged: usize,
        longer: Duration,
    ) {
        self.round += 1;
        let writers = Writers::begin(service.url("rating"), self.round);
        writers.wait_until_acknowledged(acknowledged);
        std::thread::sleep(longer);
        #[cfg(target_os = "linux")]
        if let (Loss::Server, Some((server, _))) = (loss, &self.database) {
            server.kill().unwrap();
            // Long enough for answers that would have to be 503.
            std::thread::sleep(longer);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = loss;
        service.kill();
        for rating in writers.end() {
            let newest = self.acknowledged.entry((rating.user_id, rating.item_id)).or_default();
            *newest = rating.timestamp_ms.max(*newest);
            self.ratings_acknowledged += 1;
        }
    }

    /// Takes away what did not survive.
    pub(crate) fn lose(&mut self, loss: Loss) {
        match loss {
            Loss::Process => {}
            #[cfg(target_os = "linux")]
            Loss::Server => {
                let (server, _) = self.database.as_ref().unwrap();
                // Already gone where it was killed under load.
                server.kill().unwrap();
                server.run().unwrap();
            }
            #[cfg(target_os = "linux")]
            Loss::Power => {
                let (watch, _) = self.watch.as_mut().unwrap();
                // A process that was killed before it touched the disk has nothing to lose.
                if watch.has_observed() {
                    watch.lose_power(openclaw_powerloss::Survived::OnlySynced).unwrap();
                }
            }
        }
    }

    /// Compares what the service answers with what was acknowledged, and with itself.
    pub(crate) fn check(&self, service: &Program) -> Findings {
        let url = service.url("rating");
        let mut findings = Findings::default();
        let mut found = BTreeMap::new();
        for user_id in users() {
            for rating in ratings_of(url, &user_id) {
                let (score, timestamp_ms) =
                    (rating["score"].as_f64().unwrap(), rating["timestamp"].as_u64().unwrap());
                if rating["userId"] != *user_id || score.to_bits() != score_at(timestamp_ms).to_bits() {
                    findings.mangled.push(rating.to_string());
                }
                let item_id = rating["itemId"].as_str().unwrap().to_owned();
                found.insert((user_id.clone(), item_id), (timestamp_ms, score));
            }
        }
        for (pair, newest) in &self.acknowledged {
            if found.get(pair).is_none_or(|(timestamp_ms, _)| timestamp_ms < newest) {
                findings.missing.push(format!("{pair:?}: {:?} instead of {newest}", found.get(pair)));
            }
        }
        findings.statistics = wrong_statistics(url, &found);
        findings
    }
}

/// All ratings of a user, page by page.
fn ratings_of(url: &str, user_id: &str) -> Vec<Value> {
    let mut ratings = Vec::new();
    let mut cursor = String::new();
    loop {
        let reply = get(&format!("{url}/users/{user_id}/ratings?limit=7{cursor}"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        let mut page = reply.json();
        ratings.append(page["ratings"].as_array_mut().unwrap());
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ratings,
        }
    }
}

/// Items whose count, mean or histogram is not that of the ratings that are there.
fn wrong_statistics(url: &str, found: &BTreeMap<(String, String), (u64, f64)>) -> Vec<String> {
    let mut items: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for ((_, item_id), (_, score)) in found {
        items.entry(item_id).or_default().push(*score);
    }
    let mut wrong = Vec::new();
    for (item_id, scores) in items {
        let item = get(&format!("{url}/items/{item_id}")).json();
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        // 0 to 10 in eleven bins: each counts what rounds to its number, halves upward.
        let mut histogram = [0_u64; 11];
        scores.iter().for_each(|score| histogram[(score + 0.5).floor() as usize] += 1);
        let same_mean = item["mean"].as_f64().is_some_and(|found| (found - mean).abs() < 1e-9);
        let same = item["count"] == scores.len() && item["histogram"] == serde_json::json!(histogram);
        if !(same && same_mean) {
            wrong.push(format!("{item}; recounted: {} ratings, {mean}, {histogram:?}", scores.len()));
        }
    }
    wrong
}
