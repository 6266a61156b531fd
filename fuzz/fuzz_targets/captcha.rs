#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyway::fuzzing::a_captcha_shows_the_picture_it_was_sent(data));
