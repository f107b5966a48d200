//! An image's name in a registry, and how that registry is spoken to.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use oci_client::Reference;

const FORM: &str = "host[:port]/name:tag, or host[:port]/name@sha256:…";

/// The reference that a scenario states; without a tag and a digest it means `:latest`.
///
/// The host is never guessed: a bare `name:tag` means one registry to one tool and another to the next.
pub fn parse(text: &str) -> Result<Reference> {
    let (host, name) = text
        .split_once('/')
        .filter(|(host, _)| host.contains(['.', ':']) || *host == "localhost")
        .with_context(|| format!("`{text}` names no registry; the form is {FORM}"))?;
    let said = || format!("`{text}` is not an image in a registry; the form is {FORM}");
    let reference: Reference = if host.starts_with('[') {
        ensure!(ip(host).is_some(), said());
        // The library knows no IPv6 hosts in references, but takes one that is put in its place.
        let elsewhere: Reference = format!("localhost/{name}").parse().with_context(said)?;
        with_host(&elsewhere, host)
    } else {
        text.parse().with_context(said)?
    };
    if let Some(digest) = reference.digest() {
        ensure!(
            digest.starts_with("sha256:"),
            "`{text}`: the digest must be a sha256"
        );
    }
    Ok(reference)
}

fn with_host(reference: &Reference, host: &str) -> Reference {
    let (host, name) = (host.to_string(), reference.repository().to_string());
    match (reference.tag(), reference.digest()) {
        (Some(tag), Some(digest)) => {
            Reference::with_tag_and_digest(host, name, tag.to_string(), digest.to_string())
        }
        (_, Some(digest)) => Reference::with_digest(host, name, digest.to_string()),
        (tag, None) => Reference::with_tag(host, name, tag.unwrap_or("latest").to_string()),
    }
}

/// Whether a host, with or without a port, is this machine: 127.0.0.0/8, `[::1]` or `localhost`.
///
/// Told by what it is called and never by where its name leads, since a name leads elsewhere tomorrow.
pub fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    ip(host).map_or(name == "localhost", |ip| ip.is_loopback())
}

/// The address that a host is, if it is one.
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
    fn a_reference_names_its_registry() {
        for (text, whole) in [
            ("registry.example/a/b:1", "registry.example/a/b:1"),
            ("registry.example:5000/a", "registry.example:5000/a:latest"),
            ("localhost/a:1", "localhost/a:1"),
            ("[::1]:5000/a:1", "[::1]:5000/a:1"),
            ("[::1]/a", "[::1]/a:latest"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), whole);
        }
        let digest = format!("127.0.0.1:5000/a@sha256:{}", "0".repeat(64));
        assert_eq!(parse(&digest).unwrap().to_string(), digest);
        for text in ["a:1", "library/a:1", "", "/a:1"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("names no registry"), "{error}");
        }
        let short = "registry.example/a@sha256:00";
        for text in [
            "http://registry.example/a:1",
            "registry.example/A:1",
            "[::1/a",
            "[x:1]/a",
            "registry.example/",
            short,
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains("is not an image in a registry"), "{error}");
        }
    }

    #[test]
    fn only_what_is_called_this_machine_is_this_machine() {
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
