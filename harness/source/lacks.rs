//! Why an image can't be made on this machine, where that is nobody's fault: what would move it is skipped.

use std::fmt;

#[derive(Debug)]
pub struct Lacks(pub String);

impl fmt::Display for Lacks {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl std::error::Error for Lacks {}
