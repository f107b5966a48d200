//! The registry's server: asked for manifests and blobs, its refusals put in words.

use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use oci_client::client::{BlobResponse, ClientConfig, ClientProtocol, SizedStream};
use oci_client::errors::{DigestError, OciDistributionError, OciError};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};

use super::{manifest, reference};

/// Longer than any link takes to answer, short enough to notice that nobody does.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an answer may pause. There is no limit for the whole: a layer may be long and a link slow.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Characters of a server's own words that an error repeats: some answer with a web page.
const WORDS: usize = 300;

/// One image's registry, and the image asked for there.
pub struct Server {
    client: Client,
    pub reference: Reference,
    host: String,
    is_loopback: bool,
}

/// A blob on its way.
pub struct Answer {
    /// Whether it begins at the byte asked for, rather than at the first.
    pub continues: bool,
    pub stream: SizedStream,
}

/// How to reach `host`, given the environment's variables.
///
/// Plain http leads to this machine alone, also where a redirect or a token's realm asks for it: the proxy named for it
/// takes the place of the environment's, and nobody is there (the port is for discarding).
fn config(host: &str, variable: impl Fn(&str) -> Option<String>) -> ClientConfig {
    let either = |lower: &str, upper: &str| variable(lower).or_else(|| variable(upper));
    let mut config = ClientConfig {
        protocol: ClientProtocol::Https,
        http_proxy: Some("http://127.0.0.1:9".to_string()),
        // A proxy given turns off those of the environment, so this one is handed on.
        https_proxy: either("https_proxy", "HTTPS_PROXY"),
        no_proxy: either("no_proxy", "NO_PROXY"),
        connect_timeout: Some(CONNECT_TIMEOUT),
        read_timeout: Some(READ_TIMEOUT),
        user_agent: concat!("delta-lab/", env!("CARGO_PKG_VERSION")),
        // Indexes are resolved here, where the platform is known.
        platform_resolver: None,
        ..ClientConfig::default()
    };
    if reference::is_loopback(host) {
        config.protocol = ClientProtocol::HttpsExcept(vec![host.to_string()]);
        config.no_proxy = Some("127.0.0.0/8,::1,localhost".to_string());
    }
    config
}

impl Server {
    /// Speaks to the registry for the first time, as a client without an account: by https, and to this machine
    /// alone by plain http. A token that it wants of everybody is fetched.
    pub async fn connect(wanted: &Reference) -> Result<Server> {
        // An error says that a provider is there already, which is as good.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let host = wanted.resolve_registry().to_string();
        let is_loopback = reference::is_loopback(&host);
        let config = config(&host, |name| std::env::var(name).ok());
        let server = Server {
            // Even for plain http the library makes a client that can speak TLS.
            client: Client::try_from(config).context(
                "make a client of registries (it needs the authorities' certificates; on Debian: apt-get install \
                 ca-certificates)",
            )?,
            reference: wanted.clone(),
            host,
            is_loopback,
        };
        // The library would do this by itself before each request, and say nothing of what went wrong.
        server
            .client
            .auth(wanted, &RegistryAuth::Anonymous, RegistryOperation::Pull)
            .await
            .map_err(|error| server.in_words(error, &wanted.to_string()))?;
        Ok(server)
    }

    /// The manifest or index under `reference`, its digest verified: `sha256:…`.
    pub async fn manifest(&self, reference: &Reference) -> Result<(Vec<u8>, String)> {
        let pulled = self
            .client
            .pull_manifest_raw(reference, &RegistryAuth::Anonymous, manifest::TYPES)
            .await;
        let (bytes, digest) =
            pulled.map_err(|error| self.in_words(error, &reference.to_string()))?;
        Ok((bytes.into(), digest))
    }

    /// The blob's bytes from `first` on, where the server can begin there. They are not verified.
    pub async fn blob(&self, digest: &str, first: u64) -> Result<Answer> {
        let from_the_start = |stream| Answer {
            continues: false,
            stream,
        };
        let (client, reference) = (&self.client, &self.reference);
        let answer = if first == 0 {
            let stream = client.pull_blob_stream(reference, digest).await;
            stream.map(from_the_start)
        } else {
            let answer = client.pull_blob_stream_partial(reference, digest, first, None);
            answer.await.map(|answer| match answer {
                BlobResponse::Full(stream) => from_the_start(stream),
                BlobResponse::Partial(stream) => Answer {
                    continues: true,
                    stream,
                },
            })
        };
        answer.map_err(|error| self.in_words(error, digest))
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    /// What went wrong, in the registry's words where it has some.
    fn in_words(&self, error: OciDistributionError, what: &str) -> Error {
        let host = &self.host;
        match error {
            OciDistributionError::RegistryError { envelope, .. } => {
                let words: Vec<String> = envelope.errors.iter().map(words_of).collect();
                anyhow!("{host} says of {what}: {}", words.join("; "))
            }
            // What the registry said with its 401 does not reach us.
            OciDistributionError::UnauthorizedError { .. } => anyhow!(
                "{host} answers 401 for {what}: it is private, or it is not there \
                 (no credentials are used here; `docker = …` uses docker's)"
            ),
            OciDistributionError::AuthenticationFailure(words) => {
                anyhow!("{host} gives no token for {what}: {}", short(&words))
            }
            OciDistributionError::ServerError { code, message, .. } => {
                anyhow!("{host} answers {code} for {what}: {}", short(&message))
            }
            OciDistributionError::DigestError(DigestError::VerificationError {
                expected,
                actual,
            }) => anyhow!("digest mismatch: {what} should be {expected}, and {host} sent {actual}"),
            error => {
                let hint = if !self.is_loopback && is_not_tls(&error) {
                    "; it does not speak https, and plain http is for this machine alone"
                } else {
                    ""
                };
                Error::new(error).context(format!("ask {host} for {what}{hint}"))
            }
        }
    }
}

/// One error of a registry: its code and its message, both its own.
fn words_of(error: &OciError) -> String {
    let code = serde_json::to_value(&error.code).unwrap_or_default();
    format!(
        "{}: {}",
        code.as_str().unwrap_or("error"),
        short(&error.message)
    )
}

fn short(words: &str) -> String {
    let line: Vec<&str> = words.split_whitespace().collect();
    line.join(" ").chars().take(WORDS).collect()
}

/// Whether the other side answered a TLS greeting with something else, as rustls tells it.
fn is_not_tls(error: &OciDistributionError) -> bool {
    format!("{error:?}").contains("InvalidContentType")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_leads_nowhere_else_whichever_the_registry_and_the_environment() {
        let variable = |name: &str| match name {
            "http_proxy" => Some("http://proxy.example:3128".to_string()),
            "HTTPS_PROXY" => Some("http://proxy.example:3129".to_string()),
            _ => None,
        };
        for host in [
            "registry.example",
            "registry.example:5000",
            "127.0.0.1:5000",
        ] {
            let config = config(host, variable);
            assert_eq!(
                config.http_proxy.as_deref(),
                Some("http://127.0.0.1:9"),
                "{host}"
            );
            assert_eq!(
                config.https_proxy.as_deref(),
                Some("http://proxy.example:3129"),
                "{host}"
            );
            let is_plain = matches!(config.protocol, ClientProtocol::HttpsExcept(_));
            assert_eq!(is_plain, host.starts_with("127."), "{host}");
        }
    }
}
