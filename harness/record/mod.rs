//! The bridge between the two halves: the words both share, and the results folder that holds them.
//!
//! The making half appends here, the reading half loads from here, and neither knows the other.

mod act;
mod append;
mod case;
mod cell;
mod expect;
mod explained;
mod fault;
mod finding;
mod folder;
mod host;
mod job;
mod keyed;
mod legacy;
mod measure;
mod merge;
mod merged;
mod name;
mod plan;
mod range_limit;
mod read;
mod road;
mod row;
mod rows;

pub use act::{Act, Bases, Verb};
pub use case::Case;
pub use expect::{Bound, Expect, Of, Share};
pub use explained::{Cost, Explained, ExplainedFile, ExplainedLayer, Kind};
pub use fault::Fault;
pub use finding::{Finding, FindingFile, rewrite_findings};
pub use folder::{HALF_WRITTEN, Results, read_host, read_plan, replace, write_host, write_plan};
pub use host::Host;
pub use job::{Job, write_job};
pub use keyed::{Keyed, keyed};
pub use measure::{CHOSEN, MEASURES, Measure, SIMILARITY, Unit, measure};
pub use merge::{Merging, merge};
pub use merged::{Merged, Timed};
pub use name::Name;
pub use plan::{
    FORM, FORM_AS_IS, Move, Plan, PlannedCase, PlannedImage, PlannedMethod, ScenarioPlan,
};
pub use range_limit::{Beyond, RangeLimit};
pub use road::{Access, Clients, ROADS, Road};
pub use row::{Check, Key, Row};
pub use rows::{RowFile, read_rows, rewrite_rows};

/// Version of the columns of rows.csv and findings.csv and of the keys of plan.toml and host.toml.
///
/// 2 added `case`, called the verb and the bases by their names, and put facts.csv into plan.toml. 3 added `room`, 4
/// `base_read_bytes`. Folders of earlier schemas are still read; a run adds to folders of its own schema alone.
pub const SCHEMA: u32 = 4;

/// The oldest schema that is read.
pub const OLDEST_SCHEMA: u32 = 1;
