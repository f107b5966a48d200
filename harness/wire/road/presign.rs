//! Presigned URLs: the right to one request, on one object, until a moment (AWS Signature Version 4, in the query).
//!
//! Docs: docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::image::hex;

/// Of a user of an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    pub access: String,
    pub secret: String,
}

/// The region of every server here; it is signed and means nothing else.
const REGION: &str = "us-east-1";

/// A day: longer than any update takes.
const LASTS_S: u32 = 86_400;

/// All but the unreserved characters of RFC 3986.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// `url`, an object's address that is percent-encoded already, with what lets its holder do `verb` on it.
pub fn link(keys: &Keys, verb: &str, url: &str, now: Timestamp) -> String {
    let (host, path) = parts(url);
    let moment = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &moment[..8];
    let scope = format!("{day}/{REGION}/s3/aws4_request");
    let credential = format!("{}/{scope}", keys.access);
    let query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={moment}&X-Amz-Expires={LASTS_S}&X-Amz-SignedHeaders=host",
        utf8_percent_encode(&credential, IN_QUERY)
    );
    let request = format!("{verb}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}",
        hex(&Sha256::digest(request))
    );
    let secret = format!("AWS4{}", keys.secret).into_bytes();
    let key = [day, REGION, "s3", "aws4_request"]
        .iter()
        .fold(secret, |key, word| mac(&key, word));
    format!(
        "{url}?{query}&X-Amz-Signature={}",
        hex(&mac(&key, &to_sign))
    )
}

/// Host and path of `http://host/path`.
fn parts(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the document above.
    #[test]
    fn a_link_is_what_the_document_says() {
        let keys = Keys {
            access: "AKIAIOSFODNN7EXAMPLE".to_string(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_string(),
        };
        let url = "https://examplebucket.s3.amazonaws.com/test.txt";
        let signed = link(&keys, "GET", url, "2013-05-24T00:00:00Z".parse().unwrap());
        assert_eq!(
            signed,
            "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }
}
