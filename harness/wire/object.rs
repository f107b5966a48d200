//! Finds the file a request's path names, never outside the store, and its validators.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Error, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::StatusCode;
use nix::errno::Errno;

/// A file of the store, open for reading.
#[derive(Debug)]
pub struct Object {
    pub file: File,
    pub bytes: u64,
    /// Whole seconds, as HTTP dates have them.
    pub modified: SystemTime,
    /// Strong: the length and the mtime in nanoseconds, quoted. Of fixed width, so that heads are too.
    pub etag: String,
}

/// Opens the object at `path`, the path of a request's target as it was sent.
///
/// Refuses with 400 what is not a path, with 404 what is not a file in the store: folders, devices and names that
/// lead out of it, by `..` or by a link. Links that stay inside are followed.
pub fn open(root: &Path, path: &str) -> Result<Object, StatusCode> {
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
    let since = about
        .modified()
        .map_err(status)?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok(Object {
        etag: format!("\"{:016x}-{:016x}\"", about.len(), since.as_nanos()),
        bytes: about.len(),
        modified: UNIX_EPOCH + Duration::from_secs(since.as_secs().min(LAST_DATE)),
        file,
    })
}

/// The last second an HTTP date can name: the end of the year 9999.
const LAST_DATE: u64 = 253_402_300_799;

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
        match open(root, path) {
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
        assert_eq!(open(&root, "/sub/a%20b%25c").unwrap().bytes, 6);
        assert_eq!(open(&root, "/sub%2Fa%20b%25c").unwrap().bytes, 6);
        assert_eq!(open(&root, "/in").unwrap().bytes, 6);
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
    fn dates_before_and_beyond_http_do_no_harm() {
        let (_lair, root) = lair();
        for time in [
            UNIX_EPOCH - Duration::from_secs(9),
            UNIX_EPOCH + Duration::from_secs(LAST_DATE + 9),
        ] {
            let file = File::options()
                .append(true)
                .open(root.join("sub/a b%c"))
                .unwrap();
            // Some file systems keep no such dates; then there is nothing to see here.
            if file.set_modified(time).is_ok() {
                let object = open(&root, "/in").unwrap();
                assert_eq!(httpdate::fmt_http_date(object.modified).len(), 29);
            }
        }
    }
}
