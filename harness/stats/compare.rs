//! Two runs side by side: what must be equal to the byte, and is it?

use std::collections::BTreeMap;

use crate::record::{Act, Check, Key, Row};

use super::repeating;

/// What a run says against a baseline. Time and memory are not looked at: they never repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Acts whose every exact figure is as it was, or that have a figure in neither run.
    pub same: usize,
    /// Acts with a figure in both runs that could be compared.
    pub compared: usize,
    pub different: Vec<Difference>,
    /// Acts with a figure in the baseline only, and what the run says instead.
    pub missing: Vec<(Act, String)>,
    /// Acts with a figure in the run only.
    pub new: Vec<Act>,
    /// Acts done with another version or on another image, and which: their bytes may differ and prove nothing.
    pub incomparable: Vec<(Act, String)>,
}

impl Comparison {
    /// Whether a gate lets the run pass: something was compared, and nothing that was measured before is different
    /// or gone.
    pub fn passes(&self) -> bool {
        self.compared > 0 && self.different.is_empty() && self.missing.is_empty()
    }
}

/// One figure that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub act: Act,
    /// Name of the measure, with its unit.
    pub measure: &'static str,
    /// `None` is an empty cell.
    pub baseline: Option<i128>,
    pub new: Option<i128>,
}

/// Compares the exact measures of each act. An act that was verified and now is not counts as missing; one that is
/// verified in neither run counts as the same. Rows of schema 1 compare with rows of schema 2.
pub fn compare(baseline: &[Row], new: &[Row]) -> Comparison {
    let by_act = |rows| -> BTreeMap<Key, &Row> {
        let rows: std::slice::Iter<Row> = rows;
        rows.map(|row| (row.key(), row)).collect()
    };
    let (before, after) = (by_act(baseline.iter()), by_act(new.iter()));
    let mut comparison = Comparison::default();
    for (key, row) in &before {
        compare_act(row, after.get(key).copied(), &mut comparison);
    }
    comparison.new = after
        .iter()
        .filter(|(key, row)| row.verified() && !before.get(*key).is_some_and(|row| row.verified()))
        .map(|(_, row)| row.act())
        .collect();
    comparison
}

fn compare_act(before: &Row, after: Option<&Row>, comparison: &mut Comparison) {
    let Some(after) = after.filter(|after| after.verified()) else {
        if before.verified() {
            let instead = after.map_or("no row".to_string(), no_figure);
            comparison.missing.push((before.act(), instead));
        } else {
            comparison.same += 1;
        }
        return;
    };
    if !before.verified() {
        return;
    }
    if let Some(reason) = incomparable(before, after) {
        comparison.incomparable.push((before.act(), reason));
        return;
    }
    comparison.compared += 1;
    let known = comparison.different.len();
    for measure in repeating() {
        let (baseline, new) = ((measure.of)(before), (measure.of)(after));
        if baseline != new {
            comparison.different.push(Difference {
                act: before.act(),
                measure: measure.name,
                baseline,
                new,
            });
        }
    }
    comparison.same += usize::from(comparison.different.len() == known);
}

fn no_figure(row: &Row) -> String {
    let how = match row.check {
        Check::Skipped => "skipped",
        _ => "failed",
    };
    format!("{how}: {}", row.error)
}

/// Why the bytes of two rows say nothing about each other, if so.
fn incomparable(before: &Row, after: &Row) -> Option<String> {
    let short = |text: &str| text.chars().take(12).collect::<String>();
    let whole = |text: &str| text.to_string();
    let another = |what: &str, before: &str, after: &str, words: &dyn Fn(&str) -> String| {
        let told = || format!("another {what}: {} -> {}", words(before), words(after));
        (before != after).then(told)
    };
    another("version", &before.version, &after.version, &whole)
        .or_else(|| another("image", &before.image_sha256, &after.image_sha256, &short))
        .or_else(|| another("base", &before.bases_sha256, &after.bases_sha256, &short))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{results, spoil};

    /// What it brings about, and how.
    type Change = (&'static str, fn(&mut Row));

    fn rows() -> Vec<Row> {
        results("smoke", 3, 2, 2).rows
    }

    #[test]
    fn a_run_is_the_same_as_itself_however_long_it_took() {
        let baseline = rows();
        let mut new = baseline.clone();
        for row in &mut new {
            row.wall_ns = row.wall_ns.map(|wall| wall * 3);
            row.cpu_ns = None;
            row.peak_rss_bytes = Some(1);
        }
        new.reverse();
        let comparison = compare(&baseline, &new);
        assert!(comparison.passes());
        let all = baseline.len();
        assert_eq!(
            comparison,
            Comparison {
                same: all,
                compared: all,
                ..Comparison::default()
            }
        );
    }

    #[test]
    fn one_byte_more_in_any_exact_column_is_caught_and_named() {
        let baseline = rows();
        for at in 0..baseline.len() {
            let changes: &[Change] = &[
                ("image_bytes", |row| row.image_bytes += 1),
                ("payload_bytes", |row| {
                    row.payload_bytes = row.payload_bytes.map(|it| it + 1)
                }),
                ("header_bytes", |row| {
                    row.header_bytes = row.header_bytes.map(|it| it + 1)
                }),
                ("upload_bytes", |row| {
                    row.upload_bytes = row.upload_bytes.map(|it| it + 1)
                }),
                ("requests", |row| {
                    row.requests = row.requests.map(|it| it + 1)
                }),
                ("store_bytes", |row| {
                    row.store_bytes = row.store_bytes.map(|it| it + 1)
                }),
                ("store_files", |row| row.store_files = None),
            ];
            for (column, change) in changes.iter().copied() {
                let mut new = baseline.clone();
                change(&mut new[at]);
                if new == baseline {
                    continue;
                }
                let comparison = compare(&baseline, &new);
                assert!(!comparison.passes());
                let [different] = comparison.different.as_slice() else {
                    panic!("{column}: {comparison:?}");
                };
                assert_eq!(
                    (different.measure, &different.act),
                    (column, &baseline[at].act())
                );
            }
        }
    }

    #[test]
    fn another_version_or_image_is_incomparable_and_passes() {
        let baseline = rows();
        let changes: &[Change] = &[
            ("another version: xdelta3 1.2.3 -> 1.2.4", |row| {
                row.version = "1.2.4".into()
            }),
            ("another image: a1a1a1a1a1a1 -> ff", |row| {
                row.image_sha256 = "ff".into()
            }),
            ("another base: a0a0a0a0a0a0 -> ff", |row| {
                row.bases_sha256 = "ff".into()
            }),
        ];
        for (reason, change) in changes.iter().copied() {
            let mut new = baseline.clone();
            let row = new.last_mut().unwrap();
            row.payload_bytes = Some(1);
            change(row);
            let comparison = compare(&baseline, &new);
            assert!(comparison.passes());
            let act = baseline.last().unwrap().act();
            assert_eq!(comparison.incomparable, [(act, reason.to_string())]);
            assert_eq!(comparison.same, baseline.len() - 1);
        }
    }

    #[test]
    fn a_figure_that_is_gone_or_no_longer_verified_is_missing() {
        let baseline = results("smoke", 3, 2, 1);
        let mut new = baseline.clone();
        spoil(&mut new, "raw", Check::Failed, "out of luck", |_| true);
        spoil(&mut new, "xdelta3", Check::Skipped, "not built in", |_| {
            true
        });
        new.rows.retain(|row| row.method != "fastcdc/64k");
        let comparison = compare(&baseline.rows, &new.rows);
        assert!(!comparison.passes());
        assert_eq!(comparison.missing.len(), baseline.rows.len());
        let said: Vec<&str> = comparison
            .missing
            .iter()
            .map(|(_, said)| said.as_str())
            .collect();
        for words in ["failed: out of luck", "skipped: not built in", "no row"] {
            assert!(said.contains(&words), "{said:?}");
        }
        // The other way around they are new figures: no harm, but nothing that a gate could vouch for.
        let comparison = compare(&new.rows, &baseline.rows);
        assert!(comparison.different.is_empty() && comparison.missing.is_empty());
        assert_eq!(comparison.new.len(), baseline.rows.len());
        assert!(!comparison.passes());
    }

    #[test]
    fn a_gate_that_could_compare_nothing_does_not_pass() {
        let baseline = rows();
        let mut new = baseline.clone();
        for row in &mut new {
            row.version = "1.2.4".into();
        }
        let comparison = compare(&baseline, &new);
        assert_eq!(comparison.incomparable.len(), baseline.len());
        assert!(!comparison.passes());
    }

    #[test]
    fn a_baseline_of_schema_1_compares_with_a_run_of_schema_2_and_a_sum_is_not_told_beside_its_parts()
     {
        let dir = tempfile::tempdir().unwrap();
        let columns = "schema,scenario,method,version,step,image,image_sha256,base,base_sha256,sample,image_bytes,payload_bytes,header_bytes,upload_bytes,requests,store_bytes,store_files,wall_ns,cpu_ns,peak_rss_bytes,check,error";
        let line = "1,s,raw,v,update,v3,cc,v1+v2,aa+bb,1,10,10,1,0,1,,,5,5,5,exact,";
        std::fs::write(dir.path().join("rows.csv"), format!("{columns}\n{line}\n")).unwrap();
        let baseline = crate::record::Results::load(dir.path()).unwrap().rows;
        let mut new = baseline.clone();
        new[0].schema = crate::record::SCHEMA;
        assert!(compare(&baseline, &new).passes());
        new[0].payload_bytes = Some(11);
        let comparison = compare(&baseline, &new);
        let measures: Vec<&str> = comparison.different.iter().map(|it| it.measure).collect();
        assert_eq!(measures, ["payload_bytes"]);
    }
}
