//! Claims about servers that answer few ranges at once.

use super::*;

/// The status, the length of the body, and whether ranges are offered.
fn asked(wire: &Wire, method: &str, ranges: &str) -> (u16, usize, bool) {
    let mut client = Raw::connect(&wire.url());
    let answer = client.ask(method, "/a", &format!("Range: bytes={ranges}\r\n"));
    let offered = answer.heads.contains_key("accept-ranges");
    (answer.status, answer.body.len(), offered)
}

fn limited(site: &Site, ranges: &str) -> Wire {
    Wire::open_limited(&site.store, RangeLimit::named(ranges).unwrap()).unwrap()
}

#[test]
fn a_request_beyond_the_limit_gets_the_whole_object_or_an_error_and_any_other_its_ranges() {
    let site = Site::holding(&[("a", &noise(1, 5000))]);
    let wire = limited(&site, "all");
    let (status, bytes, offered) = asked(&wire, "GET", "0-9,20-29,40-49");
    assert!(status == 206 && (30..1000).contains(&bytes) && offered);

    let wire = limited(&site, "whole:1");
    assert_eq!(asked(&wire, "GET", "0-9"), (206, 10, true));
    assert_eq!(asked(&wire, "GET", "0-9,20-29"), (200, 5000, true));
    let traffic = wire.close().unwrap();
    assert_eq!((traffic.payload_bytes, traffic.requests), (5010, 2));

    let wire = limited(&site, "whole:0");
    assert_eq!(asked(&wire, "GET", "0-9"), (200, 5000, false));

    let wire = limited(&site, "416:2");
    assert_eq!(asked(&wire, "GET", "0-9,20-29").0, 206);
    let (status, bytes, _) = asked(&wire, "GET", "0-9,20-29,40-49");
    assert_eq!(status, 416);
    // A HEAD has no ranges, so none too many.
    assert_eq!(asked(&wire, "HEAD", "0-9,20-29,40-49").0, 200);
    let traffic = wire.close().unwrap();
    assert_eq!(traffic.requests, 3);
    assert!(traffic.payload_bytes >= 20 + bytes as u64);
}

#[test]
fn two_lines_of_ranges_are_as_many_as_both_have() {
    let site = Site::holding(&[("a", &noise(1, 5000))]);
    let wire = limited(&site, "501:1");
    let mut client = Raw::connect(&wire.url());
    let heads = "Range: bytes=0-9\r\nRange: bytes=20-29\r\n";
    assert_eq!(client.ask("GET", "/a", heads).status, 501);
    // What is no list of ranges is none.
    assert_eq!(
        client.ask("GET", "/a", "Range: lines=1-2,4-5\r\n").status,
        200
    );
}
