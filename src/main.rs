//! The `cvm` binary.
fn main() {}
