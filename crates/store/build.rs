//! A new migration is compiled in without touching any Rust file.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
