//! One trial: the acts of one doer under one case in one sample, done in fresh folders, metered, verified, and written
//! down.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::road::Way;
use super::setting::Setting;
use super::step::{self, Figures};
use super::{hold, ledger, objects, ranges_of, road, room};
use crate::clock::{self, Cold};
use crate::image::Image;
use crate::method::Moves;
use crate::plan::{Planned, Trial};
use crate::record::{Act, Check, Fault, Finding, Row, SCHEMA, Verb};
use crate::store::{Holdings, Store};

/// Longest text of a row's error, in bytes: a tool may print megabytes before it fails.
const ERROR_BYTES: usize = 2000;

/// Does the acts of a trial that `done` has no row of. `starting` hears of each act before it begins, and may end the run;
/// `write` puts each row on disk, with what its act found.
///
/// An error is the lab's own trouble and ends the run; a step that fails is a row.
pub fn run(
    trial: &Trial,
    setting: &Setting,
    done: &BTreeMap<Act, Check>,
    starting: &dyn Fn(&Planned) -> Result<()>,
    write: &mut dyn FnMut(Row, &[Finding]) -> Result<()>,
) -> Result<()> {
    let waiting = || trial.acts.iter().filter(|it| !done.contains_key(&it.act));
    if waiting().next().is_none() {
        return setting.clear();
    }
    if let Err((check, why)) = setting.can_run(trial) {
        for planned in waiting() {
            write(setting.row(planned, check, &why), &[])?;
        }
        return setting.clear();
    }
    let store = setting.store_after(trial, done)?;
    let mut broken: Option<&str> = None;
    // The act that follows a publish, where it was done to prove that.
    let mut proof: Option<(Row, Vec<Finding>)> = None;
    for (at, planned) in trial.acts.iter().enumerate() {
        let failed = match (done.get(&planned.act), broken) {
            (Some(check), _) => *check == Check::Failed,
            (None, Some(image)) => {
                let why = format!("not run: publish of {image} failed");
                write(setting.row(planned, Check::Failed, &why), &[])?;
                continue;
            }
            (None, None) => {
                let (row, found) = match proof.take() {
                    Some(acted) => acted,
                    None => {
                        let next = trial.acts.get(at + 1);
                        let next = next
                            .filter(|next| proves(next, planned) && !done.contains_key(&next.act));
                        starting(planned)?;
                        let mut acted = setting.act(planned, &store, next.is_none())?;
                        if let Some(next) = next.filter(|_| acted.0.verified()) {
                            starting(next)?;
                            let (row, found) = setting.act(next, &store, true)?;
                            if row.verified() {
                                proof = Some((row, found));
                            } else {
                                let why = step::unproven(&row.error);
                                acted = (setting.row(planned, Check::Failed, &why), Vec::new());
                            }
                        }
                        acted
                    }
                };
                let failed = !row.verified();
                write(row.clone(), &found)?;
                if planned.act.verb == Verb::Publish && !failed {
                    setting.keep(planned, &row, &store)?;
                }
                failed
            }
        };
        if failed && planned.act.verb == Verb::Publish && broken.is_none() {
            broken = Some(&planned.act.image);
        }
    }
    setting.clear()
}

/// Whether an update shows that a publish before it left a store from which a client with nothing rebuilds the image.
fn proves(update: &Planned, publish: &Planned) -> bool {
    publish.act.verb == Verb::Publish
        && update.act.verb == Verb::Update
        && update.image == publish.image
        && update.bases.is_empty()
        && matches!(fault_of(&update.act), Ok(None))
        && matches!(Way::of(&update.act.case), Ok(None))
        && matches!(ranges_of(&update.act.case), Ok(None))
}

impl Setting<'_> {
    /// Why the doer can't run here, its road can't be laid, or it can't handle one of the images.
    fn can_run(&self, trial: &Trial) -> std::result::Result<(), (Check, String)> {
        let case = &trial.case;
        self.version.as_ref().map_err(Clone::clone)?;
        let skipped = |why: String| (Check::Skipped, why);
        if let Some(why) = &self.lacks {
            return Err(skipped(why.clone()));
        }
        if let Some(why) = road::lacks(case) {
            return Err(skipped(why));
        }
        if self.doer.about().holds {
            hold::can_hold(trial).map_err(|why| skipped(format!("{why:#}")))?;
        }
        let here = clock::cores();
        if let Some(wanted) = self.cores.filter(|wanted| *wanted > here) {
            let why = format!("the case asks for {wanted} processors, the lab may use {here}");
            return Err(skipped(why));
        }
        for image in &self.images {
            self.doer
                .accepts(image)
                .map_err(|why| skipped(format!("{}: {why:#}", image.name)))?;
            if let Some(trees) = self.trees {
                trees.of(image).map_err(|why| skipped(format!("{why:#}")))?;
            }
        }
        if self.cold && trial.verb() != Verb::Probe {
            let given = self.images.iter().map(|image| self.given(image));
            let paths = given
                .map(|given| Ok(given?.path))
                .collect::<Result<Vec<_>>>();
            let out = paths.and_then(|paths| Cold::of(&paths));
            out.map_err(|why| skipped(format!("cache=cold: {why:#}")))?;
        }
        Ok(())
    }

    /// The store as it was after the last publish that has a row; empty when there is none.
    ///
    /// What a cut-short publish left is removed. Where that can't be told from what was there before (a tool that
    /// rewrites its files), the publishes are done again, without new rows.
    fn store_after(&self, trial: &Trial, done: &BTreeMap<Act, Check>) -> Result<Store> {
        let finished: Vec<&Planned> = trial
            .acts
            .iter()
            .filter(|planned| planned.act.verb == Verb::Publish)
            .take_while(|planned| done.contains_key(&planned.act))
            .collect();
        let waiting = trial.acts.iter().filter(|it| !done.contains_key(&it.act));
        // An update whose bases are yet to be published is no reason to begin anew.
        let published = |base: &usize| finished.iter().any(|it| it.image == *base);
        let waiting = waiting
            .filter(|it| it.act.verb == Verb::Update && it.bases.iter().all(published))
            .map(|it| it.bases.clone());
        let held = self.holds_for(waiting);
        if let Some(last) = finished.last().filter(|_| held) {
            let store = Store::at(&ledger::place(&self.folder))?;
            if let Some(store) = ledger::restore(&store, &self.ledger(last)?)? {
                return Ok(store);
            }
        }
        self.clear()?;
        let store = Store::at(&ledger::place(&self.folder))?;
        for planned in finished {
            if done[&planned.act] == Check::Failed {
                continue;
            }
            let (row, _) = self.act(planned, &store, true)?;
            ensure!(
                row.verified(),
                "{}: done again after an interruption, it failed: {}",
                planned.act,
                row.error
            );
        }
        Ok(store)
    }

    fn ledger(&self, planned: &Planned) -> Result<PathBuf> {
        let name = format!("store-after-{}.json", planned.act.image);
        Ok(self.aside()?.join(name))
    }

    /// Does one act, or takes up what the same publish left before; returns its row and what it found.
    fn act(&self, planned: &Planned, store: &Store, prove: bool) -> Result<(Row, Vec<Finding>)> {
        let is_publish = planned.act.verb == Verb::Publish;
        let kept = match is_publish {
            true => self.take_kept(planned, store)?,
            false => None,
        };
        let acted = match kept {
            Some(row) => (row, Vec::new()),
            None => self.act_anew(planned, store, prove)?,
        };
        // A store that a failed publish left is none to come back to.
        if is_publish && acted.0.verified() {
            self.hold(planned.image, store)?;
            ledger::write(store, &self.ledger(planned)?)?;
        }
        Ok(acted)
    }

    /// Does one act. A publish is proven, unless the act that follows does that.
    fn act_anew(
        &self,
        planned: &Planned,
        store: &Store,
        prove: bool,
    ) -> Result<(Row, Vec<Finding>)> {
        let image = &self.images[planned.image];
        let bases: Vec<Image> = planned
            .bases
            .iter()
            .map(|&base| self.images[base].clone())
            .collect();
        let outcome = match planned.act.verb {
            Verb::Publish => self.publish(image, &bases, store, prove)?,
            Verb::Update => match (fault_of(&planned.act)?, Way::of(&planned.act.case)?) {
                (Some(fault), _) => self.update_through(fault, image, &bases, store)?,
                (None, Some(way)) => self.update_over(&way, image, &bases, store)?,
                (None, None) => self.update(image, &bases, store)?,
            },
            Verb::Probe => self.probe(image, &bases)?,
        };
        Ok(match outcome {
            Ok(figures) => {
                if let (Some(folder), Some(traffic)) = (&self.objects, &figures.traffic) {
                    objects::write(folder, &planned.act, traffic)?;
                }
                let found = figures.found.iter().map(|found| {
                    let value = i64::try_from(found.value).unwrap_or(i64::MAX);
                    Finding::of(&planned.act, &found.part, &found.measure, value)
                });
                (self.filled(planned, &figures), found.collect())
            }
            Err(why) => (self.row(planned, Check::Failed, &why), Vec::new()),
        })
    }

    /// A row without figures.
    pub fn row(&self, planned: &Planned, check: Check, error: &str) -> Row {
        let image = &self.images[planned.image];
        let bases: Vec<&str> = planned
            .bases
            .iter()
            .map(|&base| self.images[base].sha256.as_str())
            .collect();
        let act = &planned.act;
        Row {
            schema: SCHEMA,
            scenario: act.scenario.as_str().into(),
            method: act.doer.as_str().into(),
            version: self.version.clone().unwrap_or_default().into(),
            case: act.case.clone(),
            verb: act.verb,
            image: image.name.as_str().into(),
            image_sha256: image.sha256.as_str().into(),
            bases: act.bases.clone(),
            bases_sha256: bases.join("+").into(),
            sample: act.sample,
            image_bytes: image.bytes,
            check,
            error: one_line(error).into(),
            ..Row::default()
        }
    }

    /// A row with the figures of a verified step.
    fn filled(&self, planned: &Planned, figures: &Figures) -> Row {
        let traffic = figures.traffic.as_ref();
        let added = |count: fn(&Holdings) -> u64| {
            let (before, after) = figures.added.as_ref()?;
            Some(count(after).cast_signed() - count(before).cast_signed())
        };
        let account = self.timed.then_some(&figures.account);
        Row {
            payload_bytes: traffic.map(|traffic| traffic.payload_bytes),
            header_bytes: traffic.map(|traffic| traffic.header_bytes),
            upload_bytes: traffic.map(|traffic| traffic.upload_bytes),
            requests: traffic.map(|traffic| traffic.requests),
            store_bytes: added(|holdings| holdings.bytes),
            store_files: added(|holdings| holdings.files),
            wall_ns: account.map(|account| account.wall_ns),
            cpu_ns: account.map(|account| account.cpu_ns),
            peak_rss_bytes: account.map(|account| account.peak_rss_bytes),
            base_read_bytes: figures.base_read_bytes,
            room: one_line(&room::told(&figures.held, self.doer.about().room.as_ref())).into(),
            ..self.row(planned, self.verified(), "")
        }
    }

    /// What a step of the doer is verified to be.
    pub fn verified(&self) -> Check {
        match self.doer.about().moves {
            Moves::Archive => Check::Exact,
            Moves::Image => Check::Image,
            Moves::Tree => Check::Tree,
        }
    }
}

/// What befalls an act's update.
fn fault_of(act: &Act) -> Result<Option<Fault>> {
    Fault::named(act.case.get(Fault::AXIS).unwrap_or(Fault::NONE))
}

/// A tool's last words as one line of bounded length without control characters: a torn last line is then all that a
/// crash can leave in rows.csv, and a terminal that shows it is not written to.
fn one_line(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.chars().filter(|letter| !letter.is_control()).collect())
        .collect();
    let mut line = lines.join(" / ");
    if line.len() > ERROR_BYTES {
        let mut end = ERROR_BYTES;
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_tool_become_one_plain_line_of_bounded_length() {
        assert_eq!(
            one_line("no\u{1b}[31m luck\r\nat all"),
            "no[31m luck / at all"
        );
        let long = one_line(&"ä".repeat(3000));
        assert!(long.len() <= ERROR_BYTES + '…'.len_utf8() && long.ends_with("ä…"));
    }

    #[test]
    fn a_line_of_just_the_bound_is_left_as_it_is() {
        let bound = "x".repeat(ERROR_BYTES);
        assert_eq!(one_line(&bound), bound);
        assert_eq!(one_line(&format!("{bound}x")), format!("{bound}…"));
    }
}
