//! What the acts of one trial share beside their plan.

use std::cell::OnceCell;
use std::path::PathBuf;

use super::kept::KeptStores;
use super::proven::Proven;
use super::ready::Version;
use super::trees::Trees;
use crate::clock::{Limits, Release};
use crate::image::Image;
use crate::method::Doer;
use crate::plan::Trial;
use crate::record::RangeLimit;
use crate::wire::road::Servers;

pub struct Setting<'a> {
    /// In order of release.
    pub images: Vec<Image>,
    /// Why they can't be made here.
    pub lacks: Option<String>,
    pub doer: &'a dyn Doer,
    /// The images unpacked, when it is trees that the method moves.
    pub trees: Option<&'a Trees>,
    /// The bases of each update whose client comes by them in a step of its own.
    pub holders: Vec<Vec<usize>>,
    /// Version of the doer here, or why it can't run here.
    pub version: Version,
    /// Another release of Debian whose programs the doer runs.
    pub release: Option<&'a Release>,
    pub limits: Limits,
    /// How many processors a step may use, where the case says so.
    pub cores: Option<usize>,
    /// Whether clients have their bases on their disk alone, where the case says so.
    pub cold: bool,
    /// How many ranges of an object the wire answers at once, where the case says so.
    pub ranges: Option<RangeLimit>,
    /// Whether rows say what steps cost: not where other trials run meanwhile.
    pub timed: bool,
    /// The stores that were proven by other trials, where there are any of this doer.
    pub proven: Option<&'a Proven>,
    /// The stores that earlier publishes left, and the trial that may take them up.
    pub kept: Option<(&'a KeptStores<'a>, &'a Trial)>,
    /// Folder of this trial, kept until all its rows are written.
    pub folder: PathBuf,
    /// See `clock::Work::guard`.
    pub guard: PathBuf,
    /// The servers of the trial's road, started by the first update that needs them.
    pub servers: OnceCell<Servers>,
    /// Folder for one CSV of objects per update, when asked for.
    pub objects: Option<PathBuf>,
}
