//! Axes: what a scenario may turn, and the cases that come of it.

use anyhow::{Result, bail};

use super::policy::{DEFAULT, POLICIES};
use crate::record::{Case, Clients, FORM, FORM_AS_IS, Fault, RangeLimit, Road};
use crate::words;

/// An axis by name.
pub struct Axis {
    pub name: &'static str,
    pub about: &'static str,
    /// What holds where a scenario does not turn it.
    pub default: &'static str,
    /// Whether what a publish leaves may depend on its value, beyond the images that are published and their bases.
    pub publishes: bool,
    /// Refuses a value that it does not have; the error says which there are.
    pub check: fn(&str) -> Result<()>,
}

/// The axis that [`POLICIES`](super::policy::POLICIES) are the values of.
pub const POLICY: &str = "policy";

/// The axis that says how many processors a step may use: on one, algorithms are compared; on all, tools as they are used.
pub const CORES: &str = "cores";
/// Its value for a step that may use whatever the lab may.
const ALL_CORES: &str = "all";

/// The axis that says where the bases of an update lie when it begins: in memory, as files do that were just written, or on
/// the disk alone, as on a device that was switched on. What is read of them can be told of the second alone.
pub const CACHE: &str = "cache";
const WARM: &str = "warm";
pub const COLD: &str = "cold";

/// Every axis.
pub const AXES: &[Axis] = &[
    Axis {
        name: POLICY,
        about: "what is published with which bases, and which updates are made",
        default: DEFAULT,
        publishes: false,
        check: |value| {
            let names = || POLICIES.iter().map(|policy| policy.name);
            if !names().any(|name| name == value) {
                bail!("no policy `{value}`{}", words::meant(value, names()));
            }
            Ok(())
        },
    },
    Axis {
        name: Fault::AXIS,
        about: "what befalls each update half way, before it is tried again",
        default: Fault::NONE,
        publishes: false,
        check: |value| Fault::named(value).map(|_| ()),
    },
    Axis {
        name: Road::AXIS,
        about: "what stands between the store and its clients",
        default: Road::DIRECT,
        publishes: false,
        check: |value| Road::named(value).map(|_| ()),
    },
    Axis {
        name: Clients::AXIS,
        about: "how many clients make each update, one after another",
        default: Clients::ONE,
        publishes: false,
        check: |value| Clients::named(value).map(|_| ()),
    },
    Axis {
        name: RangeLimit::AXIS,
        about: "how many ranges of an object the server answers in one request, and what more get",
        default: RangeLimit::ALL,
        publishes: false,
        check: |value| RangeLimit::named(value).map(|_| ()),
    },
    Axis {
        name: FORM,
        about: "what the images are turned into, all of them",
        default: FORM_AS_IS,
        publishes: false,
        check: form,
    },
    Axis {
        name: CORES,
        about: "how many processors a step may use",
        default: ALL_CORES,
        publishes: true,
        check: |value| cores(value).map(|_| ()),
    },
    Axis {
        name: CACHE,
        about: "whether a client has its bases in memory, or must read them from its disk",
        default: WARM,
        publishes: false,
        check: |value| cold(value).map(|_| ()),
    },
];

/// Whether a value of the axis [`CACHE`] puts the bases out of memory.
pub fn cold(value: &str) -> Result<bool> {
    match value {
        WARM => Ok(false),
        COLD => Ok(true),
        _ => bail!(
            "no cache `{value}`{}",
            words::meant(value, [WARM, COLD].into_iter())
        ),
    }
}

/// How many processors a value of the axis [`CORES`] leaves a step; nothing for all there are.
pub fn cores(value: &str) -> Result<Option<usize>> {
    if value == ALL_CORES {
        return Ok(None);
    }
    match value.parse() {
        Ok(cores) if cores > 0 && !value.starts_with(['0', '+']) => Ok(Some(cores)),
        _ => bail!("no number of cores `{value}`: write `{ALL_CORES}` or a number from 1"),
    }
}

/// A word, or two with a slash between; a scenario's `[form]` says what they stand for.
fn form(value: &str) -> Result<()> {
    let (name, rest) = value.split_once('/').unwrap_or((value, "1"));
    // A layer may be counted from the top.
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    if !words::is_name(name) || !words::is_name(rest) {
        bail!("no form `{value}`: write `{FORM_AS_IS}`, the NAME of a [form.NAME], or NAME/VALUE");
    }
    Ok(())
}

/// The axis of that name; the error names the nearest right word.
pub fn axis(name: &str) -> Result<&'static Axis> {
    match AXES.iter().find(|axis| axis.name == name) {
        Some(axis) => Ok(axis),
        None => bail!(
            "no axis `{name}`{}",
            words::meant(name, AXES.iter().map(|axis| axis.name))
        ),
    }
}

/// Every combination of the axes' values, the last axis turning fastest; one empty case where no axis is turned.
pub fn cases(axes: &[(String, Vec<String>)]) -> Vec<Case> {
    axes.iter()
        .fold(vec![Case::default()], |cases, (axis, values)| {
            let turned = |case: Case| {
                values
                    .iter()
                    .map(move |value| case.clone().with(axis, value))
            };
            cases.into_iter().flat_map(turned).collect()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_the_values_is_a_case_and_no_axis_is_one_empty_case() {
        let axis =
            |name: &str, values: [&str; 2]| (name.to_string(), values.map(str::to_string).to_vec());
        let turned = cases(&[axis("a", ["1", "2"]), axis("b", ["x", "y"])]);
        let turned: Vec<String> = turned.iter().map(Case::to_string).collect();
        assert_eq!(turned, ["a=1 b=x", "a=1 b=y", "a=2 b=x", "a=2 b=y"]);
        assert_eq!(cases(&[]), [Case::default()]);
    }

    #[test]
    fn the_default_of_each_axis_is_one_of_its_values_and_an_unknown_word_names_the_nearest() {
        for axis in AXES {
            (axis.check)(axis.default).unwrap();
        }
        let why = (AXES[0].check)("prevous").unwrap_err().to_string();
        assert_eq!(why, "no policy `prevous`; did you mean `previous`?");
        assert_eq!(cores("16").unwrap(), Some(16));
        for wrong in ["0", "-1", "+1", "01", "1.5", "", "some"] {
            cores(wrong).unwrap_err();
        }
        let why = axis("polcy").err().unwrap().to_string();
        assert_eq!(why, "no axis `polcy`; did you mean `policy`?");
    }
}
