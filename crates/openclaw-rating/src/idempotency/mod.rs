//! `Idempotency-Key`: a request that is sent again is answered again and takes no effect twice.
//!
//! In memory and not in the store: `docs/adr/0010-idempotency-in-memory.md` has the reasons. Only answers to requests of
//! which something was stored are kept. A refusal is not, so that a later attempt may succeed; and since every kept
//! answer has cost a token, whoever floods the memory is limited like everybody.

mod key;
mod memory;

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt;
use openclaw_admin::reply::ProblemReply;
use openclaw_protocol::{BodyForm, Problem, ProblemKind, Rating};
use parking_lot::Mutex;
use siphasher::sip128::{Hasher128, SipHasher24};
use tokio::time::Instant;

pub use key::{IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey, InvalidKey};

use crate::metering::IdempotencyMeters;
use crate::settings::IdempotencySettings;
use memory::{Answer, Fingerprint, Identity, Known, Memory, UserHash};

/// Marks an answer that was given before; the name is the one that payment services have made known.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// How long to stay away from a request in progress: longer than storing takes.
const IN_PROGRESS_WAIT: Duration = Duration::from_secs(1);

/// Something of the request was stored; put into its response's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored;

/// The keyed requests of one service; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Idempotency {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    memory: Mutex<Memory>,
    /// Hashes with a random key of this process.
    hasher: SipHasher24,
    meters: IdempotencyMeters,
}

/// What a keyed request is compared by.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) key: &'a IdempotencyKey,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) form: BodyForm,
    pub(crate) body: &'a [u8],
}

/// What to do with a keyed request.
pub(crate) enum Begun {
    /// Take it, and tell the ticket how it ended.
    New(Ticket),
    /// Answer so.
    Known(Response),
}

impl Idempotency {
    pub(crate) fn new(settings: &IdempotencySettings) -> Self {
        let random = || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
        let shared = Shared {
            memory: Mutex::new(Memory::new(settings.keys_max, settings.bytes_max, settings.ttl)),
            hasher: SipHasher24::new_with_keys(random(), random()),
            meters: IdempotencyMeters::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Begins a request, which rates `ratings`, unless it was begun before.
    ///
    /// # Errors
    /// 409 where it is in progress, 422 where its key belongs to another request, 503 where no more can be in progress.
    pub(crate) fn begin<'r>(
        &self,
        request: &Request<'_>,
        ratings: impl Iterator<Item = &'r Rating> + Clone,
    ) -> Result<Begun, ProblemReply> {
        let shared = &self.shared;
        let users = shared.users(ratings.clone());
        let (identity, fingerprint) = (shared.identity(request, ratings), shared.fingerprint(request));
        let known = {
            let mut memory = shared.memory.lock();
            let known = memory.begin(identity, fingerprint, users, Instant::now());
            shared.meters.keys.set(memory.len() as f64);
            known
        };
        match known {
            Known::New => Ok(Begun::New(Ticket { shared: Arc::clone(shared), identity, open: true })),
            Known::Answered(answer) => {
                shared.meters.replayed.increment(1);
                Ok(Begun::Known(replay(answer)))
            }
            Known::InProgress => {
                shared.meters.in_progress.increment(1);
                let detail =
                    "the first request with this Idempotency-Key is in progress; send it again shortly";
                Err(ProblemReply::new(ProblemKind::RequestInProgress, detail).retry_after(IN_PROGRESS_WAIT))
            }
            Known::OtherContent => {
                shared.meters.other_content.increment(1);
                let detail = "this Idempotency-Key was used for a request with another body; use a new key for each request";
                Err(ProblemReply::new(ProblemKind::IdempotencyKeyReused, detail))
            }
            Known::Full => {
                let detail = "as many requests with an Idempotency-Key are in progress as may be (rating.idempotencyKeysMax)";
                let problem = Problem::new(ProblemKind::TemporaryReducedCapacity, detail).with_status(503);
                Err(ProblemReply::from(problem).retry_after(IN_PROGRESS_WAIT))
            }
        }
    }
}

impl Idempotency {
    /// Forgets the answers to requests that rated as `user_id`.
    pub(crate) fn take_back(&self, user_id: &str) {
        let user = self.shared.user(user_id);
        let mut memory = self.shared.memory.lock();
        memory.take_back(user);
        self.shared.meters.keys.set(memory.len() as f64);
    }
}

impl Shared {
    fn user(&self, user_id: &str) -> UserHash {
        let mut hasher = self.hasher;
        ("user", user_id).hash(&mut hasher);
        UserHash(hasher.finish())
    }

    /// Whom a request rates as; who rates several things in a row is named once.
    fn users<'r>(&self, ratings: impl Iterator<Item = &'r Rating>) -> Vec<UserHash> {
        let mut users: Vec<_> = ratings.map(|rating| self.user(&rating.user_id)).collect();
        users.dedup();
        users
    }

    /// Whose key it is. Those who share a token share its keys, and should choose them so that nobody can guess them.
    /// Without tokens a caller is told by whom it rates: it can then spoil the keys only of users as whom it could
    /// rate anyway.
    fn identity<'r>(&self, request: &Request<'_>, ratings: impl Iterator<Item = &'r Rating>) -> Identity {
        let mut hasher = self.hasher;
        match request.headers.get(AUTHORIZATION) {
            Some(token) => ("token", token.as_bytes()).hash(&mut hasher),
            None => {
                "users".hash(&mut hasher);
                ratings.for_each(|rating| rating.user_id.hash(&mut hasher));
            }
        }
        request.key.as_str().hash(&mut hasher);
        Identity(hasher.finish128().as_u128())
    }

    fn fingerprint(&self, request: &Request<'_>) -> Fingerprint {
        let mut hasher = self.hasher;
        (request.form == BodyForm::NdJson).hash(&mut hasher);
        hasher.write(request.body);
        Fingerprint(hasher.finish128().as_u128())
    }
}

/// A keyed request in progress. Dropped without an answer, it may begin again.
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    identity: Identity,
    open: bool,
}

impl Ticket {
    /// Remembers `response` where something was stored, else nothing; hands it back.
    pub(crate) async fn answer(mut self, response: Response) -> Response {
        if response.extensions().get::<Stored>().is_none() {
            return response;
        }
        let (parts, body) = response.into_parts();
        // It was written into memory as a whole.
        let body = body.collect().await.map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
        let answer = Answer {
            status: parts.status,
            content_type: parts.headers.get(CONTENT_TYPE).cloned(),
            retry_after: parts.headers.get(RETRY_AFTER).cloned(),
            body: body.clone(),
        };
        self.open = false;
        self.shared.memory.lock().answered(self.identity, answer, Instant::now());
        Response::from_parts(parts, Body::from(body))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.open {
            self.shared.memory.lock().forget(self.identity);
        }
    }
}

/// The fields of the first answer that still hold, and a mark that it is not the first. What was left in the user's
/// bucket then is not among them.
fn replay(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    let fields = [(CONTENT_TYPE, answer.content_type), (RETRY_AFTER, answer.retry_after)];
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
    response.headers_mut().extend(fields);
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Whether a client still waits for its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patience {
    gone: Arc<AtomicBool>,
}

impl Patience {
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Held by the handler, which is dropped when its client leaves.
    pub(crate) fn watch(&self) -> Leaving {
        Leaving(self.clone())
    }
}

/// Says on drop that nobody waits any more.
pub(crate) struct Leaving(Patience);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.gone.store(true, Ordering::Relaxed);
    }
}
