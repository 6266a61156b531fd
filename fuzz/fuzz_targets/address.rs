#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyway::fuzzing::no_address_leads_elsewhere_than_it_says(data));
