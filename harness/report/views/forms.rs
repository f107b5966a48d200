//! Forms: what an update costs with the images in each of their forms, as a table, and as lines over the value that a form
//! is named with (`layers/8`, `squashfs/128k`).

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{FORM, FORM_AS_IS};
use crate::report::block::{Block, Cell, Column, Grid, Keep, NO_FIGURE, Picture};
use crate::report::plot::{Axis, Lines, Plot, Series, Spacing};
use crate::report::{cells, units};
use crate::stats::{MethodRows, Scenario, Section, transfer_bytes};

use super::picture::plain;
use super::sweep::{bytes_of, size_words};

/// Fewer values than this are no line.
const FEWEST_VALUES: usize = 4;

/// The sections of a scenario that differ in the form alone, each with it.
type Forms<'s, 'a> = Vec<(&'s str, &'s Section<'a>)>;

/// The sections of forms that one name and many values have.
type Family<'s, 'a> = BTreeMap<u64, &'s Section<'a>>;

pub fn blocks(scenario: &Scenario) -> Vec<Block> {
    let mut groups: BTreeMap<String, Forms> = BTreeMap::new();
    for section in &scenario.sections {
        let Some(form) = section.case.get(FORM) else {
            continue;
        };
        let others = section.case.axes().filter(|(axis, _)| *axis != FORM);
        let others: Vec<String> = others
            .map(|(axis, value)| format!("{axis}={value}"))
            .collect();
        let group = groups.entry(others.join(" ")).or_default();
        group.push((form, section));
    }
    let groups = groups.into_iter().filter(|(_, forms)| forms.len() > 1);
    groups
        .flat_map(|(case, forms)| of_group(&scenario.plan.name, &case, &forms))
        .collect()
}

fn of_group(scenario: &str, case: &str, forms: &Forms) -> Vec<Block> {
    let methods = methods(forms);
    if methods.is_empty() {
        return Vec::new();
    }
    let title = match case {
        "" => scenario.to_string(),
        case => format!("{scenario} [{case}]"),
    };
    let head = Block::Head {
        level: 1,
        text: "Over the forms of the images".to_string(),
    };
    let said = "What the main update moves, by each method.".to_string();
    let mut blocks = vec![head, Block::Text(said), Block::Grid(grid(forms, &methods))];
    blocks.push(Block::List(
        methods.iter().map(|it| least(forms, it)).collect(),
    ));
    let families = families(forms);
    let plots: Vec<(String, Lines)> = match families.len() {
        0 => Vec::new(),
        // One line a method, all in one chart.
        1 => vec![(String::new(), of_family(&title, forms, &families, &methods))],
        // One line a family, a chart for each method.
        _ => methods
            .iter()
            .map(|it| ((*it).to_string(), of_method(&title, forms, &families, it)))
            .collect(),
    };
    for (method, plot) in plots {
        blocks.push(Block::Plot(Box::new(Picture {
            name: "forms",
            file: plain(format!("{title}-forms-{method}").trim_end_matches('-')),
            plot: Plot::Lines(plot),
        })));
    }
    blocks
}

/// Every method with a figure under any form, in the order of the ranking under the first.
fn methods<'s>(forms: &Forms<'s, '_>) -> Vec<&'s str> {
    let mut seen = BTreeSet::new();
    let ranked = forms.iter().flat_map(|(_, section)| section.ranked());
    ranked
        .filter(|method| moved(method).is_some())
        .map(|method| method.method)
        .filter(|method| seen.insert(*method))
        .collect()
}

fn moved(method: &MethodRows) -> Option<u64> {
    Some(method.main()?.spread(transfer_bytes)?.median)
}

fn rows<'s, 'a>(section: &'s Section<'a>, method: &str) -> Option<&'s MethodRows<'a>> {
    section.ranked().iter().find(|it| it.method == method)
}

fn grid(forms: &Forms, methods: &[&str]) -> Grid {
    let names = forms.iter().map(|(form, _)| (*form).to_string());
    let image = |section: &Section| -> Cell {
        match section.newest().filter(|image| image.bytes > 0) {
            Some(image) => units::bytes(image.bytes).into(),
            None => NO_FIGURE.into(),
        }
    };
    let images: Vec<Cell> = forms.iter().map(|(_, section)| image(section)).collect();
    let mut columns = vec![
        Column::names(Keep::Always, "form", names.collect()),
        Column::figures(Keep::Always, "image", "image", images),
    ];
    columns.extend(methods.iter().map(|&method| {
        let cell = |section: &Section| match rows(section, method) {
            Some(rows) => cells::moved(rows.main()),
            None => NO_FIGURE.into(),
        };
        let cells: Vec<Cell> = forms.iter().map(|(_, section)| cell(section)).collect();
        Column::figures(Keep::Always, method, method, cells)
    }));
    Grid { columns }
}

/// In which form a method moves least, and beside it what it moves of the images as they are.
fn least(forms: &Forms, method: &str) -> String {
    let bytes = |section: &Section| rows(section, method).and_then(moved);
    let known = forms
        .iter()
        .filter_map(|(form, section)| Some((bytes(section)?, *form)));
    let known: Vec<(u64, &str)> = known.collect();
    let Some((least, form)) = known.iter().min() else {
        return format!("{method}: no figure");
    };
    let plain = known.iter().find(|(_, form)| *form == FORM_AS_IS);
    let beside = plain.filter(|(_, plain)| plain != form).map(|(bytes, _)| {
        format!(
            ", which is {} of what it moves of the images as they are",
            units::share(*least, *bytes)
        )
    });
    let form = match *form {
        FORM_AS_IS => "of the images as they are".to_string(),
        form => format!("as {form}"),
    };
    format!(
        "{method} moves least {form}: {}{}.",
        units::bytes(*least),
        beside.unwrap_or_default()
    )
}

/// The forms of one name whose values are numbers or sizes.
fn families<'s, 'a>(forms: &Forms<'s, 'a>) -> BTreeMap<&'s str, Family<'s, 'a>> {
    let mut families: BTreeMap<&str, Family> = BTreeMap::new();
    for (form, section) in forms {
        if let Some((name, value)) = valued(form) {
            families.entry(name).or_default().insert(value, section);
        }
    }
    families.retain(|_, family| family.len() >= FEWEST_VALUES);
    families
}

/// `layers/8` or `squashfs/128k`.
fn valued(form: &str) -> Option<(&str, u64)> {
    let (name, value) = form.split_once('/')?;
    let value = value.to_lowercase();
    let value = bytes_of(&value).or_else(|| value.parse().ok())?;
    (value > 0).then_some((name, value))
}

/// The forms that are no point of a line, which a chart shows as lines without a slope.
fn flat<'f, 's, 'a>(
    forms: &'f Forms<'s, 'a>,
    families: &'f BTreeMap<&str, Family>,
) -> impl Iterator<Item = &'f (&'s str, &'s Section<'a>)> {
    let in_family = |form: &str| valued(form).is_some_and(|(name, _)| families.contains_key(name));
    forms.iter().filter(move |(form, _)| !in_family(form))
}

fn ends(families: &BTreeMap<&str, Family>) -> [f64; 2] {
    let values = || families.values().flat_map(BTreeMap::keys).copied();
    [values().min(), values().max()].map(|value| value.unwrap_or(1) as f64)
}

fn line(name: String, family: &Family, method: &str) -> Series {
    let points = family.iter().filter_map(|(value, section)| {
        let bytes = moved(rows(section, method)?)?;
        Some((*value as f64, bytes as f64))
    });
    Series {
        name,
        points: points.collect(),
        front: true,
    }
}

fn level(name: String, section: &Section, method: &str, ends: [f64; 2]) -> Option<Series> {
    let bytes = moved(rows(section, method)?)? as f64;
    Some(Series {
        name,
        points: ends.map(|end| (end, bytes)).into(),
        front: true,
    })
}

fn of_family(
    title: &str,
    forms: &Forms,
    families: &BTreeMap<&str, Family>,
    methods: &[&str],
) -> Lines {
    let ends = ends(families);
    let mut series = Vec::new();
    for (family, method) in families
        .values()
        .flat_map(|it| methods.iter().map(move |method| (it, method)))
    {
        series.push(line((*method).to_string(), family, method));
        series.extend(flat(forms, families).filter_map(|(form, section)| {
            level(format!("{method}, {form}"), section, method, ends)
        }));
    }
    let names: Vec<&str> = families.keys().copied().collect();
    let names = names.join(", ");
    chart(
        format!("{title}: an update over the value of {names}"),
        series,
    )
}

fn of_method(title: &str, forms: &Forms, families: &BTreeMap<&str, Family>, method: &str) -> Lines {
    let ends = ends(families);
    let mut series: Vec<Series> = families
        .iter()
        .map(|(name, family)| line((*name).to_string(), family, method))
        .collect();
    series.extend(
        flat(forms, families)
            .filter_map(|(form, section)| level((*form).to_string(), section, method, ends)),
    );
    chart(
        format!("{title}: an update by {method} over the value of a form"),
        series,
    )
}

fn chart(title: String, series: Vec<Series>) -> Lines {
    Lines {
        title,
        subtitle: "The main update. A form without a value is a level line.".to_string(),
        x: Axis {
            words: "the form's parameter".to_string(),
            tick: size_words,
            spacing: Spacing::Log2,
        },
        y: Axis {
            words: "bytes over the wire, lower is better".to_string(),
            tick: |bytes| units::round(units::bytes(bytes as i64)),
            spacing: Spacing::Fitting,
        },
        series,
        marks: Vec::new(),
        notes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_on_a_line_when_its_value_is_a_number_or_a_size() {
        assert_eq!(valued("layers/8"), Some(("layers", 8)));
        assert_eq!(
            valued("squashfs-zstd/128K"),
            Some(("squashfs-zstd", 128 << 10))
        );
        for form in ["as-is", "erofs/lz4hc", "erofs/", "layers/0"] {
            assert_eq!(valued(form), None, "{form}");
        }
    }
}
