//! Claims about the canonical archive.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::archive::Layout;
use crate::archive::examples::{archive_of, archive_with, gzip, tar_of};
use crate::archive::walk::Entry;

/// A config as docker writes it, with the fields that only docker has.
fn dockers_config() -> Value {
    json!({
        "architecture": "arm64",
        "variant": "v8",
        "author": "",
        "config": {
            "Hostname": "", "AttachStdin": false, "Tty": false, "Image": "sha256:0123",
            "User": "www", "ExposedPorts": { "80/tcp": {} }, "Env": ["PATH=/bin", "EMPTY="], "Cmd": ["/bin/sh"],
            "ArgsEscaped": true, "Volumes": null, "WorkingDir": "", "Entrypoint": null, "OnBuild": null,
            "Healthcheck": { "Test": ["CMD", "true"] },
            "Labels": { "z": "<last>", "a": "" }, "StopSignal": "SIGQUIT",
        },
        "container": "feed", "container_config": { "Hostname": "feed" }, "docker_version": "20.10.24",
        "created": "2024-02-03T04:05:06.120000000Z",
        "history": [
            { "created": "2024-02-03T06:05:06+02:00", "created_by": "ADD a in /" },
            { "created": "2024-02-03T04:05:06.5Z", "created_by": "ENV EMPTY=", "empty_layer": true, "comment": "" },
            { "created": "2024-02-03T04:05:06.5Z", "created_by": "RUN b", "empty_layer": false },
        ],
        "os": "linux",
    })
}

/// The same image's config, as a tool writes it that knows only the OCI format.
fn ocis_config() -> Value {
    json!({
        "created": "2024-02-03T04:05:06.12Z",
        "architecture": "arm64", "variant": "v8", "os": "linux",
        "config": {
            "User": "www", "ExposedPorts": { "80/tcp": {} }, "Env": ["PATH=/bin", "EMPTY="], "Cmd": ["/bin/sh"],
            "Labels": { "a": "", "z": "<last>" }, "StopSignal": "SIGQUIT",
        },
        "history": [
            { "created": "2024-02-03T04:05:06Z", "created_by": "ADD a in /" },
            { "created": "2024-02-03T04:05:06.5Z", "created_by": "ENV EMPTY=", "empty_layer": true },
            { "created": "2024-02-03T04:05:06.5Z", "created_by": "RUN b" },
        ],
    })
}

fn layers() -> [Vec<u8>; 2] {
    [
        tar_of(&[("etc/os-release", b"one"), ("usr/bin/tool", &[7; 30_000])]),
        tar_of(&[("app/main", b"two")]),
    ]
}

/// A gzip of two members; some tools write such layers, so that single files can be read.
fn two_members(bytes: &[u8]) -> Vec<u8> {
    let (head, tail) = bytes.split_at(bytes.len() / 3);
    [gzip(head), gzip(tail)].concat()
}

fn two_frames(bytes: &[u8]) -> Vec<u8> {
    let (head, tail) = bytes.split_at(bytes.len() / 3);
    [head, tail]
        .map(|part| zstd::encode_all(part, 3).unwrap())
        .concat()
}

/// A folder with an archive in it, and the canonical archive of that one.
struct Written {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn try_rewrite(archive: &[u8]) -> Result<Written> {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("archive.tar");
    fs::write(&from, archive).unwrap();
    let path = dir.path().join("canonical.tar");
    rewrite(&from, &File::create(&path).unwrap())?;
    Ok(Written { _dir: dir, path })
}

fn rewritten(archive: &[u8]) -> Vec<u8> {
    fs::read(try_rewrite(archive).unwrap().path).unwrap()
}

fn refusal(archive: &[u8]) -> String {
    match try_rewrite(archive) {
        Ok(_) => panic!("it was taken"),
        Err(error) => format!("{error:#}"),
    }
}

fn read_back(written: &Written) -> Archive {
    match super::super::read(&written.path).unwrap() {
        Content::Image(archive) => archive,
        other => panic!("not an image: {other:?}"),
    }
}

fn contents(written: &Written, entry: &Entry) -> Vec<u8> {
    let bytes = fs::read(&written.path).unwrap();
    bytes[entry.offset as usize..][..entry.length as usize].to_vec()
}

#[test]
fn an_image_gives_the_same_archive_whichever_tool_saved_it() {
    let [base, top] = layers();
    let plain = [base.clone(), top.clone()];
    let canonical = rewritten(&archive_with(Layout::Docker, &plain, dockers_config()));
    let packed: [[Vec<u8>; 2]; 4] = [
        plain,
        [gzip(&base), zstd::encode_all(&top[..], 19).unwrap()],
        [two_members(&base), two_frames(&top)],
        [two_frames(&base), gzip(&top)],
    ];
    for layout in [Layout::Docker, Layout::DockerOci, Layout::Oci] {
        for layers in &packed {
            for config in [dockers_config(), ocis_config()] {
                let again = rewritten(&archive_with(layout, layers, config));
                assert!(again == canonical, "{layout:?}");
            }
        }
    }
    assert!(rewritten(&canonical) == canonical, "its own");
    // Another image gives other bytes.
    let mut other = dockers_config();
    other["config"]["Env"] = json!(["PATH=/bin"]);
    assert!(rewritten(&archive_with(Layout::Docker, &packed[0], other)) != canonical);
}

#[test]
fn layers_keep_their_order_and_a_repeated_one_is_stored_once() {
    let [base, top] = layers();
    let packed = [gzip(&top), gzip(&base), gzip(&top)];
    let written = try_rewrite(&archive_of(Layout::Oci, &packed)).unwrap();
    let archive = read_back(&written);
    assert_eq!(archive.layout, Layout::Oci);
    assert_eq!((archive.layers.len(), archive.compressed_layers()), (3, 0));
    for (layer, plain) in archive.layers.iter().zip([&top, &base, &top]) {
        assert_eq!(layer.digest, sha256_hex(plain));
    }
    assert_eq!(archive.layers[0], archive.layers[2]);
    let names: Vec<&str> = archive
        .entries
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(names.len(), 6, "{names:?}");
    assert_eq!((names[0], names[5]), ("oci-layout", "index.json"));
    assert_eq!(names[1], format!("blobs/sha256/{}", sha256_hex(&top)));
    assert_eq!(names[2], format!("blobs/sha256/{}", sha256_hex(&base)));
}

#[test]
fn owners_times_and_modes_do_not_depend_on_the_machine() {
    let written = rewritten(&archive_of(Layout::Docker, &layers()));
    let mut tar = tar::Archive::new(&written[..]);
    let mut count = 0;
    for entry in tar.entries().unwrap() {
        let header = entry.unwrap().header().clone();
        let owner = (header.uid().unwrap(), header.gid().unwrap());
        assert_eq!((owner, header.mtime().unwrap()), ((0, 0), 0));
        assert_eq!(header.mode().unwrap(), 0o644);
        count += 1;
    }
    assert_eq!(count, 6);
    assert_eq!(written.len() % 512, 0);
}

#[test]
fn the_config_keeps_what_the_image_format_has_and_nothing_else() {
    let archive = archive_with(Layout::Docker, &layers(), dockers_config());
    let written = try_rewrite(&archive).unwrap();
    let [base, top] = layers().map(|layer| sha256_hex(&layer));
    let config = contents(&written, &read_back(&written).images[0].config);
    assert_eq!(
        String::from_utf8(config).unwrap(),
        format!(
            "{}{}{}{}",
            r#"{"architecture":"arm64","config":{"Cmd":["/bin/sh"],"Env":["PATH=/bin","EMPTY="],"ExposedPorts":{"80/tcp":{}},"#,
            r#""Labels":{"a":"","z":"<last>"},"StopSignal":"SIGQUIT","User":"www"},"created":"2024-02-03T04:05:06.12Z","#,
            r#""history":[{"created":"2024-02-03T04:05:06Z","created_by":"ADD a in /"},{"created":"2024-02-03T04:05:06.5Z","created_by":"ENV EMPTY=","empty_layer":true},{"created":"2024-02-03T04:05:06.5Z","created_by":"RUN b"}],"#,
            format_args!(
                r#""os":"linux","rootfs":{{"diff_ids":["sha256:{base}","sha256:{top}"],"type":"layers"}},"variant":"v8"}}"#
            ),
        )
    );
}

#[test]
fn a_layer_that_does_not_match_the_config_is_refused() {
    let [base, top] = layers();
    // Another layer under the DiffID of `top`, compressed, so that its digest does not show it.
    let config =
        crate::archive::examples::config_of(&[base.clone(), top], json!({ "os": "linux" }));
    let dir = tempfile::tempdir().unwrap();
    let part_of = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        (File::open(&path).unwrap(), bytes.len() as u64)
    };
    let files = [part_of("one", &gzip(&base)), part_of("two", &gzip(&base))];
    let parts: Vec<FilePart> = files
        .iter()
        .map(|(file, length)| FilePart {
            file,
            what: "layer two".to_string(),
            offset: 0,
            length: *length,
        })
        .collect();
    let out = File::create(dir.path().join("out")).unwrap();
    let error = canonical(config.as_bytes(), &parts, &out).unwrap_err();
    let said = format!("layer two: its tar has the sha256 {}", sha256_hex(&base));
    assert!(error.to_string().starts_with(&said), "{error:#}");

    let error = canonical(config.as_bytes(), &parts[..1], &out).unwrap_err();
    assert_eq!(
        error.to_string(),
        "its config lists 2 DiffIDs, its manifest 1 layers"
    );
    let error = canonical(b"{\"type\": \"a chart\"}", &[], &out).unwrap_err();
    assert!(
        error.to_string().contains("it is not a container image"),
        "{error:#}"
    );
}

#[test]
fn what_is_not_one_image_is_refused() {
    assert!(refusal(&tar_of(&[("etc/passwd", b"root")])).contains("a tar without a manifest"));
    assert!(refusal(b"an ordinary file").contains("not a tar"));
    let two = |second: &str| {
        let config = r#"{"rootfs":{"diff_ids":[]}}"#;
        let manifest = format!(
            r#"[{{"Config":"a.json","RepoTags":["x:1"],"Layers":[]}},{{"Config":"{second}","RepoTags":["y:1"],"Layers":[]}}]"#
        );
        let files = [
            ("a.json", config),
            ("b.json", config),
            ("manifest.json", &manifest),
        ];
        tar_of(&files.map(|(name, text)| (name, text.as_bytes())))
    };
    assert!(refusal(&two("b.json")).contains("it holds several images"));
    // One image under two names is one image.
    assert!(try_rewrite(&two("a.json")).is_ok());
}

/// Runs skopeo and returns its output. If it is not installed, says that the test was skipped and returns `None`.
fn skopeo(arguments: &[&str]) -> Option<String> {
    let Ok(ran) = Command::new("skopeo").args(arguments).output() else {
        eprintln!("skipped: skopeo is not installed");
        return None;
    };
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "skopeo {arguments:?}: {errors}");
    Some(String::from_utf8_lossy(&ran.stdout).into_owned())
}

#[test]
fn skopeo_reads_it_and_finds_the_same_layers_and_history() {
    let archive = archive_with(Layout::Docker, &layers(), dockers_config());
    let written = try_rewrite(&archive).unwrap();
    let from = format!("oci-archive:{}", written.path.display());
    let Some(said) = skopeo(&["inspect", &from]) else {
        return;
    };
    let said: Value = serde_json::from_str(&said).unwrap();
    let ids = layers().map(|layer| format!("sha256:{}", sha256_hex(&layer)));
    assert_eq!(said["Layers"], json!(ids));
    assert_eq!(said["Labels"], json!({ "a": "", "z": "<last>" }));
    let config = skopeo(&["inspect", "--config", &from]).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"], json!(ids));
    assert_eq!(config["history"], ocis_config()["history"]);
    assert_eq!(config["config"], ocis_config()["config"]);

    // Back in docker's own layout it is the same image.
    let back = written.path.with_file_name("back.tar");
    let to = format!("docker-archive:{}:delta-lab-test:1", back.display());
    skopeo(&["copy", "--quiet", &from, &to]).unwrap();
    let canonical = fs::read(&written.path).unwrap();
    let again = rewritten(&fs::read(&back).unwrap());
    assert!(again == canonical, "skopeo and docker's layout changed it");
}
