//! HTTP for registries: https, plain http to this machine alone, and redirects followed within that rule.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ureq::config::Config;
use ureq::http::header::LOCATION;
use ureq::http::uri::Scheme;
use ureq::http::{Response, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

use super::reference::is_loopback;

/// Longer than any link takes to answer, short enough to notice that nobody does.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an answer may pause. There is no limit for the whole: a layer may be long and a link slow.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Most redirects followed for one request. Registries that keep blobs elsewhere need one.
const REDIRECTS: usize = 10;

/// A client of one registry, its token server and its blob stores.
pub struct Http {
    agent: Agent,
    /// Whether plain http to this machine is allowed: only when the registry itself is here.
    allows_plain: bool,
}

/// What an error of ureq means for the user, beyond its own words.
pub enum Cause {
    NotTls,
    NoAuthorities,
    Other,
}

impl Http {
    /// A client of the registry at `host`.
    pub fn new(host: &str) -> Result<Http> {
        let config = config(|name| std::env::var(name).ok())?;
        Ok(Http {
            agent: Agent::new_with_config(config),
            allows_plain: is_loopback(host),
        })
    }

    /// Gets `url` with these headers, wherever it is redirected to.
    ///
    /// The token is sent to the host of `url` alone. Any status but a redirect is returned, also 4xx and 5xx.
    pub fn get(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        token: Option<&str>,
    ) -> Result<Response<Body>> {
        let asked: Uri = url
            .parse()
            .with_context(|| format!("`{url}` is not a URL"))?;
        let mut url = asked.clone();
        for _ in 0..=REDIRECTS {
            let is_plain = self.check(&url)?;
            let mut request = self.agent.get(&url);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(token) = token
                && origin(&url) == origin(&asked)
            {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            if is_plain {
                request = request.config().proxy(None).build();
            }
            let response = request.call()?;
            let location = response.headers().get(LOCATION);
            let Some(location) = location.filter(|_| response.status().is_redirection()) else {
                return Ok(response);
            };
            let location = location.to_str().context("a redirect that is not text")?;
            url = follow(&url, location)
                .with_context(|| format!("a redirect from {url} to `{location}`"))?;
        }
        bail!("more than {REDIRECTS} redirects from {asked}")
    }

    /// Whether `url` is plain http. Fails where that is not allowed.
    fn check(&self, url: &Uri) -> Result<bool> {
        if url.scheme() == Some(&Scheme::HTTPS) {
            return Ok(false);
        }
        let host = url.authority().map_or("", |authority| authority.as_str());
        ensure!(
            url.scheme() == Some(&Scheme::HTTP) && self.allows_plain && is_loopback(host),
            "`{url}` is not https, and plain http is for this machine alone"
        );
        Ok(true)
    }
}

/// The settings of every request, given the environment's variables. The environment's proxy is used for https alone.
fn config(variable: impl Fn(&str) -> Option<String>) -> Result<Config> {
    let either = |lower: &str, upper: &str| variable(lower).or_else(|| variable(upper));
    let proxy = match either("https_proxy", "HTTPS_PROXY").filter(|proxy| !proxy.is_empty()) {
        Some(text) => {
            let except = either("no_proxy", "NO_PROXY").unwrap_or_default();
            let proxy = proxy(&text, &except);
            Some(proxy.with_context(|| format!("the https_proxy of the environment, `{text}`"))?)
        }
        None => None,
    };
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    Ok(Agent::config_builder()
        .user_agent(concat!("delta-lab/", env!("CARGO_PKG_VERSION")))
        // A blob's digest is that of its bytes as they are kept.
        .accept_encoding("")
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(proxy)
        .tls_config(tls)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_per_read(Some(READ_TIMEOUT))
        .build())
}

/// The proxy at `text`, used for all hosts but those of the comma-separated list `except`.
fn proxy(text: &str, except: &str) -> Result<Proxy, ureq::Error> {
    let plain = Proxy::new(text)?;
    let mut builder = Proxy::builder(plain.protocol())
        .host(plain.host())
        .port(plain.port());
    if let Some(name) = plain.username() {
        builder = builder.username(name);
    }
    if let Some(password) = plain.password() {
        builder = builder.password(password);
    }
    for host in except.split(',').map(str::trim) {
        if !host.is_empty() {
            builder = builder.no_proxy(host);
        }
    }
    builder.build()
}

/// Scheme, host and port.
fn origin(url: &Uri) -> (Option<&str>, Option<&str>) {
    let authority = url.authority().map(|authority| authority.as_str());
    (url.scheme_str(), authority)
}

/// Where a `Location` leads that came in answer to `from`: it may be absolute or, as RFC 9110 allows, relative.
fn follow(from: &Uri, location: &str) -> Result<Uri> {
    if let Ok(whole) = location.parse::<Uri>()
        && whole.scheme().is_some()
    {
        return Ok(whole);
    }
    let (scheme, host) = origin(from);
    let (scheme, host) = (scheme.unwrap_or_default(), host.unwrap_or_default());
    let whole = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{host}{location}")
    } else {
        let (folder, _) = from.path().rsplit_once('/').unwrap_or_default();
        format!("{scheme}://{host}{folder}/{location}")
    };
    Ok(whole.parse()?)
}

/// Tells errors apart that rustls and the verifier of certificates word for programmers.
pub fn cause(error: &anyhow::Error) -> Cause {
    let told = format!("{error:?}");
    if told.contains("InvalidContentType") {
        Cause::NotTls
    } else if told.contains("No CA certificates") {
        Cause::NoAuthorities
    } else {
        Cause::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environments_proxy_is_for_https_alone_and_not_for_the_hosts_it_excepts() {
        let variable = |name: &str| match name {
            "http_proxy" => Some("http://proxy.example:3128".to_string()),
            "HTTPS_PROXY" => Some("http://me:secret@proxy.example:3129".to_string()),
            "no_proxy" => Some("near.example, .inside.example".to_string()),
            _ => None,
        };
        let config = config(variable).unwrap();
        let proxy = config.proxy().unwrap();
        assert_eq!((proxy.host(), proxy.port()), ("proxy.example", 3129));
        assert_eq!(
            proxy.username().zip(proxy.password()),
            Some(("me", "secret"))
        );
        for (host, is_direct) in [
            ("near.example", true),
            ("a.inside.example", true),
            ("far.example", false),
        ] {
            let url = format!("https://{host}/v2/").parse().unwrap();
            assert_eq!(proxy.is_no_proxy(&url), is_direct, "{host}");
        }
        let none = |name: &str| (name == "http_proxy").then(|| "http://a.example".to_string());
        assert!(super::config(none).unwrap().proxy().is_none());
    }

    #[test]
    fn plain_http_leads_nowhere_but_to_this_machine_and_only_from_a_registry_here() {
        for (registry, url, is_fine) in [
            ("127.0.0.1:5000", "http://127.0.0.1:5000/v2/", true),
            ("127.0.0.1:5000", "http://localhost/token", true),
            ("127.0.0.1:5000", "http://elsewhere.example/token", false),
            ("127.0.0.1:5000", "https://elsewhere.example/token", true),
            ("registry.example", "http://registry.example/v2/", false),
            ("registry.example", "http://127.0.0.1/token", false),
            ("registry.example", "ftp://registry.example/", false),
            ("registry.example", "https://registry.example/v2/", true),
        ] {
            let http = Http::new(registry).unwrap();
            let checked = http.check(&url.parse().unwrap());
            assert_eq!(checked.is_ok(), is_fine, "{registry}: {url}");
        }
    }

    #[test]
    fn a_location_may_be_relative() {
        let from = "https://registry.example:5000/v2/a/blobs/x?y=1";
        for (location, whole) in [
            ("https://cdn.example/x", "https://cdn.example/x"),
            ("//cdn.example/x", "https://cdn.example/x"),
            ("/x?z", "https://registry.example:5000/x?z"),
            ("z", "https://registry.example:5000/v2/a/blobs/z"),
        ] {
            let followed = follow(&from.parse().unwrap(), location).unwrap();
            assert_eq!(followed.to_string(), whole);
        }
    }
}
