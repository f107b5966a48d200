//! Markdown, as GitHub and CommonMark read it. Every text is escaped, in heads and cells too.

use std::fmt::Write;

use crate::report::block::{Block, Grid, Picture};
use crate::report::clean;

/// Blocks as a Markdown document. Pictures are links to their files in the same folder.
pub fn print(blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&print_one(block));
    }
    text
}

/// A picture as an image that is at `link`.
pub fn image(picture: &Picture, link: &str) -> String {
    // A link ends at a blank or a bracket unless it is in angle brackets, which hold all but their own kind.
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-/".contains(letter);
    let link: String = match link.chars().all(plain) {
        true => link.to_string(),
        false => format!("<{}>", link.replace(['<', '>', '\n'], "-")),
    };
    format!("![{}]({link})", inline(&picture.plot.alt()))
}

/// One block.
pub fn print_one(block: &Block) -> String {
    match block {
        Block::Head { level, text } => {
            format!("{} {}\n", "#".repeat(usize::from(*level)), inline(text))
        }
        Block::Text(text) => paragraph(text) + "\n",
        Block::List(items) => items
            .iter()
            .map(|item| format!("- {}\n", paragraph(item)))
            .collect(),
        Block::Grid(grid) => table(grid),
        Block::Plot(picture) => {
            let (file, name) = (&picture.file, picture.name);
            let image = image(picture, &format!("{file}.svg"));
            format!("{image}\n\n[{name} as PNG]({file}.png)\n")
        }
        Block::Sheet(sheet) => table(&sheet.grid()),
        Block::Answer(answer) => {
            let why: Vec<String> = answer.why.iter().map(|why| inline(why)).collect();
            format!(
                "**{}: pick {}.** {}\n\nWith other assumptions: {}\n",
                inline(&answer.question),
                inline(&answer.pick),
                why.join(" "),
                code(&answer.command)
            )
        }
        Block::Tiles(tiles) => tiles
            .iter()
            .map(|tile| {
                let [label, figure, who] =
                    [&tile.label, &tile.figure, &tile.who].map(|it| inline(it));
                format!("- {label}: **{figure}**, {who}\n")
            })
            .collect(),
        Block::Part { blocks, .. } => print(blocks),
        Block::Verdict {
            decision,
            says,
            why,
        } => format!(
            "- **{}**: {}: {}\n",
            decision.word(),
            inline(says),
            inline(why)
        ),
        Block::Fold { summary, blocks } => format!(
            "<details><summary>{}</summary>\n\n{}\n</details>\n",
            html(summary),
            print(blocks)
        ),
    }
}

/// A table.
pub fn table(grid: &Grid) -> String {
    let mut text = String::from("|");
    let mut line = |cells: Vec<String>| {
        for cell in cells {
            write!(text, " {cell} |").expect("memory takes every text");
        }
        text.push_str("\n|");
    };
    line(grid.columns.iter().map(|it| inline(&it.head)).collect());
    let rule = |figures| if figures { "---:" } else { "---" };
    line(
        grid.columns
            .iter()
            .map(|it| rule(it.figures).into())
            .collect(),
    );
    for row in grid.rows() {
        line(row.into_iter().map(inline).collect());
    }
    text.truncate(text.len() - 1);
    text
}

/// A text that begins a line: what would begin a head, a list or a quotation there is escaped too.
fn paragraph(text: &str) -> String {
    let text = inline(text);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let marks = |text: &str| text.starts_with(['#', '+', '-', '=', '>', '.', ')']);
    let at = match digits {
        0 if marks(&text) => 0,
        1.. if text[digits..].starts_with(['.', ')']) => digits,
        _ => return text,
    };
    format!("{}\\{}", &text[..at], &text[at..])
}

/// A text within a line.
fn inline(text: &str) -> String {
    let mut escaped = String::new();
    for letter in clean::line(text).chars() {
        if "\\`*_[]<>|~&$".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// A text as code where nothing in it could end the code or begin a tag, else as escaped text.
fn code(text: &str) -> String {
    let text = clean::line(text);
    match text.contains(['`', '<', '>', '|']) {
        true => inline(&text),
        false => format!("`{text}`"),
    }
}

/// A text within a line of HTML, where Markdown's escapes count for nothing.
fn html(text: &str) -> String {
    let text = clean::line(text).replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_words_stay_words_wherever_they_are() {
        let hostile = "# <b>*x*</b> `|` [l](u) &lt; $x$ ~~y~~";
        let escaped = r"# \<b\>\*x\*\</b\> \`\|\` \[l\](u) \&lt; \$x\$ \~\~y\~\~";
        let head = Block::Head {
            level: 2,
            text: hostile.into(),
        };
        assert_eq!(print_one(&head), format!("## {escaped}\n"));
        assert_eq!(
            print_one(&Block::Text(hostile.into())),
            format!("\\{escaped}\n")
        );
        let item = Block::List(vec!["1. a".into(), "- b".into(), "2 c\n# d".into()]);
        assert_eq!(print_one(&item), "- 1\\. a\n- \\- b\n- 2 c # d\n");
        let fold = Block::Fold {
            summary: "5 & </summary> *more*".into(),
            blocks: vec![Block::Text("inside".into())],
        };
        let lines =
            "<details><summary>5 &amp; &lt;/summary&gt; *more*</summary>\n\ninside\n\n</details>\n";
        assert_eq!(print_one(&fold), lines);
    }
}
