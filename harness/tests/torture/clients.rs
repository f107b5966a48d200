//! Hostile clients of the wire: bad requests, many at once, wrong ranges, huge heads, slow and half-closed sockets. The
//! wire ends in time, gives what it should, and its counts are the client's own.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use delta_lab::dice::Dice;
use delta_lab::store::Store;
use delta_lab::wire::{Traffic, Wire};

use super::Campaign;
use super::archives::in_time;

const OBJECTS: &[(&str, usize)] = &[("a", 10), ("b", 5000), ("sub/c", 200_000), ("empty", 0)];

const PATHS: &[&str] = &[
    "/a",
    "/b",
    "/sub/c",
    "/empty",
    "/sub%2Fc",
    "/absent",
    "/sub",
    "/",
    "//a",
    "/../a",
    "/%2e%2e/secret",
    "/a?x=1",
    "/%zz",
    "http://elsewhere/a",
    "/a/b",
    "/%00",
    "/\u{e9}",
];

const RANGES: &[&str] = &[
    "bytes=0-",
    "bytes=0-0",
    "bytes=5-3",
    "bytes=-1",
    "bytes=-0",
    "bytes=-99999999999999999999",
    "bytes=0-1,3-4",
    "bytes=1-,0-0,-1",
    "bytes=99999999-",
    "bytes=,",
    "lines=1-2",
    "bytes=0-0,99999999-",
    "bytes= 1-2",
    "bytes=a-b",
    "bytes",
];

const CONDITIONS: &[&str] = &[
    "If-None-Match: *",
    "If-Match: \"no\"",
    "If-Match: *",
    "If-Range: \"no\"",
    "If-Modified-Since: yesterday",
    "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
    "If-None-Match: \"a\", W/\"b\"",
    "If-Range: Sun, 06 Nov 1994 08:49:37 GMT",
];

/// What is no request, or none that may be answered.
const NONSENSE: &[&str] = &[
    "HELLO\r\n\r\n",
    "GET /a HTTP/9.9\r\n\r\n",
    "GET /a b HTTP/1.1\r\n\r\n",
    "\u{0}\u{1}\u{2}\r\n\r\n",
    "GET /a HTTP/1.1\r\n",
    "GET /a HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    "GET",
    "GET /a HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "\r\n\r\n\r\n",
];

/// A sound request and what is known of its answer.
struct Ask {
    text: Vec<u8>,
    has_body: bool,
    upload: u64,
}

fn ask(dice: &mut Dice) -> Ask {
    let method = *dice.pick(&[
        "GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS",
    ]);
    let mut text = format!("{method} {} HTTP/1.1\r\nHost: wire\r\n", dice.pick(PATHS));
    // An answer to GET may be cut into ranges.
    for _ in 0..dice.index(3) {
        text.push_str(&match dice.index(4) {
            0 => format!("Range: {}\r\n", dice.pick(RANGES)),
            1 => {
                let (first, last) = (dice.below(6000), dice.below(6000));
                format!("Range: bytes={first}-{last}\r\n")
            }
            2 => format!("{}\r\n", dice.pick(CONDITIONS)),
            _ => format!("X-{}: {}\r\n", dice.below(9), "x".repeat(dice.index(3000))),
        });
    }
    let mut upload = 0;
    if matches!(method, "POST" | "PUT") && dice.chance(60) {
        upload = dice.below(100_000);
        text.push_str(&format!("Content-Length: {upload}\r\n"));
    }
    text.push_str("\r\n");
    let mut text = text.into_bytes();
    text.extend(dice.bytes(upload as usize));
    Ask {
        text,
        has_body: method != "HEAD",
        upload,
    }
}

/// What a client did and saw.
#[derive(Default)]
struct Account {
    sent: u64,
    received: u64,
    upload: u64,
    asked: u64,
    answered: u64,
    /// Bodies, and the heads of answers without one or with a short part; of a multipart body its framing and its head too, so
    /// more than is payload.
    payload: u64,
    multipart: bool,
    /// Whether every byte must have been taken by the other side.
    sound: bool,
}

fn connect(wire: &Wire) -> TcpStream {
    let socket = TcpStream::connect(wire.url().0.strip_prefix("http://").unwrap()).unwrap();
    // An answer that never comes is a failed claim, not a test that hangs.
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    socket
        .set_write_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    socket
}

/// Sends in pieces of any size; a server that hung up ends it.
fn send(socket: &mut TcpStream, mut bytes: &[u8], dice: &mut Dice) -> u64 {
    let mut sent = 0;
    let small = dice.chance(20);
    let mut pieces = 0;
    while !bytes.is_empty() {
        // Few pieces of a byte, then the rest: a slow client, not a slow test.
        let most = if small && pieces < 40 { 3 } else { bytes.len() };
        let (now, later) = bytes.split_at(1 + dice.index(most.min(bytes.len())));
        if socket.write_all(now).is_err() {
            break;
        }
        sent += now.len() as u64;
        bytes = later;
        pieces += 1;
    }
    sent
}

/// A client whose requests are sound and come all at once; it reads to the end.
fn pipelining(wire: &Wire, dice: &mut Dice) -> Account {
    let asks: Vec<Ask> = (0..1 + dice.index(8)).map(|_| ask(dice)).collect();
    let mut socket = connect(wire);
    let mut reader = socket.try_clone().unwrap();
    let heads: Vec<bool> = asks.iter().map(|it| it.has_body).collect();
    let reading = std::thread::spawn(move || {
        let mut got = Vec::new();
        reader.read_to_end(&mut got).map(|_| got)
    });
    let text: Vec<u8> = asks.iter().flat_map(|it| it.text.clone()).collect();
    let sent = send(&mut socket, &text, dice);
    assert_eq!(sent, text.len() as u64, "a sound request was not taken");
    socket.shutdown(Shutdown::Write).unwrap();
    let got = reading
        .join()
        .unwrap()
        .expect("the server hung up on a sound client");
    let mut account = Account {
        sent,
        received: got.len() as u64,
        upload: asks.iter().map(|it| it.upload).sum(),
        asked: asks.len() as u64,
        sound: true,
        ..Account::default()
    };
    account.read(&got, &heads);
    account
}

impl Account {
    /// Takes the answers apart, one for each request.
    fn read(&mut self, mut got: &[u8], has_body: &[bool]) {
        for has_body in has_body {
            let Some(end) = got.windows(4).position(|it| it == b"\r\n\r\n") else {
                panic!("{} of {} answers", self.answered, self.asked);
            };
            let head = String::from_utf8(got[..end + 4].to_vec()).unwrap();
            let head = head.to_ascii_lowercase();
            self.answered += 1;
            let length = head
                .lines()
                .find_map(|it| it.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |it| it.parse().unwrap());
            let body = if *has_body { length } else { 0 };
            let multipart = head.contains("multipart/byteranges");
            self.multipart |= multipart;
            // A part that is shorter than the length in its head.
            let is_short = head.starts_with("http/1.1 206") && body < 8;
            if body == 0 || is_short || multipart {
                self.payload += end as u64 + 4;
            }
            self.payload += body as u64;
            assert!(
                !got[end + 4..][..body].windows(6).any(|it| it == b"secret"),
                "{head}"
            );
            got = &got[end + 4 + body..];
        }
        assert!(got.is_empty(), "{} bytes that nobody asked for", got.len());
    }
}

/// A client that says what is no request, or breaks off.
fn rude(wire: &Wire, dice: &mut Dice) -> Account {
    let mut socket = connect(wire);
    let mut text = Vec::new();
    for _ in 0..dice.index(3) {
        text.extend(ask(dice).text);
    }
    match dice.index(4) {
        0 => text.extend(dice.pick(NONSENSE).as_bytes()),
        1 => text.extend(dice.bytes(300)),
        2 => text.extend(format!("GET /a HTTP/1.1\r\nX: {}\r\n", "x".repeat(800_000)).into_bytes()),
        _ => {
            let whole = ask(dice).text;
            text.extend(&whole[..dice.index(whole.len())]);
        }
    }
    let sent = send(&mut socket, &text, dice);
    let mut got = Vec::new();
    match dice.index(3) {
        // Goes without a word.
        0 => {}
        1 => {
            let mut some = vec![0; 1 + dice.index(5000)];
            socket.shutdown(Shutdown::Write).ok();
            let read = socket.read(&mut some).unwrap_or(0);
            got.extend(&some[..read]);
        }
        _ => {
            socket.shutdown(Shutdown::Write).ok();
            // A reset may take what was on its way.
            socket.read_to_end(&mut got).ok();
        }
    }
    Account {
        sent,
        received: got.len() as u64,
        ..Account::default()
    }
}

/// One that connects, and at most begins: then the wire waits for it in vain, and says so.
fn silent(wire: &Wire, dice: &mut Dice) -> (TcpStream, Account) {
    let mut socket = connect(wire);
    let sent = match dice.chance(3) {
        true => send(&mut socket, b"GET /a HT", dice),
        false => 0,
    };
    let account = Account {
        sent,
        ..Account::default()
    };
    (socket, account)
}

fn all_bytes(traffic: &Traffic) -> u64 {
    traffic.payload_bytes + traffic.header_bytes + traffic.upload_bytes
}

#[test]
fn the_wires_counts_are_those_of_its_hostile_clients() {
    let Some(campaign) = Campaign::wanted("clients", 150) else {
        return;
    };
    let yard = tempfile::tempdir().unwrap();
    let store = Store::at(&yard.path().join("store")).unwrap();
    fs::create_dir(store.object("sub")).unwrap();
    fs::write(yard.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("../secret", store.object("out")).unwrap();
    for (name, bytes) in OBJECTS {
        fs::write(store.object(name), vec![b'z'; *bytes]).unwrap();
    }
    campaign.run(|dice| {
        let wire = Wire::open(&store).unwrap();
        let idle: Vec<_> = (0..dice.index(2)).map(|_| silent(&wire, dice)).collect();
        let mut accounts: Vec<Account> = idle
            .iter()
            .map(|it| Account {
                sent: it.1.sent,
                ..Account::default()
            })
            .collect();
        let polite = dice.chance(60);
        for _ in 0..1 + dice.index(4) {
            accounts.push(if polite || dice.chance(30) {
                pipelining(&wire, dice)
            } else {
                rude(&wire, dice)
            });
        }
        let traffic = in_time("close", || wire.close()).unwrap();
        let sum = |of: fn(&Account) -> u64| accounts.iter().map(of).sum::<u64>();
        let (crossed, all) = (sum(|it| it.sent + it.received), all_bytes(&traffic));
        // One that went without a word may be gone before it was greeted.
        assert!(traffic.connections <= accounts.len() as u64);
        assert!(
            all >= sum(|it| it.received),
            "{all} bytes, but more were received"
        );
        if accounts.iter().skip(idle.len()).all(|it| it.sound) {
            assert_eq!(all, crossed, "{traffic:?}");
            assert_eq!(traffic.connections, accounts.len() as u64);
            assert_eq!(traffic.requests, sum(|it| it.asked));
            assert_eq!(traffic.requests, sum(|it| it.answered));
            assert_eq!(traffic.upload_bytes, sum(|it| it.upload));
            if accounts.iter().any(|it| it.multipart) {
                assert!(traffic.payload_bytes < sum(|it| it.payload));
            } else {
                assert_eq!(traffic.payload_bytes, sum(|it| it.payload));
            }
            let begun = idle.iter().any(|it| it.1.sent > 0);
            assert_eq!(traffic.note.is_empty(), !begun, "{}", traffic.note);
        }
        let objects = traffic.objects.iter();
        assert_eq!(
            objects.clone().map(|it| it.requests).sum::<u64>(),
            traffic.requests
        );
        assert_eq!(
            objects.map(|it| it.payload_bytes).sum::<u64>(),
            traffic.payload_bytes
        );
        drop(idle);
    });
}
