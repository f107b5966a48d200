//! A folder for what is asked of a program beside any step, such as its version: in the folder for temporary files,
//! locked while it is in use. What a lab that was killed left there, the next one removes.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

const PREFIX: &str = "delta-lab-scratch-";

/// A folder that is removed when dropped.
pub struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// A new folder, once those that nobody uses any more are gone.
    pub fn new() -> Result<Scratch> {
        Scratch::within(&std::env::temp_dir())
    }

    fn within(place: &Path) -> Result<Scratch> {
        sweep(place);
        loop {
            let folder = tempfile::Builder::new()
                .prefix(PREFIX)
                .tempdir_in(place)
                .with_context(|| format!("make a scratch folder in {}", place.display()))?;
            let taken = File::open(folder.path()).and_then(|lock| lock.lock().map(|()| lock));
            // Another lab may have found it between its making and its lock, and taken it for one that was left.
            match taken {
                Ok(lock) if folder.path().is_dir() => {
                    return Ok(Scratch {
                        folder,
                        _lock: lock,
                    });
                }
                Ok(_) => {}
                Err(_) if !folder.path().is_dir() => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("lock {}", folder.path().display()));
                }
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders that nobody has locked. Those of other users can't be opened, and stay.
fn sweep(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        if !entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(PREFIX.as_bytes())
        {
            continue;
        }
        let Ok(lock) = File::open(entry.path()) else {
            continue;
        };
        // Held until it is gone: whoever has just made it takes it by this lock.
        if lock.try_lock().is_ok() {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_lab_left_is_removed_and_what_is_in_use_is_not() {
        let place = tempfile::tempdir().unwrap();
        let left = place.path().join(format!("{PREFIX}left"));
        fs::create_dir(&left).unwrap();
        fs::write(left.join("version"), "1").unwrap();
        let others = place.path().join("another-programs");
        fs::create_dir(&others).unwrap();
        let used = Scratch::within(place.path()).unwrap();
        assert!(!left.exists() && others.exists());
        let next = Scratch::within(place.path()).unwrap();
        assert!(used.path().is_dir() && next.path().is_dir());
        let path = used.path().to_path_buf();
        drop(used);
        assert!(!path.exists());
    }

    /// Many labs at once, each of which sweeps while others make theirs.
    #[test]
    fn nobodys_folder_is_removed_between_its_making_and_its_lock() {
        let place = tempfile::tempdir().unwrap();
        std::thread::scope(|labs| {
            for _ in 0..8 {
                labs.spawn(|| {
                    for _ in 0..300 {
                        let scratch = Scratch::within(place.path()).unwrap();
                        fs::write(scratch.path().join("version"), "1").unwrap();
                        std::thread::yield_now();
                        fs::read(scratch.path().join("version")).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
