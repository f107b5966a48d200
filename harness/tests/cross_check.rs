//! A figure that the format of a tool's files contradicts is an error in the row: for each format, four ways to be caught.

use std::fs;

use delta_lab::record::{Row, Verb};

use crate::bench::{Bench, has, noise};

/// A tool whose format the lab reads, as commands of a declared method.
struct Tool {
    format: &'static str,
    programs: &'static [&'static str],
    /// The table's other keys.
    objects: &'static str,
    publish: &'static str,
    /// Updates without a base, and as little as the tool can with one.
    update: &'static str,
    from_base: &'static str,
    /// With a base, and without using it: what an update is whose base was named wrongly, and that says nothing.
    in_vain: &'static str,
    /// A program that fetches again something the update fetched already.
    twice: &'static str,
    /// Whether the tool minds bytes behind the end of its index.
    minds_padding: bool,
}

const TOOLS: [Tool; 4] = [
    Tool {
        format: "casync",
        programs: &["casync"],
        objects: "index = '{name}.caibx'\nchunks = 'default.castr'",
        publish: "['casync', '--chunk-size=16384', '--store={store}/default.castr', 'make', '{store}/{name}.caibx', '{image}']",
        update: "['casync', '--store={url}/default.castr', 'extract', '{url}/{name}.caibx', '{out}']",
        from_base: "['casync', '--store={url}/default.castr', '{each-base:--seed=}', 'extract', '{url}/{name}.caibx', '{out}']",
        // casync only warns of a seed that is not there.
        in_vain: "['casync', '--store={url}/default.castr', '--seed={tmp}/no-such-file', 'extract', '{url}/{name}.caibx', '{out}']",
        // A chunk that the base has not, by the name that casync gives it here.
        twice: r#"['sh', '-c', '''casync --chunk-size=16384 --store=o.castr make o.caibx $1 && casync --chunk-size=16384 --store=b.castr make b.caibx $2 &&
            for chunk in $(cd o.castr && find * -name "*.cacnk"); do
                if ! test -e b.castr/$chunk; then curl -fsS -o again $0/default.castr/$chunk; exit; fi
            done''', '{url}', '{out}', '{base}']"#,
        minds_padding: true,
    },
    Tool {
        format: "zsync",
        programs: &["zsync", "zsyncmake"],
        objects: "index = '{name}.zsync'",
        publish: "['cp', '{image}', '{store}/{name}'], ['zsyncmake', '-u', '{name}', '-f', '{name}', '-o', '{store}/{name}.zsync', '{image}']",
        update: "['zsync', '-q', '-o', '{out}', '{url}/{name}.zsync']",
        from_base: "['zsync', '-q', '-i', '{base}', '-o', '{out}', '{url}/{name}.zsync']",
        in_vain: "['zsync', '-q', '-o', '{out}', '{url}/{name}.zsync']",
        twice: "['curl', '-fsS', '-o', '{tmp}/again', '-r', '100352-102399', '{url}/{name}']",
        minds_padding: false,
    },
    Tool {
        format: "zchunk",
        programs: &["zck", "zckdl", "unzck"],
        objects: "index = '{name}.zck'",
        publish: "['zck', '-o', '{store}/{name}.zck', '{image}']",
        update: "['zckdl', '--fail-no-ranges', '{url}/{name}.zck'], { run = ['unzck', '-c', '{tmp}/{name}.zck'], stdout = '{out}' }",
        from_base: "['zck', '-o', '{tmp}/base', '{base}'], ['zckdl', '--fail-no-ranges', '-s', '{tmp}/base', '{url}/{name}.zck'], { run = ['unzck', '-c', '{tmp}/{name}.zck'], stdout = '{out}' }",
        in_vain: "['zckdl', '--fail-no-ranges', '{url}/{name}.zck'], { run = ['unzck', '-c', '{tmp}/{name}.zck'], stdout = '{out}' }",
        twice: "['curl', '-fsS', '-o', '{tmp}/again', '-r', '100000-100999', '{url}/{name}.zck']",
        minds_padding: false,
    },
    Tool {
        format: "bita",
        programs: &["bita"],
        objects: "index = '{name}.cba'",
        // bita 0.15.0 does not wait for its last write, and small archives lack their end: the library makes them here.
        publish: "['cp', 'ARCHIVES/{name}.cba', '{store}/{name}.cba']",
        update: "['bita', 'clone', '{url}/{name}.cba', '{out}']",
        from_base: "['bita', 'clone', '{each-base:--seed=}', '{url}/{name}.cba', '{out}']",
        in_vain: "['bita', 'clone', '{url}/{name}.cba', '{out}']",
        twice: "['curl', '-fsS', '-o', '{tmp}/again', '-r', '100000-100999', '{url}/{name}.cba']",
        minds_padding: false,
    },
];

/// A bench with a pair of images, or none when a program is absent.
fn bench(tool: &Tool) -> Option<Bench> {
    if !tool
        .programs
        .iter()
        .chain(&["curl"])
        .all(|program| has(program))
    {
        return None;
    }
    let bench = Bench::new();
    bench.pair("pair", &["method"]);
    for name in ["old", "new"] {
        let image = fs::read(bench.path(&format!("scenarios/{name}.bin"))).unwrap();
        bench.write(&format!("archives/{name}.cba"), archive(&image));
    }
    Some(bench)
}

/// bita's archive of an image.
fn archive(image: &[u8]) -> Vec<u8> {
    use bitar::api::compress::{CreateArchiveOptions, create_archive};
    use bitar::chunker::{Config, FilterBits, FilterConfig};

    let options = CreateArchiveOptions {
        chunker_config: Config::RollSum(FilterConfig {
            filter_bits: FilterBits::from_size(1 << 14),
            min_chunk_size: 1 << 12,
            max_chunk_size: 1 << 16,
            window_size: 64,
        }),
        num_chunk_buffers: 1,
        chunk_hash_length: 64,
        temporary_file_override: None,
        compression: Some(bitar::Compression::zstd(3).unwrap()),
        metadata: Default::default(),
    };
    let mut archive = Vec::new();
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(create_archive(image, &mut archive, &options))
        .unwrap();
    archive
}

/// What the methods here have in common: the programs they need, and the archives that were made for bita.
fn preamble(bench: &Bench) -> String {
    format!(
        "about = 'a test'\nversion = ['curl', '--version']\n\
         room = {{ read = ['{}'], why = 'its archives are made beforehand' }}\n",
        archives(bench)
    )
}

fn archives(bench: &Bench) -> String {
    bench.path("archives").display().to_string()
}

/// Runs a method of these commands on the pair; brings its rows.
fn run(bench: &Bench, tool: &Tool, publish: &str, update: &str, from_base: &str) -> Vec<Row> {
    bench.write(
        "scenarios/methods/method.toml",
        format!(
            "{}[publish]\nrun = [{}]\n[update]\nrun = [{update}]\n[update-from-base]\nrun = [{from_base}]\n\
             [cross-check]\nformat = '{}'\n{}\n",
            preamble(bench),
            publish.replace("ARCHIVES", &archives(bench)),
            tool.format,
            tool.objects
        ),
    );
    bench.run(&["run", "pair", "--into", "results"]);
    let rows = bench.rows("results");
    assert_eq!(rows.len(), 4, "{}: {rows:?}", tool.format);
    fs::remove_dir_all(bench.path("results")).unwrap();
    rows
}

/// The row of the update from a base, which fails for this reason while all others stand.
fn only_the_update_from_a_base_fails(rows: &[Row], tool: &Tool, words: &[&str]) {
    for row in rows {
        if row.verb == Verb::Publish || row.bases.is_empty() {
            assert!(row.verified(), "{}: {}", tool.format, row.error);
            continue;
        }
        assert!(!row.verified() && row.payload_bytes.is_none(), "{row:?}");
        assert!(row.error.starts_with("cross-check: "), "{}", row.error);
        for word in words {
            assert!(row.error.contains(word), "{}: {}", tool.format, row.error);
        }
    }
}

/// Every tool with what is to be tried on it.
fn each(claim: fn(&Tool, &Bench)) {
    for tool in &TOOLS {
        if let Some(bench) = bench(tool) {
            claim(tool, &bench);
        }
    }
}

#[test]
fn what_the_tools_do_is_what_their_formats_say() {
    each(|tool, bench| {
        let rows = run(bench, tool, tool.publish, tool.update, tool.from_base);
        for row in &rows {
            assert!(row.verified(), "{}: {}", tool.format, row.error);
        }
        let payload = |base: &str| {
            let mut rows = rows.iter().filter(|row| row.verb == Verb::Update);
            let row = rows.find(|row| row.bases.to_string() == base).unwrap();
            row.payload_bytes.unwrap()
        };
        assert!(payload("old") < payload("") / 2, "{}", tool.format);
    });
}

#[test]
fn what_is_fetched_twice_fails_the_row() {
    each(|tool, bench| {
        let twice = format!("{}, {}", tool.from_base, tool.twice);
        let rows = run(bench, tool, tool.publish, tool.update, &twice);
        only_the_update_from_a_base_fails(&rows, tool, &["bytes crossed in", "expected"]);
        if tool.format == "casync" {
            let error = &rows.last().unwrap().error;
            assert!(error.contains(".cacnk: "), "{error}");
            assert!(error.contains(" in 2 requests, "), "{error}");
            assert!(error.ends_with(" in 1 expected"), "{error}");
        }
    });
}

#[test]
fn a_base_that_did_not_help_fails_the_row() {
    each(|tool, bench| {
        let rows = run(bench, tool, tool.publish, tool.update, tool.in_vain);
        only_the_update_from_a_base_fails(&rows, tool, &["bytes crossed in", "expected"]);
        if tool.format == "casync" {
            let error = &rows.last().unwrap().error;
            assert!(
                error.contains("no client with these bases needs it"),
                "{error}"
            );
        }
    });
}

#[test]
fn an_object_that_nobody_needs_fails_the_row() {
    each(|tool, bench| {
        let index = tool.objects.split('\'').nth(1).unwrap();
        let other = index.replace("{name}", "{base-name}");
        let more = format!(
            "{}, ['curl', '-fsS', '-o', '{{tmp}}/more', '{{url}}/{other}']",
            tool.from_base
        );
        let rows = run(bench, tool, tool.publish, tool.update, &more);
        let object = index.replace("{name}", "old");
        let words = format!("{object}: requested, but no client with these bases needs it");
        only_the_update_from_a_base_fails(&rows, tool, &[&words]);
        // One that is not even there.
        let more = more.replace("-fsS", "-sS").replace(&other, "nothing");
        let rows = run(bench, tool, tool.publish, tool.update, &more);
        only_the_update_from_a_base_fails(&rows, tool, &["nothing: requested"]);
    });
}

#[test]
fn a_padded_index_fails_the_publish_that_wrote_it() {
    each(|tool, bench| {
        let index = tool.objects.split('\'').nth(1).unwrap();
        let publish = format!(
            "{}, ['sh', '-c', 'head -c 64 /dev/zero >> $0', '{{store}}/{index}']",
            tool.publish
        );
        let rows = run(bench, tool, &publish, tool.update, tool.from_base);
        let error = &rows[0].error;
        assert!(rows.iter().all(|row| !row.verified()), "{}", tool.format);
        if tool.minds_padding {
            // It refuses the file itself; that the lab would is shown on files made by hand.
            assert!(error.contains(tool.programs[0]), "{error}");
        } else {
            assert!(error.contains("cross-check: old."), "{error}");
            assert!(error.contains("64 bytes follow its end at"), "{error}");
        }
    });
}

#[test]
fn the_table_is_checked_when_the_file_is_read() {
    let bench = Bench::new();
    for (table, words) in [
        (
            "format = 'casnyc'\nindex = 'x'",
            "method.toml:8: [cross-check]: \"casnyc\": no format `casnyc`; did you mean `casync`?",
        ),
        (
            "format = 'tar'\nindex = 'x'",
            "there are bita, casync, desync, zchunk, zsync",
        ),
        (
            "format = 'casync'\nindex = '{name}.caibx'",
            "chunks is missing",
        ),
        (
            "format = 'zsync'\nindex = '{name}.zsync'\nchunks = 'x'",
            "chunks has no meaning",
        ),
        (
            "format = 'zsync'\nindex = '{store}/x'",
            "method.toml:9: [cross-check]: \"{store}/x\": {store} has no place in [cross-check]",
        ),
        (
            "format = 'zsync'\nindex = '{each-base:x}'",
            "{each-base:…} has no place in [cross-check]",
        ),
        ("format = 'zsync'\nindex = '{nmae}'", "did you mean `name`?"),
        ("format = 'zsync'", "missing field `index`"),
        (
            "format = 'zsync'\nindex = 'x'\nindices = 'y'",
            "unknown field `indices`",
        ),
    ] {
        bench.write(
            "method.toml",
            format!("about = ''\nversion = ['true']\n[publish]\nrun = [['true']]\n[update]\nrun = [['true']]\n[cross-check]\n{table}\n"),
        );
        let said = bench.expect(&["check-method", "method.toml"], 2);
        assert!(said.contains(words), "{table}: {said}");
    }
}

#[test]
fn a_cross_check_is_no_part_of_the_version() {
    let bench = Bench::new();
    bench.pair("pair", &["method"]);
    bench.write("scenarios/old.bin", noise(1, 1000));
    let method = "about = ''\nversion = ['cp', '--version']\n[publish]\nrun = [['cp', '{image}', '{store}/{name}']]\n\
                  [update]\nrun = [['false']]\n";
    let mut versions = Vec::new();
    for table in ["", "[cross-check]\nformat = 'zsync'\nindex = '{name}'\n"] {
        bench.write("scenarios/methods/method.toml", format!("{method}{table}"));
        bench.expect(&["run", "pair", "--into", "results"], 1);
        versions.push(bench.rows("results")[0].version.clone());
        fs::remove_dir_all(bench.path("results")).unwrap();
    }
    assert_eq!(versions[0], versions[1]);
}

#[test]
fn the_built_in_bita_is_held_to_its_format_too() {
    let bita = delta_lab::method::builtin::builtin("bita/64k").unwrap();
    let image = delta_lab::image::Image {
        name: "v1".to_string(),
        path: "/images/v1".into(),
        bytes: 0,
        sha256: String::new(),
    };
    let published = bita.cross_check(&image).unwrap().unwrap();
    assert_eq!(
        (published.format.name, published.index.as_str()),
        ("bita", "v1.cba")
    );
    let bench = Bench::new();
    bench.pair("pair", &["bita/64k"]);
    bench.expect(&["run", "pair", "--into", "results"], 0);
    assert!(bench.rows("results").iter().all(Row::verified));
}

#[test]
fn a_method_that_has_no_use_for_a_base_is_held_to_what_a_client_with_nothing_pulls() {
    for tool in &TOOLS {
        let Some(bench) = bench(tool) else {
            continue;
        };
        bench.write(
            "scenarios/methods/method.toml",
            format!(
                "{}[publish]\nrun = [{}]\n[update]\nrun = [{}]\n\
                 [cross-check]\nformat = '{}'\n{}\n",
                preamble(&bench),
                tool.publish.replace("ARCHIVES", &archives(&bench)),
                tool.update,
                tool.format,
                tool.objects
            ),
        );
        bench.expect(&["run", "pair", "--into", "results/r"], 0);
        assert_eq!(bench.rows("results/r").len(), 4, "{}", tool.format);
    }
}
