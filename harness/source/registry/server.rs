//! A registry's server: requests for manifests and blobs, and readable errors for its refusals.

use std::cell::RefCell;

use anyhow::{Context, Error, Result, anyhow, ensure};
use serde::Deserialize;
use serde_json::Value;
use ureq::http::header::CONTENT_RANGE;
use ureq::http::{Response, StatusCode};
use ureq::{Body, BodyReader};

use super::http::{self, Cause, Http};
use super::reference::{self, Reference};
use super::token::Challenge;
use crate::archive::document::{INDEX_TYPE, MANIFEST_TYPE};
use crate::image::sha256_hex;

/// Longest manifest that is read: more than a registry must accept (OCI distribution specification 1.1: 4 MiB).
const MANIFEST_LIMIT_BYTES: u64 = 8 << 20;

/// Most bytes read of a refusal.
const REFUSAL_LIMIT_BYTES: u64 = 64 << 10;

/// Documents that are asked for.
const TYPES: &[&str] = &[
    INDEX_TYPE,
    MANIFEST_TYPE,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Most characters of a server's message that an error repeats: some servers answer with a web page.
const WORDS: usize = 300;

/// One image's registry, and the image asked for there.
///
/// It is asked without an account, through https, or through plain http if it is on this machine. A token that the
/// registry requires of anonymous clients is fetched, and again when it expires during a long pull.
pub struct Server {
    http: Http,
    pub reference: Reference,
    host: String,
    token: RefCell<Option<String>>,
}

/// A response with a blob.
pub struct BlobAnswer {
    /// Whether it starts at the byte asked for; otherwise it starts at the first byte.
    pub continues: bool,
    pub body: BodyReader<'static>,
}

/// What a registry says with a refusal.
#[derive(Deserialize)]
struct Refusal {
    errors: Vec<Words>,
}

/// One error of a registry: its code and its message, both its own.
#[derive(Deserialize)]
struct Words {
    #[serde(default)]
    code: Value,
    #[serde(default)]
    message: Value,
}

impl Server {
    /// Nothing is sent yet.
    pub fn new(wanted: &Reference) -> Result<Server> {
        let host = wanted.server().to_string();
        Ok(Server {
            http: Http::new(&host)?,
            reference: wanted.clone(),
            host,
            token: RefCell::default(),
        })
    }

    /// The manifest or index under `reference`, its digest verified: `sha256:…`.
    pub fn manifest(&self, reference: &Reference) -> Result<(Vec<u8>, String)> {
        let what = reference.to_string();
        let path = format!("manifests/{}", reference.version());
        let mut response = self.ask(&path, &[("Accept", &TYPES.join(", "))], &what)?;
        let header = response.headers().get("Docker-Content-Digest");
        let header = header.and_then(|digest| Some(digest.to_str().ok()?.to_string()));
        let header = header.filter(|digest| reference::is_sha256(digest));
        let body = response.body_mut().with_config();
        let bytes = body
            .limit(MANIFEST_LIMIT_BYTES)
            .read_to_vec()
            .with_context(|| format!("read the manifest of {what}"))?;
        let sent = format!("sha256:{}", sha256_hex(&bytes));
        let expected = reference.digest().or(header.as_deref()).unwrap_or(&sent);
        ensure!(
            expected == sent,
            "digest mismatch: {what} should be {expected}, and {} sent {sent}",
            self.host
        );
        Ok((bytes, sent))
    }

    /// The blob's bytes from `first` on, where the server can begin there. They are not verified.
    pub fn blob(&self, digest: &str, first: u64) -> Result<BlobAnswer> {
        let range = format!("bytes={first}-");
        let range = [("Range", range.as_str())];
        let headers = if first == 0 { &[][..] } else { &range };
        let response = self.ask(&format!("blobs/{digest}"), headers, digest)?;
        let continues = response.status() == StatusCode::PARTIAL_CONTENT;
        if continues {
            let place = response.headers().get(CONTENT_RANGE);
            let place = place.and_then(|place| place.to_str().ok()).unwrap_or("");
            ensure!(
                place.starts_with(&format!("bytes {first}-")),
                "{} was asked for {digest} from byte {first} on, and sent `{place}`",
                self.host
            );
        }
        Ok(BlobAnswer {
            continues,
            body: response.into_body().into_reader(),
        })
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    /// Asks for `path` of the repository, with a token where the registry wants one.
    fn ask(&self, path: &str, headers: &[(&str, &str)], what: &str) -> Result<Response<Body>> {
        let scheme = if reference::is_loopback(&self.host) {
            "http"
        } else {
            "https"
        };
        let (host, repository) = (&self.host, &self.reference.repository);
        let url = format!("{scheme}://{host}/v2/{repository}/{path}");
        let get = || {
            let token = self.token.borrow();
            let response = self.http.get(&url, headers, token.as_deref());
            response.map_err(|error| self.unreachable(error, what))
        };
        let mut response = get()?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(challenge) = Challenge::of(&response)
        {
            let answer = challenge.answer(&self.http, repository);
            let answer = answer.map_err(|error| self.unreachable(error, "a token"))?;
            let token = answer
                .map_err(|words| anyhow!("{host} gives no token for {what}: {}", short(&words)))?;
            self.token.replace(Some(token));
            response = get()?;
        }
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refused(response, what))
    }

    /// The error of a request without an answer, with a hint where one is known.
    fn unreachable(&self, error: Error, what: &str) -> Error {
        let hint = match http::cause(&error) {
            Cause::NotTls => {
                "; it does not speak https, and plain http is used only on this machine"
            }
            Cause::NoAuthorities => {
                "; https needs the authorities' certificates (on Debian: apt-get install ca-certificates)"
            }
            Cause::Other => "",
        };
        error.context(format!("ask {} for {what}{hint}", self.host))
    }

    /// The error of a refusal, with the registry's message if there is one.
    fn refused(&self, mut response: Response<Body>, what: &str) -> Error {
        let (host, status) = (&self.host, response.status());
        if status == StatusCode::UNAUTHORIZED {
            return anyhow!(
                "{host} answers 401 for {what}: it is private or does not exist \
                 (no credentials are used here; `docker = …` uses docker's)"
            );
        }
        let body = response.body_mut().with_config().limit(REFUSAL_LIMIT_BYTES);
        let body = body.read_to_vec().unwrap_or_default();
        let said = serde_json::from_slice::<Refusal>(&body).map_or(Vec::new(), |said| said.errors);
        if said.is_empty() {
            let said = short(&String::from_utf8_lossy(&body));
            return anyhow!("{host} answers {} for {what}: {said}", status.as_u16());
        }
        let said: Vec<String> = said.iter().map(Words::said).collect();
        anyhow!("{host} refuses {what}: {}", said.join("; "))
    }
}

impl Words {
    fn said(&self) -> String {
        let text = |value: &Value| short(value.as_str().unwrap_or_default());
        let code = self.code.as_str().map_or("error".to_string(), short);
        format!("{code}: {}", text(&self.message))
    }
}

fn short(words: &str) -> String {
    let line: Vec<&str> = words.split_whitespace().collect();
    line.join(" ").chars().take(WORDS).collect()
}
