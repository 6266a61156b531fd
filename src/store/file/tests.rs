use super::{
    folder::{MOST_DAMAGED, SCANS_OF_OTHERS},
    *,
};
use crate::store::{Kept, LONGEST, RecordState, StoredExpiry, disk::is_open_to_others};
use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::Path,
    pin::pin,
    sync::atomic::Ordering,
    task::{Context, Poll, Waker},
    thread,
    time::SystemTime,
};

fn key() -> Key {
    Key::new("vms", &[("login", "me")])
}

fn record(generation: Generation) -> Record {
    Record::new(&key(), generation, RecordState::Nothing)
}

fn names(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).expect("a folder").flatten();
    let names = files.map(|file| file.file_name().to_string_lossy().replace(&key().to_string(), "key"));
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// A disk on which one kind of step fails.
#[derive(Clone, Copy)]
struct BrokenDisk(&'static str, ErrorKind);

impl BrokenDisk {
    fn at(&self, step: &str) -> io::Result<()> {
        if self.0 == step { Err(self.1.into()) } else { Ok(()) }
    }
}

impl Disk for BrokenDisk {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        self.at("make folder").and_then(|()| Local.make_folder(folder))
    }
    fn open_lock(&self, path: &Path) -> io::Result<File> {
        self.at("open lock").and_then(|()| Local.open_lock(path))
    }
    fn try_lock(&self, file: &File) -> io::Result<bool> {
        self.at("lock").and_then(|()| Local.try_lock(file))
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.at("read").and_then(|()| Local.read(path))
    }
    fn create(&self, path: &Path) -> io::Result<File> {
        self.at("create").and_then(|()| Local.create(path))
    }
    /// A disk that is full has room for a part of it.
    fn write(&self, file: &mut File, content: &[u8]) -> io::Result<()> {
        let failed = self.at("write");
        let fits = if failed.is_err() { &content[..content.len() / 2] } else { content };
        Local.write(file, fits).and(failed)
    }
    fn sync(&self, file: &File) -> io::Result<()> {
        self.at("sync").and_then(|()| Local.sync(file))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.at("rename").and_then(|()| Local.rename(from, to))
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.at("sync folder").and_then(|()| Local.sync_folder(folder))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.at("remove").and_then(|()| Local.remove(path))
    }
}

/// Fails to save over a file that is there; answers what it said.
async fn fail_to_save(step: &'static str, why: ErrorKind) -> (tempfile::TempDir, String) {
    let home = tempfile::tempdir().expect("a folder");
    let (key, first) = (key(), Generation::first(7));
    let works = FileStore::at(home.path());
    assert!(works.compare_and_swap(&key, None, record(first)).await.expect("works"));
    let broken = FileStore::on(BrokenDisk(step, why), home.path().into());
    let error = broken.compare_and_swap(&key, Some(first), record(first.next())).await.expect_err("broken");
    (home, error.to_string())
}

#[apply(leak_checked!)]
async fn a_save_that_fails_at_any_step_leaves_the_old_file_whole_and_nothing_beside_it() {
    for (step, why) in [
        ("open lock", ErrorKind::ReadOnlyFilesystem),
        ("lock", ErrorKind::Unsupported),
        ("read", ErrorKind::PermissionDenied),
        ("create", ErrorKind::ReadOnlyFilesystem),
        ("create", ErrorKind::PermissionDenied),
        ("write", ErrorKind::StorageFull),
        ("write", ErrorKind::QuotaExceeded),
        ("sync", ErrorKind::StorageFull),
        ("rename", ErrorKind::StorageFull),
    ] {
        let (home, _) = fail_to_save(step, why).await;
        assert_eq!(names(home.path()), ["key.json", "key.save"], "{step}");
        let kept = FileStore::at(home.path()).load(&key()).await.expect("whole");
        assert_eq!(kept.map(|kept| kept.generation()), Some(Generation::first(7)), "{step}");
        // And it goes on when the trouble is over.
        let (store, first) = (FileStore::at(home.path()), Generation::first(7));
        assert!(store.compare_and_swap(&key(), Some(first), record(first.next())).await.expect("works again"));
    }
}

#[apply(leak_checked!)]
async fn a_save_that_a_power_failure_may_undo_says_so_and_is_there_until_then() {
    let (home, said) = fail_to_save("sync folder", ErrorKind::Other).await;
    assert!(said.starts_with("a power failure may undo the last save"), "{said}");
    assert_eq!(names(home.path()), ["key.json", "key.save"]);
    let kept = FileStore::at(home.path()).load(&key()).await.expect("whole");
    assert_eq!(kept.map(|kept| kept.generation().counter()), Some(2));
}

#[apply(leak_checked!)]
async fn what_works_and_is_busy_differs_from_what_fails_and_from_what_never_works() {
    for (step, why, never_works) in [
        ("lock", ErrorKind::Other, true),
        ("lock", ErrorKind::Interrupted, false),
        ("read", ErrorKind::PermissionDenied, true),
        ("create", ErrorKind::ReadOnlyFilesystem, true),
        ("write", ErrorKind::StorageFull, false),
        ("sync", ErrorKind::Other, false),
    ] {
        let home = tempfile::tempdir().expect("a folder");
        let broken = FileStore::on(BrokenDisk(step, why), home.path().into());
        let error = broken.compare_and_swap(&key(), None, record(Generation::first(7))).await.expect_err(step);
        assert_eq!((error.is_unavailable(), error.is_busy()), (never_works, false), "{error}");
    }
    let home = tempfile::tempdir().expect("a folder");
    let (store, key) = (FileStore::at(home.path()), key());
    let _held = Store::lock(&store, &key, Duration::ZERO).await.expect("free");
    let error = Store::lock(&store, &key, Duration::ZERO).await.expect_err("held");
    assert_eq!((error.is_busy(), error.is_unavailable()), (true, false), "{error}");
}

#[apply(leak_checked!)]
async fn every_failure_says_where_and_what_to_do() {
    for (step, why, advice) in [
        ("create", ErrorKind::ReadOnlyFilesystem, "give a folder that can be written"),
        ("create", ErrorKind::PermissionDenied, "let this user write there"),
        ("write", ErrorKind::StorageFull, "free some space there"),
        ("lock", ErrorKind::Unsupported, "choose a folder on a local disk"),
    ] {
        let (home, said) = fail_to_save(step, why).await;
        assert!(said.contains(advice) && said.contains(&home.path().display().to_string()), "{said}");
        assert_eq!(said.lines().count(), 1);
    }
}

#[apply(leak_checked!)]
async fn without_locks_or_without_a_folder_there_is_no_lock_but_an_error() {
    let home = tempfile::tempdir().expect("a folder");
    for (step, why) in [
        ("make folder", ErrorKind::ReadOnlyFilesystem),
        ("open lock", ErrorKind::ReadOnlyFilesystem),
        ("lock", ErrorKind::Unsupported),
    ] {
        let broken = FileStore::on(BrokenDisk(step, why), home.path().join("app/keyway"));
        let wait = Duration::from_secs(60);
        let error = Store::lock(&broken, &key(), wait).await.expect_err("at once, not after the wait");
        assert!(error.is_unavailable() && !error.is_busy(), "{error}");
        assert!(broken.load(&key()).await.expect("nothing is there").is_none());
    }
}

#[apply(leak_checked!)]
async fn a_temporary_file_that_cannot_be_removed_now_is_removed_by_the_next_save() {
    struct Worse(BrokenDisk);
    impl Disk for Worse {
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.0.rename(from, to)
        }
        fn remove(&self, _: &Path) -> io::Result<()> {
            Err(ErrorKind::StorageFull.into())
        }
    }
    let home = tempfile::tempdir().expect("a folder");
    let (key, first) = (key(), Generation::first(7));
    let worse = FileStore::on(Worse(BrokenDisk("rename", ErrorKind::StorageFull)), home.path().into());
    worse.compare_and_swap(&key, None, record(first)).await.expect_err("broken");
    assert_eq!(names(home.path()).len(), 2);
    // Another session's is not touched.
    fs::write(home.path().join("vms-other.1.tmp"), "").expect("written");
    assert!(FileStore::at(home.path()).compare_and_swap(&key, None, record(first)).await.expect("works"));
    assert_eq!(names(home.path()), ["key.json", "key.save", "vms-other.1.tmp"]);
}

/// A disk on which another program has the file open at the first so many tries of one kind of step.
struct Scanned {
    step: &'static str,
    left: Mutex<usize>,
    waited: Arc<Mutex<Vec<u64>>>,
}

impl Scanned {
    fn at(&self, step: &str) -> io::Result<()> {
        let mut left = self.left.lock().expect("nobody panics here");
        if self.step != step || *left == 0 {
            return Ok(());
        }
        *left -= 1;
        Err(ErrorKind::ResourceBusy.into())
    }
}

impl Disk for Scanned {
    fn open_lock(&self, path: &Path) -> io::Result<File> {
        self.at("open lock").and_then(|()| Local.open_lock(path))
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.at("read").and_then(|()| Local.read(path))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let is_damaged = to.to_string_lossy().contains("corrupt");
        self.at(if is_damaged { "move away" } else { "rename" }).and_then(|()| Local.rename(from, to))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.at("remove").and_then(|()| Local.remove(path))
    }
    fn is_in_use(&self, error: &io::Error) -> bool {
        error.kind() == ErrorKind::ResourceBusy
    }
    fn wait(&self, pause: Duration) {
        self.waited.lock().expect("nobody panics here").push(pause.as_millis() as u64);
    }
}

/// Has a session saved, found damaged, saved anew and removed where one kind of step fails so many times. Answers
/// whether all of that worked, and the pauses.
async fn use_scanned(step: &'static str, times: usize) -> (bool, Vec<u64>) {
    let home = tempfile::tempdir().expect("a folder");
    let (key, first, waited) = (key(), Generation::first(7), Arc::new(Mutex::new(Vec::new())));
    let disk = Scanned { step, left: Mutex::new(times), waited: waited.clone() };
    let store = FileStore::on(disk, home.path().into());
    let outcome = async {
        assert!(store.compare_and_swap(&key, None, record(first)).await?);
        fs::write(home.path().join(format!("{key}.json")), "damage").expect("written");
        assert!(store.load(&key).await?.is_none());
        assert!(store.compare_and_swap(&key, None, record(first)).await?);
        store.remove(&key).await
    };
    let works = outcome.await.is_ok();
    let waited = waited.lock().expect("nobody panics here").clone();
    (works, waited)
}

#[apply(leak_checked!)]
async fn what_could_not_be_saved_is_removed_although_somebody_looks_at_it() {
    struct Full(Scanned);
    impl Disk for Full {
        fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
            Err(ErrorKind::StorageFull.into())
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            self.0.remove(path)
        }
        fn is_in_use(&self, error: &io::Error) -> bool {
            self.0.is_in_use(error)
        }
        fn wait(&self, pause: Duration) {
            self.0.wait(pause);
        }
    }
    let (home, waited) = (tempfile::tempdir().expect("a folder"), Arc::new(Mutex::new(Vec::new())));
    let full = Full(Scanned { step: "remove", left: Mutex::new(1), waited: waited.clone() });
    let store = FileStore::on(full, home.path().into());
    store.compare_and_swap(&key(), None, record(Generation::first(7))).await.expect_err("full");
    assert_eq!(
        (names(home.path()), &waited.lock().expect("nobody panics here")[..]),
        (vec!["key.save".into()], &[2][..])
    );
}

#[apply(leak_checked!)]
async fn a_file_that_somebody_else_has_open_is_tried_again_for_half_a_second() {
    assert_eq!(SCANS_OF_OTHERS.iter().sum::<u64>(), 510);
    for step in ["open lock", "read", "rename", "move away", "remove"] {
        for times in [1, 8] {
            assert_eq!(use_scanned(step, times).await, (true, SCANS_OF_OTHERS[..times].to_vec()), "{step}");
        }
        assert_eq!(use_scanned(step, 9).await, (false, SCANS_OF_OTHERS.to_vec()), "{step}");
    }
}

#[apply(leak_checked!)]
async fn a_damaged_file_is_moved_away_counts_as_absent_and_is_healed_by_the_next_save() {
    let home = tempfile::tempdir().expect("a folder");
    let (store, key, first) = (FileStore::at(home.path()), key(), Generation::first(7));
    let file = home.path().join(format!("{key}.json"));
    let stranger = Record { key: Some("vms-somebody-else".into()), ..record(first) };
    let stranger = stranger.to_json().expose().to_owned();
    let damages: [&[u8]; 5] = [b"", b"{\"schema\":2", b"\xff\xfe", b"[]", stranger.as_bytes()];
    for (count, damage) in damages.into_iter().enumerate() {
        fs::write(&file, damage).expect("written");
        assert!(store.load(&key).await.expect("absent").is_none());
        assert!(!file.exists());
        let aside = home.path().join(format!("{key}.corrupt-{}", count + 1));
        assert_eq!(fs::read(&aside).expect("kept"), damage);
        assert!(!is_open_to_others(&fs::metadata(&aside).expect("kept")));
        assert!(store.compare_and_swap(&key, None, record(first)).await.expect("healed"));
        assert_eq!(store.load(&key).await.expect("whole").map(|kept| kept.generation()), Some(first));
    }
    // A swap that finds the damage first does the same; and there is an end to what is kept.
    for _ in 0..20 {
        fs::write(&file, "damage").expect("written");
        assert!(!store.compare_and_swap(&key, Some(first), record(first.next())).await.expect("absent"));
    }
    let aside = names(home.path()).into_iter().filter(|name| name.contains("corrupt")).count();
    assert_eq!(aside, MOST_DAMAGED as usize);
}

#[apply(leak_checked!)]
async fn damage_that_cannot_be_moved_away_is_an_error_and_no_absence() {
    let home = tempfile::tempdir().expect("a folder");
    fs::write(home.path().join(format!("{}.json", key())), "damage").expect("written");
    let broken = FileStore::on(BrokenDisk("rename", ErrorKind::ReadOnlyFilesystem), home.path().into());
    let said = broken.load(&key()).await.expect_err("cannot be moved").to_string();
    assert!(said.starts_with("a damaged session file cannot be moved away"), "{said}");
}

#[apply(leak_checked!)]
async fn a_file_of_a_newer_version_is_left_as_it_is() {
    let home = tempfile::tempdir().expect("a folder");
    let (store, key) = (FileStore::at(home.path()), key());
    let newer = r#"{"schema":99,"and":["what","comes"]}"#;
    let file = home.path().join(format!("{key}.json"));
    fs::write(&file, newer).expect("written");
    assert!(store.load(&key).await.expect_err("newer").is_newer());
    for expected in [None, Some(Generation::first(7))] {
        let swap = store.compare_and_swap(&key, expected, record(Generation::first(8)));
        assert!(swap.await.expect_err("newer").is_newer());
    }
    assert!(store.remove(&key).await.expect_err("newer").is_newer());
    assert_eq!(fs::read_to_string(&file).expect("still there"), newer);
    assert_eq!(names(home.path()), ["key.json", "key.save"]);
}

#[cfg(unix)]
#[apply(leak_checked!)]
async fn folders_that_are_there_keep_their_mode() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let home = tempfile::tempdir().expect("a folder");
    let (mine, yours) = (home.path().join("state/app/keyway"), home.path().join("yours"));
    fs::create_dir(home.path().join("state")).expect("made");
    for existing in [home.path().join("state"), yours.clone()] {
        fs::create_dir_all(&existing).expect("made");
        fs::set_permissions(&existing, PermissionsExt::from_mode(0o755)).expect("set");
    }
    for folder in [&mine, &yours] {
        let store = FileStore::at(folder);
        assert!(store.compare_and_swap(&key(), None, record(Generation::first(7))).await.expect("works"));
        drop(Store::lock(&store, &key(), Duration::ZERO).await.expect("free"));
        for name in fs::read_dir(folder).expect("a folder").flatten() {
            assert_eq!(mode(&name.path()), 0o600, "{name:?}");
        }
    }
    assert_eq!((mode(&mine), mode(&yours), mode(&home.path().join("state"))), (0o700, 0o755, 0o755));
}

#[apply(leak_checked!)]
async fn a_file_where_a_folder_should_be_is_reported_as_that() {
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("sessions");
    fs::write(&file, "").expect("written");
    let store = FileStore::at(&file);
    let said = Store::lock(&store, &key(), Duration::ZERO).await.expect_err("no folder").to_string();
    assert!(said.starts_with("nothing can be kept in") && said.contains("not a directory"), "{said}");
    assert!(!store.0.told.load(Ordering::Relaxed));
}

#[apply(leak_checked!)]
fn a_program_is_named_by_a_plain_name() {
    for wrong in ["", " ", ".", "..", "...", "a/b", "/a", "a\\b", "c:", "a\0", "a\nb"] {
        let error = FileStore::for_app(wrong).expect_err(wrong);
        assert_eq!(error.kind(), crate::ErrorKind::Config, "{error}");
    }
    let store = FileStore::for_app("my app.2").expect("a plain name");
    assert!(store.0.path.ends_with("my app.2/keyway") && store.0.path.is_absolute());
}

#[apply(leak_checked!)]
fn debug_shows_the_folder_and_nothing_else() {
    let folder = std::path::absolute("some/where").expect("a current folder");
    assert_eq!(format!("{:?}", FileStore::at(&folder)), format!("FileStore({folder:?})"));
}

#[apply(leak_checked!)]
fn outside_a_runtime_there_is_an_error_and_no_panic() {
    let store = FileStore::at("/nowhere");
    let (key, mut context) = (key(), Context::from_waker(Waker::noop()));
    assert!(pin!(Store::load(&store, &key)).poll(&mut context).is_ready());
    assert!(pin!(Store::lock(&store, &key, Duration::ZERO)).poll(&mut context).is_ready());
}

/// Tells each time a lock has been tried.
struct Tells(mpsc::SyncSender<()>);

impl Disk for Tells {
    fn try_lock(&self, file: &File) -> io::Result<bool> {
        let free = Local.try_lock(file);
        self.0.send(()).expect("somebody listens");
        free
    }
}

#[apply(leak_checked!)]
async fn a_waiter_on_a_runtime_that_nobody_drives_keeps_the_lock_from_nobody() {
    let home = tempfile::tempdir().expect("a folder");
    // Not before it is heard: the waiter is polled first.
    let (tells, told) = mpsc::sync_channel(0);
    let (store, key) = (FileStore::on(Tells(tells), home.path().into()), key());
    let idle = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut waiting = Box::pin(Store::lock(&store, &key, Duration::from_secs(60)));
    {
        let _inside = idle.enter();
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    told.recv().expect("it was tried");
    let other = FileStore::at(home.path());
    assert!(other.try_lock(&key).await.expect("works").is_none(), "it is taken for the idle one");
    let _mine = Store::lock(&other, &key, FETCH * 5).await.expect("left again when nobody fetched it");
    idle.shutdown_background();
}

/// Its thread was busy for longer than an offer stands: it would be so the next time, too.
#[apply(leak_checked!)]
fn a_task_whose_thread_is_busy_gets_a_free_lock_when_it_is_polled_again() {
    let home = tempfile::tempdir().expect("a folder");
    // Not before it is heard: the waiter is polled first.
    let (tells, told) = mpsc::sync_channel(0);
    let (busy, other, key) = (FileStore::on(Tells(tells), home.path().into()), FileStore::at(home.path()), key());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (busy_thread, others) = (runtime(), runtime());
    let _inside = busy_thread.enter();
    let mut waiting = Box::pin(Store::lock(&busy, &key, Duration::from_secs(60)));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    told.recv().expect("it was tried");
    let heard = thread::spawn(move || told.into_iter().for_each(drop));
    // Until the offer has been taken back.
    let given_back = others.block_on(async { Store::lock(&other, &key, FETCH * 5).await.expect("free") });
    drop(given_back);
    let Poll::Ready(got) = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the lock is free, and it is not taken")
    };
    let held = got.expect("the lock");
    others.block_on(async { Store::lock(&other, &key, Duration::ZERO).await.expect_err("it is held") });
    drop(waiting);
    drop((held, busy));
    heard.join().expect("nobody tells any more");
}

#[apply(leak_checked!)]
async fn what_is_too_long_to_be_read_again_is_not_saved() {
    let home = tempfile::tempdir().expect("a folder");
    let (store, key, first) = (FileStore::at(home.path()), key(), Generation::first(7));
    let kept = |length: usize| {
        // Each quote is written as two characters.
        let (access, at) = ("\"".repeat(length / 2), SystemTime::UNIX_EPOCH);
        let state = RecordState::Live(Kept {
            access: access.into(),
            refresh: None,
            issued: at,
            received: at,
            ends: StoredExpiry::Never,
            evicted: false,
            rejections: 0,
            began: at,
        });
        Record { state, ..record(first) }
    };
    let around = LONGEST - kept(0).to_json().expose().len();
    let error = store.compare_and_swap(&key, None, kept(around + 2)).await.expect_err("too long");
    assert!(error.to_string().contains("longer than any store keeps"), "{error}");
    assert_eq!(names(home.path()), ["key.save"]);
    assert!(store.compare_and_swap(&key, None, kept(around / 2 * 2)).await.expect("it fits"));
    assert_eq!(store.load(&key).await.expect("whole").map(|kept| kept.generation()), Some(first));
}
