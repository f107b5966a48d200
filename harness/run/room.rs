//! The rooms of a trial's steps: what each verb may reach.

use std::path::{Path, PathBuf};

use crate::clock::{Held, Room};
use crate::method::{self, Call, Power};

/// Folder of a step's scratch that is its `/tmp`.
pub const TMP: &str = "system-tmp";

/// The room of a step: a publish reads its image and bases and writes its store, an update reads its bases and connects to
/// the wire's `ports`; each writes its own scratch. `hidden` are the lab's folders, `needs` what the method's file asks
/// for beyond that.
pub fn of(
    call: &Call,
    scratch: &Path,
    ports: &[u16],
    hidden: &[PathBuf],
    needs: Option<&method::Room>,
) -> Room {
    let mut room = Room {
        write: needs
            .iter()
            .fold(vec![scratch.to_path_buf()], |write, needs| {
                [write, needs.write.clone()].concat()
            }),
        tmp: scratch.join(TMP),
        needs: needs.map_or(Vec::new(), |needs| needs.read.clone()),
        hidden: hidden
            .iter()
            .filter(|path| may_hide(path))
            .cloned()
            .collect(),
        walls: true,
        mknod: needs.is_some_and(|needs| needs.powers.contains(&Power::Mknod)),
        ..Room::default()
    };
    let bases = match call {
        Call::Publish {
            image,
            bases,
            store,
            archive,
        } => {
            room.read.extend([image.path.clone(), archive.clone()]);
            room.write.push(store.clone());
            bases
        }
        Call::Update { bases, .. } => {
            room.ports = ports.to_vec();
            bases
        }
        Call::Hold { base, .. } => {
            room.ports = ports.to_vec();
            std::slice::from_ref(base)
        }
        Call::Probe { image, bases, .. } => {
            room.read.push(image.path.clone());
            bases
        }
    };
    room.read.extend(bases.iter().map(|base| base.path.clone()));
    room
}

/// What a row says of its step's room: how far it was locked, and what the method's file lets it reach beyond it.
pub fn told(held: &Held, needs: Option<&method::Room>) -> String {
    let mut told = held.word().to_string();
    let Some(needs) = needs else {
        return told;
    };
    for (verb, paths) in [("reads", &needs.read), ("writes", &needs.write)] {
        let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
        if !paths.is_empty() {
            told.push_str(&format!("; {verb} {}", paths.join(" ")));
        }
    }
    for power in &needs.powers {
        told.push_str(&format!("; keeps {}", power.word()));
    }
    told.push_str(&format!(": {}", needs.why));
    told
}

/// Whether a folder can be taken from a step's sight: not one that holds, or lies in, the system's own.
fn may_hide(folder: &Path) -> bool {
    let system = [
        "/usr", "/etc", "/opt", "/proc", "/dev", "/sys", "/bin", "/lib",
    ];
    !system
        .iter()
        .any(|own| Path::new(own).starts_with(folder) || folder == Path::new(own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Image;
    use crate::wire::Links;

    fn image(name: &str) -> Image {
        Image {
            name: name.into(),
            path: format!("/images/{name}").into(),
            bytes: 1,
            sha256: String::new(),
        }
    }

    /// What a step may reach beside the system: to read, to write, and ports. Later images are in no list.
    #[test]
    fn each_verb_reaches_its_own_and_nothing_else() {
        let publish = Call::Publish {
            image: image("new"),
            bases: vec![image("old")],
            store: "/store".into(),
            archive: "/images/archive".into(),
        };
        let update = Call::Update {
            name: "new".into(),
            bases: vec![image("old")],
            url: String::new(),
            ssh: PathBuf::new(),
            registry: None,
            links: Links::default(),
            held: None,
            out: "/scratch/out".into(),
        };
        let reads = ["/images/new", "/images/archive", "/images/old"];
        for (call, read, write, ports) in [
            (publish, &reads[..], &["/scratch", "/store"][..], &[][..]),
            (update, &reads[2..], &["/scratch"], &[7000]),
        ] {
            let room = of(
                &call,
                Path::new("/scratch"),
                &[7000],
                &["/".into(), "/images".into()],
                None,
            );
            let paths = |paths: &[PathBuf]| {
                paths
                    .iter()
                    .map(|it| it.display().to_string())
                    .collect::<Vec<_>>()
            };
            assert_eq!(paths(&room.read), read);
            assert_eq!(paths(&room.write), write);
            assert_eq!(room.ports, ports);
            assert_eq!(paths(&room.hidden), ["/images"]);
            assert!(room.needs.is_empty() && room.walls && !room.mknod);
        }
    }

    #[test]
    fn the_systems_folders_are_never_hidden() {
        for (folder, may) in [
            ("/", false),
            ("/usr", false),
            ("/usr/share/images", true),
            ("/home/somebody", true),
        ] {
            assert_eq!(may_hide(Path::new(folder)), may, "{folder}");
        }
    }

    #[test]
    fn a_row_says_how_far_its_step_was_locked_and_what_it_may_reach() {
        let held = Held::default();
        assert_eq!(told(&held, None), "open");
        let needs = |read: &[&str], powers: &[Power]| method::Room {
            read: read.iter().map(PathBuf::from).collect(),
            write: vec!["/var/lib/tool".into()],
            powers: powers.to_vec(),
            why: "its models".into(),
        };
        assert_eq!(
            told(&held, Some(&needs(&["/opt/a", "/opt/b"], &[]))),
            "open; reads /opt/a /opt/b; writes /var/lib/tool: its models"
        );
        assert_eq!(
            told(&held, Some(&needs(&[], &[Power::Mknod]))),
            "open; writes /var/lib/tool; keeps mknod: its models"
        );
    }
}
