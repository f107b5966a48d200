//! What a store says of the chunkers: the name in an index, and what decides where they cut.

use super::version::{FASTCDC, GEARHASH};
use crate::engine::chunk::{Buzhash, Cut, FastCdc, Fixed, Gear, Peaks};

/// A chunker that a store may be cut by.
pub trait Chunker: Cut {
    /// Its kind and sizes in at most 32 bytes of ASCII, for an index.
    fn id(&self) -> String;

    /// The library and the sizes that decide where it cuts, for a method's version.
    fn version(&self) -> String;
}

impl Chunker for Fixed {
    fn id(&self) -> String {
        format!("fixed {}", self.bytes())
    }

    fn version(&self) -> String {
        self.id()
    }
}

impl Chunker for FastCdc {
    fn id(&self) -> String {
        format!("fastcdc-2020 {}", self.average_bytes())
    }

    fn version(&self) -> String {
        format!("{FASTCDC} v2020 {}", sizes(self.average_bytes()))
    }
}

impl Chunker for Gear {
    fn id(&self) -> String {
        format!("gear {}", self.average_bytes())
    }

    fn version(&self) -> String {
        format!("{GEARHASH} {}", sizes(self.average_bytes()))
    }
}

impl Chunker for Buzhash {
    fn id(&self) -> String {
        format!("buzhash {}", self.average_bytes())
    }

    fn version(&self) -> String {
        format!("buzhash {}", sizes(self.average_bytes()))
    }
}

impl Chunker for Peaks {
    fn id(&self) -> String {
        format!("peaks {}", self.average_bytes())
    }

    fn version(&self) -> String {
        format!("peaks {}", sizes(self.average_bytes()))
    }
}

/// Least, average and largest chunk of the chunkers that have a quarter and four times the average.
fn sizes(average: usize) -> String {
    format!("{}:{average}:{}", average / 4, average * 4)
}
