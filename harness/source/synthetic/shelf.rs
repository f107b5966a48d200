//! Shelves: which kinds of files a package has, how many, how big and where.

use super::content::Kind;
use super::dice::Dice;
use super::package::PackageKind;
use super::text::Style;

/// Files of one kind within a package.
pub struct Shelf {
    /// Files in a hundred.
    percent: u64,
    pub kind: Kind,
    /// Size before compression, in bytes, and how far sizes spread about it (`Dice::size`).
    pub median: u64,
    pub octaves: u64,
    /// `{n}` the package's name, `{d}` the same, with the version in some packages, `{w}` a new word.
    pub path: &'static str,
    pub mode: u32,
}

const fn shelf(
    percent: u64,
    kind: Kind,
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

const CODE: Kind = Kind::Code;
const PACKED: Kind = Kind::PackedText;
const PROSE: Kind = Kind::Text(Style::Prose);
const SOURCE: Kind = Kind::Text(Style::Source);
const SETTINGS: Kind = Kind::Text(Style::Settings);
const PNG: Kind = Kind::Noise(b"\x89PNG\r\n\x1a\n");
const WOFF2: Kind = Kind::Noise(b"wOF2");

/// Chosen so that an image is like a Debian one in what the methods see: half of its files are below 4 KiB,
/// programs hold about two thirds of its bytes, and gzip makes it 2.5 to 3 times smaller.
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
    /// One of the kind's shelves, each as often as it has files.
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
        unreachable!("the shelves of a kind are a hundred in a hundred")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shelves_of_a_kind_are_a_hundred_in_a_hundred() {
        for shelves in [&SYSTEM[..], &APPLICATION, &OWN_SETTINGS] {
            let sum: u64 = shelves.iter().map(|shelf| shelf.percent).sum();
            assert_eq!(sum, 100);
        }
    }
}
