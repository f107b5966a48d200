//! Conditional requests (RFC 9110, section 13): whether what a client already has changes the answer.

use hyper::HeaderMap;
use hyper::header::{
    AsHeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};
use std::time::SystemTime;

use super::object::{Object, modified};

/// What the conditions of a GET or HEAD come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Serve,
    NotModified,
    PreconditionFailed,
}

/// Weighs the conditions in the order of RFC 9110, section 13.2.2. Dates that are not dates are ignored.
pub fn weigh(headers: &HeaderMap, object: &Object) -> Verdict {
    if headers.contains_key(IF_MATCH) {
        // Tags are compared strongly here, so a weak one never matches.
        if !tags(headers, IF_MATCH).any(|tag| tag == "*" || tag == object.etag) {
            return Verdict::PreconditionFailed;
        }
    } else if date(headers, IF_UNMODIFIED_SINCE).is_some_and(|date| modified() > date) {
        return Verdict::PreconditionFailed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        let weak = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag) == object.etag;
        if tags(headers, IF_NONE_MATCH).any(|tag| tag == "*" || weak(tag)) {
            return Verdict::NotModified;
        }
    } else if date(headers, IF_MODIFIED_SINCE).is_some_and(|date| modified() <= date) {
        return Verdict::NotModified;
    }
    Verdict::Serve
}

/// Whether a `Range` header counts: there is no `If-Range`, or it names this very version of the object.
///
/// A date counts when it is exactly the object's, which is every object's.
pub fn range_counts(headers: &HeaderMap, object: &Object) -> bool {
    if !headers.contains_key(IF_RANGE) {
        return true;
    }
    tags(headers, IF_RANGE).any(|tag| tag == object.etag)
        || date(headers, IF_RANGE).is_some_and(|date| date == modified())
}

/// The entity tags of all lines of a header. Ours hold no comma, so a foreign one that does, and is cut in two, is
/// still not ours.
fn tags(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
}

fn date(headers: &HeaderMap, name: impl AsHeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::Verdict::{NotModified, PreconditionFailed, Serve};
    use super::*;

    fn object() -> Object {
        Object {
            file: tempfile::tempfile().unwrap(),
            bytes: 0,
            kind: "text/plain",
            etag: "\"ours\"".to_string(),
        }
    }

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn each_condition_alone_and_with_those_it_outranks() {
        let matrix: &[(&[(&str, &str)], Verdict)] = &[
            (&[], Serve),
            (&[("if-match", "\"ours\"")], Serve),
            (&[("if-match", "*")], Serve),
            (&[("if-match", "\"a\", \"ours\"")], Serve),
            (&[("if-match", "W/\"ours\"")], PreconditionFailed),
            (&[("if-match", "\"theirs\"")], PreconditionFailed),
            (&[("if-match", "")], PreconditionFailed),
            (&[("if-unmodified-since", BEFORE)], PreconditionFailed),
            (&[("if-unmodified-since", THEN)], Serve),
            (&[("if-unmodified-since", "yesterday")], Serve),
            (
                &[("if-match", "\"ours\""), ("if-unmodified-since", BEFORE)],
                Serve,
            ),
            (&[("if-none-match", "\"ours\"")], NotModified),
            (&[("if-none-match", "W/\"ours\"")], NotModified),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"theirs\"")], Serve),
            (
                &[
                    ("if-none-match", "\"theirs\""),
                    ("if-none-match", "\"ours\""),
                ],
                NotModified,
            ),
            (&[("if-modified-since", BEFORE)], Serve),
            (&[("if-modified-since", THEN)], NotModified),
            (&[("if-modified-since", AFTER)], NotModified),
            (&[("if-modified-since", "yesterday")], Serve),
            (
                &[("if-none-match", "\"theirs\""), ("if-modified-since", THEN)],
                Serve,
            ),
            (
                &[("if-match", "\"theirs\""), ("if-none-match", "\"ours\"")],
                PreconditionFailed,
            ),
        ];
        for (lines, verdict) in matrix {
            assert_eq!(weigh(&headers(lines), &object()), *verdict, "{lines:?}");
        }
    }

    #[test]
    fn a_range_counts_only_for_the_version_it_was_meant_for() {
        for (value, counts) in [
            ("\"ours\"", true),
            ("W/\"ours\"", false),
            ("\"theirs\"", false),
            (BEFORE, false),
            (THEN, true),
            (AFTER, false),
            ("nonsense", false),
        ] {
            let headers = headers(&[("if-range", value)]);
            assert_eq!(range_counts(&headers, &object()), counts, "{value}");
        }
        assert!(range_counts(&HeaderMap::new(), &object()));
    }
}
