//! The counting server: listens on loopback, answers each connection over HTTP, runs each command over ssh, and ends
//! in time.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::answer::answer;
use super::body::Parts;
use super::meter::Meter;
use super::object::{self, Tags};
use super::socket::{Announced, Announcement, Metered};
use super::ssh::Server;
use super::ssh::road;

/// How long connections may go on after the wire is closed. By then their client has ended.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// A listening socket on loopback, on a port the kernel chose.
///
/// The port has five digits, because clients repeat it in every request's Host header: with other widths the header
/// bytes would differ between runs.
pub fn listen() -> Result<(TcpListener, SocketAddr)> {
    // Sockets on unfit ports are held until the end, so that the kernel does not offer them again.
    let mut unfit = Vec::new();
    for _ in 0..100 {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen on 127.0.0.1")?;
        let address = listener
            .local_addr()
            .context("ask for the port of the wire")?;
        if address.port() >= 10_000 {
            return Ok((listener, address));
        }
        unfit.push(listener);
    }
    bail!("127.0.0.1 has no free port of five digits; see net.ipv4.ip_local_port_range")
}

/// The ways in: for HTTP, and for the three connections of a command over ssh.
pub struct Doors {
    pub http: TcpListener,
    pub ssh: TcpListener,
    pub streams: TcpListener,
    pub errors: TcpListener,
}

/// Serves `root` (canonical) until `stopped` is sent to or dropped; then waits for the connections. `server` is where
/// and how it runs commands.
pub fn serve(
    doors: Doors,
    root: PathBuf,
    server: Server,
    meter: Arc<Meter>,
    stopped: oneshot::Receiver<()>,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime of the wire")?;
    runtime.block_on(async {
        let (http, ssh) = (prepared(doors.http)?, prepared(doors.ssh)?);
        let root: Arc<Path> = root.into();
        let connections = Arc::new(GracefulShutdown::new());
        let site = Site {
            root,
            tags: Arc::default(),
            meter: Arc::clone(&meter),
        };
        let accepting = tokio::spawn(accept(http, site, Arc::clone(&connections)));
        let (running, mut commands) = mpsc::channel(1);
        let site = road::Site {
            server: Arc::new(server),
            doors: Arc::new(Mutex::new(road::Doors {
                streams: prepared(doors.streams)?,
                errors: prepared(doors.errors)?,
            })),
            meter: Arc::clone(&meter),
        };
        let listening = tokio::spawn(road::accept(ssh, site, running));
        stopped.await.ok();
        for accepting in [accepting, listening] {
            accepting.abort();
            // Waited for, so that the socket is closed and no connection begins after this.
            accepting.await.ok();
        }
        let connections = Arc::into_inner(connections).context("the wire still accepts")?;
        let ended = tokio::time::timeout(PATIENCE, async {
            connections.shutdown().await;
            // Nothing is ever sent: it ends when no command holds its other end any more.
            commands.recv().await;
        });
        if ended.await.is_err() {
            meter.note(format!(
                "connections were still busy {} s after the wire was closed, and were cut",
                PATIENCE.as_secs()
            ));
        }
        Ok(())
    })
}

fn prepared(listener: TcpListener) -> Result<tokio::net::TcpListener> {
    listener
        .set_nonblocking(true)
        .and_then(|()| tokio::net::TcpListener::from_std(listener))
        .context("prepare the socket of the wire")
}

/// What every connection shares.
#[derive(Clone)]
struct Site {
    root: Arc<Path>,
    tags: Arc<Tags>,
    meter: Arc<Meter>,
}

async fn accept(listener: tokio::net::TcpListener, site: Site, connections: Arc<GracefulShutdown>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) if site.meter.is_cut() => drop(socket),
            Ok((socket, _)) => {
                tokio::spawn(converse(socket, site.clone(), connections.watcher()));
            }
            // Out of file descriptors, or a client gone before it was greeted: others may still come.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// One connection, from greeting to end.
async fn converse(socket: TcpStream, site: Site, watcher: Watcher) {
    // Without it the end of a small body may wait for the client's acknowledgement of its head.
    socket.set_nodelay(true).ok();
    let announced = Announced::default();
    let metered = Metered::new(socket, Arc::clone(&site.meter), announced.clone());
    let service = service_fn(|request| respond(request, &site, &announced));
    let connection = http1::Builder::new()
        // Old clients compare header names as written in the RFCs.
        .title_case_headers(true)
        // A client may close its sending half after the last request and still read.
        .half_close(true)
        .serve_connection(TokioIo::new(metered), service);
    // A connection fails when its client breaks off; what crossed until then is counted, and that is all we ask.
    tokio::select! {
        _ = watcher.watch(connection) => {}
        () = site.meter.cut() => {}
    }
}

async fn respond(
    request: Request<Incoming>,
    site: &Site,
    announced: &Announced,
) -> Result<Response<Parts>, Infallible> {
    let (head, body) = request.into_parts();
    take_upload(body, &site.meter).await;
    let response = answer(
        &site.root,
        &site.tags,
        &head.method,
        head.uri.path(),
        &head.headers,
    );
    let object = object::label(head.uri.path());
    let status = response.status().as_u16();
    site.meter.answered(&object, status);
    if status >= 500 {
        site.meter
            .note(format!("{object}: the store could not be read"));
    }
    announced.push(Announcement {
        object,
        spans: response.body().spans(),
    });
    Ok(response)
}

/// Reads a request's body to its end, counted and forgotten: the connection stays usable, and the client learns its
/// status rather than a reset.
async fn take_upload(mut body: Incoming, meter: &Meter) {
    while let Some(Ok(frame)) = body.frame().await {
        meter.uploaded(frame.data_ref().map_or(0, |data| data.len() as u64));
    }
}
