#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyway::fuzzing::no_wait_is_longer_than_is_believed(data));
