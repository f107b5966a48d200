//! Claims about the whole program, each run against the built binary.

mod bad_input;
mod bench;
mod bytes;
mod cheats;
mod check_method;
mod clock;
mod cross_check;
mod declared;
mod docs;
mod doctor;
mod image_patch;
mod makefile;
mod many_bases;
mod map;
mod million;
mod real_ssh;
mod registry;
mod resume;
mod shape;
mod ssh;
mod torture;
mod traps;
mod trees;
mod words;
mod wrong_answers;
