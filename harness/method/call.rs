//! A call: what a doer is asked for in one step, and how it reaches the step's process.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::clock::CommandLine;
use crate::image::Image;
use crate::wire::Links;
use crate::words;

/// One step as a doer is asked for it: all it is told, and so all it can use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Call {
    Publish {
        image: Image,
        bases: Vec<Image>,
        store: PathBuf,
        /// The image's archive, for tools that publish it and can give back its tree alone.
        archive: PathBuf,
    },
    Update {
        name: String,
        bases: Vec<Image>,
        url: String,
        /// A program that stands in for `ssh` on the wire, for tools that want one. Built-in methods don't.
        ssh: PathBuf,
        /// The store as a registry, `127.0.0.1:PORT`; none on a road.
        registry: Option<String>,
        /// Addresses of objects, for tools that are told them. They may be signed, so they are no part of the file.
        #[serde(skip)]
        links: Links,
        out: PathBuf,
        /// What the client holds beside its bases, in a folder: the state that `Hold` left. Doers without that have none.
        held: Option<PathBuf>,
    },
    /// A client comes by `base`, the newest image of the store, before any update.
    Hold {
        base: Image,
        url: String,
        registry: Option<String>,
        /// Folder of the client's state, with what it holds already.
        held: PathBuf,
    },
    Probe {
        image: Image,
        bases: Vec<Image>,
        /// Where the findings are written, as JSON.
        out: PathBuf,
    },
}

impl Call {
    /// The command that does the step in this very program: `WORD NAME FILE`, where the file in the step's scratch folder
    /// `tmp` holds the call as JSON. An argument could not: it is limited to 128 KiB (Linux's MAX_ARG_STRLEN), about
    /// 600 bases.
    pub fn to_own_program(&self, word: &str, name: &str, tmp: &Path) -> Result<Vec<CommandLine>> {
        let lab = std::env::current_exe().context("find this program")?;
        let file = tmp.join("call.json");
        let json = serde_json::to_vec(self).context("write the step's call as JSON")?;
        fs::write(&file, json).with_context(|| format!("write {}", file.display()))?;
        let argv = vec![
            words::utf8(&lab)?.to_string(),
            word.to_string(),
            name.to_string(),
            words::utf8(&file)?.to_string(),
        ];
        Ok(vec![argv.into()])
    }

    /// The call that a file holds.
    pub fn read(file: &Path) -> Result<Call> {
        let call = fs::read(file).with_context(|| format!("read {}", file.display()))?;
        serde_json::from_slice(&call)
            .with_context(|| format!("{}: not a step's call", file.display()))
    }
}
