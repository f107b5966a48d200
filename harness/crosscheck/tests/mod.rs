//! Claims about the cross-checks, on files made by hand, files made by the tools, and hostile files.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::dice::Dice;

mod compared;
mod hand_made;
mod registry;
mod tools;

/// A store and a folder of images.
struct Yard {
    dir: TempDir,
    store: Store,
}

impl Yard {
    fn new() -> Yard {
        let dir = TempDir::with_prefix("delta-lab-crosscheck-").unwrap();
        let store = Store::at(&dir.path().join("store")).unwrap();
        Yard { dir, store }
    }

    /// Puts an object into the store.
    fn put(&self, object: &str, bytes: &[u8]) {
        let path = self.store.object(object);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Writes an image, and describes it as published under its name with the format's suffix.
    fn image(&self, format: &str, name: &str, bytes: &[u8]) -> Published {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let format = super::format(format).unwrap();
        let ending = match format.name {
            "casync" | "desync" => "caibx",
            "zchunk" => "zck",
            "bita" => "cba",
            other => other,
        };
        Published {
            format,
            image: Image::read(name, &path).unwrap(),
            index: format!("{name}.{ending}"),
            chunks: format.has_chunks.then(|| "default.castr".to_string()),
        }
    }

    fn expect(&self, wanted: &Published, bases: &[Published]) -> Result<Vec<Expected>> {
        (wanted.format.expect)(&Pull {
            store: &self.store,
            wanted,
            bases,
        })
    }
}
