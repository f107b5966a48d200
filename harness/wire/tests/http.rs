//! Claims about HTTP: statuses, heads and bytes are those a model gives, and the meter agrees with the socket.

use super::*;
use proptest::prelude::*;

#[test]
fn two_thousand_small_objects_on_one_connection_are_counted_to_the_byte() {
    let site = Site::new();
    let mut payload = 0;
    for at in 0..2000 {
        let bytes = noise(at, 10 + at as usize % 300);
        payload += bytes.len() as u64;
        fs::write(site.store.object(&format!("chunk-{at:04}")), bytes).unwrap();
    }
    let wire = site.open();
    let mut client = Raw::connect(&wire.url());
    for at in 0..2000 {
        let answer = client.ask("GET", &format!("/chunk-{at:04}"), "");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, noise(at, 10 + at as usize % 300));
    }
    let traffic = wire.close().unwrap();
    assert_eq!((traffic.requests, traffic.connections), (2000, 1));
    assert_eq!(traffic.payload_bytes, payload);
    assert_eq!(all_bytes(&traffic), client.crossed);
    assert_eq!(traffic.objects.len(), 2000);
    assert_eq!(traffic.note, "");
}

#[test]
fn the_same_requests_cost_the_same_bytes_on_every_wire() {
    let site = Site::holding(&[("a", &noise(1, 5000)), ("b", b"")]);
    let reading = || {
        let wire = site.open();
        let host = port(&wire.url()).to_string();
        let mut client = Raw::connect(&wire.url());
        for heads in ["", "Range: bytes=0-9\r\n", "Range: bytes=0-9,90-\r\n"] {
            for path in ["/a", "/b", "/c"] {
                client.ask("GET", path, &format!("{heads}Host: {host}\r\n"));
            }
        }
        wire.close().unwrap()
    };
    assert_eq!(reading(), reading());
}

#[test]
fn the_head_of_an_answer_without_a_body_is_payload() {
    let site = Site::holding(&[("a", &noise(1, 70_000))]);
    let wire = site.open();
    let mut client = Raw::connect(&wire.url());
    let head = client.ask("HEAD", "/a", "Range: bytes=0-9\r\n");
    assert_eq!((head.status, head.head("content-length")), (200, "70000"));
    let absent = client.ask("HEAD", "/absent", "");
    assert_eq!(absent.status, 404);
    let get = client.ask("GET", "/a", "");
    assert_eq!(
        get.heads, head.heads,
        "HEAD tells what GET would, its range apart"
    );
    let traffic = wire.close().unwrap();
    let heads = head.head_bytes + absent.head_bytes;
    assert_eq!(
        (traffic.payload_bytes, traffic.requests),
        (70_000 + heads, 3)
    );
    assert_eq!(all_bytes(&traffic), client.crossed);
}

#[test]
fn conditions_give_304_412_206_and_416() {
    let site = Site::holding(&[("a", &noise(1, 100))]);
    let wire = site.open();
    let mut client = Raw::connect(&wire.url());
    let first = client.ask("GET", "/a", "");
    let (etag, modified) = (first.head("etag"), first.head("last-modified"));
    assert_eq!(first.head("accept-ranges"), "bytes");
    let past = "Sat, 05 Nov 1994 08:49:37 GMT";
    let part = "Range: bytes=0-9\r\n";
    for (heads, status, body) in [
        (format!("If-None-Match: {etag}\r\n"), 304, 0),
        (format!("If-None-Match: {etag}\r\n{part}"), 304, 0),
        ("If-None-Match: \"x\"\r\n".to_string(), 200, 100),
        (format!("If-Modified-Since: {modified}\r\n"), 304, 0),
        (format!("If-Modified-Since: {past}\r\n"), 200, 100),
        ("If-Match: \"x\"\r\n".to_string(), 412, 24),
        (format!("If-Match: {etag}\r\n{part}"), 206, 10),
        (format!("If-Unmodified-Since: {past}\r\n"), 412, 24),
        (format!("If-Range: {etag}\r\n{part}"), 206, 10),
        (format!("If-Range: {modified}\r\n{part}"), 206, 10),
        (format!("If-Range: \"x\"\r\n{part}"), 200, 100),
        (format!("If-Range: {past}\r\n{part}"), 200, 100),
        (
            "If-Range: \"x\"\r\nRange: bytes=100-\r\n".to_string(),
            200,
            100,
        ),
        (
            format!("If-Range: {etag}\r\nRange: bytes=100-\r\n"),
            416,
            26,
        ),
        (format!("{part}{part}"), 200, 100),
    ] {
        let answer = client.ask("GET", "/a", &heads);
        assert_eq!(
            (answer.status, answer.body.len()),
            (status, body),
            "{heads}"
        );
        assert_eq!(answer.head("etag"), etag, "{heads}");
    }
    let none = client.ask("GET", "/a", "Range: bytes=100-\r\n");
    assert_eq!(none.head("content-range"), "bytes */100");
    let traffic = wire.close().unwrap();
    assert_eq!(all_bytes(&traffic), client.crossed);
    let statuses = [(200, 7), (206, 3), (304, 3), (412, 2), (416, 2)];
    assert_eq!(traffic.objects[0].statuses, BTreeMap::from(statuses));
    assert_eq!(traffic.failed_requests, 4);
}

#[test]
fn only_reading_is_allowed_and_uploads_are_counted_apart() {
    let site = Site::holding(&[("a", b"old")]);
    let wire = site.open();
    let mut client = Raw::connect(&wire.url());
    for method in ["PUT", "POST", "DELETE", "OPTIONS"] {
        let answer = client.ask(method, "/a", "");
        assert_eq!((answer.status, answer.head("allow")), (405, "GET, HEAD"));
    }
    client.send(b"PUT /a HTTP/1.1\r\nHost: w\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.answer(true).status, 405);
    client.send(
        b"PUT /a HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    assert_eq!(client.answer(true).status, 405);
    client.send(
        b"PUT /a HTTP/1.1\r\nHost: w\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nlate",
    );
    while client.answer(true).status == 100 {}
    // A body on a GET is odd, and allowed.
    client.send(b"GET /a HTTP/1.1\r\nHost: w\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(client.answer(true).body, b"old");
    let traffic = wire.close().unwrap();
    assert_eq!(traffic.upload_bytes, 5 + 3 + 4 + 2);
    assert_eq!(traffic.requests, 8);
    assert_eq!(all_bytes(&traffic), client.crossed);
    assert_eq!(fs::read(site.store.object("a")).unwrap(), b"old");
}

#[test]
fn requests_sent_ahead_and_in_pieces_are_answered_in_order() {
    let site = Site::holding(&[("a", b"first"), ("b", b"second")]);
    let wire = site.open();
    let mut client = Raw::connect(&wire.url());
    client.send(b"GET /a HTTP/1.1\r\nHost: w\r\n\r\nGET /b HTTP/1.1\r\nHost: w\r\n\r\nGET /no");
    client.send(b"ne HTTP/1.1\r\nHost: w\r\n\r\n");
    let bodies = [(); 3].map(|()| client.answer(true).body);
    assert_eq!(
        bodies,
        [&b"first"[..], &b"second"[..], &b"404 Not Found\n"[..]]
    );
    let traffic = wire.close().unwrap();
    assert_eq!((traffic.payload_bytes, traffic.requests), (25, 3));
    assert_eq!(all_bytes(&traffic), client.crossed);
}

#[test]
fn an_old_client_gets_its_object_and_the_end_of_the_connection() {
    let site = Site::holding(&[("a", b"text")]);
    let wire = site.open();
    let mut client = Raw::connect(&wire.url());
    client.send(b"GET /a HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer(true).body, b"text");
    assert!(!client.receive(), "HTTP/1.0 does not keep alive");
    assert_eq!(all_bytes(&wire.close().unwrap()), client.crossed);
}

/// Bodies of a `multipart/byteranges` with the first byte of each, as a client of the RFC reads them.
fn parts_of(answer: &Answer) -> Vec<(u64, Vec<u8>)> {
    let boundary = answer.head("content-type");
    let boundary = boundary
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let mut rest = &answer.body[..];
    let mut parts = Vec::new();
    loop {
        rest = rest
            .strip_prefix(format!("\r\n--{boundary}").as_bytes())
            .unwrap();
        if rest == b"--\r\n" {
            return parts;
        }
        let end = rest
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap()
            + 4;
        let head = std::str::from_utf8(&rest[..end]).unwrap();
        let range = head.split("Content-Range: bytes ").nth(1).unwrap();
        let (first, last) = range.split_once('/').unwrap().0.split_once('-').unwrap();
        let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
        let bytes = (last - first + 1) as usize;
        parts.push((first, rest[end..end + bytes].to_vec()));
        rest = &rest[end + bytes..];
    }
}

/// A range as written, and the slice a plain model gives it.
fn model(spec: (u8, u64, u64), object: &[u8]) -> (String, &[u8]) {
    let (form, a, b) = spec;
    let length = object.len();
    let at = |n: u64| usize::try_from(n).unwrap_or(length).min(length);
    match form {
        0 => {
            let (first, last) = (a.min(b), a.max(b));
            (
                format!("{first}-{last}"),
                &object[at(first)..at(last.saturating_add(1))],
            )
        }
        1 => (format!("{a}-"), &object[at(a)..]),
        _ => (format!("-{a}"), &object[length - at(a)..]),
    }
}

fn spec() -> impl Strategy<Value = (u8, u64, u64)> {
    let number = || prop_oneof![8 => 0u64..400, 2 => 60_000u64..210_000, 1 => Just(u64::MAX)];
    (0u8..3, number(), number())
}

#[test]
fn any_ranges_of_any_object_are_exactly_the_slices() {
    // Around the sizes where one piece read becomes two or three, and the smallest there are.
    let lengths = [1, 2, 300, 65_535, 65_536, 65_537, 200_000];
    let objects = lengths.map(|length| noise(7, length));
    let site = Site::new();
    for object in &objects {
        fs::write(site.store.object(&object.len().to_string()), object).unwrap();
    }
    let wire = site.open();
    let client = std::cell::RefCell::new(Raw::connect(&wire.url()));
    let asked = (0..lengths.len(), prop::collection::vec(spec(), 1..6));
    proptest!(|((which, specs) in asked)| {
        let object = &objects[which];
        let (written, slices): (Vec<_>, Vec<_>) =
            specs.iter().map(|spec| model(*spec, object)).unzip();
        let slices: Vec<&[u8]> = slices.into_iter().filter(|slice| !slice.is_empty()).collect();
        let heads = format!("Range: bytes={}\r\n", written.join(","));
        let answer = client.borrow_mut().ask("GET", &format!("/{}", object.len()), &heads);
        match slices[..] {
            [] => prop_assert_eq!(answer.status, 416),
            [slice] => {
                prop_assert_eq!(answer.status, 206);
                prop_assert_eq!(&answer.body, slice);
                let first = slice.as_ptr() as usize - object.as_ptr() as usize;
                let place = format!("bytes {first}-{}/{}", first + slice.len() - 1, object.len());
                prop_assert_eq!(answer.head("content-range"), place);
            }
            _ => {
                prop_assert_eq!(answer.status, 206);
                let parts = parts_of(&answer);
                prop_assert_eq!(parts.len(), slices.len());
                for ((first, part), slice) in parts.iter().zip(slices) {
                    prop_assert_eq!(part, slice);
                    prop_assert_eq!(*first as usize, slice.as_ptr() as usize - object.as_ptr() as usize);
                }
            }
        }
    });
    assert_eq!(
        all_bytes(&wire.close().unwrap()),
        client.into_inner().crossed
    );
}

#[test]
fn of_several_ranges_only_the_contents_are_payload() {
    let site = Site::holding(&[("a", &noise(1, 1000))]);
    let wire = site.open();
    let mut client = Raw::connect(&wire.url());
    let answer = client.ask("GET", "/a", "Range: bytes=0-9,100-109,-5\r\n");
    let contents: usize = parts_of(&answer).iter().map(|(_, part)| part.len()).sum();
    let traffic = wire.close().unwrap();
    assert_eq!((contents, traffic.payload_bytes), (25, 25));
    assert_eq!(all_bytes(&traffic), client.crossed);
    assert!(traffic.header_bytes >= answer.head_bytes + answer.body.len() as u64 - 25);
}
