//! The pipeline: a file cut and hashed on all cores, work done ahead and handed over in order, and one way to write a
//! file that is rebuilt. What is under way is bounded, whatever the length of the file.

mod ahead;
mod each;
mod rebuild;
mod scan;
mod sink;
mod spread;

pub use ahead::{Ahead, ahead, cores};
pub use each::each;
pub use rebuild::{HeldPieces, Rebuild};
pub use scan::{Chunk, Segment, scan};
pub use sink::{Place, Sink, is_zero};
pub use spread::{Spread, spread};
