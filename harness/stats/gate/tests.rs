//! Claims about gates.

use super::*;
use crate::record::{Cost, Explained, ExplainedFile, Kind};

const RULES: &str =
    "methods = [\"layers\"]\n[limits]\ndelta_grows = \"1 MB\"\ndelta_share = 0.5\nrequests = 9\n";

fn row(scenario: &str, verb: Verb, image: &str, base: &str, bytes: u64) -> Row {
    Row {
        scenario: scenario.into(),
        method: "layers".into(),
        verb,
        image: image.into(),
        bases: base.parse().unwrap(),
        sample: 1,
        payload_bytes: (verb == Verb::Update).then_some(bytes),
        requests: (verb == Verb::Update).then_some(4),
        store_bytes: (verb == Verb::Publish).then_some(bytes.cast_signed()),
        check: Check::Exact,
        ..Row::default()
    }
}

/// Clients on 1.4.2 fetch 11.9 MB before, and so many bytes after.
fn run(after: u64) -> Results {
    let full = 100_000_000;
    Results {
        rows: vec![
            row(BEFORE, Verb::Publish, "main", "1.4.2", 12_000_000),
            row(BEFORE, Verb::Update, "main", "", full),
            row(BEFORE, Verb::Update, "main", "1.4.2", 11_900_000),
            row(AFTER, Verb::Publish, "pr", "1.4.2", 12_000_000),
            row(AFTER, Verb::Update, "pr", "", full),
            row(AFTER, Verb::Update, "pr", "1.4.2", after),
        ],
        ..Results::default()
    }
}

fn judged(results: &Results, rules: &str) -> Gate {
    let images = Images {
        releases: &["1.4.2".to_string()],
        base: "main",
        head: "pr",
        with_before: true,
    };
    gate(
        results,
        &Rules::parse(rules).unwrap(),
        &images,
        "2026-11-24",
    )
}

#[test]
fn a_change_within_the_limits_passes_and_one_beyond_them_fails() {
    assert_eq!(
        judged(&run(11_900_000), RULES).passage(),
        Passage::Unchanged
    );
    assert_eq!(judged(&run(12_000_000), RULES).passage(), Passage::Passes);
    assert_eq!(judged(&run(12_900_000), RULES).passage(), Passage::Passes);
    let gate = judged(&run(15_000_000), RULES);
    assert_eq!(gate.passage(), Passage::Fails);
    let breach = &gate.breaches[0];
    assert_eq!(
        (breach.limit, breach.release.as_str(), breach.figure),
        ("delta_grows", "1.4.2", 3_100_000.0)
    );
    let limits: Vec<&str> = judged(&run(60_000_000), RULES)
        .breaches
        .iter()
        .map(|it| it.limit)
        .collect();
    assert_eq!(limits, ["delta_grows", "delta_share"]);
}

#[test]
fn a_waiver_counts_until_its_day_and_up_to_its_figure() {
    let waived = |until: &str, up_to: &str| {
        let waiver = format!(
            "[[waiver]]\nlimit = \"delta_grows\"\nup_to = \"{up_to}\"\nuntil = \"{until}\"\nwhy = \"the model\"\n"
        );
        judged(&run(15_000_000), &format!("{RULES}{waiver}"))
    };
    let gate = waived("2026-11-24", "4 MB");
    assert_eq!(gate.passage(), Passage::Waived);
    assert_eq!(gate.breaches[0].waiver.as_ref().unwrap().why, "the model");
    assert_eq!(waived("2026-12-31", "3 MB").passage(), Passage::Fails);
    let gate = waived("2026-11-23", "4 MB");
    assert_eq!((gate.passage(), gate.ended.len()), (Passage::Fails, 1));
}

#[test]
fn a_failed_step_outweighs_all_and_a_method_that_cannot_run_is_no_pass() {
    let mut results = run(15_000_000);
    results.rows[5].check = Check::Failed;
    results.rows[5].error = "the output is not the image".into();
    assert_eq!(judged(&results, RULES).passage(), Passage::Unverified);
    let mut none = Results::default();
    let gate = judged(&none, RULES);
    assert_eq!(gate.passage(), Passage::Unknown);
    let skipped = |why: &str| [("layers".to_string(), why.to_string())];
    assert_eq!(gate.skipped, skipped("it has no rows"));
    let left_out = |name: &str, why: &str| crate::record::PlannedMethod {
        name: name.into(),
        skipped: Some(why.into()),
        ..Default::default()
    };
    none.plan.scenarios.push(crate::record::ScenarioPlan {
        methods: vec![left_out("raw", "no"), left_out("layers", "not here")],
        ..Default::default()
    });
    assert_eq!(judged(&none, RULES).skipped, skipped("not here"));
}

#[test]
fn a_waiver_that_ended_is_told_once_however_often_it_would_have_been_needed() {
    let mut results = run(15_000_000);
    let older: Vec<Row> = results
        .rows
        .iter()
        .filter(|row| !row.bases.is_empty() && row.verb == Verb::Update)
        .map(|row| Row {
            bases: "1.4.1".parse().unwrap(),
            ..row.clone()
        })
        .collect();
    results.rows.extend(older);
    let images = Images {
        releases: &["1.4.1".to_string(), "1.4.2".to_string()],
        base: "main",
        head: "pr",
        with_before: true,
    };
    let waiver = "[[waiver]]\nlimit = \"delta_grows\"\nup_to = \"4 MB\"\nuntil = \"2026-11-23\"\nwhy = \"the model\"\n";
    let rules = Rules::parse(&format!("{RULES}{waiver}")).unwrap();
    let gate = gate(&results, &rules, &images, "2026-11-24");
    assert_eq!((gate.breaches.len(), gate.ended.len()), (2, 1));
}

#[test]
fn rules_that_mean_nothing_are_refused_with_the_nearest_word() {
    let cases = [
        ("methods = []", "names no method"),
        (
            "methods = [\"raw\"]\n[limits]\ndelta_grow = 1",
            "unknown field `delta_grow`",
        ),
        (
            "methods = [\"raw\"]\n[limits]\ndelta_grows = \"much\"",
            "no size",
        ),
        (
            "methods = [\"raw\"]\n[limits]\ndelta_grows = -1",
            "below nothing",
        ),
        (
            "methods = [\"raw\"]\n[method.row]\nrequests = 1",
            "did you mean `raw`",
        ),
        (
            "methods = [\"raw\"]\n[[waiver]]\nlimit = \"request\"\nup_to = 1\nuntil = \"2026-01-01\"\nwhy = \"x\"",
            "did you mean `requests`",
        ),
        (
            "methods = [\"raw\"]\n[[waiver]]\nlimit = \"requests\"\nup_to = 1\nuntil = \"soon\"\nwhy = \"x\"",
            "2026-12-31",
        ),
        (
            "methods = [\"raw\"]\n[[waiver]]\nlimit = \"requests\"\nup_to = 1\nuntil = \"2026-01-01\"\nwhy = \" \"",
            "says `why`",
        ),
    ];
    for (text, says) in cases {
        let why = format!("{:#}", Rules::parse(text).unwrap_err());
        assert!(why.contains(says), "{text}: {why}");
    }
    let rules = Rules::parse("methods = [\"raw\", \"layers\"]\n[limits]\nrequests = 5\ndelta_grows = 1000\n[method.raw]\nrequests = 7").unwrap();
    assert_eq!(
        (
            rules.limits("raw").requests,
            rules.limits("layers").requests
        ),
        (Some(7), Some(5))
    );
    assert!(rules.limits("raw").delta_grows == rules.limits("layers").delta_grows);
}

#[test]
fn growth_is_what_a_file_costs_more_than_before() {
    let file = |path: &str, layer_bytes, kind| ExplainedFile {
        path: path.into(),
        layer_bytes,
        kind,
        ..ExplainedFile::default()
    };
    let before = Explained {
        files: vec![file("a", 100, Kind::Changed), file("b", 50, Kind::Changed)],
        ..Explained::default()
    };
    let after = Explained {
        files: vec![
            file("a", 130, Kind::Changed),
            file("b", 50, Kind::Changed),
            file("c", 70, Kind::Mtime),
        ],
        ..Explained::default()
    };
    let grown = growth(Some(&before), &after, Cost::Layers);
    let told: Vec<(&str, u64)> = grown
        .iter()
        .map(|it| (it.file.path.as_str(), it.more))
        .collect();
    assert_eq!(told, [("c", 70), ("a", 30)]);
    assert_eq!(growth(None, &after, Cost::Layers).len(), 3);
    let causes = growth_by_cause(&grown);
    assert_eq!(
        (causes[0].0.name, causes[0].2),
        ("files whose time alone changed", 70)
    );
}
