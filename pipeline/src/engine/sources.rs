//! Where the results of a node's trainings come from: what they ran on, and, of those that were found in the cache, who made
//! them and in which share they were found.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use cache::Record;
use serde::Serialize;
use stages::echo::shown;

use super::trainings::{DEVICE, lock};
use crate::person::PERSON;

/// Where a record that was found came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) struct Origin {
    /// The share or bundle that it was found in, now or before; none where it was made with this cache folder.
    found_in: Option<String>,
    /// Who made it; none in records of earlier versions.
    person: Option<String>,
    /// The public key that it was signed with.
    producer: Option<String>,
}

impl fmt::Display for Origin {
    /// ` (found in …, by …)`, as far as it is not made with this cache folder.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.found_in else { return Ok(()) };
        write!(f, " (found in {}", shown(place))?;
        if let Some(person) = &self.person {
            write!(f, ", by {}", shown(person))?;
        }
        f.write_str(")")
    }
}

impl Origin {
    pub(crate) fn of(record: &Record) -> Self {
        let said = |name| record.provenance.get(name).cloned();
        Self { found_in: said(cache::FOUND_IN), person: said(PERSON), producer: said(cache::PRODUCER) }
    }
}

/// How many records of each origin were found.
pub(crate) type Hits = BTreeMap<Arc<Origin>, u64>;

/// Collects where results come from, from many threads.
#[derive(Default)]
pub(super) struct Sources {
    devices: Mutex<BTreeSet<String>>,
    /// Each is kept once, however many records share it.
    origins: Mutex<HashSet<Arc<Origin>>>,
}

impl Sources {
    /// Notes the device of a training by its name.
    pub(super) fn trained_on(&self, name: &str) {
        // One that was stopped may have gone on elsewhere.
        let devices = name.split(stages::checkpoint::THEN).map(kernels::hardware);
        lock(&self.devices).extend(devices.filter(|hardware| !hardware.is_empty()));
    }

    /// Notes the device of a training that was found, and says where it came from.
    pub(super) fn found(&self, record: &Record) -> Arc<Origin> {
        self.trained_on(record.provenance.get(DEVICE).map_or("", String::as_str));
        let origin = Origin::of(record);
        let mut known = lock(&self.origins);
        if let Some(origin) = known.get(&origin) {
            return Arc::clone(origin);
        }
        let origin = Arc::new(origin);
        known.insert(Arc::clone(&origin));
        origin
    }

    pub(super) fn devices(&self) -> BTreeSet<String> {
        lock(&self.devices).clone()
    }
}
