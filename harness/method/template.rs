//! Templates: one word of a declared command line, with its placeholders.
//!
//! The placeholders are the parameters of the trait and nothing more. Which verb may hold which is checked when
//! the file is read: an update that names the store's folder would be cheating.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Serialize, Serializer};

use super::Moves;
use crate::archive;
use crate::image::Image;
use crate::wire::Links;
use crate::words;

/// The verb a template belongs to, which decides what it may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    Publish,
    PublishFromBase,
    Update,
    UpdateFromBase,
    /// Before any update: how a client comes by a base.
    Hold,
    /// Not a verb but a table beside them: names of objects, by which the lab checks an update.
    CrossCheck,
}

const SERVER: &[Verb] = &[Verb::Publish, Verb::PublishFromBase];
const CLIENT: &[Verb] = &[Verb::Update, Verb::UpdateFromBase];
/// Whoever is on the wire, before the clock or under it.
const ON_THE_WIRE: &[Verb] = &[Verb::Update, Verb::UpdateFromBase, Verb::Hold];
const HOLDERS: &[Verb] = &[Verb::UpdateFromBase, Verb::Hold];
const FROM_BASE: &[Verb] = &[Verb::PublishFromBase, Verb::UpdateFromBase, Verb::Hold];
const FROM_ALL_BASES: &[Verb] = &[Verb::Publish, Verb::UpdateFromBase];
const STEPS: &[Verb] = &[
    Verb::Publish,
    Verb::PublishFromBase,
    Verb::Update,
    Verb::UpdateFromBase,
    Verb::Hold,
];
/// Where an image is published or updated to. What comes next is nothing to a client that comes by a base.
const OF_AN_IMAGE: &[Verb] = &[
    Verb::Publish,
    Verb::PublishFromBase,
    Verb::Update,
    Verb::UpdateFromBase,
    Verb::CrossCheck,
];

/// Placeholder, and the verbs that may hold it.
const PLACEHOLDERS: &[(&str, &[Verb])] = &[
    ("image", SERVER),
    ("image-bytes", SERVER),
    ("archive", SERVER),
    ("archive-kind", SERVER),
    ("store", SERVER),
    ("name", OF_AN_IMAGE),
    ("tmp", STEPS),
    ("url", ON_THE_WIRE),
    ("ssh", CLIENT),
    ("registry", ON_THE_WIRE),
    ("out", CLIENT),
    ("held", HOLDERS),
    ("base", FROM_BASE),
    ("base-name", FROM_BASE),
    ("base-bytes", FROM_BASE),
];

/// `{each-base:PREFIX}` becomes one word for each base: PREFIX and the base's path.
const EACH_BASE: &str = "each-base:";

/// `{link:SUFFIX}` becomes the address of the object that is called as the image, and SUFFIX; presigned where the road
/// asks for it.
const LINK: &str = "link:";

/// Lengths are the archive's; a tree has none.
const LENGTHS: &[&str] = &["image-bytes", "base-bytes"];

/// Placeholders of earlier releases, and what is written now: `{image}` and `{base}` are what `moves` says.
const OLD: &[(&str, &str)] = &[
    ("tree", "{image}"),
    ("base-tree", "{base}"),
    ("each-base-tree", "{each-base:\u{2026}}"),
];

impl Verb {
    /// Its table in a method's file, and its place in error messages.
    pub fn table(self) -> &'static str {
        match self {
            Verb::Publish => "publish",
            Verb::PublishFromBase => "publish-from-base",
            Verb::Update => "update",
            Verb::UpdateFromBase => "update-from-base",
            Verb::Hold => "hold",
            Verb::CrossCheck => "cross-check",
        }
    }
}

/// Whether a parameter cannot have this name, since a placeholder has it.
pub fn is_placeholder(name: &str) -> bool {
    PLACEHOLDERS.iter().any(|(known, _)| *known == name) || OLD.iter().any(|(old, _)| *old == name)
}

/// One word of a command line: plain pieces and placeholders in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Placeholder(String),
    EachBase(String),
    Link(String),
}

/// What the placeholders stand for in one step.
#[derive(Clone, Debug, Default)]
pub struct Part<'a> {
    pub tmp: &'a str,
    pub name: &'a str,
    /// Path and length in bytes.
    pub image: Option<(&'a str, u64)>,
    /// Path of the archive that a tree was unpacked from, or of the image.
    pub archive: Option<&'a str>,
    pub store: Option<&'a str>,
    pub url: Option<&'a str>,
    /// A program that stands in for `ssh`.
    pub ssh: Option<&'a str>,
    /// The store as a registry.
    pub registry: Option<&'a str>,
    pub links: Option<&'a Links>,
    pub out: Option<&'a str>,
    /// What the client holds beside its bases.
    pub held: Option<&'a str>,
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
        let each_base = |piece: &Piece| matches!(piece, Piece::EachBase(_));
        ensure!(
            pieces.len() == 1 || !pieces.iter().any(each_base),
            "{{each-base:…}} must be a word of its own"
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
                            "{{{name}}} stands for several words, so it must be a word of its own"
                        );
                    };
                    pieces.extend(Template::parse(value, verb, &[])?.0);
                }
                other => pieces.push(other.clone()),
            }
        }
        Ok(vec![Template(pieces)])
    }

    /// Refuses what has no meaning for a method that moves `moves`.
    pub fn check_moves(&self, moves: Moves) -> Result<()> {
        if moves == Moves::Tree
            && let Some(length) = LENGTHS.iter().find(|length| self.names(length))
        {
            bail!(
                "{{{length}}} is the length of an archive, and this method moves trees, which have none"
            );
        }
        Ok(())
    }

    /// Whether the word holds this placeholder.
    pub fn names(&self, placeholder: &str) -> bool {
        let same = |piece: &Piece| matches!(piece, Piece::Placeholder(name) if name == placeholder);
        self.0.iter().any(same)
    }

    /// Whether the word is this placeholder and nothing else.
    pub fn is(&self, placeholder: &str) -> bool {
        self.0.len() == 1 && self.names(placeholder)
    }

    /// The part of the word behind its first `placeholder`; nothing when it does not hold it.
    pub fn after(&self, placeholder: &str) -> Option<Template> {
        let same = |piece: &Piece| matches!(piece, Piece::Placeholder(name) if name == placeholder);
        let at = self.0.iter().position(same)?;
        Some(Template(self.0[at + 1..].to_vec()))
    }

    /// Whether it may stand for any number of words.
    pub fn is_each_base(&self) -> bool {
        matches!(self.0.as_slice(), [Piece::EachBase(_)])
    }

    /// The word itself when it has no placeholder.
    pub fn plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Plain(word)] => Some(word),
            _ => None,
        }
    }

    /// The words this one stands for in a step.
    pub fn expand(&self, part: &Part) -> Result<Vec<String>> {
        if let [Piece::EachBase(prefix)] = self.0.as_slice() {
            let words = part
                .bases
                .iter()
                .map(|base| Ok(format!("{prefix}{}", words::utf8(&base.path)?)));
            return words.collect();
        }
        let mut word = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Plain(plain) => word.push_str(plain),
                Piece::Placeholder(name) => word.push_str(&part.value(name)?),
                Piece::Link(suffix) => word.push_str(&part.link(suffix)?),
                Piece::EachBase(_) => bail!("{{each-base:…}} must be a word of its own"),
            }
        }
        Ok(vec![word])
    }
}

/// The word as it is written in a method's file.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Plain(plain) => {
                    f.write_str(&plain.replace('{', "{{").replace('}', "}}"))?;
                }
                Piece::Placeholder(name) => write!(f, "{{{name}}}")?,
                Piece::EachBase(prefix) => write!(f, "{{{EACH_BASE}{prefix}}}")?,
                Piece::Link(suffix) => write!(f, "{{{LINK}{suffix}}}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Part<'_> {
    fn link(&self, suffix: &str) -> Result<String> {
        let links = self
            .links
            .with_context(|| format!("{{{LINK}{suffix}}} has no value in this step"))?;
        Ok(links.of(&format!("{}{suffix}", self.name)))
    }

    /// What kind of archive a tool must be told that the image is.
    fn transport(&self) -> Result<Option<String>> {
        let Some(archive) = self.archive else {
            return Ok(None);
        };
        let layout = archive::layout(Path::new(archive))?;
        let layout = layout.with_context(|| format!("{archive}: it holds no image"))?;
        Ok(Some(layout.transport().to_string()))
    }

    fn value(&self, name: &str) -> Result<String> {
        let base = || self.base.context("there is no base in this step");
        let value = match name {
            "tmp" => Some(self.tmp.to_string()),
            "name" => Some(self.name.to_string()),
            "image" => self.image.map(|(path, _)| path.to_string()),
            "image-bytes" => self.image.map(|(_, bytes)| bytes.to_string()),
            "archive" => self.archive.map(str::to_string),
            "archive-kind" => self.transport()?,
            "store" => self.store.map(str::to_string),
            "url" => self.url.map(str::to_string),
            "ssh" => self.ssh.map(str::to_string),
            "registry" => self.registry.map(str::to_string),
            "out" => self.out.map(str::to_string),
            "held" => self.held.map(str::to_string),
            "base" => Some(words::utf8(&base()?.path)?.to_string()),
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
    let family = name.split(':').next().unwrap_or(name);
    if let Some((_, now)) = OLD.iter().find(|(old, _)| *old == family) {
        bail!(
            "{{{name}}} is now {now}: the folder of files where the method says moves = \"tree\""
        );
    }
    if let Some(prefix) = name.strip_prefix(EACH_BASE) {
        check_place("each-base:…", FROM_ALL_BASES, verb)?;
        return Ok(Piece::EachBase(prefix.to_string()));
    }
    if let Some(suffix) = name.strip_prefix(LINK) {
        check_place("link:…", CLIENT, verb)?;
        return Ok(Piece::Link(suffix.to_string()));
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
    check_place(name, verbs, verb)?;
    Ok(Piece::Placeholder(name.to_string()))
}

fn check_place(name: &str, verbs: &[Verb], verb: Verb) -> Result<()> {
    let tables: Vec<String> = verbs
        .iter()
        .map(|verb| format!("[{}]", verb.table()))
        .collect();
    ensure!(
        verbs.contains(&verb),
        "{{{name}}} has no place in [{}]: it belongs to {}",
        verb.table(),
        tables.join(" and ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Layout;
    use crate::archive::examples::{archive_of, tar_of};

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
    fn a_link_is_the_address_of_an_object_and_an_update_alone_may_hold_one() {
        let links = Links::default();
        let part = Part {
            name: "v2",
            links: Some(&links),
            ..Part::default()
        };
        assert_eq!(
            expand("-o{link:.a b}", Verb::Update, &part),
            ["-o/v2.a%20b"]
        );
        let template = Template::parse("{link:.img}", Verb::Update, &[]).unwrap();
        assert_eq!(template.to_string(), "{link:.img}");
        assert!(Template::parse("{link:.img}", Verb::Publish, &[]).is_err());
    }

    #[test]
    fn a_word_is_shown_as_it_was_written() {
        for word in [
            "",
            "plain",
            "{{{name}}}",
            "x{url}/{name}.y",
            "{each-base:--seed=}",
        ] {
            let template = Template::parse(word, Verb::UpdateFromBase, &[]).unwrap();
            assert_eq!(template.to_string(), word);
        }
    }

    #[test]
    fn placeholders_of_earlier_releases_name_their_successors() {
        for (word, now) in [
            ("{tree}", "{tree} is now {image}: "),
            ("{base-tree}/x", "{base-tree} is now {base}: "),
            (
                "{each-base-tree:-C}",
                "{each-base-tree:-C} is now {each-base:\u{2026}}: ",
            ),
        ] {
            let said = Template::parse(word, Verb::Publish, &[]).unwrap_err();
            assert!(said.to_string().starts_with(now), "{said}");
        }
    }

    #[test]
    fn a_length_has_no_meaning_where_trees_move() {
        let length = Template::parse("-B{base-bytes}", Verb::UpdateFromBase, &[]).unwrap();
        assert!(length.check_moves(Moves::Archive).is_ok());
        let said = length.check_moves(Moves::Tree).unwrap_err().to_string();
        assert!(
            said.starts_with("{base-bytes} is the length of an archive"),
            "{said}"
        );
    }

    #[test]
    fn an_archive_is_of_the_kind_that_tools_must_be_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image.tar");
        let part = Part {
            archive: path.to_str(),
            ..Part::default()
        };
        let layers = [tar_of(&[("app/main", b"one")])];
        for (layout, kind) in [
            (Layout::Docker, "docker-archive"),
            (Layout::DockerOci, "docker-archive"),
            (Layout::Oci, "oci-archive"),
        ] {
            std::fs::write(&path, archive_of(layout, &layers)).unwrap();
            assert_eq!(expand("{archive-kind}", Verb::Publish, &part), [kind]);
        }
        let template = Template::parse("{archive-kind}", Verb::Publish, &[]).unwrap();
        for no_image in [&layers[0][..], b"no tar"] {
            std::fs::write(&path, no_image).unwrap();
            let said = template.expand(&part).unwrap_err().to_string();
            assert!(said.ends_with("image.tar: it holds no image"), "{said}");
        }
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
