//! Any bytes as a results folder's files: an error that names one, or a report; and what a run that continues there
//! keeps.

#![no_main]

use std::fs;

use delta_lab::record::{Results, RowFile};
use delta_lab::report;
use delta_lab_fuzz::{empty, names, put};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // rows.csv, then what may lie beside it, each after a byte that texts do not have.
    let mut files = bytes.split(|&byte| byte == 0);
    let folder = empty("results");
    for name in ["rows.csv", "plan.toml", "findings.csv", "host.toml", "facts.csv"] {
        if let Some(bytes) = files.next() {
            put(&format!("results/{name}"), bytes);
        }
    }
    let before = fs::read(folder.join("rows.csv")).expect("it was written");
    let loaded = Results::load(&folder);
    match &loaded {
        Err(error) => names(error, &folder),
        Ok(results) => {
            if results.rows.len() < 200 {
                report::terminal(results, 80).ok();
            }
        }
    }
    match RowFile::open(&folder) {
        Err(error) => {
            names(&error, &folder);
            let after = fs::read(folder.join("rows.csv")).expect("it is still there");
            assert!(before.starts_with(&after), "what was refused was written to");
        }
        Ok((_, rows)) => {
            // What was read before the last line was mended is read again, but for that line.
            if let Ok(results) = &loaded {
                assert!(results.rows.starts_with(&rows), "rows were changed");
            }
        }
    }
});
