//! The service's parts and its routes.

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};
use openclaw_admin::access::{AccessPolicy, Role};
use openclaw_admin::openapi::{self, BearerByRole};
use openclaw_admin::reply::with_problem_fallbacks;
use openclaw_collector::Admission;
use openclaw_protocol::Problem;
use openclaw_store::{Health, Store};
use serde::Serialize;
use utoipa::OpenApi;

use crate::backend::Backend;
use crate::deletion::{self, delete_ratings_of_user};
use crate::feed::{FeedEvent, RatingFeed, RatingHook, Subscription, Wanted};
use crate::idempotency::Idempotency;
use crate::ingest::{self, post_ratings};
use crate::metering::Meters;
use crate::queries::{self, item, ratings_of_item, ratings_of_user};
use crate::settings::RatingSettings;
use crate::stream::{self, GapBody, Streams, stream};
use crate::top_lists::{self, top_items};

/// The service's interface as OpenAPI.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "OpenClaw rating service",
        description = "Takes ratings, and answers questions about them. Times are ms since the epoch. Every error \
                       is an RFC 9457 problem document; unknown paths are answered 404, known ones under a wrong \
                       method 405 with `Allow`."
    ),
    servers((url = "http://127.0.0.1:8080", description = "Default listener")),
    paths(
        ingest::post_ratings,
        stream::stream,
        queries::item,
        queries::ratings_of_item,
        queries::ratings_of_user,
        top_lists::top_items,
        deletion::delete_ratings_of_user
    ),
    components(schemas(GapBody, Problem)),
    modifiers(&BearerByRole)
)]
struct RatingDocument;

/// The OpenAPI document of this service.
///
/// # Errors
/// See [`openapi::to_json`].
pub fn openapi_json() -> Result<String, serde_json::Error> {
    openapi::to_json::<RatingDocument>()
}

/// A rating service; clones share it.
#[derive(Clone, Debug)]
pub struct RatingService {
    pub(crate) settings: Arc<RatingSettings>,
    pub(crate) store: Store,
    pub(crate) admission: Arc<Admission>,
    pub(crate) backend: Option<Backend>,
    pub(crate) meters: Meters,
    pub(crate) feed: RatingFeed,
    pub(crate) streams: Streams,
    pub(crate) idempotency: Idempotency,
}

/// The service's state, for `status`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RatingStatus {
    /// Whether ratings can be stored, and why not.
    pub store: String,
    /// Whether a backend does its part before a rating is acknowledged.
    pub backend: bool,
}

impl RatingService {
    /// A service over `store`, whose requests `admission` admits.
    #[must_use]
    pub fn new(
        settings: RatingSettings,
        store: Store,
        admission: Arc<Admission>,
        backend: Option<Backend>,
    ) -> Self {
        let feed = RatingFeed::new(settings.stream.events_max, settings.stream.bytes_max);
        let streams = Streams::new(&settings.stream);
        let idempotency = Idempotency::new(&settings.idempotency);
        let settings = Arc::new(settings);
        Self { settings, store, admission, backend, meters: Meters::new(), feed, streams, idempotency }
    }

    /// The ratings that are accepted from now on.
    #[must_use]
    pub fn ratings(&self) -> Subscription {
        self.feed.from_now(Wanted::default())
    }

    /// Calls `callback` for every rating that is accepted from now on, until the hook is dropped or the service has
    /// stopped.
    ///
    /// A rating is accepted once it is durable, superseded ones included. Nobody waits for the callback: where it is too
    /// slow for too long, it is told by [`FeedEvent::Gap`] how many ratings it missed. It runs on a task of the runtime
    /// and must not block for long; for what has to be awaited, read [`ratings`](Self::ratings). Must be called within a
    /// tokio runtime.
    ///
    /// ```
    /// use openclaw_rating::RatingService;
    /// use openclaw_rating::feed::{FeedEvent, RatingHook};
    ///
    /// fn follow(service: &RatingService) -> RatingHook {
    ///     service.on_rating(|event| match event {
    ///         FeedEvent::Rating { rating, .. } => {
    ///             println!("{} gave {} {}", rating.user_id, rating.item_id, rating.score);
    ///         }
    ///         FeedEvent::Gap { missed, .. } => eprintln!("{missed} ratings were missed"),
    ///     })
    /// }
    /// ```
    pub fn on_rating(&self, callback: impl FnMut(&FeedEvent) + Send + 'static) -> RatingHook {
        RatingHook::start(self.ratings(), callback)
    }

    /// Ends the open streams: they would keep their listener from stopping.
    pub fn end_streams(&self) {
        self.streams.end();
    }

    /// Lets go of what memory holds of a user's deleted ratings.
    pub(crate) fn take_back(&self, user_id: &str) {
        self.feed.take_back(user_id);
        self.idempotency.take_back(user_id);
    }

    /// Ends the feed: hooks and subscriptions get what is left, then the end. Call it once no request is in progress.
    pub fn end_feed(&self) {
        self.feed.end();
    }

    /// Whether ratings can be taken; the error says why not.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn ready(&self) -> Result<(), String> {
        match self.store.health() {
            Health::Ready => Ok(()),
            Health::Refusing { reason } => Err(format!("ratings cannot be stored: {reason}")),
            Health::Closed => Err("the store is closed".to_owned()),
        }
    }

    /// The service's state.
    #[must_use]
    pub fn status(&self) -> RatingStatus {
        RatingStatus {
            store: self.ready().err().unwrap_or_else(|| "ready".to_owned()),
            backend: self.backend.is_some(),
        }
    }
}

/// The service's routes: ratings from clients, answers for readers, deletions for admins.
pub fn router(service: RatingService, access: &AccessPolicy) -> Router {
    let clients = Router::new().route("/ratings", post(post_ratings)).layer(access.require(Role::Client));
    let readers = Router::new()
        .route("/items", get(top_items))
        .route("/items/{id}", get(item))
        .route("/items/{id}/ratings", get(ratings_of_item))
        .route("/ratings/stream", get(stream))
        .route("/users/{id}/ratings", get(ratings_of_user))
        .layer(access.require(Role::Reader));
    let admins = Router::new()
        .route("/users/{id}/ratings", delete(delete_ratings_of_user))
        .layer(access.require(Role::Admin));
    with_problem_fallbacks(clients.merge(readers).merge(admins).with_state(service))
}

#[cfg(test)]
mod tests;
