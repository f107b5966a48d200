//! How comments read.

use super::*;
use crate::record::{ExplainedFile, Kind};
use crate::stats::gate::{Effect, Line, Waiver};

fn line(release: &str, before: Option<i128>, after: i128) -> Line {
    Line {
        release: release.into(),
        before,
        after: Some(after),
        requests: Some(7),
    }
}

/// A change that adds a model and touches every time.
fn changed() -> Gate {
    let effect = |method: &str| Effect {
        method: method.into(),
        deltas: vec![
            line("1.4.1", Some(12_900_000), 15_100_000),
            line("1.4.2", Some(11_900_000), 15_000_000),
        ],
        full: line("", Some(98_000_000), 101_000_000),
        storage: line("", Some(12_000_000), 11_000_000),
    };
    Gate {
        methods: vec![effect("layers"), effect("zstd-patch/3")],
        breaches: vec![Breach {
            method: "layers".into(),
            limit: "delta_grows",
            release: "1.4.2".into(),
            figure: 3_100_000.0,
            most: 1_000_000.0,
            waiver: None,
        }],
        ..Gate::default()
    }
}

fn explained() -> Explained {
    let file = |path: &str, kind, layer_bytes| ExplainedFile {
        path: path.into(),
        kind,
        bytes: layer_bytes,
        layer_bytes,
        ..ExplainedFile::default()
    };
    let touched = (0..40).map(|at| file(&format!("usr/lib/{at}.so"), Kind::Mtime, 9_000 + at));
    Explained {
        files: [file("srv/model.bin", Kind::New, 2_700_000)]
            .into_iter()
            .chain(touched)
            .collect(),
        ..Explained::default()
    }
}

fn told<'a>(explained: Option<(Option<Explained>, Explained)>, by_hand: &'a str) -> Told<'a> {
    Told {
        name: "updates",
        base: "shop/backend:main",
        head: "shop/backend:pr",
        explained,
        by_hand,
    }
}

#[test]
fn a_comment_reads_like_this() {
    let by_hand =
        "delta-lab ci --base shop/backend:main --image shop/backend:pr --rules rules.toml";
    let explained = Some((Some(Explained::default()), explained()));
    let comment = comment(&changed(), &told(explained, by_hand));
    assert!(comment.contains("### Fails: updates got 3.10 MB bigger: clients on 1.4.2 fetch 15.0 MB, were 11.9 MB; limit +1.00 MB\n"), "{comment}");
    assert!(comment.ends_with(&format!("    {by_hand}\n")));
    insta::assert_snapshot!("comment", comment);
}

#[test]
fn a_waived_limit_and_a_smaller_update_are_told_as_such() {
    let mut gate = changed();
    gate.breaches[0].waiver = Some(Waiver {
        limit: "delta_grows".into(),
        up_to: toml::Value::Integer(4_000_000).try_into().unwrap(),
        until: "2026-12-31".into(),
        why: "ships the model".into(),
    });
    assert!(
        verdict(&gate).starts_with("Waived: updates got 3.10 MB bigger"),
        "{}",
        verdict(&gate)
    );
    assert!(breach(&gate.breaches[0]).ends_with("Reason: ships the model"));
    gate.breaches.clear();
    for line in &mut gate.methods[0].deltas {
        std::mem::swap(&mut line.before, &mut line.after);
    }
    assert_eq!(
        verdict(&gate),
        "Passes: updates got 2.20 MB smaller: clients on 1.4.1 fetch 12.9 MB, were 15.1 MB"
    );
    gate.failed.push((
        "layers".into(),
        "update pr: the output is not the image".into(),
    ));
    assert_eq!(
        verdict(&gate),
        "Verification failed: layers: update pr: the output is not the image"
    );
}

#[test]
fn hostile_names_stay_words_and_leave_the_marker_alone() {
    let hostile = "--><img src=x>\u{1b}[2J|`x`\n# head";
    let mut gate = changed();
    gate.methods[0].method = hostile.into();
    gate.methods[0].deltas[1].release = hostile.into();
    let mut explained = explained();
    explained.files[0].path = hostile.into();
    let told = Told {
        name: hostile,
        ..told(Some((None, explained)), hostile)
    };
    let comment = comment(&gate, &told);
    let marker = comment.lines().next().unwrap();
    assert_eq!(marker.matches("-->").count(), 1, "{marker}");
    let code = comment.lines().last().unwrap();
    assert!(code.starts_with("    "), "{code}");
    let page = comment.replace(code, "").replace(marker, "");
    let (all, escaped) = (page.matches("<img"), page.matches("\\<img"));
    assert_eq!(all.count(), escaped.count(), "{page}");
    assert!(
        !page.contains("\n# head") && !comment.contains('\u{1b}'),
        "{page}"
    );
}
