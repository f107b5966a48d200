//! Every cheat, tried in a method's room.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result};

use super::{News, Order, run};
use crate::dice::noise;
use crate::method::cheats::{CHEATS, Cheat, Cheating, Known, bricks};
use crate::method::{Doer, Room};
use crate::record::{Row, Verb};
use crate::scenario::Scenario;
use crate::source::cache::Cache;

/// How one cheat ended.
pub struct Tried {
    pub cheat: &'static Cheat,
    /// Why it got no row, or what it paid; or what it paid too little.
    pub held: std::result::Result<String, String>,
}

/// Tries every cheat on a pair of small images in `place`, in a room that lets a step reach what `room` says.
pub fn try_all(room: Option<&Room>, place: &Path, cache: &Cache) -> Result<Vec<Tried>> {
    let (images, known) = prepare(place)?;
    let scenario = Scenario {
        about: "cheats".to_string(),
        methods: CHEATS.iter().map(|cheat| cheat.name.to_string()).collect(),
        ..Scenario::of_files("cheats", images)
    };
    let doer = |cheat| Box::new(Cheating::new(cheat, &known, room.cloned())) as Box<dyn Doer>;
    let doers = CHEATS.iter().map(doer).collect();
    let order = Order::of(vec![(scenario, doers)], place.join("results"));
    let mut rows = Vec::new();
    run(&order, cache, &mut |news| {
        if let News::Row(row) = news {
            rows.push(row.clone());
        }
    })?;
    Ok(CHEATS.iter().map(|cheat| tried(cheat, &rows)).collect())
}

/// Two images that do not compress, the bricks, and accomplices who hand out the new one.
fn prepare(place: &Path) -> Result<([(String, PathBuf); 2], Known)> {
    const BYTES: u64 = 2_000;
    let made = || format!("make {}", place.display());
    let (folder, bricks_folder) = (place.join("images"), place.join("bricks"));
    for folder in [&folder, &bricks_folder] {
        fs::create_dir_all(folder).with_context(made)?;
    }
    let new = noise(2, BYTES as usize);
    let image = |name: &str, bytes: &[u8]| -> Result<(String, PathBuf)> {
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(made)?;
        Ok((name.to_string(), path))
    };
    let images = [
        image("old", &noise(1, BYTES as usize))?,
        image("new", &new)?,
    ];
    let key = format!("delta-lab-cheat-{}", std::process::id());
    let (tcp, udp, socket) = accomplices(&key, new)?;
    let known = Known {
        key,
        bytes: BYTES,
        bricks: bricks_folder,
        tcp,
        udp,
        socket,
    };
    for (name, _) in &images {
        for number in 0..bricks(&known) {
            fs::write(known.bricks.join(format!("{name}.{number}")), "").with_context(made)?;
        }
    }
    Ok((images, known))
}

/// Whoever asks them gets the image, for as long as this program runs.
fn accomplices(key: &str, image: Vec<u8>) -> Result<(u16, u16, String)> {
    let tcp = TcpListener::bind("127.0.0.1:0").context("listen")?;
    let udp = UdpSocket::bind("127.0.0.1:0").context("listen")?;
    let address = SocketAddr::from_abstract_name(key.as_bytes()).context("name a socket")?;
    let socket = UnixListener::bind_addr(&address).context("listen")?;
    let ports = (
        tcp.local_addr().context("ask for a port")?.port(),
        udp.local_addr().context("ask for a port")?.port(),
    );
    let copies = [image.clone(), image.clone(), image];
    let [first, second, third] = copies;
    thread::spawn(move || {
        for mut client in tcp.incoming().flatten() {
            client.write_all(&first).ok();
        }
    });
    thread::spawn(move || {
        for mut client in socket.incoming().flatten() {
            client.write_all(&second).ok();
        }
    });
    thread::spawn(move || {
        while let Ok((_, client)) = udp.recv_from(&mut [0; 16]) {
            for part in third.chunks(1000) {
                udp.send_to(part, client).ok();
            }
        }
    });
    Ok((ports.0, ports.1, key.to_string()))
}

/// A cheat is held when no update of its is verified, or when what was stored and what crossed are as long as the image.
fn tried(cheat: &'static Cheat, rows: &[Row]) -> Tried {
    let own = || rows.iter().filter(|row| row.method == cheat.name);
    let paid = |row: &Row| match row.verb {
        Verb::Publish => row.store_bytes.unwrap_or_default().unsigned_abs(),
        _ => row.payload_bytes.unwrap_or_default(),
    };
    let cheapest = own()
        .filter(|row| row.verified())
        .map(|row| (paid(row), row));
    let held = match cheapest.min_by_key(|(paid, _)| *paid) {
        None => Ok(own()
            .find(|row| !row.error.is_empty())
            .map(|row| row.error.to_string())
            .unwrap_or_default()),
        Some((paid, row)) if paid >= row.image_bytes => Ok(format!(
            "it pays: {paid} bytes for an image of {}",
            row.image_bytes
        )),
        Some((paid, row)) => Err(format!(
            "{}: {paid} bytes for an image of {}",
            row.act(),
            row.image_bytes
        )),
    };
    Tried { cheat, held }
}
