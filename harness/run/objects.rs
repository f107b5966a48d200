//! What crossed the wire in one update, object by object, as a file.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::record::{Act, replace};
use crate::wire::Traffic;

/// One CSV for one update: what crossed the wire, object by object.
pub fn write(folder: &Path, act: &Act, traffic: &Traffic) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let case = act.case.to_string();
    let (deed, sample) = (act.deed(), act.sample.to_string());
    let parts = [&act.scenario, &case, &act.doer, &deed, &sample];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    let name = parts.cloned().collect::<Vec<_>>().join(".");
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-=".contains(letter);
    let name = name.replace(|letter| !plain(letter), "-") + ".csv";
    let mut text = csv::Writer::from_writer(Vec::new());
    text.write_record(["object", "requests", "payload_bytes"])
        .context("write objects as CSV")?;
    for object in &traffic.objects {
        text.write_record([
            object.object.as_str(),
            &object.requests.to_string(),
            &object.payload_bytes.to_string(),
        ])
        .context("write objects as CSV")?;
    }
    let text = text.into_inner().context("write objects as CSV")?;
    replace(&folder.join(name), &text)
}
