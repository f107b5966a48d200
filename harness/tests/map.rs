//! The map in lib.rs holds: every file imports downhill, the rooms have no circle, and the two halves do not know each
//! other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::bench::checkout;

/// What every room may import. The reading half has no business with images.
const EVERYBODY: &[&str] = &["record", "image", "words", "dice"];
const READING_HALF: &[&str] = &["stats", "report"];

/// What is no room: the program, its tests and benches, and what stands in for a library.
const NO_ROOM: &[&str] = &["lib", "main", "tests", "benches", "stand-ins", "fuzz"];

/// Each room with the rooms it may import, as lib.rs says, in its order.
fn map() -> Vec<(String, Vec<String>)> {
    let lib = fs::read_to_string(checkout().join("harness/lib.rs")).unwrap();
    let words = |text: &str| -> Vec<String> {
        let listed = text.trim_start().split("  ").next().unwrap_or_default();
        listed.split_whitespace().map(str::to_string).collect()
    };
    lib.lines()
        .filter_map(|line| line.strip_prefix("//! ")?.split_once("<-"))
        .map(|(room, rest)| {
            let may = if rest.starts_with("   ") {
                Vec::new()
            } else {
                words(rest)
            };
            (room.trim().to_string(), may)
        })
        .filter(|(room, _)| room.chars().all(char::is_alphanumeric))
        .collect()
}

/// Every source file of the harness, as a path below it.
fn files() -> impl Iterator<Item = PathBuf> {
    let harness = checkout().join("harness");
    walkdir::WalkDir::new(&harness)
        .into_iter()
        .filter_map(move |entry| {
            let path = entry.unwrap().into_path();
            let below = path.strip_prefix(&harness).unwrap().to_path_buf();
            let source = below.extension().is_some_and(|ending| ending == "rs");
            (source && !NO_ROOM.contains(&room_of(&below).as_str())).then_some(below)
        })
}

#[test]
fn imports_run_downhill() {
    let map = map();
    let mut seen = BTreeSet::new();
    for path in files() {
        let room = room_of(&path);
        let (_, may) = map
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{room} is not on the map: {}", path.display()));
        seen.insert(room.clone());
        for import in imports(&code_of(&path)) {
            let strange = READING_HALF.contains(&room.as_str()) && import == "image";
            let fine =
                import == room || may.contains(&import) || EVERYBODY.contains(&import.as_str());
            assert!(
                fine && !strange,
                "{} imports {import}: that is uphill",
                path.display()
            );
        }
    }
    let named: BTreeSet<String> = map.into_iter().map(|(room, _)| room).collect();
    assert_eq!(seen, named, "the map names what is there");
}

#[test]
fn a_room_imports_only_what_stands_above_it_on_the_map() {
    let map = map();
    for (at, (room, may)) in map.iter().enumerate() {
        for import in may {
            assert!(
                map[..at].iter().any(|(name, _)| name == import),
                "{room} imports {import}, which comes later"
            );
        }
    }
    assert!(map.len() > 10, "the map was not found in lib.rs");
}

#[test]
fn no_two_files_of_a_room_import_each_other() {
    let mut edges: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
    for path in files() {
        let code = code_of(&path);
        let near = siblings(&path, &code);
        edges.insert(path, near);
    }
    let circles: Vec<String> = edges
        .iter()
        .flat_map(|(one, others)| others.iter().map(move |other| (one, other)))
        .filter(|(one, other)| {
            one < other && edges.get(*other).is_some_and(|back| back.contains(*one))
        })
        .map(|(one, other)| format!("{} <-> {}", one.display(), other.display()))
        .collect();
    assert!(circles.is_empty(), "circles: {circles:#?}");
}

/// The files beside this one that it names as `super::name`.
fn siblings(path: &Path, code: &str) -> BTreeSet<PathBuf> {
    let is_mod = path.file_name().is_some_and(|name| name == "mod.rs");
    let folder = path.parent().unwrap();
    // From `a/b.rs` and from `a/mod.rs`'s children `super` is the folder's own module; from `a/mod.rs` it is one above.
    let above = if is_mod {
        folder.parent().unwrap_or(Path::new(""))
    } else {
        folder
    };
    let harness = checkout().join("harness");
    names_after(code, "super::")
        .into_iter()
        .flat_map(|name| {
            [
                above.join(format!("{name}.rs")),
                above.join(&name).join("mod.rs"),
            ]
        })
        .filter(|sibling| sibling != path && harness.join(sibling).is_file())
        .collect()
}

/// `run/trial.rs` and `run/mod.rs` are of the room `run`; `plan.rs` is the room `plan`.
fn room_of(path: &Path) -> String {
    let first = path.components().next().unwrap();
    let first = first.as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_string()
}

/// A file's code without comments and without its tests, which may look at anything. Whole files of tests are none.
fn code_of(path: &Path) -> String {
    let tests = |part: &std::ffi::OsStr| ["tests", "tests.rs"].iter().any(|it| part == *it);
    if path.iter().any(tests) {
        return String::new();
    }
    let text = fs::read_to_string(checkout().join("harness").join(path)).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let mut code = String::new();
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim() == "#[cfg(test)]" {
            at = end_of_item(&lines, at + 1);
        } else {
            code.push_str(lines[at]);
            code.push('\n');
            at += 1;
        }
    }
    code
}

/// The line after the item that begins at `at`: after its closing brace as far left as its first line, or after a line
/// that ends it.
fn end_of_item(lines: &[&str], at: usize) -> usize {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let first = lines[at];
    if first.trim_end().ends_with(';') || first.trim_end().ends_with('}') {
        return at + 1;
    }
    let close = lines[at + 1..]
        .iter()
        .position(|line| indent(line) == indent(first) && line.trim_start().starts_with('}'));
    close.map_or(lines.len(), |close| at + 1 + close + 1)
}

/// The rooms a file names as `crate::room`.
fn imports(code: &str) -> BTreeSet<String> {
    names_after(code, "crate::")
}

/// The first words after each `prefix`, of a list in braces each.
fn names_after(code: &str, prefix: &str) -> BTreeSet<String> {
    code.split(prefix)
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => top_level(list),
            None => vec![first_word(rest)],
        })
        .filter(|word| !word.is_empty())
        .collect()
}

/// The first word of each part of a list, up to its closing brace; lists within it left alone.
fn top_level(list: &str) -> Vec<String> {
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for letter in list.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => parts.push(String::new()),
            _ => {}
        }
        if depth == 0 && letter != ',' {
            parts.last_mut().unwrap().push(letter);
        }
    }
    parts.iter().map(|part| first_word(part)).collect()
}

fn first_word(text: &str) -> String {
    text.trim()
        .chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}

#[test]
fn code_beneath_a_files_tests_is_looked_at_too() {
    let lines = [
        "#[cfg(test)]",
        "mod tests {",
        "    use crate::run;",
        "}",
        "use crate::wire;",
    ];
    let end = end_of_item(&lines, 1);
    assert_eq!(lines[end], "use crate::wire;");
    assert_eq!(end_of_item(&["mod tests;", "x"], 0), 1);
    let rooms: Vec<String> = imports("use crate::{a::{b, c}, d};").into_iter().collect();
    assert_eq!(rooms, ["a", "d"]);
}
