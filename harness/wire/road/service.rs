//! A server program: started under the shim with a folder and ports of its own, waited for, stopped when it is dropped.
//! The shim kills it with all it started when the lab is gone.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as LocalAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

use super::{Ground, room_for};
use crate::clock::{self, Limits, Ran, Work};

/// A program that a road needs, and how to get it.
pub struct Program {
    pub name: &'static str,
    pub install: &'static str,
}

impl Program {
    /// Where it is. Debian keeps servers in /usr/sbin, which an ordinary user's PATH leaves out.
    pub fn path(&self) -> Option<PathBuf> {
        let beyond =
            ["/usr/sbin", "/usr/local/sbin"].map(|folder| Path::new(folder).join(self.name));
        which::which(self.name)
            .ok()
            .or_else(|| beyond.into_iter().find(|path| path.is_file()))
    }

    /// That it is not here, and what would help.
    pub fn lacks(&self) -> Option<String> {
        let lack = format!("{} is not installed: {}", self.name, self.install);
        self.path().is_none().then_some(lack)
    }
}

/// A server that runs.
pub struct Service {
    name: &'static str,
    /// Gone with all in it when the service is dropped.
    folder: TempDir,
    stop: PathBuf,
    log: PathBuf,
    running: Option<JoinHandle<Result<Ran>>>,
    /// Its ports; after the program has ended, others may have them.
    _ports: Vec<Port>,
}

/// A port that no other lab of this machine takes while this lives: before the server listens, nothing else shows that it is
/// taken.
struct Port {
    number: u16,
    /// Has the port in its name, and takes no connections. The kernel forgets it with the process.
    _claim: Option<UnixListener>,
}

impl Port {
    fn claim(number: u16) -> Option<Port> {
        let name = LocalAddr::from_abstract_name(format!("delta-lab-port-{number}")).ok()?;
        match UnixListener::bind_addr(&name) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => None,
            // Where there are no such names, nothing can be claimed by them.
            claim => Some(Port {
                number,
                _claim: claim.ok(),
            }),
        }
    }
}

/// How long a server may take until it answers: on a busy machine ten times as long as on an idle one.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at whether it does.
const PAUSE: Duration = Duration::from_millis(20);

/// Another program may take a port between the moment it was found free and the moment the server listens.
const TRIES: usize = 3;

/// A year: the lab stops it, not the clock.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(366 * 24 * 3600),
    memory_bytes: u64::MAX,
};

impl Service {
    /// Starts `program` on `ports` free ports of loopback. `order` is given its folder and the ports, writes what the
    /// program reads into the folder, and says the arguments. It is there when the first port takes connections and
    /// `answers` has nothing against it.
    pub fn start<const PORTS: usize>(
        program: &Program,
        ground: &Ground,
        order: impl Fn(&Path, [u16; PORTS]) -> Result<Vec<String>>,
        answers: impl Fn(SocketAddr) -> Result<()>,
    ) -> Result<(Service, SocketAddr)> {
        let path = program
            .path()
            .with_context(|| format!("{} is not installed: {}", program.name, program.install))?;
        let mut why = None;
        for _ in 0..TRIES {
            let claimed = free_ports::<PORTS>(chance())?;
            let ports = claimed.each_ref().map(|port| port.number);
            let folder = room_for(ground, program.name)?;
            let mut argv = vec![crate::words::utf8(&path)?.to_string()];
            argv.extend(order(folder.path(), ports)?);
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports[0]));
            let service = Service::spawn(program.name, folder, argv, claimed.into(), ground)?;
            match service.wait(|| answers(address), address) {
                Ok(()) => return Ok((service, address)),
                Err(error) => why = Some(error),
            }
        }
        Err(why.expect("it was tried"))
    }

    fn spawn(
        name: &'static str,
        folder: TempDir,
        argv: Vec<String>,
        _ports: Vec<Port>,
        ground: &Ground,
    ) -> Result<Service> {
        let (stop, log) = (folder.path().join("stop"), folder.path().join("log"));
        let (home, tmp) = (folder.path().join("home"), folder.path().join("tmp"));
        for made in [&home, &tmp] {
            fs::create_dir(made).with_context(|| format!("make {}", made.display()))?;
        }
        fs::write(&stop, "").with_context(|| format!("write {}", stop.display()))?;
        let work = Work {
            commands: vec![argv.into()],
            dir: folder.path().to_path_buf(),
            env: clock::environment(&home, &tmp),
            log: Some(log.clone()),
            limits: LIMITS,
            cores: None,
            guard: ground.guard.clone(),
            room: None,
            stop: Some(stop.clone()),
            lab: std::process::id(),
        };
        let lab = ground.lab.clone();
        let running = thread::Builder::new()
            .name(name.to_string())
            .spawn(move || clock::run_under(&lab, &work))
            .with_context(|| format!("start the thread that runs {name}"))?;
        Ok(Service {
            name,
            folder,
            stop,
            log,
            running: Some(running),
            _ports,
        })
    }

    fn wait(&self, answers: impl Fn() -> Result<()>, address: SocketAddr) -> Result<()> {
        let begun = Instant::now();
        loop {
            let over = self.running.as_ref().is_none_or(JoinHandle::is_finished);
            if over {
                bail!("{} ended: {}", self.name, self.last_words());
            }
            let answer = TcpStream::connect_timeout(&address, PAUSE * 10)
                .map_err(anyhow::Error::from)
                .and_then(|_| answers());
            match answer {
                Ok(()) => return Ok(()),
                Err(why) if begun.elapsed() > PATIENCE => bail!(
                    "{} did not answer within {} s: {why:#}: {}",
                    self.name,
                    PATIENCE.as_secs(),
                    self.last_words()
                ),
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The end of what it printed, in a line.
    fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(3)..].join(" / ")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // If it can't be written the shim ends the program with the lab.
        if fs::write(&self.stop, "stop").is_ok()
            && let Some(running) = self.running.take()
        {
            running.join().ok();
        }
    }
}

/// As many ports of loopback as are asked for, different ones that are free now and that no other lab has claimed; none that
/// the kernel gives to whoever asks for any: before the server listens, one of those could become the port of another lab's
/// wire, which would count our look for the server as a request. `begin` is where they are looked for first.
fn free_ports<const PORTS: usize>(begin: usize) -> Result<[Port; PORTS]> {
    let asked = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let given = given_to_anybody(&asked.unwrap_or_default());
    // Of five digits, as those of the wire.
    let mut fit: Vec<u16> = (10_000..=u16::MAX)
        .filter(|port| !given.contains(port))
        .collect();
    // Where nothing else is left, any will do.
    if fit.len() < 1000 {
        fit = (10_000..=u16::MAX).collect();
    }
    let begin = begin % fit.len();
    fit.rotate_left(begin);
    let free = fit.into_iter().filter_map(|number| {
        let port = Port::claim(number)?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(port)
    });
    let held: Vec<Port> = free.take(PORTS).collect();
    let held = held.try_into();
    held.map_err(|_| anyhow!("127.0.0.1 has no {PORTS} free ports"))
}

/// Labs that start at the same moment begin at different places.
fn chance() -> usize {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanoseconds = now.map_or(0, |it| it.subsec_nanos());
    (std::process::id().wrapping_mul(2_654_435_761) ^ nanoseconds) as usize
}

/// The ports that the kernel gives to whoever asks for any, of the file that says so: the first and the last.
fn given_to_anybody(range: &str) -> RangeInclusive<u16> {
    let mut ends = range.split_whitespace().map(str::parse);
    match (ends.next(), ends.next()) {
        (Some(Ok(low)), Some(Ok(high))) => low..=high,
        // As Linux has them unless told otherwise.
        _ => 32_768..=60_999,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_server_listens_where_no_wire_is_put() {
        let asked = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let given = given_to_anybody(&asked);
        let begin = chance();
        let ports = free_ports::<40>(begin).unwrap();
        // Another lab that begins at the same place; nobody listens yet.
        let others = free_ports::<40>(begin).unwrap();
        let all = ports.iter().chain(&others).map(|port| port.number);
        let different: BTreeSet<u16> = all.clone().collect();
        assert_eq!(different.len(), 80);
        for port in all {
            assert!(
                port >= 10_000 && !given.contains(&port),
                "{port} of {given:?}"
            );
        }
        // What is let go of is free again.
        let first = ports[0].number;
        assert!(Port::claim(first).is_none());
        drop(ports);
        assert!(Port::claim(first).is_some());
        assert_eq!(given_to_anybody("1024\t2048\n"), 1024..=2048);
        assert_eq!(given_to_anybody("nonsense"), 32_768..=60_999);
    }
}
