//! One step: its process between two readings of the meters, and its output verified.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::trial::{Setting, clear};
use crate::clock::{self, Account, Work};
use crate::image::{Image, hash_file};
use crate::method::Call;
use crate::record::{Key, replace};
use crate::store::{Holdings, Store};
use crate::wire::{Traffic, Wire};

/// What a step brought, or in words why it failed.
pub type Outcome<T> = std::result::Result<T, String>;

/// What one step brought: figures to be filled into its row.
#[derive(Default)]
pub struct Figures {
    pub account: Account,
    pub traffic: Option<Traffic>,
    pub added: Option<(Holdings, Holdings)>,
}

impl Setting<'_> {
    /// Publishes, and proves it: a client with nothing rebuilds the image from this store, outside the account.
    pub fn publish(
        &self,
        image: &Image,
        bases: &[Image],
        store: &Store,
    ) -> Result<Outcome<Figures>> {
        let before = store.holdings()?;
        let call = Call::Publish {
            image: image.clone(),
            bases: bases.to_vec(),
            store: store.path().to_path_buf(),
        };
        let account = match self.process(&call)? {
            Ok(account) => account,
            Err(why) => return Ok(Err(why)),
        };
        let after = store.holdings()?;
        if let Err(why) = self.update(image, &[], store)? {
            return Ok(Err(format!(
                "published, but a client with nothing can't rebuild it: {why}"
            )));
        }
        Ok(Ok(Figures {
            account,
            added: Some((before, after)),
            ..Figures::default()
        }))
    }

    /// Updates over a wire of its own and verifies what was rebuilt.
    pub fn update(
        &self,
        image: &Image,
        bases: &[Image],
        store: &Store,
    ) -> Result<Outcome<Figures>> {
        let before: Vec<_> = bases.iter().map(seen).collect::<Result<_>>()?;
        let published = store.holdings()?;
        let wire = Wire::open(store)?;
        let out = self.scratch().join("out");
        let call = Call::Update {
            name: image.name.clone(),
            bases: bases.to_vec(),
            url: wire.url().0,
            out: out.clone(),
        };
        let ended = self.process(&call)?;
        let traffic = wire.close()?;
        let account = match ended {
            Ok(account) => account,
            Err(why) => return Ok(Err(why)),
        };
        if store.holdings()? != published {
            return Ok(Err("changed the store during an update".to_string()));
        }
        if !traffic.note.is_empty() {
            return Ok(Err(format!(
                "the wire can't vouch for its figures: {}",
                traffic.note
            )));
        }
        for (base, before) in bases.iter().zip(before) {
            if seen(base)? != before {
                bail!(
                    "{} changed its base {}: remove that file, it is not the image any more",
                    self.contender.name(),
                    base.path.display()
                );
            }
        }
        Ok(verify(image, &out)?.map(|()| Figures {
            account,
            traffic: Some(traffic),
            ..Figures::default()
        }))
    }

    /// Runs the call's commands in fresh folders; a failure is in words.
    fn process(&self, call: &Call) -> Result<Outcome<Account>> {
        let scratch = self.scratch();
        clear(&scratch)?;
        let (tmp, home) = (scratch.join("tmp"), scratch.join("home"));
        for folder in [&tmp, &home] {
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let work = Work {
            commands: match self.contender.commands(call, &tmp) {
                Ok(commands) => commands,
                Err(why) => return Ok(Err(format!("{why:#}"))),
            },
            dir: tmp.clone(),
            // A client that remembers the last step in a cache of its own would be cheating.
            env: vec![
                ("HOME".to_string(), text(&home)),
                ("XDG_CACHE_HOME".to_string(), text(&home.join(".cache"))),
                ("XDG_CONFIG_HOME".to_string(), text(&home.join(".config"))),
                ("TMPDIR".to_string(), text(&tmp)),
                ("LC_ALL".to_string(), "C.UTF-8".to_string()),
                // A proxy between client and store would take the bytes off the wire.
                ("no_proxy".to_string(), "*".to_string()),
                ("NO_PROXY".to_string(), "*".to_string()),
            ],
            log: scratch.join("log"),
            limits: self.limits,
            guard: Some(self.guard.clone()),
        };
        let ran = clock::run(&work)?;
        Ok(match work.failure(&ran.end) {
            Some(why) => Err(why),
            None => Ok(ran.account),
        })
    }

    fn scratch(&self) -> PathBuf {
        self.folder.join("step")
    }
}

/// Whether the file at `out` is the image; a reason in words if not.
fn verify(image: &Image, out: &Path) -> Result<Outcome<()>> {
    match fs::symlink_metadata(out) {
        Err(_) => {
            return Ok(Err(
                "ended well but left no file at the output path".to_string()
            ));
        }
        Ok(about) if !about.is_file() => {
            return Ok(Err(
                "left something at the output path that is not a file".to_string()
            ));
        }
        Ok(_) => {}
    }
    let (bytes, sha256) = hash_file(out)?;
    Ok(if sha256 == image.sha256 {
        Ok(())
    } else {
        Err(format!(
            "wrong output: {bytes} bytes with sha256 {}…, the image has {} with {}…",
            &sha256[..12],
            image.bytes,
            &image.sha256[..12]
        ))
    })
}

/// Enough of a file's state to see that it was touched.
fn seen(base: &Image) -> Result<(u64, std::time::SystemTime)> {
    let about = fs::metadata(&base.path)
        .with_context(|| format!("look at the base {}", base.path.display()))?;
    ensure!(
        about.len() == base.bytes,
        "the base {} is {} bytes long, it was {}",
        base.path.display(),
        about.len(),
        base.bytes
    );
    Ok((about.len(), about.modified().context("a file has a time")?))
}

/// One CSV for one update: what crossed the wire, object by object.
pub fn write_objects(folder: &Path, key: &Key, traffic: &Traffic) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let from = if key.base.is_empty() {
        "nothing"
    } else {
        &key.base
    };
    let name = format!(
        "{}.{}.{}-from-{from}.{}.csv",
        key.scenario,
        key.method.replace('/', "-"),
        key.image,
        key.sample
    );
    let mut text = csv::Writer::from_writer(Vec::new());
    text.write_record(["object", "requests", "payload_bytes"])
        .context("write objects as CSV")?;
    for object in &traffic.objects {
        text.write_record([
            object.object.as_str(),
            &object.requests.to_string(),
            &object.payload_bytes.to_string(),
        ])
        .context("write objects as CSV")?;
    }
    replace(
        &folder.join(name),
        &text.into_inner().context("write objects as CSV")?,
    )
}
