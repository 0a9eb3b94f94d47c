//! The command line. Flags that stand for configuration keys become [`FlagOverride`]s, so that they are
//! checked and reported together with everything else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use openclaw_collector::Trust;

use crate::config::FlagOverride;

mod evaluate;
mod limits;
mod policy;
mod rating;
mod train;

pub(crate) use evaluate::EvaluateArgs;
pub(crate) use limits::{EdgeApiArgs, LimitsCommand, Pair, SetLimitsArgs};
pub(crate) use policy::{PolicyCommand, PolicyFormat};
pub(crate) use rating::{ExportArgs, ImportArgs, RatingArgs, RatingCommand};
pub(crate) use train::{Algorithm, Conditions, TrainArgs};

/// A rating engine whose per-user rate limits are learned.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = "Try: openclaw demo --exit --duration 20s")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Plays the same traffic against several controllers and compares them, all in one process
    #[command(after_help = "\
Examples:
  openclaw demo                              compare, then keep the loop up until Ctrl-C
  openclaw demo --exit --duration 60s        60 s per controller, then end
  openclaw demo --exit --json out.json       write the figures, second by second, as JSON")]
    Demo(DemoArgs),
    /// Runs the whole loop in one process: rating service, collector, edge and admin
    #[command(after_help = "\
Examples:
  openclaw up
  openclaw up --config openclaw.toml --set edge.controller=aimd
  openclaw up --policy policies/ppo-4.safetensors
  curl -d '{\"userId\":\"ann\",\"itemId\":\"film\",\"score\":8}' \\
       -H 'content-type: application/json' http://127.0.0.1:8080/ratings")]
    Up(EdgeArgs),
    /// Runs the rating service alone, or imports and exports its ratings
    #[command(after_help = "\
Examples:
  openclaw rating
  EVENT_ENDPOINT=http://edge-rl-service/api/v1/event openclaw rating --listen 127.0.0.1:8080
  openclaw rating --set rating.backendUrl=http://127.0.0.1:9000/work --workers 2
  openclaw rating import ratings.csv
  openclaw rating export ratings.ndjson")]
    Rating(RatingArgs),
    /// Runs the edge service alone
    #[command(after_help = "\
Examples:
  openclaw edge
  openclaw edge --listen 127.0.0.1:8081 --set edge.controller=static
  openclaw edge --policy policies/ppo-4.safetensors
  curl -d '{\"userId\":\"ann\",\"itemId\":\"film\",\"score\":8,\"timestamp\":1710841234567}' \\
       -H 'content-type: application/json' http://127.0.0.1:8081/api/v1/event")]
    Edge(EdgeArgs),
    /// Runs a reverse proxy that puts the loop before a service that knows nothing of it
    #[command(after_help = "\
Examples:
  openclaw sidecar --upstream http://127.0.0.1:9000
  openclaw sidecar --upstream http://127.0.0.1:9000 --key header:x-api-key --key peer
  openclaw sidecar --config openclaw.toml --set sidecar.shadow=true
  EVENT_ENDPOINT=http://edge-rl-service/api/v1/event openclaw sidecar --upstream http://127.0.0.1:9000
  kill -HUP PID                                           takes the changed file over")]
    Sidecar(SidecarArgs),
    /// Runs a stand-in dependency with a bounded number of workers, disturbed as a scenario says
    #[command(after_help = "\
Examples:
  openclaw backend                                        the demo's: 16 workers of 20 ms
  openclaw backend --scenario scenarios/demo.json --listen 127.0.0.1:9000
  openclaw rating --set rating.backendUrl=http://127.0.0.1:9000/work")]
    Backend(BackendArgs),
    /// Sends ratings in an open loop and reports what users would have seen
    #[command(after_help = "\
Examples:
  openclaw load --rate 500 --duration 30s                 the shipped ratings, 500 a second
  openclaw load --scenario scenarios/demo.json --json report.json
  openclaw load --ratings ratings.dat --speedup 10000 --target http://127.0.0.1:8080
  openclaw load --target https://rating.internal:8080 --ca-file ca.pem")]
    Load(LoadArgs),
    /// Trains a policy in the simulator
    #[command(after_help = "\
Examples:
  openclaw train                                          PPO on all conditions, to policy.safetensors
  openclaw train --algorithm ppo --conditions classic --seed 7 --out classic.safetensors
  openclaw train --checkpoint run.checkpoint --logs logs  interrupted runs go on where they were")]
    Train(TrainArgs),
    /// Compares controllers side by side on scenario files, in the simulator or through real processes
    #[command(after_help = "\
Examples:
  openclaw evaluate --scenarios scenarios/steady.json --controllers little-guard,aimd
  openclaw evaluate --scenarios scenarios/sets/test/*.json --tune 40 --json out.json --html out.html
  openclaw evaluate --scenarios my.json --tuned tuned.json --policy policy.safetensors
  openclaw evaluate --real --scenarios scenarios/real/*.json --controllers little-guard,aimd,static
  openclaw evaluate --real --scenarios scenarios/demo.json --controllers aimd --scale 0.5 --html out.html")]
    Evaluate(EvaluateArgs),
    /// Shows what is live: controller, objective, leases, queues
    #[command(after_help = "\
Examples:
  openclaw status
  openclaw status --url http://127.0.0.1:8000 --json")]
    Status(StatusArgs),
    /// Overrides users' limits: pins, bounds, tiers and priorities
    #[command(subcommand)]
    Limits(LimitsCommand),
    /// Lists, shows and exports learned policies
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Writes, checks and shows the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Where the configuration comes from: a file, OPENCLAW_* variables over it, flags over both.
#[derive(Args, Debug, Default)]
pub(crate) struct ConfigArgs {
    /// TOML file with configuration keys (see `openclaw config init`)
    #[arg(long, value_name = "FILE", env = "OPENCLAW_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Sets one key, for example --set edge.controller=aimd; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Accepts listeners that other machines can reach without tokens
    #[arg(long)]
    pub(crate) insecure: bool,
}

impl ConfigArgs {
    pub(crate) fn flags(&self) -> Vec<FlagOverride> {
        let mut flags: Vec<_> = self.set.iter().cloned().map(FlagOverride::Set).collect();
        if self.insecure {
            flags.push(FlagOverride::new("--insecure", "insecure", true));
        }
        flags
    }
}

#[derive(Args, Debug)]
pub(crate) struct ServiceArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Address of the service (of `up`: of the rating service); port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Address of the admin listener; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub(crate) admin_listen: Option<SocketAddr>,
    /// Threads that serve requests; 0 for one per processor core
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
}

impl ServiceArgs {
    /// The flags as overrides; `listen` and `workers` are those of `part` (`rating` or `edge`).
    pub(crate) fn flags(&self, listen: &'static str, workers: &'static str) -> Vec<FlagOverride> {
        let mut flags = self.config.flags();
        flags.extend(self.listen.map(|address| FlagOverride::new("--listen", listen, address)));
        let admin = |address| FlagOverride::new("--admin-listen", "admin.listen", address);
        flags.extend(self.admin_listen.map(admin));
        flags.extend(self.workers.map(|count| FlagOverride::new("--workers", workers, count)));
        flags
    }
}

/// A service with an edge in it.
#[derive(Args, Debug)]
pub(crate) struct EdgeArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// File of a learned policy that decides instead of the controller
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
}

impl EdgeArgs {
    /// As [`ServiceArgs::flags`].
    pub(crate) fn flags(&self, listen: &'static str, workers: &'static str) -> Vec<FlagOverride> {
        let mut flags = self.service.flags(listen, workers);
        let policy = |file: &PathBuf| FlagOverride::new("--policy", "edge.policy", file.display());
        flags.extend(self.policy.as_ref().map(policy));
        flags
    }
}

/// The sidecar.
#[derive(Args, Debug)]
pub(crate) struct SidecarArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// The service behind
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,
    /// Where a request says whose limit it counts against, such as header:x-user-id, jwt:sub or peer; may be
    /// repeated, the first that is there counts
    #[arg(long = "key", value_name = "SOURCE")]
    pub(crate) keys: Vec<String>,
}

impl SidecarArgs {
    /// The flags as overrides.
    pub(crate) fn flags(&self) -> Vec<FlagOverride> {
        let mut flags = self.service.flags("sidecar.listen", "sidecar.workers");
        flags.extend(
            self.upstream.as_ref().map(|url| FlagOverride::new("--upstream", "sidecar.upstream", url)),
        );
        if !self.keys.is_empty() {
            flags.push(FlagOverride::new("--key", "sidecar.keys", self.keys.join(",")));
        }
        flags
    }
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Time per controller, for example 60s
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    pub(crate) duration: Duration,
    /// Ends after the report instead of keeping the loop up
    #[arg(long)]
    pub(crate) exit: bool,
    /// Writes the figures as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Seed of the traffic; the same seed plays the same attempts
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

#[derive(Args, Debug)]
pub(crate) struct BackendArgs {
    /// Address to serve on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000", value_parser = parse_address)]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,
}

/// Which scenario.
#[derive(Args, Debug)]
pub(crate) struct ScenarioArgs {
    /// Scenario file; without it the demo's scenario is meant where one is needed
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// Which scenario of the file, by name; the first if not given
    #[arg(long, value_name = "NAME", requires = "scenario")]
    pub(crate) name: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct LoadArgs {
    /// Where to post; several take turns
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) target: Vec<String>,
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,
    /// Ratings file (user::item::rating::epoch_s); without it the shipped ratings are sent
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    pub(crate) ratings: Option<PathBuf>,
    /// Ratings per second, evenly spaced
    #[arg(long, value_name = "N", conflicts_with_all = ["scenario", "speedup"])]
    pub(crate) rate: Option<f64>,
    /// Plays the ratings at their own times, so many times faster
    #[arg(long, value_name = "N", conflicts_with = "scenario")]
    pub(crate) speedup: Option<f64>,
    /// How long; a scenario is stretched or compressed to it (without a scenario: 30s)
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Latency that counts as in time
    #[arg(long, value_name = "DURATION", default_value = "200ms", value_parser = parse_duration)]
    pub(crate) slo: Duration,
    /// When a client leaves (without it: the scenario's, else 1s)
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Bearer token of a client
    #[arg(long, value_name = "TOKEN", env = "OPENCLAW_LOAD_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// Seed of the scenario's traffic
    #[arg(long, value_name = "N", requires = "scenario")]
    pub(crate) seed: Option<u64>,
    /// Writes the report, second by second, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// The admin listener
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub(crate) url: String,
    /// Bearer token of a reader
    #[arg(long, value_name = "TOKEN", env = "OPENCLAW_STATUS_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// Prints the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whom to believe where a listener is reached by `https://`.
#[derive(Args, Debug)]
pub(crate) struct TrustArgs {
    /// Authorities that are believed besides the system's, PEM, where the URL begins with https
    #[arg(long, value_name = "FILE", env = "OPENCLAW_TLS_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

impl TrustArgs {
    /// Whom the file adds, where one is named: also for a URL that needs nobody, because a file that is not there is a
    /// mistake all the same.
    pub(crate) fn read(&self) -> anyhow::Result<Option<Trust>> {
        let trust = self.ca_file.as_deref().map(|file| Trust::system(Some(file))).transpose();
        trust.context("--ca-file, or OPENCLAW_TLS_CA_FILE")
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Writes a commented starter file
    #[command(after_help = "Example: openclaw config init openclaw.toml")]
    Init {
        /// The file, which must not exist
        #[arg(default_value = "openclaw.toml")]
        file: PathBuf,
    },
    /// Checks file, variables and flags, and reports every mistake at once
    #[command(after_help = "Example: openclaw config check --config openclaw.toml")]
    Check(ConfigArgs),
    /// Prints every value in effect and where it came from
    #[command(after_help = "Example: OPENCLAW_SLO_LATENCY=100ms openclaw config print --json")]
    Print {
        #[command(flatten)]
        config: ConfigArgs,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Lists every key with its kind, default and meaning, as Markdown
    #[command(after_help = "Example: openclaw config reference > configuration.md")]
    Reference {
        /// Lists the metrics instead of the configuration keys
        #[arg(long)]
        metrics: bool,
        /// Prints a listener's OpenAPI document instead
        #[arg(long, value_name = "LISTENER", conflicts_with = "metrics")]
        openapi: Option<Listener>,
    },
}

/// A listener, by what it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listener {
    Rating,
    Edge,
    Admin,
}

/// Reads `127.0.0.1:8080`, and says what is wrong with anything else.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "write an IP address and a port up to 65535 with a colon between, such as 127.0.0.1:8080 or [::1]:0".to_owned()
    })
}

/// Reads `60s`, `100ms`, `5min` or `1h`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit.trim() {
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit:?} is no unit of time; write for example 60s, 500ms or 5min")),
    };
    let value: f64 = number.parse().map_err(|_| "write a number and a unit, for example 60s".to_owned())?;
    let length = Duration::try_from_secs_f64(value * seconds).map_err(|error| error.to_string())?;
    if length.is_zero() || length > Duration::from_secs(7 * 24 * 3600) {
        return Err("it must be longer than nothing and at most a week".to_owned());
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_an_example() {
        let mut cli = Cli::command();
        cli.build();
        for command in cli.get_subcommands().filter(|command| command.get_name() != "help") {
            let examples = |command: &clap::Command| {
                command.get_after_help().is_some_and(|text| text.to_string().contains("openclaw"))
            };
            let nested: Vec<_> =
                command.get_subcommands().filter(|nested| nested.get_name() != "help").collect();
            assert!(
                examples(command) || (!nested.is_empty() && nested.into_iter().all(examples)),
                "{} has no example",
                command.get_name()
            );
        }
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(parse_duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for text in ["", "s", "0s", "-1s", "5 parsecs", "9999h", "1e400s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
