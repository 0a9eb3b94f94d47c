//! `openclaw limits`: the operator's overrides of users' limits, over the edge's API.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use http::Method;
use reqwest::Url;
use serde_json::{Map, Value, json};

use super::asking::Question;
use crate::cli::{EdgeApiArgs, LimitsCommand, Pair, SetLimitsArgs};
use crate::terminal::say;

pub(super) async fn run(command: LimitsCommand) -> Result<()> {
    match command {
        LimitsCommand::Set(args) => {
            let answer = ask(&args.edge, Method::PUT, &of_user(&args.user)?, Some(wanted(&args)?)).await?;
            show(&args.edge, &answer, || line(&answer, now_ms()));
        }
        LimitsCommand::Show { user, edge } => {
            let answer = ask(&edge, Method::GET, &of_user(&user)?, None).await?;
            show(&edge, &answer, || line(&answer, now_ms()));
        }
        LimitsCommand::List { edge } => {
            let answer = ask(&edge, Method::GET, &["limits"], None).await?;
            show(&edge, &answer, || lines(&answer, now_ms()));
        }
        LimitsCommand::Delete { user, edge } => {
            ask(&edge, Method::DELETE, &of_user(&user)?, None).await?;
            show(&edge, &json!({ "userId": user, "deleted": true }), || {
                format!("{user}   no override any more")
            });
        }
    }
    Ok(())
}

fn show(edge: &EdgeApiArgs, answer: &Value, text: impl FnOnce() -> String) {
    say(&if edge.json { format!("{answer:#}") } else { text() });
}

/// The path below the API's root.
fn of_user(user: &str) -> Result<[&str; 3]> {
    if matches!(user, "" | "." | "..") {
        bail!("{user:?} cannot be part of a URL's path, so this user's limits cannot be overridden");
    }
    Ok(["users", user, "limits"])
}

/// What is sent; the edge judges it, so that there is one set of rules.
fn wanted(args: &SetLimitsArgs) -> Result<Value> {
    let mut wanted = Map::new();
    if let Some(pin) = &args.pin {
        let Pair { bucket_size: Some(size), refill_rate: Some(rate) } = *pin else {
            bail!("--pin needs both numbers, such as 20:5; for one of them alone use --min and --max");
        };
        wanted.insert("pin".to_owned(), json!({ "bucketSize": size, "refillRate": rate }));
    }
    let ends = [
        ("bucketSizeMin", args.min.and_then(|pair| pair.bucket_size)),
        ("refillRateMin", args.min.and_then(|pair| pair.refill_rate)),
        ("bucketSizeMax", args.max.and_then(|pair| pair.bucket_size)),
        ("refillRateMax", args.max.and_then(|pair| pair.refill_rate)),
    ];
    let bounds: Map<_, _> =
        ends.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect();
    if !bounds.is_empty() {
        wanted.insert("bounds".to_owned(), bounds.into());
    }
    wanted.extend(args.tier.as_ref().map(|tier| ("tier".to_owned(), json!(tier))));
    wanted.extend(args.priority.map(|weight| ("priority".to_owned(), json!(weight))));
    let lasts_ms = args.lasts.map(|lasts| u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
    wanted.extend(lasts_ms.map(|ms| ("expiresInMs".to_owned(), json!(ms))));
    Ok(wanted.into())
}

/// Sends a request and reads its answer; null where it has none.
async fn ask(edge: &EdgeApiArgs, method: Method, path: &[&str], body: Option<Value>) -> Result<Value> {
    let mut url = Url::parse(&edge.url).with_context(|| format!("--url: {:?} is no URL", edge.url))?;
    url.path_segments_mut()
        .map_err(|()| anyhow!("--url: {:?} cannot have a path", edge.url))?
        .pop_if_empty()
        .extend(["api", "v1"])
        .extend(path);
    let question = Question {
        method,
        url: url.as_str(),
        token: edge.token.as_deref(),
        trust: &edge.trust,
        body,
        hint: "is the edge running, and is that its listener?",
    };
    let (status, body) = question.ask().await?;
    let answer = match &body[..] {
        [] => Value::Null,
        body => {
            serde_json::from_slice(body).with_context(|| format!("{} is no edge of OpenClaw", edge.url))?
        }
    };
    if status.is_success() {
        return Ok(answer);
    }
    let detail = answer["detail"].as_str().unwrap_or("no detail");
    match status.as_u16() {
        401 | 403 => bail!("{detail}; give the token by --token or OPENCLAW_LIMITS_TOKEN"),
        404 => bail!("{detail}"),
        code => bail!("{url} answered {code}: {detail}"),
    }
}

fn lines(answer: &Value, now_ms: u64) -> String {
    let all: Vec<_> =
        answer["limits"].as_array().into_iter().flatten().map(|one| line(one, now_ms)).collect();
    if all.is_empty() { "no overrides".to_owned() } else { all.join("\n") }
}

/// One override in one line.
fn line(limits: &Value, now_ms: u64) -> String {
    let mut parts = Vec::new();
    let pin = &limits["pin"];
    if pin.is_object() {
        parts.push(format!("pinned to a bucket of {} and {}/s", pin["bucketSize"], pin["refillRate"]));
    }
    parts.extend(limits["tier"].as_str().map(|tier| format!("tier {tier}")));
    if limits["priority"].is_number() {
        parts.push(format!("priority {}", limits["priority"]));
    }
    let bounds = limits["bounds"].as_object().into_iter().flatten();
    parts.extend(bounds.map(|(name, value)| format!("{name} {value}")));
    parts.extend(
        limits["expiresAt"]
            .as_u64()
            .map(|at_ms| format!("for {} s more", at_ms.saturating_sub(now_ms).div_ceil(1000))),
    );
    if limits["durable"] == false {
        parts.push("until the edge restarts (edge.folder is off)".to_owned());
    }
    format!("{}   {}", limits["userId"].as_str().unwrap_or("-"), parts.join(", "))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parsed(arguments: &str) -> Result<Value, String> {
        let arguments = ["openclaw", "limits", "set", "ann"].into_iter().chain(arguments.split_whitespace());
        let cli = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?;
        let Command::Limits(LimitsCommand::Set(args)) = cli.command else { panic!("another command") };
        wanted(&args).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_become_the_bodys_fields() {
        let pin = json!({"pin": {"bucketSize": 20.0, "refillRate": 5.0}, "expiresInMs": 3_600_000});
        assert_eq!(parsed("--pin 20:5 --for 1h"), Ok(pin));
        let rest = json!({"bounds": {"bucketSizeMin": 10.0, "refillRateMax": 50.0}, "tier": "gold", "priority": 2.5});
        assert_eq!(parsed("--min 10: --max :50 --tier gold --priority 2.5"), Ok(rest));
    }

    #[test]
    fn flags_that_say_nothing_or_exclude_each_other_are_refused() {
        assert!(parsed("").unwrap_err().contains("--pin"));
        assert!(parsed("--for 1h").unwrap_err().contains("--pin"));
        assert!(parsed("--pin 20:5 --tier gold").unwrap_err().contains("cannot be used with"));
        assert!(parsed("--pin 20:").unwrap_err().contains("needs both numbers"));
    }

    #[test]
    fn a_line_tells_all_of_an_override() {
        let limits = json!({"userId": "ann", "tier": "gold", "priority": 2.0, "bounds": {"refillRateMax": 50.0},
            "expiresAt": 61_500, "durable": false});
        assert_eq!(
            line(&limits, 1_000),
            "ann   tier gold, priority 2.0, refillRateMax 50.0, for 61 s more, until the edge restarts (edge.folder is off)"
        );
        assert_eq!(lines(&json!({"limits": []}), 0), "no overrides");
    }
}
