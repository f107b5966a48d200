//! What a client asks for: ranges of an object of any length.

#![no_main]

use delta_lab::wire::range::{self, Ranges};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|asked: (u64, &str)| {
    let (length, header) = asked;
    match range::asked(header, length) {
        Ranges::Whole | Ranges::Unsatisfiable => {}
        Ranges::Slices(slices) => {
            assert!(!slices.is_empty());
            for slice in slices {
                assert!(slice.bytes > 0 && slice.last() < length, "{header} of {length}: {slice:?}");
            }
        }
    }
});
