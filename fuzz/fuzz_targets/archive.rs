//! Any bytes as an archive: read, and written anew in the canonical form. An error names the file; what is found lies in
//! it.

#![no_main]

use std::fs::File;

use delta_lab::archive::{self, Content};
use delta_lab_fuzz::{mend_tar, names, place, put};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    mend_tar(&mut bytes);
    let path = put("archive.tar", &bytes);
    let whole = bytes.len() as u64;
    match archive::read(&path) {
        Err(error) => names(&error, &path),
        Ok(Content::Other) => {}
        Ok(Content::Tar(entries)) => {
            assert!(entries.iter().all(|it| it.offset + it.length <= whole));
        }
        Ok(Content::Image(image)) => {
            assert!(image.layers.iter().all(|it| it.offset + it.length <= whole));
            assert!(image.images.iter().all(|it| it.layers.end <= image.layers.len()));
            let to = place("canonical.tar");
            let written = archive::rewrite(&path, &File::create(&to).expect("a file"));
            match written {
                Err(error) => names(&error, &path),
                // What was written once is in the form that a second time does not change.
                Ok(()) => {
                    let again = place("again.tar");
                    archive::rewrite(&to, &File::create(&again).expect("a file"))
                        .expect("a canonical archive can be read");
                    let same = std::fs::read(&to).ok() == std::fs::read(&again).ok();
                    assert!(same, "a canonical archive changes when it is written anew");
                }
            }
        }
    }
});
