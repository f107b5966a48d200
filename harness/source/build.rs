//! Images from a Dockerfile: `docker build` of a folder, on a base made here when the Dockerfile needs one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::docker::Engine;
use super::{Made, program};
use crate::image::Image;

/// What `docker build` is asked for.
pub struct Build<'a> {
    pub dir: &'a Path,
    pub dockerfile: Option<&'a str>,
    pub args: &'a BTreeMap<String, String>,
    pub no_cache: bool,
    /// Reference the image gets in the engine.
    pub tag: &'a str,
}

/// A base image the engine is to hold before the build starts.
pub struct Base {
    /// What the Dockerfile's FROM says.
    pub tag: String,
    /// Loaded for each build, so that FROM means this image whatever bore the tag before; layers the engine
    /// knows cost next to nothing.
    pub image: Image,
}

/// For builds by BuildKit, where the engine has it: lines to read rather than a screen to watch, the builder that knows
/// the engine's own images, and no attestations, which are no layer and differ in each build.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("BUILDKIT_PROGRESS", "plain"),
    ("BUILDX_BUILDER", "default"),
    ("BUILDX_NO_DEFAULT_ATTESTATIONS", "1"),
];

impl Build<'_> {
    /// Checks what can be checked before a base is made, which takes minutes: the Dockerfile, and an engine.
    pub fn check(&self) -> Result<Engine> {
        let file = self.file();
        ensure!(
            file.is_file(),
            "the Dockerfile {} is not there",
            file.display()
        );
        Engine::connect()
    }

    /// Builds the image and saves it to `out`.
    pub fn save(
        &self,
        engine: &Engine,
        base: Option<&Base>,
        out: &Path,
        say: &dyn Fn(&str),
    ) -> Result<Made> {
        if let Some(base) = base {
            engine.load(&base.image.path, &base.tag, say)?;
        }
        say(&format!("docker build {}", self.dir.display()));
        program::run(&self.argv(), ENVIRONMENT, &mut |line| {
            if let Some(step) = condensed(line) {
                say(step);
            }
        })
        .with_context(|| format!("build {}", self.file().display()))?;
        let held = engine
            .held(self.tag)?
            .with_context(|| format!("docker built {} but does not hold it", self.tag))?;
        engine.save(self.tag, out, say)?;
        if self.no_cache {
            // No later build will use its layers. Those of other builds stay, as the cache they are.
            engine.forget(self.tag, say);
        }
        Ok(engine.made(&held))
    }

    fn file(&self) -> PathBuf {
        self.dir.join(self.dockerfile.unwrap_or("Dockerfile"))
    }

    /// The command line.
    ///
    /// The host's network, because a daemon may run without a bridge of its own (in CI boxes) and what a RUN fetches
    /// is the same either way. By force, so that a step that fails leaves no container behind.
    fn argv(&self) -> Vec<String> {
        let mut argv: Vec<String> = ["docker", "build", "--network", "host", "--force-rm"]
            .map(String::from)
            .into();
        if self.dockerfile.is_some() {
            argv.extend(["-f".to_string(), self.file().display().to_string()]);
        }
        for (name, value) in self.args {
            argv.extend(["--build-arg".to_string(), format!("{name}={value}")]);
        }
        if self.no_cache {
            argv.push("--no-cache".to_string());
        }
        argv.extend(["-t".to_string(), self.tag.to_string()]);
        argv.extend(["--".to_string(), self.dir.display().to_string()]);
        argv
    }
}

/// The part of a builder's line that says how far it is: `Step 3/5 : RUN …` of the classic builder, `[2/4] RUN …` of
/// BuildKit (`#7 [2/4] RUN …`); `None` for everything a step itself prints.
fn condensed(line: &str) -> Option<&str> {
    if line.starts_with("Step ") {
        return Some(line);
    }
    let (number, step) = line.strip_prefix('#')?.split_once(' ')?;
    let is_step = number.bytes().all(|byte| byte.is_ascii_digit()) && step.starts_with('[');
    // `[internal] load …` is BuildKit talking to itself.
    (is_step && !step.starts_with("[internal]")).then_some(step)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::source::cache::{Cache, Saved};
    use crate::source::{From, Source};

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
        let args = BTreeMap::from([("SUITE".to_string(), "bookworm updates".to_string())]);
        let build = Build {
            dir: Path::new("/scenarios/rebuild"),
            dockerfile: Some("two/Dockerfile"),
            args: &args,
            no_cache: true,
            tag: "delta-lab/rebuild-a:0123456789ab",
        };
        assert_eq!(
            build.argv().join("|"),
            "docker|build|--network|host|--force-rm|-f|/scenarios/rebuild/two/Dockerfile|--build-arg|SUITE=bookworm updates\
             |--no-cache|-t|delta-lab/rebuild-a:0123456789ab|--|/scenarios/rebuild"
        );
    }

    #[test]
    fn a_missing_dockerfile_is_named_before_docker_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let build = Build {
            dir: dir.path(),
            dockerfile: Some("Containerfile"),
            args: &BTreeMap::new(),
            no_cache: false,
            tag: "t",
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

    /// Lets go of the base images a test left in the engine, however the test ends.
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
        let source = Source::Build {
            dir: folder,
            dockerfile: None,
            args: BTreeMap::new(),
            no_cache: true,
            from: Some(From {
                tag: "delta-lab-test-base:1".to_string(),
                command: vec!["cp".into(), rootfs.display().to_string(), "{out}".into()],
            }),
        };
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
}
