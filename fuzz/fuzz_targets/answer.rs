#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyway::fuzzing::every_answer_is_a_session_or_an_error_that_hides_its_secrets(data));
