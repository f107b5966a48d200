//! Claims about the wire as a whole, seen from the client's end of real sockets.

mod fault;
mod hostile;
mod http;
mod pulling;
mod ranges;
mod registry;
mod ssh;
mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::*;
use crate::dice::noise;

/// A store in a folder that goes away with it.
struct Site {
    dir: tempfile::TempDir,
    store: Store,
}

impl Site {
    fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("store")).unwrap();
        Site { dir, store }
    }

    fn holding(objects: &[(&str, &[u8])]) -> Site {
        let site = Site::new();
        for (object, bytes) in objects {
            let path = site.store.object(object);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        site
    }

    fn open(&self) -> Wire {
        Wire::open(&self.store).unwrap()
    }
}

fn port(url: &WireUrl) -> &str {
    url.0.strip_prefix("http://").unwrap()
}

/// All bytes of all sockets.
fn all_bytes(traffic: &Traffic) -> u64 {
    traffic.payload_bytes + traffic.header_bytes + traffic.upload_bytes
}

/// A client that writes what it is told to and counts every byte of its socket.
struct Raw {
    socket: TcpStream,
    /// Received and not yet taken.
    pending: Vec<u8>,
    crossed: u64,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    heads: BTreeMap<String, String>,
    head_bytes: u64,
    body: Vec<u8>,
}

impl Answer {
    fn head(&self, name: &str) -> &str {
        self.heads.get(name).map_or("", String::as_str)
    }
}

impl Raw {
    fn connect(url: &WireUrl) -> Raw {
        let socket = TcpStream::connect(port(url)).unwrap();
        // An answer that never comes is a failed claim, not a test that hangs.
        let patience = Duration::from_secs(20);
        socket.set_read_timeout(Some(patience)).unwrap();
        Raw {
            socket,
            pending: Vec::new(),
            crossed: 0,
        }
    }

    fn send(&mut self, text: &[u8]) {
        self.socket.write_all(text).unwrap();
        self.crossed += text.len() as u64;
    }

    /// False at the end of the stream.
    fn receive(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        let read = self.socket.read(&mut piece).unwrap();
        self.pending.extend(&piece[..read]);
        self.crossed += read as u64;
        read > 0
    }

    fn take(&mut self, bytes: usize) -> Vec<u8> {
        while self.pending.len() < bytes {
            assert!(self.receive(), "the server hung up");
        }
        self.pending.drain(..bytes).collect()
    }

    /// The next answer; `body` says whether one follows its head.
    fn answer(&mut self, body: bool) -> Answer {
        let end = loop {
            let end = self.pending.windows(4).position(|four| four == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None => assert!(self.receive(), "the server hung up"),
            }
        };
        let head = String::from_utf8(self.take(end)).unwrap();
        let mut lines = head.trim_end().lines();
        let status = lines.next().unwrap()[9..12].parse().unwrap();
        let heads: BTreeMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_string()))
            .collect();
        let length = heads
            .get("content-length")
            .map_or(0, |n| n.parse().unwrap());
        Answer {
            status,
            head_bytes: end as u64,
            body: if body { self.take(length) } else { Vec::new() },
            heads,
        }
    }

    fn ask(&mut self, method: &str, path: &str, heads: &str) -> Answer {
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: wire\r\n{heads}\r\n").as_bytes());
        self.answer(method != "HEAD")
    }
}
