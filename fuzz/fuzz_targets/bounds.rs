#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyway::fuzzing::however_much_an_answer_holds_an_error_keeps_little(data));
