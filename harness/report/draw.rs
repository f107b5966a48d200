//! Pictures drawn as SVG and PNG, on every core: a report of many cases has many of them, and each takes a while.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result};

use super::block::Picture;
use super::plot::Plot;

/// A picture's SVG and its PNG.
type Drawn = (String, Vec<u8>);

/// Draws every picture; they come in the order given.
pub fn drawn(pictures: &[&Picture]) -> Result<Vec<Drawn>> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Drawn>)>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..cores.min(pictures.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(picture) = pictures.get(at) else {
                        return;
                    };
                    let drawn = draw(picture);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((at, drawn));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, drawn)| drawn).collect()
}

fn draw(picture: &Picture) -> Result<Drawn> {
    let file = &picture.file;
    let svg = picture.plot.svg().with_context(|| format!("draw {file}"))?;
    let svg = svg.with_context(|| format!("draw {file}: it has no figures"))?;
    let png = Plot::png(&svg).with_context(|| format!("make {file}.png"))?;
    Ok((svg, png))
}
