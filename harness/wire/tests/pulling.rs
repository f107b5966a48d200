//! Claims about the client that built-in methods use.

use super::*;
use std::net::TcpListener;
use std::thread;

#[test]
fn thousands_of_objects_come_over_one_connection() {
    let site = Site::new();
    for at in 0..2000 {
        fs::write(site.store.object(&format!("{at}.zst")), noise(at, 100)).unwrap();
    }
    let wire = site.open();
    let client = Client::new(&wire.url());
    for at in 0..2000 {
        let object = format!("{at}.zst");
        let bytes = if at % 2 == 0 {
            client.get_bytes(&object).unwrap()
        } else {
            // A reader that stops at the last byte and never asks for more.
            let mut bytes = vec![0; 100];
            let mut download = client.get(&object).unwrap();
            assert_eq!(download.announced_bytes(), Some(100));
            download.read_exact(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(bytes, noise(at, 100));
    }
    let traffic = wire.close().unwrap();
    assert_eq!((traffic.requests, traffic.connections), (2000, 1));
    assert_eq!(traffic.payload_bytes, 200_000);
}

#[test]
fn it_says_as_little_as_http_allows() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = vec![0; 1000];
        let read = socket.read(&mut request).unwrap();
        socket
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        String::from_utf8(request[..read].to_vec()).unwrap()
    });
    let client = Client::new(&WireUrl(format!("http://{address}")));
    assert_eq!(client.get_bytes("a").unwrap(), b"");
    let request = server.join().unwrap();
    let expected = format!("GET /a HTTP/1.1\r\nuser-agent: delta-lab\r\nhost: {address}\r\n\r\n");
    assert_eq!(request, expected);
}

#[test]
fn large_objects_stream_and_empty_ones_end() {
    let big = noise(3, 3_000_000);
    let site = Site::holding(&[("big", &big), ("empty", b"")]);
    let wire = site.open();
    let client = Client::new(&wire.url());
    assert_eq!(client.get_bytes("big").unwrap(), big);
    assert_eq!(client.get_bytes("empty").unwrap(), b"");
    let mut download = client.get("big").unwrap();
    let mut start = vec![0; 10];
    download.read_exact(&mut start).unwrap();
    assert_eq!(start, big[..10]);
    drop(download);
    assert_eq!(
        client.get_range("big", 2_999_990, 10).unwrap(),
        big[2_999_990..]
    );
    wire.close().unwrap();
}

#[test]
fn names_of_any_kind_reach_their_object() {
    let names = ["a b", "ü/100%.zst", "a?b#c", "%41", "+&=;", "..a", "x/.y"];
    let objects: Vec<(&str, &[u8])> = names.iter().map(|n| (*n, n.as_bytes())).collect();
    let site = Site::holding(&objects);
    let wire = site.open();
    let client = Client::new(&wire.url());
    for name in names {
        assert_eq!(client.get_bytes(name).unwrap(), name.as_bytes());
    }
    let traffic = wire.close().unwrap();
    let mut sorted = names.map(str::to_string);
    sorted.sort();
    let counted: Vec<String> = traffic.objects.into_iter().map(|o| o.object).collect();
    assert_eq!(counted, sorted);
}

#[test]
fn ranges_are_exact_or_an_error() {
    let bytes = noise(4, 1000);
    let site = Site::holding(&[("a", &bytes)]);
    let wire = site.open();
    let client = Client::new(&wire.url());
    assert_eq!(client.get_range("a", 10, 20).unwrap(), bytes[10..30]);
    assert_eq!(client.get_range("a", 0, 1000).unwrap(), bytes);
    assert_eq!(client.get_range("a", 5, 0).unwrap(), b"");
    for (first, count, says) in [
        (990, 11, "asked for bytes=990-1000"),
        (1000, 1, "416 Range Not Satisfiable"),
        (u64::MAX, 2, "is no range"),
    ] {
        let error = client.get_range("a", first, count).unwrap_err();
        assert!(format!("{error:#}").contains(says), "{error:#}");
    }
    wire.close().unwrap();
}

#[test]
fn errors_name_the_object_and_the_status() {
    let site = Site::new();
    let wire = site.open();
    let url = wire.url();
    let client = Client::new(&url);
    let error = client.get_bytes("absent/one").unwrap_err();
    assert_eq!(format!("{error:#}"), "get absent/one: 404 Not Found");
    let traffic = wire.close().unwrap();
    assert_eq!((traffic.requests, traffic.failed_requests), (1, 1));
    let error = Client::new(&url).get_bytes("absent/one").unwrap_err();
    assert!(
        format!("{error:#}").starts_with("get absent/one: "),
        "{error:#}"
    );
}

#[test]
fn a_body_cut_short_is_an_error() {
    for sent in 0..5 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let asked = socket.read(&mut [0; 1000]).unwrap();
            assert!(asked > 0);
            socket
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
                .unwrap();
            socket.write_all(&b"hello"[..sent]).unwrap();
        });
        let client = Client::new(&WireUrl(format!("http://{address}")));
        let error = client.get_bytes("a").unwrap_err();
        let says = format!("get a: a broke off after {sent} bytes");
        assert!(format!("{error:#}").starts_with(&says), "{error:#}");
        server.join().unwrap();
    }
}

#[test]
fn many_clients_at_once_get_their_own_bytes_and_one_bill() {
    let site = Site::new();
    for at in 0..8 {
        fs::write(site.store.object(&at.to_string()), noise(at, 400_000)).unwrap();
    }
    let wire = site.open();
    let pulls: Vec<_> = (0..8)
        .map(|at| {
            let client = Client::new(&wire.url());
            thread::spawn(move || {
                for _ in 0..5 {
                    assert_eq!(
                        client.get_bytes(&at.to_string()).unwrap(),
                        noise(at, 400_000)
                    );
                }
            })
        })
        .collect();
    for pull in pulls {
        pull.join().unwrap();
    }
    let traffic = wire.close().unwrap();
    assert_eq!((traffic.requests, traffic.connections), (40, 8));
    assert_eq!(traffic.payload_bytes, 40 * 400_000);
    assert!(
        traffic
            .objects
            .iter()
            .all(|o| o.payload_bytes == 5 * 400_000)
    );
}

#[test]
fn each_wire_has_its_own_meter() {
    let site = Site::holding(&[("a", b"text")]);
    let (first, second) = (site.open(), site.open());
    Client::new(&first.url()).get_bytes("a").unwrap();
    assert_eq!(second.close().unwrap(), Traffic::default());
    assert_eq!(first.close().unwrap().requests, 1);
}
