//! Machine-written: one module per surface that is switched on, made from `specs/` by the build script.

/// One list of lints for code that nobody wrote.
macro_rules! generated {
    ($($feature:literal $surface:ident: $about:literal)*) => {$(
        #[doc = $about]
        #[cfg(feature = $feature)]
        #[allow(
            clippy::all,
            clippy::pedantic,
            rustdoc::bare_urls,
            unreachable_pub,
            unused,
            reason = "machine-written"
        )]
        pub mod $surface {
            include!(concat!(env!("OUT_DIR"), "/", $feature, ".rs"));
        }
    )*};
}

generated! {
    "vitamojo" vitamojo: "Vita Mojo: every documented operation, typed."
    "orderingstack" orderingstack: "OrderingStack: every documented operation, typed."
    "shopmonkey" shopmonkey: "Shopmonkey: every documented operation, typed."
    "vms" vms: "VMS: every documented operation, typed."
    "vtex" vtex: "VTEX ID: every documented operation, typed."
}
