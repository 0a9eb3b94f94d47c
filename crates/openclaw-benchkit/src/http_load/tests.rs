//! The load against a server that notes what it is asked.

use std::convert::Infallible;
use std::sync::mpsc;
use std::thread;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response};
use tokio::net::TcpListener;

use super::*;

/// A server in a thread of its own that answers each request after `delay` with 200, and sends what its body was.
fn server(delay: Duration) -> (SocketAddr, mpsc::Receiver<String>) {
    let (address, told) = mpsc::channel();
    let (asked, requests) = mpsc::channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            address.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let asked = asked.clone();
                let answer = service_fn(move |request: Request<Incoming>| {
                    let asked = asked.clone();
                    async move {
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        tokio::time::sleep(delay).await;
                        // The test may have seen enough.
                        let _ = asked.send(String::from_utf8(body.to_vec()).unwrap());
                        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done"))))
                    }
                });
                tokio::task::spawn_local(
                    http1::Builder::new().serve_connection(TokioIo::new(stream), answer),
                );
            }
        });
    });
    (told.recv().unwrap(), requests)
}

fn load(address: SocketAddr) -> HttpLoad {
    let request = |number: u64| {
        let body = Full::new(Bytes::from(number.to_string()));
        Request::builder().method(Method::POST).uri("/").header("host", "bench").body(body).unwrap()
    };
    HttpLoad {
        address,
        connections: 4,
        length: Duration::from_millis(195),
        request,
        expected: StatusCode::OK,
    }
}

/// The numbers that a server was sent so far, in order.
fn numbers(requests: &mpsc::Receiver<String>) -> Vec<u64> {
    let mut numbers: Vec<u64> = requests.try_iter().map(|body| body.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn every_answer_counts_once_and_no_number_comes_twice() {
    let (address, requests) = server(Duration::ZERO);
    let client = HttpClient::new();
    let first_per_s = client.closed_loop(load(address));
    let asked = numbers(&requests);
    assert!(first_per_s > 0.0);
    assert_eq!(asked, (0..asked.len() as u64).collect::<Vec<_>>());
    client.closed_loop(load(address));
    assert_eq!(numbers(&requests).first(), Some(&(asked.len() as u64)), "the count goes on");
}

#[test]
fn an_open_loop_sends_as_many_as_are_due_and_sees_the_servers_delay() {
    let delay = Duration::from_millis(10);
    let (address, requests) = server(delay);
    let latencies = HttpClient::new().open_loop(load(address), 100.0);
    assert_eq!(numbers(&requests).len(), 20, "one every 10 ms, from 0 to 190");
    assert!(latencies.p50_us >= delay.as_secs_f64() * 1e6, "{latencies:?}");
    assert!(latencies.p99_us >= latencies.p50_us);
}

#[test]
fn nothing_is_sent_before_its_time() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let timer = Timer::new();
        for wait_us in [0, 1, 300, 2500, 10] {
            let time = Instant::now() + Duration::from_micros(wait_us);
            timer.wait_until(time).await;
            assert!(Instant::now() >= time, "{wait_us} us");
        }
        timer.wait_until(Instant::now()).await;
    });
}

#[test]
fn what_waits_behind_a_late_answer_is_late_itself() {
    let delay = Duration::from_millis(40);
    let (address, _requests) = server(delay);
    let load = HttpLoad { connections: 1, ..load(address) };
    // Due every 10 ms on one connection that takes 40 ms each: the last of the 20 ends 800 ms after the first was due.
    let latencies = HttpClient::new().open_loop(load, 100.0);
    assert!(latencies.p99_us >= 600_000.0, "{latencies:?}");
}

#[test]
#[should_panic(expected = "a connection's task")]
fn an_answer_other_than_the_expected_one_ends_the_benchmark() {
    let (address, _requests) = server(Duration::ZERO);
    HttpClient::new().closed_loop(HttpLoad { expected: StatusCode::CREATED, ..load(address) });
}
