//! What is kept is sealed: who reads the store learns nothing, and who writes there cannot make a session of it.

use crate::{TENANT, vitamojo_client, vms_client};
use keyway::{
    ErrorKind, FileStore, Generation, Key, MemoryStore, Record, Sealed, SealingKey, SealingKeys, Store, StoreError,
    testing::{self, FakeVitaMojo, FakeVms, ManualClock},
};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

fn drawn(seed: u8) -> SealingKey {
    SealingKey::from_bytes(std::array::from_fn::<u8, 32, _>(|n| seed.wrapping_mul(31).wrapping_add(8 * n as u8)))
        .unwrap()
}

fn record(key: &Key, counter: u64) -> Record {
    let session = r#"{"access":"the-access-token","refresh":"the-refresh-token","issued_ms":1,"ends":"never"}"#;
    let json =
        format!(r#"{{"schema":3,"key":"{key}","lineage":7,"counter":{counter},"seed":"digest","session":{session}}}"#);
    Record::from_json(&json).unwrap()
}

fn generation(counter: u64) -> Generation {
    format!("{:016x}.{counter}", 7).parse().unwrap()
}

fn refused(loaded: Result<Option<Record>, StoreError>) -> String {
    let error = loaded.expect_err("it is not to be used");
    assert!(error.is_sealed() && !error.is_unavailable() && !error.is_busy() && !error.is_newer(), "{error}");
    assert_eq!(error.to_string().lines().count(), 1);
    error.to_string()
}

/// Puts this text in the place of what is kept.
async fn put(store: &MemoryStore, key: &Key, json: &str) -> Option<()> {
    let record = Record::from_json(json).ok()?;
    store.remove(key).await.unwrap();
    assert!(store.compare_and_swap(key, None, record).await.unwrap());
    Some(())
}

#[apply(leak_checked!)]
async fn what_stands_there_tells_whose_it_is_and_for_how_long_and_no_more() {
    let (folder, key) = (tempfile::tempdir().unwrap(), testing::key("one"));
    let store = Sealed::new(FileStore::at(folder.path()), drawn(1));
    let kept = record(&key, 1);
    assert!(store.compare_and_swap(&key, None, kept.clone()).await.unwrap());
    let text = fs::read_to_string(folder.path().join(format!("{key}.json"))).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut names: Vec<_> = whole.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["counter", "key", "lineage", "schema", "sealed"]);
    for hidden in ["access", "refresh", "digest", "ends", "seed"] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
    let outer = Record::from_json(&text).unwrap();
    assert_eq!((outer.has_session(), outer.is_tombstone(), outer.expires_at()), (true, false, None));
    assert_eq!(outer.time_to_live(), kept.time_to_live());
    // The same record is sealed differently each time.
    assert!(store.compare_and_swap(&key, Some(generation(1)), record(&key, 1)).await.unwrap());
    assert_ne!(text, fs::read_to_string(folder.path().join(format!("{key}.json"))).unwrap());
}

#[apply(leak_checked!)]
async fn a_key_that_is_not_there_is_named_and_nothing_is_changed() {
    let (below, key) = (MemoryStore::new(), testing::key("one"));
    let (right, wrong) = (drawn(1), drawn(2));
    assert!(Sealed::new(below.clone(), right.clone()).compare_and_swap(&key, None, record(&key, 1)).await.unwrap());
    let other = Sealed::new(below.clone(), wrong.clone());
    let why = refused(other.load(&key).await);
    assert!(why.contains(right.id()) && why.contains(wrong.id()), "{why}");
    assert!(!other.compare_and_swap(&key, None, record(&key, 5)).await.unwrap());
    let both = Sealed::new(below, SealingKeys::new(wrong).also(right));
    assert_eq!(both.load(&key).await.unwrap().unwrap().generation(), generation(1));
}

#[apply(leak_checked!)]
async fn whatever_is_changed_of_a_sealed_record_breaks_it() {
    let (below, key) = (MemoryStore::new(), testing::key("one"));
    let store = Sealed::new(below.clone(), drawn(1));
    assert!(store.compare_and_swap(&key, None, record(&key, 1)).await.unwrap());
    let json = below.load(&key).await.unwrap().unwrap().to_json().expose().to_owned();
    let mut tried = 0;
    // Every character, as another one; and every end.
    for at in 0..json.len() {
        let other = if json.as_bytes()[at] == b'A' { "B" } else { "A" };
        let digit = if json.as_bytes()[at] == b'1' { "2" } else { "1" };
        for changed in [other, digit, ""] {
            let changed = format!("{}{changed}{}", &json[..at], &json[at + 1..]);
            let Some(()) = put(&below, &key, &changed).await else { continue };
            tried += 1;
            // What neither the seal nor anybody else reads may be anything, such as the name of a member.
            match store.load(&key).await {
                Ok(same) => assert_eq!(same.unwrap().to_json().expose(), record(&key, 1).to_json().expose()),
                refusal => drop(refused(refusal)),
            }
        }
    }
    assert!(tried > 500, "{tried}");
    let truncated = |left: usize| {
        let mut whole: serde_json::Value = serde_json::from_str(&json).unwrap();
        let text = whole["sealed"]["text"].as_str().unwrap()[..left].to_owned();
        whole["sealed"]["text"] = text.into();
        whole.to_string()
    };
    for left in [0, 1, 4, 15, 16, 17, 36, 40] {
        put(&below, &key, &truncated(left)).await.unwrap();
        refused(store.load(&key).await);
    }
    for (member, value) in [("counter", 2.into()), ("lineage", 8.into()), ("signed_out", true.into())] {
        let mut whole: serde_json::Value = serde_json::from_str(&json).unwrap();
        whole[member] = value;
        put(&below, &key, &whole.to_string()).await.unwrap();
        refused(store.load(&key).await);
    }
    put(&below, &key, &json).await.unwrap();
    assert_eq!(store.load(&key).await.unwrap().unwrap().to_json().expose(), record(&key, 1).to_json().expose());
}

#[apply(leak_checked!)]
async fn a_record_of_another_session_is_none_of_this_one() {
    let (below, one, two) = (MemoryStore::new(), testing::key("one"), testing::key("two"));
    let store = Sealed::new(below.clone(), drawn(1));
    assert!(store.compare_and_swap(&one, None, record(&one, 1)).await.unwrap());
    let json = below.load(&one).await.unwrap().unwrap().to_json().expose().to_owned();
    // As it is, and with the other one's name on it.
    for swapped in [json.clone(), json.replace(&one.to_string(), &two.to_string())] {
        put(&below, &two, &swapped).await.unwrap();
        refused(store.load(&two).await);
    }
}

#[apply(leak_checked!)]
async fn what_is_not_sealed_is_taken_over_only_where_that_was_said() {
    let (below, key) = (MemoryStore::new(), testing::key("one"));
    assert!(below.compare_and_swap(&key, None, record(&key, 1)).await.unwrap());
    let store = Sealed::new(below.clone(), drawn(1));
    let why = refused(store.load(&key).await);
    assert!(why.contains("take_unsealed()"), "{why}");
    let moving = store.clone().take_unsealed();
    assert_eq!(moving.load(&key).await.unwrap().unwrap().generation(), generation(1));
    assert!(moving.compare_and_swap(&key, Some(generation(1)), record(&key, 2)).await.unwrap());
    assert_eq!(store.load(&key).await.unwrap().unwrap().generation(), generation(2));
}

#[cfg(unix)]
#[apply(leak_checked!)]
fn a_key_file_that_others_could_have_read_is_refused() {
    use std::{
        os::unix::fs::{PermissionsExt, symlink},
        path::{Path, PathBuf},
    };
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let made = SealingKey::create_file(path("key")).unwrap();
    assert_eq!(fs::metadata(path("key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(SealingKey::from_file(path("key")).unwrap().id(), made.id());
    assert_eq!(SealingKey::create_file(path("key")).unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(SealingKey::from_file(path("key")).unwrap().id(), made.id(), "the one that was there is left");

    let write = |name: &str, content: &[u8], mode: u32| -> PathBuf {
        fs::write(path(name), content).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
        path(name)
    };
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
    let bytes: [u8; 32] = std::array::from_fn(|n| n as u8);
    let named = SealingKey::from_bytes(bytes).unwrap();
    for (name, content) in [("hex", hex.as_bytes()), ("raw", &bytes), ("line", format!("{hex}\r\n").as_bytes())] {
        assert_eq!(SealingKey::from_file(write(name, content, 0o600)).unwrap().id(), named.id(), "{name}");
        assert_eq!(SealingKey::from_file(write(name, content, 0o400)).unwrap().id(), named.id(), "{name}");
        // Whoever mounts it for reading could not have it changed.
        assert_eq!(fs::metadata(path(name)).unwrap().permissions().mode() & 0o777, 0o400, "{name}");
    }
    symlink(path("hex"), path("link")).unwrap();
    fs::hard_link(path("raw"), path("twice")).unwrap();
    fs::create_dir(path("folder")).unwrap();
    let refused = |path: &Path| {
        let error = SealingKey::from_file(path).expect_err("it is no file for a key");
        let shown = format!("{error} {error:?}");
        assert!(error.kind() == ErrorKind::Config && !shown.contains("0102"), "{shown}");
    };
    for (name, content, mode) in [
        ("read", hex.as_bytes(), 0o644),
        ("group", hex.as_bytes(), 0o640),
        ("written", hex.as_bytes(), 0o622),
        ("short", &hex.as_bytes()[2..], 0o600),
        ("long", &[hex.as_bytes(), b"00"].concat(), 0o600),
        ("words", &[b'x'; 64], 0o600),
        ("empty", b"", 0o600),
        ("huge", &[b'0'; 4096], 0o600),
        ("zero", &[0; 32], 0o600),
        ("password", b"correct horse battery staple 123", 0o600),
        ("password and line", b"correct horse battery staple 12\n", 0o600),
        ("digits of half a key", &hex.as_bytes()[..32], 0o600),
    ] {
        refused(&write(name, content, mode));
    }
    assert_eq!(fs::metadata(path("read")).unwrap().permissions().mode() & 0o777, 0o644, "nothing is covered up");
    ["link", "twice", "raw", "folder", "nothing"].iter().for_each(|name| refused(&path(name)));
}

#[apply(leak_checked!)]
fn a_key_says_its_name_alone() {
    let key = drawn(1);
    assert_eq!((key.id().len(), drawn(1).id() == key.id(), drawn(2).id() == key.id()), (16, true, false));
    let keys = SealingKeys::new(key.clone()).also(drawn(2));
    let shown = format!("{key:?} {keys:?} {:?}", Sealed::new(MemoryStore::new(), keys.clone()));
    assert!(shown.contains(key.id()) && shown.len() < 400, "{shown}");
    for wrong in [&[][..], &[1; 31], &[1; 33], &[0; 32], &[7; 32]] {
        assert_eq!(SealingKey::from_bytes(wrong).unwrap_err().kind(), ErrorKind::Config);
    }
}

#[apply(leak_checked!)]
fn a_text_of_32_bytes_is_no_key_and_the_error_says_how_to_make_one() {
    for typed in
        ["correct horse battery staple 123", "0123456789abcdef0123456789abcdef", "schöne, lange Wörter, 32 Bytes!"]
    {
        assert_eq!(typed.len(), if typed.is_ascii() { 32 } else { 33 }, "{typed}");
        let bytes = &typed.as_bytes()[typed.len() - 32..];
        let error = SealingKey::from_bytes(bytes).expect_err("it can be guessed");
        let said = error.to_string();
        assert!(error.kind() == ErrorKind::Config && said.contains("openssl rand") && !said.contains(typed), "{said}");
    }
}

/// What is cut off or put in another's place is no absence: neither a store below nor a program without keys begins anew over it.
#[apply(leak_checked!)]
async fn what_was_sealed_and_is_damaged_or_anothers_stays_until_it_is_removed() {
    let (folder, one, two) = (tempfile::tempdir().unwrap(), testing::key("one"), testing::key("two"));
    let file = |key: &Key| folder.path().join(format!("{key}.json"));
    let below = FileStore::at(folder.path());
    let store = Sealed::new(FileStore::at(folder.path()), drawn(1));
    assert!(store.compare_and_swap(&one, None, record(&one, 1)).await.unwrap());
    let whole = fs::read_to_string(file(&one)).unwrap();
    for kept in [&whole[..whole.len() / 2], &whole[..whole.len() - 1], &whole[..12], &whole[..]] {
        fs::write(file(&two), kept).unwrap();
        refused(store.load(&two).await);
        refused(below.load(&two).await);
        assert!(store.compare_and_swap(&two, None, record(&two, 1)).await.unwrap_err().is_sealed());
        assert_eq!(fs::read_to_string(file(&two)).unwrap(), kept, "it is left as it is");
    }
    let anothers = refused(store.load(&two).await);
    assert!(anothers.contains(drawn(1).id()) && anothers.contains("another session"), "{anothers}");
    store.remove(&two).await.unwrap();
    assert!(store.load(&two).await.unwrap().is_none());
    assert!(store.compare_and_swap(&two, None, record(&two, 1)).await.unwrap());
    assert_eq!(store.load(&one).await.unwrap().unwrap().generation(), generation(1));
}

/// Of a fleet in which each process learns of the new key at another time: first to open, then to seal, then alone.
#[apply(leak_checked!)]
#[threads(4)]
async fn a_key_is_replaced_under_load_and_nothing_fails() {
    let (fake, folder) = (FakeVitaMojo::builder().rotating(true).start().await, tempfile::tempdir().unwrap());
    let (old, new) = (drawn(1), drawn(2));
    let (over, renewals) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let fleet: Vec<_> = (0..6).map(|_| SealingKeys::new(old.clone())).collect();
    let tasks: Vec<_> = fleet
        .iter()
        .cloned()
        .map(|keys| {
            let store = Sealed::new(FileStore::at(folder.path().join("sessions")), keys);
            let client = keyway::vitamojo::Client::builder(fake.uri()).tenant(TENANT);
            let client = client.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD).store(store).build().unwrap();
            let (over, renewals) = (over.clone(), renewals.clone());
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    client.session().renew().await.unwrap();
                    client.http().get("/order/v1/orders").send().await.unwrap();
                    renewals.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let some_more = async || {
        let before = renewals.load(Ordering::Relaxed);
        while renewals.load(Ordering::Relaxed) < before + 12 {
            assert!(!tasks.iter().any(tokio::task::JoinHandle::is_finished), "a call has failed");
            tokio::task::yield_now().await;
        }
    };
    let both = || SealingKeys::new(old.clone()).also(new.clone());
    let turned = || SealingKeys::new(new.clone()).also(old.clone());
    for keys in [both(), turned(), SealingKeys::new(new.clone())] {
        for process in &fleet {
            some_more().await;
            process.replace(&keys);
        }
        some_more().await;
    }
    over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((fake.count("auth"), fake.reuses()), (1, 0));
    let files = fs::read_dir(folder.path().join("sessions")).unwrap().flatten();
    let kept: Vec<_> =
        files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|it| it == "json")).collect();
    assert!(!kept.is_empty() && kept.iter().all(|path| fs::read_to_string(path).unwrap().contains(new.id())));
}

/// Whoever cannot read a session begins no other one over it, also where signing in would cost nothing.
#[apply(leak_checked!)]
async fn a_client_that_cannot_read_a_session_begins_no_other_one() {
    let (clock, below) = (ManualClock::new(), MemoryStore::new());
    let vms = FakeVms::builder().clock(clock.clone()).start().await;
    let vita = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let (right, wrong) = (drawn(1), drawn(2));
    let sealed = |key: &SealingKey| Sealed::new(below.clone(), key.clone());
    let own = [
        vms_client(&vms, &clock).store(sealed(&right)).build().unwrap().session().clone(),
        vitamojo_client(&vita, &clock).store(sealed(&right)).build().unwrap().session().clone(),
    ];
    for session in &own {
        session.lease().await.unwrap();
    }
    let asked = || (vms.count("get_token"), vita.count("auth"), vita.count("refresh_token"));
    let before = asked();
    let strangers = [
        vms_client(&vms, &clock).store(sealed(&wrong)).build().unwrap().session().clone(),
        vitamojo_client(&vita, &clock).store(sealed(&wrong)).build().unwrap().session().clone(),
        vms_client(&vms, &clock).store(below.clone()).build().unwrap().session().clone(),
        vitamojo_client(&vita, &clock).store(below.clone()).build().unwrap().session().clone(),
    ];
    for stranger in &strangers {
        for _ in 0..3 {
            let error = stranger.lease().await.map(drop).unwrap_err();
            assert_eq!((error.kind(), error.is_local()), (ErrorKind::Store, true), "{error}");
            assert!(error.to_string().contains(right.id()), "{error}");
            assert_eq!(stranger.sign_in().await.map(drop).unwrap_err().kind(), ErrorKind::Store);
            clock.advance(std::time::Duration::from_secs(30));
        }
        assert_eq!(stranger.sign_out().await.unwrap_err().kind(), ErrorKind::Store);
    }
    assert_eq!(asked(), before);
    // Whose they are finds them as they were.
    clock.advance(std::time::Duration::from_secs(3600));
    for session in &own {
        session.lease().await.unwrap();
    }
    assert_eq!((vita.count("auth"), vita.reuses()), (1, 0));
}

#[apply(leak_checked!)]
async fn a_record_of_a_newer_version_is_no_reason_to_begin_another_session() {
    let (clock, folder) = (ManualClock::new(), tempfile::tempdir().unwrap());
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let client = || vms_client(&fake, &clock).store(FileStore::at(folder.path())).build().unwrap();
    client().session().lease().await.unwrap();
    let files = fs::read_dir(folder.path()).unwrap().flatten().map(|file| file.path());
    let session = files.filter(|path| path.extension().is_some_and(|it| it == "json"));
    let session = session.filter(|path| fs::read_to_string(path).unwrap().contains("access"));
    let session = session.last().unwrap();
    let newer = fs::read_to_string(&session).unwrap().replace("\"schema\":3", "\"schema\":99");
    fs::write(&session, &newer).unwrap();
    let error = client().session().lease().await.map(drop).unwrap_err();
    assert_eq!((error.kind(), fake.count("get_token")), (ErrorKind::Store, 1), "{error}");
    assert_eq!(fs::read_to_string(&session).unwrap(), newer);
}
