//! What the targets share: a folder to put inputs in, and repairs of what would otherwise stop every mutation at a
//! checksum.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    TempDir::with_prefix("delta-lab-fuzz-").expect("a folder for temporary files is there")
});

/// A path in the folder of this process. The folder stays when a target aborts; fuzz/run gives it a TMPDIR that goes.
pub fn place(name: &str) -> PathBuf {
    FOLDER.path().join(name)
}

/// Writes the file `name` anew.
pub fn put(name: &str, bytes: &[u8]) -> PathBuf {
    let path = place(name);
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the folder can be made");
    fs::write(&path, bytes).expect("the folder can be written to");
    path
}

/// An empty folder `name`.
pub fn empty(name: &str) -> PathBuf {
    let path = place(name);
    if path.exists() {
        fs::remove_dir_all(&path).expect("an earlier input's folder can be removed");
    }
    fs::create_dir_all(&path).expect("the folder can be made");
    path
}

/// Every error names the file that it is about.
pub fn names(error: &anyhow::Error, path: &Path) {
    let (said, path) = (format!("{error:#}"), path.display().to_string());
    assert!(said.contains(&path), "{path} is not named: {said}");
}

/// Writes right checksums into every block that looks like a tar's header, and fills the last block.
pub fn mend_tar(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    for block in bytes.chunks_exact_mut(512) {
        if &block[257..262] == b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}
