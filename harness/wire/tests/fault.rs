//! Claims about interrupted wires: the last byte of payload is exactly the one it was to be, over HTTP and ssh.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use proptest::prelude::*;

fn cut(site: &Site, after_bytes: u64) -> Wire {
    let then = Then::Close;
    Wire::open_interrupted(&site.store, None, Interruption { after_bytes, then }).unwrap()
}

/// Asks for the object again and again, until the line breaks; returns how many bytes of bodies came.
fn pull_until_cut(url: &WireUrl, path: &str, heads: &str) -> u64 {
    let mut came = 0;
    loop {
        let Ok(mut socket) = TcpStream::connect(port(url)) else {
            return came;
        };
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let asked =
            format!("GET {path} HTTP/1.1\r\nHost: wire\r\nConnection: close\r\n{heads}\r\n");
        if socket.write_all(asked.as_bytes()).is_err() {
            return came;
        }
        let mut answer = Vec::new();
        // A reset is an end too; what came before it is kept.
        socket.read_to_end(&mut answer).ok();
        let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            return came;
        };
        came += (answer.len() - head - 4) as u64;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_wire_is_cut_at_the_exact_byte_and_the_line_stays_down(after in 0u64..450_000) {
        let site = Site::holding(&[("a", &noise(1, 150_000))]);
        let wire = cut(&site, after);
        let came = pull_until_cut(&wire.url(), "/a", "");
        let refused = pull_until_cut(&wire.url(), "/a", "");
        let traffic = wire.close().unwrap();
        prop_assert_eq!((came, refused), (after, 0));
        prop_assert_eq!(traffic.payload_bytes, after);
        prop_assert_eq!(traffic.note, "");
    }
}

#[test]
fn connections_that_pull_at_once_share_what_may_cross_to_the_byte() {
    let site = Site::holding(&[("a", &noise(1, 400_000))]);
    let wire = cut(&site, 777_777);
    let url = wire.url();
    let came: u64 = std::thread::scope(|scope| {
        let pulls: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| pull_until_cut(&url, "/a", "")))
            .collect();
        pulls.into_iter().map(|pull| pull.join().unwrap()).sum()
    });
    let traffic = wire.close().unwrap();
    assert_eq!((came, traffic.payload_bytes), (777_777, 777_777));
}

#[test]
fn framing_between_the_parts_of_an_answer_is_not_counted_against_the_cut() {
    let site = Site::holding(&[("a", &noise(1, 100_000))]);
    let heads = "Range: bytes=0-9999,20000-29999,40000-49999\r\n";
    let wire = cut(&site, 25_001);
    pull_until_cut(&wire.url(), "/a", heads);
    assert_eq!(wire.close().unwrap().payload_bytes, 25_001);
}

#[test]
fn the_heads_of_answers_without_a_body_are_cut_too() {
    let site = Site::holding(&[("a", b"")]);
    let wire = cut(&site, 100);
    pull_until_cut(&wire.url(), "/a", "");
    assert_eq!(wire.close().unwrap().payload_bytes, 100);
}

#[test]
fn a_wire_that_holds_tells_once_and_lets_nothing_more_pass() {
    let site = Site::holding(&[("a", &noise(1, 300_000))]);
    let told = Arc::new(AtomicUsize::new(0));
    let (theirs, (tell, hear)) = (Arc::clone(&told), std::sync::mpsc::channel());
    let then = Then::Hold(Box::new(move || {
        theirs.fetch_add(1, Ordering::Relaxed);
        tell.send(()).unwrap();
    }));
    let after_bytes = 123_456;
    let wire =
        Wire::open_interrupted(&site.store, None, Interruption { after_bytes, then }).unwrap();
    let mut client = Raw::connect(&wire.url());
    client.send(b"GET /a HTTP/1.1\r\nHost: wire\r\n\r\n");
    hear.recv_timeout(Duration::from_secs(20)).unwrap();
    // Closing ends the connection that was held; nothing more comes before its end.
    let traffic = wire.close().unwrap();
    while client.receive() {}
    let head = client
        .pending
        .windows(4)
        .position(|four| four == b"\r\n\r\n");
    let body = client.pending.len() - head.unwrap() - 4;
    assert_eq!((body, traffic.payload_bytes), (123_456, 123_456));
    assert_eq!(
        (told.load(Ordering::Relaxed), traffic.note.as_str()),
        (1, "")
    );
}
