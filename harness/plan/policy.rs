//! Policies: what a server publishes with which bases, and which updates its clients make.

use crate::record::Verb;

/// One act of every method, its images named by their places in order of release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    pub verb: Verb,
    pub image: usize,
    /// Oldest first; a tool that takes one base takes the last.
    pub bases: Vec<usize>,
}

/// A policy by name.
pub struct Policy {
    pub name: &'static str,
    pub about: &'static str,
    /// From how many images there are, at least one, to what is done, in order.
    pub deeds: fn(usize) -> Vec<Deed>,
}

/// What a scenario does that turns no `policy` axis.
pub const DEFAULT: &str = "all";

/// Of how many releases the policy `cadence` has its clients take one.
const CADENCES: [usize; 3] = [1, 2, 4];

/// Every policy.
pub const POLICIES: &[Policy] = &[
    Policy {
        name: DEFAULT,
        about: "each release serves clients of every earlier one; update to the newest from nothing and from each",
        deeds: |images| {
            let publishes = (0..images).map(|image| publish(image, 0..image));
            publishes.chain(to_newest(images, 0)).collect()
        },
    },
    Policy {
        name: "previous",
        about: "each release serves clients of the one before; update to the newest from nothing and from that one",
        deeds: |images| {
            let nearest = images.saturating_sub(2);
            let publishes = (0..images).map(|image| publish(image, image.saturating_sub(1)..image));
            publishes.chain(to_newest(images, nearest)).collect()
        },
    },
    Policy {
        name: "newest",
        about: "only the newest release serves clients of earlier ones; update to it from nothing and from each",
        deeds: |images| {
            let newest = images - 1;
            let bases = |image| if image == newest { 0..image } else { 0..0 };
            let publishes = (0..images).map(|image| publish(image, bases(image)));
            publishes.chain(to_newest(images, 0)).collect()
        },
    },
    Policy {
        name: "every-step",
        about: "each release serves clients of the one before; a client updates through all of them, one by one",
        deeds: |images| {
            let before = |image: usize| image.saturating_sub(1)..image;
            let publishes = (0..images).map(|image| publish(image, before(image)));
            let updates = (0..images).map(|image| update(image, before(image)));
            publishes.chain(updates).collect()
        },
    },
    Policy {
        name: "cadence",
        about: "each release serves clients that update to every, every second and every fourth release, from the first on",
        deeds: |images| {
            let before = |image: usize| {
                let strides = CADENCES.iter().rev().copied();
                strides.filter_map(move |stride| image.checked_sub(stride))
            };
            let publishes = (0..images).map(|image| publish(image, before(image)));
            let first = std::iter::once(update(0, []));
            let updates = (1..images).flat_map(move |image| {
                let made = before(image).filter(move |base| image.is_multiple_of(image - base));
                made.map(move |base| update(image, [base]))
            });
            publishes.chain(first).chain(updates).collect()
        },
    },
    Policy {
        name: "matrix",
        about: "every image serves clients of every other; update to each from nothing and from each other",
        deeds: |images| {
            let others = |image| (0..images).filter(move |other| *other != image);
            let publishes = (0..images).map(|image| publish(image, others(image)));
            let updates = (0..images).flat_map(|image| {
                let from = others(image).map(move |base| update(image, [base]));
                std::iter::once(update(image, [])).chain(from)
            });
            publishes.chain(updates).collect()
        },
    },
    Policy {
        name: "growing",
        about: "as `all`, but the client holds the last release, the last two, the last three … at once",
        deeds: |images| {
            let newest = images - 1;
            let publishes = (0..images).map(|image| publish(image, 0..image));
            let updates = (0..=newest)
                .rev()
                .map(|oldest| update(newest, oldest..newest));
            publishes.chain(updates).collect()
        },
    },
];

fn publish(image: usize, bases: impl IntoIterator<Item = usize>) -> Deed {
    Deed {
        verb: Verb::Publish,
        image,
        bases: bases.into_iter().collect(),
    }
}

fn update(image: usize, bases: impl IntoIterator<Item = usize>) -> Deed {
    Deed {
        verb: Verb::Update,
        ..publish(image, bases)
    }
}

/// The newest image from nothing, then from each earlier one from `oldest` on.
fn to_newest(images: usize, oldest: usize) -> impl Iterator<Item = Deed> {
    let newest = images - 1;
    let from = (oldest..newest).map(move |base| update(newest, [base]));
    std::iter::once(update(newest, [])).chain(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(policy: &str, images: usize) -> Vec<String> {
        let policy = POLICIES.iter().find(|known| known.name == policy).unwrap();
        (policy.deeds)(images)
            .iter()
            .map(|deed| format!("{} {} {:?}", deed.verb, deed.image, deed.bases))
            .collect()
    }

    #[test]
    fn all_publishes_in_order_and_updates_to_the_newest_from_each() {
        assert_eq!(
            words("all", 3),
            [
                "publish 0 []",
                "publish 1 [0]",
                "publish 2 [0, 1]",
                "update 2 []",
                "update 2 [0]",
                "update 2 [1]"
            ]
        );
    }

    #[test]
    fn each_policy_makes_as_many_patches_as_it_says() {
        for (policy, patches, updates) in [
            ("all", 15, 6),
            ("previous", 5, 2),
            ("newest", 5, 6),
            ("every-step", 5, 6),
            ("cadence", 11, 9),
            ("matrix", 30, 36),
            ("growing", 15, 6),
        ] {
            let known = POLICIES.iter().find(|known| known.name == policy).unwrap();
            let deeds = (known.deeds)(6);
            let of = |verb| deeds.iter().filter(move |deed| deed.verb == verb);
            let bases: usize = of(Verb::Publish).map(|deed| deed.bases.len()).sum();
            assert_eq!(
                (bases, of(Verb::Update).count()),
                (patches, updates),
                "{policy}"
            );
        }
    }

    #[test]
    fn a_client_that_holds_more_and_more_starts_with_nothing_and_its_nearest_base_comes_last() {
        assert_eq!(
            words("growing", 3)[3..],
            ["update 2 []", "update 2 [1]", "update 2 [0, 1]"]
        );
    }

    #[test]
    fn one_image_alone_is_published_and_fetched_under_every_policy() {
        for policy in POLICIES {
            assert_eq!(
                words(policy.name, 1),
                ["publish 0 []", "update 0 []"],
                "{}",
                policy.name
            );
        }
    }

    #[test]
    fn no_client_is_promised_a_base_that_its_server_does_not_serve() {
        for policy in POLICIES {
            let deeds = (policy.deeds)(5);
            for update in deeds.iter().filter(|deed| deed.verb == Verb::Update) {
                let publish = deeds
                    .iter()
                    .find(|deed| deed.verb == Verb::Publish && deed.image == update.image)
                    .unwrap();
                assert!(
                    update.bases.iter().all(|base| publish.bases.contains(base)),
                    "{}: {update:?}",
                    policy.name
                );
            }
        }
    }
}
