//! Small files made by hand, valid, cut, padded and hostile, which need no tool.

use blake2::Blake2b512;
use sha2::{Digest, Sha256, Sha512_256};

use super::*;

/// casync's index over chunks of these contents, with the chunks in the store.
fn caibx(yard: &Yard, chunks: &[&[u8]]) -> Vec<u8> {
    caibx_by::<Sha512_256>(yard, 0xB000_0000_0000_0000, chunks)
}

/// The same by this digest, with the flags that say so.
fn caibx_by<D: Digest>(yard: &Yard, flags: u64, chunks: &[&[u8]]) -> Vec<u8> {
    let mut index = Vec::new();
    let mut put = |numbers: &[u64]| {
        for number in numbers {
            index.extend(number.to_le_bytes());
        }
    };
    put(&[48, 0x9682_4D9C_7B12_9FF9, flags, 1, 2, 500]);
    put(&[u64::MAX, 0xE75B_9E11_2F17_417D]);
    let mut end = 0;
    for chunk in chunks {
        end += chunk.len() as u64;
        index.extend(end.to_le_bytes());
        let digest = D::digest(chunk);
        index.extend(&digest);
        let name = crate::image::hex(&digest);
        let packed = zstd::encode_all(*chunk, 3).unwrap();
        yard.put(
            &format!("default.castr/{}/{name}.cacnk", &name[..4]),
            &packed,
        );
    }
    let table = 16 + 40 * (chunks.len() as u64 + 1);
    for number in [0, 0, 48, table, 0x4B4F_050E_5549_ECD1] {
        index.extend(number.to_le_bytes());
    }
    index
}

/// zchunk's numbers.
fn compint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7F {
        bytes.push((number & 0x7F) as u8);
        number >>= 7;
    }
    bytes.push(number as u8 | 0x80);
    bytes
}

/// A zchunk file of chunks with these checksums (16 bytes of one value) and compressed lengths.
fn zck(chunks: &[(u8, u64)]) -> Vec<u8> {
    zck_of((1, 32), chunks)
}

/// The same; its header and its data have checksums of this type and length.
fn zck_of((kind, checksum): (u64, usize), chunks: &[(u8, u64)]) -> Vec<u8> {
    let mut index = [compint(3), compint(chunks.len() as u64)].concat();
    for (value, bytes) in chunks {
        index.extend([*value; 16]);
        index.extend(compint(*bytes));
        index.extend(compint(bytes * 2));
    }
    let rest = [
        vec![7; checksum],
        compint(0),
        compint(2),
        compint(index.len() as u64),
        index,
        compint(0),
    ]
    .concat();
    let mut file = [
        b"\0ZCK1".to_vec(),
        compint(kind),
        compint(rest.len() as u64),
    ]
    .concat();
    file.extend(vec![9; checksum]);
    file.extend(rest);
    for (value, bytes) in chunks {
        file.extend(vec![*value; *bytes as usize]);
    }
    file
}

/// A bita archive of chunks with these digests (8 bytes of one value) and compressed lengths.
fn cba(chunks: &[(u8, u64)]) -> Vec<u8> {
    let varint = |mut number: u64| {
        let mut bytes = Vec::new();
        while number > 0x7F {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    };
    // A version (1), which is skipped.
    let mut dictionary = [vec![0x0A, 3], b"1.0".to_vec()].concat();
    let mut place = 0;
    for (value, bytes) in chunks {
        let mut descriptor = [vec![0x0A, 8], vec![*value; 8]].concat();
        for (field, number) in [(3, *bytes), (4, place), (5, bytes * 2)] {
            descriptor.extend(varint(field << 3));
            descriptor.extend(varint(number));
        }
        dictionary.extend([vec![0x3A], varint(descriptor.len() as u64), descriptor].concat());
        place += bytes;
    }
    let mut file = b"BITA1\0".to_vec();
    file.extend((dictionary.len() as u64).to_le_bytes());
    file.extend(&dictionary);
    file.extend((file.len() as u64 + 72).to_le_bytes());
    file.extend(Blake2b512::digest(&file));
    for (value, bytes) in chunks {
        file.extend(vec![*value; *bytes as usize]);
    }
    file
}

/// A control file for an image, by the rules of zsyncmake with blocks of 16 bytes.
fn zsync_of(image: &[u8], sequence: usize) -> Vec<u8> {
    let mut file = format!(
        "zsync: 0.6.2\nFilename: new\nBlocksize: 16\nLength: {}\nHash-Lengths: {sequence},4,16\nURL: new\nSHA-1: 00\n\n",
        image.len()
    )
    .into_bytes();
    for block in image.chunks(16) {
        let mut whole = block.to_vec();
        whole.resize(16, 0);
        let (mut first, mut second) = (0_u16, 0_u16);
        for byte in &whole {
            first = first.wrapping_add(u16::from(*byte));
            second = second.wrapping_add(first);
        }
        file.extend(first.to_be_bytes());
        file.extend(second.to_be_bytes());
        file.extend(md4::Md4::digest(&whole));
    }
    file
}

/// The files of one format: the index of `new`, in a store where its check passes.
fn sound(format: &str) -> (Yard, Published, Vec<u8>) {
    let yard = Yard::new();
    let image = Dice::new(5).bytes(100);
    let published = yard.image(format, "new", &image);
    let index = match format {
        "zsync" => {
            yard.put("new", &image);
            zsync_of(&image, 2)
        }
        "zchunk" => zck(&[(0, 0), (1, 40), (2, 300), (3, 9)]),
        "bita" => cba(&[(1, 40), (2, 300), (3, 9)]),
        _ => caibx(&yard, &[b"one", b"two", b"three", b"two"]),
    };
    yard.put(&published.index, &index);
    (yard, published, index)
}

/// All formats of one index and its chunks; a layout of layers has a file of its own.
const ALL: [&str; 5] = ["bita", "casync", "desync", "zchunk", "zsync"];

#[test]
fn every_format_is_tried() {
    let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    assert_eq!(names, [&ALL[..], &["zstd-chunked"]].concat());
    for format in ALL {
        let (yard, published, _) = sound(format);
        yard.expect(&published, &[]).unwrap();
    }
}

#[test]
#[ignore = "writes what fuzzing begins with: see fuzz/run"]
fn seeds_for_the_fuzzers_are_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/index");
    fs::create_dir_all(folder).unwrap();
    for (number, format) in ALL.iter().enumerate() {
        let (_yard, _, index) = sound(format);
        let chunk = match *format {
            "casync" | "desync" => {
                [b"|".to_vec(), zstd::encode_all(&b"one"[..], 3).unwrap()].concat()
            }
            _ => Vec::new(),
        };
        let seed = [vec![number as u8], index, chunk].concat();
        fs::write(format!("{folder}/seed-{format}"), seed).unwrap();
    }
}

#[test]
fn a_cut_or_padded_index_is_an_error() {
    for format in ALL {
        let (yard, published, index) = sound(format);
        for end in 0..index.len() {
            yard.put(&published.index, &index[..end]);
            let why = yard.expect(&published, &[]).unwrap_err();
            assert!(
                format!("{why:#}").starts_with(&published.index),
                "{format} cut at {end}: {why:#}"
            );
        }
        for pad in [&b"\0"[..], &[0; 40], &index] {
            yard.put(&published.index, &[&index, pad].concat());
            let why = format!("{:#}", yard.expect(&published, &[]).unwrap_err());
            let words = format!("{} bytes follow its end at {}", pad.len(), index.len());
            assert!(why.contains(&words), "{format} padded: {why}");
        }
    }
}

/// Padding where a reader of the format may skip it: the client pulls it, although it is not part of the image.
#[test]
fn an_index_padded_inside_is_an_error() {
    let refused = |format: &str, padded: Vec<u8>, words: &str| {
        let (yard, published, _) = sound(format);
        yard.put(&published.index, &padded);
        let why = format!("{:#}", yard.expect(&published, &[]).unwrap_err());
        assert!(why.contains(words), "{format}: {why}");
    };
    let (_, _, control) = sound("zsync");
    let with = |line: &str| {
        let text = [b"zsync: 0.6.2\n", line.as_bytes()].concat();
        [&text[..], &control[b"zsync: 0.6.2\n".len()..]].concat()
    };
    refused("zsync", with("X-Pad: 0123456789\n"), "X-Pad");
    refused("zsync", with("Filename: new\n"), "repeated line");

    // A field 8 in bita's dictionary, with a valid checksum.
    let archive = cba(&[(1, 40), (2, 300)]);
    let length = u64::from_le_bytes(archive[6..14].try_into().unwrap()) as usize;
    let header = |dictionary: &[u8], first: u64| {
        let mut header = [b"BITA1\0", &(dictionary.len() as u64).to_le_bytes()[..]].concat();
        header.extend(dictionary);
        header.extend(first.to_le_bytes());
        header.extend(Blake2b512::digest(&header));
        header
    };
    let (dictionary, chunks) = (&archive[14..14 + length], &archive[14 + length + 72..]);
    let padded = [dictionary, &[0x42, 4, 0, 0, 0, 0]].concat();
    let first = 14 + padded.len() as u64 + 72;
    refused(
        "bita",
        [&header(&padded, first), chunks].concat(),
        "a field 8",
    );
    // A gap before the chunks.
    let first = 14 + length as u64 + 72 + 5;
    let gap = [&header(dictionary, first)[..], &[0; 5], chunks].concat();
    refused("bita", gap, "the previous one ended");
    let mut spoiled = archive.clone();
    spoiled[16] ^= 1;
    refused("bita", spoiled, "does not match its checksum");
}

#[test]
fn hostile_numbers_are_errors_and_never_a_crash() {
    for format in ALL {
        let (yard, published, index) = sound(format);
        for at in 0..index.len() {
            for (value, width) in [(0x00, 1), (0x01, 1), (0x80, 1), (0x7F, 8), (0xFF, 10)] {
                let mut bytes = index.clone();
                let end = (at + width).min(bytes.len());
                bytes[at..end].fill(value);
                yard.put(&published.index, &bytes);
                // Some of these files are valid; none may cause a panic or a large allocation.
                let _ = yard.expect(&published, std::slice::from_ref(&published));
            }
        }
    }
}

#[test]
fn an_index_that_is_absent_or_of_another_format_is_an_error() {
    for format in ALL {
        let (yard, published, _) = sound(format);
        for bytes in [&b""[..], b"hello, world\n\n", &[0; 4096]] {
            yard.put(&published.index, bytes);
            assert!(yard.expect(&published, &[]).is_err(), "{format}");
        }
        fs::remove_file(yard.store.object(&published.index)).unwrap();
        let why = format!("{:#}", yard.expect(&published, &[]).unwrap_err());
        assert!(why.contains(&published.index), "{format}: {why}");
    }
}

#[test]
fn casync_needs_each_chunk_once_unless_a_base_lists_it() {
    let yard = Yard::new();
    let (old, new) = (
        yard.image("casync", "old", b""),
        yard.image("casync", "new", b""),
    );
    let index = caibx(&yard, &[b"one", b"two", b"three", b"two"]);
    yard.put("new.caibx", &index);
    yard.put("old.caibx", &caibx(&yard, &[b"three", b"four", b"one"]));
    let expected = yard.expect(&new, &[]).unwrap();
    assert_eq!(expected.len(), 1 + 3);
    assert_eq!(
        expected[0],
        Expected::exactly("new.caibx", 1, index.len() as u64)
    );
    let expected = yard.expect(&new, &[old]).unwrap();
    assert_eq!(expected.len(), 1 + 1);
    let two = crate::image::hex(&Sha512_256::digest(b"two"));
    let packed = zstd::encode_all(&b"two"[..], 3).unwrap().len() as u64;
    let object = format!("default.castr/{}/{two}.cacnk", &two[..4]);
    assert_eq!(expected[1], Expected::exactly(object, 1, packed));
}

/// casync's option `--digest=sha256` leaves one flag out.
#[test]
fn chunks_are_named_by_the_digest_that_the_flags_say() {
    let yard = Yard::new();
    let new = yard.image("casync", "new", b"");
    let (by_256, by_512) = (0x9000_0000_0000_0000, 0xB000_0000_0000_0000);
    let one: &[&[u8]] = &[b"one"];
    yard.put(&new.index, &caibx_by::<Sha256>(&yard, by_256, one));
    assert_eq!(yard.expect(&new, &[]).unwrap().len(), 2);
    for lie in [
        caibx_by::<Sha256>(&yard, by_512, one),
        caibx_by::<Sha512_256>(&yard, by_256, one),
    ] {
        yard.put(&new.index, &lie);
        let why = format!("{:#}", yard.expect(&new, &[]).unwrap_err());
        assert!(why.contains("do not match its name"), "{why}");
    }
}

#[test]
fn a_chunk_that_is_padded_or_not_what_its_name_says_is_an_error() {
    let yard = Yard::new();
    let new = yard.image("casync", "new", b"");
    yard.put("new.caibx", &caibx(&yard, &[b"one and only"]));
    let object = yard.expect(&new, &[]).unwrap().pop().unwrap().object;
    let packed = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    let good = packed(b"one and only");
    // An empty frame, which zstd readers skip.
    let skippable = [0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 9, 9];
    for (bytes, words) in [
        ([&good[..], b"pad"].concat(), "bytes follow its end"),
        ([&good[..], &skippable].concat(), "bytes follow its end"),
        ([&good[..], &good].concat(), "bytes follow its end"),
        (packed(b"one and onlY"), "do not match its name"),
        (
            packed(b"one"),
            "decompresses to 3 bytes, but its index says 12",
        ),
        (
            packed(&[7; 1 << 20]),
            "decompresses to more than the 12 bytes",
        ),
        (good[..good.len() - 1].to_vec(), "decompress it"),
        (b"\x1f\x8b".to_vec(), "not compressed with zstd"),
        (Vec::new(), "not compressed with zstd"),
    ] {
        yard.put(&object, &bytes);
        let why = format!("{:#}", yard.expect(&new, &[]).unwrap_err());
        assert!(why.starts_with(&object) && why.contains(words), "{why}");
    }
    fs::remove_file(yard.store.object(&object)).unwrap();
    assert!(yard.expect(&new, &[]).is_err());
}

#[test]
fn desync_need_not_fetch_the_largest_chunk_of_zeros_but_all_others() {
    let yard = Yard::new();
    let new = yard.image("desync", "new", b"");
    // The index says that chunks have up to 500 bytes.
    yard.put(
        "new.caibx",
        &caibx(&yard, &[&[0; 500], &[0; 499], &[1; 500]]),
    );
    let expected = yard.expect(&new, &[]).unwrap();
    let least: Vec<u64> = expected.iter().map(|one| *one.requests.start()).collect();
    assert_eq!(least, [1, 0, 1, 1]);
    yard.put(
        "new.caibx",
        &caibx(&yard, &[&[1; 500], &[2; 9], &[1; 500], &[0; 500]]),
    );
    let expected = yard.expect(&new, &[]).unwrap();
    let most: Vec<u64> = expected.iter().map(|one| *one.requests.end()).collect();
    // As often as the blob has it, where several are asked for at a time.
    assert_eq!(most, [1, 2, 1, 1]);
    for one in &expected {
        let about = fs::metadata(yard.store.object(&one.object)).unwrap();
        let (least, most) = (one.requests.start(), one.requests.end());
        let bytes = least * about.len()..=most * about.len();
        assert_eq!(one.payload_bytes, bytes, "{}", one.object);
    }
    let same = Published {
        format: super::super::format("casync").unwrap(),
        ..new
    };
    let expected = yard.expect(&same, &[]).unwrap();
    assert!(expected.iter().all(|one| one.requests == (1..=1)));
}

#[test]
fn zchunk_and_bita_need_each_run_of_chunks_that_no_base_lists() {
    type Make = fn(&[(u8, u64)]) -> Vec<u8>;
    let cases: [(&str, Make, u64); 2] = [("zchunk", zck, 1), ("bita", cba, 3)];
    for (format, make, stretches) in cases {
        let yard = Yard::new();
        let (old, new) = (
            yard.image(format, "old", b""),
            yard.image(format, "new", b""),
        );
        let chunks = [(1, 40), (2, 300), (3, 9), (4, 50), (5, 60), (6, 1)];
        let file = make(&chunks);
        let header = file.len() as u64 - 460;
        yard.put(&new.index, &file);
        yard.put(&old.index, &make(&[(9, 5), (2, 300), (5, 60)]));
        let object = new.index.clone();
        // All chunks are adjacent: two requests for the header and one for the chunks.
        let whole = yard.expect(&new, &[]).unwrap();
        assert_eq!(whole, [Expected::exactly(&object, 3, header + 460)]);
        // 1, then 3 and 4, then 6: three ranges, which zchunk sends in one request.
        let some = yard.expect(&new, &[old]).unwrap();
        let bytes = header + 40 + 9 + 50 + 1;
        assert_eq!(some, [Expected::exactly(&object, 2 + stretches, bytes)]);
        let none = yard.expect(&new, std::slice::from_ref(&new)).unwrap();
        assert_eq!(none, [Expected::exactly(&object, 2, header)]);
    }
}

/// zckdl asks for the longest possible lead first, 89 bytes, and uses what came of chunks with it or not.
#[test]
fn a_zchunk_header_that_is_shorter_than_the_first_request_leaves_two_figures() {
    let yard = Yard::new();
    let new = yard.image("zchunk", "new", b"");
    // SHA-1, the shortest that zchunk itself writes.
    let sha1 = |chunks: &[(u8, u64)]| zck_of((0, 20), chunks);
    let file = sha1(&[(1, 40)]);
    let header = file.len() as u64 - 40;
    assert!(header < 89 && file.len() > 89);
    yard.put(&new.index, &file);
    let [expected] = yard.expect(&new, &[]).unwrap().try_into().unwrap();
    assert_eq!(expected.requests, 1..=2);
    assert_eq!(expected.payload_bytes, header + 40..=89 + 40);
    // One that is just as long leaves a single figure; of a longer one the rest is a request of its own.
    for (chunks, requests) in [(2, 2), (3, 3)] {
        let chunks: Vec<(u8, u64)> = (0..chunks).map(|at| (at, 40)).collect();
        yard.put(&new.index, &sha1(&chunks));
        assert_eq!(
            yard.expect(&new, &[]).unwrap()[0].requests,
            requests..=requests
        );
    }
}

/// Observed with zchunk 1.2.3 for 254, 255, 256, 257 and 300 ranges, and with zsync 0.6.2.
#[test]
fn more_ranges_than_fit_a_request_are_another_request() {
    for (ranges, requests) in [(254, 3), (255, 3), (256, 4), (510, 4), (511, 5)] {
        let yard = Yard::new();
        let (old, new) = (
            yard.image("zchunk", "old", b""),
            yard.image("zchunk", "new", b""),
        );
        // The base has every second chunk.
        let chunks: Vec<(u8, u64)> = (0..ranges).flat_map(|_| [(1, 40), (2, 50)]).collect();
        yard.put(&new.index, &zck(&chunks));
        yard.put(&old.index, &zck(&[(1, 40)]));
        let expected = yard.expect(&new, &[old]).unwrap();
        assert_eq!(expected[0].requests, requests..=requests, "{ranges}");
    }
    for (ranges, requests) in [(19, 1), (20, 1), (21, 2), (40, 2), (41, 3)] {
        let yard = Yard::new();
        let image = Dice::new(3).bytes(2 * 16 * ranges);
        let mut base = image.clone();
        for block in (0..ranges).map(|range| 2 * range) {
            base[block * 16] ^= 1;
        }
        let (old, new) = (
            yard.image("zsync", "old", &base),
            yard.image("zsync", "new", &image),
        );
        yard.put("new", &image);
        yard.put(&new.index, &zsync_of(&image, 1));
        let expected = yard.expect(&new, &[old]).unwrap();
        assert_eq!(
            expected[1],
            Expected::exactly("new", requests, 16 * ranges as u64)
        );
    }
}

#[test]
fn zsync_finds_in_a_base_exactly_what_its_rules_find() {
    let mut dice = Dice::new(8);
    let image = dice.bytes(16 * 10 + 5);
    let expect = |sequence: usize, base: &[u8]| {
        let yard = Yard::new();
        let (old, new) = (
            yard.image("zsync", "old", base),
            yard.image("zsync", "new", &image),
        );
        yard.put("new", &image);
        yard.put("new.zsync", &zsync_of(&image, sequence));
        let expected = yard.expect(&new, &[old]).unwrap();
        assert_eq!(expected[0].object, "new.zsync");
        expected.get(1).map_or((0, 0), |data| {
            (*data.requests.start(), *data.payload_bytes.start())
        })
    };
    for sequence in [1, 2] {
        assert_eq!(expect(sequence, &image), (0, 0));
        assert_eq!(expect(sequence, b""), (1, 165));
        assert_eq!(expect(sequence, &dice.bytes(1000)), (1, 165));
        // Moved by three bytes; the short last block is at the end of the base.
        assert_eq!(
            expect(sequence, &[&dice.bytes(3)[..], &image].concat()),
            (0, 0)
        );
        // One byte changed in the fifth block.
        let mut changed = image.clone();
        changed[4 * 16] ^= 1;
        assert_eq!(expect(sequence, &changed), (1, 16));
    }
    // A single block matches unless two are required.
    let alone = [&dice.bytes(50)[..], &image[32..48], &dice.bytes(50)].concat();
    assert_eq!(expect(1, &alone), (1, 165 - 16));
    assert_eq!(expect(2, &alone), (1, 165));
}

#[test]
fn a_control_file_that_does_not_fit_its_image_is_an_error() {
    let image = Dice::new(8).bytes(100);
    let good = String::from_utf8_lossy(&zsync_of(&image, 1)[..120]).into_owned();
    let head = good.split("\n\n").next().unwrap();
    for (from, to, words) in [
        (
            "Length: 100",
            "Length: 99",
            "says 99 bytes, but the image has 100",
        ),
        (
            "Length: 100",
            "Length: 18446744073709551615",
            "bytes are too many",
        ),
        ("Length: 100", "Length: -1", "Length: -1"),
        ("Blocksize: 16", "Blocksize: 0", "not a power of two"),
        ("Blocksize: 16", "Blocksize: 24", "not a power of two"),
        (
            "Blocksize: 16",
            "Blocksize: 4294967296",
            "not a power of two",
        ),
        ("Hash-Lengths: 1,4,16", "Hash-Lengths: 3,4,16", "limits"),
        ("Hash-Lengths: 1,4,16", "Hash-Lengths: 1,4,17", "limits"),
        ("Hash-Lengths: 1,4,16", "Hash-Lengths: 1", "limits"),
        (
            "URL: new",
            "URL: http://127.0.0.1/new",
            "not a path in the store",
        ),
        ("URL: new", "URL: ", "\"\" is not a path in the store"),
        ("URL: new", "URL: old/", "not a path in the store"),
        ("URL: new", "URL: old", "old: it is no file in the store"),
        ("URL: new", "URL: gone", "gone"),
        ("URL: new", "Z-URL: new", "cannot be computed here"),
    ] {
        let yard = Yard::new();
        let new = yard.image("zsync", "new", &image);
        yard.put("new", &image);
        fs::create_dir(yard.store.object("old")).unwrap();
        let mut file = zsync_of(&image, 1);
        let sums = file.split_off(head.len());
        let file = [head.replace(from, to).into_bytes(), sums].concat();
        yard.put("new.zsync", &file);
        let why = format!("{:#}", yard.expect(&new, &[]).unwrap_err());
        assert!(why.contains(words), "{to}: {why}");
    }
    let yard = Yard::new();
    let new = yard.image("zsync", "new", &image);
    yard.put("new", &[&image[..], b"pad"].concat());
    yard.put("new.zsync", &zsync_of(&image, 1));
    let why = format!("{:#}", yard.expect(&new, &[]).unwrap_err());
    assert_eq!(why, "new: it has 103 bytes, but new.zsync says 100");
}
