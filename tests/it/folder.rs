//! What a folder of sessions holds must be of its user alone: what others could have prepared is not used.
#![cfg(unix)]

use keyway::{FileStore, Generation, Key, Record, Store, StoreError, testing::key};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

/// Somebody else. Tests that give files away leave that out where they are not root.
const ANOTHER: u32 = 12_345;

fn record(counter: u64) -> Record {
    let json = format!(
        r#"{{"schema":3,"lineage":1,"counter":{counter},"session":{{"access":"a-{counter}","issued_ms":1,"ends":"never"}}}}"#
    );
    Record::from_json(&json).unwrap()
}

fn first() -> Generation {
    record(1).generation()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A folder with a session in it, and an empty one beside it.
struct Place {
    home: TempDir,
    key: Key,
}

impl Place {
    async fn with_a_session() -> Self {
        let place = Self { home: tempfile::tempdir().unwrap(), key: key("one") };
        fs::create_dir(place.elsewhere("")).unwrap();
        assert!(place.store().compare_and_swap(&place.key, None, record(1)).await.unwrap());
        drop(place.store().lock(&place.key, Duration::ZERO).await.unwrap());
        place
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("sessions")
    }

    fn store(&self) -> FileStore {
        FileStore::at(self.folder())
    }

    fn file(&self, what: &str) -> PathBuf {
        self.folder().join(format!("{}.{what}", self.key))
    }

    fn elsewhere(&self, name: &str) -> PathBuf {
        self.home.path().join("elsewhere").join(name)
    }

    async fn load(&self) -> Result<Option<Generation>, StoreError> {
        Ok(self.store().load(&self.key).await?.map(|record| record.generation()))
    }

    async fn save(&self) -> Result<bool, StoreError> {
        self.store().compare_and_swap(&self.key, Some(first()), record(2)).await
    }

    async fn lock(&self) -> Result<(), StoreError> {
        self.store().lock(&self.key, Duration::ZERO).await.map(drop)
    }

    /// Nothing of it works, and each step says why.
    async fn is_refused(&self, why: &str) {
        let said = [self.load().await.map(drop), self.save().await.map(drop), self.lock().await];
        for said in said {
            let error = said.expect_err(why);
            assert!(error.is_unavailable() && error.to_string().contains(why), "{error}");
        }
    }
}

fn is_root() -> bool {
    let file = tempfile::tempdir().unwrap();
    chown(file.path(), Some(ANOTHER), None).is_ok()
}

#[apply(leak_checked!)]
async fn folder_that_others_can_write_into_is_refused() {
    let place = Place::with_a_session().await;
    for open in [0o777, 0o1777, 0o770, 0o702, 0o720] {
        set_mode(&place.folder(), open);
        place.is_refused("others can write into the folder").await;
        assert_eq!(mode(&place.folder()), open, "it is left as it is");
    }
    for closed in [0o700, 0o755, 0o750] {
        set_mode(&place.folder(), closed);
        assert_eq!(place.load().await.unwrap(), Some(first()), "{closed:o}");
    }
}

#[apply(leak_checked!)]
async fn folder_that_everybody_can_replace_is_refused() {
    let place = Place::with_a_session().await;
    set_mode(place.home.path(), 0o777);
    place.is_refused("everybody can replace a folder above it").await;
    // As /tmp is.
    set_mode(place.home.path(), 0o1777);
    assert_eq!(place.load().await.unwrap(), Some(first()));
}

#[apply(leak_checked!)]
async fn folder_of_another_user_is_refused() {
    let place = Place::with_a_session().await;
    if !is_root() {
        return;
    }
    chown(place.folder(), Some(ANOTHER), None).unwrap();
    place.is_refused("the folder belongs to another user").await;
    chown(place.folder(), Some(0), None).unwrap();
    assert_eq!(place.load().await.unwrap(), Some(first()));
    // By a link: one's own may lead there, another user's may not.
    let link = place.elsewhere("link");
    symlink(place.folder(), &link).unwrap();
    let by_link = FileStore::at(&link);
    assert!(by_link.load(&place.key).await.unwrap().is_some());
    std::os::unix::fs::lchown(&link, Some(ANOTHER), None).unwrap();
    let error = by_link.load(&place.key).await.unwrap_err();
    assert!(error.to_string().contains("a symbolic link of another user"), "{error}");
}

/// Nothing is made, changed or read where a link leads to.
#[apply(leak_checked!)]
async fn folder_with_links_in_it_leads_nowhere() {
    for what in ["json", "save", "lock"] {
        for there in [true, false] {
            let place = Place::with_a_session().await;
            let target = place.elsewhere("target");
            if there {
                fs::write(&target, record(1).to_json().expose()).unwrap();
                set_mode(&target, 0o644);
            }
            fs::remove_file(place.file(what)).unwrap();
            symlink(&target, place.file(what)).unwrap();
            let used = if what == "lock" { place.lock().await } else { place.save().await.map(drop) };
            let error = used.expect_err(what);
            assert!(error.is_unavailable() && error.to_string().contains("a symbolic link"), "{error}");
            assert_eq!(target.exists(), there, "{what}");
            if there {
                assert_eq!(mode(&target), 0o644, "{what}");
            }
        }
    }
}

#[apply(leak_checked!)]
async fn folder_with_a_second_name_of_a_file_elsewhere_is_refused() {
    for what in ["json", "save", "lock"] {
        let place = Place::with_a_session().await;
        let target = place.elsewhere("target");
        fs::write(&target, record(1).to_json().expose()).unwrap();
        set_mode(&target, 0o644);
        fs::remove_file(place.file(what)).unwrap();
        fs::hard_link(&target, place.file(what)).unwrap();
        let used = if what == "lock" { place.lock().await } else { place.save().await.map(drop) };
        let error = used.expect_err(what);
        assert!(error.is_unavailable() && error.to_string().contains("a second name"), "{error}");
        assert_eq!(mode(&target), 0o644, "{what}");
    }
}

/// Opening a pipe waits for somebody at its other end.
#[apply(leak_checked!)]
async fn folder_with_pipes_folders_and_devices_in_it_holds_up_nobody() {
    for what in ["json", "save", "lock"] {
        for kind in ["pipe", "folder", "device"] {
            let place = Place::with_a_session().await;
            fs::remove_file(place.file(what)).unwrap();
            let made = match kind {
                "folder" => fs::create_dir(place.file(what)).is_ok(),
                "pipe" => Command::new("mkfifo").arg(place.file(what)).status().unwrap().success(),
                _ => {
                    let made = Command::new("mknod").arg(place.file(what)).args(["c", "1", "3"]).output().unwrap();
                    made.status.success()
                }
            };
            if !made {
                assert_eq!(kind, "device", "only root makes one");
                continue;
            }
            let used = if what == "lock" { place.lock().await } else { place.save().await.map(drop) };
            let error = used.expect_err(what);
            assert!(error.is_unavailable() && error.to_string().contains("no regular file"), "{what} {kind}: {error}");
        }
    }
}

#[apply(leak_checked!)]
async fn folder_that_others_wrote_to_is_refused_and_one_they_could_read_is_closed() {
    let place = Place::with_a_session().await;
    for open in [0o666, 0o622, 0o660] {
        set_mode(&place.file("json"), open);
        let error = place.load().await.unwrap_err();
        assert!(error.is_unavailable() && error.to_string().contains("others can write to a file"), "{error}");
    }
    for readable in [0o644, 0o640, 0o604, 0o700] {
        set_mode(&place.file("json"), readable);
        assert_eq!(place.load().await.unwrap(), Some(first()));
        assert_eq!(mode(&place.file("json")), 0o600);
    }
    if is_root() {
        chown(place.file("json"), Some(ANOTHER), None).unwrap();
        let error = place.load().await.unwrap_err();
        assert!(error.is_unavailable() && error.to_string().contains("belongs to another user"), "{error}");
        assert!(place.save().await.is_err());
    }
}

/// A process of its own: the umask is everybody's in a process.
#[test]
fn folder_child_without_a_umask() {
    let Ok(folder) = std::env::var("KEYWAY_TEST_FOLDER") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, key) = (FileStore::at(folder), key("one"));
        assert!(store.compare_and_swap(&key, None, record(1)).await.unwrap());
        drop(store.lock(&key, Duration::ZERO).await.unwrap());
    });
}

#[apply(leak_checked!)]
fn folder_and_all_that_is_made_above_it_is_the_users_alone_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".local/state/app/keyway");
        let ended = Command::new("sh")
            .args(["-c", &format!("umask {umask}; exec \"$0\" --exact folder::folder_child_without_a_umask")])
            .arg(std::env::current_exe().unwrap())
            .env("KEYWAY_TEST_FOLDER", &folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(ended.status.success() && said.contains("1 passed"), "{umask}: {said}");
        for made in [".local", ".local/state", ".local/state/app", ".local/state/app/keyway"] {
            assert_eq!(mode(&home.path().join(made)), 0o700, "{umask} {made}");
        }
        for file in fs::read_dir(&folder).unwrap().flatten() {
            assert_eq!(mode(&file.path()), 0o600, "{umask} {file:?}");
        }
    }
}

#[apply(leak_checked!)]
async fn folder_keeps_no_damaged_file_after_a_sign_out_or_a_removal() {
    let tombstone = || Record::from_json(r#"{"schema":3,"lineage":1,"counter":2,"signed_out":true}"#).unwrap();
    for removed in [false, true] {
        let place = Place::with_a_session().await;
        for _ in 0..3 {
            fs::write(place.file("json"), "a damaged file with a token").unwrap();
            assert_eq!(place.load().await.unwrap(), None);
            assert!(place.store().compare_and_swap(&place.key, None, record(1)).await.unwrap());
        }
        let others = place.folder().join(format!("{}.corrupt-1", key("another")));
        fs::write(&others, "another session's").unwrap();
        assert!(place.file("corrupt-3").exists());
        match removed {
            true => place.store().remove(&place.key).await.unwrap(),
            false => {
                assert!(place.store().compare_and_swap(&place.key, Some(first()), tombstone()).await.unwrap());
            }
        }
        for number in 1..4 {
            assert!(!place.file(&format!("corrupt-{number}")).exists(), "{number}");
        }
        assert!(others.exists());
    }
}
