//! Top lists, and users whose ratings are deleted.

use openclaw_admin::access::{AccessPolicy, Role, Token};
use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Server, Setup, body, detail, rating};

const ADMIN: &str = "admin-token-00001";

/// Three items: one good and often rated, one better with a single rating, one bad.
async fn rated() -> Server {
    let access = AccessPolicy::default().with(Role::Admin, Token::new(ADMIN).unwrap());
    let server = Server::start(Setup { access, ..Setup::default() }).await;
    let users = ["ann", "bob", "cid", "dan"];
    let mut batch: Vec<Value> = users.iter().map(|user| rating(user, "loved by all", 9.0)).collect();
    batch.extend(users[..3].iter().map(|user| rating(user, "bad", 1.0)));
    batch.push(rating("ann", "loved by one", 10.0));
    assert_eq!(server.post(&json!(batch)).await.status(), 201);
    server
}

async fn get(server: &Server, path: &str) -> Value {
    let response = server.request(Method::GET, path).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    body(response).await
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["itemId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn items_are_listed_best_first_by_each_order() {
    let server = rated().await;
    let by_average = get(&server, "/items").await;
    assert_eq!(ids(&by_average), ["loved by all", "loved by one", "bad"]);
    assert_eq!(by_average["items"][0]["count"], 4);
    assert_eq!(by_average, get(&server, "/items?sort=bayesianAverage").await);
    assert_eq!(ids(&get(&server, "/items?sort=mean").await), ["loved by one", "loved by all", "bad"]);
    assert_eq!(ids(&get(&server, "/items?sort=count").await), ["loved by all", "bad", "loved by one"]);
}

#[tokio::test]
async fn top_lists_are_walked_by_cursor() {
    let server = rated().await;
    let first = get(&server, "/items?sort=count&limit=2").await;
    assert_eq!(ids(&first), ["loved by all", "bad"]);
    let cursor = first["cursor"].as_str().unwrap();
    let last = get(&server, &format!("/items?sort=count&limit=2&cursor={cursor}")).await;
    assert_eq!((ids(&last), &last["cursor"]), (vec!["loved by one"], &Value::Null));
    for (query, part) in [
        ("sort=best", "bayesianAverage"),
        ("limit=0", "must lie in 1 to 1000"),
        ("cursor=nonsense", "cursor"),
        ("order=count", "unknown field"),
        (&format!("sort=mean&cursor={cursor}"), "cursor"),
    ] {
        let refused = server.request(Method::GET, &format!("/items?{query}")).send().await.unwrap();
        assert_eq!(refused.status(), 400, "{query}");
        let detail = detail(refused).await;
        assert!(detail.contains(part), "{query}: {detail}");
    }
}

#[tokio::test]
async fn a_deleted_users_ratings_leave_every_statistic_and_later_ones_are_kept() {
    let server = rated().await;
    let delete = async || {
        let request = server.request(Method::DELETE, "/users/ann/ratings").bearer_auth(ADMIN);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        body(response).await
    };
    assert_eq!(delete().await, json!({"userId": "ann", "removed": 3}));
    assert_eq!(get(&server, "/users/ann/ratings").await["ratings"], json!([]));
    assert_eq!(get(&server, "/items/loved%20by%20all").await["count"], 3);
    assert_eq!(server.request(Method::GET, "/items/loved%20by%20one").send().await.unwrap().status(), 404);
    assert_eq!(ids(&get(&server, "/items?sort=mean").await), ["loved by all", "bad"]);
    assert_eq!(delete().await["removed"], 0);
    assert_eq!(server.post(&rating("ann", "bad", 2.0)).await.status(), 201);
    assert_eq!(get(&server, "/items/bad").await["count"], 3);
}

#[tokio::test]
async fn deleting_takes_the_admin_token_even_where_everything_else_is_open() {
    let server = rated().await;
    let delete = || server.request(Method::DELETE, "/users/ann/ratings");
    assert_eq!(delete().send().await.unwrap().status(), 401);
    assert_eq!(delete().bearer_auth("some-other-token").send().await.unwrap().status(), 401);
    assert_eq!(get(&server, "/items/bad").await["count"], 3);

    let tokenless = Server::start(Setup::default()).await;
    let refused = tokenless.request(Method::DELETE, "/users/ann/ratings").send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(detail(refused).await.contains("access.adminTokens"));

    let access = AccessPolicy::new([
        (Role::Reader, Token::new("reader-token-0001").unwrap()),
        (Role::Admin, Token::new(ADMIN).unwrap()),
    ]);
    let server = Server::start(Setup { access, ..Setup::default() }).await;
    let delete = server.request(Method::DELETE, "/users/ann/ratings").bearer_auth("reader-token-0001");
    assert_eq!(delete.send().await.unwrap().status(), 403);
}
