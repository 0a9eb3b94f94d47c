//! How a limit is put together.

use std::fmt;
use std::sync::Arc;

use openclaw_bucket::{Decision, KeyedBuckets};
use tower_layer::Layer;

use crate::{KeyExtractor, Limit, Problem, RequestHead, now_ns};

/// What happens to a request without a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unkeyed {
    /// All such requests share one bucket: that of the empty key.
    #[default]
    Share,
    /// It is admitted without a limit.
    Admit,
    /// It is refused (401).
    Refuse,
}

type Number = Box<dyn Fn(&RequestHead<'_>) -> f64 + Send + Sync>;
type Observer = Box<dyn Fn(&RequestHead<'_>, &Decision) + Send + Sync>;

/// What one limit is made of; shared by all clones of its services.
pub(crate) struct Rules<K> {
    pub(crate) buckets: Arc<KeyedBuckets>,
    pub(crate) keys: K,
    pub(crate) name: String,
    pub(crate) unkeyed: Unkeyed,
    pub(crate) shadow: bool,
    pub(crate) cost: Option<Number>,
    pub(crate) reserve: Option<Number>,
    pub(crate) observer: Option<Observer>,
    pub(crate) clock: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// A tower layer that limits requests by key.
pub struct LimitLayer<K, R = Problem> {
    rules: Arc<Rules<K>>,
    respond: R,
}

impl<K: KeyExtractor> LimitLayer<K> {
    /// Begins a limit: requests cost one token of the bucket in `buckets` that `keys` names.
    #[expect(clippy::new_ret_no_self, reason = "a layer is made by its builder")]
    pub fn new(buckets: Arc<KeyedBuckets>, keys: K) -> Builder<K> {
        Builder(Rules {
            buckets,
            keys,
            name: "default".to_owned(),
            unkeyed: Unkeyed::Share,
            shadow: false,
            cost: None,
            reserve: None,
            observer: None,
            clock: Box::new(now_ns),
        })
    }
}

impl<K, R: Clone> Clone for LimitLayer<K, R> {
    fn clone(&self) -> Self {
        Self { rules: Arc::clone(&self.rules), respond: self.respond.clone() }
    }
}

impl<K, R> fmt::Debug for LimitLayer<K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitLayer").field("name", &self.rules.name).finish_non_exhaustive()
    }
}

impl<S, K, R: Clone> Layer<S> for LimitLayer<K, R> {
    type Service = Limit<S, K, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Limit::new(inner, Arc::clone(&self.rules), self.respond.clone())
    }
}

/// A limit in the making; see [`LimitLayer::new`].
pub struct Builder<K>(Rules<K>);

impl<K> fmt::Debug for Builder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Builder").field(&self.0.name).finish()
    }
}

impl<K: KeyExtractor> Builder<K> {
    /// The limit's name in `RateLimit` and `RateLimit-Policy`; `default` unless given.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.0.name = name.into();
        self
    }

    /// What a request costs, in tokens; 1 unless given. A cost that is not a number, or negative, is refused.
    #[must_use]
    pub fn cost(mut self, cost: impl Fn(&RequestHead<'_>) -> f64 + Send + Sync + 'static) -> Self {
        self.0.cost = Some(Box::new(cost));
        self
    }

    /// The fraction of its bucket (0 to 1) that a request must leave to more important ones; 0 unless given.
    #[must_use]
    pub fn reserve(mut self, reserve: impl Fn(&RequestHead<'_>) -> f64 + Send + Sync + 'static) -> Self {
        self.0.reserve = Some(Box::new(reserve));
        self
    }

    /// Is told every decision, refusals in shadow mode included. Runs on the request's way: it must not block.
    #[must_use]
    pub fn on_decision(
        mut self,
        observer: impl Fn(&RequestHead<'_>, &Decision) + Send + Sync + 'static,
    ) -> Self {
        self.0.observer = Some(Box::new(observer));
        self
    }

    /// What happens to requests without a key.
    #[must_use]
    pub fn unkeyed(mut self, unkeyed: Unkeyed) -> Self {
        self.0.unkeyed = unkeyed;
        self
    }

    /// Decides and reports, but admits everything and adds no fields to responses.
    #[must_use]
    pub fn shadow(mut self, shadow: bool) -> Self {
        self.0.shadow = shadow;
        self
    }

    /// The clock; [`now_ns`] unless given. Whoever changes parameters of the buckets must use the same.
    #[must_use]
    pub fn clock(mut self, now_ns: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.0.clock = Box::new(now_ns);
        self
    }

    /// The layer; refused requests get a [`Problem`].
    #[must_use]
    pub fn build(self) -> LimitLayer<K> {
        self.build_with(Problem)
    }

    /// The layer; refused requests get what `respond` makes: [`Problem`], [`Grpc`](crate::Grpc), or a closure.
    #[must_use]
    pub fn build_with<R>(self, respond: R) -> LimitLayer<K, R> {
        LimitLayer { rules: Arc::new(self.0), respond }
    }
}
