//! What every view must hold, over results of many shapes.

use std::collections::BTreeSet;

use resvg::{tiny_skia, usvg};

use super::*;
use crate::record::{Check, Row, Step};
use crate::stats::fixture::{results, spoil, troubled};

/// Every shape of results that a chart could stumble over, by name.
fn shapes() -> Vec<(&'static str, Results)> {
    let mut shapes = vec![
        ("three methods, a pair", results("pair", 3, 2, 1)),
        ("twelve methods, three samples", results("twelve", 12, 2, 3)),
        ("twenty methods, four releases", results("twenty", 20, 4, 3)),
        ("many releases", results("history", 4, 12, 1)),
        ("a single image", results("single", 3, 1, 1)),
        ("failures and skips", troubled(4, 3)),
    ];
    let mut published = results("publish-only", 5, 3, 1);
    published.rows.retain(|row| row.step == Step::Publish);
    shapes.push(("publish only", published));
    let mut updated = results("update-only", 5, 3, 1);
    updated.rows.retain(|row| row.step == Step::Update);
    shapes.push(("update only", updated));
    let mut odd = results("odd", 5, 3, 2);
    for row in &mut odd.rows {
        row.payload_bytes = row
            .payload_bytes
            .map(|bytes| if bytes > 1 << 20 { bytes } else { 0 });
        if row.image == "v3" {
            row.store_bytes = row.store_bytes.map(|bytes| -bytes - 1);
        }
    }
    shapes.push(("zero payloads and stores that shrink", odd));
    let mut long = troubled(3, 1);
    for row in &mut long.rows {
        row.scenario = "a-scenario-whose-name-goes-on-".repeat(5);
        row.method = format!(
            "{}/with-parameters-that-someone-spelled-out-in-full",
            row.method
        );
        row.image = format!("{}-2026-11-22T07-25-46-nightly-build", row.image);
        row.error = row.error.repeat(9);
    }
    shapes.push(("long names", long));
    shapes
}

/// Every chart of `results`, with its name.
fn charts(results: &Results) -> Vec<(&'static str, String)> {
    let mut charts = Vec::new();
    for scenario in &scenarios(&results.rows) {
        for (name, view) in VIEWS {
            if let View::Chart(draw) = view
                && let Some(svg) = draw(scenario).unwrap()
            {
                charts.push((*name, svg));
            }
        }
    }
    charts
}

/// Where each text of a chart lies, as laid out with the embedded font.
fn text_boxes(svg: &str) -> (tiny_skia::Rect, Vec<(String, tiny_skia::Rect)>) {
    fn collect(group: &usvg::Group, found: &mut Vec<(String, tiny_skia::Rect)>) {
        for node in group.children() {
            match node {
                usvg::Node::Group(group) => collect(group, found),
                usvg::Node::Text(text) => {
                    let words = text.chunks().iter().map(|chunk| chunk.text()).collect();
                    found.push((words, text.abs_bounding_box()));
                }
                _ => {}
            }
        }
    }
    let tree = canvas::layout(svg).unwrap();
    let page = tree.size().to_rect(0.0, 0.0).unwrap();
    let mut found = Vec::new();
    collect(tree.root(), &mut found);
    (page, found)
}

#[test]
fn no_text_of_a_chart_leaves_the_page_or_touches_another() {
    for (shape, results) in shapes() {
        let charts = charts(&results);
        assert!(!charts.is_empty(), "{shape}");
        for (chart, svg) in charts {
            let (page, texts) = text_boxes(&svg);
            assert!(texts.len() > 5, "{shape}, {chart}: hardly any text");
            for (at, (words, place)) in texts.iter().enumerate() {
                let inside = place.left() >= 8.0
                    && place.top() >= 8.0
                    && place.right() <= page.right() - 8.0
                    && place.bottom() <= page.bottom() - 8.0;
                assert!(
                    inside,
                    "{shape}, {chart}: {words:?} at {place:?} on {page:?}"
                );
                for (other, there) in &texts[at + 1..] {
                    assert!(
                        place.intersect(there).is_none(),
                        "{shape}, {chart}: {words:?} touches {other:?}"
                    );
                }
            }
        }
    }
}

/// How many boxes of a chart have this fill.
fn boxes(svg: &str, fill: canvas::Fill) -> usize {
    let (red, green, blue) = (fill.area.0, fill.area.1, fill.area.2);
    svg.matches(&format!("fill=\"#{red:02X}{green:02X}{blue:02X}\""))
        .count()
}

#[test]
fn a_failed_step_is_said_in_words_and_never_drawn_as_a_bar() {
    let whole = results("whole", 6, 3, 2);
    let mut spoiled = whole.clone();
    let of_delta = |row: &Row| !row.base.is_empty();
    spoil(
        &mut spoiled,
        "gzip/6",
        Check::Failed,
        "out of luck",
        of_delta,
    );
    for ((chart, before), (_, after)) in charts(&whole).iter().zip(&charts(&spoiled)) {
        if *chart == "storage" {
            continue;
        }
        let (had, has) = (boxes(before, palette::DELTA), boxes(after, palette::DELTA));
        assert_eq!(had - 1, has, "{chart}");
        assert!(after.contains("failed, see below"), "{chart}");
        assert!(after.contains("out of luck"), "{chart}");
        assert_eq!(
            boxes(before, palette::FULL),
            boxes(after, palette::FULL),
            "{chart}"
        );
    }
}

#[test]
fn a_method_without_any_figure_is_named_beneath_the_charts_only() {
    let mut results = results("absent", 4, 2, 1);
    spoil(
        &mut results,
        "raw",
        Check::Skipped,
        "not on this machine",
        |_| true,
    );
    for (chart, svg) in charts(&results) {
        let (_, texts) = text_boxes(&svg);
        let words: Vec<&str> = texts.iter().map(|(words, _)| words.as_str()).collect();
        assert!(!words.contains(&"raw"), "{chart}: {words:?}");
        assert!(
            words.contains(&"Skipped: raw: not on this machine"),
            "{chart}: {words:?}"
        );
    }
}

#[test]
fn without_a_verified_row_there_is_a_report_and_no_chart() {
    let dir = tempfile::tempdir().unwrap();
    let mut failed = results("bad-day", 3, 2, 1);
    for method in ["raw", "fastcdc/64k", "xdelta3"] {
        spoil(&mut failed, method, Check::Failed, "no luck at all", |_| {
            true
        });
    }
    for (results, says) in [
        (Results::default(), "No step has run"),
        (failed, "no luck at all"),
    ] {
        let written = write_all(&results, dir.path()).unwrap();
        assert_eq!(written, [dir.path().join("report.md")]);
        let report = fs::read_to_string(&written[0]).unwrap();
        assert!(report.contains(says), "{report}");
        assert!(!report.contains("!["), "{report}");
        assert!(!terminal_table(&results, 80).unwrap().is_empty());
    }
}

#[test]
fn every_scenario_has_its_own_charts_and_the_report_links_exactly_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut both = results("first", 3, 2, 1);
    both.rows.extend(results("../second one", 3, 2, 1).rows);
    let written = write_all(&both, dir.path()).unwrap();
    let names = |paths: &[PathBuf]| -> BTreeSet<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        paths.iter().map(name).collect()
    };
    let mut expected: BTreeSet<String> = BTreeSet::from(["report.md".to_string()]);
    for scenario in ["first", "..-second-one"] {
        for chart in ["transfer", "storage", "time"] {
            expected.insert(format!("{scenario}-{chart}.svg"));
            expected.insert(format!("{scenario}-{chart}.png"));
        }
    }
    assert_eq!(names(&written), expected);
    let report = fs::read_to_string(dir.path().join("report.md")).unwrap();
    for path in &written[1..] {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(report.contains(&format!("]({name})")), "{name}");
        let bytes = fs::read(path).unwrap();
        let magic: &[u8] = if name.ends_with("png") {
            b"\x89PNG"
        } else {
            b"<svg"
        };
        assert!(bytes.starts_with(magic), "{name}");
    }
}

#[test]
fn the_table_fits_a_terminal_of_eighty_columns_and_cuts_no_word() {
    for (shape, results) in shapes() {
        let table = terminal_table(&results, 80).unwrap();
        for line in table.lines().filter(|_| shape != "long names") {
            assert!(line.chars().count() <= 80, "{shape}: {line}");
        }
        for scenario in scenarios(&results.rows) {
            for method in scenario.ranked() {
                assert!(table.contains(method.method), "{shape}: {}", method.method);
            }
        }
    }
}

#[test]
fn the_same_results_make_the_same_views() {
    let results = troubled(3, 2);
    assert_eq!(charts(&results), charts(&results));
}

#[test]
fn report_md_reads_like_this() {
    insta::assert_snapshot!("report", markdown::report(&troubled(3, 3)).unwrap());
}

#[test]
fn the_table_at_a_terminal_reads_like_this() {
    let mut results = troubled(3, 3);
    results.rows.retain(|row| !row.method.contains("-cli"));
    insta::assert_snapshot!("table-80", terminal_table(&results, 80).unwrap());
}

#[test]
fn a_comparison_reads_like_this() {
    let baseline = results("smoke", 4, 2, 1).rows;
    let mut new = baseline.clone();
    new[1].store_bytes = new[1].store_bytes.map(|bytes| bytes + 4096);
    new[4].version = "fastcdc/64k 2.0.0".into();
    new[8].check = Check::Failed;
    new[8].error = "out of luck".into();
    let gone = new.remove(15);
    new.push(Row { sample: 2, ..gone });
    let text = diff::text(&crate::stats::compare(&baseline, &new)).unwrap();
    insta::assert_snapshot!("diff", text);
}
