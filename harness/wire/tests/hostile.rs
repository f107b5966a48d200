//! Claims about clients that misbehave: they see nothing outside the store, and the figures stay true.

use super::*;
use std::os::unix::fs::symlink;

#[test]
fn no_request_leaves_the_store() {
    let site = Site::holding(&[("a", b"inside"), (".hidden/b", b"inside")]);
    fs::write(site.dir.path().join("secret"), "outside").unwrap();
    symlink("../secret", site.store.object("link")).unwrap();
    symlink(site.dir.path(), site.store.object("up")).unwrap();
    let wire = site.open();
    let mut client = Raw::connect(&wire.url());
    for (target, status) in [
        ("/../secret", 404),
        ("/%2e%2e/secret", 404),
        ("/..%2fsecret", 404),
        ("/a/../../secret", 404),
        ("/link", 404),
        ("/up/secret", 404),
        ("//etc/passwd", 404),
        ("http://wire/../secret", 404),
        ("http://wire/%2e%2e/secret", 404),
        ("http://elsewhere", 404),
        ("/", 404),
        ("/.", 404),
        ("/.hidden", 404),
        ("/%00", 400),
        ("/a%00", 400),
        ("/%", 400),
        ("a", 400),
        ("/a", 200),
        ("/a?x=/../secret", 200),
        ("/.hidden/b", 200),
        ("http://wire/a", 200),
    ] {
        let answer = client.ask("GET", target, "");
        assert_eq!(answer.status, status, "{target}");
        assert_ne!(answer.body, b"outside", "{target}");
    }
    let traffic = wire.close().unwrap();
    assert_eq!((traffic.requests, traffic.failed_requests), (21, 17));
    assert_eq!(all_bytes(&traffic), client.crossed);
}

#[test]
fn what_is_not_http_is_a_failed_request_without_an_object() {
    let site = Site::holding(&[("a", b"text")]);
    for nonsense in [
        "HELLO\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ] {
        let wire = site.open();
        let mut client = Raw::connect(&wire.url());
        client.send(nonsense.as_bytes());
        assert_eq!(client.answer(true).status, 400, "{nonsense}");
        assert!(!client.receive());
        let traffic = wire.close().unwrap();
        assert_eq!((traffic.requests, traffic.failed_requests), (1, 1));
        assert_eq!(traffic.objects[0].object, "");
        assert_eq!(all_bytes(&traffic), client.crossed);
    }
}

#[test]
fn a_client_that_breaks_off_is_charged_for_what_left_and_no_more() {
    let whole = 64 << 20;
    let site = Site::new();
    let file = fs::File::create(site.store.object("big")).unwrap();
    file.set_len(whole).unwrap();
    let wire = site.open();
    let mut client = Raw::connect(&wire.url());
    client.send(b"GET /big HTTP/1.1\r\nHost: w\r\n\r\n");
    client.take(100_000);
    let crossed = client.crossed;
    drop(client);
    let traffic = wire.close().unwrap();
    assert!(all_bytes(&traffic) >= crossed);
    assert!(
        traffic.payload_bytes < whole / 2,
        "{}",
        traffic.payload_bytes
    );
    assert!(traffic.header_bytes < 1000, "{}", traffic.header_bytes);
    assert_eq!((traffic.requests, traffic.note.as_str()), (1, ""));
}

#[test]
fn a_client_that_never_takes_its_object_is_cut_and_noted() {
    let site = Site::new();
    let file = fs::File::create(site.store.object("big")).unwrap();
    file.set_len(64 << 20).unwrap();
    let wire = site.open();
    let mut client = Raw::connect(&wire.url());
    client.send(b"GET /big HTTP/1.1\r\nHost: w\r\n\r\n");
    client.take(1);
    let traffic = wire.close().unwrap();
    assert!(traffic.note.contains("were cut"), "{}", traffic.note);
    while client.receive() {}
    assert_eq!(
        all_bytes(&traffic),
        client.crossed,
        "what was sent still arrives"
    );
}

#[test]
fn a_client_that_idles_does_not_hold_up_the_end() {
    let site = Site::holding(&[("a", b"text")]);
    let wire = site.open();
    let mut client = Raw::connect(&wire.url());
    let silent = Raw::connect(&wire.url());
    client.ask("GET", "/a", "");
    let traffic = wire.close().unwrap();
    assert!(!client.receive());
    assert_eq!(traffic.note, "");
    drop(silent);
}

#[test]
fn an_object_that_shrinks_on_the_way_is_a_broken_body_not_a_wrong_one() {
    let site = Site::new();
    let file = fs::File::create(site.store.object("big")).unwrap();
    file.set_len(64 << 20).unwrap();
    let wire = site.open();
    let client = Client::new(&wire.url());
    let mut download = client.get("big").unwrap();
    download.read_exact(&mut [0; 1000]).unwrap();
    file.set_len(1000).unwrap();
    let error = download.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(
        error.to_string().starts_with("big broke off after"),
        "{error}"
    );
    assert!(wire.close().unwrap().payload_bytes < 64 << 20);
}
