//! An HTTP/1.1 client of one request a connection, over plain sockets: half of what these tests send, no HTTP
//! library would send, and the other half is so simple that a second client would only be one more thing to know.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::PATIENCE;

pub(crate) const JSON: &str = "application/json";
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The value of a header field, where there is one.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {} {}", self.status, self.text()))
    }
}

/// A request that can be sent.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    /// Lines without their ends, further than `Host`, `Connection` and `Content-Length`.
    pub(crate) headers: &'a [&'a str],
    pub(crate) body: &'a [u8],
}

impl Request<'_> {
    /// The bytes as they go over the wire, with a `Content-Length` of the body's or of another's choice.
    pub(crate) fn bytes(&self, content_length: usize) -> Vec<u8> {
        let (host, path) = split(self.url);
        let mut head = format!("{} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n", self.method);
        for header in self.headers {
            let _ = write!(head, "{header}\r\n");
        }
        let _ = write!(head, "Content-Length: {content_length}\r\n\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body);
        bytes
    }

    /// Sends it and reads the answer.
    pub(crate) fn try_send(&self) -> io::Result<Reply> {
        exchange(self.url, &self.bytes(self.body.len()))
    }

    /// # Panics
    /// Where no answer comes.
    pub(crate) fn send(&self) -> Reply {
        self.try_send().unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.url))
    }
}

pub(crate) fn get(url: &str) -> Reply {
    Request { method: "GET", url, headers: &[], body: &[] }.send()
}

/// Posts as JSON.
pub(crate) fn post(url: &str, body: impl AsRef<[u8]>) -> Reply {
    try_post(url, body).unwrap_or_else(|error| panic!("POST {url}: {error}"))
}

/// Posts as JSON to a service that may be gone.
pub(crate) fn try_post(url: &str, body: impl AsRef<[u8]>) -> io::Result<Reply> {
    let content_type = format!("Content-Type: {JSON}");
    Request { method: "POST", url, headers: &[&content_type], body: body.as_ref() }.try_send()
}

/// Sends `bytes` as they are to the host of `url` and reads one whole answer, without closing first: a peer
/// that waits for more gets nothing more.
///
/// # Errors
/// The connection's; what was answered before the rest could be sent is an answer all the same.
pub(crate) fn exchange(url: &str, bytes: &[u8]) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(split(url).0)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    let sent = stream.write_all(bytes);
    let mut received = Vec::new();
    let read = read_reply(&mut stream, &mut received);
    match parse(&received) {
        Some(reply) => Ok(reply),
        None => Err(sent.and(read).err().unwrap_or_else(|| {
            io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended before a whole answer")
        })),
    }
}

/// Reads until an answer is whole or the connection ends.
fn read_reply(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<()> {
    let mut part = [0; 16 * 1024];
    while parse(received).is_none() {
        match stream.read(&mut part)? {
            0 => return Ok(()),
            read => received.extend_from_slice(&part[..read]),
        }
    }
    Ok(())
}

/// The answer, once it is whole. All answers here announce their length.
fn parse(received: &[u8]) -> Option<Reply> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut reply = Reply { status, head, body: received[end + 4..].to_vec() };
    let length: usize = reply.header("content-length").map_or(Some(0), |length| length.parse().ok())?;
    (reply.body.len() >= length).then(|| {
        reply.body.truncate(length);
        reply
    })
}

/// `http://host:port/path` as `host:port` and `/path`.
fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("{url} is no http URL"));
    rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash))
}
