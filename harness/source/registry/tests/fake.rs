//! A small registry in this process, which can be made to misbehave.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use serde_json::{Value, json};

use crate::archive::examples::{config_of, gzip};
use crate::image::sha256_hex;

/// What the registry holds, how it behaves, and what it was asked.
#[derive(Default)]
pub struct State {
    /// By path.
    pub objects: BTreeMap<String, Vec<u8>>,
    /// A client without this token is told to fetch it.
    pub token: Option<String>,
    /// No client gets a token; this is the reason.
    pub refusal: Option<String>,
    /// By path: the numbers of bytes after which the next responses break off.
    pub cuts: BTreeMap<String, Vec<usize>>,
    pub ignores_ranges: bool,
    /// By path: where it is instead.
    pub moved: BTreeMap<String, String>,
    pub asked: Vec<Asked>,
}

/// One request, and the bytes of the body that it got.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// `TLS` for a handshake of that protocol.
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
    pub sent: usize,
}

pub struct Fake {
    pub host: String,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub fn start() -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let name = host.clone();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                // A client may close the connection at any time.
                answer(connection, &name, &mut shared.lock().unwrap()).ok();
            }
        });
        Fake { host, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Requests for a path with this end.
    pub fn asked(&self, ending: &str) -> Vec<Asked> {
        let asked = self.state().asked.clone().into_iter();
        asked.filter(|asked| asked.path.ends_with(ending)).collect()
    }

    /// Puts a blob; its descriptor.
    pub fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let descriptor = descriptor(media_type, bytes);
        let path = format!("/v2/app/blobs/{}", descriptor["digest"].as_str().unwrap());
        self.state().objects.insert(path, bytes.to_vec());
        descriptor
    }

    /// Puts a manifest under its digest and under a tag; its descriptor.
    pub fn manifest(&self, tag: &str, manifest: &Value) -> Value {
        let bytes = manifest.to_string().into_bytes();
        let media_type = manifest["mediaType"].as_str().unwrap_or_default();
        let descriptor = descriptor(media_type, &bytes);
        let digest = descriptor["digest"].as_str().unwrap();
        for name in [tag, digest] {
            let path = format!("/v2/app/manifests/{name}");
            self.state().objects.insert(path, bytes.clone());
        }
        descriptor
    }

    /// Puts an image of these layers, gzip-compressed, in Docker's kind of manifest or in OCI's; the manifest's descriptor.
    pub fn image(&self, tag: &str, layers: &[Vec<u8>], config: Value, is_docker: bool) -> Value {
        let [manifest, of_config, of_layer] = if is_docker {
            [
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.container.image.v1+json",
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
            ]
        } else {
            [
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.oci.image.config.v1+json",
                "application/vnd.oci.image.layer.v1.tar+gzip",
            ]
        };
        let config = self.blob(of_config, config_of(layers, config).as_bytes());
        let layers = layers.iter().map(|layer| self.blob(of_layer, &gzip(layer)));
        let layers: Vec<Value> = layers.collect();
        self.manifest(
            tag,
            &json!({ "schemaVersion": 2, "mediaType": manifest, "config": config, "layers": layers }),
        )
    }
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    let digest = format!("sha256:{}", sha256_hex(bytes));
    json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
}

fn answer(mut connection: TcpStream, host: &str, state: &mut State) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    // The first byte of a TLS handshake.
    if reader.fill_buf()?.first() == Some(&0x16) {
        state.asked.push(Asked {
            path: "TLS".to_string(),
            ..Asked::default()
        });
        return connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    }
    let mut lines = reader.lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = request.split(' ').nth(1).unwrap_or_default().to_string();
    let mut asked = Asked {
        path: path.clone(),
        ..Asked::default()
    };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => asked.range = Some(value.to_string()),
            "authorization" => asked.authorization = Some(value.to_string()),
            _ => {}
        }
    }
    let bearer = state.token.as_ref().map(|token| format!("Bearer {token}"));
    let (head, body) = if path.starts_with("/token?")
        && let Some(words) = &state.refusal
    {
        ("403 Forbidden".to_string(), words.clone().into_bytes())
    } else if path.starts_with("/token?") {
        let token = json!({ "token": state.token }).to_string();
        ("200 OK".to_string(), token.into_bytes())
    } else if bearer.is_some() && asked.authorization != bearer {
        let realm = format!("Bearer realm=\"http://{host}/token\",service=\"fake\"");
        let head = format!("401 Unauthorized\r\nWWW-Authenticate: {realm}");
        (head, error("UNAUTHORIZED", "authentication required"))
    } else if let Some(elsewhere) = state.moved.get(&path) {
        let head = format!("307 Temporary Redirect\r\nLocation: {elsewhere}");
        (head, Vec::new())
    } else if let Some(object) = state.objects.get(&path) {
        match first_byte(asked.range.as_deref()).filter(|_| !state.ignores_ranges) {
            Some(first) => {
                let place = format!("bytes {first}-{}/{}", object.len() - 1, object.len());
                let head = format!("206 Partial Content\r\nContent-Range: {place}");
                (head, object[first..].to_vec())
            }
            None => ("200 OK".to_string(), object.clone()),
        }
    } else {
        let body = error("MANIFEST_UNKNOWN", "no such manifest");
        ("404 Not Found".to_string(), body)
    };
    let cut = state.cuts.get_mut(&path).filter(|cuts| !cuts.is_empty());
    asked.sent = cut.map_or(body.len(), |cuts| cuts.remove(0));
    let sent = &body[..asked.sent];
    state.asked.push(asked.clone());
    let length = body.len();
    write!(
        connection,
        "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    connection.write_all(sent)
}

/// `bytes=N-`.
fn first_byte(range: Option<&str>) -> Option<usize> {
    range?
        .strip_prefix("bytes=")?
        .strip_suffix('-')?
        .parse()
        .ok()
}

fn error(code: &str, message: &str) -> Vec<u8> {
    let error = json!({ "errors": [{ "code": code, "message": message }] });
    error.to_string().into_bytes()
}
