//! Every method there is, and the words that name them: `fastcdc/32k`, `casync/{16k,64k}`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::Doer;
use super::builtin::{BuiltIn, METHODS, family_of, split};
use super::declared::{self, Declared};
use crate::words;

/// Every method there is: the built-in ones, then the declared ones of some folders in order.
pub struct Methods {
    declared: Vec<Declared>,
}

impl Methods {
    /// Reads and checks every declared method of these folders; one that is not there holds none. A shipped method joins
    /// unless a folder has a file of its name, so that a folder that is no checkout has them too.
    pub fn in_folders(folders: &[PathBuf]) -> Result<Methods> {
        let mut methods = Methods {
            declared: Vec::new(),
        };
        let mut seen = Vec::new();
        for folder in folders {
            for file in declared::files(folder)? {
                let real =
                    fs::canonicalize(&file).with_context(|| format!("find {}", file.display()))?;
                if !seen.contains(&real) {
                    methods.add(&file, declared::read(&file)?)?;
                    seen.push(real);
                }
            }
        }
        let own: Vec<String> = methods
            .declared
            .iter()
            .map(|method| split(method.name()).0.to_string())
            .collect();
        for (name, text) in declared::SHIPPED {
            if !own.iter().any(|own| own == name) {
                let file = PathBuf::from(format!("{name}.toml"));
                methods.add(&file, declared::parse(&file, text)?)?;
            }
        }
        Ok(methods)
    }

    /// Adds what a file declares; two methods of one name are an error.
    fn add(&mut self, file: &Path, declared: Vec<Declared>) -> Result<()> {
        for method in declared {
            let family = split(method.name()).0;
            let taken = self
                .declared
                .iter()
                .any(|other| other.name() == method.name());
            ensure!(
                !taken && family_of(family).is_none(),
                "{}: there is a method `{}` already",
                file.display(),
                if taken { method.name() } else { family }
            );
            self.declared.push(method);
        }
        Ok(())
    }

    /// The names that a word stands for: one, or one for each value in braces. Each is a method that exists, by its one
    /// name; the error says which parameters there are, or the nearest right word.
    pub fn expand(&self, word: &str) -> Result<Vec<String>> {
        let words = braces(word)?;
        words.iter().map(|word| self.one_name(word)).collect()
    }

    /// One method.
    pub fn get(&self, name: &str) -> Result<Box<dyn Doer>> {
        let name = self.one_name(name)?;
        match self.declared.iter().find(|method| method.name() == name) {
            Some(declared) => Ok(Box::new(declared.clone())),
            None => Ok(Box::new(BuiltIn::named(&name)?)),
        }
    }

    /// The names that lists show: built-in families with some of their parameters, declared ones with all.
    pub fn names(&self) -> Vec<String> {
        let built_in = METHODS.iter().flat_map(|family| family.names());
        let declared = self.declared.iter().map(|method| method.name().to_string());
        built_in.chain(declared).collect()
    }

    /// The methods of those names.
    pub fn shown(&self) -> Vec<Box<dyn Doer>> {
        let names = self.names();
        let methods = names.iter().map(|name| self.get(name));
        methods
            .collect::<Result<_>>()
            .expect("a name that is shown is that of a method, as a test says")
    }

    fn one_name(&self, word: &str) -> Result<String> {
        let (family, value) = split(word);
        if family_of(family).is_some() {
            return Ok(BuiltIn::named(word)?.name().to_string());
        }
        let variants: Vec<&str> = self
            .declared
            .iter()
            .map(|method| method.name())
            .filter(|name| split(name).0 == family)
            .collect();
        match (variants.as_slice(), value) {
            (all, _) if all.contains(&word) => Ok(word.to_string()),
            ([], _) => bail!("unknown method `{word}`{}", self.meant(family, value)),
            ([only], Some(_)) if *only == family => {
                bail!("`{word}`: {family} takes no parameter: write `{family}`")
            }
            (all, None) => bail!(
                "`{word}` needs a parameter: write {}, or several as `{word}/{{{}}}`",
                words::one_of(all),
                all.iter()
                    .filter_map(|name| split(name).1)
                    .collect::<Vec<_>>()
                    .join(",")
            ),
            (all, Some(_)) => bail!(
                "unknown method `{word}`{}",
                words::meant(word, all.iter().copied())
            ),
        }
    }

    /// What was meant by the name of a family that is not there: the nearest one, with the same parameter where it
    /// takes that.
    fn meant(&self, family: &str, value: Option<&str>) -> String {
        let Some(value) = value else {
            let families = METHODS.iter().map(|family| family.name);
            let declared = self.declared.iter().map(|method| split(method.name()).0);
            return words::meant(family, families.chain(declared));
        };
        let same = METHODS
            .iter()
            .filter(|family| family.param.is_some_and(|param| param.read(value).is_ok()))
            .map(|family| format!("{}/{value}", family.name));
        let known: Vec<String> = same.chain(self.names()).collect();
        words::meant(
            &format!("{family}/{value}"),
            known.iter().map(String::as_str),
        )
    }
}

/// `a/{b,c}` is `a/b` and `a/c`, in that order; a word without braces is itself.
pub fn braces(word: &str) -> Result<Vec<String>> {
    let Some((before, rest)) = word.split_once('{') else {
        ensure!(!word.contains('}'), "`{word}`: a `}}` without its `{{`");
        return Ok(vec![word.to_string()]);
    };
    let (inside, after) = rest
        .split_once('}')
        .with_context(|| format!("`{word}`: a `{{` without its `}}`"))?;
    ensure!(
        !before.contains('}') && !inside.contains('{'),
        "`{word}`: braces hold values and commas, such as `fastcdc/{{16k,64k}}`"
    );
    let mut words = Vec::new();
    for value in inside.split(',').map(str::trim) {
        ensure!(
            !value.is_empty(),
            "`{word}`: an empty value between the braces"
        );
        words.extend(braces(&format!("{before}{value}{after}"))?);
    }
    Ok(words)
}

/// The words of a list that is written with commas; those between braces separate nothing.
pub fn split_list(list: &str) -> Vec<&str> {
    let mut depth = 0;
    list.split(|letter| {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth <= 0
    })
    .collect()
}
