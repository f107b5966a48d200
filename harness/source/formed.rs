//! An image in another form: the image of another source, made into something else.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Error, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::form::Form;
use super::key::{FORMAT, Identity};
use super::lacks::Lacks;
use super::{Made, SaveOrder, Source, SourceKind};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Formed {
    /// Of the image that it is made of, which is in the cache by itself; empty while it is not known.
    pub base_sha256: String,
    pub form: Form,
    pub of: Box<Source>,
}

impl Formed {
    pub fn new(of: Source, form: Form) -> Formed {
        Formed {
            base_sha256: String::new(),
            form,
            of: Box::new(of),
        }
    }

    /// The same of an image that is known.
    pub fn over(&self, base_sha256: &str) -> Formed {
        Formed {
            base_sha256: base_sha256.to_string(),
            ..self.clone()
        }
    }

    /// Why it can't be made here.
    pub fn lacks(&self) -> Option<Error> {
        let version = self.form.version().err();
        version
            .or_else(|| self.of.lacks())
            .or_else(|| self.not_root())
    }

    fn not_root(&self) -> Option<Error> {
        let may = !self.form.needs_root() || nix::unistd::geteuid().is_root();
        (!may).then(|| Lacks("only root can unpack an image with its owners".to_string()).into())
    }
}

impl SourceKind for Formed {
    fn identity(&self, _scenario: &str, name: &str) -> Result<Identity> {
        ensure!(
            !self.base_sha256.is_empty(),
            "the image that `{name}` is made of is not known yet"
        );
        Ok(Identity {
            kind: "formed",
            readable: format!("{}-{name}", self.form.word()),
            json: json!([FORMAT, self.base_sha256, self.form, self.form.version()?]),
        })
    }

    fn make(&self, order: &SaveOrder) -> Result<Made> {
        if let Some(why) = self.not_root() {
            return Err(why);
        }
        let base = (order.save)(order.name, &self.of)?;
        ensure!(
            base.sha256 == self.base_sha256,
            "{} was made again meanwhile; run this once more",
            base.path.display()
        );
        Ok(Made {
            facts: self.form.make(&base.path, order.out, order.say)?,
            warnings: Vec::new(),
        })
    }

    fn missing(&self) -> Option<PathBuf> {
        self.of.kind().missing()
    }

    /// Of one image, by one version of one program.
    fn is_reproducible(&self) -> bool {
        true
    }

    fn is_normal(&self) -> Option<&'static str> {
        Some("an image in another form is not normalized")
    }
}

impl fmt::Display for Formed {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        write!(to, "{}, as {}", self.of, self.form)
    }
}
