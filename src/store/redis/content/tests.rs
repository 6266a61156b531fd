use super::*;
use crate::store::{Generation, Kept, RecordState, StoredExpiry};

fn record() -> Record {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    let session = Kept {
        access: "access".into(),
        refresh: Some("refresh".into()),
        issued: at,
        received: at,
        ends: StoredExpiry::Never,
        evicted: false,
        rejections: 0,
        began: at,
    };
    Record::new(&key(), Generation { lineage: u64::MAX, counter: 7 }, RecordState::Live(session))
}

fn key() -> Key {
    Key::new("vms", &[])
}

#[apply(leak_checked!)]
fn what_is_written_is_read_and_begins_with_the_word_that_is_compared() {
    let record = record();
    let written = write(&record, 5).expect("short");
    assert!(written.expose().starts_with("ffffffffffffffff.7 0000000000000005\n{"));
    assert_ne!(written.expose(), write(&record, 6).expect("short").expose());
    let Ok(RedisContent::Record(read)) = read(&key(), written.expose().as_bytes().to_vec()) else { panic!("damaged") };
    assert_eq!(read.to_json().expose(), record.to_json().expose());
}

#[apply(leak_checked!)]
fn damage_is_named_and_what_is_newer_is_an_error() {
    let whole = write(&record(), 5).expect("short");
    for (text, what) in [
        (String::new(), "it is no record"),
        (whole.expose().replace('\n', " "), "it is no record"),
        (whole.expose().replace("fff.7", "fff.8"), "its two lines tell of different tokens"),
        (whole.expose().replace("{\"schema", "[\"schema"), "the record is damaged"),
        (whole.expose().replace("\"key\":\"vms", "\"key\":\"vtex"), "it belongs to another session"),
    ] {
        let Ok(RedisContent::Damaged(why)) = read(&key(), text.clone().into()) else { panic!("{text}") };
        assert_eq!(why.to_string(), what);
    }
    assert!(matches!(read(&key(), vec![0xff, b'\n']), Ok(RedisContent::Damaged(_))));
    let newer = whole.expose().replace("\"schema\":3", "\"schema\":5");
    assert!(read(&key(), newer.into()).is_err_and(|error| error.is_newer()));
}

#[apply(leak_checked!)]
fn what_was_sealed_and_is_cut_off_is_an_error_and_no_absence() {
    for cut in ["{\"schema\":4", "{\"schema\":4,\"key\":\"vms", "{\"schema\":4,\"sealed\":{}}"] {
        let content = format!("ffffffffffffffff.7 0000000000000005\n{cut}");
        assert!(read(&key(), content.into()).is_err_and(|error| error.is_sealed()), "{cut}");
    }
    let other = read(&key(), "ffffffffffffffff.7 0000000000000005\n{\"schema\":44}".into());
    assert!(other.is_err_and(|error| error.is_newer()));
}
