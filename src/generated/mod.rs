//! Machine-written: one module per surface that is switched on, made from `specs/` by the build script.

/// One list of lints for code that a generator wrote.
macro_rules! generated {
    ($($surface:ident)*) => {$(
        #[allow(
            clippy::all,
            clippy::pedantic,
            rustdoc::bare_urls,
            unreachable_pub,
            unused,
            reason = "machine-written"
        )]
        pub mod $surface {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($surface), ".rs"));
        }
    )*};
}

include!(concat!(env!("OUT_DIR"), "/surfaces.rs"));
