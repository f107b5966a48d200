//! Splicing: the report's own answer, table or chart put between markers of somebody's page, and kept current there.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::record::{Results, replace};
use crate::stats::assume::Assumptions;
use crate::words::meant;

use super::block::{Block, Grid, Picture};
use super::inks::markdown;
use super::views::{self, Page as Shown};

const OPEN: &str = "<!-- delta-lab:";
const CLOSE: &str = "<!-- /delta-lab -->";

/// A page as it is and as it should be.
pub struct Page {
    path: PathBuf,
    before: String,
    after: String,
    /// The charts that it shows: file and SVG.
    charts: Vec<(PathBuf, String)>,
}

/// Every page with its markers filled in; nothing is written yet.
///
/// # Errors
/// When a page has no marker, a marker is torn, or it asks for what the results do not hold. The error has file and line.
pub fn pages(results: &Results, assumed: &Assumptions, paths: &[PathBuf]) -> Result<Vec<Page>> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let reading = crate::stats::read(results);
    let blocks = views::page(results, &reading, assumed, Shown::Report);
    paths
        .iter()
        .map(|path| Page::of(path, &results.dir, &blocks))
        .collect()
}

impl Page {
    fn of(path: &Path, dir: &Path, blocks: &[Block]) -> Result<Page> {
        let before =
            fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let to = Target {
            path,
            dir: relative(path.parent().unwrap_or(Path::new("")), dir)?,
        };
        let mut page = Page {
            path: path.to_path_buf(),
            after: String::new(),
            charts: Vec::new(),
            before: String::new(),
        };
        let mut open: Option<(usize, &str)> = None;
        let (mut markers, mut fenced) = (0, false);
        for (at, line) in before.split_inclusive('\n').enumerate() {
            let place = || format!("{}:{}", path.display(), at + 1);
            let word = line.trim();
            // Markers in code are examples.
            let fence = word.starts_with("```") || word.starts_with("~~~");
            fenced ^= fence && open.is_none();
            if open.is_none() && (fenced || fence) {
                page.after.push_str(line);
                continue;
            }
            if word.starts_with(OPEN) {
                ensure!(
                    open.is_none(),
                    "{}: a marker begins before `{CLOSE}` ended the last one",
                    place()
                );
                let asked = word
                    .strip_prefix(OPEN)
                    .and_then(|rest| rest.strip_suffix("-->"));
                let asked =
                    asked.with_context(|| format!("{}: the marker has no `-->`", place()))?;
                let filling = page.fill(asked.trim(), &to, blocks).with_context(place)?;
                page.after.push_str(line);
                page.after.push_str(&filling);
                open = Some((at + 1, asked));
                markers += 1;
            } else if word == CLOSE {
                ensure!(
                    open.take().is_some(),
                    "{}: `{CLOSE}` ends no marker",
                    place()
                );
                page.after.push_str(line);
            } else {
                let bare = without_code(word);
                ensure!(
                    !bare.contains(OPEN) && !bare.contains(CLOSE),
                    "{}: a marker needs a line of its own",
                    place()
                );
                if open.is_none() {
                    page.after.push_str(line);
                }
            }
        }
        if let Some((line, _)) = open {
            bail!("{}:{line}: no `{CLOSE}` ends this marker", path.display());
        }
        ensure!(
            markers > 0,
            "{}: no marker, such as `{OPEN}table SCENARIO -->` with `{CLOSE}` below it",
            path.display()
        );
        page.before = before;
        Ok(page)
    }

    /// What a marker asks for, as Markdown with a blank line around it.
    fn fill(&mut self, asked: &str, to: &Target, blocks: &[Block]) -> Result<String> {
        let words: Vec<&str> = asked.split_whitespace().collect();
        let [kind, scenario, rest @ ..] = words.as_slice() else {
            bail!(
                "the marker says `{asked}`; it needs a kind and a scenario, such as `table smoke`"
            );
        };
        let of = part(blocks, scenario)?;
        let printed = match (*kind, rest) {
            ("answer", []) => markdown::print_one(
                find(&of, |block| {
                    matches!(block, Block::Answer(_)).then_some(block)
                })
                .with_context(|| format!("{scenario} has no answer"))?,
            ),
            ("table", []) => table(&of, usize::MAX, scenario)?,
            ("table", [most]) => {
                let most = most.parse().ok().filter(|most| *most > 0);
                table(
                    &of,
                    most.context("a table's marker ends in how many methods it shows")?,
                    scenario,
                )?
            }
            ("chart", [name]) => {
                let picture = chart(&of, name)?;
                let svg = picture.plot.svg()?.context("the chart has no figures")?;
                let file = format!("{}.svg", picture.file);
                let link = format!("{}/{file}", to.dir.display());
                let folder = to.path.parent().unwrap_or(Path::new(""));
                self.charts.push((folder.join(&to.dir).join(&file), svg));
                markdown::image(picture, &link)
            }
            ("answer" | "table" | "chart", _) => {
                bail!(
                    "the marker says `{asked}`: `{kind}` takes other words; see delta-lab report --help"
                )
            }
            (kind, _) => {
                bail!(
                    "no `{kind}` to put here{}",
                    meant(kind, ["answer", "chart", "table"].into_iter())
                )
            }
        };
        Ok(format!("\n{}\n\n", printed.trim_end()))
    }

    /// Replaces the page in one rename, where it changes.
    pub fn write(&self) -> Result<()> {
        match self.before == self.after {
            true => Ok(()),
            false => replace(&self.path, self.after.as_bytes()),
        }
    }

    /// What is not as it should be: the page, or charts that it shows.
    pub fn stale(&self) -> Result<Vec<String>> {
        let mut stale = Vec::new();
        if self.before != self.after {
            stale.push(self.path.display().to_string());
        }
        for (path, svg) in &self.charts {
            if fs::read_to_string(path).ok().as_ref() != Some(svg) {
                stale.push(path.display().to_string());
            }
        }
        Ok(stale)
    }
}

/// A line of Markdown without what is between backquotes.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// The page that is filled, and the results folder as links on it name it.
struct Target<'p> {
    path: &'p Path,
    dir: PathBuf,
}

/// The way from the folder of a page to the results folder.
fn relative(from: &Path, to: &Path) -> Result<PathBuf> {
    let whole = |path: &Path| {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        fs::canonicalize(path).with_context(|| format!("find {}", path.display()))
    };
    let (from, to) = (whole(from)?, whole(to)?);
    let shared = from
        .components()
        .zip(to.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    Ok(up.chain(to.components().skip(shared)).collect())
}

/// Every block of a scenario, those of folds too.
fn part<'b>(blocks: &'b [Block], scenario: &str) -> Result<Vec<&'b Block>> {
    let mut found: Vec<&Block> = Vec::new();
    let mut names = Vec::new();
    for block in blocks {
        if let Block::Part { name, blocks } = block {
            names.push(name.as_str());
            if name == scenario {
                found.extend(blocks);
            }
        }
    }
    ensure!(
        !found.is_empty(),
        "no scenario `{scenario}`{}",
        meant(scenario, names.into_iter())
    );
    Ok(found)
}

fn find<'b, T>(blocks: &[&'b Block], is: impl Fn(&'b Block) -> Option<T>) -> Option<T> {
    blocks.iter().copied().find_map(is)
}

/// The first rows of the ranking: the first table that names methods.
fn table(blocks: &[&Block], most: usize, scenario: &str) -> Result<String> {
    let ranked = find(blocks, |block| match block {
        Block::Grid(grid)
            if grid
                .columns
                .iter()
                .any(|it| it.measure == super::block::METHOD) =>
        {
            Some(grid)
        }
        _ => None,
    });
    let grid: &Grid = ranked.with_context(|| format!("{scenario} has no table of methods"))?;
    Ok(markdown::table(&grid.first(most)))
}

fn chart<'b>(blocks: &[&'b Block], name: &str) -> Result<&'b Picture> {
    let pictures = || {
        blocks.iter().filter_map(|block| match block {
            Block::Plot(picture) => Some(picture.as_ref()),
            _ => None,
        })
    };
    pictures()
        .find(|picture| picture.name == name)
        .with_context(|| {
            format!(
                "no chart `{name}`{}",
                meant(name, pictures().map(|it| it.name))
            )
        })
}

#[cfg(test)]
mod tests;
