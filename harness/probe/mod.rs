//! Probes: they look at images and move nothing. What they find is single numbers, in findings.csv.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::clock::{CommandLine, Release};
use crate::crosscheck::Published;
use crate::image::Image;
use crate::method::{About, Call, Doer, Moves};
use crate::words;

mod chunks;
mod digest;
pub mod explain;
mod files;
mod layers;
mod similarity;
mod tree;

/// Takes down what a probe finds: of which part (empty: the whole image), which measure, how much.
pub type Find<'a> = &'a mut dyn FnMut(&str, &str, u64);

/// A probe by name.
pub struct Probe {
    pub name: &'static str,
    pub about: &'static str,
    /// Looks at an image, and compares it with each of the bases a client would hold.
    pub look: fn(&Image, &[Image], Find) -> Result<()>,
    /// The version of the program that it asks; most ask none.
    asks: Option<fn() -> Result<String>>,
    /// Whether it can look at this image at all.
    accepts: fn(&Image) -> Result<()>,
}

/// Every probe. A new one is a file and a line here.
pub const PROBES: &[Probe] = &[
    Probe {
        name: "layers",
        about: "the image's layers, and how many of them its bases hold",
        look: layers::look,
        asks: None,
        accepts: layers::accepts,
    },
    Probe {
        name: "chunks",
        about: "the image's chunks of about 64 KiB, and how many of them its bases hold",
        look: chunks::look,
        asks: None,
        accepts: |_| Ok(()),
    },
    Probe {
        name: "digest",
        about: "whether `casync digest` of the image, its tree and their indexes is the hash that the lab computes",
        look: digest::look,
        asks: Some(digest::version),
        accepts: layers::accepts,
    },
    Probe {
        name: "files",
        about: "the image's files by their contents, whiteouts applied, and what a store of files would add for it",
        look: files::look,
        asks: None,
        accepts: layers::accepts,
    },
    Probe {
        name: "similarity",
        about: "how alike the image and its bases are: TLSH, chunks, MinHash, files, a quick patch",
        look: similarity::look,
        asks: None,
        accepts: |_| Ok(()),
    },
];

/// The probe of that name; the error names the nearest right word.
pub fn find(name: &str) -> Result<&'static Probe> {
    match PROBES.iter().find(|probe| probe.name == name) {
        Some(probe) => Ok(probe),
        None => bail!(
            "unknown probe `{name}`{}",
            words::meant(name, PROBES.iter().map(|probe| probe.name))
        ),
    }
}

/// One number as a probe's process writes it down.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub part: String,
    pub measure: String,
    pub value: u64,
}

/// First argument of the program when it is to be a probe.
pub const WORD: &str = "__probe";

/// Does one act of a probe in this process: what `delta-lab __probe NAME CALL` runs. CALL is the path of the file with
/// the call.
pub fn main(name: &str, call: &Path) -> Result<()> {
    let Call::Probe { image, bases, out } = Call::read(call)? else {
        bail!("a probe can only probe");
    };
    let mut found = Vec::new();
    (find(name)?.look)(&image, &bases, &mut |part, measure, value| {
        found.push(Found {
            part: part.to_string(),
            measure: measure.to_string(),
            value,
        });
    })?;
    let found = serde_json::to_vec(&found).context("write the findings as JSON")?;
    fs::write(&out, found).with_context(|| format!("write {}", out.display()))
}

/// What a probe's process wrote down at `out`.
pub fn read_found(out: &Path) -> Result<Vec<Found>> {
    let found = fs::read(out).with_context(|| format!("read {}", out.display()))?;
    serde_json::from_slice(&found).with_context(|| format!("parse {}", out.display()))
}

/// A probe as a doer of acts.
pub struct Looking {
    probe: &'static Probe,
    about: About,
}

impl Looking {
    /// The probe of that name.
    pub fn by(name: &str) -> Result<Looking> {
        let probe = find(name)?;
        Ok(Looking {
            probe,
            about: About {
                text: probe.about.to_string(),
                moves: Moves::Archive,
                uses_bases: true,
                only_by_name: None,
                holds: false,
                tool: None,
                room: None,
                root: None,
            },
        })
    }
}

impl Doer for Looking {
    fn name(&self) -> &str {
        self.probe.name
    }

    fn about(&self) -> &About {
        &self.about
    }

    fn is_probe(&self) -> bool {
        true
    }

    fn version(&self, _release: Option<&Release>) -> Result<String> {
        let lab = concat!("delta-lab ", env!("CARGO_PKG_VERSION"));
        match self.probe.asks {
            None => Ok(lab.to_string()),
            Some(version) => Ok(format!("{lab}, {}", version()?)),
        }
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        (self.probe.accepts)(image)
    }

    fn cross_check(&self, _image: &Image) -> Result<Option<Published>> {
        Ok(None)
    }

    fn commands(&self, call: &Call, tmp: &Path) -> Result<Vec<CommandLine>> {
        call.to_own_program(WORD, self.probe.name, tmp)
    }
}

/// What `look` finds of the whole of an image, a file of these bytes, beside bases that are such files.
#[cfg(test)]
fn found_by(
    look: fn(&Image, &[Image], Find) -> Result<()>,
    image: &[u8],
    bases: &[&[u8]],
) -> std::collections::BTreeMap<String, u64> {
    let dir = tempfile::tempdir().unwrap();
    let saved = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        Image::read(name, &path).unwrap()
    };
    let image = saved("image", image);
    let bases = bases.iter().enumerate();
    let bases: Vec<Image> = bases
        .map(|(at, it)| saved(&format!("base-{at}"), it))
        .collect();
    let mut found = std::collections::BTreeMap::new();
    look(&image, &bases, &mut |part, measure, value| {
        assert_eq!(part, "");
        found.insert(measure.to_string(), value);
    })
    .unwrap();
    found
}
