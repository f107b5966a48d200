//! Tokens that a registry wants of everybody: where its challenge sends a client, and what the client gets there.
//!
//! The protocol is the distribution project's "Token Authentication Specification".

use anyhow::{Context, Result, ensure};
use http_auth::ChallengeParser;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use ureq::Body;
use ureq::http::Response;
use ureq::http::header::WWW_AUTHENTICATE;

use super::http::Http;

/// Most bytes believed of an answer with a token. Real ones are a few kilobytes.
const LIMIT_BYTES: u64 = 1 << 20;

/// What a registry says with its 401: where tokens are, and for which service.
#[derive(Debug, PartialEq)]
pub struct Challenge {
    realm: String,
    service: Option<String>,
}

/// An answer of a token server: by one name or by the other.
#[derive(Deserialize)]
struct Document {
    token: Option<String>,
    access_token: Option<String>,
}

impl Challenge {
    /// The challenge of an answer, if it is one that a token meets.
    pub fn of(response: &Response<Body>) -> Option<Challenge> {
        let headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
        headers
            .filter_map(|header| header.to_str().ok())
            .find_map(Challenge::parse)
    }

    fn parse(header: &str) -> Option<Challenge> {
        let challenges = ChallengeParser::new(header).filter_map(Result::ok);
        let bearer = { challenges }.find(|one| one.scheme.eq_ignore_ascii_case("bearer"))?;
        let value = |wanted: &str| {
            let named = bearer.params.iter();
            named
                .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.to_unescaped())
                .next()
        };
        Some(Challenge {
            realm: value("realm")?,
            service: value("service"),
        })
    }

    /// A token to pull from `repository`, without an account; the token server's own words where it refuses.
    pub fn answer(&self, http: &Http, repository: &str) -> Result<Result<String, String>> {
        let scope = format!("repository:{repository}:pull");
        let mut query = vec![("scope", scope.as_str())];
        query.extend(self.service.as_deref().map(|service| ("service", service)));
        let mut response = http.get(&with_query(&self.realm, &query), &[], None)?;
        let body = response.body_mut().with_config().limit(LIMIT_BYTES);
        let body = body.read_to_vec().context("read the answer with a token")?;
        if response.status() != 200 {
            return Ok(Err(String::from_utf8_lossy(&body).into_owned()));
        }
        let document: Document =
            serde_json::from_slice(&body).context("the answer with a token is not JSON")?;
        let token = document.token.or(document.access_token);
        let token = token.context("the answer with a token has none")?;
        ensure!(
            !token.is_empty(),
            "the answer with a token has an empty one"
        );
        Ok(Ok(token))
    }
}

/// A URL with more in its query.
fn with_query(url: &str, query: &[(&str, &str)]) -> String {
    let mut url = url.to_string();
    for (name, value) in query {
        let mark = if url.contains('?') { '&' } else { '?' };
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        url += &format!("{mark}{name}={value}");
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_names_its_realm_and_its_service() {
        let whole = r#"Basic realm="x", bearer realm="https://auth.example/token?a=b",service="it, \"self\"",scope="y""#;
        let challenge = Challenge::parse(whole).unwrap();
        assert_eq!(challenge.realm, "https://auth.example/token?a=b");
        assert_eq!(challenge.service.as_deref(), Some(r#"it, "self""#));
        for other in [r#"Basic realm="x""#, r#"Bearer service="x""#, "", "Bearer"] {
            assert_eq!(Challenge::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_query_is_added_to_what_a_realm_has_already() {
        let query = [("scope", "repository:a/b:pull"), ("service", "x y")];
        assert_eq!(
            with_query("https://auth.example/token", &query),
            "https://auth.example/token?scope=repository%3Aa%2Fb%3Apull&service=x%20y"
        );
        assert_eq!(with_query("/t?a=b", &query[1..]), "/t?a=b&service=x%20y");
    }
}
