//! The machine and the versions of what ran on it.

use std::collections::BTreeMap;

use crate::record::{Host, Results, Timed};
use crate::report::block::{Block, Column, Grid, Keep, METHOD};
use crate::report::{clean, units};
use crate::stats::Reading;

pub fn blocks(results: &Results, reading: &Reading) -> Vec<Block> {
    let mut blocks = vec![Block::Head {
        level: 1,
        text: "Machine and versions".to_string(),
    }];
    match &results.merged {
        None => blocks.push(host(&results.host)),
        Some(merged) => {
            let said = "Merged from the folders of shards, made on:".to_string();
            blocks.push(Block::Text(said));
            blocks.extend(merged.machines().into_iter().map(host));
        }
    }
    blocks.extend(versions(reading));
    let absent = absent(&results.host, reading);
    if !absent.is_empty() {
        let said = "Not able to run on this machine:".to_string();
        blocks.extend([Block::Text(said), Block::List(absent)]);
    }
    blocks
}

fn host(host: &Host) -> Block {
    if host.lab.is_empty() {
        let said = "There is no host.toml beside these rows, so the machine is not known.";
        return Block::Text(said.to_string());
    }
    let memory = units::bytes(host.memory_bytes);
    let room = match host.room.as_str() {
        "" => "not recorded: made before steps were locked in",
        room => room,
    };
    Block::List(vec![
        format!("delta-lab {}, started {}", host.lab, host.started),
        host.command.join(" "),
        match host.machine.as_str() {
            "" => format!("{}, kernel {}", host.os, host.kernel),
            machine => format!("{machine}: {}, kernel {}", host.os, host.kernel),
        },
        format!("{}, {} cores, {memory} of memory", host.cpu, host.cores),
        format!("what kept a step from all but its own: {room}"),
    ])
}

/// Whose times are shown, and whose are not.
pub fn timed(timed: &Timed) -> String {
    format!(
        "{}: times and memory are those of {}; those of {} rows made on other machines are in rows.csv, and not shown beside them.",
        timed.scenario,
        timed.machine,
        units::count(timed.withheld as u64)
    )
}

fn versions(reading: &Reading) -> Option<Block> {
    let sections = reading.scenarios.iter().flat_map(|it| &it.sections);
    let versions: BTreeMap<&str, &str> = sections
        .flat_map(|section| &section.methods)
        .filter(|method| !method.version.is_empty())
        .map(|method| (method.method, method.version))
        .collect();
    let methods = versions.keys().map(|method| (*method).to_string());
    let texts = versions.values().map(|version| clean::short(version));
    let grid = Grid {
        columns: vec![
            Column::names(Keep::Always, "method", methods.collect::<Vec<_>>())
                .measuring(METHOD, None),
            Column::names(Keep::Always, "version", texts.collect::<Vec<_>>()),
        ],
    };
    (!versions.is_empty()).then_some(Block::Grid(grid))
}

/// Methods that a run of schema 1 left out, where no scenario names them.
fn absent(host: &Host, reading: &Reading) -> Vec<String> {
    let plans = reading.scenarios.iter().flat_map(|it| &it.plan.methods);
    let planned: Vec<&str> = plans.map(|method| method.name.as_str()).collect();
    let skipped = host.skipped.iter();
    skipped
        .filter(|(method, _)| !planned.contains(&method.as_str()))
        .map(|(method, reason)| format!("{method}: {}", clean::short(reason)))
        .collect()
}
