//! A history may be long: a step with thousands of bases is a step like any other.

use std::fs;
use std::process::Command;

use delta_lab::image::Image;
use delta_lab::method::{BuiltIn, Call, Doer};
use delta_lab::store::Store;
use delta_lab::wire::Wire;

use crate::bench::{Bench, LAB, noise, text};

/// Runs the step as the shim would: the built program with the arguments that the method says.
fn step(method: &BuiltIn, call: &Call, bench: &Bench) {
    let commands = method.commands(call, bench.dir.path()).unwrap();
    let [command] = commands.as_slice() else {
        panic!("a built-in step is one command");
    };
    let ran = Command::new(LAB).args(&command.argv[1..]).output().unwrap();
    assert!(ran.status.success(), "{}", text(&ran.stderr));
}

#[test]
fn a_built_in_step_takes_thousands_of_bases() {
    let bench = Bench::new();
    let file = |name: &str, contents: &[u8]| {
        bench.write(name, contents);
        Image::read(name, &bench.path(name)).unwrap()
    };
    let old = file("old", &noise(1, 3000));
    let new = file("new", &[noise(1, 3000), noise(2, 100)].concat());
    let bases: Vec<Image> = (0..3000)
        .map(|release| Image {
            name: format!("release-{release}"),
            ..old.clone()
        })
        .collect();
    for name in ["raw", "fastcdc/1k", "bita/1k", "zstd-patch/1"] {
        let method = BuiltIn::named(name).unwrap();
        let store = Store::at(&bench.path(&format!("store-{}", name.replace('/', "-")))).unwrap();
        let publish = Call::Publish {
            image: new.clone(),
            bases: bases.clone(),
            store: store.path().to_path_buf(),
            archive: new.path.clone(),
        };
        step(&method, &publish, &bench);
        let wire = Wire::open(&store).unwrap();
        let out = bench.path("out");
        fs::remove_file(&out).ok();
        let update = Call::Update {
            name: new.name.clone(),
            bases: bases.clone(),
            url: wire.url().0,
            ssh: bench.path("ssh"),
            registry: None,
            links: wire.links().clone(),
            out: out.clone(),
            held: None,
        };
        step(&method, &update, &bench);
        wire.close().unwrap();
        assert!(
            fs::read(&out).unwrap() == fs::read(&new.path).unwrap(),
            "{name}"
        );
    }
}
