//! A full disk is an answer and a state, not an end; Linux only, as is the layer that makes a disk full without
//! needing one.

#![cfg(target_os = "linux")]

use openclaw_powerloss::{Fault, Syncs, Watch};

use crate::service;
use crate::support::http::{Reply, get, post};
use crate::support::process::{self, Program};
use crate::support::wait_for;

fn rate(service: &Program, item: u32) -> Reply {
    let body = format!(r#"{{"userId":"ann","itemId":"film-{item}","score":8}}"#);
    post(&format!("{}/ratings", service.url("rating")), body)
}

#[test]
fn a_full_disk_refuses_ratings_until_there_is_room_and_the_service_stays() {
    let folder = tempfile::tempdir().unwrap();
    let watch = Watch::begin(&folder.path().join("data"), &folder.path().join("shadow")).unwrap();
    let mut command =
        service("rating", &folder.path().join("data"), &["store.retryInterval=50ms", "guard.enabled=false"]);
    watch.observe(&mut command, Syncs::Honoured).unwrap();
    let mut rating = process::start(command);
    assert_eq!(rate(&rating, 1).status, 201);

    watch.set_fault(Fault::DiskFull, true).unwrap();
    for _ in 0..2 {
        let refused = rate(&rating, 2);
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        let problem = refused.json();
        assert_eq!(problem["type"], "urn:openclaw:problem:storage-failed");
        assert!(problem["detail"].as_str().unwrap().contains("the disk is full"), "{problem}");
    }
    let admin = |path: &str| get(&format!("{}{path}", rating.url("admin")));
    let ready = admin("/readyz");
    assert_eq!(ready.status, 503);
    let reason = ready.json()["checks"]["store"]["reason"].take();
    assert!(reason.as_str().unwrap().contains("the disk is full"), "{reason}");
    assert_eq!(admin("/healthz").status, 200, "a restart would mend nothing");
    let kept = get(&format!("{}/users/ann/ratings", rating.url("rating"))).json();
    assert_eq!(kept["ratings"].as_array().unwrap().len(), 1, "reading goes on: {kept}");

    watch.set_fault(Fault::DiskFull, false).unwrap();
    wait_for("room to be noticed", || (admin("/readyz").status == 200).then_some(()));
    assert_eq!(rate(&rating, 3).status, 201);
    rating.assert_alive();
}

#[test]
fn a_disk_that_is_full_from_the_start_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let watch = Watch::begin(&folder.path().join("data"), &folder.path().join("shadow")).unwrap();
    watch.set_fault(Fault::DiskFull, true).unwrap();
    let mut command = service("rating", &folder.path().join("data"), &[]);
    watch.observe(&mut command, Syncs::Honoured).unwrap();
    let ended = process::try_start(command).err().unwrap();
    assert_eq!(ended.code(), Some(1), "{}", ended.complaint);
    assert!(ended.complaint.contains("is full") && ended.complaint.contains("free some space"), "{ended:?}");
}
