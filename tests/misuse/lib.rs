//! Nothing: see `tests/misuse.rs`.
