//! Images named on a command line: files, or references of Docker's images.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::progress::Progress;
use crate::run::{Saved, save_images};
use crate::scenario::{ImageSpec, Scenario};
use crate::source::cache::Cache;
use crate::source::{EngineImage, Source};
use crate::words;

/// The images that words name, saved and hashed.
pub fn saved(words: &[String]) -> Result<Vec<Saved>> {
    saved_of(&scenario_of("images", words)?)
}

/// The images of a scenario, saved and hashed.
pub fn saved_of(scenario: &Scenario) -> Result<Vec<Saved>> {
    saved_while(scenario, &mut Progress::new(false))
}

/// The same, told as it goes. Images of a command line have one form, as they are.
pub fn saved_while(scenario: &Scenario, progress: &mut Progress) -> Result<Vec<Saved>> {
    let shelves = save_images(scenario, &Cache::open()?, false, &mut |news| {
        progress.tell(news)
    })?;
    Ok(shelves.into_iter().flat_map(|it| it.images).collect())
}

/// A scenario without methods over the images, in their order.
pub fn scenario_of(name: &str, images: &[String]) -> Result<Scenario> {
    let mut specs: Vec<ImageSpec> = Vec::new();
    for word in images {
        let (source, name) = source_of(word)?;
        let taken = |name: &str| specs.iter().any(|spec| spec.name == name);
        let name = (1..)
            .map(|at| match at {
                1 => name.clone(),
                at => format!("{name}-{at}"),
            })
            .find(|name| !taken(name))
            .context("there is always a free number")?;
        specs.push(ImageSpec { name, source });
    }
    Ok(Scenario {
        about: format!("an update from {}", images.join(" to ")),
        ..Scenario::of(name, specs)
    })
}

/// A file where there is one of that path, a Docker reference otherwise; and what to call the image.
fn source_of(word: &str) -> Result<(Source, String)> {
    let path = Path::new(word);
    if path.is_file() {
        let path = std::fs::canonicalize(path).with_context(|| format!("find {word}"))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        return Ok((Source::file(path.clone()), fit(&stem)));
    }
    if path.exists() {
        bail!("{word}: is a folder; name a saved image, any file, or a Docker reference");
    }
    ensure!(!word.starts_with(['.', '/']), "{word}: no such file");
    ensure!(
        path.extension().is_none() || word.contains(':'),
        "{word}: no such file; an image of that name is written {word}:latest"
    );
    let last = word.rsplit('/').next().unwrap_or(word);
    let image = EngineImage {
        reference: word.to_string(),
        newest: true,
    };
    Ok((Source::Docker(image), fit(last)))
}

/// The word made fit for an image's name.
fn fit(word: &str) -> String {
    let fit: String = word
        .chars()
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => letter,
            _ => '-',
        })
        .take(60)
        .collect();
    let fit = fit.trim_start_matches(['.', '-']);
    // Stores have folders of these names.
    if words::is_name(fit) && !["blobs", "chunks"].contains(&fit) {
        fit.to_string()
    } else {
        format!("image-{fit}").trim_end_matches('-').to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_images_are_called_is_fit_for_a_name_and_each_has_its_own() {
        let images = ["shop/backend:1.2", "other/backend:1.2", "-x", "blobs"];
        let scenario = scenario_of("compare", &images.map(str::to_string)).unwrap();
        let names: Vec<&str> = scenario.images.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["backend-1.2", "backend-1.2-2", "x", "image-blobs"]);
        assert!(names.iter().all(|name| words::is_name(name)));
    }

    #[test]
    fn a_path_that_is_not_there_is_no_docker_reference() {
        for (word, says) in [
            ("./gone", "no such file"),
            ("gone.tar", "no such file"),
            ("/", "is a folder"),
        ] {
            let why = source_of(word).err().unwrap().to_string();
            assert!(why.contains(says), "{why}");
        }
    }
}
