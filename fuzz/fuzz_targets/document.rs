#![no_main]

// Whatever a document says: a sentence, or code that can be read. Never a panic.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match keyway_build::document("fuzz.json").text(text).make("fuzz") {
        Ok(made) => drop(syn::parse_file(&made.code).expect("code that can be read")),
        Err(error) => assert!(error.to_string().contains("; "), "{error}"),
    }
});
