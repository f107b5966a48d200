//! delta-lab: image pairs in, verified numbers out.
//!
//! The map: which room owns what, in the order in which a datum walks. A room may import the rooms named after `<-`, and
//! `record`, `image`, `dice` and `words`, which everybody may. A test reads this map and holds every file to it.
//!
//! ```text
//! image      <-                            an image: name, path, length, sha256; hashing
//! dice       <-                            seeded draws and noise, the same on every machine
//! words      <-                            words people type: names, slips, places in a text
//! record     <-                            the bridge between the halves: acts, cases, rows, findings, the plan, measures, the results folder
//! clock      <-                            runs a step's commands under the shim; limits, and the kernel's account
//! archive    <-                            image archives and tars: read where they lie, unpacked, written in one form
//! store      <-                            the server's folder, and its size
//! wire       <- clock store                  the only road from a store to a client, http or ssh, and the meter on it
//! crosscheck <- store wire                 published formats read without their tools: what must cross
//! source     <- archive clock              where images come from: docker, registry, file, build, command, seed; the cache
//! engine     <-                            chunks, the pipeline that moves them, the file-aware delta; knows nothing of the lab
//! method     <- archive clock crosscheck engine store wire    ways to move an image: built in, or declared in TOML
//! probe      <- archive clock crosscheck engine method       looks at images and moves nothing
//! plan       <-                            policies and axes: from images and methods to acts
//! scenario   <- clock method plan probe source    a TOML file, read and checked whole
//! run        <- archive clock crosscheck method plan probe scenario source store wire    does the acts and writes rows
//! stats      <-                            what rows say together: sections, spreads, comparisons, verdicts
//! report     <- stats                      views make blocks, inks print them
//! cmd        <- archive clock crosscheck engine method plan probe report run scenario source stats store wire    one thin file for each command
//! ```
//!
//! The making half (up to `run`) never reads rows back for what they say; the reading half (`stats`, `report`) never
//! makes one. Only `record` is known to both, and only `cmd` knows both.

#![forbid(unsafe_code)]

pub mod archive;
pub mod clock;
pub mod cmd;
pub mod crosscheck;
pub mod dice;
pub mod engine;
pub mod image;
pub mod method;
pub mod plan;
pub mod probe;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod source;
pub mod stats;
pub mod store;
pub mod wire;
pub mod words;
