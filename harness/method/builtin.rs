//! The built-in methods, one line each.

use super::Method;

type Make = fn() -> Box<dyn Method>;

pub const BUILTIN: &[(&str, Make)] = &[];
