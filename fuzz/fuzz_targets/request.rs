//! What a client asks for: a method, a path, ranges and conditions, each line of the input one. The answer's head fits
//! its body, and its body is of the store.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use delta_lab::wire::answer::answer;
use delta_lab::wire::object::Tags;
use delta_lab::wire::range::{self, Ranges};
use delta_lab_fuzz::{place, put};
use hyper::body::Body;
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};
use libfuzzer_sys::fuzz_target;

static STORE: LazyLock<PathBuf> = LazyLock::new(|| {
    put("store/a", &[b'z'; 1000]);
    put("store/sub/empty", b"");
    put("secret", &[b's'; 7777]);
    std::os::unix::fs::symlink("../secret", place("store/out")).expect("a link can be made");
    place("store").canonicalize().expect("it was made")
});

static TAGS: LazyLock<Tags> = LazyLock::new(Tags::default);

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let method = Method::from_bytes(lines.next().unwrap_or_default().as_bytes());
    let path = lines.next().unwrap_or_default();
    let mut headers = HeaderMap::new();
    for line in lines.clone() {
        let Some((name, value)) = line.split_once(": ") else {
            continue;
        };
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    if let Ok(method) = method {
        let answer = answer(&STORE, &TAGS, &method, path, &headers);
        let length = answer.body().size_hint().exact().expect("it is known");
        let status = answer.status().as_u16();
        assert!(status < 500, "{status}");
        if method == Method::HEAD {
            assert_eq!(length, 0);
        }
        let said = answer.headers().get(CONTENT_LENGTH);
        let said = said.and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
        assert!(said.is_none() || method == Method::HEAD, "hyper says it for the others");
        // One slice or several: what each holds and its head's place; the secret's length is in none.
        let heads = format!("{:?}", answer.headers());
        assert!(!heads.contains("7777"), "{heads}");
        if status == 200 {
            assert!(length <= 1000 || method == Method::HEAD);
        }
    }
    for header in lines {
        for length in [0, 1, 1000, u64::MAX] {
            if let Ranges::Slices(slices) = range::asked(header, length) {
                assert!(!slices.is_empty());
                for slice in slices {
                    assert!(slice.bytes > 0 && slice.last() < length, "{header} of {length}: {slice:?}");
                }
            }
        }
    }
});
