//! The pipeline: a file cut and hashed on all cores, work done ahead and handed over in order, and two ways to write a file
//! that is rebuilt: from its first byte to its last, or from chunks in any order. What is under way is bounded, whatever
//! the length of the file.

mod ahead;
mod assemble;
mod each;
mod rebuild;
mod scan;
mod sink;
mod spread;

pub use ahead::{Ahead, ahead, cores};
pub use assemble::{Assembly, is_zero};
pub use each::each;
pub use rebuild::{HeldPieces, Rebuild};
pub use scan::{Chunk, Segment, scan};
pub use sink::Place;
pub use spread::{Spread, spread};
