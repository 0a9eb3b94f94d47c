//! SIGTERM, as every orchestrator sends it: what was begun is finished, what was acknowledged is kept, and the
//! exit code is that of success.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::json;

use crate::service;
use crate::support::http::{get, post};
use crate::support::process;
use crate::support::wait_for;

#[test]
fn acknowledged_ratings_are_there_after_an_orderly_end() {
    let folder = tempfile::tempdir().unwrap();
    let up = process::start(service("up", folder.path(), &[]));
    for item in 0..15 {
        let body = json!({"userId": "ann", "itemId": format!("film-{item}"), "score": 8}).to_string();
        assert_eq!(post(&format!("{}/ratings", up.url("rating")), body).status, 201);
    }
    let ended = up.terminate();
    assert_eq!(ended.code(), Some(0), "{}", ended.complaint);
    assert!(!ended.complaint.contains("ERROR"), "{}", ended.complaint);

    let rating = process::start(service("rating", folder.path(), &[]));
    let kept = get(&format!("{}/users/ann/ratings", rating.url("rating"))).json();
    assert_eq!(kept["ratings"].as_array().unwrap().len(), 15);
    assert_eq!(rating.terminate().code(), Some(0));
}

#[test]
fn every_kind_of_service_ends_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let edge = process::start(service("edge", folder.path(), &[]));
    assert_eq!(edge.terminate().code(), Some(0));
    let backend = process::start(process::command(["backend", "--listen", "127.0.0.1:0"]));
    assert_eq!(backend.terminate().code(), Some(0));
}

/// The backend of this test answers when the test wants it to, so that a rating is certainly under way when the
/// signal comes.
#[test]
fn a_rating_under_way_is_finished_first() {
    let folder = tempfile::tempdir().unwrap();
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rating.backendUrl=http://{}/work", backend.local_addr().unwrap());
    let rating = process::start(service("rating", folder.path(), &[&url, "rating.backendTimeout=60s"]));
    let target = format!("{}/ratings", rating.url("rating"));
    let client = std::thread::spawn(move || post(&target, r#"{"userId":"ann","itemId":"film","score":8}"#));

    let (mut call, _) = backend.accept().unwrap();
    assert!(call.read(&mut [0; 4096]).unwrap() > 0, "the service asks its backend");
    rating.tell_to_end();
    let address = rating.url("rating").trim_start_matches("http://").to_owned();
    wait_for("the port to be free", || TcpStream::connect(&address).is_err().then_some(()));
    call.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    let reply = client.join().unwrap();
    assert_eq!(reply.status, 201, "{}", reply.text());
    let ended = rating.wait("its end after the last answer");
    assert_eq!(ended.code(), Some(0), "{}", ended.complaint);

    let rating = process::start(service("rating", folder.path(), &[]));
    assert_eq!(get(&format!("{}/items/film", rating.url("rating"))).json()["count"], 1);
}
