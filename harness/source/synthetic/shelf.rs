//! Shelves: which kinds of files a package has, how many, how large and under which paths.

use super::recipe::FileKind;
use super::text::Style;
use crate::dice::Dice;

/// What a package is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageKind {
    /// Part of the distribution, and listed by dpkg.
    System,
    /// Part of the application.
    Application,
    /// The settings of this one image.
    Settings,
}

/// Files of one kind within a package.
pub struct Shelf {
    /// Share of the package's files.
    percent: u64,
    pub kind: FileKind,
    /// Size before compression in bytes, and how widely sizes spread around it (`Dice::size`).
    pub median: u64,
    pub octaves: u64,
    /// `{n}` is the package's name, `{d}` its name and in some packages its version, `{w}` a new word.
    pub path: &'static str,
    pub mode: u32,
}

const fn shelf(
    percent: u64,
    kind: FileKind,
    (median, octaves): (u64, u64),
    path: &'static str,
    mode: u32,
) -> Shelf {
    Shelf {
        percent,
        kind,
        median,
        octaves,
        path,
        mode,
    }
}

const CODE: FileKind = FileKind::Code;
const PACKED: FileKind = FileKind::PackedText;
const PROSE: FileKind = FileKind::Text(Style::Prose);
const SOURCE: FileKind = FileKind::Text(Style::Source);
const SETTINGS: FileKind = FileKind::Text(Style::Settings);
const PNG: FileKind = FileKind::Noise(b"\x89PNG\r\n\x1a\n");
const WOFF2: FileKind = FileKind::Noise(b"wOF2");

/// Chosen so that an image resembles a Debian one to the methods: half of its files are below 4 KiB, programs hold about
/// two thirds of its bytes, and gzip makes it 2.5 to 3 times smaller.
const SYSTEM: [Shelf; 12] = [
    shelf(24, SOURCE, (4000, 3), "usr/share/{d}/{w}.py", 0o644),
    shelf(14, SOURCE, (3000, 3), "usr/lib/python3/{n}/{w}.py", 0o644),
    shelf(12, PROSE, (3000, 3), "usr/share/doc/{n}/{w}.txt", 0o644),
    shelf(6, SETTINGS, (2000, 3), "usr/share/{d}/{w}.ini", 0o644),
    shelf(5, SETTINGS, (1000, 2), "etc/{n}/{w}.conf", 0o640),
    shelf(8, PACKED, (3500, 3), "usr/share/man1/{n}-{w}.1.gz", 0o644),
    shelf(6, PACKED, (5000, 3), "usr/share/doc/{n}/{w}.gz", 0o644),
    shelf(8, CODE, (16_000, 3), "usr/lib/{n}/{w}.so", 0o644),
    shelf(5, CODE, (30_000, 3), "usr/bin/{n}-{w}", 0o755),
    shelf(4, CODE, (60_000, 3), "usr/lib/lib{n}-{w}.so.{v}", 0o644),
    shelf(6, PNG, (2500, 3), "usr/share/{d}/{w}.png", 0o644),
    shelf(2, WOFF2, (9000, 2), "usr/share/fonts/{n}/{w}.woff2", 0o644),
];
const APPLICATION: [Shelf; 7] = [
    shelf(60, SOURCE, (4000, 3), "opt/app/lib/{n}/{w}.js", 0o644),
    shelf(10, PROSE, (2500, 3), "opt/app/lib/{n}/{w}.md", 0o644),
    shelf(6, SETTINGS, (800, 2), "opt/app/lib/{n}/{w}.toml", 0o644),
    shelf(10, CODE, (80_000, 3), "opt/app/bin/{n}-{w}", 0o755),
    shelf(3, PACKED, (8000, 3), "opt/app/static/{d}/{w}.js.gz", 0o644),
    shelf(8, PNG, (3000, 3), "opt/app/static/{d}/{w}.png", 0o644),
    shelf(3, WOFF2, (9000, 2), "opt/app/static/{d}/{w}.woff2", 0o644),
];
const OWN_SETTINGS: [Shelf; 3] = [
    shelf(60, SETTINGS, (2000, 3), "etc/app/{n}/{w}.conf", 0o640),
    shelf(10, SOURCE, (1500, 2), "opt/app/hooks/{n}-{w}.sh", 0o755),
    shelf(30, SETTINGS, (4000, 3), "var/lib/app/{n}/{w}.state", 0o600),
];

impl PackageKind {
    /// Draws one of the kind's shelves, weighted by its share of files.
    pub fn shelf(self, dice: &mut Dice) -> &'static Shelf {
        let shelves: &[Shelf] = match self {
            PackageKind::System => &SYSTEM,
            PackageKind::Application => &APPLICATION,
            PackageKind::Settings => &OWN_SETTINGS,
        };
        let mut left = dice.below(100);
        for shelf in shelves {
            if left < shelf.percent {
                return shelf;
            }
            left -= shelf.percent;
        }
        unreachable!("the percentages of a kind add up to 100")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentages_of_a_kind_add_up_to_100() {
        for shelves in [&SYSTEM[..], &APPLICATION, &OWN_SETTINGS] {
            let sum: u64 = shelves.iter().map(|shelf| shelf.percent).sum();
            assert_eq!(sum, 100);
        }
    }
}
