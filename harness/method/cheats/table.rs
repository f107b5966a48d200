//! The table of cheats: where each hides the image at a publish, and where its update looks for it.

use std::fs;
use std::io::Read;
use std::net::{TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::image::Image;

/// What a cheat knows beside its call, from those who try it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Known {
    /// Part of every name that is used for hiding, so that nothing is found that another left.
    pub key: String,
    /// Length of the images, in bytes.
    pub bytes: u64,
    /// A folder outside the room with an empty file for every seven bytes of each image, called `NAME.NUMBER`.
    pub bricks: PathBuf,
    /// TCP port, UDP port and abstract socket where an accomplice hands out the new image.
    pub tcp: u16,
    pub udp: u16,
    pub socket: String,
}

/// One cheat.
pub struct Cheat {
    pub name: &'static str,
    /// Ends the sentence "no client gets the image for free by …".
    pub by: &'static str,
    pub(super) publish: fn(&Known, &Image, &Path) -> Result<()>,
    pub(super) update: fn(&Known, &Wanted) -> Result<Vec<u8>>,
}

/// What an update is asked for.
pub(super) struct Wanted {
    pub name: String,
    pub url: String,
    pub ssh: PathBuf,
}

pub const CHEATS: &[Cheat] = &[
    Cheat {
        name: "mtimes",
        by: "the times of empty files, read from the heads of answers",
        publish: |_, image, store| write_times(image, |part| store.join(part), true),
        update: |known, wanted| {
            let mut got = Vec::new();
            for number in 0..bricks(known) {
                let tag = wanted.head(number, "ETag")?;
                let number = tag.trim_matches('"').rsplit('-').next().unwrap_or_default();
                got.extend(&u64::from_str_radix(number, 16)?.to_be_bytes()[1..]);
            }
            Ok(got)
        },
    },
    Cheat {
        name: "lengths",
        by: "the lengths of files with holes, read from the heads of answers",
        publish: |_, image, store| {
            for (number, part) in read(image)?.chunks(2).enumerate() {
                let file = fs::File::create(store.join(format!("{}.{number}", image.name)))?;
                file.set_len(u64::from(part[0]) << 8 | u64::from(*part.get(1).unwrap_or(&0)))?;
            }
            Ok(())
        },
        update: |known, wanted| {
            let mut got = Vec::new();
            for number in 0..known.bytes.div_ceil(2) {
                let length: u16 = wanted.head(number, "Content-Length")?.parse()?;
                got.extend(length.to_be_bytes());
            }
            Ok(got)
        },
    },
    Cheat {
        name: "ranges",
        by: "the lengths of files with holes, read from the heads of one byte each",
        publish: |_, image, store| {
            for (number, part) in read(image)?.chunks(2).enumerate() {
                let file = fs::File::create(store.join(format!("{}.{number}", image.name)))?;
                let length = u64::from(part[0]) << 8 | u64::from(*part.get(1).unwrap_or(&0));
                file.set_len(1 + length)?;
            }
            Ok(())
        },
        update: |known, wanted| {
            let mut got = Vec::new();
            for number in 0..known.bytes.div_ceil(2) {
                let part = wanted.first_byte(number)?;
                let length = part.rsplit('/').next().unwrap_or_default();
                got.extend((length.parse::<u32>()? - 1).to_be_bytes()[2..].iter());
            }
            Ok(got)
        },
    },
    Cheat {
        name: "names",
        by: "the names of empty files, listed over ssh",
        publish: |_, image, store| {
            for (number, part) in read(image)?.chunks(100).enumerate() {
                let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
                fs::write(store.join(format!("{}.{number:08}.{hex}", image.name)), "")?;
            }
            Ok(())
        },
        update: |_, wanted| {
            let listed = wanted.over_ssh(&["ls"])?;
            let listed = String::from_utf8(listed)?;
            let parts = listed.lines().filter_map(|line| {
                let mut parts = line
                    .strip_prefix(&wanted.name)?
                    .strip_prefix('.')?
                    .split('.');
                parts.nth(1)
            });
            let hex: String = parts.collect();
            let pairs = hex.as_bytes().chunks(2);
            let bytes = pairs.map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?));
            bytes.collect()
        },
    },
    Cheat {
        name: "link",
        by: "a link out of the store, read over ssh",
        publish: |_, image, store| Ok(symlink(&image.path, store.join(&image.name))?),
        update: |_, wanted| wanted.over_ssh(&["cat", &wanted.name]),
    },
    Cheat {
        name: "store",
        by: "a path to the store",
        publish: |_, image, store| Ok(fs::write(store.join(&image.name), read(image)?)?),
        update: |known, wanted| {
            wanted.ask()?;
            let here = std::env::current_dir()?;
            found(
                known,
                wanted,
                here.ancestors().skip(1).take(4).map(Path::to_path_buf),
            )
        },
    },
    Cheat {
        name: "environment",
        by: "a path in the lab's environment",
        publish: |_, _, _| Ok(()),
        update: |known, wanted| {
            wanted.ask()?;
            let folders = std::env::vars().map(|(_, value)| PathBuf::from(value));
            found(known, wanted, folders.filter(|path| path.is_absolute()))
        },
    },
    Cheat {
        name: "processes",
        by: "a path in another process's environment, folder or open files",
        publish: |_, _, _| Ok(()),
        update: |known, wanted| {
            wanted.ask()?;
            found(known, wanted, of_processes().into_iter())
        },
    },
    Cheat {
        name: "tmp",
        by: "a copy that the publish left in a folder for everybody",
        publish: |known, image, _| {
            for place in known.places() {
                fs::write(place.join(known.hidden(&image.name)), read(image)?).ok();
            }
            Ok(())
        },
        update: |known, wanted| {
            wanted.ask()?;
            let places = known.places().into_iter();
            let copies = places.map(|place| place.join(known.hidden(&wanted.name)));
            let copy = copies.into_iter().find_map(|copy| fs::read(copy).ok());
            copy.context("no copy is there")
        },
    },
    Cheat {
        name: "others-times",
        by: "the times of files that are not the store's",
        publish: |known, image, _| write_times(image, |part| known.bricks.join(part), false),
        update: |known, wanted| {
            wanted.ask()?;
            let mut got = Vec::new();
            for number in 0..bricks(known) {
                let brick = known.bricks.join(format!("{}.{number}", wanted.name));
                let time = fs::metadata(brick)?
                    .modified()?
                    .duration_since(UNIX_EPOCH)?;
                got.extend(&u64::try_from(time.as_nanos())?.to_be_bytes()[1..]);
            }
            Ok(got)
        },
    },
    Cheat {
        name: "tcp",
        by: "an accomplice on another TCP port",
        publish: |_, _, _| Ok(()),
        update: |known, wanted| {
            wanted.ask()?;
            all(TcpStream::connect(("127.0.0.1", known.tcp))?)
        },
    },
    Cheat {
        name: "udp",
        by: "an accomplice who sends datagrams",
        publish: |_, _, _| Ok(()),
        update: |known, wanted| {
            wanted.ask()?;
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.send_to(b"?", ("127.0.0.1", known.udp))?;
            let (mut got, mut part) = (Vec::new(), vec![0; 1 << 16]);
            while (got.len() as u64) < known.bytes {
                let read = socket.recv(&mut part)?;
                got.extend(&part[..read]);
            }
            Ok(got)
        },
    },
    Cheat {
        name: "socket",
        by: "an accomplice on an abstract socket",
        publish: |_, _, _| Ok(()),
        update: |known, wanted| {
            wanted.ask()?;
            let address = SocketAddr::from_abstract_name(known.socket.as_bytes())?;
            all(UnixStream::connect_addr(&address)?)
        },
    },
];

/// An accomplice on this machine answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

impl Known {
    fn places(&self) -> Vec<PathBuf> {
        let shared = ["/tmp", "/var/tmp", "/dev/shm", "/run"].map(PathBuf::from);
        let beside = self.bricks.parent().map(Path::to_path_buf);
        shared.into_iter().chain(beside).collect()
    }

    fn hidden(&self, name: &str) -> String {
        format!("{}.{name}", self.key)
    }
}

impl Wanted {
    /// The object that every publish leaves in the open: an update that asks for nothing is refused without further ado.
    fn object(&self) -> String {
        format!("{}/{}.size", self.url, self.name)
    }

    fn ask(&self) -> Result<()> {
        ureq::head(self.object()).call().context("ask the wire")?;
        Ok(())
    }

    fn head(&self, number: u64, head: &str) -> Result<String> {
        let answer = ureq::head(format!("{}/{}.{number}", self.url, self.name)).call()?;
        let head = answer.headers().get(head).context("no such head")?;
        Ok(head.to_str()?.to_string())
    }

    /// What the head of an answer with one byte says of the range.
    fn first_byte(&self, number: u64) -> Result<String> {
        let object = format!("{}/{}.{number}", self.url, self.name);
        let answer = ureq::get(object).header("Range", "bytes=0-0").call()?;
        let head = answer.headers().get("Content-Range");
        Ok(head.context("no such head")?.to_str()?.to_string())
    }

    fn over_ssh(&self, command: &[&str]) -> Result<Vec<u8>> {
        let ran = Command::new(&self.ssh).arg("host").args(command).output()?;
        ensure!(ran.status.success(), "ssh: {}", ran.status);
        Ok(ran.stdout)
    }
}

fn read(image: &Image) -> Result<Vec<u8>> {
    fs::read(&image.path).with_context(|| format!("read {}", image.path.display()))
}

fn all(mut stream: impl Read) -> Result<Vec<u8>> {
    let mut got = Vec::new();
    stream.read_to_end(&mut got)?;
    Ok(got)
}

/// How many files hold an image in their times, at seven bytes each.
pub fn bricks(known: &Known) -> u64 {
    known.bytes.div_ceil(7)
}

/// Writes seven bytes of the image into the time of each file at `place`, made first where `make` says so.
fn write_times(image: &Image, place: impl Fn(String) -> PathBuf, make: bool) -> Result<()> {
    for (number, part) in read(image)?.chunks(7).enumerate() {
        let mut bytes = [0; 8];
        bytes[1..=part.len()].copy_from_slice(part);
        let path = place(format!("{}.{number}", image.name));
        let file = match make {
            true => fs::File::create(&path)?,
            false => fs::File::options().append(true).open(&path)?,
        };
        file.set_modified(UNIX_EPOCH + Duration::from_nanos(u64::from_be_bytes(bytes)))?;
    }
    Ok(())
}

/// The image, wherever it lies below one of the folders: a file of its name and length.
fn found(
    known: &Known,
    wanted: &Wanted,
    folders: impl Iterator<Item = PathBuf>,
) -> Result<Vec<u8>> {
    for folder in folders.filter(|folder| folder != Path::new("/")) {
        let files = WalkDir::new(folder).max_depth(6).into_iter().flatten();
        for file in files.filter(|file| file.file_name() == wanted.name.as_str()) {
            if file
                .metadata()
                .is_ok_and(|about| about.len() == known.bytes)
                && let Ok(image) = fs::read(file.path())
            {
                return Ok(image);
            }
        }
    }
    bail!("no file of that name is found")
}

/// Every path that a process shows: where it is, what it has open, what is in its environment.
fn of_processes() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for process in procfs::process::all_processes()
        .into_iter()
        .flatten()
        .flatten()
    {
        paths.extend(process.cwd().ok());
        let open = process.fd().into_iter().flatten().flatten();
        paths.extend(open.filter_map(|fd| match fd.target {
            procfs::process::FDTarget::Path(path) => Some(path),
            _ => None,
        }));
        let environment = process.environ().into_iter().flatten();
        paths.extend(environment.map(|(_, value)| PathBuf::from(value)));
    }
    let folder = |path: PathBuf| match path.is_dir() {
        true => Some(path),
        false => path.parent().map(Path::to_path_buf),
    };
    let mut folders: Vec<PathBuf> = paths.into_iter().filter_map(folder).collect();
    folders.retain(|folder| folder.is_absolute());
    folders.sort();
    folders.dedup();
    folders
}
