//! Settings that change while connections are open.

use http::Response;
use openclaw_protocol::BucketPolicy;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::stage::{Stage, fine, full, read_until, service, status};

async fn ask(client: &mut TcpStream, path: &str) -> String {
    client.write_all(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").as_bytes()).await.unwrap();
    read_until(client, |text| text.contains("\r\n\r\n") && (text.ends_with('}') || text.ends_with("fine")))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_settings_hold_on_connections_that_are_open() {
    let stage = Stage::with(fine().await, |setup| {
        setup.collector.defaults = BucketPolicy { bucket_size: 1.0, refill_rate: 0.01 };
        setup.collector.bounds.bucket_size_max = 1.0;
        setup.collector.bounds.refill_rate_min = 0.0;
        setup.collector.bounds.refill_rate_max = 0.01;
    })
    .await;
    let mut client = TcpStream::connect(stage.address).await.unwrap();
    assert_eq!(status(&ask(&mut client, "/").await), 200);
    assert_eq!(status(&ask(&mut client, "/").await), 429);
    let mut settings = stage.settings.clone();
    settings.routes = vec!["* / pass".parse().unwrap()];
    stage.sidecar.reload(settings.clone()).unwrap();
    assert_eq!(status(&ask(&mut client, "/").await), 200);
    settings.routes = stage.settings.routes.clone();
    settings.shadow = true;
    stage.sidecar.reload(settings).unwrap();
    assert!(ask(&mut client, "/").await.contains("openclaw-shadow: would-throttle"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_end_with_the_service_they_began_with() {
    let (go, went) = tokio::sync::watch::channel(false);
    let slow = service(move |_| {
        let mut went = went.clone();
        async move {
            let _ = went.wait_for(|go| *go).await;
            Response::new(full("the first is fine"))
        }
    })
    .await;
    let stage = Stage::before(slow).await;
    let mut client = TcpStream::connect(stage.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    crate::stage::eventually("it is with the service", || stage.sidecar.status().in_progress == 1).await;
    let mut settings = stage.settings.clone();
    settings.upstream = format!("http://{}", fine().await).parse().unwrap();
    stage.sidecar.reload(settings).unwrap();
    assert_eq!(status(&stage.get("/", "").await), 200, "the new one answers meanwhile");
    go.send_replace(true);
    read_until(&mut client, |text| text.ends_with("the first is fine")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_cannot_be_used_change_nothing() {
    let stage = Stage::before(fine().await).await;
    let mut settings = stage.settings.clone();
    settings.upstream = "ftp://127.0.0.1:1".parse().unwrap();
    settings.shadow = true;
    let reason = stage.sidecar.reload(settings).unwrap_err().to_string();
    assert!(reason.contains("http://"), "{reason}");
    assert_eq!(status(&stage.get("/", "").await), 200);
    assert!(!stage.sidecar.status().shadow);
}
