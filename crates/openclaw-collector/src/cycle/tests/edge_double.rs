//! An edge on a loopback socket that behaves as told, well or badly, and keeps what it took.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use openclaw_protocol::{BatchAnswer, BucketPolicy, EventBatch, RatingEvent, UserId};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::EdgeTarget;

/// What the edge does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    /// Takes it and answers with [`EdgeDouble::policies`].
    Answer,
    /// Takes it, and answers after a while.
    Slow(Duration),
    /// Knows no batches.
    SinglesOnly,
    /// Answers with this status, and a `location` in case it redirects.
    Status(u16),
    /// Answers 503 and asks to be left alone for so many seconds.
    Busy(u32),
    /// Takes batches of so many events at most; else 413.
    AtMost(usize),
    /// Refuses with 400 whatever has an event of a user `poison`.
    Poison,
    /// Every third request fails.
    Flaky,
    /// 200, but no JSON.
    Garbage,
    /// Never answers.
    Silent,
}

struct Inner {
    mode: Mutex<Mode>,
    policies: Mutex<HashMap<UserId, BucketPolicy>>,
    policy: BucketPolicy,
    ttl_ms: u64,
    batches: Mutex<Vec<EventBatch>>,
    singles: Mutex<Vec<RatingEvent>>,
    requests: Mutex<u64>,
}

/// The running edge.
pub(super) struct EdgeDouble {
    inner: Arc<Inner>,
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for EdgeDouble {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl EdgeDouble {
    /// An edge that gives every user and everyone else `policy`.
    pub(super) async fn start(mode: Mode, policy: BucketPolicy, ttl_ms: u64) -> Self {
        let inner = Arc::new(Inner {
            mode: Mutex::new(mode),
            policies: Mutex::default(),
            policy,
            ttl_ms,
            batches: Mutex::default(),
            singles: Mutex::default(),
            requests: Mutex::default(),
        });
        let router = Router::new()
            .route("/api/v1/event", post(single))
            .route("/api/v1/events", post(batch))
            .with_state(Arc::clone(&inner));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { inner, address, task }
    }

    pub(super) fn target(&self) -> EdgeTarget {
        target(self.address)
    }

    pub(super) fn set(&self, mode: Mode) {
        *self.inner.mode.lock() = mode;
    }

    /// Gives one user something else than the others.
    pub(super) fn give(&self, user: &str, policy: BucketPolicy) {
        self.inner.policies.lock().insert(UserId::new(user).unwrap(), policy);
    }

    /// Batches taken so far.
    pub(super) fn batches(&self) -> Vec<EventBatch> {
        self.inner.batches.lock().clone()
    }

    /// Single events taken so far.
    pub(super) fn singles(&self) -> Vec<RatingEvent> {
        self.inner.singles.lock().clone()
    }

    /// Events taken so far, in batches or alone.
    pub(super) fn events(&self) -> Vec<RatingEvent> {
        let mut events = self.singles();
        events.extend(self.inner.batches.lock().iter().flat_map(|batch| batch.events.iter().cloned()));
        events
    }

    /// The newest counters of every user.
    pub(super) fn counts(&self) -> HashMap<String, (u64, u64)> {
        let batches = self.inner.batches.lock();
        let users = batches.iter().flat_map(|batch| &batch.users);
        users.map(|user| (user.user_id.to_string(), (user.attempts, user.throttled))).collect()
    }

    /// Requests so far, taken or not.
    pub(super) fn requests(&self) -> u64 {
        *self.inner.requests.lock()
    }
}

pub(super) fn target(address: SocketAddr) -> EdgeTarget {
    EdgeTarget::new(&format!("http://{address}/api/v1/event"), None, Duration::from_millis(400)).unwrap()
}

async fn batch(State(edge): State<Arc<Inner>>, body: Bytes) -> Response {
    let found: EventBatch = serde_json::from_slice(&body).unwrap();
    let many = found.events.len();
    let poisoned = found.events.iter().any(|event| &*event.user_id == "poison");
    if let Some(refusal) = edge.misbehave(true, many, poisoned).await {
        return refusal;
    }
    let of = |user: &UserId| edge.policies.lock().get(user).copied().unwrap_or(edge.policy);
    let answer = BatchAnswer {
        policies: found.users.iter().map(|user| (user.user_id.clone(), of(&user.user_id))).collect(),
        defaults: edge.policy,
        newcomers: None,
        guard_ms: Some(90.0),
        ttl_ms: edge.ttl_ms,
        policy_version: "double".to_owned(),
        reason: None,
        classes: Vec::new(),
        dependencies: Vec::new(),
        overrides: None,
        rejected: Vec::new(),
    };
    edge.batches.lock().push(found);
    axum::Json(answer).into_response()
}

async fn single(State(edge): State<Arc<Inner>>, body: Bytes) -> Response {
    let event: RatingEvent = serde_json::from_slice(&body).unwrap();
    if let Some(refusal) = edge.misbehave(false, 1, &*event.user_id == "poison").await {
        return refusal;
    }
    edge.singles.lock().push(event);
    // Exactly the brief's answer.
    axum::Json(edge.policy).into_response()
}

impl Inner {
    /// The answer of an edge that does not take the request; `None` where it does.
    async fn misbehave(&self, is_batch: bool, events: usize, poisoned: bool) -> Option<Response> {
        let request = {
            let mut requests = self.requests.lock();
            *requests += 1;
            *requests
        };
        let mode = *self.mode.lock();
        let refused = |status: StatusCode| Some((status, "refused by the double").into_response());
        match mode {
            Mode::Slow(pause) => tokio::time::sleep(pause).await,
            Mode::SinglesOnly if is_batch => return refused(StatusCode::NOT_FOUND),
            Mode::Status(status) => {
                let status = StatusCode::from_u16(status).unwrap();
                return Some((status, [("location", "/api/v1/event")], "refused").into_response());
            }
            Mode::Busy(seconds) => {
                let asked = [("retry-after", seconds.to_string())];
                return Some((StatusCode::SERVICE_UNAVAILABLE, asked, "busy").into_response());
            }
            Mode::AtMost(max) if events > max => return refused(StatusCode::PAYLOAD_TOO_LARGE),
            Mode::Poison if poisoned => return refused(StatusCode::BAD_REQUEST),
            Mode::Flaky if request % 3 == 0 => return refused(StatusCode::BAD_GATEWAY),
            Mode::Garbage => return Some("<html>\u{fffd} welcome to the router".into_response()),
            Mode::Silent => std::future::pending().await,
            _ => {}
        }
        None
    }
}

/// A server that answers every connection with `bytes` and closes it, or with `bytes` again and again without
/// end.
pub(super) async fn raw_edge(bytes: &'static [u8], endless: bool) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = socket.read(&mut [0; 65_536]).await;
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await;
                while socket.write_all(bytes).await.is_ok() && endless {}
            });
        }
    });
    (address, task)
}
