//! zsync's control file, and the blocks of an image that a client with a base must fetch.

use std::ops::Range;

use anyhow::{Context, Result, ensure};

use super::{Expected, Pull, head_of};
use control::Control;
use search::Search;

mod control;
mod search;

/// Ranges in one request of zsync 0.6.2.
const RANGES_PER_REQUEST: u64 = 20;

/// The control file in one GET, then the blocks that are not in the bases, one range for each run of adjacent ones.
pub fn expect(pull: &Pull) -> Result<Vec<Expected>> {
    let index = &pull.wanted.index;
    let (bytes, index_bytes) = head_of(pull.store, index, None)?;
    let control = control::parse(&bytes).with_context(|| index.clone())?;
    let image_bytes = pull.wanted.image.bytes;
    ensure!(
        control.length == image_bytes,
        "{index}: it says {} bytes, but the image has {image_bytes}",
        control.length
    );
    let data = beside(index, &control.url).with_context(|| index.clone())?;
    let (_, data_bytes) = head_of(pull.store, &data, Some(0))?;
    ensure!(
        data_bytes == image_bytes,
        "{data}: it has {data_bytes} bytes, but {index} says {image_bytes}"
    );

    let mut search = Search::new(&control);
    for base in pull.bases {
        search
            .feed(base.image.open()?)
            .with_context(|| format!("read {}", base.image.path.display()))?;
    }
    let missing = search.missing();
    let mut all = vec![Expected::exactly(index, 1, index_bytes)];
    if !missing.is_empty() {
        let bytes = missing.iter().map(|run| bytes_of(&control, run)).sum();
        let requests = (missing.len() as u64).div_ceil(RANGES_PER_REQUEST);
        all.push(Expected::exactly(data, requests, bytes));
    }
    Ok(all)
}

/// Bytes of a run of blocks; the last block ends with the image.
fn bytes_of(control: &Control, blocks: &Range<usize>) -> u64 {
    let place = |block: usize| (block as u64 * control.block_bytes as u64).min(control.length);
    place(blocks.end) - place(blocks.start)
}

/// The object that the control file's address names, relative to the control file or to the store.
fn beside(index: &str, url: &str) -> Result<String> {
    ensure!(
        !url.is_empty() && !url.ends_with('/') && !url.contains("://") && !url.contains('%'),
        "its address \"{url}\" is not a path in the store"
    );
    Ok(match (url.strip_prefix('/'), index.rsplit_once('/')) {
        (Some(object), _) => object.to_string(),
        (None, Some((folder, _))) => format!("{folder}/{url}"),
        (None, None) => url.to_string(),
    })
}
