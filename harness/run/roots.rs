//! The programs that a doer runs: the machine's, or those of another release, which are extracted when they are first
//! needed.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use nix::unistd::geteuid;

use crate::clock::{self, Release};
use crate::method::{Broken, Doer, Root};
use crate::source::cache::{Cache, Packages};

/// A doer's version here, and the release whose programs it runs, if it is not this machine's.
pub type Found = (String, Option<Release>);

/// What is known of a doer without extracting anything.
pub struct Looked {
    /// Its version, or which release it will run.
    pub text: String,
    /// Whether nothing has to be extracted first.
    pub is_here: bool,
}

/// The doer as far as it is known without extracting anything; for lists.
pub fn look(doer: &dyn Doer) -> Result<Looked> {
    let found = find(doer, &mut |root| {
        let release = Cache::open()?.release(&packages(root))?;
        if release.is_none() {
            which::which("mmdebstrap")
                .map_err(|_| anyhow!("needs mmdebstrap: apt-get install mmdebstrap"))?;
        }
        Ok(release)
    });
    let found = found?.map(|(version, _)| version);
    let root = doer.about().root.as_ref().map(Root::told);
    Ok(Looked {
        is_here: found.is_some(),
        text: found.unwrap_or_else(|| {
            let root = root.unwrap_or_default();
            format!("{root}, extracted when it is first run")
        }),
    })
}

/// Releases that were asked for in vain by this run: a machine without a network is asked once, and not for each variant.
#[derive(Default)]
pub struct InVain(BTreeMap<String, String>);

/// The doer's version, once the programs it runs are here. The error is the reason of a skip.
pub fn provide(
    doer: &dyn Doer,
    cache: &Cache,
    in_vain: &mut InVain,
    say: &dyn Fn(&str),
) -> Result<Found> {
    let found = find(doer, &mut |root| {
        let told = root.told();
        if let Some(why) = in_vain.0.get(&told) {
            bail!("{why}");
        }
        match cache.provide_release(&packages(root), say) {
            Ok(release) => Ok(Some(release)),
            Err(why) => {
                let why = format!("needs {told}, and a mirror that has it: {why:#}");
                in_vain.0.insert(told, why.clone());
                bail!("{why}")
            }
        }
    });
    found?.ok_or_else(|| anyhow!("a release that was provided is there"))
}

/// Nothing where the release would have to be extracted first.
fn find(
    doer: &dyn Doer,
    release: &mut dyn FnMut(&Root) -> Result<Option<Release>>,
) -> Result<Option<Found>> {
    let Some(root) = &doer.about().root else {
        return Ok(Some((doer.version(None)?, None)));
    };
    let mut missing = String::new();
    if root.if_missing {
        match doer.version(None) {
            Ok(version) => return Ok(Some((version, None))),
            Err(broken) if broken.is::<Broken>() => return Err(broken),
            Err(why) => missing = format!("{why:#}; "),
        }
    }
    let found = hindrance(root).and_then(|()| release(root));
    match found.map_err(|why| anyhow!("{missing}{why:#}"))? {
        None => Ok(None),
        Some(release) => Ok(Some((doer.version(Some(&release))?, Some(release)))),
    }
}

/// What this machine can't do for another release's programs, whether they are extracted or not.
fn hindrance(root: &Root) -> Result<()> {
    let told = root.told();
    if !geteuid().is_root() {
        bail!("needs {told}, whose files only root can mount as a step's own: run the lab as root");
    }
    if !clock::held().walls {
        bail!("needs {told}, and this machine lets the lab make no mounts");
    }
    Ok(())
}

fn packages(root: &Root) -> Packages<'_> {
    Packages {
        release: &root.debian,
        include: &root.include,
    }
}
