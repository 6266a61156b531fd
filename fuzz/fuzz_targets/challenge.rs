#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyway::fuzzing::what_an_api_wants_of_a_person_stays_what_it_said(data));
