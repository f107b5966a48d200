//! Images of the docker engine, saved with `docker save` through its command line.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::key::Identity;
use super::{Made, Moved, SaveOrder, SourceKind, program};

/// `docker save` of a reference, which is pulled when the engine does not have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineImage {
    pub reference: String,
    /// Whether it is the image that has this name now, whatever was saved before: so on a command line. A scenario keeps
    /// to the image that it has rows of.
    #[serde(skip)]
    pub newest: bool,
}

impl SourceKind for EngineImage {
    fn identity(&self, _scenario: &str, _name: &str) -> Result<Identity> {
        Ok(Identity {
            kind: "docker",
            readable: self.reference.clone(),
            json: json!([self.reference]),
        })
    }

    fn make(&self, order: &SaveOrder) -> Result<Made> {
        save(&self.reference, order.out, order.refresh, order.say)
    }

    fn moved(&self, facts: &BTreeMap<String, String>) -> Option<Moved> {
        let saved = facts.get(IMAGE_ID)?;
        // Without an engine, or where it has no such image, what was saved is all there is.
        let engine = Engine::connect().ok()?;
        let reference = one_image(&engine, &self.reference).ok()?;
        let now = engine.held(&reference).ok()??.id;
        (now != *saved).then(|| Moved {
            said: format!("{reference} is another image in the engine by now"),
            follow: self.newest,
        })
    }
}

impl fmt::Display for EngineImage {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        write!(to, "docker save {}", self.reference)
    }
}

/// The fact that says which image it is.
const IMAGE_ID: &str = "image_id";

/// How to start a daemon.
const START: &str = "systemctl start docker, or dockerd where there is no systemd";

/// A docker engine that answers.
pub struct Engine {
    /// Version of the daemon, which decides the layout of saved archives. The command line may have another.
    pub version: String,
}

/// What the engine knows about an image it has.
#[derive(Debug, PartialEq)]
pub struct Held {
    /// `sha256:` and the digest of its config, or of its manifest if containerd stores the images.
    pub id: String,
    /// Whether it was pulled from a registry or pushed to one.
    pub has_registry: bool,
}

impl Engine {
    /// Asks the daemon for its version. The error says what to do when docker is missing or no daemon answers.
    pub fn connect() -> Result<Engine> {
        let asked = ["docker", "version", "--format", "{{.Server.Version}}"];
        let output = program::output(&owned(&asked)).with_context(|| {
            format!("no docker here; once installed, start its daemon ({START})")
        })?;
        if output.status.success() {
            let version = String::from_utf8_lossy(&output.stdout).trim().to_string();
            return Ok(Engine { version });
        }
        let words = String::from_utf8_lossy(&output.stderr).trim().to_string();
        if words.contains("permission denied") {
            bail!(
                "this user may not talk to the docker daemon: run as root or join the group docker \
                 (usermod -aG docker USER, then log in again)\n{words}"
            );
        }
        bail!("no docker daemon answers; start it ({START})\n{words}")
    }

    /// The image that the engine has under `reference`, if any.
    pub fn held(&self, reference: &str) -> Result<Option<Held>> {
        let format = "{{.Id}} {{len .RepoDigests}}";
        let argv = owned(&[
            "docker", "image", "inspect", "--format", format, "--", reference,
        ]);
        let output = program::output(&argv)?;
        let words = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            if words.to_lowercase().contains("no such image") {
                return Ok(None);
            }
            bail!(program::failure(&argv, &output.status, &words));
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let (id, digests) = said
            .trim()
            .split_once(' ')
            .with_context(|| format!("docker says `{}` of {reference}", said.trim()))?;
        Ok(Some(Held {
            id: id.to_string(),
            has_registry: digests != "0",
        }))
    }

    /// Pulls `reference`; the error contains docker's message.
    pub fn pull(&self, reference: &str, say: &dyn Fn(&str)) -> Result<()> {
        say(&format!("pulling {reference}"));
        let argv = owned(&["docker", "pull", "--", reference]);
        program::run(&argv, &[], &mut |line| {
            if line.ends_with(": Pull complete") || line.starts_with("Status: ") {
                say(line);
            }
        })
        .with_context(|| format!("pull {reference}"))
    }

    /// Writes the image under `reference` to `out`, in the engine's layout.
    pub fn save(&self, reference: &str, out: &Path, say: &dyn Fn(&str)) -> Result<()> {
        say(&format!("docker save {reference}"));
        let out = out.display().to_string();
        let argv = owned(&["docker", "save", "-o", &out, "--", reference]);
        program::run(&argv, &[], &mut |_| ())
    }

    /// Loads the image of a docker archive and tags it `reference`, even if another image has that tag.
    pub fn load(&self, archive: &Path, reference: &str, say: &dyn Fn(&str)) -> Result<()> {
        say(&format!("docker load {reference}"));
        let path = archive.display().to_string();
        let mut loaded = None;
        let argv = owned(&["docker", "load", "-i", &path]);
        program::run(&argv, &[], &mut |line| {
            // `Loaded image: name:tag`, or `Loaded image ID: sha256:…` of an archive without names.
            let image = line.strip_prefix("Loaded image");
            if let Some((_, image)) = image.and_then(|image| image.split_once(": ")) {
                loaded = Some(image.to_string());
            }
        })?;
        let loaded = loaded.with_context(|| format!("docker loaded no image from {path}"))?;
        program::run(
            &owned(&["docker", "tag", "--", &loaded, reference]),
            &[],
            &mut |_| (),
        )
    }

    /// Removes the image under `reference`. A failure only wastes disk space, so it is reported and is not an error.
    pub fn forget(&self, reference: &str, say: &dyn Fn(&str)) {
        let argv = owned(&["docker", "image", "rm", "--", reference]);
        if let Err(error) = program::run(&argv, &[], &mut |_| ()) {
            say(&format!("{reference} stays in the engine: {error:#}"));
        }
    }

    /// The facts about an image that this engine saved.
    pub fn made(&self, held: &Held) -> Made {
        Made {
            facts: vec![
                ("engine".into(), format!("docker {}", self.version)),
                (IMAGE_ID.into(), held.id.clone()),
            ],
            warnings: Vec::new(),
        }
    }
}

/// Saves the image under `reference` to `out`. It is pulled if the engine does not have it or if `refresh` is set.
pub fn save(reference: &str, out: &Path, refresh: bool, say: &dyn Fn(&str)) -> Result<Made> {
    ensure!(
        !reference.is_empty() && !reference.starts_with('-'),
        "`{reference}` is not a docker reference"
    );
    let engine = Engine::connect()?;
    let reference = &one_image(&engine, reference)?;
    let mut held = engine.held(reference)?;
    let mut warnings = Vec::new();
    match &held {
        None => {
            engine.pull(reference, say)?;
            held = engine.held(reference)?;
        }
        // The tag may name another image by now. Without a network the image that is here is still valid.
        Some(there) if refresh && there.has_registry => match engine.pull(reference, say) {
            Ok(()) => held = engine.held(reference)?,
            Err(error) => warnings.push(format!(
                "{reference} was not refreshed, the image in the engine is used: {error:#}"
            )),
        },
        Some(_) => (),
    }
    let held = held.with_context(|| format!("docker pulled {reference} but does not have it"))?;
    engine.save(reference, out, say)?;
    let mut made = engine.made(&held);
    made.warnings = warnings;
    Ok(made)
}

/// The reference of one image: `docker save ubuntu` saves every tag of ubuntu, but `docker pull ubuntu` means `:latest`.
fn one_image(engine: &Engine, reference: &str) -> Result<String> {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains([':', '@']) {
        return Ok(reference.to_string());
    }
    let latest = format!("{reference}:latest");
    // If only the bare word is found, it is an image id.
    let is_id = engine.held(&latest)?.is_none() && engine.held(reference)?.is_some();
    Ok(if is_id { reference.to_string() } else { latest })
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_not_a_reference() {
        let error = save("--help", Path::new("/nowhere"), false, &|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "`--help` is not a docker reference");
    }

    #[test]
    fn a_reference_that_no_registry_has_is_an_error_in_dockers_own_words() {
        if let Err(error) = Engine::connect() {
            println!("skipped: no docker daemon: {error:#}");
            return;
        }
        // Port 1 of this machine: nothing listens there, and no name is looked up.
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("image.tar");
        let error = save("127.0.0.1:1/absent:1", &out, false, &|_| ()).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.starts_with("pull 127.0.0.1:1/absent:1: "), "{error}");
        assert!(error.contains("connection refused"), "{error}");
        assert!(!out.exists());
    }
}
