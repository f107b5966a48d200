//! Why an update is as large as it is: the files of an [`Explained`] by cause, each with a remedy where one is known.

use std::collections::BTreeMap;

use crate::record::{Cost, Explained, ExplainedFile, Kind};

/// A reason for bytes that has a name.
pub struct Cause {
    pub name: &'static str,
    /// What makes them go away.
    pub remedy: Option<&'static str>,
    fits: fn(&ExplainedFile) -> bool,
}

/// Every cause; the first that fits a file is its cause. The last fits all.
pub const CAUSES: &[Cause] = &[
    Cause {
        name: "gzip files in usr/share/doc, man and info",
        remedy: Some(
            "leave documentation out: `path-exclude=/usr/share/doc/*`, `/usr/share/man/*` and `/usr/share/info/*` in /etc/dpkg/dpkg.cfg.d, before packages are installed",
        ),
        fits: |file| {
            let places = ["usr/share/doc/", "usr/share/man/", "usr/share/info/"];
            file.gzip && has_new_bytes(file) && within(file, &places)
        },
    },
    Cause {
        name: "gzip files with the same contents, compressed anew",
        remedy: Some(
            "compress with `gzip -n` and one version of gzip, or leave the files uncompressed",
        ),
        fits: |file| file.kind == Kind::Recompressed,
    },
    Cause {
        name: "Python bytecode",
        remedy: Some(
            "build with PYTHONDONTWRITEBYTECODE=1, or compile with `python -m compileall --invalidation-mode unchecked-hash`",
        ),
        fits: |file| file.path.ends_with(".pyc"),
    },
    Cause {
        name: "package lists",
        remedy: Some("end the RUN that installs with `rm -rf /var/lib/apt/lists/*`"),
        fits: |file| {
            within(
                file,
                &["var/lib/apt/lists/", "var/cache/apt/", "var/cache/apk/"],
            )
        },
    },
    Cause {
        name: "caches",
        remedy: Some(
            "remove the cache in the RUN that fills it, or keep it out with `RUN --mount=type=cache`",
        ),
        fits: |file| {
            within(
                file,
                &[
                    "var/cache/",
                    "root/.cache/",
                    "root/.npm/",
                    "root/.cargo/registry/",
                ],
            ) || file.path.contains("/.cache/")
        },
    },
    Cause {
        name: "logs and temporary files",
        remedy: Some("remove them in the RUN that writes them"),
        fits: |file| within(file, &["var/log/", "tmp/", "var/tmp/"]),
    },
    Cause {
        name: "files whose time alone changed",
        remedy: Some(
            "fix the times: build with SOURCE_DATE_EPOCH and `docker buildx build --output type=docker,rewrite-timestamp=true`, or pack with `tar --mtime`",
        ),
        fits: |file| file.kind == Kind::Mtime,
    },
    Cause {
        name: "files that were there under another path",
        remedy: Some("keep the path: no version, date or hash in the names of folders"),
        fits: |file| file.kind == Kind::Moved,
    },
    Cause {
        name: "other gzip files",
        remedy: Some("leave them uncompressed, or compress with `gzip -n --rsyncable`"),
        fits: |file| file.gzip && has_new_bytes(file),
    },
    Cause {
        name: "unchanged files in layers that changed",
        remedy: Some("put what changes often into the last layers"),
        fits: |file| matches!(file.kind, Kind::Same | Kind::Metadata),
    },
    Cause {
        name: "the package database",
        remedy: None,
        fits: |file| within(file, &["var/lib/dpkg/", "var/lib/rpm/", "lib/apk/db/"]),
    },
    Cause {
        name: "programs and libraries",
        remedy: None,
        fits: |file| {
            within(
                file,
                &[
                    "usr/lib/",
                    "usr/bin/",
                    "usr/sbin/",
                    "usr/libexec/",
                    "lib/",
                    "bin/",
                    "sbin/",
                ],
            ) && file.kind == Kind::Changed
        },
    },
    Cause {
        name: "new files",
        remedy: None,
        fits: |file| file.kind == Kind::New,
    },
    Cause {
        name: "other changed files",
        remedy: None,
        fits: |_| true,
    },
];

fn has_new_bytes(file: &ExplainedFile) -> bool {
    matches!(file.kind, Kind::Changed | Kind::New | Kind::Recompressed)
}

fn within(file: &ExplainedFile, places: &[&str]) -> bool {
    places.iter().any(|place| file.path.starts_with(place))
}

/// The cause of a file's bytes.
pub fn cause(file: &ExplainedFile) -> &'static Cause {
    let mut causes = CAUSES.iter();
    causes
        .find(|cause| (cause.fits)(file))
        .expect("the last cause fits every file")
}

/// Files that are counted together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Charged {
    pub files: usize,
    pub layer_bytes: u64,
    pub chunk_bytes: u64,
    pub patch_bytes: u64,
}

impl Charged {
    pub fn add(&mut self, file: &ExplainedFile) {
        self.files += 1;
        self.layer_bytes += file.layer_bytes;
        self.chunk_bytes += file.chunk_bytes;
        self.patch_bytes += file.patch_bytes;
    }

    pub fn of(&self, cost: Cost) -> u64 {
        match cost {
            Cost::Layers => self.layer_bytes,
            Cost::Chunks => self.chunk_bytes,
            Cost::Patch => self.patch_bytes,
        }
    }
}

/// All files of the update together.
pub fn total(explained: &Explained) -> Charged {
    let mut total = Charged::default();
    explained.files.iter().for_each(|file| total.add(file));
    total.patch_bytes += explained.heads_patch_bytes;
    total
}

/// The files under the key that `key` gives each, the costliest first.
pub fn charged<K: Ord>(
    explained: &Explained,
    cost: Cost,
    key: impl Fn(&ExplainedFile) -> K,
) -> Vec<(K, Charged)> {
    let mut groups: BTreeMap<K, Charged> = BTreeMap::new();
    for file in &explained.files {
        groups.entry(key(file)).or_default().add(file);
    }
    let mut groups: Vec<(K, Charged)> = groups.into_iter().collect();
    groups.sort_by_key(|(_, charged)| std::cmp::Reverse(charged.of(cost)));
    groups
}

/// The causes of an update by what they cost, the costliest first; those that cost nothing are left out.
pub fn causes(explained: &Explained, cost: Cost) -> Vec<(&'static Cause, Charged)> {
    let at = |file: &ExplainedFile| {
        let of = cause(file);
        CAUSES.iter().position(|cause| cause.name == of.name)
    };
    charged(explained, cost, at)
        .into_iter()
        .filter(|(_, charged)| charged.of(cost) > 0)
        .filter_map(|(at, charged)| Some((&CAUSES[at?], charged)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, kind: Kind, gzip: bool, patch_bytes: u64) -> ExplainedFile {
        ExplainedFile {
            path: path.into(),
            kind,
            gzip,
            patch_bytes,
            ..ExplainedFile::default()
        }
    }

    #[test]
    fn files_have_the_cause_that_a_reader_would_name() {
        let cases = [
            (
                "usr/share/doc/a/changelog.gz",
                Kind::Changed,
                true,
                "gzip files in usr/share/doc, man and info",
            ),
            (
                "usr/share/doc/a/copyright",
                Kind::Changed,
                false,
                "other changed files",
            ),
            (
                "srv/a.gz",
                Kind::Recompressed,
                true,
                "gzip files with the same contents, compressed anew",
            ),
            ("srv/a.gz", Kind::Changed, true, "other gzip files"),
            (
                "usr/lib/python3/x.pyc",
                Kind::Changed,
                false,
                "Python bytecode",
            ),
            ("var/lib/apt/lists/x", Kind::New, false, "package lists"),
            ("root/.cache/pip/x", Kind::New, false, "caches"),
            ("home/someone/.cache/x", Kind::New, false, "caches"),
            (
                "usr/bin/x",
                Kind::Mtime,
                false,
                "files whose time alone changed",
            ),
            (
                "usr/share/doc/a/changelog.gz",
                Kind::Mtime,
                true,
                "files whose time alone changed",
            ),
            ("usr/bin/x", Kind::Changed, false, "programs and libraries"),
            ("srv/model", Kind::New, false, "new files"),
        ];
        for (path, kind, gzip, name) in cases {
            assert_eq!(cause(&file(path, kind, gzip, 1)).name, name, "{path}");
        }
    }

    #[test]
    fn the_costliest_cause_comes_first_and_free_ones_are_left_out() {
        let explained = Explained {
            files: vec![
                file("srv/a", Kind::New, false, 10),
                file("srv/b", Kind::New, false, 10),
                file("usr/bin/c", Kind::Changed, false, 15),
                file("usr/bin/d", Kind::Mtime, false, 0),
            ],
            ..Explained::default()
        };
        let found = causes(&explained, Cost::Patch);
        let names: Vec<(&str, usize)> = found
            .iter()
            .map(|(cause, of)| (cause.name, of.files))
            .collect();
        assert_eq!(names, [("new files", 2), ("programs and libraries", 1)]);
    }

    #[test]
    fn what_files_cost_together_is_the_sum_of_each_cost() {
        let file = |patch_bytes| ExplainedFile {
            layer_bytes: 300,
            chunk_bytes: 20,
            ..file("srv/a", Kind::New, false, patch_bytes)
        };
        let explained = Explained {
            files: vec![file(1), file(2)],
            heads_patch_bytes: 4,
            ..Explained::default()
        };
        let together = Charged {
            files: 2,
            layer_bytes: 600,
            chunk_bytes: 40,
            patch_bytes: 3,
        };
        let [(_, found)] = &causes(&explained, Cost::Layers)[..] else {
            panic!("one cause");
        };
        assert_eq!(found, &together);
        let with_heads = Charged {
            patch_bytes: 7,
            ..together
        };
        assert_eq!(total(&explained), with_heads);
    }
}
