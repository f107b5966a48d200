//! A real registry on loopback, and a real client: Debian's docker-registry and skopeo.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A registry that serves a folder; stopped when dropped.
pub struct Registry {
    child: Child,
    /// `127.0.0.1:PORT`, another one at each start.
    pub host: String,
    log: PathBuf,
}

impl Registry {
    /// Starts one on what lies in `dir`, which is made when absent.
    pub fn start(dir: &Path) -> Registry {
        fs::create_dir_all(dir).unwrap();
        let config = dir.join("config.yml");
        let root = dir.join("root");
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\n  draintimeout: 60s\n",
            root.display()
        );
        fs::write(&config, text).unwrap();
        let log = dir.join("access.log");
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(File::create(&log).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let host = loop {
            let Some(Ok(line)) = lines.next() else {
                panic!("docker-registry ended:\n{said}");
            };
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.split('"').next().unwrap().to_string();
            }
            said += &format!("{line}\n");
        };
        // Read on, or it would wait for us some day.
        thread::spawn(move || lines.for_each(drop));
        Registry { child, host, log }
    }

    /// Ends it, when it has answered everybody and written that down: the blobs that clients got, and the bytes of each.
    pub fn stop(mut self) -> BTreeMap<String, u64> {
        self.end();
        let mut got = BTreeMap::new();
        for line in fs::read_to_string(&self.log).unwrap().lines() {
            // HOST - - [TIME] "GET /v2/NAME/blobs/sha256:… HTTP/1.1" 200 BYTES "" "CLIENT"
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, _, _, _, _, "\"GET", path, _, "200", bytes, ..] = words[..] else {
                continue;
            };
            if let Some((_, digest)) = path.split_once("/blobs/sha256:") {
                let again = got.insert(digest.to_string(), bytes.parse().unwrap());
                assert_eq!(again, None, "a blob went twice: {line}");
            }
        }
        got
    }

    fn end(&mut self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM).ok();
        self.child.wait().unwrap();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.end();
        }
    }
}

/// `skopeo copy`, between places that need no TLS.
pub fn copy(from: &str, to: &str, more: &[&str]) {
    let ran = Command::new("skopeo")
        .args([
            "copy",
            "--quiet",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
        ])
        .args(more)
        .args([from, to])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "skopeo copy {from} {to}: {errors}");
}
