//! Keys of the rating service and of what stands behind it: log, context, store.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use openclaw_admin::listen::ServeLimits;
use openclaw_admin::logging::LogFormat;

use super::{GIB, KIB, MIB, MILLION, ms, s, section};
use crate::config::kind::Kind;
use crate::config::value::{DatabaseUrl, Typed, Value};

section! {
    /// The log, on standard error.
    LogKeys {
        /// error, warn, info, debug or trace, or directives such as info,openclaw_edge=debug; info tells what an
        /// operator has to know and nothing per request.
        level: String = "log.level", Kind::Text, "info";
        /// text for people, json (one object a line) for collectors of logs.
        format: LogFormat = "log.format", Kind::Word(&["text", "json"]), "text";
    }
}

impl Typed for LogFormat {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Word("text") => Some(Self::Text),
            Value::Word("json") => Some(Self::Json),
            _ => None,
        }
    }
}

section! {
    /// The rating service.
    RatingKeys {
        /// Address and port that clients post ratings to; loopback, so that nothing is exposed by accident.
        listen: SocketAddr = "rating.listen", Kind::Socket, "127.0.0.1:8080";
        /// Lowest score that is accepted; the scale of the shipped ratings begins at 0.
        score_min: f64 = "rating.scoreMin", Kind::Float(-1e6, 1e6), "0.0";
        /// Highest score that is accepted; the scale of the shipped ratings ends at 10.
        score_max: f64 = "rating.scoreMax", Kind::Float(-1e6, 1e6), "10.0";
        /// Longest request body, in bytes; holds some ten thousand ratings, and bounds what one request can
        /// occupy in memory.
        body_bytes_max: usize = "rating.bodyMax", Kind::Bytes(KIB, GIB), "1MiB";
        /// Ratings in one request at most; each of them takes a token, so larger batches gain nothing.
        batch_ratings_max: usize = "rating.batchMax", Kind::Integer(1, MILLION), "10000";
        /// Time for a body to arrive, a duration; ten seconds are long for 1 MiB even on a poor mobile network.
        body_timeout: Duration = "rating.bodyTimeout", Kind::Duration(ms(1), s(3600)), "10s";
        /// Time for the header fields of a request, and so for idling between two requests, a duration; the same
        /// thirty seconds as of most proxies.
        header_timeout: Duration = "rating.headerTimeout", Kind::Duration(ms(1), s(3600)), "30s";
        /// Connections open at once, further ones wait; ten thousand need a limit of open files above that.
        connections_max: usize = "rating.connectionsMax", Kind::Integer(1, MILLION), "10000";
        /// Threads that serve requests, 0 for one per processor core; one per core is what an asynchronous
        /// runtime wants.
        workers: usize = "rating.workers", Kind::Integer(0, 1024), "0";
        /// URL that is awaited before a rating is acknowledged, off for none; the limits then learn what that
        /// dependency can bear.
        backend_url: Option<http::Uri> = "rating.backendUrl", Kind::Url, "off";
        /// Time for the backend to answer, a duration; five times the default objective, as most clients leave
        /// by then.
        backend_timeout: Duration = "rating.backendTimeout", Kind::Duration(ms(1), s(600)), "1s";
        /// How far in the future a rating's timestamp may lie, a duration; allows for clocks that are off and
        /// for nothing else.
        future_tolerance: Duration = "rating.futureTolerance", Kind::Duration(s(0), s(86_400)), "5min";
        /// Region of this instance, one of context.regions, off for none; fills the context of ratings that
        /// name no region.
        region: Option<String> = "rating.region", Kind::Text, "off";
        /// Accepted ratings held for clients of GET /ratings/stream that return or are slow; some seconds of a busy
        /// service's.
        stream_events_max: usize = "rating.streamEventsMax", Kind::Integer(1, 10 * MILLION), "10000";
        /// Memory for them, in bytes; the oldest give way to whichever bound is reached first.
        stream_bytes_max: usize = "rating.streamBytesMax", Kind::Bytes(64 * KIB, GIB), "4MiB";
        /// Clients of GET /ratings/stream at once, further ones are refused; each is sent every rating it asked for.
        stream_subscribers_max: usize = "rating.streamSubscribersMax", Kind::Integer(0, 100_000), "64";
        /// Silence after which such a client is sent a comment, a duration; proxies close what is silent for 30 or 60 s.
        /// Who reads nothing for four times as long loses its place.
        stream_heartbeat: Duration = "rating.streamHeartbeat", Kind::Duration(ms(100), s(3600)), "15s";
        /// Requests with an Idempotency-Key that are remembered; the oldest give way.
        idempotency_keys_max: usize = "rating.idempotencyKeysMax", Kind::Integer(1, 100 * MILLION), "100000";
        /// Memory for their answers, in bytes; holds that many answers to single ratings. A larger answer is not
        /// remembered.
        idempotency_bytes_max: usize = "rating.idempotencyBytesMax", Kind::Bytes(64 * KIB, 64 * GIB), "32MiB";
        /// How long an answer is remembered, a duration; in an hour a phone has found its network again.
        idempotency_ttl: Duration = "rating.idempotencyTtl", Kind::Duration(s(1), s(30 * 86_400)), "1h";
    }
}

section! {
    /// What clients may say of their circumstances; any other value is refused.
    ContextKeys {
        /// Words for the device; enumerated, so that clients cannot invent classes of their own.
        device_types: Vec<String> = "context.deviceTypes", Kind::Texts, "desktop,mobile,tablet,tv,bot,other";
        /// Words for the network between the client and the service.
        network_qualities: Vec<String> = "context.networkQualities", Kind::Texts, "good,fair,poor,offline";
        /// Words for regions; none, so that a region is never taken from a client until you name yours.
        regions: Vec<String> = "context.regions", Kind::Texts, "";
    }
}

section! {
    /// The store of ratings: a folder on this machine, or a database that several services may share.
    StoreKeys {
        /// URL of a database that speaks PostgreSQL's wire protocol and keeps the ratings instead of a folder, off
        /// for the folder; its tables are made where they are missing. It may hold a password: give it by the
        /// variable or in a file that only the service reads.
        url: Option<DatabaseUrl> = "store.url", Kind::Database, "off";
        /// Connections to the database that read at a time; one more writes. A database serves some hundred in all.
        connections_max: usize = "store.connectionsMax", Kind::Integer(1, 1_000), "8";
        /// Folder that holds the ratings, made where it is missing; below the working folder, so that trying it
        /// out leaves nothing elsewhere.
        folder: PathBuf = "store.folder", Kind::Path, "./openclaw-data";
        /// Ratings that may wait to be written before further ones are refused; longer than a second of a disk's
        /// work only turns overload into timeouts.
        queue_ratings_max: usize = "store.queueMax", Kind::Integer(1, 10 * MILLION), "65536";
        /// Ratings in one commit at most; bounds its memory and how long whoever arrives during one waits.
        commit_ratings_max: usize = "store.commitMax", Kind::Integer(1, MILLION), "16384";
        /// Time between two attempts to write after a failure such as a full disk or a database that is away, a
        /// duration.
        retry_interval: Duration = "store.retryInterval", Kind::Duration(ms(10), s(3600)), "1s";
        /// Memory for blocks read from the folder's files, in bytes.
        cache_bytes: u64 = "store.cacheMax", Kind::Bytes(MIB, 1024 * GIB), "64MiB";
        /// Ratings of average score that the Bayesian average of an item adds to its own; an item with one rating
        /// is then not the best of all.
        prior_ratings: u64 = "store.priorRatings", Kind::Integer(0, MILLION), "10";
    }
}

impl RatingKeys {
    /// The limits of the rating service's listener.
    pub(crate) fn serve_limits(&self, stop_timeout: Duration) -> ServeLimits {
        ServeLimits {
            connections_max: self.connections_max,
            header_timeout: self.header_timeout,
            stop_timeout,
            ..ServeLimits::default()
        }
    }
}
