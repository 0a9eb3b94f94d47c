//! `GET /ratings/stream` and `on_rating`: who follows the ratings hears of each, or how many it missed.

use std::time::Duration;

use openclaw_admin::access::{AccessPolicy, Role, Token};
use openclaw_rating::feed::FeedEvent;
use openclaw_rating::{RatingSettings, StreamSettings};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::server::{PATIENCE, Server, Setup, detail, rating};

/// One block of a stream: an event or a comment.
#[derive(Debug, PartialEq)]
struct Block {
    event: Option<String>,
    id: Option<String>,
    data: Value,
    comment: Option<String>,
}

/// A client of the stream.
struct Reader {
    response: Response,
    text: String,
}

impl Reader {
    async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{response:?}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut reader = Self { response, text: String::new() };
        let opening = reader.block().await.unwrap();
        assert!(opening.event.is_none() && opening.comment.is_some(), "{opening:?}");
        reader
    }

    /// The next block; none at the end.
    async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let lines = block.lines().find_map(|line| line.strip_prefix(name));
                    lines.map(str::to_owned)
                };
                let data = field("data: ").map_or(Value::Null, |data| serde_json::from_str(&data).unwrap());
                let read = Block { event: field("event: "), id: field("id: "), data, comment: field(": ") };
                self.text = rest.to_owned();
                return Some(read);
            }
            let chunk =
                timeout(PATIENCE, self.response.chunk()).await.expect("something in time").unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event; comments are passed over.
    async fn event(&mut self) -> Option<Block> {
        loop {
            let block = self.block().await?;
            if block.event.is_some() {
                return Some(block);
            }
        }
    }

    async fn rated_item(&mut self) -> String {
        let event = self.event().await.expect("an event before the end");
        assert_eq!(event.event.as_deref(), Some("rating"), "{event:?}");
        event.data["itemId"].as_str().unwrap().to_owned()
    }
}

fn streaming(server: &Server, query: &str) -> RequestBuilder {
    server.request(Method::GET, &format!("/ratings/stream{query}"))
}

async fn start(stream: StreamSettings) -> Server {
    let settings = RatingSettings { stream, ..RatingSettings::default() };
    Server::start(Setup { settings, ..Setup::default() }).await
}

#[tokio::test]
async fn accepted_ratings_arrive_as_events_and_refused_ones_do_not() {
    let server = start(StreamSettings::default()).await;
    let mut reader = Reader::open(streaming(&server, "")).await;
    assert_eq!(server.post(&rating("ann", "too much", 11.0)).await.status(), 400);
    assert_eq!(server.post(&rating("ann", "film", 8.5)).await.status(), 201);
    let event = reader.event().await.unwrap();
    assert_eq!(event.event.as_deref(), Some("rating"));
    assert_eq!(event.data, json!({"userId": "ann", "itemId": "film", "score": 8.5, "timestamp": 1000}));
    let batch = json!([rating("ann", "a", 1.0), rating("bob", "no", -1.0), rating("bob", "b", 2.0)]);
    assert_eq!(server.post(&batch).await.status(), 207);
    assert_eq!((reader.rated_item().await, reader.rated_item().await), ("a".to_owned(), "b".to_owned()));
}

#[tokio::test]
async fn a_deleted_users_ratings_leave_the_stream_and_the_answers_that_are_given_again() {
    const ADMIN: &str = "admin-token-00001";
    let access = AccessPolicy::default().with(Role::Admin, Token::new(ADMIN).unwrap());
    let server = Server::start(Setup { access, ..Setup::default() }).await;
    let mut reader = Reader::open(streaming(&server, "")).await;
    let keyed = async |user: &str| {
        let request = server.posting(&rating(user, "film", 5.0)).header("idempotency-key", user);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 201);
        response.headers().contains_key("idempotent-replayed")
    };
    assert!(!keyed("cid").await);
    let first = reader.event().await.unwrap().id.unwrap();
    assert!(!keyed("ann").await && !keyed("bob").await);
    let deleted =
        server.request(Method::DELETE, "/users/ann/ratings").bearer_auth(ADMIN).send().await.unwrap();
    assert_eq!(deleted.status(), 200);
    let mut back = Reader::open(streaming(&server, "").header("last-event-id", &first)).await;
    let event = back.event().await.unwrap();
    assert_eq!(
        (event.event.as_deref(), &event.data["userId"]),
        (Some("rating"), &json!("bob")),
        "and no gap"
    );
    assert!(keyed("bob").await, "others' answers are given again");
    assert!(!keyed("ann").await, "what was deleted is not");
}

#[tokio::test]
async fn filters_pick_by_user_and_by_item() {
    let server = start(StreamSettings::default()).await;
    let mut ann = Reader::open(streaming(&server, "?userId=ann")).await;
    let mut film = Reader::open(streaming(&server, "?itemId=film")).await;
    let mut both = Reader::open(streaming(&server, "?userId=ann&itemId=film")).await;
    for (user, item) in [("bob", "play"), ("ann", "play"), ("bob", "film"), ("ann", "film")] {
        assert_eq!(server.post(&rating(user, item, 5.0)).await.status(), 201);
    }
    assert_eq!((ann.rated_item().await, ann.rated_item().await), ("play".to_owned(), "film".to_owned()));
    assert_eq!(film.event().await.unwrap().data["userId"], "bob");
    assert_eq!(
        both.event().await.unwrap().data,
        json!({"userId": "ann", "itemId": "film", "score": 5.0, "timestamp": 1000})
    );
}

#[tokio::test]
async fn a_client_that_returns_with_its_last_id_misses_nothing() {
    let server = start(StreamSettings::default()).await;
    let mut reader = Reader::open(streaming(&server, "")).await;
    server.post(&rating("ann", "first", 5.0)).await;
    let id = reader.event().await.unwrap().id.unwrap();
    drop(reader);
    server.post(&json!([rating("ann", "second", 5.0), rating("ann", "third", 5.0)])).await;
    let mut reader = Reader::open(streaming(&server, "").header("last-event-id", &id)).await;
    assert_eq!(
        (reader.rated_item().await, reader.rated_item().await),
        ("second".to_owned(), "third".to_owned())
    );
}

#[tokio::test]
async fn who_was_away_for_too_long_is_told_how_many_ratings_it_missed() {
    let server = start(StreamSettings { events_max: 3, ..StreamSettings::default() }).await;
    let mut reader = Reader::open(streaming(&server, "")).await;
    server.post(&rating("ann", "first", 5.0)).await;
    let id = reader.event().await.unwrap().id.unwrap();
    drop(reader);
    let batch: Vec<_> = (0..10).map(|n| rating("ann", &format!("item-{n}"), 5.0)).collect();
    server.post(&json!(batch)).await;
    let mut reader = Reader::open(streaming(&server, "").header("last-event-id", &id)).await;
    let gap = reader.event().await.unwrap();
    assert_eq!(
        (gap.event.as_deref(), &gap.data),
        (Some("gap"), &json!({"reason": "fell-behind", "missed": 7}))
    );
    assert_eq!(reader.rated_item().await, "item-7");
}

#[tokio::test]
async fn an_id_of_another_start_is_a_gap_and_what_is_no_id_is_refused() {
    let server = start(StreamSettings::default()).await;
    server.post(&rating("ann", "film", 5.0)).await;
    let with = |id: &'static str| streaming(&server, "").header("last-event-id", id);
    let mut reader = Reader::open(with("0000000000000000-7")).await;
    let gap = reader.event().await.unwrap();
    assert_eq!(
        (gap.event.as_deref(), &gap.data),
        (Some("gap"), &json!({"reason": "new-epoch", "missed": 0}))
    );
    assert_eq!(reader.rated_item().await, "film");

    let refused = with("seven").send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(detail(refused).await.contains("Last-Event-ID is no id of this stream"));
    let ahead = gap.id.unwrap().replace("-0", "-2");
    let refused = streaming(&server, "").header("last-event-id", ahead).send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(detail(refused).await.contains("has not reached"));
}

#[tokio::test]
async fn silence_is_broken_by_comments_that_move_the_id_on() {
    let server =
        start(StreamSettings { heartbeat: Duration::from_millis(100), ..StreamSettings::default() }).await;
    let mut reader = Reader::open(streaming(&server, "?userId=nobody")).await;
    let early = reader.block().await.unwrap();
    assert_eq!((early.event, early.comment.as_deref()), (None, Some("heartbeat")));
    assert!(early.id.unwrap().ends_with("-0"));
    server.post(&rating("ann", "film", 5.0)).await;
    let moved =
        timeout(PATIENCE, async { while !reader.block().await.unwrap().id.unwrap().ends_with("-1") {} });
    moved.await.expect("the place moves on with ratings that the filter leaves out");
}

#[tokio::test]
async fn no_more_clients_than_configured_and_a_place_is_free_once_one_leaves() {
    let server = start(StreamSettings { subscribers_max: 1, ..StreamSettings::default() }).await;
    let reader = Reader::open(streaming(&server, "")).await;
    let refused = streaming(&server, "").send().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    assert!(detail(refused).await.contains("1 streams are open"));
    drop(reader);
    let freed =
        timeout(PATIENCE, async { while streaming(&server, "").send().await.unwrap().status() != 200 {} });
    freed.await.expect("the place is free again");
}

/// A client that never reads, over a socket whose buffers are full: nobody waits for it, and its place is taken away.
#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody_and_loses_its_place() {
    let heartbeat = Duration::from_millis(100);
    let stream = StreamSettings { subscribers_max: 1, heartbeat, ..StreamSettings::default() };
    let server = start(stream).await;
    let mut stuck = TcpStream::connect(server.address).await.unwrap();
    stuck.write_all(b"GET /ratings/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    stuck.readable().await.unwrap();
    // Long ids fill the buffers of both sockets soon.
    let batch: Vec<_> = (0..500).map(|n| rating(&"u".repeat(250), &format!("{n:0>250}"), 5.0)).collect();
    let batch = json!(batch);
    let freed = timeout(PATIENCE, async {
        loop {
            assert_eq!(server.post(&batch).await.status(), 201, "posts go on");
            if streaming(&server, "").send().await.unwrap().status() == 200 {
                return;
            }
        }
    });
    freed.await.expect("its place is given to another");
}

#[tokio::test]
async fn streams_end_when_the_service_stops() {
    let server = start(StreamSettings::default()).await;
    let mut reader = Reader::open(streaming(&server, "")).await;
    server.service.end_streams();
    assert_eq!(reader.event().await, None);
    let refused = streaming(&server, "").send().await.unwrap();
    assert_eq!(refused.status(), 503);
    server.shutdown.stop();
    timeout(PATIENCE, server.task).await.expect("the listener stops at once").unwrap();
}

#[tokio::test]
async fn following_takes_a_readers_token_where_there_are_any() {
    let access = AccessPolicy::default().with(Role::Reader, Token::new("reader-token-1234").unwrap());
    let server = Server::start(Setup { access, ..Setup::default() }).await;
    assert_eq!(streaming(&server, "").send().await.unwrap().status(), 401);
    Reader::open(streaming(&server, "").bearer_auth("reader-token-1234")).await;
}

#[tokio::test]
async fn on_rating_is_called_for_every_accepted_rating_until_the_service_has_stopped() {
    let server = start(StreamSettings::default()).await;
    let (sender, mut heard) = mpsc::unbounded_channel();
    let hook = server.service.on_rating(move |event| {
        if let FeedEvent::Rating { rating, .. } = event {
            let _ = sender.send(rating.item_id.to_string());
        }
    });
    server.post(&rating("ann", "film", 8.0)).await;
    assert_eq!(timeout(PATIENCE, heard.recv()).await.unwrap().as_deref(), Some("film"));
    server.post(&json!([rating("ann", "a", 8.0), rating("ann", "b", 8.0)])).await;
    server.service.end_feed();
    timeout(PATIENCE, hook.finished()).await.expect("the feed's end ends the hook");
    assert_eq!((heard.recv().await.as_deref(), heard.recv().await.as_deref()), (Some("a"), Some("b")));
}
