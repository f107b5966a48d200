//! The meter: what crossed a wire, whatever that wire is made of.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fault::{Gate, Interruption};

/// What crossed a wire while it was open.
///
/// All bytes of all sockets, both directions, are `payload_bytes + header_bytes + upload_bytes`: each byte is in
/// exactly one of them, counted when the kernel took it or gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Response bodies, in bytes. Of a multi-range response only the parts' contents are payload; its boundaries
    /// and part heads are header bytes. The short text of an error response crossed too, and is payload. So is the whole
    /// head of a response without a body (to HEAD, of an empty object, 304): it is all that the response tells; and, over ssh,
    /// the two bytes that say how a command ended, unless it ended well.
    pub payload_bytes: u64,
    /// Every other byte, both directions: request and response heads, framing.
    pub header_bytes: u64,
    /// Request bodies, in bytes, without their framing.
    pub upload_bytes: u64,
    pub requests: u64,
    /// Requests answered with a 4xx or 5xx status, and commands over ssh that exited with another code than 0.
    pub failed_requests: u64,
    pub connections: u64,
    /// One entry per object that was asked for, sorted by name. Requests and payload add up to the totals.
    pub objects: Vec<ObjectTraffic>,
    /// Empty, or what makes these figures doubtful: a connection that had to be cut, a file that could not be read.
    pub note: String,
}

/// What crossed for one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectTraffic {
    /// Name relative to the store, `/`-separated; for a request that was refused for its name, the path as it was
    /// sent; empty for a request too malformed to name one. For a command over ssh `ssh` and its first words.
    pub object: String,
    pub requests: u64,
    pub payload_bytes: u64,
    /// How many requests were answered with each status; of commands over ssh, with each exit code.
    pub statuses: BTreeMap<u16, u64>,
}

/// Counts for one wire; shared by all its connections.
#[derive(Debug, Default)]
pub struct Meter {
    tally: Mutex<Tally>,
    /// Of a wire that is to be interrupted.
    gate: Option<Gate>,
}

#[derive(Debug, Default)]
struct Tally {
    received_bytes: u64,
    upload_bytes: u64,
    framing_bytes: u64,
    connections: u64,
    failed_requests: u64,
    objects: BTreeMap<String, ObjectTraffic>,
    notes: Vec<String>,
}

impl Tally {
    fn object(&mut self, object: &str) -> &mut ObjectTraffic {
        if !self.objects.contains_key(object) {
            let fresh = ObjectTraffic {
                object: object.to_string(),
                ..ObjectTraffic::default()
            };
            self.objects.insert(object.to_string(), fresh);
        }
        self.objects
            .get_mut(object)
            .expect("it was put there when it was absent")
    }
}

impl Traffic {
    /// Every byte, both directions.
    pub fn all_bytes(&self) -> u64 {
        self.payload_bytes + self.header_bytes + self.upload_bytes
    }

    /// What crossed two wires together.
    pub fn plus(mut self, other: Traffic) -> Traffic {
        let mut objects: BTreeMap<String, ObjectTraffic> = BTreeMap::new();
        for object in self.objects.into_iter().chain(other.objects) {
            let sum = objects.entry(object.object.clone()).or_default();
            sum.object = object.object;
            sum.requests += object.requests;
            sum.payload_bytes += object.payload_bytes;
            for (status, times) in object.statuses {
                *sum.statuses.entry(status).or_default() += times;
            }
        }
        let notes = [self.note, other.note];
        self.payload_bytes += other.payload_bytes;
        self.header_bytes += other.header_bytes;
        self.upload_bytes += other.upload_bytes;
        self.requests += other.requests;
        self.failed_requests += other.failed_requests;
        self.connections += other.connections;
        self.objects = objects.into_values().collect();
        self.note = notes
            .into_iter()
            .filter(|it| !it.is_empty())
            .collect::<Vec<_>>()
            .join("; ");
        self
    }
}

impl Meter {
    /// A meter that lets so much pass and no more.
    pub fn interrupted(interruption: Interruption) -> Meter {
        Meter {
            gate: Some(Gate::new(interruption)),
            ..Meter::default()
        }
    }

    /// The gate, on a wire that is to be interrupted.
    pub fn gate(&self) -> Option<&Gate> {
        self.gate.as_ref()
    }

    /// Whether the line is broken: connections end, and new ones are refused.
    pub fn is_cut(&self) -> bool {
        self.gate().is_some_and(Gate::has_ended)
    }

    /// Waits until the line breaks; for ever on a wire that is left alone.
    pub async fn cut(&self) {
        match self.gate() {
            Some(gate) => gate.ended().await,
            None => std::future::pending().await,
        }
    }

    /// A client connected.
    pub fn connected(&self) {
        self.tally().connections += 1;
    }

    /// A request for `object` was answered with `status`.
    pub fn answered(&self, object: &str, status: u16) {
        self.done(object, status, status >= 400);
    }

    /// A command over ssh ended with `code`; none when its client broke off, or it was no command. It is one request.
    pub fn ran(&self, command: &str, code: Option<u16>) {
        // What ssh exits with when it has no code to pass on.
        self.done(command, code.unwrap_or(255), code != Some(0));
    }

    fn done(&self, object: &str, status: u16, failed: bool) {
        let mut tally = self.tally();
        tally.failed_requests += u64::from(failed);
        let object = tally.object(object);
        object.requests += 1;
        *object.statuses.entry(status).or_default() += 1;
    }

    /// Bytes came from a client, of whatever kind.
    pub fn received(&self, bytes: u64) {
        self.tally().received_bytes += bytes;
    }

    /// Of the bytes received, so many more were a request's body.
    pub fn uploaded(&self, bytes: u64) {
        self.tally().upload_bytes += bytes;
    }

    /// Bytes of a response's body went to a client.
    pub fn sent_payload(&self, object: &str, bytes: u64) {
        self.tally().object(object).payload_bytes += bytes;
        if let Some(gate) = self.gate() {
            gate.spend(bytes);
        }
    }

    /// Bytes that are not payload went to a client.
    pub fn sent_framing(&self, bytes: u64) {
        self.tally().framing_bytes += bytes;
    }

    /// Something makes the figures doubtful.
    pub fn note(&self, note: String) {
        self.tally().notes.push(note);
    }

    /// The counts so far.
    pub fn read(&self) -> Traffic {
        let tally = self.tally();
        let objects: Vec<ObjectTraffic> = tally.objects.values().cloned().collect();
        Traffic {
            payload_bytes: objects.iter().map(|object| object.payload_bytes).sum(),
            // A body's bytes were received before they were known to be a body's, so this never goes below zero.
            header_bytes: tally.framing_bytes
                + tally.received_bytes.saturating_sub(tally.upload_bytes),
            upload_bytes: tally.upload_bytes,
            requests: objects.iter().map(|object| object.requests).sum(),
            failed_requests: tally.failed_requests,
            connections: tally.connections,
            objects,
            note: tally.notes.join("; "),
        }
    }

    /// A panic elsewhere leaves sums as they were, each still a true count.
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_in_exactly_one_figure() {
        let meter = Meter::default();
        meter.received(100);
        meter.uploaded(60);
        meter.sent_framing(30);
        meter.sent_payload("a", 7);
        let traffic = meter.read();
        assert_eq!(traffic.header_bytes, 70);
        assert_eq!(
            traffic.payload_bytes + traffic.header_bytes + traffic.upload_bytes,
            137
        );
    }

    #[test]
    fn objects_are_sorted_and_add_up_to_the_totals() {
        let meter = Meter::default();
        for (object, status) in [("b", 200), ("a", 206), ("b", 404), ("a", 206)] {
            meter.answered(object, status);
            meter.sent_payload(object, 5);
        }
        let traffic = meter.read();
        assert_eq!(traffic.requests, 4);
        assert_eq!(traffic.failed_requests, 1);
        assert_eq!(traffic.payload_bytes, 20);
        let names: Vec<&str> = traffic.objects.iter().map(|o| o.object.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(traffic.objects[0].statuses, BTreeMap::from([(206, 2)]));
        assert_eq!(
            traffic.objects[1].statuses,
            BTreeMap::from([(200, 1), (404, 1)])
        );
    }

    #[test]
    fn two_wires_together_are_the_sum_of_every_figure() {
        let object = |object: &str, status| ObjectTraffic {
            object: object.into(),
            requests: 2,
            payload_bytes: 30,
            statuses: [(status, 2)].into(),
        };
        let one = Traffic {
            payload_bytes: 30,
            header_bytes: 5,
            upload_bytes: 7,
            requests: 2,
            failed_requests: 3,
            connections: 4,
            objects: vec![object("a", 200)],
            note: "cut".into(),
        };
        let other = Traffic {
            objects: vec![object("a", 200), object("b", 404)],
            payload_bytes: 60,
            note: String::new(),
            ..one.clone()
        };
        let sum = one.clone().plus(other);
        let expected = Traffic {
            payload_bytes: 90,
            header_bytes: 10,
            upload_bytes: 14,
            requests: 4,
            failed_requests: 6,
            connections: 8,
            objects: vec![
                ObjectTraffic {
                    requests: 4,
                    payload_bytes: 60,
                    statuses: [(200, 4)].into(),
                    ..object("a", 200)
                },
                object("b", 404),
            ],
            note: "cut".into(),
        };
        assert_eq!(sum, expected);
        assert_eq!(one.clone().plus(one).note, "cut; cut");
    }
}
