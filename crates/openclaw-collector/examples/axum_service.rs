//! An axum service that joins the loop: what it may take follows its latency, user by user.
//!
//! `cargo run -p openclaw-collector --example axum_service`, then `curl -X POST http://127.0.0.1:8090/orders/ann`. With
//! an edge at 127.0.0.1:8081 (`openclaw edge`) its limits come from there, without one it decides for itself.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use openclaw_collector::{Admission, Collector};
use openclaw_protocol::{Context, ItemId, Outcome, UserId};

async fn order(State(admission): State<Arc<Admission>>, Path(user): Path<String>) -> StatusCode {
    let (Ok(user), Ok(item)) = (UserId::new(&user), ItemId::new("order")) else {
        return StatusCode::BAD_REQUEST;
    };
    let work = match admission.begin(user, item, Context::default()) {
        Ok(work) => work,
        Err(refused) => {
            return StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        }
    };
    tokio::time::sleep(Duration::from_millis(20)).await; // The service's own work.
    work.end(Outcome::Accepted);
    StatusCode::CREATED
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let collector = Collector::builder("orders").edge("http://127.0.0.1:8081/api/v1/event").start()?;
    let service = axum::Router::new().route("/orders/{user}", post(order)).with_state(collector.admission());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8090").await?;
    let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    axum::serve(listener, service).with_graceful_shutdown(stop).await?;
    collector.stop().await; // Delivers the last events.
    Ok(())
}
