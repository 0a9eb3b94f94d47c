//! `openclaw status`: one screen of what is live.

use std::fmt::Write;

use anyhow::{Context, Result, bail};
use http::Method;
use serde_json::Value;

use super::asking::Question;
use crate::cli::StatusArgs;
use crate::terminal::say;

pub(super) async fn run(args: StatusArgs) -> Result<()> {
    let url = format!("{}/api/v1/status", args.url.trim_end_matches('/'));
    let question = Question {
        method: Method::GET,
        url: &url,
        token: args.token.as_deref(),
        trust: &args.trust,
        body: None,
        hint: "is OpenClaw running, and is that its admin listener?",
    };
    let (status, body) = question.ask().await?;
    let answer: Value =
        serde_json::from_slice(&body).with_context(|| format!("{url} is no admin listener of OpenClaw"))?;
    if !status.is_success() {
        bail!("{url} answered {}: {}", status.as_u16(), answer["detail"].as_str().unwrap_or("no detail"));
    }
    if args.json {
        say(&serde_json::to_string_pretty(&answer).context("writing JSON")?);
    } else {
        say(screen(&answer).trim_end());
    }
    Ok(())
}

/// The screen; parts that this process does not run are left out.
fn screen(answer: &Value) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "openclaw {}   up {} s   {}",
        text(&answer["version"]),
        answer["uptimeMs"].as_f64().map_or(0.0, |ms| (ms / 1e3).round()),
        if answer["ready"] == true { "ready" } else { "not ready" }
    );
    if let Some(edge) = answer.get("edge") {
        let _ = writeln!(
            out,
            "edge        mode {}   controller {}   policy {}   objective p95 < {} ms",
            text(&edge["mode"]),
            text(&edge["controller"]),
            text(&edge["policyVersion"]),
            number(&edge["sloMs"], 0)
        );
        for service in edge["services"].as_array().into_iter().flatten() {
            let _ = writeln!(
                out,
                "  service {}   p95 {} ms   late {} %   asks {}/s   completes {}/s   users {}   guard {} ms",
                text(&service["service"]),
                number(&service["p95Ms"], 0),
                percent(&service["lateFraction"]),
                number(&service["demandPerS"], 0),
                number(&service["throughputPerS"], 0),
                number(&service["users"], 0),
                number(&service["guardMs"], 0)
            );
        }
    }
    if let Some(rating) = answer.get("rating") {
        let _ = writeln!(
            out,
            "rating      store {}   backend {}",
            text(&rating["store"]),
            if rating["backend"] == true { "yes" } else { "none" }
        );
    }
    if let Some(sidecar) = answer.get("sidecar") {
        let _ = writeln!(
            out,
            "sidecar     before {}   {} in progress   {} upgraded{}",
            text(&sidecar["upstream"]),
            number(&sidecar["inProgress"], 0),
            number(&sidecar["tunnels"], 0),
            if sidecar["shadow"] == true { "   shadow: refusals are only foretold" } else { "" }
        );
    }
    if let Some(collector) = answer.get("collector") {
        screen_collector(&mut out, collector);
    }
    out
}

fn screen_collector(out: &mut String, collector: &Value) {
    let totals = &collector["totals"];
    let _ = writeln!(
        out,
        "limits      from {}   leases {}   in flight {} of {}   p95 {} ms   late {} %",
        text(&collector["controlledBy"]),
        number(&collector["leases"], 0),
        number(&collector["inFlight"], 0),
        number(&collector["guardCap"], 0),
        number(&collector["p95Ms"], 0),
        percent(&collector["lateFraction"])
    );
    let _ = writeln!(
        out,
        "ratings     {} offered   {} admitted   {} throttled   {} completed   {} failed",
        number(&totals["attempts"], 0),
        number(&totals["accepted"], 0),
        number(&totals["throttled"], 0),
        number(&totals["completed"], 0),
        number(&totals["failed"], 0)
    );
    let _ = writeln!(
        out,
        "events      {} waiting   {} on disk   {} delivered   {} dropped   circuit {}",
        number(&collector["eventsWaiting"], 0),
        number(&collector["eventsSpooled"], 0),
        number(&collector["eventsDelivered"], 0),
        number(&collector["eventsDropped"], 0),
        text(&collector["circuit"])
    );
    if let Some(error) = collector["edgeError"].as_str() {
        let _ = writeln!(out, "            {error}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn number(value: &Value, digits: usize) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
}

fn percent(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |fraction| format!("{:.1}", fraction * 1e2))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_screen_shows_what_there_is_and_leaves_out_what_there_is_not() {
        let edge_only = json!({"version": "0.1.0", "uptimeMs": 3100, "ready": true, "edge": {"mode": "full",
            "controller": "little-guard", "policyVersion": "little-guard", "sloMs": 200.0, "services": [{"service": "rating",
            "p95Ms": 81.4, "lateFraction": 0.012, "demandPerS": 900.0, "throughputPerS": 780.2, "users": 200, "guardMs": 84.8}]}});
        let screen = screen(&edge_only);
        assert!(screen.contains("p95 81 ms   late 1.2 %   asks 900/s"), "{screen}");
        assert!(!screen.contains("limits"), "{screen}");
    }

    #[test]
    fn a_sidecar_shows_what_stands_behind_it_and_whether_it_refuses() {
        let mut answer = json!({"version": "0.1.0", "uptimeMs": 3100, "ready": true, "sidecar": {"upstream":
            "http://127.0.0.1:9000/", "shadow": false, "inProgress": 12, "tunnels": 3}});
        let line = "sidecar     before http://127.0.0.1:9000/   12 in progress   3 upgraded";
        assert!(screen(&answer).contains(&format!("{line}\n")), "{}", screen(&answer));
        answer["sidecar"]["shadow"] = json!(true);
        assert!(screen(&answer).contains(&format!("{line}   shadow")), "{}", screen(&answer));
    }

    #[test]
    fn a_missing_figure_is_a_dash() {
        assert_eq!((number(&Value::Null, 0), percent(&Value::Null)), ("-".to_owned(), "-".to_owned()));
    }
}
