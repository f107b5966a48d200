//! Answers one request: which status, which heads, which bytes.

use std::path::Path;

use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue,
    LAST_MODIFIED, RANGE,
};
use hyper::{HeaderMap, Method, Response, StatusCode};

use super::body::{Part, Parts};
use super::condition::{self, Verdict};
use super::object::{self, Object, Tags};
use super::range::{self, Ranges, Slice};

/// The answer to `method` for the object at `path`, served from the folder `root` (canonical).
pub fn answer(
    root: &Path,
    tags: &Tags,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Response<Parts> {
    match *method {
        Method::GET | Method::HEAD => {
            answer_object(object::open(root, tags, path), method, headers)
        }
        _ => not_allowed(),
    }
}

/// The answer to a GET or HEAD for an object, or for one that can't be had.
pub fn answer_object(
    object: Result<Object, StatusCode>,
    method: &Method,
    headers: &HeaderMap,
) -> Response<Parts> {
    let response = match object {
        Ok(object) => conditional(object, headers, method == Method::GET),
        Err(status) => refusal(status),
    };
    bodied(response, method)
}

/// A text that is no object: its media type, and what it says.
pub fn say(kind: &'static str, text: &str, method: &Method) -> Response<Parts> {
    let mut response = bare(StatusCode::OK, Parts::text(text.to_string()));
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    bodied(response, method)
}

fn bodied(response: Response<Parts>, method: &Method) -> Response<Parts> {
    match *method {
        Method::HEAD => without_body(response),
        _ => response,
    }
}

/// The answer to a method that would change something.
pub fn not_allowed() -> Response<Parts> {
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED);
    let allowed = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(ALLOW, allowed);
    response
}

fn conditional(object: Object, headers: &HeaderMap, may_range: bool) -> Response<Parts> {
    let etag = text(&object.etag);
    let modified = text(&httpdate::fmt_http_date(object::modified()));
    let mut response = match condition::weigh(headers, &object) {
        Verdict::Serve => found(object, headers, may_range),
        Verdict::NotModified => bare(StatusCode::NOT_MODIFIED, Parts::default()),
        Verdict::PreconditionFailed => refusal(StatusCode::PRECONDITION_FAILED),
    };
    let heads = response.headers_mut();
    heads.insert(ETAG, etag);
    heads.insert(LAST_MODIFIED, modified);
    heads.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}

/// The object or slices of it. RFC 9110 gives `Range` a meaning for GET alone.
fn found(object: Object, headers: &HeaderMap, may_range: bool) -> Response<Parts> {
    let ranges = match one_line(headers) {
        Some(header) if may_range && condition::range_counts(headers, &object) => {
            range::asked(header, object.bytes)
        }
        _ => Ranges::Whole,
    };
    match ranges {
        Ranges::Whole => whole(object),
        Ranges::Slices(slices) => match slices[..] {
            [slice] => one_slice(object, slice),
            _ => several_slices(object, &slices),
        },
        Ranges::Unsatisfiable => {
            let mut response = refusal(StatusCode::RANGE_NOT_SATISFIABLE);
            let length = text(&format!("bytes */{}", object.bytes));
            response.headers_mut().insert(CONTENT_RANGE, length);
            response
        }
    }
}

/// The `Range` header, when there is exactly one; two contradict each other, and are ignored like a malformed one.
fn one_line(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(RANGE).into_iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().ok(),
        _ => None,
    }
}

fn whole(object: Object) -> Response<Parts> {
    let all = Part::Slice(Slice {
        first: 0,
        bytes: object.bytes,
    });
    let mut response = bare(StatusCode::OK, Parts::of(object.file, [all]));
    let kind = HeaderValue::from_static(object.kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn one_slice(object: Object, slice: Slice) -> Response<Parts> {
    let place = text(&content_range(slice, object.bytes));
    let body = Parts::of(object.file, [Part::Slice(slice)]);
    let mut response = bare(StatusCode::PARTIAL_CONTENT, body);
    let heads = response.headers_mut();
    heads.insert(CONTENT_TYPE, HeaderValue::from_static(object.kind));
    heads.insert(CONTENT_RANGE, place);
    response
}

/// Slices as `multipart/byteranges` (RFC 9110, section 14.6), each after a part head of its own.
///
/// The boundary is made of the etag: a file that holds its own in this form is not met by chance, and its width is
/// fixed, so that the bytes repeat from run to run.
fn several_slices(object: Object, slices: &[Slice]) -> Response<Parts> {
    let boundary = format!("part-{}", object.etag.trim_matches('"'));
    let mut parts = Vec::with_capacity(2 * slices.len() + 1);
    for slice in slices {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
            object.kind,
            content_range(*slice, object.bytes)
        );
        parts.push(Part::Framing(head.into()));
        parts.push(Part::Slice(*slice));
    }
    parts.push(Part::Framing(format!("\r\n--{boundary}--\r\n").into()));
    let mut response = bare(StatusCode::PARTIAL_CONTENT, Parts::of(object.file, parts));
    let kind = text(&format!("multipart/byteranges; boundary={boundary}"));
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn content_range(slice: Slice, length: u64) -> String {
    format!("bytes {}-{}/{length}", slice.first, slice.last())
}

/// An answer that is no object: its status, in words too.
pub fn refusal(status: StatusCode) -> Response<Parts> {
    let mut response = bare(status, Parts::text(format!("{status}\n")));
    let kind = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn bare(status: StatusCode, body: Parts) -> Response<Parts> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// The answer to HEAD: the head of the answer to GET, with the length its body would have had.
fn without_body(response: Response<Parts>) -> Response<Parts> {
    let (mut head, body) = response.into_parts();
    if head.status != StatusCode::NOT_MODIFIED {
        head.headers.insert(CONTENT_LENGTH, body.bytes().into());
    }
    Response::from_parts(head, Parts::default())
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).expect("numbers, dates and etags are visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_its_type_and_a_head_of_it_no_body() {
        for (method, bytes) in [(Method::GET, 5), (Method::HEAD, 0)] {
            let response = say("text/plain", "hello", &method);
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()[CONTENT_TYPE], "text/plain");
            assert_eq!(response.body().bytes(), bytes);
            let length = response.headers().get(CONTENT_LENGTH);
            // That of a body is its own.
            assert_eq!(length.is_some_and(|it| it == "5"), method == Method::HEAD);
        }
    }
}
