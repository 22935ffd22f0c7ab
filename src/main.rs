//! `vault`
fn main() {}
