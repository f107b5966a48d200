//! Claims about an encoder with a defect: what comes back otherwise is coded in the plainest way, that and no more.

use super::super::encode::faults;
use super::*;

/// More than is also tried without entries.
const MANY: usize = 9 << 20;

/// An image of many bytes that the base has, some new text, and a file that begins with `start`.
fn image(release: u32, start: &[u8]) -> Vec<u8> {
    let mut kept = vec![0; MANY];
    ChaCha8Rng::seed_from_u64(1).fill_bytes(&mut kept);
    let changing = [start.to_vec(), text(9, 4000), text(release, 20)].concat();
    end([
        entry("usr/share/kept", b'0', 0, &kept),
        entry(
            "usr/share/text",
            b'0',
            0,
            &[text(3, 4000), text(release, 9)].concat(),
        ),
        entry("usr/share/changing", b'0', 0, &changing),
    ]
    .concat())
}

/// The patch from one release to the next, and what was said while it was made.
fn made(folder: &Folder, start: &[u8]) -> anyhow::Result<(Vec<u8>, String)> {
    let old = folder.put("old", &image(1, start));
    let new = folder.put("new", &image(2, start));
    let patch = folder.0.path().join("made");
    let said = std::cell::RefCell::new(String::new());
    let say = |text: &str| *said.borrow_mut() += &format!("{text}\n");
    make(Some(&old), &new, &patch, Effort::Fast, &say)?;
    Ok((fs::read(&patch).unwrap(), said.take()))
}

#[test]
fn contents_that_come_back_otherwise_are_coded_plainly_and_no_others() {
    let folder = Folder::new();
    let (good, said) = made(&folder, b"no fault").unwrap();
    assert!(!said.contains("check failed"), "{said}");
    for start in [faults::ANOTHER_BYTE, faults::CUT] {
        let (patch, said) = made(&folder, start).unwrap();
        assert!(said.contains("check failed"), "{start:?}: {said}");
        let new = image(2, start);
        assert!(folder.apply(Some(&image(1, start)), &patch).unwrap() == new);
        let more = patch.len() - good.len();
        // The text, packed; what the base has is still had from there.
        assert!(more > 5_000 && more < 60_000, "{more} bytes more");
    }
}

/// The last resort is the image as bytes without a structure.
#[test]
fn what_comes_back_otherwise_even_then_makes_an_image_plain_bytes() {
    let folder = Folder::new();
    let (patch, said) = made(&folder, faults::ALWAYS).unwrap();
    assert!(said.contains("whole image again as plain bytes"), "{said}");
    let new = image(2, faults::ALWAYS);
    let base = image(1, faults::ALWAYS);
    assert!(folder.apply(Some(&base), &patch).unwrap() == new);
}
