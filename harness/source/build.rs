//! Images from a Dockerfile: `docker build` of a folder, on a base made here when the Dockerfile needs one.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use walkdir::WalkDir;

use super::command::CommandImage;
use super::docker::Engine;
use super::key::{Identity, base_name, slug};
use super::{Made, SaveOrder, Source, SourceKind, nearby, program};
use crate::image::{hash_file, sha256_hex};

/// `docker build` of a folder, then `docker save`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DockerBuild {
    pub dir: PathBuf,
    /// Relative to `dir`; `Dockerfile` when absent.
    pub dockerfile: Option<String>,
    pub args: BTreeMap<String, String>,
    pub no_cache: bool,
    /// A base image that is made first, so that the Dockerfile's FROM needs no registry.
    pub from: Option<BuildBase>,
}

/// An image that is loaded into the engine as `tag` before a build: `command` writes a root filesystem tar to `{out}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildBase {
    pub tag: String,
    pub command: Vec<String>,
}

/// For an engine that builds with BuildKit: plain lines of progress, the builder that knows the engine's own images, and no
/// attestations, which are not layers and differ in each build.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("BUILDKIT_PROGRESS", "plain"),
    ("BUILDX_BUILDER", "default"),
    ("BUILDX_NO_DEFAULT_ATTESTATIONS", "1"),
];

impl SourceKind for DockerBuild {
    fn identity(&self, scenario: &str, name: &str) -> Result<Identity> {
        let mut readable = base_name(&self.dir.to_string_lossy()).to_string();
        let mut image = Value::Null;
        if self.no_cache {
            readable = format!("{readable}-{name}");
            image = json!([scenario, name]);
        }
        let content = content_of(&self.dir)?;
        Ok(Identity {
            kind: "build",
            readable,
            json: json!([content, self.dockerfile, self.args, self.from, image]),
        })
    }

    fn missing(&self) -> Option<PathBuf> {
        (!self.file().exists()).then(|| self.file())
    }

    fn make(&self, order: &SaveOrder) -> Result<Made> {
        let say = order.say;
        let engine = self.check()?;
        if let Some(from) = &self.from {
            load_base(from, &engine, order)?;
        }
        say(&format!("docker build {}", self.dir.display()));
        let name = slug(&format!("{}-{}", order.scenario, order.name));
        let tag = format!("delta-lab/{name}:{}", order.key.short());
        program::run(&self.argv(&tag), ENVIRONMENT, &mut |line| {
            if let Some(step) = condensed(line) {
                say(step);
            }
        })
        .with_context(|| format!("build {}", self.file().display()))?;
        let held = engine
            .held(&tag)?
            .with_context(|| format!("docker built {tag} but does not have it"))?;
        engine.save(&tag, order.out, say)?;
        if self.no_cache {
            // No later build will use its layers. Those of other builds stay, as a build cache.
            engine.forget(&tag, say);
        }
        Ok(engine.made(&held))
    }
}

impl fmt::Display for DockerBuild {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        let flag = if self.no_cache { " --no-cache" } else { "" };
        write!(to, "docker build{flag} {}", nearby(&self.dir).display())
    }
}

/// Saves the base of a build as an image of its own, shared by all builds on it, and loads it into the engine. It is
/// loaded for each build, so that FROM means this image whatever had the tag before; layers that the engine has already
/// cost almost nothing.
///
/// It is never refreshed with the build: two images on one base, refreshed one after the other, would get different bases,
/// and the scenario would no longer say how they differ.
fn load_base(from: &BuildBase, engine: &Engine, order: &SaveOrder) -> Result<()> {
    let source = Source::Command(CommandImage {
        argv: from.command.clone(),
    });
    let image = (order.save)(&slug(&from.tag), &source)?;
    engine.load(&image.path, &from.tag, order.say)
}

impl DockerBuild {
    /// Checks the Dockerfile and the engine before a base is made, which takes minutes.
    fn check(&self) -> Result<Engine> {
        let file = self.file();
        ensure!(
            file.is_file(),
            "the Dockerfile {} is not there",
            file.display()
        );
        Engine::connect()
    }

    fn file(&self) -> PathBuf {
        self.dir
            .join(self.dockerfile.as_deref().unwrap_or("Dockerfile"))
    }

    /// The command line.
    ///
    /// It uses the host's network, because a daemon may run without a bridge of its own (in CI machines) and a RUN fetches
    /// the same either way. `--force-rm` removes the container of a step that fails.
    fn argv(&self, tag: &str) -> Vec<String> {
        let mut argv: Vec<String> = ["docker", "build", "--network", "host", "--force-rm"]
            .map(String::from)
            .into();
        if self.dockerfile.is_some() {
            argv.extend(["-f".to_string(), self.file().display().to_string()]);
        }
        for (name, value) in &self.args {
            argv.extend(["--build-arg".to_string(), format!("{name}={value}")]);
        }
        if self.no_cache {
            argv.push("--no-cache".to_string());
        }
        argv.extend(["-t".to_string(), tag.to_string()]);
        argv.extend(["--".to_string(), self.dir.display().to_string()]);
        argv
    }
}

/// The part of a builder's line that shows progress: `Step 3/5 : RUN …` of the classic builder, `[2/4] RUN …` of BuildKit
/// (`#7 [2/4] RUN …`). `None` for the output of a step.
fn condensed(line: &str) -> Option<&str> {
    if line.starts_with("Step ") {
        return Some(line);
    }
    let (number, step) = line.strip_prefix('#')?.split_once(' ')?;
    let is_step = number.bytes().all(|byte| byte.is_ascii_digit()) && step.starts_with('[');
    // `[internal] load …` is not a step of the Dockerfile.
    (is_step && !step.starts_with("[internal]")).then_some(step)
}

/// sha256 of the names, modes and contents of everything in a build folder, which is what `docker build` may read.
///
/// Times are left out, so a fresh checkout is the same folder. Files that a `.dockerignore` excludes are included: at worst
/// an image is made again needlessly; it is never reused wrongly.
fn content_of(dir: &Path) -> Result<String> {
    ensure!(
        dir.is_dir(),
        "the build folder {} is not there",
        dir.display()
    );
    let mut entries = Vec::new();
    for entry in WalkDir::new(dir).min_depth(1).sort_by_file_name() {
        let entry = entry.with_context(|| format!("look through {}", dir.display()))?;
        let path = entry.path();
        let name = path.strip_prefix(dir).unwrap_or(path).to_string_lossy();
        let about =
            fs::symlink_metadata(path).with_context(|| format!("look at {}", path.display()))?;
        let content = if about.is_file() {
            hash_file(path)?.1
        } else if about.is_symlink() {
            let target =
                fs::read_link(path).with_context(|| format!("read link {}", path.display()))?;
            format!("-> {}", target.display())
        } else {
            String::new()
        };
        // The mode holds the type of the entry too.
        entries.push(json!([name, about.permissions().mode(), content]));
    }
    Ok(sha256_hex(Value::from(entries).to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;
    use crate::source::cache::{Cache, Saved};
    use crate::source::key::CacheKey;

    fn build(dir: &Path, no_cache: bool) -> DockerBuild {
        DockerBuild {
            dir: dir.to_path_buf(),
            dockerfile: None,
            args: BTreeMap::new(),
            no_cache,
            from: None,
        }
    }

    #[test]
    fn progress_is_the_steps_and_nothing_else() {
        let lines = [
            "Sending build context to Docker daemon  3.072kB",
            "Step 1/2 : FROM scratch",
            " ---> 849f27f5390b",
            "#1 [internal] load build definition from Dockerfile",
            "#5 [2/3] RUN apt-get update",
            "#5 0.412 Get:1 http://archive.example/debian bookworm InRelease",
            "#5 DONE 1.2s",
        ];
        let steps: Vec<&str> = lines.iter().filter_map(|line| condensed(line)).collect();
        assert_eq!(
            steps,
            ["Step 1/2 : FROM scratch", "[2/3] RUN apt-get update"]
        );
    }

    #[test]
    fn the_command_line_names_everything_asked_for() {
        let build = DockerBuild {
            dockerfile: Some("two/Dockerfile".to_string()),
            args: BTreeMap::from([("SUITE".to_string(), "bookworm updates".to_string())]),
            ..build(Path::new("/scenarios/rebuild"), true)
        };
        assert_eq!(
            build.argv("delta-lab/rebuild-a:0123456789ab").join("|"),
            "docker|build|--network|host|--force-rm|-f|/scenarios/rebuild/two/Dockerfile|--build-arg|SUITE=bookworm updates\
             |--no-cache|-t|delta-lab/rebuild-a:0123456789ab|--|/scenarios/rebuild"
        );
    }

    #[test]
    fn a_missing_dockerfile_is_named_before_docker_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let build = DockerBuild {
            dockerfile: Some("Containerfile".to_string()),
            ..build(dir.path(), false)
        };
        let Err(error) = build.check() else {
            panic!("a Dockerfile was found");
        };
        let file = dir.path().join("Containerfile");
        assert_eq!(
            error.to_string(),
            format!("the Dockerfile {} is not there", file.display())
        );
    }

    /// Removes the base images of a test from the engine, however the test ends.
    struct Forget(&'static [&'static str]);

    impl Drop for Forget {
        fn drop(&mut self) {
            let argv = ["docker", "image", "rm"].iter().chain(self.0);
            let argv: Vec<String> = argv.map(|word| word.to_string()).collect();
            program::output(&argv).ok();
        }
    }

    #[test]
    fn a_dockerfile_on_a_base_made_here_is_built_without_a_registry() {
        if let Err(error) = Engine::connect() {
            return println!("skipped: no docker daemon: {error:#}");
        }
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        fs::write(
            folder.join("Dockerfile"),
            "ARG CONTENT\nFROM delta-lab-test-base:1\nCOPY Dockerfile /copy\n",
        )
        .unwrap();
        let rootfs = dir.path().join("rootfs.tar");
        let mut tar = tar::Builder::new(fs::File::create(&rootfs).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, "etc/base", &b"base"[..])
            .unwrap();
        tar.into_inner().unwrap();

        let _forget = Forget(&["delta-lab-test-base:1", "delta-lab:delta-lab-test-base-1"]);
        let source = Source::Build(DockerBuild {
            from: Some(BuildBase {
                tag: "delta-lab-test-base:1".to_string(),
                command: vec!["cp".into(), rootfs.display().to_string(), "{out}".into()],
            }),
            ..build(&folder, true)
        });
        let cache = Cache::at(&dir.path().join("cache")).unwrap();
        let save = |name| {
            cache
                .save("a claim", name, &source, false, &|_| ())
                .unwrap()
        };
        let (one, two) = (save("one"), save("two"));
        assert_ne!(one.image.sha256, two.image.sha256);
        assert!(save("one").reused);
        for (fact, value) in [("layers", "2"), ("layers_compressed", "none")] {
            let fact = (fact.to_string(), value.to_string());
            assert!(one.facts.contains(&fact), "{:?}", one.facts);
        }
        let id = |saved: &Saved| {
            let is_id = |fact: &&(String, String)| fact.0 == "image_id";
            saved.facts.iter().find(is_id).unwrap().1.clone()
        };
        assert_ne!(id(&one), id(&two));
    }

    fn key_of(name: &str, build: DockerBuild) -> CacheKey {
        Source::Build(build).key("s", name).unwrap()
    }

    #[test]
    fn a_build_folder_counts_by_names_modes_and_contents_but_not_by_times() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("Dockerfile");
        let key = || key_of("n", build(dir.path(), false));
        fs::write(&file, "FROM scratch\n").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        let first = key();

        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1000);
        fs::File::options()
            .append(true)
            .open(&file)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_eq!(key(), first);

        fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
        let mode = key();
        assert_ne!(mode, first);
        fs::write(&file, "FROM scratch\n#\n").unwrap();
        let content = key();
        assert_ne!(content, mode);
        fs::rename(&file, dir.path().join("Containerfile")).unwrap();
        assert_ne!(key(), content);
    }

    #[test]
    fn two_builds_without_a_cache_are_two_images() {
        let dir = tempfile::tempdir().unwrap();
        let key = |name, no_cache| key_of(name, build(dir.path(), no_cache));
        assert_eq!(key("a", false).folder(), key("b", false).folder());
        assert_ne!(key("a", true).sha256, key("b", true).sha256);
    }

    #[test]
    fn an_absent_build_folder_is_named() {
        let source = build(Path::new("/no/such/folder"), false);
        let error = source.identity("s", "n").map(|_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the build folder /no/such/folder is not there"
        );
    }
}
