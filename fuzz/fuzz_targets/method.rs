//! Any text as the file of a declared method: an error with its place, or methods whose commands can be made.

#![no_main]

use std::path::{Path, PathBuf};

use delta_lab::image::Image;
use delta_lab::method::{Call, Doer, declared};
use delta_lab_fuzz::names;
use libfuzzer_sys::fuzz_target;

fn image(name: &str) -> Image {
    Image {
        name: name.to_string(),
        path: PathBuf::from("/images").join(name),
        bytes: 1000,
        sha256: "0".repeat(64),
    }
}

fuzz_target!(|text: &str| {
    let path = Path::new("fuzzed.toml");
    let methods = match declared::parse(path, text) {
        Err(error) => return names(&error, path),
        Ok(methods) => methods,
    };
    let (old, new) = (image("old"), image("new"));
    let calls = [
        Call::Publish {
            image: new.clone(),
            bases: vec![old.clone()],
            store: "/store".into(),
            archive: "/images/new".into(),
        },
        Call::Update {
            name: new.name.clone(),
            bases: vec![old.clone()],
            url: "http://127.0.0.1:12345".to_string(),
            ssh: "/scratch/ssh".into(),
            registry: Some("127.0.0.1:12345".to_string()),
            links: Default::default(),
            out: "/scratch/out".into(),
            held: Some("/scratch/held".into()),
        },
    ];
    for method in methods.iter().take(8) {
        method.cross_check(&new).ok();
        for call in &calls {
            let Ok(commands) = method.commands(call, Path::new("/scratch")) else {
                continue;
            };
            // A client is told neither where the new image is nor where the store is.
            if matches!(call, Call::Update { .. }) {
                let told = format!("{commands:?}");
                for secret in ["/images/new", "\"/store"] {
                    assert!(text.contains(secret.trim_matches('"')) || !told.contains(secret), "{told}");
                }
            }
        }
    }
});
