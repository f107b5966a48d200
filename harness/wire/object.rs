//! Finds the file a request's path names, never outside the store, and its validators.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{Error, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::StatusCode;
use nix::errno::Errno;

/// A file of the store, open for reading.
#[derive(Debug)]
pub struct Object {
    pub file: File,
    pub bytes: u64,
    /// Strong: the length and a number, quoted. Of fixed width, so that heads are too.
    pub etag: String,
    /// Its media type.
    pub kind: &'static str,
}

/// What any file is.
pub const BINARY: &str = "application/octet-stream";

/// When every object was last modified. A publish could write into the true time what a client should pay for.
pub fn modified() -> SystemTime {
    // The date that RFC 9110 uses in its examples.
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

/// The numbers in entity tags: each version of a file that was asked for gets the next one.
#[derive(Debug, Default)]
pub struct Tags(Mutex<HashMap<(PathBuf, Version), usize>>);

/// Tells two versions of a file apart: length, inode, and when it was changed, in seconds and nanoseconds.
type Version = (u64, u64, i64, i64);

impl Tags {
    fn tag(&self, real: PathBuf, about: &Metadata) -> String {
        let version = (about.len(), about.ino(), about.ctime(), about.ctime_nsec());
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = numbers.len() + 1;
        let number = numbers.entry((real, version)).or_insert(next);
        format!("\"{:016x}-{number:016x}\"", about.len())
    }
}

/// Opens the object at `path`, the path of a request's target as it was sent.
///
/// Refuses with 400 what is not a path, with 404 what is not a file in the store: folders, devices and names that
/// lead out of it, by `..` or by a link. Links that stay inside are followed.
pub fn open(root: &Path, tags: &Tags, path: &str) -> Result<Object, StatusCode> {
    let name = name(path).ok_or(StatusCode::BAD_REQUEST)?;
    // A name is only ever put together from plain components, so it can't be absolute or climb.
    let plain = |component: &[u8]| !matches!(component, b"" | b"." | b"..");
    if !name.split(|byte| *byte == b'/').all(plain) {
        return Err(StatusCode::NOT_FOUND);
    }
    let real = fs::canonicalize(root.join(OsStr::from_bytes(&name))).map_err(status)?;
    // Looked at before it is opened: opening a pipe would wait for a writer.
    if !real.starts_with(root) || !fs::metadata(&real).map_err(status)?.is_file() {
        return Err(StatusCode::NOT_FOUND);
    }
    let file = File::open(&real).map_err(status)?;
    let about = file.metadata().map_err(status)?;
    Ok(Object {
        etag: tags.tag(real, &about),
        bytes: about.len(),
        file,
        kind: BINARY,
    })
}

/// The object's name as the meter knows it: without the leading slash, decoded where that gives text.
pub fn label(path: &str) -> String {
    name(path)
        .and_then(|name| String::from_utf8(name).ok())
        .unwrap_or_else(|| path.to_string())
}

/// The name a path stands for: without its leading slash, percent-decoded once. None when it has no leading slash,
/// a broken escape, or a zero byte, which no file name can hold.
fn name(path: &str) -> Option<Vec<u8>> {
    let mut bytes = path.strip_prefix('/')?.bytes();
    let mut name = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            plain => plain,
        });
    }
    (!name.contains(&0)).then_some(name)
}

fn hex_digit(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

fn status(error: Error) -> StatusCode {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => {
            StatusCode::NOT_FOUND
        }
        ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
        _ if error.raw_os_error() == Some(Errno::ELOOP as i32) => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn refusal(root: &Path, path: &str) -> u16 {
        match open(root, &Tags::default(), path) {
            Ok(object) => panic!("{path} gave {object:?}"),
            Err(status) => status.as_u16(),
        }
    }

    /// A store beside a secret, with links of every kind.
    fn lair() -> (tempfile::TempDir, std::path::PathBuf) {
        let lair = tempfile::tempdir().unwrap();
        let root = lair.path().canonicalize().unwrap().join("store");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("sub/a b%c"), "inside").unwrap();
        fs::write(lair.path().join("secret"), "outside").unwrap();
        fs::create_dir(lair.path().join("store-too")).unwrap();
        fs::write(lair.path().join("store-too/secret"), "outside").unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("../store-too", root.join("beside")).unwrap();
        symlink(lair.path().join("secret"), root.join("out-absolute")).unwrap();
        symlink("/etc", root.join("etc")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("sub/a b%c", root.join("in")).unwrap();
        nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        (lair, root)
    }

    #[test]
    fn names_are_decoded_once_and_links_inside_followed() {
        let (_lair, root) = lair();
        let tags = Tags::default();
        assert_eq!(open(&root, &tags, "/sub/a%20b%25c").unwrap().bytes, 6);
        assert_eq!(open(&root, &tags, "/sub%2Fa%20b%25c").unwrap().bytes, 6);
        assert_eq!(open(&root, &tags, "/in").unwrap().bytes, 6);
        assert_eq!(refusal(&root, "/sub/a%2520b%25c"), 404);
    }

    #[test]
    fn nothing_outside_the_store_is_found() {
        let (_lair, root) = lair();
        for path in [
            "/../secret",
            "/%2e%2e/secret",
            "/%2E%2e%2Fsecret",
            "/sub/../../secret",
            "/sub/%2e%2e/%2e%2e/secret",
            "/./in",
            "//etc/passwd",
            "/%2Fetc/passwd",
            "/out",
            "/out-absolute",
            "/beside/secret",
            "/etc/passwd",
            "/loop",
            "/..",
            "/...",
            "/..\\secret",
        ] {
            assert_eq!(refusal(&root, path), 404, "{path}");
        }
    }

    #[test]
    fn only_files_are_objects() {
        let (_lair, root) = lair();
        let long = format!("/{}", "x".repeat(5000));
        for path in [
            "/", "/sub", "/sub/", "/pipe", "/in/", "/in/x", "/absent", &long,
        ] {
            assert_eq!(refusal(&root, path), 404, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_a_bad_request() {
        let (_lair, root) = lair();
        for path in ["", "in", "*", "/%", "/%4", "/%zz", "/in%00", "/%+1"] {
            assert_eq!(refusal(&root, path), 400, "{path}");
        }
    }

    #[test]
    fn a_tag_tells_versions_apart_and_holds_nothing_that_a_publish_can_choose_but_the_length() {
        let (_lair, root) = lair();
        let (tags, place) = (Tags::default(), root.join("sub/a b%c"));
        let tag = || open(&root, &tags, "/in").unwrap().etag;
        let first = tag();
        assert_eq!(first, format!("\"{:016x}-{:016x}\"", 6, 1));
        assert_eq!(tag(), first, "it is the same file");
        let file = File::options().append(true).open(&place).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(0x1234_5678))
            .unwrap();
        let touched = tag();
        assert!(!touched.contains("12345678"), "{touched}");
        fs::write(&place, "another").unwrap();
        assert!(![first, touched].contains(&tag()));
    }

    #[test]
    fn an_error_that_says_nothing_of_the_object_is_the_servers() {
        let of = |error: Errno| status(Error::from_raw_os_error(error as i32)).as_u16();
        assert_eq!((of(Errno::ENOENT), of(Errno::ELOOP)), (404, 404));
        assert_eq!((of(Errno::EACCES), of(Errno::EIO)), (403, 500));
    }
}
