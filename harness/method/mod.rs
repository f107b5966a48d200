//! Methods: ways to move an image, each two verbs. The built-in ones are a table, declared ones are TOML files.

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::clock::{CommandLine, Release};
use crate::crosscheck::Published;
use crate::image::Image;
use crate::store::Store;
use crate::wire::WireUrl;

pub use builtin::BuiltIn;
pub use call::Call;
pub use declared::{Declared, Power, Room, Root, Tool};
pub use methods::{Methods, braces, split_list};

pub mod bita;
pub mod bsdiff;
pub mod builtin;
mod call;
pub mod cheats;
pub mod chunked;
pub mod chunker;
pub mod declared;
pub mod image_patch;
mod index;
pub mod layers;
mod methods;
mod object;
mod packed;
pub mod param;
pub mod patched;
pub mod rsync;
mod spans;
pub mod tar_diff;
mod template;
#[cfg(test)]
mod tests;
mod version;
pub mod whole;
pub mod xdelta3;
pub mod zstd_patch;

/// A way to move an image, as it is built in. Each verb runs in a process of its own, so nothing is remembered between
/// calls except what is in the store.
pub trait Method: Sync {
    /// Version of the code that does the work, with the parameters that decide its bytes; fails if it is not here.
    fn version(&self) -> Result<String>;

    /// Whether a base changes what a client does.
    fn uses_bases(&self) -> bool {
        true
    }

    /// What it gives back: the archive, or the image in another one.
    fn moves(&self) -> Moves {
        Moves::Archive
    }

    /// Whether the method can move this image at all; the error says what it lacks (`layers` needs layers).
    fn accepts(&self, _image: &Image) -> Result<()> {
        Ok(())
    }

    /// Where `image` lies in the store once it is published, for a method whose format the lab can read; its updates
    /// are then held against what the format says.
    fn cross_check(&self, _image: &Image) -> Result<Option<Published>> {
        Ok(None)
    }

    /// Server: add `image` to `store`; clients are expected to hold one of `bases`.
    fn publish(&self, image: &Image, bases: &[Image], store: &Store) -> Result<()>;

    /// Client: rebuild the image published as `name` at `out` (does not exist yet), helped by `bases`.
    fn update(&self, name: &str, bases: &[Image], wire: &WireUrl, out: &Path) -> Result<()>;
}

/// Whoever does acts: a method that is built in, or a declared tool. The harness knows nothing else of it.
pub trait Doer: Sync {
    /// `fastcdc/64k`: the family, and the parameter if it takes one.
    fn name(&self) -> &str;

    fn about(&self) -> &About;

    /// Whether it looks at images and moves none. A probe may have a method's name.
    fn is_probe(&self) -> bool {
        false
    }

    /// Version of the code that does the work, whose programs are the machine's or those of `release`. The error says
    /// why it cannot be done here and how to change that; it holds a [`Broken`] when the tool is here and does not work.
    fn version(&self, release: Option<&Release>) -> Result<String>;

    /// Whether the doer can move this image at all; the error says what the image lacks.
    fn accepts(&self, image: &Image) -> Result<()>;

    /// Where the doer puts an image, if the lab can read its format.
    fn cross_check(&self, image: &Image) -> Result<Option<Published>>;

    /// The command lines that do the step, each to be run as a process. `tmp` is the step's scratch folder, which
    /// exists.
    fn commands(&self, call: &Call, tmp: &Path) -> Result<Vec<CommandLine>>;
}

/// What is known of a doer without running it.
#[derive(Clone, Debug)]
pub struct About {
    /// One sentence, for lists.
    pub text: String,
    pub moves: Moves,
    /// Why it takes part only where it is named, and not where all methods do.
    pub only_by_name: Option<String>,
    /// Whether a base changes what its client does.
    pub uses_bases: bool,
    /// Whether its client holds more than the files of its bases, and so comes by them in a step of its own.
    pub holds: bool,
    /// The program behind a declared method; a built-in one has none.
    pub tool: Option<Tool>,
    /// What the doer needs beyond its working folder, the store or the wire, and the images it is given.
    pub room: Option<Room>,
    /// Another release of Debian whose programs it runs.
    pub root: Option<Root>,
}

/// What a method moves, and so what it is given and has to rebuild.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moves {
    /// The archive, to the byte.
    #[default]
    Archive,
    /// The image as an engine knows it, config and layers, in any archive that an engine loads.
    Image,
    /// The tree of files that the archive unpacks to: the path of an image is then that of its tree.
    Tree,
}

/// Why a tool that is here cannot be used: its version command was killed or hung. That is a failure, where a missing
/// tool is skipped.
#[derive(Debug)]
pub struct Broken(pub String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

/// First argument of the program when it is to do one step of a built-in method.
pub const STEP_WORD: &str = "__step";

/// Does one step of a built-in method in this process: what `delta-lab __step METHOD FILE` runs. The file holds the
/// [`Call`].
pub fn do_step(name: &str, file: &Path) -> Result<()> {
    let method = builtin::builtin(name)?;
    match Call::read(file)? {
        Call::Publish {
            image,
            bases,
            store,
            ..
        } => method.publish(&image, &bases, &Store::at(&store)?),
        Call::Update {
            name,
            bases,
            url,
            out,
            ..
        } => method.update(&name, &bases, &WireUrl(url), &out),
        Call::Hold { .. } => bail!("{name} holds nothing but its bases"),
        Call::Probe { .. } => bail!("{name} moves images, it does not look at them"),
    }
}
