use super::*;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn kept(ends: StoredExpiry) -> Kept {
    Kept {
        access: "ac\"cess".into(),
        refresh: Some("refresh".into()),
        issued: at(1000),
        received: at(1010),
        ends,
        evicted: true,
        rejections: 3,
        began: at(900),
    }
}

fn record(ends: StoredExpiry) -> Record {
    let wait = NotBefore { until: at(90), since: at(60), reason: WaitReason::Throttled, failures: 2 };
    Record {
        key: Some("vms-1".into()),
        generation: Generation { lineage: u64::MAX, counter: 7 },
        state: RecordState::Live(kept(ends)),
        seed: Some(Fingerprint::written("digest".into())),
        attempts: vec![at(5), at(6)],
        not_before: Some(wait),
        refused: Some(Fingerprint::written("refused".into())),
    }
}

fn read(record: &Record) -> Record {
    Record::from_json(record.to_json().expose()).expect("its own writing")
}

#[apply(leak_checked!)]
fn what_is_written_is_read_again_whole() {
    for ends in [StoredExpiry::At(at(4600)), StoredExpiry::Never, StoredExpiry::Unknown] {
        let (written, read) = (record(ends), read(&record(ends)));
        assert_eq!(read.generation, written.generation);
        assert_eq!((&read.key, &read.seed, &read.refused), (&written.key, &written.seed, &written.refused));
        assert_eq!((&read.attempts, read.not_before), (&written.attempts, written.not_before));
        let kept = read.kept().expect("a session");
        let refresh = kept.refresh.as_ref().expect("one");
        assert_eq!((kept.access.expose(), refresh.expose()), ("ac\"cess", "refresh"));
        assert_eq!((kept.issued, kept.received, kept.began), (at(1000), at(1010), at(900)));
        assert_eq!((kept.ends, kept.evicted, kept.rejections), (ends, true, 3));
    }
}

#[apply(leak_checked!)]
fn every_member_that_is_written_is_documented() {
    fn names(value: &serde_json::Value, found: &mut Vec<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            found.push(name.clone());
            names(value, found);
        }
    }
    let mut found = Vec::new();
    let sealed = SealedText { by: "k".into(), text: "t".into(), keep: DAY, has_session: true, is_tombstone: true };
    let sealed = Record { state: RecordState::Sealed(sealed), ..record(StoredExpiry::Never) };
    for record in [record(StoredExpiry::Never), record(StoredExpiry::Never).tombstone(), sealed] {
        names(&serde_json::from_str(record.to_json().expose()).expect("JSON"), &mut found);
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 27);
    let documentation: String = include_str!("../record.rs").lines().filter(|line| line.contains("///")).collect();
    for name in found {
        assert!(documentation.contains(&format!("`{name}`")), "{name}");
    }
}

#[apply(leak_checked!)]
fn a_tombstone_stays_one_and_holds_no_digest_of_a_credential() {
    let tombstone = record(StoredExpiry::Never).tombstone();
    let again = read(&tombstone);
    assert!(again.is_tombstone() && !again.has_session());
    assert_eq!((again.generation.counter, again.not_before), (8, tombstone.not_before));
    // Not even one that was put there by hand.
    let signed_out = Record { state: RecordState::SignedOut, ..record(StoredExpiry::Never) };
    for record in [tombstone, signed_out] {
        let json = record.to_json();
        assert!(!json.expose().contains("digest") && !json.expose().contains("refused"), "{}", json.expose());
    }
}

#[apply(leak_checked!)]
fn what_was_only_learnt_is_no_tombstone() {
    let nothing = Record { state: RecordState::Nothing, ..record(StoredExpiry::Never) };
    let again = read(&nothing);
    assert!(!again.is_tombstone() && !again.has_session());
    assert_eq!((&again.refused, &again.seed), (&nothing.refused, &nothing.seed));
    let bare = Record { attempts: Vec::new(), not_before: None, seed: None, refused: None, ..nothing };
    assert!(!read(&bare).is_tombstone());
}

#[apply(leak_checked!)]
fn the_layouts_before_this_one_are_read_and_a_newer_one_is_left_alone() {
    let old = r#"{"schema":1,"lineage":3,"counter":2,"session":{"access":"a","issued_ms":1000,"ends":"never"}}"#;
    let first = Record::from_json(old).expect("layout 1");
    let kept = first.kept().expect("a session");
    assert_eq!((kept.received, kept.evicted), (at(1), false));
    let second = old.replace("\"schema\":1", "\"schema\":2").replace("\"ends\"", "\"received_ms\":2000,\"ends\"");
    let second = Record::from_json(&second).expect("layout 2");
    let kept = second.kept().expect("a session");
    assert_eq!((kept.received, kept.began, kept.rejections), (at(2), at(2), 0));

    // Before layout 3 what held neither a session nor attempts was a tombstone.
    for schema in [1, 2] {
        let bare = format!(r#"{{"schema":{schema},"lineage":3,"counter":2,"seed":"digest"}}"#);
        assert!(Record::from_json(&bare).expect("old").is_tombstone());
        let counts = format!(r#"{{"schema":{schema},"lineage":3,"counter":2,"attempts_ms":[1]}}"#);
        assert!(!Record::from_json(&counts).expect("old").is_tombstone());
    }
    let newer = Record::from_json(r#"{"schema":5,"anything":["else"]}"#).expect_err("newer");
    assert!(newer.is_newer(), "{newer}");
    assert!(!Record::from_json(r#"{"schema":0}"#).expect_err("too old").is_newer());
}

#[apply(leak_checked!)]
fn a_sealed_record_is_of_its_own_layout_and_holds_nothing_else() {
    let sealed = r#"{"schema":4,"key":"vms-1","lineage":3,"counter":2,"sealed":{"by":"k","text":"t","keep_s":60,"has_session":true}}"#;
    let read = Record::from_json(sealed).expect("sealed");
    assert_eq!((read.has_session(), read.is_tombstone(), read.expires_at()), (true, false, None));
    assert_eq!((read.time_to_live(), read.to_json().expose()), (Duration::from_secs(60), sealed));
    // An earlier version would take one for a record without a session, and begin another.
    for changed in [
        sealed.replace("\"schema\":4", "\"schema\":3"),
        sealed.replace("\"sealed\":", "\"other\":"),
        sealed.replace("\"sealed\":", "\"session\":{\"access\":\"a\",\"issued_ms\":1,\"ends\":\"never\"},\"sealed\":"),
    ] {
        assert!(!Record::from_json(&changed).expect_err("neither").is_newer(), "{changed}");
    }
}

#[apply(leak_checked!)]
fn a_reason_that_is_not_known_is_an_outage() {
    for (word, reason) in [
        ("throttled", WaitReason::Throttled),
        ("outage", WaitReason::Outage),
        ("refused", WaitReason::Refused),
        ("evicted", WaitReason::Evicted),
        ("of a later version", WaitReason::Outage),
    ] {
        let json = record(StoredExpiry::Never).to_json().expose().replace("throttled", word);
        let wait = Record::from_json(&json).expect("whole").not_before.expect("a wait");
        assert_eq!(wait.reason, reason);
        let again = Record { not_before: Some(wait), ..record(StoredExpiry::Never) };
        assert_eq!(read(&again).not_before, Some(wait));
    }
}

#[apply(leak_checked!)]
fn damage_is_told_without_what_was_in_it() {
    let whole = record(StoredExpiry::Never).to_json();
    let of_both = whole.expose().replace("\"attempts_ms\"", "\"signed_out\":true,\"attempts_ms\"");
    assert_ne!(of_both, whole.expose());
    let too_long = whole.expose().replace("refresh", &"r".repeat(LONGEST));
    for damaged in [
        "",
        "null",
        "[]",
        r#"{"schema":"2"}"#,
        &whole.expose()[..whole.expose().len() - 9],
        &whole.expose().replace("never", "soon"),
        &whole.expose().replace("1000000", "99999999999999999"),
        &of_both,
        &too_long,
    ] {
        let error = Record::from_json(damaged).expect_err("damaged");
        assert_eq!(error.to_string(), "the record is damaged");
        assert!(!error.is_newer());
    }
}

#[apply(leak_checked!)]
fn a_vendor_in_the_year_9999_costs_no_session() {
    let hour = Duration::from_secs(3600);
    for issued in [at(253_402_300_798), at(253_402_300_799), at(300_000_000_000), at(900_000_000_000)] {
        let kept = Kept { issued, ..kept(StoredExpiry::At(issued + hour)) };
        let again = read(&Record { state: RecordState::Live(kept), ..record(StoredExpiry::Never) });
        assert_eq!(again.expires_at(), Some(at(1010) + hour), "{issued:?}");
    }
    // The last time that Windows can name is in the year 30828.
    let far = at(900_000_000_000);
    let wait = NotBefore { until: far, since: far, reason: WaitReason::Outage, failures: 1 };
    let kept = Kept { received: far, began: far, ..kept(StoredExpiry::Never) };
    let state = RecordState::Live(kept);
    read(&Record { state, attempts: vec![far], not_before: Some(wait), ..record(StoredExpiry::Never) });
}

#[apply(leak_checked!)]
fn times_to_come_are_brought_back_to_now_once() {
    let (now, tomorrow) = (at(1_000_000), at(1_086_400));
    let wait = NotBefore {
        since: tomorrow,
        until: tomorrow + Duration::from_secs(60),
        reason: WaitReason::Outage,
        failures: 10,
    };
    let ahead = Record {
        state: RecordState::Live(Kept { received: tomorrow, began: tomorrow, ..kept(StoredExpiry::At(at(4600))) }),
        attempts: vec![at(5), tomorrow],
        not_before: Some(wait),
        ..record(StoredExpiry::Never)
    };
    assert!(ahead.is_ahead_of(now) && !ahead.is_ahead_of(tomorrow));
    let back = ahead.brought_back_to(now);
    let kept = back.kept().expect("a session");
    assert_eq!((kept.received, kept.began, kept.issued), (now, now, at(1000)));
    assert_eq!(back.attempts, [at(5), now]);
    let wait = back.not_before.expect("a wait");
    assert_eq!((wait.since, wait.until, wait.failures), (now, now + Duration::from_secs(60), 10));
    assert!(!back.is_ahead_of(now));
    // What lies behind stays, however often it is looked at.
    let later = back.clone().brought_back_to(tomorrow);
    assert_eq!(later.to_json().expose(), back.to_json().expose());
}

#[apply(leak_checked!)]
fn each_single_time_to_come_is_noticed() {
    let (now, later) = (at(1_000_000), at(1_000_001));
    let with = |received, began, attempt, since, until| {
        let kept = Kept { received, began, ..kept(StoredExpiry::Never) };
        let wait = NotBefore { since, until, reason: WaitReason::Outage, failures: 1 };
        let (state, attempts) = (RecordState::Live(kept), vec![attempt]);
        Record { state, attempts, not_before: Some(wait), ..record(StoredExpiry::Never) }
    };
    assert!(!with(now, now, now, now, later).is_ahead_of(now), "a wait ends in the future");
    for ahead in [
        with(later, now, now, now, later),
        with(now, later, now, now, later),
        with(now, now, later, now, later),
        with(now, now, now, later, later),
        with(now, now, now, now, now + LONGEST_WAIT * 2),
    ] {
        assert!(ahead.is_ahead_of(now));
        assert!(!ahead.brought_back_to(now).is_ahead_of(now));
    }
}

#[apply(leak_checked!)]
fn it_tells_its_end_and_how_long_it_is_worth_keeping() {
    let life = Duration::from_secs(3600);
    let hour = StoredExpiry::At(at(1000) + life);
    let without_refresh = |ends| {
        let kept = Kept { refresh: None, ..kept(ends) };
        Record { state: RecordState::Live(kept), ..record(ends) }
    };
    // By our own clock: the vendor's was ten seconds behind.
    assert_eq!(record(hour).expires_at(), Some(at(1010) + life));
    assert_eq!(without_refresh(hour).time_to_live(), life + DAY);
    assert_eq!(record(hour).time_to_live(), life + DAY * 90);
    assert_eq!(record(StoredExpiry::At(at(0))).time_to_live(), DAY * 90);
    for endless in [StoredExpiry::Never, StoredExpiry::Unknown] {
        assert_eq!(without_refresh(endless).time_to_live(), DAY * 365);
        assert_eq!(record(endless).expires_at(), None);
    }
    let tombstone = record(hour).tombstone();
    assert_eq!((tombstone.time_to_live(), tombstone.expires_at()), (DAY * 90, None));
    let learnt = Record { state: RecordState::Nothing, ..record(hour) };
    assert_eq!((learnt.time_to_live(), learnt.expires_at()), (DAY * 30, None));
}

#[apply(leak_checked!)]
fn a_digest_that_is_written_is_slow_and_only_the_first_time() {
    let pin = Secret::from("271828");
    let began = Record { seed: Some(Fingerprint::of(&pin)), ..record(StoredExpiry::Never) };
    assert!(began.is_slow_to_write());
    let written = began.to_json();
    assert!(written.expose().contains("\"seed\":\"argon2id-"), "{}", written.expose());
    assert!(!began.is_slow_to_write());
    let again = Record::from_json(written.expose()).expect("its own writing");
    assert!(again.seed.as_ref().is_some_and(|seed| seed.is_of(&pin, again.generation.lineage)));
    assert_eq!(again.to_json().expose(), written.expose());
    let tombstone = Record { seed: Some(Fingerprint::of(&"never written".into())), ..began.tombstone() };
    assert!(!tombstone.is_slow_to_write());
}

#[apply(leak_checked!)]
fn debug_shows_neither_tokens_nor_digests() {
    let shown = format!("{:?}", record(StoredExpiry::Never));
    assert!(shown.contains("access: Secret(***)") && shown.contains("Throttled"), "{shown}");
    assert!(!shown.contains("digest") && !shown.contains("\"refused\""), "{shown}");
}
