//! The service behind, with one answer for each test, on plain threads: nothing of what is tested is in it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A running service; it ends with the test program.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
}

impl Service {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                // A proxy that goes away ends its connections amid whatever they are at.
                std::thread::spawn(move || converse(stream));
            }
        });
        Self { address }
    }
}

fn converse(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    loop {
        let Some((path, length)) = head(&mut input)? else { return Ok(()) };
        match path.as_str() {
            "/count" => {
                let read = std::io::copy(&mut (&mut input).take(length), &mut std::io::sink())?;
                reply(&mut out, &read.to_string())?;
            }
            "/slowly" => {
                let mut piece = vec![0; 1 << 20];
                let (mut left, mut read) = (length, 0);
                while left > 0 {
                    std::thread::sleep(Duration::from_millis(5));
                    let now = (left as usize).min(piece.len());
                    input.read_exact(&mut piece[..now])?;
                    left -= now as u64;
                    read += now as u64;
                }
                reply(&mut out, &read.to_string())?;
            }
            "/die" => {
                out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")?;
                return Ok(());
            }
            path if path.starts_with("/bytes/") => {
                let bytes: u64 = path["/bytes/".len()..].parse().map_err(std::io::Error::other)?;
                write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n")?;
                std::io::copy(&mut std::io::repeat(7).take(bytes), &mut out)?;
            }
            _ => reply(&mut out, "fine")?,
        }
    }
}

/// The path of the next request and the length of its body; `None` where none comes any more.
fn head(input: &mut impl BufRead) -> std::io::Result<Option<(String, u64)>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
    let mut length = 0;
    loop {
        line.clear();
        input.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            None => return Ok(Some((path, length))),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().map_err(std::io::Error::other)?;
            }
            Some(_) => {}
        }
    }
}

fn reply(out: &mut impl Write, body: &str) -> std::io::Result<()> {
    write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
