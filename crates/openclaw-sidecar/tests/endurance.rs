//! What wears proxies out: bodies larger than memory, readers slower than writers, thousands of connections that say
//! nothing, clients that dribble, services that die. The sidecar runs as a process of its own, so that what is
//! measured is its memory and nobody else's.
//!
//! `cargo xtask prove sidecar` runs the full counts; the tests here run reduced ones.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise, their fixtures too")]

#[path = "endurance/child.rs"]
mod child;
#[path = "endurance/service.rs"]
mod service;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use child::Child;
use service::Service;

const MIB: u64 = 1 << 20;
/// What the process may grow by while a body of any size passes: buffers of both connections, and the allocator's
/// habits.
const GROWTH_BYTES_MAX: u64 = 48 * MIB;
/// What one idle connection may cost.
const IDLE_BYTES_MAX: u64 = 32 * 1024;

/// A count, by its variable or the default that keeps the test short.
fn count(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    // Patience for a busy machine, so that a fault ends the test at all.
    stream.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
    stream
}

/// Reads one answer of known length and returns its body.
fn answer(stream: &mut TcpStream) -> (u16, Vec<u8>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(
            stream.read(&mut byte).unwrap(),
            1,
            "the connection ended: {}",
            String::from_utf8_lossy(&head)
        );
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    (status, body)
}

fn ask(stream: &mut TcpStream, path: &str) -> u16 {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").as_bytes()).unwrap();
    answer(stream).0
}

fn upload(address: SocketAddr, path: &str, bytes: u64) -> String {
    let mut stream = connect(address);
    let head = format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let piece = vec![7; MIB as usize];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(MIB);
        stream.write_all(&piece[..now as usize]).unwrap();
        left -= now;
    }
    let (status, body) = answer(&mut stream);
    assert_eq!(status, 200);
    String::from_utf8(body).unwrap()
}

#[test]
fn an_upload_of_any_size_passes_in_bounded_memory() {
    let mib = count("OPENCLAW_PROVE_UPLOAD_MIB", 64);
    let sidecar = Child::before(Service::start());
    upload(sidecar.address, "/count", MIB);
    let before = sidecar.peak_bytes();
    let began = Instant::now();
    assert_eq!(upload(sidecar.address, "/count", mib * MIB), (mib * MIB).to_string());
    let grown = sidecar.peak_bytes() - before;
    println!("{mib} MiB up in {:.1} s, memory grew by {} KiB", began.elapsed().as_secs_f64(), grown / 1024);
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes for {mib} MiB");
}

#[test]
fn a_service_that_reads_slowly_holds_its_client_back_rather_than_fills_memory() {
    let mib = count("OPENCLAW_PROVE_SLOW_MIB", 64);
    let sidecar = Child::before(Service::start());
    upload(sidecar.address, "/count", MIB);
    let before = sidecar.peak_bytes();
    assert_eq!(upload(sidecar.address, "/slowly", mib * MIB), (mib * MIB).to_string());
    let grown = sidecar.peak_bytes() - before;
    println!("{mib} MiB to a slow reader, memory grew by {} KiB", grown / 1024);
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes for {mib} MiB");
}

#[test]
fn a_download_of_any_size_passes_to_a_slow_client_in_bounded_memory() {
    let mib = count("OPENCLAW_PROVE_UPLOAD_MIB", 64);
    let sidecar = Child::before(Service::start());
    let mut stream = connect(sidecar.address);
    assert_eq!(ask(&mut stream, "/fine"), 200);
    let before = sidecar.peak_bytes();
    stream
        .write_all(
            format!("GET /bytes/{} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n", mib * MIB)
                .as_bytes(),
        )
        .unwrap();
    let mut piece = vec![0; MIB as usize];
    // The service writes ahead of its reader for a while.
    std::thread::sleep(Duration::from_millis(500));
    let mut read = 0;
    loop {
        match stream.read(&mut piece).unwrap() {
            0 => break,
            bytes => read += bytes as u64,
        }
    }
    assert!((mib * MIB..mib * MIB + 1000).contains(&read), "{read} bytes with the head");
    let grown = sidecar.peak_bytes() - before;
    println!("{mib} MiB down, memory grew by {} KiB", grown / 1024);
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes for {mib} MiB");
}

#[test]
fn idle_connections_cost_little_and_hinder_nobody() {
    let connections = count("OPENCLAW_PROVE_IDLE", 500);
    let sidecar = Child::before(Service::start());
    let mut first = connect(sidecar.address);
    assert_eq!(ask(&mut first, "/fine"), 200);
    let before = sidecar.resident_bytes();
    let mut idle: Vec<TcpStream> = Vec::new();
    for _ in 0..connections {
        let mut stream = connect(sidecar.address);
        assert_eq!(ask(&mut stream, "/fine"), 200);
        idle.push(stream);
    }
    let each = sidecar.resident_bytes().saturating_sub(before) / connections;
    println!("{connections} idle connections, {each} bytes each");
    assert!(each < IDLE_BYTES_MAX, "{each} bytes for each of {connections} idle connections");
    assert_eq!(ask(&mut connect(sidecar.address), "/fine"), 200, "there is room for another one");
    for stream in idle.iter_mut().step_by(97) {
        assert_eq!(ask(stream, "/fine"), 200, "and for those that wake up");
    }
}

#[test]
fn clients_that_dribble_their_bodies_hinder_nobody() {
    let clients = count("OPENCLAW_PROVE_DRIBBLERS", 50);
    let sidecar = Child::before(Service::start());
    let mut dribbling: Vec<TcpStream> = (0..clients)
        .map(|client| {
            let mut stream = connect(sidecar.address);
            let head = format!(
                "POST /count HTTP/1.1\r\nhost: test\r\nx-user-id: slow-{}\r\ncontent-length: 100\r\n\r\n",
                client % 10
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let mut brisk = connect(sidecar.address);
    for turn in 0..100 {
        for stream in &mut dribbling {
            stream.write_all(b"x").unwrap();
        }
        brisk
            .write_all(
                format!("GET /fine HTTP/1.1\r\nhost: test\r\nx-user-id: brisk-{turn}\r\n\r\n").as_bytes(),
            )
            .unwrap();
        assert_eq!(answer(&mut brisk).0, 200);
    }
    for stream in &mut dribbling {
        assert_eq!(answer(stream), (200, b"100".to_vec()));
    }
}

#[test]
fn a_service_that_dies_amid_its_answers_costs_nobody_else_anything() {
    let deaths = count("OPENCLAW_PROVE_DEATHS", 100);
    let sidecar = Child::before(Service::start());
    for _ in 0..deaths {
        let mut stream = connect(sidecar.address);
        stream.write_all(b"GET /die HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
        let mut all = Vec::new();
        // Cut off, before or after its first bytes were sent, and seen to be: a head would have promised more.
        let _ = stream.read_to_end(&mut all);
        let all = String::from_utf8_lossy(&all);
        assert!(
            all.is_empty() || all.contains("content-length: 8") && !all.ends_with("\r\n\r\nhalfhalf"),
            "{all:?}"
        );
    }
    assert_eq!(ask(&mut connect(sidecar.address), "/fine"), 200);
    let open = sidecar.open_files();
    assert!(open < 100, "{open} files are open after {deaths} deaths");
}
