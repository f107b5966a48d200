//! zstd:chunked layers made by hand: what a client lacks, which gaps it takes along, and files that break the format.

use serde_json::{Value, json};

use super::*;
use crate::image::sha256_hex;

/// Where tables begin: behind a tar that nobody reads here.
const TOC_AT: usize = 2_000_000;
const TAR_SPLIT: usize = 300;

/// A file in one piece.
fn file(digest: &str, at: u64, end: u64) -> Value {
    json!({ "type": "reg", "name": digest, "size": 9, "digest": digest, "offset": at, "endOffset": end })
}

/// A file in pieces: the digest of each, none for zeros, and where it begins. The last one ends where the next file begins.
fn cut(digest: &str, pieces: &[(&str, u64)], end: u64) -> Vec<Value> {
    let mut entries = Vec::new();
    for (at, (piece, offset)) in pieces.iter().enumerate() {
        let mut entry = json!({ "type": "chunk", "name": digest, "offset": offset, "chunkSize": 9, "chunkDigest": piece });
        if piece.is_empty() {
            entry["chunkType"] = json!("zeros");
        }
        if at == 0 {
            entry["type"] = json!("reg");
            entry["size"] = json!(99);
            entry["digest"] = json!(digest);
            entry["endOffset"] = json!(end);
        }
        entries.push(entry);
    }
    entries
}

struct Made {
    yard: Yard,
    manifests: Vec<Value>,
}

impl Made {
    fn new() -> Made {
        Made {
            yard: Yard::new(),
            manifests: Vec::new(),
        }
    }

    fn blob(&self, bytes: &[u8]) -> Value {
        let digest = sha256_hex(bytes);
        self.yard.put(&format!("oci/blobs/sha256/{digest}"), bytes);
        json!({ "digest": format!("sha256:{digest}"), "size": bytes.len() })
    }

    /// A layer with this table, and the bytes of its table and of what puts its tar together.
    fn layer(&self, entries: &[Value]) -> (Value, u64) {
        let text = json!({ "version": 1, "entries": entries }).to_string();
        let table = zstd::encode_all(text.as_bytes(), 3).unwrap();
        let mut bytes = vec![0; TOC_AT];
        bytes.extend(&table);
        let split_at = bytes.len() + 8;
        bytes.resize(split_at + TAR_SPLIT, 0);
        let mut layer = self.blob(&bytes);
        layer["annotations"] = json!({
            "io.github.containers.zstd-chunked.manifest-checksum": format!("sha256:{}", sha256_hex(&table)),
            "io.github.containers.zstd-chunked.manifest-position": format!("{TOC_AT}:{}:{}:1", table.len(), text.len()),
            "io.github.containers.zstd-chunked.tarsplit-position": format!("{split_at}:{TAR_SPLIT}:99"),
        });
        (layer, (table.len() + TAR_SPLIT) as u64)
    }

    /// Publishes an image of these layers.
    fn image(&mut self, name: &str, layers: &[Value]) -> Published {
        let config = self.blob(name.as_bytes());
        let manifest = json!({ "config": config, "layers": layers }).to_string();
        let mut manifest = self.blob(manifest.as_bytes());
        manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        self.manifests.push(manifest);
        let index = json!({ "manifests": self.manifests }).to_string();
        self.yard.put("oci/index.json", index.as_bytes());
        let mut published = self.yard.image("zstd-chunked", name, name.as_bytes());
        published.index = "oci/index.json".to_string();
        published
    }

    fn object(&self, layer: &Value) -> String {
        format!("v2/oci/blobs/{}", layer["digest"].as_str().unwrap())
    }
}

/// Requests and content bytes of a client that lacks a layer of `new`, whose storage holds a layer of `old`.
fn content(old: &[Value], new: &[Value]) -> (RangeInclusive<u64>, RangeInclusive<u64>) {
    let mut made = Made::new();
    let (held, _) = made.layer(old);
    let (lacked, table) = made.layer(new);
    let old = made.image("old", std::slice::from_ref(&held));
    let new = made.image("new", &[held, lacked.clone()]);
    let expected = made.yard.expect(&new, &[old]).unwrap();
    let object = made.object(&lacked);
    let found = expected.into_iter().find(|it| it.object == object).unwrap();
    let (least, most) = found.payload_bytes.into_inner();
    (found.requests, least - table..=most - table)
}

#[test]
fn a_file_that_the_storage_holds_is_not_fetched() {
    let new = [file("a", 100, 600), file("b", 700, 60_000)];
    assert_eq!(content(&[file("b", 5, 900)], &new), (2..=2, 500..=500));
    let both = [file("a", 1, 2), file("b", 5, 900)];
    assert_eq!(content(&both, &new), (1..=1, 0..=0));
    let empty = json!({ "type": "reg", "name": "e", "digest": "e" });
    let link = json!({ "type": "hardlink", "name": "l", "linkName": "a" });
    assert_eq!(content(&[], &[empty, link]), (1..=1, 0..=0));
}

#[test]
fn gaps_of_a_kibibyte_are_fetched_with_what_they_divide() {
    let new = |at: u64| [file("a", 100, 600), file("b", at, at + 70)];
    assert_eq!(content(&[], &new(1624)).1, 1594..=1594);
    assert_eq!(content(&[], &new(1625)).1, 570..=570);
}

#[test]
fn pieces_that_are_held_or_zeros_are_not_fetched() {
    // It says where it ends, and ends where the next one begins.
    let pieces = [("p", 100), ("q", 3000), ("", 6000), ("r", 9000)];
    let new = [cut("a", &pieces, 9500), vec![file("b", 10_000, 10_400)]].concat();
    assert_eq!(content(&[], &new).1, 7300..=7300);
    let held = cut("z", &[("x", 1), ("q", 10)], 20);
    assert_eq!(content(&held, &new).1, 4300..=4300);
    let whole = [file("r", 1, 9)];
    assert_eq!(content(&whole, &new).1, 6300..=6300);
    let last = cut("a", &pieces, 9500);
    let to_the_table = TOC_AT as u64 - 9000;
    let bytes = 5900 + to_the_table;
    assert_eq!(content(&[], &last).1, bytes..=bytes);
}

/// The client finds both in one table, where a piece may hide a file.
#[test]
fn a_file_whose_contents_are_also_a_later_piece_may_come_or_not() {
    let held = [vec![file("a", 1, 9)], cut("z", &[("x", 10), ("a", 20)], 30)].concat();
    assert_eq!(content(&held, &[file("a", 50, 90)]), (1..=2, 0..=40));
}

#[test]
fn more_ranges_than_a_client_asks_for_are_joined_where_that_costs_least() {
    // Files of a byte with gaps between them: the first of 1,300 bytes, the next of 1,200, all others of 1,100.
    let many = |count: u64| {
        let mut at = 100;
        let mut files = Vec::new();
        for number in 0..count {
            let digest = number.to_string();
            files.push(file(&digest, at, at + 1));
            at += match number {
                0 => 1301,
                1 => 1201,
                _ => 1101,
            };
        }
        files
    };
    for (files, gaps) in [(1023, 0), (1024, 1100), (1025, 2200)] {
        let bytes = files + gaps;
        assert_eq!(content(&[], &many(files)).1, bytes..=bytes, "{files}");
    }
}

#[test]
fn layers_of_one_image_may_hold_each_others_files() {
    let mut made = Made::new();
    let (low, low_table) = made.layer(&[file("a", 100, 600)]);
    let (top, top_table) = made.layer(&[file("a", 200, 900), file("b", 5000, 5040)]);
    let new = made.image("new", &[low.clone(), top.clone()]);
    let expected = made.yard.expect(&new, &[]).unwrap();
    let of = |layer: &Value| {
        let object = made.object(layer);
        let found = expected.iter().find(|it| it.object == object).unwrap();
        found.payload_bytes.clone()
    };
    assert_eq!(of(&low), low_table + 500..=low_table + 500);
    assert_eq!(of(&top), top_table + 40..=top_table + 740);
}

#[test]
fn a_layer_without_a_table_comes_whole_and_a_held_one_not_at_all() {
    let mut made = Made::new();
    let (mut plain, _) = made.layer(&[file("a", 100, 600)]);
    let (held, _) = made.layer(&[file("b", 100, 600)]);
    plain["annotations"] = json!({});
    let old = made.image("old", std::slice::from_ref(&held));
    let new = made.image("new", &[held.clone(), plain.clone()]);
    let expected = made.yard.expect(&new, &[old]).unwrap();
    let objects: Vec<&str> = expected.iter().map(|it| it.object.as_str()).collect();
    assert_eq!(objects[..3], ["", "v2/", "v2/oci/manifests/new"]);
    assert!(!objects.contains(&made.object(&held).as_str()));
    let whole = Expected::exactly(made.object(&plain), 1, plain["size"].as_u64().unwrap());
    assert_eq!(expected.last(), Some(&whole));
}

#[test]
fn tables_that_break_the_format_are_errors() {
    let places = "io.github.containers.zstd-chunked.manifest-position";
    let check = "io.github.containers.zstd-chunked.manifest-checksum";
    let why = |entries: &[Value], key: &str, value: &str| {
        let mut made = Made::new();
        let (mut layer, _) = made.layer(entries);
        if !key.is_empty() {
            layer["annotations"][key] = json!(value);
        }
        let new = made.image("new", &[layer]);
        format!("{:#}", made.yard.expect(&new, &[]).unwrap_err())
    };
    let good = [file("a", 100, 600)];
    let other = format!("sha256:{}", "0".repeat(64));
    for (key, value, words) in [
        (places, "1999999:90:90:1", "does not match its digest"),
        (places, "2000000:999999:90:1", "but it has"),
        (places, "18446744073709551615:9:9:1", "is said to be at"),
        (places, "1:2:3", "is said to be at"),
        (places, "2000000:90:90:2", "tables of type 2"),
        (check, &other, "does not match its digest"),
        (check, "md5:00", "is no sha256"),
    ] {
        let why = why(&good, key, value);
        assert!(why.contains(words), "{value}: {why}");
    }
    let mut astray = Made::new().image("new", &[]);
    for index in ["index.json", "oci", "/index.json"] {
        astray.index = index.to_string();
        assert!(Yard::new().expect(&astray, &[]).is_err(), "{index}");
    }
    let overlap = [file("a", 100, 600), file("b", 500, 700)];
    let lone = [json!({ "type": "chunk", "name": "a", "offset": 100 })];
    let nowhere = [file("a", 600, 600)];
    let strange = cut("a", &[("p", 100), ("q", 200)], 300).into_iter();
    let strange: Vec<Value> = strange
        .map(|mut it| {
            it["chunkType"] = json!("holes");
            it
        })
        .collect();
    for (entries, words) in [
        (&overlap[..], "overlap"),
        (&lone, "a piece of no file"),
        (&nowhere, "but it ends at"),
        (&strange, "pieces of type holes"),
    ] {
        let why = why(entries, "", "");
        assert!(why.contains(words), "{why}");
    }
}
