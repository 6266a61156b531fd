#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyway::fuzzing::what_a_store_keeps_is_read_as_it_was_written(data));
