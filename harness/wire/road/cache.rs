//! The caching proxy: nginx, which keeps every object that was asked for and found.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};

use super::service::{Program, Service};
use super::{Ground, word};

pub const PROGRAM: Program = Program {
    name: "nginx",
    install: "apt-get install nginx",
};

/// A proxy that runs, its cache empty when it was started.
pub struct Cache {
    service: Service,
    address: SocketAddr,
}

impl Cache {
    /// Starts one before the server at `origin`.
    pub fn start(origin: SocketAddr, ground: &Ground) -> Result<Cache> {
        let order = |folder: &Path, [port]: [u16; 1]| {
            let text = configuration(folder, port, origin)?;
            let file = folder.join("nginx.conf");
            fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
            let words = ["-p", word(folder)?, "-c", word(&file)?, "-e", "stderr"];
            Ok(words.map(str::to_string).to_vec())
        };
        let (service, address) = Service::start(&PROGRAM, ground, order, |_| Ok(()))?;
        Ok(Cache { service, address })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn log(&self) -> Result<String> {
        let log = self.service.folder().join("access.log");
        fs::read_to_string(&log).with_context(|| format!("read {}", log.display()))
    }
}

/// One worker, every folder its own; what was found is kept for a day, whatever the origin says of it.
fn configuration(folder: &Path, port: u16, origin: SocketAddr) -> Result<String> {
    let at = |name: &str| word(&folder.join(name)).map(|path| format!("\"{path}\""));
    // Started by root, the worker would be another user, who may not enter the folder.
    let user = match nix::unistd::geteuid().is_root() {
        true => "user root;\n",
        false => "",
    };
    let temporary: Vec<String> = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| Ok(format!("  {kind}_temp_path {};\n", at(kind)?)))
        .collect::<Result<_>>()?;
    Ok(format!(
        "{user}daemon off;
worker_processes 1;
pid {pid};
events {{ worker_connections 512; }}
http {{
{temporary}  log_format lab '$upstream_cache_status $status $body_bytes_sent $request_uri';
  access_log {log} lab;
  proxy_cache_path {cache} levels=1:2 keys_zone=edge:10m inactive=1d use_temp_path=off;
  upstream origin {{ server {origin}; keepalive 4; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    keepalive_requests 1000000;
    location / {{
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_cache edge;
      proxy_cache_key $request_uri;
      proxy_cache_valid 200 1d;
      proxy_cache_lock on;
    }}
  }}
}}
",
        pid = at("pid")?,
        temporary = temporary.concat(),
        log = at("access.log")?,
        cache = at("cache")?,
    ))
}
