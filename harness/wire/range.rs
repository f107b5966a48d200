//! Which slices of an object a `Range` header asks for (RFC 9110, section 14).

use hyper::header::{ACCEPT_RANGES, RANGE};
use hyper::{HeaderMap, Method, Response, StatusCode};

use crate::record::{Beyond, RangeLimit};

/// A run of bytes of an object, never empty, never past its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    pub first: u64,
    pub bytes: u64,
}

impl Slice {
    pub fn last(self) -> u64 {
        self.first + self.bytes - 1
    }
}

/// What a `Range` header comes to for an object of a known length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// The header is to be ignored: malformed, another unit, or nothing it could mean for an empty object.
    Whole,
    /// These slices, in the order asked, neither merged nor sorted; those past the end are left out.
    Slices(Vec<Slice>),
    /// Well-formed, but no slice of it is in the object.
    Unsatisfiable,
}

/// Reads `header`, the value of a `Range` header, for an object of `length` bytes.
pub fn asked(header: &str, length: u64) -> Ranges {
    match specs(header) {
        None => Ranges::Whole,
        // RFC 9110 calls a suffix of nothing satisfiable, yet no Content-Range can say so; the whole object does.
        Some(specs) if length == 0 && specs.iter().any(Spec::is_some_suffix) => Ranges::Whole,
        Some(specs) => {
            let slices: Vec<Slice> = specs.iter().filter_map(|spec| spec.of(length)).collect();
            if slices.is_empty() {
                Ranges::Unsatisfiable
            } else {
                Ranges::Slices(slices)
            }
        }
    }
}

/// Lets a request be answered by a server with such a limit: one for too many ranges loses its `Range` header, or is refused
/// with a status. RFC 9110 gives `Range` a meaning for GET alone.
pub fn within(
    limit: Option<RangeLimit>,
    method: &Method,
    headers: &mut HeaderMap,
) -> Result<(), StatusCode> {
    let Some(limit) = limit.filter(|_| method == Method::GET) else {
        return Ok(());
    };
    let lines = headers.get_all(RANGE).into_iter();
    let asked = lines.filter_map(|line| Some(specs(line.to_str().ok()?)?.len()));
    if asked.sum::<usize>() <= limit.most {
        return Ok(());
    }
    match limit.beyond {
        Beyond::Whole => {
            headers.remove(RANGE);
            Ok(())
        }
        Beyond::Status(status) => {
            Err(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST))
        }
    }
}

/// A response as such a server gives it: one that answers no ranges does not offer them.
pub fn told<T>(limit: Option<RangeLimit>, mut response: Response<T>) -> Response<T> {
    if limit.is_some_and(|limit| limit.most == 0) {
        response.headers_mut().remove(ACCEPT_RANGES);
    }
    response
}

/// One range as written.
enum Spec {
    /// `first-last`, or `first-` where the last is as far as there is.
    From { first: u64, last: u64 },
    /// `-bytes`: the end of the object.
    Suffix { bytes: u64 },
}

impl Spec {
    fn of(&self, length: u64) -> Option<Slice> {
        let (first, bytes) = match *self {
            Spec::From { first, last } if first < length => {
                (first, last.min(length - 1) - first + 1)
            }
            Spec::From { .. } => return None,
            Spec::Suffix { bytes } => {
                let bytes = bytes.min(length);
                (length - bytes, bytes)
            }
        };
        (bytes > 0).then_some(Slice { first, bytes })
    }

    fn is_some_suffix(&self) -> bool {
        matches!(self, Spec::Suffix { bytes } if *bytes > 0)
    }
}

/// The ranges of a header, or none when it is malformed. Empty list elements are allowed, as in any HTTP list.
fn specs(header: &str) -> Option<Vec<Spec>> {
    let (unit, list) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let specs: Vec<Spec> = list
        .split(',')
        .map(|element| element.trim_matches([' ', '\t']))
        .filter(|element| !element.is_empty())
        .map(spec)
        .collect::<Option<_>>()?;
    (!specs.is_empty()).then_some(specs)
}

fn spec(element: &str) -> Option<Spec> {
    let (first, last) = element.split_once('-')?;
    match (first.is_empty(), last.is_empty()) {
        (true, _) => Some(Spec::Suffix {
            bytes: number(last)?,
        }),
        (false, true) => Some(Spec::From {
            first: number(first)?,
            last: u64::MAX,
        }),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::From { first, last })
        }
    }
}

/// Digits only, where `parse` would take a sign too. A number beyond 64 bits is beyond every object's end.
fn number(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slices(header: &str, length: u64) -> Vec<(u64, u64)> {
        match asked(header, length) {
            Ranges::Slices(slices) => slices.iter().map(|s| (s.first, s.bytes)).collect(),
            other => panic!("{header} of {length}: {other:?}"),
        }
    }

    #[test]
    fn the_three_forms_give_their_slices() {
        assert_eq!(slices("bytes=0-9", 100), [(0, 10)]);
        assert_eq!(slices("bytes=90-", 100), [(90, 10)]);
        assert_eq!(slices("bytes=-5", 100), [(95, 5)]);
    }

    #[test]
    fn ends_past_the_object_are_brought_in() {
        assert_eq!(slices("bytes=90-1000", 100), [(90, 10)]);
        assert_eq!(slices("bytes=-1000", 100), [(0, 100)]);
        assert_eq!(slices("bytes=1-99999999999999999999999", 100), [(1, 99)]);
    }

    #[test]
    fn several_ranges_keep_their_order_and_overlaps() {
        assert_eq!(
            slices("Bytes = 50-59 ,, 0-0,\t55-,200-300", 100),
            [(50, 10), (0, 1), (55, 45)]
        );
    }

    #[test]
    fn malformed_headers_and_other_units_are_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=5-3",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=a-b",
            "bytes=0-1,x",
            "lines=0-9",
            "bytes=0x1-2",
            "bytes=1 - 2",
        ] {
            assert_eq!(asked(header, 100), Ranges::Whole, "{header}");
        }
    }

    #[test]
    fn ranges_outside_the_object_are_unsatisfiable() {
        for (header, length) in [
            ("bytes=100-", 100),
            ("bytes=-0", 100),
            ("bytes=0-", 0),
            ("bytes=200-300,400-", 100),
        ] {
            assert_eq!(asked(header, length), Ranges::Unsatisfiable, "{header}");
        }
        assert_eq!(asked("bytes=-5", 0), Ranges::Whole);
    }
}
