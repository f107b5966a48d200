//! Methods: ways to move an image, each two verbs. The built-in ones are a table, declared ones are TOML files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::clock::CommandLine;
use crate::crosscheck::Published;
use crate::image::Image;
use crate::store::Store;
use crate::wire::WireUrl;
use declared::Declared;

pub mod bita;
pub mod bsdiff;
pub mod builtin;
pub mod chunked;
pub mod chunker;
pub mod declared;
mod index;
pub mod layers;
mod object;
pub mod patched;
pub mod rsync;
mod spans;
mod template;
#[cfg(test)]
mod tests;
mod version;
pub mod whole;
pub mod xdelta3;
pub mod zstd_patch;

/// A way to move an image. Each verb runs in a process of its own, so nothing is remembered between calls
/// but what is in the store.
pub trait Method {
    /// Version of the code that does the work, with the parameters that decide its bytes; fails if it is not here.
    fn version(&self) -> Result<String>;

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

/// What a method moves, and so what it is given and has to rebuild.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moves {
    /// The archive, to the byte.
    #[default]
    Archive,
    /// The tree of files that the archive unpacks to: the path of an image is then that of its tree.
    Tree,
}

/// One step as a method is asked for it: all it is told, and so all it can use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Call {
    Publish {
        image: Image,
        bases: Vec<Image>,
        store: PathBuf,
    },
    Update {
        name: String,
        bases: Vec<Image>,
        url: String,
        /// A program that stands in for `ssh` on the wire, for tools that want one. Built-in methods don't.
        ssh: PathBuf,
        out: PathBuf,
    },
}

/// First argument of the program when it is to do one step of a built-in method.
pub const STEP_WORD: &str = "__step";

/// A method that takes part, built in or declared.
pub enum Contender {
    Builtin {
        name: &'static str,
        method: Box<dyn Method>,
    },
    Declared(Box<Declared>),
}

impl Contender {
    pub fn name(&self) -> &str {
        match self {
            Contender::Builtin { name, .. } => name,
            Contender::Declared(declared) => &declared.name,
        }
    }

    /// Version of the code that does the work; the error says why it can't be done here and how to mend it.
    pub fn version(&self) -> Result<String> {
        match self {
            Contender::Builtin { method, .. } => method.version(),
            Contender::Declared(declared) => declared.version(),
        }
    }

    /// Whether the method can move this image at all.
    pub fn accepts(&self, image: &Image) -> Result<()> {
        match self {
            Contender::Builtin { method, .. } => method.accepts(image),
            Contender::Declared(declared) => declared.accepts(image),
        }
    }

    pub fn moves(&self) -> Moves {
        match self {
            Contender::Builtin { .. } => Moves::Archive,
            Contender::Declared(declared) => declared.moves,
        }
    }

    /// Where the method puts an image, if the lab can read its format.
    pub fn cross_check(&self, image: &Image) -> Result<Option<Published>> {
        match self {
            Contender::Builtin { method, .. } => method.cross_check(image),
            Contender::Declared(declared) => declared.cross_check(image),
        }
    }

    /// Whether a base changes what a client does. Built-in methods that have no use for one have no cross-check either.
    pub fn uses_bases(&self) -> bool {
        match self {
            Contender::Builtin { .. } => true,
            Contender::Declared(declared) => declared.uses_bases(),
        }
    }

    /// The command lines that do the step, each to be run as a process. `tmp` is the step's scratch folder.
    pub fn commands(&self, call: &Call, tmp: &Path) -> Result<Vec<CommandLine>> {
        match self {
            Contender::Declared(declared) => declared.commands(call, tmp),
            Contender::Builtin { name, .. } => {
                let lab = std::env::current_exe().context("find this program")?;
                let lab = lab
                    .to_str()
                    .with_context(|| format!("{}: the path is not UTF-8", lab.display()))?;
                let call = serde_json::to_string(call).context("write the step's order")?;
                let argv = vec![
                    lab.to_string(),
                    STEP_WORD.to_string(),
                    name.to_string(),
                    call,
                ];
                Ok(vec![argv.into()])
            }
        }
    }
}

/// Every method there is: the built-in ones, then the declared ones of some folders in order.
pub fn all(folders: &[PathBuf]) -> Result<Vec<Contender>> {
    let mut contenders: Vec<Contender> = builtin::BUILTIN
        .iter()
        .map(|(name, make)| Contender::Builtin {
            name,
            method: make(),
        })
        .collect();
    let mut seen = Vec::new();
    for folder in folders {
        for file in declared::files(folder)? {
            let real =
                std::fs::canonicalize(&file).with_context(|| format!("find {}", file.display()))?;
            if seen.contains(&real) {
                continue;
            }
            seen.push(real);
            for declared in declared::read(&file)? {
                let taken = contenders
                    .iter()
                    .any(|contender| contender.name() == declared.name);
                ensure!(
                    !taken,
                    "{}: there is a method `{}` already",
                    file.display(),
                    declared.name
                );
                contenders.push(Contender::Declared(Box::new(declared)));
            }
        }
    }
    Ok(contenders)
}

/// Does one step of a built-in method in this process: what `delta-lab __step METHOD CALL` runs.
pub fn do_step(name: &str, call: &str) -> Result<()> {
    let make = builtin::BUILTIN
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, make)| make);
    let method = make.with_context(|| format!("no built-in method {name}"))?();
    match serde_json::from_str(call).context("read the step's order")? {
        Call::Publish {
            image,
            bases,
            store,
        } => method.publish(&image, &bases, &Store::at(&store)?),
        Call::Update {
            name,
            bases,
            url,
            ssh: _,
            out,
        } => method.update(&name, &bases, &WireUrl(url), &out),
    }
}
