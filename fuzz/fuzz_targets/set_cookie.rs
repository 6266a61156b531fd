#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyway::fuzzing::the_last_line_of_a_cookie_counts(data));
