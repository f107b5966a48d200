//! The name of an image in a registry, and whether that registry is on this machine.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result, ensure};

const FORM: &str = "host[:port]/name:tag, or host[:port]/name@sha256:…";

/// Docker Hub by the name that references have, and by the older one, where its registry answers.
const HUB: &str = "docker.io";
const HUB_SERVER: &str = "index.docker.io";

/// Longest repository and longest tag that a registry must accept (OCI distribution specification 1.1, "Pulling
/// manifests"; the first is a limit of clients).
const REPOSITORY_BYTES: usize = 255;
const TAG_BYTES: usize = 128;

/// An image's name in a registry.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// With its port where it has one; an IPv6 address is in brackets.
    host: String,
    pub repository: String,
    tag: Option<String>,
    /// `sha256:` and 64 hex digits.
    digest: Option<String>,
}

impl Reference {
    /// The host that answers for it.
    pub fn server(&self) -> &str {
        if self.host == HUB {
            HUB_SERVER
        } else {
            &self.host
        }
    }

    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// What its manifest is asked for by: the digest, or else the tag.
    pub fn version(&self) -> &str {
        let version = self.digest.as_deref().or(self.tag.as_deref());
        version.unwrap_or("latest")
    }

    /// The manifest with this digest in the same repository.
    pub fn at(&self, digest: &str) -> Reference {
        Reference {
            tag: None,
            digest: Some(digest.to_string()),
            ..self.clone()
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        write!(to, "{}/{}", self.host, self.repository)?;
        for (mark, part) in [(':', &self.tag), ('@', &self.digest)] {
            if let Some(part) = part {
                write!(to, "{mark}{part}")?;
            }
        }
        Ok(())
    }
}

/// Parses a reference; without a tag or a digest it means `:latest`.
///
/// The host is never guessed, because tools disagree on the registry of a bare `name:tag`.
pub fn parse(text: &str) -> Result<Reference> {
    let (host, name) = text
        .split_once('/')
        .filter(|(host, _)| host.contains(['.', ':']) || *host == "localhost")
        .with_context(|| format!("`{text}` names no registry; write {FORM}"))?;
    let (name, digest) = match name.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (name, None),
    };
    let (repository, tag) = match name.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (name, digest.is_none().then_some("latest")),
    };
    if let Some(digest) = digest {
        ensure!(
            digest.starts_with("sha256:"),
            "`{text}`: the digest must be a sha256"
        );
    }
    ensure!(
        (ip(host).is_some() || is_domain(host))
            && is_repository(repository)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_sha256),
        "`{text}` is not an image in a registry; the form is {FORM}"
    );
    let host = if host == HUB_SERVER { HUB } else { host };
    // Docker Hub's own images are in a repository that nobody writes.
    let library = if host == HUB && !repository.contains('/') {
        "library/"
    } else {
        ""
    };
    Ok(Reference {
        host: host.to_string(),
        repository: format!("{library}{repository}"),
        tag: tag.map(str::to_string),
        digest: digest.map(str::to_string),
    })
}

/// Whether a docker engine can have an image of that name: with or without a registry's host, or an image's id.
pub fn is_engines(text: &str) -> bool {
    let id = text.strip_prefix("sha256:").unwrap_or(text);
    let is_id = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id || parse(text).is_ok() || parse(&format!("localhost/{text}")).is_ok()
}

// What follows is the grammar of references as the distribution project has it (reference/reference.go there).

fn is_domain(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let is_label = |label: &str| {
        let of = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        label.bytes().all(of) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_filled = |label: &str| !label.is_empty() && is_label(label);
    name.split('.').all(is_filled) && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
}

/// Components of lower-case letters and digits, which `.`, `_`, `__` or any number of `-` may part.
fn is_repository(name: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let is_separator =
        |part: &str| matches!(part, "" | "." | "_" | "__") || part.bytes().all(|byte| byte == b'-');
    let is_component = |part: &str| {
        part.starts_with(is_plain)
            && part.ends_with(is_plain)
            && part.split(is_plain).all(is_separator)
    };
    name.len() <= REPOSITORY_BYTES && name.split('/').all(is_component)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = tag.bytes();
    tag.len() <= TAG_BYTES
        && bytes.next().is_some_and(is_word)
        && bytes.all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

/// Whether it can be verified here, and be a file's name: `sha256:` and 64 lower-case hex digits.
pub fn is_sha256(digest: &str) -> bool {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a host, with or without a port, is this machine: 127.0.0.0/8, `[::1]` or `localhost`.
///
/// The name is never resolved, because it may resolve to another address tomorrow.
pub fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    ip(host).map_or(name == "localhost", |ip| ip.is_loopback())
}

/// The host as an address, if it is one.
fn ip(host: &str) -> Option<IpAddr> {
    let v6 = || {
        let inside = host.strip_prefix('[')?.strip_suffix(']')?;
        inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    };
    let with_port = || host.parse().ok().map(|address: SocketAddr| address.ip());
    host.parse().ok().or_else(with_port).or_else(v6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_engine_can_have_are_told_from_those_it_can() {
        for name in [
            "web",
            "web:1",
            "me/web:1.2",
            "host:5000/web@sha256:",
            "3f4a",
            "a.b/c:d",
        ] {
            let digest = "0".repeat(64);
            let name = name.replace("sha256:", &format!("sha256:{digest}"));
            assert!(is_engines(&name), "{name}");
        }
        for name in [
            "", "Web", "we b", "-o/x", "web:", "web:a b", "a//b", "../web",
        ] {
            assert!(!is_engines(name), "{name}");
        }
    }

    #[test]
    fn a_reference_names_its_registry() {
        for (text, whole) in [
            ("registry.example/a/b:1", "registry.example/a/b:1"),
            ("registry.example:5000/a", "registry.example:5000/a:latest"),
            ("localhost/a:1", "localhost/a:1"),
            ("[::1]:5000/a:1", "[::1]:5000/a:1"),
            ("[::1]/a", "[::1]/a:latest"),
            ("docker.io/a", "docker.io/library/a:latest"),
            ("index.docker.io/a/b:1", "docker.io/a/b:1"),
            (
                "registry.example/a__b.c_d---e/f:A.b-c_1",
                "registry.example/a__b.c_d---e/f:A.b-c_1",
            ),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), whole);
        }
        let digest = format!("127.0.0.1:5000/a@sha256:{}", "0".repeat(64));
        assert_eq!(parse(&digest).unwrap().to_string(), digest);
        for text in ["a:1", "library/a:1", "", "/a:1"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("names no registry"), "{error}");
        }
        assert_eq!(parse(&digest).unwrap().version().len(), 71);
        let hub = parse("docker.io/ubuntu:18.04").unwrap();
        assert_eq!(hub.server(), "index.docker.io");
        let (tagged, other) = (
            format!("a.example/b:1@{}", &digest[17..]),
            "a.example/b@md5:00",
        );
        let tagged = parse(&tagged).unwrap();
        assert_eq!(Some(tagged.version()), tagged.digest());
        assert!(
            parse(other)
                .unwrap_err()
                .to_string()
                .contains("must be a sha256")
        );
        let short = "registry.example/a@sha256:00";
        for text in [
            "http://registry.example/a:1",
            "registry.example/A:1",
            "[::1/a",
            "[x:1]/a",
            "registry.example/",
            "registry.example/a//b",
            "registry.example/a-:1",
            "registry.example/a..b:1",
            "registry.example/a___b:1",
            "registry.example/a:",
            "registry.example/a:-1",
            "registry.example/a:1:2",
            "registry..example/a",
            "-registry.example/a",
            "registry.example:/a",
            short,
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains("is not an image in a registry"), "{error}");
        }
    }

    #[test]
    fn a_host_is_this_machine_only_by_its_name() {
        for host in [
            "127.0.0.1",
            "127.9.9.9:80",
            "[::1]",
            "[::1]:5000",
            "localhost",
            "localhost:5000",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "0.0.0.0:5000",
            "10.0.0.1",
            "127.0.0.1.example",
            "localhost.example:5000",
            "[::2]:5000",
            "registry.example",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
