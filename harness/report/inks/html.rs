//! HTML: one page that holds its own styles, program and charts, and asks for nothing else.
//!
//! What the page's program needs is in attributes, never in a script. So there is one way to escape, and the page's
//! content security policy can name the one script that may run by its hash.

use std::fmt::Write;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::report::block::{Answer, Block, Picture, Tile};
use crate::report::clean;

mod sheet;
mod table;

const STYLE: &str = include_str!("html/page.css");
const PROGRAM: &str = concat!(
    include_str!("html/figures.js"),
    include_str!("html/page.js")
);

/// Blocks as an HTML document.
///
/// # Errors
/// When a chart cannot be drawn.
pub fn print(blocks: &[Block]) -> Result<String> {
    let mut page = Page::default();
    let body = page.blocks(blocks)?;
    let title = blocks.iter().find_map(|block| match block {
        Block::Head { text, .. } => Some(text.as_str()),
        _ => None,
    });
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; script-src '{}'\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <div id=\"controls\" hidden></div>\n<main>\n{body}</main>\n<script>{PROGRAM}</script>\n</body>\n</html>\n",
        integrity(PROGRAM),
        text(title.unwrap_or("delta-lab")),
    ))
}

/// What is numbered and named as a page is printed.
#[derive(Default)]
struct Page {
    tables: usize,
    /// The part that is being printed, or nothing.
    scenario: String,
    /// The last head, which says what a table is about.
    head: String,
}

impl Page {
    fn blocks(&mut self, blocks: &[Block]) -> Result<String> {
        let mut html = String::new();
        for block in blocks {
            html.push_str(&self.block(block)?);
        }
        Ok(html)
    }

    fn block(&mut self, block: &Block) -> Result<String> {
        Ok(match block {
            Block::Head { level, text: head } => {
                self.head = clean::line(head);
                let level = (*level).clamp(1, 6);
                format!("<h{level}>{}</h{level}>\n", text(head))
            }
            Block::Text(said) => format!("<p>{}</p>\n", text(said)),
            Block::List(items) => {
                let items: String = items
                    .iter()
                    .map(|it| format!("<li>{}</li>\n", text(it)))
                    .collect();
                format!("<ul>\n{items}</ul>\n")
            }
            Block::Grid(grid) => table::print(grid, &self.next_table()),
            Block::Sheet(sheet) => sheet::print(sheet, &self.next_table()),
            Block::Plot(picture) => figure(picture)?,
            Block::Answer(answer) => self::answer(answer),
            Block::Tiles(tiles) => self::tiles(tiles),
            Block::Verdict {
                decision,
                says,
                why,
            } => format!(
                "<p class=\"verdict {0}\"><b>{0}</b> {1} <span>{2}</span></p>\n",
                decision.word(),
                text(says),
                text(why)
            ),
            Block::Fold { summary, blocks } => format!(
                "<details><summary>{}</summary>\n{}</details>\n",
                text(summary),
                self.blocks(blocks)?
            ),
            Block::Part { name, blocks } => {
                self.scenario = clean::line(name);
                let inside = self.blocks(blocks)?;
                self.scenario.clear();
                format!(
                    "<section data-scenario=\"{}\">\n{inside}</section>\n",
                    text(name)
                )
            }
        })
    }

    fn next_table(&mut self) -> Caption {
        self.tables += 1;
        let words = match (self.scenario.as_str(), self.head.as_str()) {
            ("", head) => head.to_string(),
            (scenario, head) if head.starts_with(scenario) => head.to_string(),
            (scenario, head) => format!("{scenario}: {head}"),
        };
        Caption {
            id: format!("t{}", self.tables),
            words,
        }
    }
}

/// What names a table: for links, and for those who do not see where it is.
struct Caption {
    id: String,
    words: String,
}

fn figure(picture: &Picture) -> Result<String> {
    let file = &picture.file;
    let svg = picture.plot.svg().with_context(|| format!("draw {file}"))?;
    let svg = svg.with_context(|| format!("draw {file}: it has no figures"))?;
    let measure = match picture.name.rsplit('-').next() {
        Some("apply" | "publish" | "time") => "time",
        Some("memory") => "memory",
        Some("storage") => "storage",
        Some("reads") => "reads",
        _ => "transfer",
    };
    let (file, name) = (text(file), text(picture.name));
    Ok(format!(
        "<figure data-measure=\"{measure}\">\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"chart: {name}\">{svg}</div>\n\
         <figcaption>The same as a file beside this page: <a href=\"{file}.svg\">SVG</a>, <a href=\"{file}.png\">PNG</a></figcaption>\n</figure>\n"
    ))
}

fn answer(answer: &Answer) -> String {
    let why: String = answer
        .why
        .iter()
        .map(|why| format!("<li>{}</li>\n", text(why)))
        .collect();
    format!(
        "<div class=\"answer\">\n<p class=\"question\">{}</p>\n<p class=\"pick\"><small>Pick</small> {}</p>\n<ul>\n{why}</ul>\n\
         <p class=\"again\">With other assumptions: <code>{}</code></p>\n</div>\n",
        text(&answer.question),
        text(&answer.pick),
        text(&answer.command)
    )
}

fn tiles(tiles: &[Tile]) -> String {
    let tile = |tile: &Tile| {
        format!(
            "<div><dt>{}</dt><dd class=\"figure\">{}</dd><dd>{}</dd></div>\n",
            text(&tile.label),
            text(&tile.figure),
            text(&tile.who)
        )
    };
    let tiles: String = tiles.iter().map(tile).collect();
    format!("<dl class=\"tiles\">\n{tiles}</dl>\n")
}

/// A text as one line that HTML takes as text, within an element and within a quoted attribute alike.
fn text(text: &str) -> String {
    let mut escaped = String::new();
    for letter in clean::line(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// ` name="value"`
fn attribute(html: &mut String, name: &str, value: &str) {
    write!(html, " {name}=\"{}\"", text(value)).expect("memory takes every text");
}

/// A script's hash as a content security policy names it (W3C CSP Level 3, section 2.3.1).
fn integrity(script: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(script)))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let at = |nth: usize| u32::from(three.get(nth).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for nth in 0..4 {
            match nth <= three.len() {
                true => text.push(char::from(LETTERS[(bits >> (18 - 6 * nth) & 63) as usize])),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let words =
            ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|it| base64(it.as_bytes()));
        assert_eq!(
            words,
            [
                "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"
            ]
        );
    }

    #[test]
    fn hostile_words_stay_words_in_elements_and_in_attributes() {
        let hostile =
            "</script><img src=x onerror=alert(1)>\" onload='x' &lt;\u{202e}\u{1b}[2J\n=1+1";
        let escaped = text(hostile);
        for forbidden in ['<', '>', '"', '\'', '\n', '\u{202e}', '\u{1b}'] {
            assert!(!escaped.contains(forbidden), "{escaped}");
        }
        assert!(
            escaped.contains("&amp;lt;") && escaped.ends_with("=1+1"),
            "{escaped}"
        );
    }
}
