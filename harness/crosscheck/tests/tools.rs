//! The real tools on random images: each pulls exactly the bytes that its cross-check computes.
//!
//! `DELTA_LAB_ROUNDS=500` tries that many pairs; a few are enough to notice that a tool has changed.

use std::path::Path;
use std::process::Command;

use super::*;
use crate::wire::Wire;

/// A tool: its programs, and its commands. In them S is the store, N the image's name, I its path, U the store on the
/// wire, B the base's path.
struct Tool {
    format: &'static str,
    programs: &'static [&'static str],
    publish: fn(&mut Dice) -> String,
    update: &'static str,
    update_from_base: &'static str,
}

const TOOLS: [Tool; 4] = [
    Tool {
        format: "casync",
        programs: &["casync"],
        publish: |_| {
            "casync --chunk-size=4096 --store=S/default.castr make S/N.caibx I".to_string()
        },
        update: "casync --store=U/default.castr extract U/N.caibx out",
        update_from_base: "casync --store=U/default.castr --seed=B extract U/N.caibx out",
    },
    Tool {
        format: "zchunk",
        programs: &["zck", "zckdl", "unzck"],
        publish: |_| "zck -o S/N.zck I".to_string(),
        update: "zckdl --fail-no-ranges U/N.zck",
        update_from_base: "zck -o base B; zckdl --fail-no-ranges -s base U/N.zck",
    },
    Tool {
        format: "zsync",
        programs: &["zsync", "zsyncmake"],
        // Small blocks, so that a test's images have enough of them; 0 lets zsyncmake choose.
        publish: |dice| {
            let block = match [0, 512, 1024, 4096][dice.index(4)] {
                0 => String::new(),
                bytes => format!("-b {bytes} "),
            };
            format!("cp I S/N; zsyncmake {block}-u N -f N -o S/N.zsync I")
        },
        update: "zsync -q -o out U/N.zsync",
        update_from_base: "zsync -q -i B -o out U/N.zsync",
    },
    Tool {
        format: "bita",
        programs: &["bita"],
        publish: |_| {
            "bita compress --compression zstd --avg-chunk-size 4KiB --min-chunk-size 1KiB -i I S/N.cba".to_string()
        },
        update: "bita clone U/N.cba out",
        update_from_base: "bita clone --seed B U/N.cba out",
    },
];

/// Whether a tool is installed. If not, says that the test was skipped.
fn here(tool: &Tool) -> bool {
    let absent = tool
        .programs
        .iter()
        .find(|program| which::which(program).is_err());
    if let Some(program) = absent {
        eprintln!("skipped: {program} is not installed");
    }
    absent.is_none()
}

/// Runs commands, divided by semicolons, in a folder; each must succeed.
fn run(folder: &Path, commands: &str, fill: &[(&str, &str)]) {
    for command in commands.split("; ") {
        // A capital is replaced only if it is a word or precedes a slash or a dot, so that paths and options stay.
        let word = |word: &str| {
            let mut parts: Vec<String> = Vec::new();
            for part in word.split_inclusive(['/', '.', '=']) {
                let name = part.trim_end_matches(['/', '.', '=']);
                let value = fill.iter().find(|(capital, _)| *capital == name);
                parts.push(value.map_or(part.to_string(), |(_, value)| part.replace(name, value)));
            }
            parts.concat()
        };
        let argv: Vec<String> = command.split(' ').map(word).collect();
        let ran = Command::new(&argv[0])
            .args(&argv[1..])
            .current_dir(folder)
            .env("no_proxy", "*")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{argv:?}: {errors}");
    }
}

/// Makes bita's archive of an image, of small chunks.
fn archive(yard: &Yard, published: &Published) {
    use bitar::api::compress::{CreateArchiveOptions, create_archive};
    use bitar::chunker::{Config, FilterBits, FilterConfig};
    use tokio::io::AsyncWriteExt;

    let options = CreateArchiveOptions {
        chunker_config: Config::RollSum(FilterConfig {
            filter_bits: FilterBits::from_size(4096),
            min_chunk_size: 1024,
            max_chunk_size: 1 << 16,
            window_size: 64,
        }),
        num_chunk_buffers: 1,
        chunk_hash_length: 64,
        temporary_file_override: None,
        compression: Some(bitar::Compression::zstd(3).unwrap()),
        metadata: BTreeMap::new(),
    };
    let input = fs::File::open(&published.image.path).unwrap();
    let output = fs::File::create(yard.store.object(&published.index)).unwrap();
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(async {
            let mut output = tokio::fs::File::from_std(output);
            create_archive(tokio::fs::File::from_std(input), &mut output, &options)
                .await
                .unwrap();
            output.flush().await.unwrap();
        });
}

/// A base and its next version: pieces of noise, of zeros and of earlier pieces, some doubled, moved, dropped or changed.
fn pair(dice: &mut Dice) -> (Vec<u8>, Vec<u8>) {
    let mut old = Vec::new();
    for _ in 0..dice.index(12) {
        let piece = piece(dice, &old);
        old.extend(piece);
    }
    let mut new = old.clone();
    for _ in 0..dice.index(8) {
        let at = dice.index(new.len() + 1);
        let end = (at + dice.index(30_000)).min(new.len());
        match dice.index(6) {
            0 => drop(new.drain(at..end)),
            1 => {
                let piece = piece(dice, &old);
                drop(new.splice(at..at, piece));
            }
            2 => {
                let moved: Vec<u8> = new.drain(at..end).collect();
                let to = dice.index(new.len() + 1);
                drop(new.splice(to..to, moved));
            }
            3 => {
                let doubled = new[at..end].to_vec();
                drop(new.splice(end..end, doubled));
            }
            4 => new[at..end].fill(0),
            _ if at < new.len() => new[at] ^= 1,
            _ => {}
        }
    }
    // The client of zsync refuses an empty image.
    if new.is_empty() {
        new.push(b'x');
    }
    (old, new)
}

fn piece(dice: &mut Dice, there: &[u8]) -> Vec<u8> {
    let bytes = dice.index(60_000);
    match dice.index(5) {
        0 => vec![0; bytes],
        1 => {
            let at = dice.index(there.len());
            there[at..(at + bytes).min(there.len())].to_vec()
        }
        // A short pattern repeated: many equal blocks.
        2 => {
            let width = [1, 16, 512, 2048][dice.index(4)];
            let pattern = dice.bytes(width);
            pattern.iter().copied().cycle().take(bytes).collect()
        }
        _ => dice.bytes(bytes),
    }
}

fn rounds(few: u64) -> u64 {
    let asked = std::env::var("DELTA_LAB_ROUNDS").ok();
    asked.and_then(|asked| asked.parse().ok()).unwrap_or(few)
}

fn try_tool(tool: &Tool, few: u64) {
    if !here(tool) {
        return;
    }
    for seed in 0..rounds(few) {
        let mut dice = Dice::new(seed);
        let (old, new) = pair(&mut dice);
        let yard = Yard::new();
        let how = (tool.publish)(&mut dice);
        let published = [("old", &old), ("new", &new)].map(|(name, bytes)| {
            let published = yard.image(tool.format, name, bytes);
            // zsyncmake writes nothing for an empty file, and a base needs no control file.
            if !bytes.is_empty() || tool.format != "zsync" {
                let path = yard.dir.path().join(name);
                let fill = [
                    ("S", yard.store.path().to_str().unwrap()),
                    ("N", name),
                    ("I", path.to_str().unwrap()),
                ];
                match tool.format {
                    "bita" => archive(&yard, &published),
                    _ => run(yard.dir.path(), &how, &fill),
                }
            }
            published
        });
        let base = yard.dir.path().join("old");
        for (commands, bases) in [
            (tool.update, &[][..]),
            (tool.update_from_base, &published[..1]),
        ] {
            let client = TempDir::new_in(yard.dir.path()).unwrap();
            let wire = Wire::open(&yard.store).unwrap();
            let url = wire.url().0;
            let fill = [
                ("U", url.as_str()),
                ("N", "new"),
                ("B", base.to_str().unwrap()),
            ];
            run(client.path(), commands, &fill);
            let traffic = wire.close().unwrap();
            let checked = check(&yard.store, &published[1], bases, &traffic);
            if let Err(why) = checked {
                panic!(
                    "{} pair {seed} ({how}), {} bases: {why:#}\n{:?}",
                    tool.format,
                    bases.len(),
                    yard.expect(&published[1], bases)
                );
            }
        }
    }
}

#[test]
fn casync_pulls_what_its_index_says() {
    try_tool(&TOOLS[0], 4);
}

#[test]
fn zchunk_pulls_what_its_header_says() {
    try_tool(&TOOLS[1], 4);
}

#[test]
fn zsync_pulls_what_its_control_file_and_the_base_say() {
    try_tool(&TOOLS[2], 12);
}

#[test]
fn bita_pulls_what_its_dictionary_says() {
    try_tool(&TOOLS[3], 6);
}

/// Two images that differ in more places than one request has ranges.
#[test]
fn more_ranges_than_fit_a_request_are_more_requests() {
    for (tool, bytes, every) in [
        (&TOOLS[2], 2_000_000, 40_000),
        (&TOOLS[1], 40_000_000, 70_000),
    ] {
        if !here(tool) {
            continue;
        }
        let mut dice = Dice::new(1);
        let yard = Yard::new();
        let old = dice.bytes(bytes);
        let mut new = old.clone();
        for at in (every..bytes).step_by(every) {
            new[at] ^= 1;
        }
        let published = [("old", &old), ("new", &new)].map(|(name, bytes)| {
            let published = yard.image(tool.format, name, bytes);
            let path = yard.dir.path().join(name);
            let fill = [
                ("S", yard.store.path().to_str().unwrap()),
                ("N", name),
                ("I", path.to_str().unwrap()),
            ];
            run(yard.dir.path(), &(tool.publish)(&mut Dice::new(3)), &fill);
            published
        });
        let wire = Wire::open(&yard.store).unwrap();
        let (url, base) = (wire.url().0, yard.dir.path().join("old"));
        let fill = [
            ("U", url.as_str()),
            ("N", "new"),
            ("B", base.to_str().unwrap()),
        ];
        let client = TempDir::new_in(yard.dir.path()).unwrap();
        run(client.path(), tool.update_from_base, &fill);
        let traffic = wire.close().unwrap();
        check(&yard.store, &published[1], &published[..1], &traffic).unwrap();
        assert!(
            traffic.requests > 3,
            "{}: {}",
            tool.format,
            traffic.requests
        );
    }
}
