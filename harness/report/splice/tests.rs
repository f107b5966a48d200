//! Markers in pages of many shapes, filled and refused.

use super::*;
use crate::stats::fixture::results;

/// A results folder with a page beside it, and what splicing the page says.
fn spliced(text: &str) -> (tempfile::TempDir, Result<Vec<Page>>) {
    let dir = tempfile::tempdir().unwrap();
    let said = spliced_in(dir.path(), text);
    (dir, said)
}

/// The same in a folder that is there.
fn spliced_in(dir: &Path, text: &str) -> Result<Vec<Page>> {
    let mut results = results("smoke", 5, 3, 1);
    results.dir = dir.join("results/run");
    fs::create_dir_all(&results.dir).unwrap();
    let page = dir.join("page.md");
    fs::write(&page, text).unwrap();
    pages(&results, &Assumptions::default(), &[page])
}

#[test]
fn what_lies_between_markers_is_replaced_and_all_else_stays() {
    let text = "# Mine\r\n\n<!-- delta-lab:table smoke 2 -->\nstale words\n<!-- /delta-lab -->\nmiddle\n\
                <!-- delta-lab:chart smoke transfer -->\n<!-- /delta-lab -->\n<!-- delta-lab:answer smoke -->\n<!-- /delta-lab -->\nend";
    let (dir, said) = spliced(text);
    let page = &said.unwrap()[0];
    assert_eq!(
        page.stale().unwrap().len(),
        2,
        "the page, and a chart that is not there"
    );
    page.write().unwrap();
    let now = fs::read_to_string(dir.path().join("page.md")).unwrap();
    assert!(
        now.starts_with("# Mine\r\n\n<!-- delta-lab:table smoke 2 -->\n\n|"),
        "{now}"
    );
    assert!(
        now.ends_with("<!-- /delta-lab -->\nend") && now.contains("\nmiddle\n"),
        "{now}"
    );
    assert!(
        !now.contains("stale words") && now.contains("](results/run/smoke-transfer.svg)"),
        "{now}"
    );
    let rows = now.lines().filter(|line| line.starts_with("| ")).count();
    assert_eq!(rows, 4, "two heads and two methods\n{now}");
    // What was spliced stays when it is spliced again.
    let again = spliced_in(dir.path(), &now);
    assert_eq!(again.unwrap()[0].after, now);
}

#[test]
fn markers_in_code_are_examples() {
    let text = "write `<!-- delta-lab:table smoke -->` and `<!-- /delta-lab -->`\n```\n<!-- delta-lab:table smoke -->\n```\n";
    let marked = format!("{text}<!-- delta-lab:table smoke 1 -->\n<!-- /delta-lab -->\n");
    let (_dir, said) = spliced(&marked);
    assert!(said.unwrap()[0].after.starts_with(text));
    let (_dir, said) = spliced(text);
    let why = said.err().unwrap().to_string();
    assert!(why.contains("page.md: no marker"), "{why}");
}

#[test]
fn a_missing_or_torn_marker_is_an_error_with_file_and_line_and_nothing_is_written() {
    for (text, says) in [
        ("no marker here\n", "page.md: no marker"),
        (
            "a\n<!-- delta-lab:table smoke -->\nb\n",
            "page.md:2: no `<!-- /delta-lab -->` ends",
        ),
        (
            "<!-- /delta-lab -->\n",
            "page.md:1: `<!-- /delta-lab -->` ends no marker",
        ),
        (
            "<!-- delta-lab:table smoke\n<!-- /delta-lab -->\n",
            "page.md:1: the marker has no `-->`",
        ),
        (
            "<!-- delta-lab:table smoke -->\n<!-- delta-lab:table smoke -->\n",
            "page.md:2: a marker begins before",
        ),
        (
            "see <!-- delta-lab:table smoke --> here\n",
            "page.md:1: a marker needs a line",
        ),
        (
            "<!-- delta-lab:table smok -->\n<!-- /delta-lab -->\n",
            "did you mean `smoke`?",
        ),
        (
            "<!-- delta-lab:tabel smoke -->\n<!-- /delta-lab -->\n",
            "did you mean `table`?",
        ),
        (
            "<!-- delta-lab:chart smoke transfr -->\n<!-- /delta-lab -->\n",
            "did you mean `transfer`?",
        ),
        (
            "<!-- delta-lab:table smoke none -->\n<!-- /delta-lab -->\n",
            "how many methods",
        ),
        (
            "<!-- delta-lab:table -->\n<!-- /delta-lab -->\n",
            "needs a kind and a scenario",
        ),
    ] {
        let (dir, said) = spliced(text);
        let why = format!("{:#}", said.err().unwrap_or_else(|| panic!("{text}")));
        assert!(why.contains(says), "{text}: {why}");
        assert_eq!(
            fs::read_to_string(dir.path().join("page.md")).unwrap(),
            text
        );
    }
}
