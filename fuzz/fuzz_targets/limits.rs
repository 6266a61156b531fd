#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyway::fuzzing::what_a_document_limits_is_refused_here_without_its_values(data));
