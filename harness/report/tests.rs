//! What every view must hold, over results of many shapes.

use std::collections::BTreeSet;

use super::plot::palette;
use super::plot::tests::{check_texts, text_boxes};
use super::*;
use crate::record::{Bases, Case, Check, Finding, Row, Verb};
use crate::stats::fixture::{
    add_findings, every_step, policies, results, skipping, spoil, troubled,
};
use crate::stats::sections;

/// Every shape of results that a chart could stumble over, by name.
fn shapes() -> Vec<(&'static str, Results)> {
    let mut shapes = vec![
        ("three methods, a pair", results("pair", 3, 2, 1)),
        ("twelve methods, three samples", results("twelve", 12, 2, 3)),
        ("twenty methods, four releases", results("twenty", 20, 4, 3)),
        ("many releases", results("history", 4, 12, 1)),
        ("a single image", results("single", 3, 1, 1)),
        ("failures and skips", troubled(4, 3)),
        ("cold bases", cold()),
    ];
    let mut published = results("publish-only", 5, 3, 1);
    published.rows.retain(|row| row.verb == Verb::Publish);
    shapes.push(("publish only", published));
    let mut updated = results("update-only", 5, 3, 1);
    updated.rows.retain(|row| row.verb == Verb::Update);
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
    shapes.push(("two cases", policies(6, 5)));
    shapes.push(("every step", every_step(6, 5)));
    let mut long = troubled(3, 1);
    let plan = &mut long.plan.scenarios[0];
    plan.name = "a-scenario-whose-name-goes-on-".repeat(5);
    for method in &mut plan.methods {
        method
            .name
            .push_str("/with-parameters-that-someone-spelled-out-in-full");
    }
    for row in &mut long.rows {
        row.scenario = "a-scenario-whose-name-goes-on-".repeat(5).into();
        row.method = format!(
            "{}/with-parameters-that-someone-spelled-out-in-full",
            row.method
        )
        .into();
        row.error = row.error.repeat(9).into();
    }
    shapes.push(("long names", long));
    shapes
}

/// Expects something of the main update by xdelta3 under `policy=all`.
fn expect(results: &mut Results, bounds: &str) {
    let of = "{ method = \"xdelta3\", image = \"v4\", base = \"v3\", case = \"policy=all\" }";
    let text =
        format!("says = \"a small update\"\nmeasure = \"payload_bytes\"\n{bounds}\nof = {of}");
    let expect = toml::from_str(&text).unwrap();
    results.plan.scenarios[0].expects.push(expect);
}

/// Every chart of `results`, with its name.
fn charts(results: &Results) -> Vec<(&'static str, String)> {
    let reading = stats::read(results);
    let blocks = views::page(results, &reading, &Assumptions::default(), Page::Report);
    pictures(&blocks)
        .into_iter()
        .map(|picture| (picture.name, picture.plot.svg().unwrap().unwrap()))
        .collect()
}

/// report.md of `results`.
fn report(results: &Results) -> String {
    printed(results, "report.md")
}

/// What an ink makes of `results`.
fn printed(results: &Results, file: &str) -> String {
    let reading = stats::read(results);
    let blocks = views::page(results, &reading, &Assumptions::default(), Page::Report);
    let (_, print) = INKS.iter().find(|(name, _)| *name == file).unwrap();
    print(&blocks).unwrap()
}

#[test]
fn no_text_of_a_chart_leaves_the_page_or_touches_another() {
    for (shape, results) in shapes() {
        let charts = charts(&results);
        assert!(!charts.is_empty(), "{shape}");
        for (chart, svg) in charts {
            check_texts(&format!("{shape}, {chart}"), &svg);
        }
    }
}

/// How many boxes of a chart have this fill.
fn boxes(svg: &str, fill: plot::Fill) -> usize {
    let (red, green, blue) = (fill.area.0, fill.area.1, fill.area.2);
    svg.matches(&format!("fill=\"#{red:02X}{green:02X}{blue:02X}\""))
        .count()
}

#[test]
fn a_failed_step_is_said_in_words_and_never_drawn_as_a_bar() {
    let whole = results("whole", 6, 3, 2);
    let mut spoiled = whole.clone();
    let of_delta = |row: &Row| row.verb == Verb::Update && !row.bases.is_empty();
    spoil(
        &mut spoiled,
        "gzip/6",
        Check::Failed,
        "out of luck",
        of_delta,
    );
    for ((chart, before), (_, after)) in charts(&whole).iter().zip(&charts(&spoiled)) {
        if !["transfer", "time"].contains(chart) {
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
        let written = write_all(&results, &Assumptions::default(), dir.path()).unwrap();
        let names = ["report.html", "report.md"].map(|name| dir.path().join(name));
        assert_eq!(written, names);
        assert!(!fs::read_to_string(&written[0]).unwrap().contains("<svg"));
        let report = fs::read_to_string(&written[1]).unwrap();
        assert!(report.contains(says), "{report}");
        assert!(!report.contains("!["), "{report}");
        assert!(!terminal(&results, 80).unwrap().is_empty());
    }
}

#[test]
fn every_scenario_has_its_own_charts_and_the_report_links_exactly_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut both = results("first", 3, 2, 1);
    let second = results("../second one", 3, 2, 1);
    both.rows.extend(second.rows);
    both.plan.scenarios.extend(second.plan.scenarios);
    let written = write_all(&both, &Assumptions::default(), dir.path()).unwrap();
    let names = |paths: &[PathBuf]| -> BTreeSet<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        paths.iter().map(name).collect()
    };
    let mut expected: BTreeSet<String> = ["report.html", "report.md"].map(str::to_string).into();
    for scenario in ["first", "..-second-one"] {
        for chart in ["transfer", "storage", "time"] {
            expected.insert(format!("{scenario}-{chart}.svg"));
            expected.insert(format!("{scenario}-{chart}.png"));
        }
    }
    assert_eq!(names(&written), expected);
    let report = fs::read_to_string(dir.path().join("report.md")).unwrap();
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    for path in &written[2..] {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(report.contains(&format!("]({name})")), "{name}");
        assert!(page.contains(&format!("href=\"{name}\"")), "{name}");
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
        let table = terminal(&results, 80).unwrap();
        for line in table.lines().filter(|_| shape != "long names") {
            assert!(line.chars().count() <= 80, "{shape}: {line}");
        }
        for section in sections(&results) {
            for method in section.ranked() {
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
    insta::assert_snapshot!("report", report(&troubled(3, 3)));
}

#[test]
fn a_scenario_with_axes_reads_like_this() {
    let mut results = policies(3, 4);
    add_findings(&mut results, "layers", 3, 9);
    expect(
        &mut results,
        "below = { share = 0.001, of = \"image_bytes\" }",
    );
    expect(&mut results, "above = 1000000\nbelow = 2000000");
    insta::assert_snapshot!("axes", report(&results));
    insta::assert_snapshot!("axes-80", terminal(&results, 80).unwrap());
}

#[test]
fn a_scenario_with_updates_of_every_image_reads_like_this() {
    insta::assert_snapshot!("every-step-80", terminal(&every_step(8, 4), 80).unwrap());
}

#[test]
fn the_screen_reads_like_this() {
    let mut results = troubled(3, 3);
    results.rows.retain(|row| !row.method.contains("-cli"));
    insta::assert_snapshot!("table-80", terminal(&results, 80).unwrap());
}

#[test]
fn names_and_errors_of_others_reach_neither_the_terminal_nor_the_markup() {
    let hostile = "<img src=x onerror=alert(1)>\u{1b}[2J\u{7}|`x`\n# head";
    let mut results = troubled(3, 1);
    let plan = &mut results.plan.scenarios[0];
    plan.name = hostile.to_string();
    plan.methods[0].name = hostile.to_string();
    for row in &mut results.rows {
        row.scenario = hostile.into();
        if row.method == "raw" {
            row.method = hostile.into();
        }
        row.error = format!("{hostile}{}", row.error).into();
    }
    let report = report(&results);
    let (all, escaped) = (report.matches("<img"), report.matches("\\<img"));
    assert_eq!(all.count(), escaped.count(), "{report}");
    assert!(!report.contains("\n# head"), "{report}");
    let said = report + &terminal(&results, 80).unwrap();
    let controls = |letter: char| letter.is_control() && letter != '\n';
    assert!(!said.contains(controls), "{said}");
    for (chart, svg) in charts(&results) {
        check_texts(chart, &svg);
        assert!(!svg.contains("<img"), "{chart}");
    }
}

#[test]
fn an_expectation_is_told_with_both_numbers() {
    let mut results = policies(3, 4);
    expect(
        &mut results,
        "below = { share = 0.001, of = \"image_bytes\" }",
    );
    expect(&mut results, "below = 3951");
    let verdicts = stats::verdicts(&results);
    assert_eq!(
        verdict(&verdicts[0]),
        "holds: a small update (xdelta3: update v4 from v3 [policy=all]: payload_bytes 3,951 B, below 0.1 % of \
         image_bytes 131,703,701 B)"
    );
    assert_eq!(
        verdict(&verdicts[1]),
        "fails: a small update (xdelta3: update v4 from v3 [policy=all]: payload_bytes 3,951 B, not below 3,951 B)"
    );
}

#[test]
fn thousands_of_methods_make_a_report_whose_charts_show_the_first() {
    let mut results = results("many", 1, 2, 1);
    let rows = std::mem::take(&mut results.rows);
    let methods = std::mem::take(&mut results.plan.scenarios[0].methods);
    for at in 0..3_000 {
        let name = format!("raw/{at}");
        for row in &rows {
            let row = row.clone();
            let error = format!("out of luck {at}");
            let check = if at % 3 == 0 {
                Check::Failed
            } else {
                row.check
            };
            results.rows.push(Row {
                method: name.as_str().into(),
                check,
                error: error.into(),
                ..row
            });
        }
        let method = methods[0].clone();
        results.plan.scenarios[0]
            .methods
            .push(crate::record::PlannedMethod { name, ..method });
    }
    let report = report(&results);
    assert!(report.contains("raw/2999") && report.contains("out of luck 2997"));
    for (chart, svg) in charts(&results) {
        let of_bars = ["transfer", "storage", "time"].contains(&chart);
        let said = svg.contains("The first 60 of 2000 methods.");
        assert_eq!(said, of_bars, "{chart}");
    }
}

/// The columns of every grid have as many cells as each other, in folds too.
fn check_grids(blocks: &[block::Block]) {
    for block in blocks {
        match block {
            block::Block::Grid(grid) => {
                let cells: BTreeSet<usize> = grid.columns.iter().map(|it| it.cells.len()).collect();
                assert_eq!(cells.len(), 1);
            }
            block::Block::Fold { blocks, .. } | block::Block::Part { blocks, .. } => {
                check_grids(blocks);
            }
            _ => {}
        }
    }
}

/// A family of methods with a fourth size.
fn swept() -> Results {
    let mut results = policies(20, 2);
    let renamed = "fastcdc/4k";
    for row in results.rows.iter_mut().filter(|row| row.method == "raw") {
        row.method = renamed.into();
    }
    let methods = results.plan.scenarios[0].methods.iter_mut();
    for method in methods.filter(|method| method.name == "raw") {
        method.name = renamed.to_string();
    }
    results
}

/// Updates from the last release, from the last two, and from all three before the newest.
fn growing() -> Results {
    let mut results = results("seeds", 3, 4, 1);
    let grown = |bases: &mut Bases| {
        let held = match bases.to_string().as_str() {
            "v1" => "v1+v2+v3",
            "v2" => "v2+v3",
            _ => return,
        };
        *bases = held.parse().unwrap();
    };
    let rows = results.rows.iter_mut();
    rows.filter(|row| row.verb == Verb::Update)
        .for_each(|row| grown(&mut row.bases));
    let moves = results.plan.scenarios[0].cases[0].moves.iter_mut();
    moves
        .filter(|it| it.verb == Verb::Update)
        .for_each(|it| grown(&mut it.bases));
    results
}

/// Updates between any two of three images.
fn matrix() -> Results {
    let mut results = results("matrix", 3, 3, 1);
    for (image, bases) in [
        ("v1", ""),
        ("v1", "v2"),
        ("v1", "v3"),
        ("v2", ""),
        ("v2", "v1"),
        ("v2", "v3"),
    ] {
        let bases: Bases = bases.parse().unwrap();
        let like = |row: &&Row| row.verb == Verb::Update && row.bases.to_string() == "v2";
        let more: Vec<Row> = results.rows.iter().filter(like).cloned().collect();
        results.rows.extend(more.into_iter().map(|row| Row {
            image: image.into(),
            bases: bases.clone(),
            ..row
        }));
        let moves = &mut results.plan.scenarios[0].cases[0].moves;
        moves.insert(
            moves.len() - 3,
            crate::record::Move {
                verb: Verb::Update,
                image: image.to_string(),
                bases,
            },
        );
    }
    results
}

/// The same, with how alike the images are.
fn alike() -> Results {
    let mut results = matrix();
    let pairs = ["v1", "v2", "v3"];
    for (at, image) in pairs.iter().enumerate() {
        for (other, base) in pairs.iter().enumerate().filter(|(other, _)| *other != at) {
            let apart = at.abs_diff(other) as i64;
            for (measure, value) in [
                (stats::predict::SHARE, 900_000 - 100_000 * apart),
                (stats::predict::NEAREST, 1_000_000 * apart),
            ] {
                results.findings.push(Finding {
                    scenario: "matrix".into(),
                    method: crate::record::SIMILARITY.into(),
                    verb: Verb::Probe,
                    image: (*image).into(),
                    bases: base.parse().unwrap(),
                    sample: 1,
                    measure: measure.into(),
                    value,
                    ..Finding::default()
                });
            }
        }
    }
    results
}

/// An update that was cut and tried again.
fn faults() -> Results {
    let mut results = results("faults", 1, 2, 1);
    for (measure, value) in [("resume_percent", 150), ("attempts", 2)] {
        results.findings.push(Finding {
            scenario: "faults".into(),
            method: "raw".into(),
            case: "fault=cut:50%".parse().unwrap(),
            verb: Verb::Update,
            image: "v2".into(),
            bases: "v1".parse().unwrap(),
            sample: 1,
            measure: measure.into(),
            value,
            ..Finding::default()
        });
    }
    results
}

/// Two clients behind a cache, of which the second asks the origin for nothing.
fn fleet() -> Results {
    let mut results = results("fleet", 1, 2, 1);
    for (part, edge, origin) in [("client 1", 1, 1), ("client 2", 1, 0), ("", 2, 1)] {
        for (measure, value) in [
            ("edge_bytes", edge * 1000),
            ("edge_requests", edge),
            ("origin_bytes", origin * 1000),
            ("origin_requests", origin),
        ] {
            results.findings.push(Finding {
                scenario: "fleet".into(),
                method: "raw".into(),
                case: "clients=2 road=cdn".parse().unwrap(),
                verb: Verb::Update,
                image: "v2".into(),
                bases: "v1".parse().unwrap(),
                sample: 1,
                part: part.into(),
                measure: measure.into(),
                value,
                ..Finding::default()
            });
        }
    }
    results
}

/// Forms of the images in place of policies, four of them with a number.
fn formed() -> Results {
    let mut results = policies(2, 3);
    let plan = &mut results.plan.scenarios[0];
    let (case, rows) = (plan.cases[0].clone(), std::mem::take(&mut results.rows));
    plan.cases.clear();
    for form in ["as-is", "layers/1", "layers/2", "layers/4", "layers/8"] {
        let turned = Case::default().with("form", form);
        let of_case = rows.iter().filter(|row| row.case == case.case);
        results.rows.extend(of_case.map(|row| Row {
            case: turned.clone(),
            ..row.clone()
        }));
        let mut planned = case.clone();
        planned.case = turned;
        plan.cases.push(planned);
    }
    results
}

/// Clients whose bases are on their disk alone.
fn cold() -> Results {
    let mut results = results("cold", 5, 2, 3);
    let updates = results.rows.iter_mut().filter(|row| !row.bases.is_empty());
    for row in updates.filter(|row| row.verb == Verb::Update) {
        row.base_read_bytes = row.payload_bytes.map(|bytes| bytes * u64::from(row.sample));
    }
    results
}

#[test]
fn what_is_read_of_the_base_is_a_column_a_chart_and_a_front_where_it_is_known() {
    let known = [cold(), results("warm", 5, 2, 3)].map(|results| {
        let charts: Vec<&str> = charts(&results).iter().map(|(chart, _)| *chart).collect();
        let report = report(&results);
        (
            report.contains("read of the base, update"),
            charts.contains(&"reads"),
            charts.contains(&"front-reads"),
        )
    });
    assert_eq!(known, [(true, true, true), (false, false, false)]);
}

#[test]
fn every_view_has_something_to_say_of_some_results_and_its_grids_are_whole() {
    let mut axes = policies(3, 4);
    add_findings(&mut axes, "layers", 3, 9);
    expect(&mut axes, "below = 4000");
    axes.rows.push(Row {
        method: "somebody else".into(),
        ..axes.rows[0].clone()
    });
    let shapes = [
        axes,
        results("race", 3, 2, 3),
        every_step(8, 40),
        troubled(30, 2),
        policies(3, 6),
        swept(),
        growing(),
        matrix(),
        alike(),
        skipping(3),
        faults(),
        fleet(),
        formed(),
        cold(),
    ];
    for view in VIEWS {
        let said: Vec<usize> = shapes
            .iter()
            .map(|results| {
                let blocks = view.blocks(results, &stats::read(results), &Assumptions::default());
                check_grids(&blocks);
                blocks.len()
            })
            .collect();
        assert!(said.iter().any(|blocks| *blocks > 0), "{}", view.name);
    }
}

#[test]
fn many_cases_are_compared_on_a_screen_and_ranked_in_the_report() {
    let mut results = policies(2, 3);
    let plan = &mut results.plan.scenarios[0];
    let (case, rows) = (plan.cases[0].clone(), results.rows.clone());
    for seed in ["1", "2", "3"] {
        let turned = case.case.clone().with("seed", seed);
        let of_case = rows.iter().filter(|row| row.case == case.case).cloned();
        results.rows.extend(of_case.map(|row| Row {
            case: turned.clone(),
            ..row
        }));
        plan.cases.push(crate::record::PlannedCase {
            case: turned,
            ..case.clone()
        });
    }
    let screen = terminal(&results, 80).unwrap();
    assert!(screen.contains("5 cases compared"), "{screen}");
    assert!(
        screen.contains("The ranking of each case is in report.md."),
        "{screen}"
    );
    assert!(!screen.contains("delta is from"), "{screen}");
    let report = report(&results);
    assert_eq!(report.matches("Ranked by").count(), 5, "{report}");
    assert!(
        report.contains("](smoke-policy-all-seed-3-transfer.svg)"),
        "{report}"
    );
}

mod page;
mod pictures;
