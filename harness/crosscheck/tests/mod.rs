//! Claims about the cross-checks: on files made by hand, on files made by the tools, and on files made to harm.

use std::fs;

use tempfile::TempDir;

use super::*;

mod compared;
mod hand_made;
mod tools;

/// A store of a test's own, beside the images.
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

    /// Writes an image, and says that it is published under its name and that ending.
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

/// Numbers and bytes from a seed (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn seeded(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From 0 up to but not `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.roll() % end.max(1) as u64) as usize
    }

    fn noise(&mut self, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|_| (self.roll() >> 56) as u8).collect()
    }
}
