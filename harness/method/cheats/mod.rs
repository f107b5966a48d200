//! Cheats: methods that want a row without paying for it. `check-method` tries each from within a method's own room.
//!
//! Each publishes the image's length in the open and hides the image; its update looks where it was hidden. One that gets
//! through has a verified row for fewer bytes than the image has.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use self::table::Wanted;
use super::{About, Call, Doer, Moves, Room};
use crate::clock::{CommandLine, Release};
use crate::crosscheck::Published;
use crate::image::Image;

mod table;

pub use table::{CHEATS, Cheat, Known, bricks};

/// First argument of the program when it is to cheat.
pub const WORD: &str = "__cheat";

/// A cheat as a doer of acts, in the room of another method.
pub struct Cheating {
    cheat: &'static Cheat,
    known: Known,
    about: About,
}

impl Cheating {
    pub fn new(cheat: &'static Cheat, known: &Known, room: Option<Room>) -> Cheating {
        Cheating {
            cheat,
            known: known.clone(),
            about: About {
                text: format!("cheats by {}", cheat.by),
                moves: Moves::Archive,
                uses_bases: false,
                only_by_name: None,
                holds: false,
                tool: None,
                room,
                root: None,
            },
        }
    }
}

impl Doer for Cheating {
    fn name(&self) -> &str {
        self.cheat.name
    }

    fn about(&self) -> &About {
        &self.about
    }

    fn version(&self, _release: Option<&Release>) -> Result<String> {
        Ok(concat!("delta-lab ", env!("CARGO_PKG_VERSION")).to_string())
    }

    fn accepts(&self, _image: &Image) -> Result<()> {
        Ok(())
    }

    fn cross_check(&self, _image: &Image) -> Result<Option<Published>> {
        Ok(None)
    }

    fn commands(&self, call: &Call, tmp: &Path) -> Result<Vec<CommandLine>> {
        let known = serde_json::to_vec(&self.known).context("write what is known")?;
        fs::write(tmp.join(KNOWN), known).context("write what is known")?;
        call.to_own_program(WORD, self.cheat.name, tmp)
    }
}

/// File beside a cheat's call.
const KNOWN: &str = "known.json";

/// Does one step of a cheat in this process: what `delta-lab __cheat NAME FILE` runs. The file holds the [`Call`].
pub fn main(name: &str, file: &Path) -> Result<()> {
    let cheat = CHEATS.iter().find(|cheat| cheat.name == name);
    let cheat = cheat.with_context(|| format!("no cheat {name}"))?;
    let known = fs::read(file.with_file_name(KNOWN)).context("read what is known")?;
    let known: Known = serde_json::from_slice(&known).context("read what is known")?;
    match Call::read(file)? {
        Call::Publish { image, store, .. } => {
            let size = store.join(format!("{}.size", image.name));
            fs::write(size, image.bytes.to_string())?;
            (cheat.publish)(&known, &image, &store)
        }
        Call::Update {
            name,
            url,
            ssh,
            out,
            ..
        } => {
            let mut image = (cheat.update)(&known, &Wanted { name, url, ssh })?;
            image.truncate(usize::try_from(known.bytes)?);
            Ok(fs::write(out, image)?)
        }
        Call::Hold { .. } => bail!("a cheat holds nothing"),
        Call::Probe { .. } => bail!("a cheat moves images, it does not look at them"),
    }
}
