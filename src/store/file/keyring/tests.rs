use super::*;
use crate::store::{Generation, Store};
use keyring_core::{
    Error as KeyringError,
    api::CredentialStoreApi,
    mock::{Cred, Store as Keyring},
};
use std::sync::Arc;

fn entry_in(keyring: &Arc<Keyring>) -> impl Fn(&str) -> Result<Entry, Trouble> + use<> {
    let keyring = keyring.clone();
    move |name| Ok(keyring.build("keyway", name, None)?)
}

fn words<T>(tried: Result<T, Trouble>) -> String {
    let Err(Trouble { what, advice }) = tried else { panic!("it went well") };
    format!("{what}: {advice}")
}

fn tombstone(counter: u64) -> Record {
    Record::from_json(&format!(r#"{{"schema":3,"lineage":1,"counter":{counter},"signed_out":true}}"#)).unwrap()
}

#[apply(leak_checked!)]
async fn a_key_is_made_once_found_again_and_opens_what_it_has_sealed() {
    let (folder, keyring, key) = (tempfile::tempdir().unwrap(), Keyring::new().unwrap(), Key::new("vms", &[]));
    let store = FileStore::at(folder.path().join("deeper"));
    let made = key_of(&store.0, entry_in(&keyring)).ok().unwrap();
    assert!(Sealed::new(store.clone(), made.clone()).compare_and_swap(&key, None, tombstone(1)).await.unwrap());
    // The same folder by another way.
    for way in ["deeper", "deeper/../deeper"] {
        let again = FileStore::at(folder.path().join(way));
        let found = key_of(&again.0, entry_in(&keyring)).ok().unwrap();
        assert_eq!(found.id(), made.id(), "{way}");
        let kept = Sealed::new(store.clone(), found).load(&key).await.unwrap().unwrap();
        assert_eq!(kept.generation(), Generation { lineage: 1, counter: 1 });
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path().join("deeper"), folder.path().join("link")).unwrap();
        let by_link = FileStore::at(folder.path().join("link"));
        assert_eq!(key_of(&by_link.0, entry_in(&keyring)).ok().unwrap().id(), made.id());
    }
    // Another folder has another key.
    let other = FileStore::at(folder.path().join("other"));
    assert_ne!(key_of(&other.0, entry_in(&keyring)).ok().unwrap().id(), made.id());
}

#[apply(leak_checked!)]
fn of_eight_that_make_the_key_at_once_all_have_the_same() {
    for _ in 0..10 {
        let (folder, keyring) = (tempfile::tempdir().unwrap(), Keyring::new().unwrap());
        let (keyring, path) = (&keyring, folder.path());
        let ids: std::collections::HashSet<_> = std::thread::scope(|threads| {
            let makers = [(); 8].map(|()| {
                threads.spawn(move || key_of(&FileStore::at(path).0, entry_in(keyring)).ok().unwrap().id().to_owned())
            });
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert_eq!(ids.len(), 1);
    }
}

/// The keyring was emptied, or is another one: no key is made over what another one has sealed.
#[apply(leak_checked!)]
async fn where_something_is_sealed_and_the_keyring_has_no_key_none_is_made() {
    let (folder, keyring, key) = (tempfile::tempdir().unwrap(), Keyring::new().unwrap(), Key::new("vms", &[]));
    let store = FileStore::at(folder.path());
    let made = key_of(&store.0, entry_in(&keyring)).ok().unwrap();
    assert!(Sealed::new(store.clone(), made.clone()).compare_and_swap(&key, None, tombstone(1)).await.unwrap());
    let emptied = Keyring::new().unwrap();
    let file = folder.path().join(format!("{key}.json"));
    let whole = fs::read(&file).unwrap();
    for (content, named) in [(&whole[..], made.id()), (&whole[..whole.len() / 2], "whose name is cut off")] {
        fs::write(&file, content).unwrap();
        let said = words(key_of(&store.0, entry_in(&emptied)));
        assert!(said.contains(named) && said.contains("restore its entry (service keyway, user name "), "{said}");
        let name = fs::canonicalize(folder.path()).unwrap().display().to_string();
        assert!(said.contains(&name), "{said}");
        assert!(matches!(entry_in(&emptied)(&name).ok().unwrap().get_secret(), Err(KeyringError::NoEntry)));
        assert_eq!(fs::read(&file).unwrap(), content, "nothing was changed");
    }
    // What is not sealed keeps no program from beginning.
    fs::write(&file, tombstone(1).to_json().expose()).unwrap();
    let begun = key_of(&store.0, entry_in(&emptied)).ok().unwrap();
    let sealed = Sealed::new(store, begun);
    assert!(sealed.load(&key).await.unwrap_err().is_sealed());
    assert!(sealed.take_unsealed().load(&key).await.unwrap().is_some());
}

#[apply(leak_checked!)]
fn whatever_the_keyring_refuses_is_one_sentence_and_makes_no_key() {
    type Refusal = fn() -> KeyringError;
    let refusals: [(Refusal, &str); 6] = [
        (
            || KeyringError::NoStorageAccess("locked".into()),
            "is locked, or there is none yet, and nobody unlocked it: unlock it",
        ),
        (|| KeyringError::PlatformFailure("no\nbus".into()), "cannot be reached: no bus: see whether a keyring runs"),
        (|| KeyringError::Ambiguous(Vec::new()), "has several entries of that name: remove all but the right one"),
        (|| KeyringError::BadEncoding(b"a secret of the keyring".to_vec()), "answered what cannot be read"),
        (
            || KeyringError::BadDataFormat(b"a secret of the keyring".to_vec(), "".into()),
            "answered what cannot be read",
        ),
        (|| KeyringError::TooLong("user".into(), 7), "the user is longer than the 7 characters"),
    ];
    for (refusal, sentence) in refusals {
        let (folder, keyring) = (tempfile::tempdir().unwrap(), Keyring::new().unwrap());
        let store = FileStore::at(folder.path());
        let refused = |name: &str| {
            let entry = entry_in(&keyring)(name)?;
            entry.as_any().downcast_ref::<Cred>().unwrap().set_error(refusal());
            Ok(entry)
        };
        let said = words(key_of(&store.0, refused));
        assert!(said.contains(sentence) && !said.contains("a secret of"), "{said}");
        assert_eq!(said.lines().count(), 1);
        // It was the keyring's mood: the next start makes one.
        assert!(key_of(&store.0, entry_in(&keyring)).is_ok());
    }
}

#[apply(leak_checked!)]
fn an_entry_that_holds_no_key_is_left_as_it_is() {
    let (folder, keyring) = (tempfile::tempdir().unwrap(), Keyring::new().unwrap());
    let store = FileStore::at(folder.path());
    let name = fs::canonicalize(folder.path()).unwrap().display().to_string();
    let entry = entry_in(&keyring)(&name).ok().unwrap();
    for wrong in ["", "a password of somebody", &"0".repeat(64), &"ab".repeat(31), "x7f3k2m9q4w8e1r5t6y0u2i3o4p5a6s7"] {
        entry.set_secret(wrong.as_bytes()).unwrap();
        let said = words(key_of(&store.0, entry_in(&keyring)));
        assert!(said.starts_with("the keyring's entry holds no sealing key: "), "{said}");
        assert!(wrong.is_empty() || !said.contains(wrong), "{said}");
        assert_eq!(entry.get_secret().unwrap(), wrong.as_bytes());
    }
}
