//! An edge behind TLS: believed, not believed, and asked in the wrong language. Whatever is wrong, requests go on.

use std::path::Path;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use openclaw_admin::access::Roles;
use openclaw_admin::listen::{Endpoint, Exposure, ServeLimits, bind, serve};
use openclaw_admin::shutdown::Shutdown;
use openclaw_testca::{Authority, Files, Valid};

use super::*;
use crate::{EdgeTarget, RetrySettings, Trust};

const ANSWER: &str = r#"{"policies":{},"defaults":{"bucketSize":1000000.0,"refillRate":1000000.0},"ttlMs":60000,"policyVersion":"tls"}"#;

/// An edge that takes everything, with this certificate.
fn edge(files: &Files) -> SocketAddr {
    let endpoint = Endpoint {
        name: "edge",
        address: ([127, 0, 0, 1], 0).into(),
        key: "edge.listen",
        flag: None,
        roles: Roles::default(),
    };
    let (cert_file, key_file) = (Some(files.cert.clone()), Some(files.key.clone()));
    let listener = bind(&endpoint, &Exposure { cert_file, key_file, ..Exposure::default() }).unwrap();
    let address = listener.address();
    let routes = Router::new().route("/api/v1/events", post(|_: Bytes| async { ANSWER }));
    tokio::spawn(serve(listener, routes, ServeLimits::default(), Shutdown::new()));
    address
}

fn collector(url: &str, trust: Option<Trust>) -> Collector {
    let target = EdgeTarget::new(url, None, Duration::from_secs(5)).unwrap();
    let target = match trust {
        Some(trust) => target.trusting(trust),
        None => target,
    };
    let retry = RetrySettings {
        pause_min: Duration::from_millis(5),
        pause_max: Duration::from_millis(20),
        ..RetrySettings::default()
    };
    Collector::start(CollectorSettings { retry, ..settings(Some(target)) }).unwrap()
}

/// Attempts go through, events are delivered.
async fn expect_delivered(url: &str, trust: Trust) {
    let collector = collector(url, Some(trust));
    let admission = collector.admission();
    (0..20).for_each(|_| assert!(attempt(&admission, "ann")));
    until("all events are there", || collector.status().events_delivered == 20).await;
    until("the edge decides", || collector.status().controlled_by == ControlledBy::Edge).await;
    assert_eq!(stopped(collector).await.edge_error, None);
}

/// Attempts go through, events wait, and the operator is told.
async fn expect_refused(url: &str, trust: Option<Trust>, complaints: &[&str]) {
    let collector = collector(url, trust);
    let admission = collector.admission();
    (0..20).for_each(|_| assert!(attempt(&admission, "ann")));
    until("the failure is told", || collector.status().edge_error.is_some()).await;
    let told = collector.status().edge_error.unwrap();
    for complaint in complaints {
        assert!(told.contains(complaint), "{complaint:?} is missing: {told}");
    }
    until("the circuit opens, as after other failures", || collector.status().circuit != Circuit::Closed)
        .await;
    assert!(attempt(&admission, "ann"), "requests go on");
    assert_eq!(collector.status().controlled_by, ControlledBy::Local);
    let status = stopped(collector).await;
    assert_eq!((status.events_delivered, status.events_dropped), (0, 21));
}

#[tokio::test]
async fn an_edge_whose_authority_is_trusted_gets_the_events() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("a test");
    let files = authority.certify(&["localhost", "127.0.0.1"], Valid::Now, folder.path(), "edge");
    let ca_file = authority.write(folder.path(), "ca");
    let address = edge(&files);
    let trust = || Trust::system(Some(&ca_file)).unwrap();
    expect_delivered(&format!("https://{address}/api/v1/event"), trust()).await;
    expect_delivered(&format!("https://localhost:{}/api/v1/event", address.port()), trust()).await;
    let builder =
        Collector::builder("orders").edge(format!("https://{address}/api/v1/event")).ca_file(&ca_file);
    let collector = builder.start().unwrap();
    until("the edge decides", || collector.status().controlled_by == ControlledBy::Edge).await;
    collector.stop().await;
}

#[tokio::test]
async fn certificates_that_cannot_be_believed_are_told_and_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, namesake, other) =
        (Authority::new("a test"), Authority::new("a test"), Authority::new("other"));
    let write = |authority: &Authority, name: &str| authority.write(folder.path(), name);
    let (ca, namesake, other) =
        (write(&authority, "ca"), write(&namesake, "namesake"), write(&other, "other"));
    let edge =
        |names: &[&str], valid, name: &str| edge(&authority.certify(names, valid, folder.path(), name));
    let good = edge(&["127.0.0.1"], Valid::Now, "good");
    let elsewhere = edge(&["edge.example", "10.0.0.1"], Valid::Now, "elsewhere");
    let expired = edge(&["127.0.0.1"], Valid::Before, "expired");
    let early = edge(&["127.0.0.1"], Valid::Later, "early");
    let of = |file: &Path| Some(Trust::system(Some(file)).unwrap());
    let cases: [(SocketAddr, Option<Trust>, &str); 6] = [
        (good, of(&other), "nobody who is trusted here signed its certificate"),
        (good, of(&namesake), "which did not sign it"),
        (elsewhere, of(&ca), "its certificate is for edge.example, 10.0.0.1, not for 127.0.0.1"),
        (expired, of(&ca), "its certificate expired 10 days ago; renew it there"),
        (early, of(&ca), "its certificate is valid in 10 days only"),
        (good, Some(Trust::exactly(&folder.path().join("early.crt")).unwrap()), "holds another certificate"),
    ];
    for (address, trust, complaint) in cases {
        let url = format!("https://{address}/api/v1/event");
        expect_refused(&url, trust, &[complaint, "cannot be reached", &address.to_string()]).await;
    }
}

#[tokio::test]
async fn tls_where_there_is_none_and_none_where_there_is_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("a test");
    let ca_file = authority.write(folder.path(), "ca");
    let tls = edge(&authority.certify(&["127.0.0.1"], Valid::Now, folder.path(), "edge"));
    let url = format!("http://{tls}/api/v1/event");
    expect_refused(&url, None, &["answered 400", "ask by https://"]).await;

    let plain = EdgeDouble::start(Mode::Answer, tokens(1e6), 60_000).await;
    let url = format!("https://{}/api/v1/event", plain.address);
    let trust = Some(Trust::system(Some(&ca_file)).unwrap());
    expect_refused(&url, trust, &["does not speak TLS", "http://"]).await;
    assert!(plain.events().is_empty());
}

#[tokio::test]
async fn one_certificate_is_believed_whatever_name_it_bears() {
    let folder = tempfile::tempdir().unwrap();
    let files = Authority::new("a test").certify(&["edge.example"], Valid::Now, folder.path(), "edge");
    let address = edge(&files);
    let url = format!("https://{address}/api/v1/event");
    expect_delivered(&url, Trust::exactly(&files.cert).unwrap()).await;
}
