//! Forms of images: the same scenario over file systems and other layers, and what can't be made here is skipped by name.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use delta_lab::record::{Check, Results, Row};

use crate::bench::{Bench, has, noise, text};

/// Whether trees can be unpacked here; says plainly when a test is skipped for it.
fn root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: only root can unpack an image with its owners");
    }
    root
}

/// A Debian tree in small as a tar: a package whose only file is `tool`, one whose file never changes, dpkg's database. All
/// times are the same, or a second that ends between two trees would change every layer.
fn tree(bench: &Bench, name: &str, tool: &[u8]) {
    bench.write("tool", tool);
    let make = format!(
        "set -e; rm -rf tree; mkdir tree; cd tree; mkdir -p usr/bin var/lib/dpkg/info; cp ../tool usr/bin/tool; \
         chmod 4755 usr/bin/tool; tail -c 100000 ../tool > usr/bin/same; \
         printf '/usr/bin/tool\\n' > var/lib/dpkg/info/tool.list; printf '/usr/bin/same\\n' > var/lib/dpkg/info/same.list; \
         find . -exec touch -d @1700000000 {{}} +; cd ..; tar -C tree -cf scenarios/{name} ."
    );
    let made = Command::new("sh")
        .args(["-c", &make])
        .current_dir(bench.dir.path())
        .status();
    assert!(made.unwrap().success());
}

/// Two releases, in these forms.
fn pair(bench: &Bench, forms: &str) {
    let old = noise(1, 300_000);
    let mut new = old.clone();
    new[1000..2000].copy_from_slice(&noise(2, 1000));
    tree(bench, "old.tar", &old);
    tree(bench, "new.tar", &new);
    let text = format!(
        r#"
about = "a test"
methods = ["raw", "layers", "fastcdc/4k"]
[axes]
form = {forms}
[form.squashfs]
as = "squashfs"
options = ["-b", "{{value}}"]
[form.erofs]
as = "erofs"
[form.layers]
relayer = {{ by = "package", layers = "{{value}}" }}
[[image]]
name = "old"
file = "old.tar"
[[image]]
name = "new"
file = "new.tar"
[[expect]]
says = "as a file system the update is no longer than the image"
of = {{ method = "fastcdc/4k", image = "new", base = "old", case = "form=squashfs/4k" }}
measure = "payload_bytes"
below = {{ share = 1.0, of = "image_bytes" }}
"#
    );
    bench.write("scenarios/forms.toml", text);
}

const ALL: &str = r#"["as-is", "squashfs/{4k,8k,16k,1m}", "erofs", "layers/{1,2,4,8}"]"#;

fn of<'r>(rows: &'r [Row], case: &str, method: &str) -> Vec<&'r Row> {
    let is_meant = |row: &&Row| row.case.to_string() == case && row.method == method;
    rows.iter().filter(is_meant).collect()
}

#[test]
fn each_form_is_an_image_of_its_own_that_every_method_moves() {
    if !root() || !has("mksquashfs") || !has("mkfs.erofs") {
        return;
    }
    let bench = Bench::new();
    pair(&bench, ALL);
    bench.expect(&["run", "forms", "--into", "results/r"], 0);
    let results = Results::load(&bench.path("results/r")).unwrap();
    let rows = &results.rows;
    assert!(
        rows.iter()
            .all(|row| matches!(row.check, Check::Exact | Check::Skipped)),
        "{rows:?}"
    );
    for case in ["as-is", "squashfs/4k", "squashfs/1m", "erofs", "layers/8"] {
        let case = format!("form={case}");
        let raw = of(rows, &case, "raw");
        assert_eq!(raw.len(), 4, "{case}");
        for row in raw {
            let image = results.plan.scenarios[0].image(&row.image, &row.case);
            let image = image.unwrap();
            assert_eq!(
                (image.bytes, image.sha256.as_str()),
                (row.image_bytes, &*row.image_sha256),
                "the plan knows the image of {case}"
            );
        }
    }
    // A file system has no layers.
    let layers = of(rows, "form=erofs", "layers");
    assert!(layers.iter().all(|row| row.check == Check::Skipped));
    // One layer moves the whole image, more move what changed: the tool, and not the other file.
    let update = |case: &str| {
        let rows = of(rows, case, "layers");
        let update = rows
            .iter()
            .find(|row| !row.bases.is_empty() && row.payload_bytes.is_some());
        update.unwrap().payload_bytes.unwrap()
    };
    assert!(update("form=layers/8") < update("form=layers/1"));

    let plan = std::fs::read_to_string(bench.path("results/r/plan.toml")).unwrap();
    for words in [
        "form = \"squashfs/16k\"",
        "form = \"squashfs -b 16k\"",
        "verified_by",
    ] {
        assert!(plan.contains(words), "`{words}` is not in {plan}");
    }
    let report = text(&bench.run(&["report", "results/r"]).stdout);
    assert!(!report.is_empty());
    let report = std::fs::read_to_string(bench.path("results/r/report.md")).unwrap();
    for words in [
        "Over the forms of the images",
        "| squashfs/16k |",
        "forms-fastcdc-4k.svg",
        "8 layers by package (old as layers/8, new as layers/8)",
    ] {
        assert!(report.contains(words), "`{words}` is not in {report}");
    }
    let known = results.plan;
    // All is there: the images come from the cache, and nothing is run.
    let said = bench.expect(&["run", "forms", "--into", "results/r"], 0);
    assert!(!said.contains("unpacking"), "{said}");
    assert_eq!(Results::load(&bench.path("results/r")).unwrap().plan, known);
}

#[test]
fn a_form_whose_program_is_missing_is_skipped_by_name_and_done_when_it_has_come() {
    if !root() || !has("mksquashfs") {
        return;
    }
    let bench = Bench::new();
    pair(&bench, r#"["as-is", "squashfs/4k", "layers/2"]"#);
    let text_of = std::fs::read_to_string(bench.path("scenarios/forms.toml")).unwrap();
    bench.write(
        "scenarios/forms.toml",
        text_of.replace("[form.erofs]\nas = \"erofs\"\n", ""),
    );
    let run = |path: Option<&str>| {
        let mut command = bench.command(&["run", "forms", "--into", "results/r"]);
        if let Some(path) = path {
            command.env("PATH", path);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        bench.rows("results/r")
    };
    let rows = run(Some("/nowhere"));
    for row in &rows {
        let skipped = row.case.to_string() == "form=squashfs/4k";
        let layerless = row.error.contains("no layers here");
        assert_eq!(
            row.check == Check::Skipped && !layerless,
            skipped,
            "{row:?}"
        );
        let why = "mksquashfs is not installed; on Debian: apt-get install squashfs-tools";
        assert_eq!(row.error.contains(why), skipped, "{}", row.error);
    }
    let saved = bench
        .command(&["save", "forms"])
        .env("PATH", "/nowhere")
        .output();
    let saved = text(&saved.unwrap().stdout);
    assert!(
        saved.contains("forms old as squashfs/4k  skipped: "),
        "{saved}"
    );
    let rows = run(None);
    let left = rows.iter().filter(|row| row.check == Check::Skipped);
    let left: Vec<String> = left.map(|row| row.act().to_string()).collect();
    assert!(left.iter().all(|act| act.contains("layers:")), "{left:?}");
}

#[test]
fn an_ordinary_user_is_told_and_keeps_the_images_that_need_no_unpacking() {
    const NOBODY: u32 = 65_534;
    if !root() {
        return;
    }
    let bench = Bench::new();
    pair(&bench, r#"["as-is", "layers/2"]"#);
    let text_of = std::fs::read_to_string(bench.path("scenarios/forms.toml")).unwrap();
    let text_of = text_of.split("[[expect]]").next().unwrap();
    let start = text_of.find("[form.squashfs]").unwrap();
    let end = text_of.find("[form.layers]").unwrap();
    bench.write(
        "scenarios/forms.toml",
        [&text_of[..start], &text_of[end..]].concat(),
    );
    let everybody = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(bench.dir.path(), everybody).unwrap();
    use std::os::unix::process::CommandExt;
    let mut command = bench.command(&["run", "forms", "--into", "results/r"]);
    let output = command.uid(NOBODY).gid(NOBODY).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for row in bench.rows("results/r") {
        let skipped = row.case.to_string() == "form=layers/2";
        assert_eq!(
            row.check == Check::Skipped && !row.error.contains("no layers"),
            skipped,
            "{row:?}"
        );
        if skipped {
            assert_eq!(&*row.error, "only root can unpack an image with its owners");
        }
    }
}

#[test]
fn an_image_alone_may_have_a_form_too() {
    if !root() || !has("mksquashfs") {
        return;
    }
    let bench = Bench::new();
    tree(&bench, "old.tar", b"tool");
    let scenario = |keys: &str| {
        format!(
            "about = \"a test\"\nmethods = [\"raw\"]\n[[image]]\nname = \"old\"\nfile = \"old.tar\"\n{keys}\n"
        )
    };
    bench.write(
        "scenarios/one.toml",
        scenario("as = \"squashfs\"\noptions = [\"-comp\", \"xz\"]"),
    );
    let listed = text(&bench.run(&["list", "one"]).stdout);
    assert!(listed.contains("old.tar, as squashfs -comp xz"), "{listed}");
    let saved = text(&bench.run(&["save", "one"]).stdout);
    let path = saved.split_whitespace().last().unwrap();
    assert!(path.contains("/images/formed-squashfs-old-"), "{saved}");
    assert_eq!(&std::fs::read(path).unwrap()[..4], b"hsqs");
    for (keys, why) in [
        ("as = \"squash\"", "did you mean `squashfs`?"),
        ("relayer = { by = \"package\", layers = 0 }", "1 to 128"),
        ("normalize = true\nas = \"ext4\"", "leave that out"),
        ("options = [\"-b\"]", "`options` belongs to `as`"),
    ] {
        bench.write("scenarios/one.toml", scenario(keys));
        let said = bench.expect(&["list", "one"], 2);
        assert!(said.contains(why) && said.contains("one.toml:3"), "{said}");
    }
}

/// An image of two layers by package, saved by a scenario, whose archive is then a file of another.
fn layered(bench: &Bench) {
    tree(bench, "old.tar", &noise(1, 300_000));
    bench.write(
        "scenarios/layered.toml",
        "about = \"a test\"\nmethods = [\"raw\"]\n[[image]]\nname = \"old\"\nfile = \"old.tar\"\n\
         relayer = { by = \"package\", layers = 8 }\n",
    );
    let saved = text(&bench.run(&["save", "layered"]).stdout);
    let path = saved.split_whitespace().last().unwrap();
    std::fs::copy(path, bench.path("scenarios/layered.tar")).unwrap();
}

#[test]
fn one_layer_is_an_image_of_its_own_which_probes_and_every_method_take() {
    if !root() {
        return;
    }
    let bench = Bench::new();
    layered(&bench);
    let scenario = |top: &str| {
        format!(
            "about = \"a test\"\nmethods = [\"raw\", \"zstd-patch/3\"]\nprobes = [\"similarity\"]\n\
             [[image]]\nname = \"whole\"\nfile = \"layered.tar\"\n\
             [[image]]\nname = \"lowest\"\nfile = \"layered.tar\"\nlayer = 1\n\
             [[image]]\nname = \"top\"\nfile = \"layered.tar\"\nlayer = {top}\n"
        )
    };
    bench.write("scenarios/one.toml", scenario("-1"));
    bench.expect(&["run", "one", "--into", "results/r"], 0);
    let results = Results::load(&bench.path("results/r")).unwrap();
    assert!(results.rows.iter().all(|row| row.check == Check::Exact));
    let images = &results.plan.scenarios[0].images;
    let layers: u32 = images[0].about["layers"].parse().unwrap();
    assert!(layers > 1);
    let said = |at: usize| {
        (
            images[at].about["layout"].as_str(),
            &*images[at].about["layer"],
        )
    };
    assert_eq!(said(1), ("tar", &*format!("1 of {layers}")));
    assert_eq!(said(2), ("tar", &*format!("{layers} of {layers}")));
    let found =
        |it: &&delta_lab::record::Finding| it.image == "top" && it.measure == "lacking_bytes";
    assert_eq!(results.findings.iter().filter(found).count(), 2);
    // The image has both layers, so that a patch from it is next to nothing.
    let patch = |row: &&Row| row.image == "top" && row.bases.to_string() == "whole";
    let mut patches = results.rows.iter().filter(patch);
    let patch = patches.find(|row| row.method == "zstd-patch/3" && row.payload_bytes.is_some());
    assert!(patch.unwrap().payload_bytes.unwrap() < 2000);

    bench.write("scenarios/one.toml", scenario("9"));
    let why = format!("no layer 9: the image has {layers} layers, from 1 (the lowest) to {layers}");
    let said = bench.expect(&["save", "one"], 2);
    assert!(said.contains(&why) && said.contains("image top"), "{said}");
    bench.write("scenarios/one.toml", scenario("0"));
    let said = bench.expect(&["list", "one"], 2);
    assert!(
        said.contains("one.toml:11") && said.contains("1 is the lowest"),
        "{said}"
    );
}

#[test]
fn the_layers_of_an_image_are_values_of_the_axis_and_need_no_root() {
    if !root() {
        return;
    }
    let bench = Bench::new();
    layered(&bench);
    bench.write(
        "scenarios/axis.toml",
        "about = \"a test\"\nmethods = [\"raw\"]\n[axes]\nform = [\"layer/{1,2,-1}\"]\n\
         [form.layer]\nlayer = \"{value}\"\n[[image]]\nname = \"old\"\nfile = \"layered.tar\"\n",
    );
    let everybody = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(bench.dir.path(), everybody).unwrap();
    use std::os::unix::process::CommandExt;
    let mut command = bench.command(&["run", "axis", "--into", "results/r"]);
    command.env("DELTA_LAB_CACHE", bench.path("nobody"));
    let output = command.uid(65_534).gid(65_534).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let rows = bench.rows("results/r");
    assert!(rows.iter().all(|row| row.check == Check::Exact), "{rows:?}");
    let bytes = |case: &str| of(&rows, case, "raw")[0].image_bytes;
    assert_ne!(bytes("form=layer/1"), bytes("form=layer/2"));
    assert!(bytes("form=layer/-1") > 0);
}

#[test]
fn a_wrong_axis_of_forms_is_refused_with_its_line() {
    let bench = Bench::new();
    bench.pair("pair", &["raw"]);
    let plain = std::fs::read_to_string(bench.path("scenarios/pair.toml")).unwrap();
    for (axes, why) in [
        ("[axes]\nform = [\"ext4\"]\n", "no form `ext4`"),
        ("[axes]\nform = [\"a b\"]\n", "no form `a b`"),
        ("[form.x]\nas = \"ext4\"\n", "does not turn it"),
        (
            "[axes]\nform = [\"x\"]\n[form.x]\nas = \"ext4\"\n[form.y]\nas = \"ext4\"\n",
            "does not name [form.y]",
        ),
        (
            "[axes]\nform = [\"x\"]\n[form.x]\n",
            "none of `as`, `relayer` and `layer`",
        ),
        (
            "probes = [\"chunks\"]\n[axes]\nform = [\"x\"]\n[form.x]\nas = \"ext4\"\n",
            "leave out `probes`",
        ),
    ] {
        let (head, images) = plain.split_once("[[image]]").unwrap();
        bench.write(
            "scenarios/pair.toml",
            format!("{head}{axes}[[image]]{images}"),
        );
        let said = bench.expect(&["list", "pair"], 2);
        assert!(said.contains(why), "{axes}: {said}");
    }
}
