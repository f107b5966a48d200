//! The wire as a server, beside nginx with sendfile where that is installed: a long object, and many short ones, each over
//! one connection that is kept.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, Throughput};
use delta_lab::store::Store;
use delta_lab::wire::Wire;

/// An object's name, its length in bytes, and how often it is asked for in a row.
const OBJECTS: &[(&str, usize, u64)] = &[("long", 64 << 20, 1), ("short", 64 << 10, 256)];

pub fn wire(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for temporary files is there");
    let store = Store::at(&folder.path().join("store")).expect("it can be made");
    for (name, bytes, _) in OBJECTS {
        fs::write(store.object(name), vec![b'x'; *bytes]).expect("it can be written");
    }
    let lab = Wire::open(&store).expect("loopback is there");
    let nginx = Nginx::serving(folder.path());
    let mut servers = vec![("wire", lab.address())];
    servers.extend(nginx.as_ref().map(|it| ("nginx", it.address)));
    let mut group = criterion.benchmark_group("serve");
    for (name, bytes, times) in OBJECTS {
        group.throughput(Throughput::Bytes(*bytes as u64 * times));
        for (server, address) in &servers {
            let socket = TcpStream::connect(address).expect("it listens");
            let mut socket = BufReader::with_capacity(256 << 10, socket);
            group.bench_function(format!("{name} by {server}"), |bencher| {
                bencher.iter(|| (0..*times).for_each(|_| get(&mut socket, name, *bytes)));
            });
        }
    }
    group.finish();
}

/// Asks for an object and reads past it.
fn get(socket: &mut BufReader<TcpStream>, name: &str, bytes: usize) {
    let asked = format!("GET /{name} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let sent = socket.get_mut().write_all(asked.as_bytes());
    sent.expect("the connection is kept");
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        let read = socket.read_line(&mut line).expect("a head of text");
        assert!(read > 0, "the server hung up");
    }
    let body = std::io::copy(&mut socket.take(bytes as u64), &mut std::io::sink());
    assert_eq!(body.expect("a body"), bytes as u64);
}

/// A server of our own that ends with this program.
struct Nginx {
    program: Child,
    address: SocketAddr,
}

impl Nginx {
    /// Serves the folder's `store`; nothing where nginx is not installed.
    fn serving(folder: &Path) -> Option<Nginx> {
        let nginx = which::which_in("nginx", Some("/usr/sbin:/usr/bin"), folder).ok()?;
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).ok()?;
        let address = port.local_addr().ok()?;
        drop(port);
        let (folder, file) = (folder.display(), folder.join("nginx.conf"));
        let text = format!(
            "daemon off; master_process off; error_log stderr; pid {folder}/pid; events {{}}\n\
             http {{ sendfile on; tcp_nopush on; access_log off; keepalive_requests 10000000;\n\
             server {{ listen {address}; root {folder}/store; }} }}\n"
        );
        fs::write(&file, text).ok()?;
        let program = Command::new(nginx)
            .arg("-c")
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let nginx = Nginx { program, address };
        for _ in 0..100 {
            if TcpStream::connect(address).is_ok() {
                return Some(nginx);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.program.kill().ok();
        self.program.wait().ok();
    }
}
