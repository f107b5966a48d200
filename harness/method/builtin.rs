//! The built-in methods: a table of families, and how a method of each is made.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::bita::{self, Bita};
use super::bsdiff::Bsdiff;
use super::chunked::Chunked;
use super::chunker::Chunker;
use super::image_patch::ImagePatch;
use super::layers::Layers;
use super::packed::PackedStore;
use super::param::{Fit, Param};
use super::patched::{Codec, Patched};
use super::rsync::Rsync;
use super::tar_diff::TarDiff;
use super::whole::{Form, Whole};
use super::xdelta3::Xdelta3;
use super::zstd_patch::ZstdPatch;
use super::{About, Call, Doer, Method, STEP_WORD};
use crate::clock::{CommandLine, Release};
use crate::crosscheck::Published;
use crate::engine::chunk::{Buzhash, FastCdc, Fixed, Gear, Peaks};
use crate::engine::image::Effort;
use crate::image::Image;
use crate::words;

/// Methods that differ in one parameter at most.
pub struct Family {
    pub name: &'static str,
    pub param: Option<Param>,
    /// The values that lists show; any other in range will do as well.
    pub shown: &'static [&'static str],
    /// One sentence, for lists.
    pub about: &'static str,
    /// Makes the method from its parameter, which is in range; 0 where there is none.
    make: fn(u32) -> Box<dyn Method>,
}

/// Every built-in method. Adding one is one line here.
#[rustfmt::skip]
pub const METHODS: &[Family] = &[
    family("raw", None, &[], "the whole image as it is: what a plain download costs", |_| whole(Form::Raw)),
    family("gzip", Some(GZIP), &["6"], "the whole image, compressed with gzip", |level| whole(Form::Gzip { level })),
    family("zstd", Some(ZSTD), &["3", "19"], "the whole image, compressed with zstd; from level 16 on with --long=27", |level| whole(zstd(level))),
    family("layers", None, &[], "what a registry does: the layers a client lacks, each compressed with gzip", |_| Box::new(Layers)),
    family("fixed", Some(FIXED), &["64k"], "chunks of one size in a store that all releases share", |size| chunked(Fixed::size(size as usize))),
    family("fastcdc", Some(FASTCDC), &["16k", "64k", "256k"], "chunks cut by content in a store that all releases share", |size| chunked(FastCdc::average(size as usize))),
    family("fastcdc-pack", Some(FASTCDC), &["64k"], "the chunks of fastcdc, those of one publish in one object, fetched in ranges", |size| Box::new(PackedStore::by(FastCdc::average(size as usize)))),
    family("gear", Some(GEAR), &["64k"], "chunks cut by the gear hash alone, computed in vectors", |size| chunked(Gear::average(size as usize))),
    family("buzhash", Some(BUZHASH), &["64k"], "chunks cut by the hash that casync, desync and borg use", |size| chunked(Buzhash::average(size as usize))),
    family("peaks", Some(PEAKS), &["64k"], "chunks cut without a hash where bytes rise and fall, compared in vectors", |size| chunked(Peaks::average(size as usize))),
    family("bita", Some(BITA), &["64k"], "one archive per release, fetched in ranges of the chunks a client lacks", |size| Box::new(Bita::average(size))),
    family("zstd-patch", Some(ZSTD), &["3", "19"], "a patch from each earlier release by zstd --patch-from", |level| patched(ZstdPatch { level: level.cast_signed() }, zstd(level))),
    // A client with nothing gets the quick whole form of these: at level 19 that form alone would be 98 % of the time
    // xdelta3 takes to publish (230 of 235 s for a 281 MB image), and `zstd/19` is in the race on its own.
    family("xdelta3", None, &[], "a patch from each earlier release in VCDIFF, packed with zstd -19", |_| patched(Xdelta3, zstd(3))),
    family("bsdiff", None, &[], "a patch from each earlier release by suffix sorting, packed with bzip2", |_| patched(Bsdiff, zstd(3))),
    family("image-patch", Some(EFFORT), &["fast", "best"], "a patch that knows the layers of an image, compressed ones too, its files and its gzip members", |at| Box::new(ImagePatch(EFFORTS[at as usize]))),
    family("tar-diff", Some(ZSTD), &["3", "19"], "bootc's deltas: layers made of the files of the image before, by zstd and tar-diff", |level| Box::new(TarDiff { level: level.cast_signed() })),
    family("rsync", None, &[], "a delta from each earlier release by rsync's algorithm, packed with zstd -19", |_| patched(Rsync, zstd(3))),
];

const EFFORT: Param = Param::Word {
    words: &["fast", "best"],
};
const EFFORTS: [Effort; 2] = [Effort::Fast, Effort::Best];
const GZIP: Param = Param::Level { least: 1, most: 9 };
const ZSTD: Param = Param::Level { least: 1, most: 22 };
/// Smaller chunks would make an index as long as half the image.
const FIXED: Param = Param::Size {
    what: "a chunk",
    least: 64,
    most: Fixed::MOST_BYTES,
    fit: Fit::Any,
};
const FASTCDC: Param = average(
    FastCdc::LEAST_AVERAGE_BYTES,
    FastCdc::MOST_AVERAGE_BYTES,
    Fit::MultipleOf8,
);
const GEAR: Param = average(
    Gear::LEAST_AVERAGE_BYTES,
    Gear::MOST_AVERAGE_BYTES,
    Fit::PowerOfTwo,
);
const BUZHASH: Param = average(
    Buzhash::LEAST_AVERAGE_BYTES,
    Buzhash::MOST_AVERAGE_BYTES,
    Fit::PowerOfTwo,
);
const PEAKS: Param = average(
    Peaks::LEAST_AVERAGE_BYTES,
    Peaks::MOST_AVERAGE_BYTES,
    Fit::PowerOfFour,
);
const BITA: Param = average(
    bita::LEAST_AVERAGE_BYTES,
    bita::MOST_AVERAGE_BYTES,
    Fit::PowerOfTwo,
);

const fn average(least: u32, most: u32, fit: Fit) -> Param {
    Param::Size {
        what: "an average chunk",
        least,
        most,
        fit,
    }
}

const fn family(
    name: &'static str,
    param: Option<Param>,
    shown: &'static [&'static str],
    about: &'static str,
    make: fn(u32) -> Box<dyn Method>,
) -> Family {
    Family {
        name,
        param,
        shown,
        about,
        make,
    }
}

fn whole(form: Form) -> Box<dyn Method> {
    Box::new(Whole(form))
}

/// Levels from 16 on spend their time on a small result, and long-distance matching belongs to that; below, it would
/// double the time.
fn zstd(level: u32) -> Form {
    match level {
        0..16 => Form::Zstd {
            level: level.cast_signed(),
        },
        _ => Form::ZstdLong {
            level: level.cast_signed(),
        },
    }
}

fn chunked(chunker: impl Chunker + 'static) -> Box<dyn Method> {
    Box::new(Chunked::by(chunker))
}

fn patched(codec: impl Codec + 'static, full: Form) -> Box<dyn Method> {
    Box::new(Patched::by(codec, full))
}

impl Family {
    /// The names of the methods that lists show.
    pub fn names(&self) -> Vec<String> {
        match self.param {
            None => vec![self.name.to_string()],
            Some(_) => {
                let shown = self.shown.iter();
                shown
                    .map(|value| format!("{}/{value}", self.name))
                    .collect()
            }
        }
    }

    /// The method of that parameter, by its one name (`fastcdc/65536` is `fastcdc/64k`), and the parameter's value.
    fn method(&self, value: Option<&str>) -> Result<(String, u32)> {
        let name = self.name;
        match (self.param, value) {
            (None, None) => Ok((name.to_string(), 0)),
            (None, Some(value)) => {
                bail!("`{name}/{value}`: {name} takes no parameter: write `{name}`")
            }
            (Some(param), None) => bail!("{}", self.example(param)),
            (Some(param), Some(text)) => {
                let value = param
                    .read(text)
                    .with_context(|| format!("`{name}/{text}`"))?;
                Ok((format!("{name}/{}", param.label(value)), value))
            }
        }
    }

    /// How the parameter is written.
    fn example(&self, param: Param) -> String {
        let (name, word) = (self.name, param.word());
        let several = match self.shown {
            [_] => String::new(),
            several => format!(", or several as `{name}/{{{}}}`", several.join(",")),
        };
        let first = self.shown[0];
        format!("`{name}` needs a {word}: write `{name}/{first}`{several}; {param}")
    }
}

/// The family with that name.
pub fn family_of(name: &str) -> Option<&'static Family> {
    METHODS.iter().find(|family| family.name == name)
}

/// Splits `fastcdc/64k` into the family and the parameter.
pub(super) fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once('/') {
        Some((family, value)) => (family, Some(value)),
        None => (name, None),
    }
}

/// The built-in method of that name.
pub fn builtin(name: &str) -> Result<Box<dyn Method>> {
    BuiltIn::named(name).map(|built_in| built_in.method)
}

/// A method that is built in, with its parameter chosen.
pub struct BuiltIn {
    name: String,
    about: About,
    method: Box<dyn Method>,
}

impl BuiltIn {
    /// The method that `name` says; the error says which parameters its family takes.
    pub fn named(name: &str) -> Result<BuiltIn> {
        let (family, value) = split(name);
        let family = family_of(family).with_context(|| {
            let known = METHODS.iter().map(|family| family.name);
            format!("no built-in method `{name}`{}", words::meant(family, known))
        })?;
        let (name, value) = family.method(value)?;
        let method = (family.make)(value);
        Ok(BuiltIn {
            name,
            about: About {
                text: family.about.to_string(),
                moves: method.moves(),
                uses_bases: method.uses_bases(),
                only_by_name: None,
                holds: false,
                tool: None,
                room: None,
                root: None,
            },
            method,
        })
    }
}

impl Doer for BuiltIn {
    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> &About {
        &self.about
    }

    fn version(&self, _release: Option<&Release>) -> Result<String> {
        self.method.version()
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        self.method.accepts(image)
    }

    fn cross_check(&self, image: &Image) -> Result<Option<Published>> {
        self.method.cross_check(image)
    }

    fn commands(&self, call: &Call, tmp: &Path) -> Result<Vec<CommandLine>> {
        call.to_own_program(STEP_WORD, &self.name, tmp)
    }
}
