//! Templates: one word of a declared command line, with its placeholders.
//!
//! The placeholders are the parameters of the trait and nothing more. Which verb may hold which is checked when
//! the file is read: an update that names the store's folder would be cheating.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

use super::Moves;
use crate::image::Image;
use crate::words;

/// The verb a template belongs to, which decides what it may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Publish,
    PublishFromBase,
    Update,
    UpdateFromBase,
    /// Not a verb but a table beside them: names of objects, by which the lab checks an update.
    CrossCheck,
}

/// Placeholder, and the verbs that may hold it.
const PLACEHOLDERS: &[(&str, &[Verb])] = &[
    ("image", &[Verb::Publish, Verb::PublishFromBase]),
    ("image-bytes", &[Verb::Publish, Verb::PublishFromBase]),
    ("tree", &[Verb::Publish, Verb::PublishFromBase]),
    ("store", &[Verb::Publish, Verb::PublishFromBase]),
    (
        "name",
        &[
            Verb::Publish,
            Verb::PublishFromBase,
            Verb::Update,
            Verb::UpdateFromBase,
            Verb::CrossCheck,
        ],
    ),
    (
        "tmp",
        &[
            Verb::Publish,
            Verb::PublishFromBase,
            Verb::Update,
            Verb::UpdateFromBase,
        ],
    ),
    ("url", &[Verb::Update, Verb::UpdateFromBase]),
    ("ssh", &[Verb::Update, Verb::UpdateFromBase]),
    ("out", &[Verb::Update, Verb::UpdateFromBase]),
    ("base", &[Verb::PublishFromBase, Verb::UpdateFromBase]),
    ("base-tree", &[Verb::PublishFromBase, Verb::UpdateFromBase]),
    ("base-name", &[Verb::PublishFromBase, Verb::UpdateFromBase]),
    ("base-bytes", &[Verb::PublishFromBase, Verb::UpdateFromBase]),
];

/// `{each-base:PREFIX}` becomes one word for each base: PREFIX and the base's path; the other one likewise, with the
/// path of the base's tree.
const EACH_BASE: &str = "each-base:";
const EACH_BASE_TREE: &str = "each-base-tree:";

/// What a method that moves archives may not name, and what it may instead.
const OF_TREES: &[(&str, &str)] = &[
    ("tree", "{image}"),
    ("base-tree", "{base}"),
    (EACH_BASE_TREE, "{each-base:\u{2026}}"),
];

/// What a method that moves trees may not name, and what it may instead. Lengths are the archive's, of which there is
/// nothing in a tree.
const OF_ARCHIVES: &[(&str, &str)] = &[
    ("image", "{tree}"),
    ("image-bytes", "{tree}, which has no length,"),
    ("base", "{base-tree}"),
    ("base-bytes", "{base-tree}, which has no length,"),
    (EACH_BASE, "{each-base-tree:\u{2026}}"),
];

impl Verb {
    /// Every placeholder's name.
    pub fn words() -> Vec<&'static str> {
        PLACEHOLDERS.iter().map(|(name, _)| *name).collect()
    }

    fn table(self) -> &'static str {
        match self {
            Verb::Publish => "[publish]",
            Verb::PublishFromBase => "[publish-from-base]",
            Verb::Update => "[update]",
            Verb::UpdateFromBase => "[update-from-base]",
            Verb::CrossCheck => "[cross-check]",
        }
    }

    fn takes_each_base(self) -> bool {
        matches!(self, Verb::Publish | Verb::UpdateFromBase)
    }
}

/// One word of a command line: plain pieces and placeholders in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Placeholder(String),
    EachBase(String),
    EachBaseTree(String),
}

/// What the placeholders stand for in one step.
#[derive(Clone, Debug, Default)]
pub struct Part<'a> {
    pub tmp: &'a str,
    pub name: &'a str,
    /// Path and length in bytes.
    pub image: Option<(&'a str, u64)>,
    pub store: Option<&'a str>,
    pub url: Option<&'a str>,
    /// A program that stands in for `ssh`.
    pub ssh: Option<&'a str>,
    pub out: Option<&'a str>,
    pub bases: &'a [Image],
    pub base: Option<&'a Image>,
}

impl Template {
    /// Parses a word and refuses a placeholder that is unknown or out of place in `verb`. `{{` and `}}` are braces.
    pub fn parse(word: &str, verb: Verb, params: &[String]) -> Result<Template> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = word;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let (brace, after) = rest[at..].split_at(1);
            if let Some(after) = after.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            ensure!(
                brace == "{",
                "a `}}` without its `{{`; write `}}}}` for a brace"
            );
            let (name, after) = after
                .split_once('}')
                .context("a `{` without its `}`; write `{{` for a brace")?;
            if !plain.is_empty() {
                pieces.push(Piece::Plain(std::mem::take(&mut plain)));
            }
            pieces.push(placeholder(name, verb, params)?);
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Plain(plain));
        }
        let alone = pieces.len() == 1;
        ensure!(
            alone
                || !pieces
                    .iter()
                    .any(|piece| matches!(piece, Piece::EachBase(_) | Piece::EachBaseTree(_))),
            "{{each-base:…}} and {{each-base-tree:…}} must be words of their own"
        );
        Ok(Template(pieces))
    }

    /// The word with the parameters' values put in. A value of several words must stand alone; a value may hold
    /// placeholders of its own, which `verb` must allow.
    pub fn choose(
        &self,
        values: &BTreeMap<String, Vec<String>>,
        verb: Verb,
    ) -> Result<Vec<Template>> {
        if let [Piece::Placeholder(name)] = self.0.as_slice()
            && let Some(words) = values.get(name)
        {
            return words
                .iter()
                .map(|word| Template::parse(word, verb, &[]))
                .collect();
        }
        let mut pieces = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Placeholder(name) if values.contains_key(name) => {
                    let [value] = values[name].as_slice() else {
                        bail!(
                            "{{{name}}} has a value of several words, so it must be a word of its own"
                        );
                    };
                    pieces.extend(Template::parse(value, verb, &[])?.0);
                }
                other => pieces.push(other.clone()),
            }
        }
        Ok(vec![Template(pieces)])
    }

    /// Refuses what is not given to a method that moves `moves`.
    pub fn check_moves(&self, moves: Moves) -> Result<()> {
        let (refused, what, mend) = match moves {
            Moves::Archive => (
                OF_TREES,
                "archives",
                "moves = \"tree\" at the top of the file",
            ),
            Moves::Tree => (OF_ARCHIVES, "trees", "no `moves` at the top of the file"),
        };
        for piece in &self.0 {
            let (name, shown) = match piece {
                Piece::Plain(_) => continue,
                Piece::Placeholder(name) => (name.as_str(), name.clone()),
                Piece::EachBase(_) => (EACH_BASE, format!("{EACH_BASE}\u{2026}")),
                Piece::EachBaseTree(_) => (EACH_BASE_TREE, format!("{EACH_BASE_TREE}\u{2026}")),
            };
            if let Some((_, instead)) = refused.iter().find(|(word, _)| *word == name) {
                bail!(
                    "{{{shown}}} has no place in a method that moves {what}: write {instead} here, or {mend}"
                );
            }
        }
        Ok(())
    }

    /// Whether it may stand for any number of words.
    pub fn is_each_base(&self) -> bool {
        matches!(
            self.0.as_slice(),
            [Piece::EachBase(_) | Piece::EachBaseTree(_)]
        )
    }

    /// The word itself when it has no placeholder.
    pub fn plain(&self) -> Option<String> {
        match self.0.as_slice() {
            [Piece::Plain(word)] => Some(word.clone()),
            _ => None,
        }
    }

    /// The words this one stands for in a step.
    pub fn expand(&self, part: &Part) -> Result<Vec<String>> {
        if let [Piece::EachBase(prefix) | Piece::EachBaseTree(prefix)] = self.0.as_slice() {
            let words = part
                .bases
                .iter()
                .map(|base| Ok(format!("{prefix}{}", path_text(base)?)));
            return words.collect();
        }
        let mut word = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Plain(plain) => word.push_str(plain),
                Piece::Placeholder(name) => word.push_str(&part.value(name)?),
                Piece::EachBase(_) | Piece::EachBaseTree(_) => {
                    bail!("{{each-base:…}} must be a word of its own")
                }
            }
        }
        Ok(vec![word])
    }
}

impl Part<'_> {
    fn value(&self, name: &str) -> Result<String> {
        let base = || self.base.context("there is no base in this step");
        let value = match name {
            "tmp" => Some(self.tmp.to_string()),
            "name" => Some(self.name.to_string()),
            "image" | "tree" => self.image.map(|(path, _)| path.to_string()),
            "image-bytes" => self.image.map(|(_, bytes)| bytes.to_string()),
            "store" => self.store.map(str::to_string),
            "url" => self.url.map(str::to_string),
            "ssh" => self.ssh.map(str::to_string),
            "out" => self.out.map(str::to_string),
            "base" | "base-tree" => Some(path_text(base()?)?.to_string()),
            "base-name" => Some(base()?.name.clone()),
            "base-bytes" => Some(base()?.bytes.to_string()),
            _ => None,
        };
        value.with_context(|| format!("{{{name}}} has no value in this step"))
    }
}

fn placeholder(name: &str, verb: Verb, params: &[String]) -> Result<Piece> {
    if params.iter().any(|param| param == name) {
        return Ok(Piece::Placeholder(name.to_string()));
    }
    type Make = fn(String) -> Piece;
    let each: [(&str, Make); 2] = [
        (EACH_BASE, Piece::EachBase),
        (EACH_BASE_TREE, Piece::EachBaseTree),
    ];
    for (word, make) in each {
        let Some(prefix) = name.strip_prefix(word) else {
            continue;
        };
        ensure!(
            verb.takes_each_base(),
            "{{{word}…}} has no place in {}: it belongs to [publish] and [update-from-base]",
            verb.table()
        );
        return Ok(make(prefix.to_string()));
    }
    let known = PLACEHOLDERS
        .iter()
        .map(|(known, _)| *known)
        .chain(params.iter().map(String::as_str));
    let Some((_, verbs)) = PLACEHOLDERS.iter().find(|(known, _)| *known == name) else {
        bail!(
            "unknown placeholder {{{name}}}{}",
            words::meant(name, known)
        );
    };
    if !verbs.contains(&verb) {
        let tables: Vec<&str> = verbs.iter().map(|verb| verb.table()).collect();
        bail!(
            "{{{name}}} has no place in {}: it belongs to {}",
            verb.table(),
            tables.join(" and ")
        );
    }
    Ok(Piece::Placeholder(name.to_string()))
}

fn path_text(base: &Image) -> Result<&str> {
    base.path
        .to_str()
        .with_context(|| format!("{}: the path is not UTF-8", base.path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(name: &str) -> Image {
        Image {
            name: name.to_string(),
            path: format!("/images/{name}").into(),
            bytes: 70_000,
            sha256: String::new(),
        }
    }

    fn expand(word: &str, verb: Verb, part: &Part) -> Vec<String> {
        Template::parse(word, verb, &[])
            .unwrap()
            .expand(part)
            .unwrap()
    }

    #[test]
    fn placeholders_stand_for_the_steps_own_values() {
        let bases = [base("v1"), base("v2")];
        let part = Part {
            name: "v3",
            url: Some("http://127.0.0.1:40000"),
            bases: &bases,
            base: bases.last(),
            ..Part::default()
        };
        let verb = Verb::UpdateFromBase;
        assert_eq!(
            expand("{url}/{name}.from-{base-name}", verb, &part),
            ["http://127.0.0.1:40000/v3.from-v2"]
        );
        assert_eq!(
            expand("{each-base:--seed=}", verb, &part),
            ["--seed=/images/v1", "--seed=/images/v2"]
        );
        assert_eq!(expand("{base-bytes}", verb, &part), ["70000"]);
        assert_eq!(expand("{{{name}}}", verb, &part), ["{v3}"]);
        assert_eq!(expand("", verb, &part), [""]);
    }

    #[test]
    fn a_value_of_several_words_becomes_several_or_none() {
        let window =
            Template::parse("{window}", Verb::PublishFromBase, &["window".to_string()]).unwrap();
        let chosen = |words: &[&str]| {
            let words = words.iter().map(ToString::to_string).collect();
            let values = BTreeMap::from([("window".to_string(), words)]);
            window.choose(&values, Verb::PublishFromBase)
        };
        assert_eq!(chosen(&[]).unwrap(), []);
        let bases = [base("v1")];
        let part = Part {
            base: bases.last(),
            ..Part::default()
        };
        let words: Vec<_> = chosen(&["-B", "{base-bytes}"]).unwrap();
        let words: Vec<_> = words
            .iter()
            .flat_map(|word| word.expand(&part).unwrap())
            .collect();
        assert_eq!(words, ["-B", "70000"]);
        // What a verb may not name it may not name through a parameter either.
        assert!(chosen(&["{url}"]).is_err());
        let joined =
            Template::parse("-B{window}", Verb::PublishFromBase, &["window".to_string()]).unwrap();
        let several =
            BTreeMap::from([("window".to_string(), vec!["1".to_string(), "2".to_string()])]);
        assert!(joined.choose(&several, Verb::PublishFromBase).is_err());
    }

    #[test]
    fn only_an_update_may_go_over_ssh() {
        let part = Part {
            ssh: Some("/scratch/ssh"),
            ..Part::default()
        };
        for verb in [Verb::Update, Verb::UpdateFromBase] {
            assert_eq!(expand("'{ssh}'", verb, &part), ["'/scratch/ssh'"]);
        }
        for verb in [Verb::Publish, Verb::PublishFromBase] {
            assert!(Template::parse("{ssh}", verb, &[]).is_err());
        }
    }

    #[test]
    fn an_update_may_name_neither_the_store_nor_the_new_image() {
        for verb in [Verb::Update, Verb::UpdateFromBase] {
            for word in ["{store}", "x{image}", "{image-bytes}", "{out}{store}/y"] {
                assert!(
                    Template::parse(word, verb, &[]).is_err(),
                    "{word} in {verb:?}"
                );
            }
        }
    }
}
