#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyway::fuzzing::no_token_ends_before_or_after_what_was_told(data));
