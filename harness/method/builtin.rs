//! The built-in methods: a name, and how to make the method.

use super::Method;
use super::bita::Bita;
use super::bsdiff::Bsdiff;
use super::chunked::Chunked;
use super::chunker::{FastCdc, Fixed, KIB};
use super::layers::Layers;
use super::patched::Patched;
use super::rsync::Rsync;
use super::whole::{Form, Whole};
use super::xdelta3::Xdelta3;
use super::zstd_patch::ZstdPatch;

/// Makes a method.
pub type Make = fn() -> Box<dyn Method>;

/// Every built-in method. Adding one is one line here.
pub const BUILTIN: &[(&str, Make)] = &[
    ("raw", || Box::new(Whole(Form::Raw))),
    ("gzip/6", || Box::new(Whole(Form::Gzip { level: 6 }))),
    ("zstd/3", || Box::new(Whole(ZSTD_3))),
    ("zstd/19", || Box::new(Whole(ZSTD_19))),
    ("layers", || Box::new(Layers)),
    ("fixed/64k", || {
        Box::new(Chunked::by(const { Fixed::size(64 * KIB) }))
    }),
    ("fastcdc/16k", || {
        Box::new(Chunked::by(const { FastCdc::average(16 * KIB) }))
    }),
    ("fastcdc/64k", || {
        Box::new(Chunked::by(const { FastCdc::average(64 * KIB) }))
    }),
    ("fastcdc/256k", || {
        Box::new(Chunked::by(const { FastCdc::average(256 * KIB) }))
    }),
    ("bita/64k", || Box::new(Bita)),
    ("zstd-patch/3", || {
        Box::new(Patched::by(ZstdPatch { level: 3 }, ZSTD_3))
    }),
    ("zstd-patch/19", || {
        Box::new(Patched::by(ZstdPatch { level: 19 }, ZSTD_19))
    }),
    // A client with nothing gets the quick whole form of these: at level 19 that form alone would be 98 % of the time
    // xdelta3 takes to publish (230 of 235 s for a 281 MB image), and `zstd/19` is in the race on its own.
    ("xdelta3", || Box::new(Patched::by(Xdelta3, ZSTD_3))),
    ("bsdiff", || Box::new(Patched::by(Bsdiff, ZSTD_3))),
    ("rsync", || Box::new(Patched::by(Rsync, ZSTD_3))),
];

const ZSTD_3: Form = Form::Zstd { level: 3 };
const ZSTD_19: Form = Form::ZstdLong { level: 19 };

/// The built-in method of that name.
pub fn builtin(name: &str) -> Option<Box<dyn Method>> {
    let (_, make) = BUILTIN.iter().find(|(known, _)| *known == name)?;
    Some(make())
}
