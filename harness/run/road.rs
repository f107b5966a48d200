//! An update over a road of its own, or made by many clients one after another: what each of them pulls, and what the
//! server behind a cache is asked for because of it.

use anyhow::{Context, Result};

use super::setting::Setting;
use super::step::{Figures, Outcome};
use crate::image::Image;
use crate::probe::Found;
use crate::record::{Case, Clients, Road};
use crate::store::Store;
use crate::wire::road::{Crossed, Ground, Laid, Servers, lacks as road_lacks};

/// How an act's update is made, where it is not by one client straight from the lab.
pub struct Way {
    road: &'static Road,
    clients: u32,
}

impl Way {
    /// Of an act under this case; nothing where neither axis is turned away from its default.
    pub fn of(case: &Case) -> Result<Option<Way>> {
        let value = |axis, default| case.get(axis).unwrap_or(default);
        let road = Road::named(value(Road::AXIS, Road::DIRECT))?;
        let clients = Clients::named(value(Clients::AXIS, Clients::ONE))?;
        let usual = road.name == Road::DIRECT && clients == 1;
        Ok((!usual).then_some(Way { road, clients }))
    }
}

/// Why the road of a case can't be laid here, if it can't.
pub fn lacks(case: &Case) -> Option<String> {
    let road = Road::named(case.get(Road::AXIS)?).ok()?;
    road_lacks(road).map(|why| format!("road {}: {why}", road.name))
}

impl Setting<'_> {
    /// Each client updates in a scratch of its own, over a metered wire of its own, and each is verified. The row is the
    /// first one's; what crossed the hops is found.
    pub fn update_over(
        &self,
        way: &Way,
        image: &Image,
        bases: &[Image],
        store: &Store,
    ) -> Result<Outcome<Figures>> {
        let servers = match self.servers.get() {
            Some(servers) => servers,
            None => {
                let started = Servers::start(way.road, &self.ground()?)?;
                self.servers.get_or_init(|| started)
            }
        };
        let laid = servers
            .lay(store)
            .with_context(|| format!("lay the road {}", way.road.name))?;
        let mut first: Option<Figures> = None;
        let mut found = Vec::new();
        let (mut edge, mut origin) = (Crossed::default(), Crossed::default());
        for client in 1..=way.clients {
            let before = laid.fetched();
            let figures = match self.update_on(laid.open(self.ranges)?, image, bases, store)? {
                Ok(figures) => figures,
                Err(why) if way.clients == 1 => return Ok(Err(why)),
                Err(why) => return Ok(Err(format!("client {client}: {why}"))),
            };
            let traffic = figures.traffic.as_ref().context("an update has traffic")?;
            let pulled = Crossed {
                bytes: traffic.all_bytes(),
                requests: traffic.requests,
            };
            let fetched = fetched(&laid, before).unwrap_or(pulled);
            if way.clients > 1 {
                let part = format!("client {client}");
                found.extend(crossed(&part, pulled, fetched));
            }
            edge = edge.plus(pulled);
            origin = origin.plus(fetched);
            first.get_or_insert(figures);
        }
        found.extend(crossed("", edge, origin));
        if laid.road().cache {
            let spared = edge.requests.saturating_sub(origin.requests);
            let percent = (spared * 100).checked_div(edge.requests);
            found.push(one("", "hit_percent", percent.unwrap_or_default()));
        }
        Ok(Ok(Figures {
            found,
            ..first.unwrap_or_default()
        }))
    }

    fn ground(&self) -> Result<Ground> {
        Ok(Ground {
            folder: self.work()?.to_path_buf(),
            lab: std::env::current_exe().context("find this program")?,
            guard: Some(self.guard.clone()),
        })
    }
}

/// What the cache has fetched since `before`.
fn fetched(laid: &Laid, before: Option<Crossed>) -> Option<Crossed> {
    let (before, now) = (before?, laid.fetched()?);
    Some(Crossed {
        bytes: now.bytes - before.bytes,
        requests: now.requests - before.requests,
    })
}

fn crossed(part: &str, edge: Crossed, origin: Crossed) -> [Found; 4] {
    [
        one(part, "edge_bytes", edge.bytes),
        one(part, "edge_requests", edge.requests),
        one(part, "origin_bytes", origin.bytes),
        one(part, "origin_requests", origin.requests),
    ]
}

fn one(part: &str, measure: &str, value: u64) -> Found {
    Found {
        part: part.to_string(),
        measure: measure.to_string(),
        value,
    }
}
