//! Each kind of difference between what was expected and what crossed has its error.

use std::collections::BTreeMap;

use super::*;

fn crossed(objects: &[(&str, u64, u64)]) -> Traffic {
    Traffic {
        objects: objects
            .iter()
            .map(|&(object, requests, payload_bytes)| ObjectTraffic {
                object: object.to_string(),
                requests,
                payload_bytes,
                statuses: BTreeMap::new(),
            })
            .collect(),
        ..Traffic::default()
    }
}

fn expected() -> Vec<Expected> {
    vec![
        Expected::exactly("index", 1, 100),
        Expected::exactly("chunk", 1, 7000),
        Expected {
            object: "maybe".to_string(),
            requests: 0..=1,
            payload_bytes: 0..=50,
        },
    ]
}

#[test]
fn equal_figures_pass() {
    compare(
        &expected(),
        &crossed(&[("chunk", 1, 7000), ("index", 1, 100)]),
    )
    .unwrap();
    let all = [("chunk", 1, 7000), ("index", 1, 100), ("maybe", 1, 50)];
    compare(&expected(), &crossed(&all)).unwrap();
}

#[test]
fn each_difference_is_named_with_both_figures() {
    let index = ("index", 1, 100);
    for (objects, words) in [
        (
            vec![index, ("chunk", 2, 14000)],
            "chunk: 14000 bytes crossed in 2 requests, 7000 in 1 expected",
        ),
        (
            vec![index, ("chunk", 2, 7000)],
            "chunk: 7000 bytes crossed in 2 requests, 7000 in 1 expected",
        ),
        (
            vec![index, ("chunk", 1, 6999)],
            "chunk: 6999 bytes crossed in 1 requests, 7000 in 1 expected",
        ),
        (
            vec![index],
            "chunk: not requested, but no base has it: 0 bytes crossed, 7000 in 1 expected",
        ),
        (
            vec![index, ("chunk", 1, 7000), ("other", 1, 9)],
            "other: requested, but no client with these bases needs it: 9 bytes crossed in 1 requests, 0 expected",
        ),
        (
            vec![index, ("chunk", 1, 7000), ("maybe", 1, 51)],
            "maybe: 51 bytes crossed in 1 requests, 0 to 50 in 0 to 1 expected",
        ),
    ] {
        let why = compare(&expected(), &crossed(&objects)).unwrap_err();
        assert_eq!(why.to_string(), words);
    }
}

#[test]
fn the_first_of_many_differences_is_named_and_the_rest_are_counted() {
    let why = compare(&expected(), &crossed(&[("a", 1, 1), ("b", 1, 1)])).unwrap_err();
    assert!(why.to_string().starts_with("a: "), "{why}");
    assert!(why.to_string().ends_with("; and 3 more"), "{why}");
}

#[test]
fn an_upload_is_a_difference() {
    let mut traffic = crossed(&[("chunk", 1, 7000), ("index", 1, 100)]);
    traffic.upload_bytes = 5;
    let why = compare(&expected(), &traffic).unwrap_err();
    assert_eq!(why.to_string(), "5 bytes were uploaded, 0 expected");
}
