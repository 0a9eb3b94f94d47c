//! TLS as an operator sets it up: certificates on the listeners, an authority of one's own between the services.

use std::path::{Path, PathBuf};
use std::process::Command;

use http::{Method, Request};
use http_body_util::Full;
use openclaw_collector::{HttpClient, Trust};
use openclaw_testca::{Authority, Valid};
use serde_json::{Value, json};

use crate::service;
use crate::support::http::{get, post};
use crate::support::process::{self, FREE_PORTS, Program};
use crate::support::{PATIENCE, wait_for};

/// A folder with an authority's certificate, and one for this machine that it signed.
struct Stage {
    folder: tempfile::TempDir,
    ca_file: PathBuf,
    cert_file: PathBuf,
    listeners: [String; 2],
}

impl Stage {
    fn new(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("the operator's own");
        let files = authority.certify(names, Valid::Now, folder.path(), "host");
        let ca_file = authority.write(folder.path(), "ca");
        let listeners = [
            format!("tls.certFile={}", files.cert.display()),
            format!("tls.keyFile={}", files.key.display()),
        ];
        Self { folder, ca_file, cert_file: files.cert, listeners }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A service whose listeners have the certificate.
    fn behind_tls(&self, what: &str, settings: &[&str]) -> Program {
        let listeners = self.listeners.iter().map(String::as_str);
        let settings: Vec<_> = listeners.chain(settings.iter().copied()).collect();
        process::start(service(what, self.path(), &settings))
    }

    /// Asks by TLS whoever has the certificate; the answer's status and body.
    fn ask(&self, method: Method, url: &str, body: &str) -> (u16, String) {
        let trust = Trust::exactly(&self.cert_file).unwrap();
        let request = Request::builder().method(method).uri(url).header("content-type", "application/json");
        let request = request.body(Full::from(body.to_owned())).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(HttpClient::new(PATIENCE, 0, &trust).send(request, 1 << 24)).unwrap();
        (answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned())
    }

    fn status(&self, program: &Program) -> Value {
        let (status, body) = self.ask(Method::GET, &format!("{}/api/v1/status", program.url("admin")), "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }
}

fn rating() -> String {
    json!({"userId": "ann", "itemId": "film", "score": 8}).to_string()
}

/// `rating` without TLS of its own, which sends its events to `endpoint`.
fn reporting_to(endpoint: &str, folder: &Path, settings: &[&str]) -> Command {
    let endpoint = format!("collector.eventEndpoint={endpoint}");
    let settings: Vec<_> = settings.iter().copied().chain([endpoint.as_str()]).collect();
    service("rating", folder, &settings)
}

fn controlled_by_edge(rating: &Program) -> Option<()> {
    let status = get(&format!("{}/api/v1/status", rating.url("admin"))).json();
    (status["collector"]["controlledBy"] == "edge").then_some(())
}

#[test]
fn events_reach_an_edge_behind_tls_whose_authority_is_named() {
    let stage = Stage::new(&["127.0.0.1", "localhost"]);
    let edge = stage.behind_tls("edge", &[]);
    assert!(edge.url("edge").starts_with("https://") && edge.url("admin").starts_with("https://"));
    let endpoint = format!("{}/api/v1/event", edge.url("edge"));
    let ca_file = format!("tls.caFile={}", stage.ca_file.display());
    let rating_service = process::start(reporting_to(&endpoint, stage.path(), &[&ca_file]));
    assert_eq!(post(&format!("{}/ratings", rating_service.url("rating")), rating()).status, 201);
    wait_for("the event at the edge", || {
        let (_, metrics) = stage.ask(Method::GET, &format!("{}/metrics", edge.url("admin")), "");
        metrics.lines().any(|line| line == "rating_events_total 1").then_some(())
    });
    wait_for("the edge's answer", || controlled_by_edge(&rating_service));

    let mut shown = process::command(["status", "--url", edge.url("admin")]);
    let ended = process::run(process::command(["status", "--url", edge.url("admin")]));
    assert_eq!(ended.code(), Some(1), "an authority that nobody named is not believed: {}", ended.output);
    assert!(
        ended.complaint.contains("nobody who is trusted here signed its certificate"),
        "{}",
        ended.complaint
    );
    shown.args(["--ca-file".as_ref(), stage.ca_file.as_os_str()]);
    let ended = process::run(shown);
    assert!(ended.output.contains("controller little-guard"), "{}{}", ended.output, ended.complaint);

    let plain = get(&edge.url("edge").replace("https://", "http://"));
    assert_eq!(plain.status, 400);
    assert!(plain.json()["detail"].as_str().unwrap().contains("ask by https://"));
}

#[test]
fn the_systems_authorities_are_believed_too() {
    let stage = Stage::new(&["127.0.0.1"]);
    let edge = stage.behind_tls("edge", &[]);
    let mut command = reporting_to(&format!("{}/api/v1/event", edge.url("edge")), stage.path(), &[]);
    // What the system trusts is what this variable says, for every program that has its authorities from there.
    command.env("SSL_CERT_FILE", &stage.ca_file).env_remove("SSL_CERT_DIR");
    let rating_service = process::start(command);
    wait_for("the edge's answer", || controlled_by_edge(&rating_service));
}

#[test]
fn an_authority_that_is_named_while_a_service_runs_is_believed_from_then_on() {
    let (stage, stranger) = (Stage::new(&["127.0.0.1"]), Stage::new(&["127.0.0.1"]));
    let edge = stage.behind_tls("edge", &[]);
    let ca_file = format!("tls.caFile={}", stranger.ca_file.display());
    let endpoint = format!("{}/api/v1/event", edge.url("edge"));
    let rating_service = process::start(reporting_to(&endpoint, stage.path(), &[&ca_file]));
    wait_for("the failure in the status", || {
        let status = get(&format!("{}/api/v1/status", rating_service.url("admin"))).json();
        status["collector"]["edgeError"].as_str().map(str::to_owned)
    });
    std::fs::copy(&stage.ca_file, &stranger.ca_file).unwrap();
    wait_for("the edge's answer", || controlled_by_edge(&rating_service));
}

#[test]
fn a_load_is_sent_by_tls_and_a_file_of_authorities_that_is_not_there_is_told_whatever_the_url() {
    let stage = Stage::new(&["127.0.0.1"]);
    let up = stage.behind_tls("up", &[]);
    let mut load =
        process::command(["load", "--rate", "50", "--duration", "3s", "--target", up.url("rating")]);
    let unknown = process::run(process::command(["load", "--duration", "3s", "--target", up.url("rating")]));
    assert!(
        unknown.output.contains("0 accepted") && unknown.output.contains("UnknownIssuer"),
        "{}",
        unknown.output
    );
    load.args(["--ca-file".as_ref(), stage.ca_file.as_os_str()]);
    let ended = process::run(load);
    assert_eq!(ended.code(), Some(0), "{}", ended.complaint);
    assert!(ended.output.contains(" 0 failed, 0 timed out"), "{}", ended.output);

    let missing = stage.path().join("none.pem").display().to_string();
    for command in [["status", "--url"], ["load", "--target"]] {
        let [what, to] = command;
        let ended = process::run(process::command([what, to, "http://127.0.0.1:1", "--ca-file", &missing]));
        assert_eq!(ended.code(), Some(1));
        assert!(
            ended.complaint.contains("--ca-file") && ended.complaint.contains(&missing),
            "{}",
            ended.complaint
        );
    }
}

#[test]
fn an_edge_that_cannot_be_believed_costs_no_rating_and_is_told() {
    let (stage, stranger) = (Stage::new(&["127.0.0.1"]), Stage::new(&["127.0.0.1"]));
    let edge = stage.behind_tls("edge", &[]);
    let endpoint = format!("{}/api/v1/event", edge.url("edge"));
    let ca_file = format!("tls.caFile={}", stranger.ca_file.display());
    let rating_service = process::start(reporting_to(&endpoint, stage.path(), &[&ca_file]));
    let told = wait_for("the failure in the status", || {
        assert_eq!(post(&format!("{}/ratings", rating_service.url("rating")), rating()).status, 201);
        let status = get(&format!("{}/api/v1/status", rating_service.url("admin"))).json();
        status["collector"]["edgeError"].as_str().map(str::to_owned)
    });
    assert!(told.contains("tls.caFile") && told.contains(&endpoint.replace("/event", "/events")), "{told}");
    let metrics = get(&format!("{}/metrics", rating_service.url("admin"))).text();
    let failed = metrics
        .lines()
        .find_map(|line| line.strip_prefix(r#"openclaw_collector_posts_total{result="failed"} "#));
    assert!(failed.unwrap().parse::<f64>().unwrap() >= 1.0, "{metrics}");
    let status = stage.status(&edge);
    assert_eq!(status["edge"]["services"], json!([]), "nothing reached the edge");
}

#[test]
fn the_whole_loop_in_one_process_believes_its_own_certificate_whatever_name_it_bears() {
    let stage = Stage::new(&["ratings.example"]);
    let up = stage.behind_tls("up", &[]);
    wait_for("the edge's answer", || {
        let status = stage.status(&up);
        (status["collector"]["controlledBy"] == "edge").then_some(())
    });
    let mut shown = process::command(["status", "--url", up.url("admin"), "--ca-file"]);
    shown.arg(&stage.ca_file);
    let ended = process::run(shown);
    assert!(ended.complaint.contains("is for ratings.example, not for 127.0.0.1"), "{}", ended.complaint);
}

#[test]
fn a_sidecar_with_tls_on_both_sides_passes_requests() {
    let stage = Stage::new(&["127.0.0.1"]);
    let behind = stage.behind_tls("rating", &[]);
    let mut command = process::command(["sidecar", "--upstream", behind.url("rating")]);
    command.args(FREE_PORTS).args(["--set", "collector.eventEndpoint=off"]);
    command.args(["--set", &format!("tls.caFile={}", stage.ca_file.display())]);
    stage.listeners.iter().for_each(|setting| {
        command.args(["--set", setting]);
    });
    let sidecar = process::start(command);
    let url = format!("{}/ratings", sidecar.url("sidecar"));
    assert!(url.starts_with("https://"), "{url}");
    let (status, body) = stage.ask(Method::POST, &url, &rating());
    assert_eq!(status, 201, "{body}");

    let mut command = process::command(["sidecar", "--upstream", behind.url("rating")]);
    command.args(FREE_PORTS).args(["--set", "collector.eventEndpoint=off"]);
    let unbelieving = process::start(command);
    let refused = post(&format!("{}/ratings", unbelieving.url("sidecar")), rating());
    assert_eq!(refused.status, 502);
    assert!(refused.text().contains("no certificate that is trusted"), "{}", refused.text());
    let ended = unbelieving.terminate();
    assert!(ended.complaint.contains("nobody who is trusted here signed"), "{}", ended.complaint);
}
