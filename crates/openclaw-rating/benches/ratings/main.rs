//! Durable ratings per second: the rating service beside PostgreSQL doing the same work by itself, and beside a bare
//! append and sync of the same bytes, which no store that acknowledges durably can pass.
//!
//! Each side does what it is best at: the service takes HTTP from 64 connections, or NDJSON batches of 1,000, checks,
//! counts, meters and answers; PostgreSQL takes prepared statements through its local socket, makes the ratings up
//! itself, so that nothing is parsed, and keeps the same statistics in the same transaction with its default
//! durability. Both hold the same number of users and items. Start-up after a crash is measured beside its budget.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on ends with what it expected")]

mod disk;
mod peer;
mod service;
mod startup;

use std::process::ExitCode;
use std::time::Duration;

use axum::body::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use openclaw_benchkit::{Bench, Better, HttpClient, HttpLoad, Options, RUNS_MIN, Row, try_paired};

use peer::Peer;
use service::Service;

/// Length of one measurement.
const RUN: Duration = Duration::from_secs(2);
/// Connections that post single ratings, on both sides.
const SINGLE_CONNECTIONS: usize = 64;
/// Connections that send batches, on both sides.
const BATCH_CONNECTIONS: usize = 4;
/// Ratings in a batch.
const BATCH_RATINGS: usize = 1_000;
/// Different users, and different items, of all ratings.
const USERS: u64 = 100_000;
const ITEMS: u64 = 5_000;

fn main() -> ExitCode {
    let options = match Options::from_args(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => return error.report(),
    };
    match measure() {
        Ok(bench) => bench.finish(&options),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> std::io::Result<Bench> {
    let mut bench = Bench::new("ratings");
    let (service, peer, client) = (Service::start()?, Peer::start()?, HttpClient::new());
    let (single, batch): (Make, Make) = (post::<1>, post::<BATCH_RATINGS>);
    let kinds = [
        ("single ratings, 64 connections", SINGLE_CONNECTIONS, single, 1, None),
        ("batches of 1,000 ratings, 4 connections", BATCH_CONNECTIONS, batch, BATCH_RATINGS, Some(1.5)),
    ];
    for (case, connections, request, size, goal) in kinds {
        let (address, expected) = (service.address(), StatusCode::CREATED);
        let load = HttpLoad { address, connections, length: RUN, request, expected };
        let own = || Ok(client.closed_loop(load) * size as f64);
        let (value, peer_value) = try_paired(RUNS_MIN, own, || peer.ratings_per_s(connections, size, RUN))?;
        let unit = "ratings/s";
        let better = Better::Higher;
        bench.row(Row { case, unit, value, peer: "PostgreSQL 18", peer_value, goal, better });
        // One sync for as many requests as can be under way at once, each as long as its body.
        let (value, peer_value) = try_paired(RUNS_MIN, own, || disk::ratings_per_s(connections, size, RUN))?;
        let case = format!("share of the limit: {case}");
        let peer = "append + fdatasync";
        bench.row(Row { case: &case, unit, value, peer, peer_value, goal: None, better });
    }
    let value = startup::after_a_crash_s(RUNS_MIN)?;
    bench.row(Row {
        case: "start-up after a crash, 1,000,000 ratings",
        unit: "s",
        value,
        peer: "budget",
        peer_value: 2.0,
        goal: Some(1.0),
        better: Better::Lower,
    });
    Ok(bench)
}

/// Makes the request of a number.
type Make = fn(u64) -> Request<Full<Bytes>>;

/// A request with so many ratings.
fn post<const RATINGS: usize>(number: u64) -> Request<Full<Bytes>> {
    Request::post("/ratings")
        .header("host", "127.0.0.1")
        .header("content-type", "application/x-ndjson")
        .body(Full::new(body(number, RATINGS).into()))
        .expect("a request")
}

/// The body of one request: one rating as JSON, or so many as NDJSON. Deterministic in its number.
fn body(number: u64, size: usize) -> String {
    let rating = |index: u64| {
        // A multiplicative hash spreads numbers over users and items without a generator's state.
        let mixed = (number * BATCH_RATINGS as u64 + index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (user, item, half) = ((mixed >> 40) % USERS, (mixed >> 20) % ITEMS, (mixed >> 10) % 21);
        let score = half as f64 / 2.0;
        format!("{{\"userId\":\"user-{user}\",\"itemId\":\"item-{item}\",\"score\":{score}}}\n")
    };
    (0..size as u64).map(rating).collect()
}
