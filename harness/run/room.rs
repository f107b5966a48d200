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
