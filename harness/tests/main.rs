//! Claims about the whole program, each run against the built binary.

mod bad_input;
mod bench;
mod bytes;
mod check_method;
mod clock;
mod cross_check;
mod docs;
mod doctor;
mod makefile;
mod map;
mod real_ssh;
mod registry;
mod resume;
mod ssh;
mod traps;
mod trees;
mod wrong_answers;
