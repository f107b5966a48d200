//! What did not run, and why.

use crate::report::block::Block;
use crate::report::clean;
use crate::stats::{Section, Trouble};

/// Under heads.
pub fn blocks(section: &Section) -> Vec<Block> {
    let under = |head: &str, troubles: &[Trouble]| {
        let head = Block::Head {
            level: 1,
            text: head.to_string(),
        };
        match troubles.is_empty() {
            true => Vec::new(),
            false => vec![head, Block::List(troubles.iter().map(words).collect())],
        }
    };
    let mut blocks = under("Skipped", &section.skipped);
    blocks.extend(under("Failed", &section.failed));
    blocks
}

/// Without heads, one line each.
pub fn lines(section: &Section) -> Vec<Block> {
    let line = |how: &str, trouble: &Trouble| Block::Text(format!("{how}: {}", words(trouble)));
    let skipped = section.skipped.iter().map(|it| line("skipped", it));
    let failed = section.failed.iter().map(|it| line("failed", it));
    skipped.chain(failed).collect()
}

/// Who it was, and the reason.
pub fn words(trouble: &Trouble) -> String {
    let (who, reason) = (clean::names(&trouble.who), clean::short(&trouble.reason));
    format!("{who}: {reason}")
}
