//! The counting server: listens on loopback, answers each connection over HTTP, runs each command over ssh, and ends
//! in time.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Either};
use hyper::body::Incoming;
use hyper::http::request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::record::RangeLimit;

use super::answer::{self, answer};
use super::meter::Meter;
use super::object::{self, Tags};
use super::range;
use super::registry;
use super::relay::{Onward, Passing};
use super::socket::{Announced, Announcement, Metered, Span};
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

/// The ways in: for HTTP, for clients of a registry if it is one, and for the three connections of a command over ssh.
pub struct Doors {
    pub http: TcpListener,
    pub registry: Option<TcpListener>,
    pub ssh: TcpListener,
    pub streams: TcpListener,
    pub errors: TcpListener,
}

/// Who answers a wire's requests.
#[derive(Clone)]
pub enum Behind {
    /// The lab, from the files of a folder (canonical).
    Folder { root: Arc<Path>, tags: Arc<Tags> },
    /// The lab as a registry, from the OCI layouts in a folder (canonical).
    Registry { root: Arc<Path>, tags: Arc<Tags> },
    /// Another server, whose objects are those below this path.
    Server { address: SocketAddr, path: Arc<str> },
}

impl Behind {
    pub fn folder(root: PathBuf) -> Behind {
        Behind::Folder {
            root: root.into(),
            tags: Arc::default(),
        }
    }

    /// The same folder as a registry has it; nothing where another server has the objects.
    fn as_registry(&self) -> Option<Behind> {
        match self {
            Behind::Folder { root, tags } => Some(Behind::Registry {
                root: Arc::clone(root),
                tags: Arc::clone(tags),
            }),
            _ => None,
        }
    }

    /// The object that a request's path names.
    fn label(&self, path: &str) -> String {
        match self {
            Behind::Folder { .. } | Behind::Registry { .. } => object::label(path),
            Behind::Server { path: folder, .. } => {
                let within = path.strip_prefix(&**folder);
                let within = within.filter(|within| within.starts_with('/'));
                object::label(within.unwrap_or(path))
            }
        }
    }
}

/// Serves a site until `stopped` is sent to or dropped; then waits for the connections. `server` is where and how it runs
/// commands.
pub fn serve(
    doors: Doors,
    site: Site,
    server: Server,
    stopped: oneshot::Receiver<()>,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime of the wire")?;
    runtime.block_on(async {
        let (http, ssh) = (prepared(doors.http)?, prepared(doors.ssh)?);
        let connections = Arc::new(GracefulShutdown::new());
        let meter = Arc::clone(&site.meter);
        let mut accepting = Vec::new();
        if let (Some(door), Some(behind)) = (doors.registry, site.behind.as_registry()) {
            let site = Site {
                behind,
                ..site.clone()
            };
            let accept = accept(prepared(door)?, site, Arc::clone(&connections));
            accepting.push(tokio::spawn(accept));
        }
        accepting.push(tokio::spawn(accept(http, site, Arc::clone(&connections))));
        let (running, mut commands) = mpsc::channel(1);
        let site = road::Site {
            server: Arc::new(server),
            doors: Arc::new(Mutex::new(road::Doors {
                streams: prepared(doors.streams)?,
                errors: prepared(doors.errors)?,
            })),
            meter: Arc::clone(&meter),
        };
        accepting.push(tokio::spawn(road::accept(ssh, site, running)));
        stopped.await.ok();
        for accepting in accepting {
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
pub struct Site {
    pub behind: Behind,
    /// How many ranges of an object are answered at once.
    pub ranges: Option<RangeLimit>,
    pub meter: Arc<Meter>,
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
    let onward = match site.behind {
        Behind::Folder { .. } | Behind::Registry { .. } => None,
        Behind::Server { address, .. } => Some(Mutex::new(Onward::to(address))),
    };
    let service = service_fn(|request| respond(request, &site, onward.as_ref(), &announced));
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
    onward: Option<&Mutex<Onward>>,
    announced: &Announced,
) -> Result<Response<Passing>, Infallible> {
    let (mut head, body) = request.into_parts();
    take_upload(body, &site.meter).await;
    let within = range::within(site.ranges, &head.method, &mut head.headers);
    let (response, spans) = match within {
        Ok(()) => answered(&head, site, onward).await,
        Err(status) => refused(status),
    };
    let response = range::told(site.ranges, response);
    let object = site.behind.label(head.uri.path());
    let status = response.status().as_u16();
    site.meter.answered(&object, status);
    if within.is_ok() && status >= 500 {
        site.meter
            .note(format!("{object}: the store could not be read"));
    }
    announced.push(Announcement {
        object,
        spans,
        is_partial: status == StatusCode::PARTIAL_CONTENT.as_u16(),
    });
    Ok(response)
}

fn refused(status: StatusCode) -> (Response<Passing>, Vec<Span>) {
    let response = answer::refusal(status);
    let spans = response.body().spans();
    (response.map(Either::Left), spans)
}

/// The answer, and how its body will cross.
async fn answered(
    head: &request::Parts,
    site: &Site,
    onward: Option<&Mutex<Onward>>,
) -> (Response<Passing>, Vec<Span>) {
    let response = match (&site.behind, onward) {
        (Behind::Folder { root, tags }, _) => {
            answer(root, tags, &head.method, head.uri.path(), &head.headers)
        }
        (Behind::Registry { root, tags }, _) => {
            registry::answer(root, tags, &head.method, head.uri.path(), &head.headers)
        }
        // A client may read alone, whatever the server would let it do.
        (_, Some(onward)) if [Method::GET, Method::HEAD].contains(&head.method) => {
            match onward.lock().await.ask(head).await {
                Ok(answered) => return answered,
                Err(why) => {
                    site.meter.note(format!("{why:#}"));
                    return refused(StatusCode::BAD_GATEWAY);
                }
            }
        }
        _ => answer::not_allowed(),
    };
    let spans = response.body().spans();
    (response.map(Either::Left), spans)
}

/// Reads a request's body to its end, counted and forgotten: the connection stays usable, and the client learns its
/// status rather than a reset.
async fn take_upload(mut body: Incoming, meter: &Meter) {
    while let Some(Ok(frame)) = body.frame().await {
        meter.uploaded(frame.data_ref().map_or(0, |data| data.len() as u64));
    }
}
