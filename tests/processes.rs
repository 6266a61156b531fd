//! Real processes that share one folder: this test binary starts itself as often as it needs, against fakes in the first
//! process. The clock is the machine's, because the operating system's locks and files are what is tested.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

#[macro_use]
extern crate macro_rules_attribute;

#[path = "children/mod.rs"]
mod children;
#[macro_use]
mod leak_check;

use children::{
    Job, Process, answered,
    churn::{self, churn},
    generations, serving, start, tell,
};
use keyway::{
    FileStore, Sealed, SealingKey, Secret, Store, oauth2,
    testing::{self, FakeOAuth2, FakeOrderingStack, FakeVitaMojo, FakeVms, Fault},
};
use std::{
    collections::HashSet,
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where there is no session the operation that signs in is asked for once.
#[apply(leak_checked!)]
async fn eight_processes_without_a_session_are_one_sign_in() {
    let (vita, ordering, vms) = (vita_mojo().await, ordering_stack().await, vms().await);
    for (surface, uri) in [("vitamojo", vita.uri()), ("orderingstack", ordering.uri()), ("vms", vms.uri())] {
        let folder = tempfile::tempdir().unwrap();
        let mut processes = start(8, &Job::of(surface, &uri, folder.path()));
        assert_eq!(generations(&mut processes).len(), 1, "{surface}");
    }
    assert_eq!((vita.count("auth"), vita.count("refresh_token")), (1, 0));
    assert_eq!((ordering.count("issue_token"), vms.count("get_token")), (1, 1));
}

#[apply(leak_checked!)]
async fn eight_processes_on_an_ended_token_are_one_renewal() {
    let (vita, ordering) = (vita_mojo().await, ordering_stack().await);
    for (surface, uri) in [("vitamojo", vita.uri()), ("orderingstack", ordering.uri())] {
        let folder = tempfile::tempdir().unwrap();
        let job = Job::of(surface, &uri, folder.path());
        let before = generations(&mut start(1, &job));
        let mut processes = start(8, &Job { ahead: Duration::from_secs(24 * 3600), ..job });
        let after = generations(&mut processes);
        assert_eq!(after.len(), 1, "{surface}");
        assert!(after.is_disjoint(&before));
    }
    assert_eq!((vita.count("auth"), vita.count("refresh_token"), vita.reuses()), (1, 1, 0));
    assert_eq!((ordering.count("issue_token"), ordering.reuses()), (2, 0));
}

/// The vendor tells no end, so the 401 does.
#[apply(leak_checked!)]
async fn eight_processes_whose_token_is_refused_are_one_new_sign_in() {
    let (fake, folder) = (vms().await, tempfile::tempdir().unwrap());
    let mut processes = start(8, &Job::of("vms", &fake.uri(), folder.path()));
    let before = generations(&mut processes);
    fake.revoke_all();
    let after = generations(&mut processes);
    assert_eq!((before.len(), after.len(), fake.count("get_token")), (1, 1, 2));
    assert!(after.is_disjoint(&before));
}

#[apply(leak_checked!)]
async fn ten_rotations_by_six_processes_use_no_token_twice() {
    let (fake, folder) = (ordering_stack().await, tempfile::tempdir().unwrap());
    let mut processes = start(6, &Job::of("orderingstack", &fake.uri(), folder.path()));
    let before = generations(&mut processes);
    for process in &mut processes {
        process.say("renew and call");
    }
    answered(&fake, "issue_token", 10).await;
    for process in &mut processes {
        let told = process.ask("stop");
        assert!(told.ends_with("failed {}"), "{told}");
    }
    assert_eq!(fake.reuses(), 0);
    // One session from beginning to end: nobody had to sign in anew.
    let lineages = generations(&mut processes).into_iter().chain(before).map(|answer| answer[..12].to_owned());
    assert_eq!(lineages.collect::<HashSet<_>>().len(), 1);
}

#[apply(leak_checked!)]
async fn a_process_that_is_killed_in_the_middle_of_a_sign_in_holds_up_nobody() {
    let (fake, folder) = (vms().await, tempfile::tempdir().unwrap());
    let mut processes = start(3, &Job::of("vms", &fake.uri(), folder.path()));
    let gate = fake.hold("get_token");
    let mut killed = processes.pop().unwrap();
    killed.say("call");
    gate.arrived(1).await;
    for process in &mut processes {
        process.say("call");
    }
    killed.kill();
    gate.open();
    let generations: HashSet<_> = processes.iter_mut().map(|process| process.hear()).collect();
    assert_eq!((generations.len(), fake.count("get_token")), (1, 2), "{generations:?}");
}

/// What all of them get when they sign in at once, sorted.
fn signed_in(processes: &mut [Process]) -> Vec<String> {
    processes.iter_mut().for_each(|process| process.say("sign in"));
    let mut answers: Vec<_> = processes.iter_mut().map(|process| process.hear()).collect();
    answers.sort();
    answers
}

#[apply(leak_checked!)]
async fn eight_processes_share_ten_attempts_with_those_that_start_later() {
    let (fake, folder) = (vms().await, tempfile::tempdir().unwrap());
    fake.always("get_token", Fault::Html(503));
    let job = Job::of("vms", &fake.uri(), folder.path());
    let mut processes = start(8, &job);
    assert_eq!(signed_in(&mut processes), ["Outage"; 8]);
    // What some of them have found out the others need not ask: an outage, or that the budget is used up.
    let in_vain = |answers: Vec<String>| {
        assert!(answers.iter().all(|answer| ["Outage", "Throttled"].contains(&answer.as_str())), "{answers:?}");
    };
    // Each time one of them asks at least, until nobody may.
    (0..10).for_each(|_| in_vain(signed_in(&mut processes)));
    assert_eq!(fake.count("get_token"), 10);
    drop(processes);
    in_vain(signed_in(&mut start(3, &job)));
    assert_eq!(fake.count("get_token"), 10);
    // Ten minutes later.
    fake.heal("get_token");
    let ahead = Duration::from_secs(10 * 60 + 30);
    assert_eq!(signed_in(&mut start(2, &Job { ahead, ..job })), ["Ok"; 2]);
    assert_eq!(fake.count("get_token"), 11);
}

#[apply(leak_checked!)]
fn processes_killed_while_they_save_or_lock_lose_nothing_and_block_no_other() {
    let folder = tempfile::tempdir().unwrap();
    killed_while_they_save("churn", FileStore::at(folder.path()), folder.path());
}

#[apply(leak_checked!)]
fn processes_that_are_killed_while_they_save_what_is_sealed_lose_nothing_either() {
    let home = Home::with_a_key();
    killed_while_they_save("sealed churn", sealed(&home.folder()), &home.folder());
}

/// A folder for sessions, and beside it the key that seals them.
struct Home(tempfile::TempDir);

impl Home {
    fn with_a_key() -> Self {
        let home = tempfile::tempdir().unwrap();
        SealingKey::create_file(home.path().join("key")).unwrap();
        Self(home)
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("sessions")
    }
}

fn sealed(folder: &Path) -> Sealed<FileStore> {
    let key = SealingKey::from_file(folder.parent().unwrap().join("key")).unwrap();
    Sealed::new(FileStore::at(folder), key)
}

#[apply(leak_checked!)]
async fn eight_processes_whose_sessions_are_sealed_are_one_sign_in_and_one_renewal() {
    let (vita, ordering) = (vita_mojo().await, ordering_stack().await);
    for (work, uri) in [("sealed vitamojo", vita.uri()), ("sealed orderingstack", ordering.uri())] {
        let home = Home::with_a_key();
        let job = Job::of(work, &uri, home.folder());
        let before = generations(&mut start(8, &job));
        let after = generations(&mut start(8, &Job { ahead: Duration::from_secs(24 * 3600), ..job }));
        assert_eq!((before.len(), after.len()), (1, 1), "{work}");
        assert!(after.is_disjoint(&before));
        // Without the key nobody gets in, and nobody begins another session over it.
        fs::remove_file(home.0.path().join("key")).unwrap();
        SealingKey::create_file(home.0.path().join("key")).unwrap();
        let mut stranger = start(1, &Job::of(work, &uri, home.folder()));
        assert_eq!(stranger[0].ask("call"), "Store");
    }
    assert_eq!((vita.count("auth"), vita.count("refresh_token"), vita.reuses()), (1, 1, 0));
    assert_eq!((ordering.count("issue_token"), ordering.reuses()), (2, 0));
}

fn killed_while_they_save(work: &'static str, store: impl Store, folder: &Path) {
    let file = folder.join(format!("{}.json", testing::key("churn")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let job = Job::of(work, "", folder);
    let mut bystander = Process::start(&job);
    runtime.block_on(async {
        let raw = async || fs::read_to_string(&file).unwrap();
        churn::killed_while_they_save(&job, churn::kills(40), 1, &mut bystander, raw).await;
        bystander.kill();
        churn::is_free(&store).await;
    });
    let left: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|file| file.file_name()).collect();
    assert_eq!(left.len(), 3, "more than the session and its two locks: {left:?}");
}

#[apply(leak_checked!)]
async fn one_process_signs_out_while_seven_call() {
    let (fake, folder) = (vms().await, tempfile::tempdir().unwrap());
    let mut processes = start(8, &Job::of("vms", &fake.uri(), folder.path()));
    assert_eq!(generations(&mut processes).len(), 1);
    let (leaver, callers) = processes.split_first_mut().unwrap();
    for caller in callers.iter_mut() {
        caller.say("calls");
    }
    let before = fake.count("other");
    fake.until("other", before + 20).await;
    assert_eq!(leaver.ask("sign out"), "Ok(Revoked)");
    let before = fake.count("other");
    fake.until("other", before + 50).await;
    for caller in callers.iter_mut() {
        let told = caller.ask("stop");
        // They have credentials of their own, and begin a session that they share.
        assert!(told.ends_with("failed {}"), "{told}");
    }
    assert_eq!(leaver.ask("call"), "SignedOut");
    assert_eq!((generations(callers).len(), fake.count("get_token")), (1, 2));
}

/// The browser comes back to whichever process the balancer chooses, and once more when it is told to.
#[apply(leak_checked!)]
async fn a_page_that_one_process_asks_is_finished_by_others_with_one_exchange() {
    let (fake, folder) = (serving(FakeOAuth2::start().await), tempfile::tempdir().unwrap());
    let mut processes = start(4, &Job::of("page", &fake.uri(), folder.path()));
    let (page, ticket) = asked(&mut processes[0]);
    let redirect = back_from(&page).await;
    for process in &mut processes[1..] {
        process.say(&format!("finish {ticket} {redirect}"));
    }
    let finished: HashSet<_> = processes[1..].iter_mut().map(|process| process.hear()).collect();
    assert!(finished.iter().all(|answer| answer.starts_with("200 ")), "{finished:?}");
    // The one that asked finds the session, and so does one that starts later.
    processes.extend(start(1, &Job::of("page", &fake.uri(), folder.path())));
    assert_eq!((finished.len(), generations(&mut processes)), (1, finished));
    assert_eq!((fake.count("issue_token"), fake.reuses(), fake.count("authorize")), (1, 0, 1));
    // The browser's back button: nothing is sent.
    assert!(processes[1].ask(&format!("finish {ticket} {redirect}")).starts_with("200 "));
    assert_eq!((fake.count("issue_token"), fake.reuses()), (1, 0));
}

#[apply(leak_checked!)]
async fn a_page_whose_process_was_killed_is_finished_by_one_that_started_later() {
    let (fake, folder) = (serving(FakeOAuth2::start().await), tempfile::tempdir().unwrap());
    let job = Job::of("page", &fake.uri(), folder.path());
    let mut killed = start(1, &job).pop().unwrap();
    let (page, ticket) = asked(&mut killed);
    killed.kill();
    let redirect = back_from(&page).await;
    let mut later = start(2, &job);
    let finished = later[0].ask(&format!("finish {ticket} {redirect}"));
    assert!(finished.starts_with("200 "), "{finished}");
    assert_eq!(generations(&mut later), HashSet::from([finished]));
    assert_eq!((fake.count("issue_token"), fake.reuses()), (1, 0));
}

/// The address of the page that this process wants shown, and the ticket that finishes it.
fn asked(process: &mut Process) -> (String, String) {
    let told = process.ask("ask");
    let (page, ticket) = told.split_once(' ').unwrap();
    (page.to_owned(), ticket.to_owned())
}

/// Where the browser is led of a person who allows everything.
async fn back_from(page: &str) -> String {
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = browser.get(page).send().await.unwrap();
    answer.headers()["location"].to_str().unwrap().to_owned()
}

/// A web service: one process of it asks, and any can finish.
async fn pages(store: impl Store) {
    let client = oauth2::Client::discover(env::var("KEYWAY_CHILD_URI").unwrap())
        .public_client(FakeOAuth2::PUBLIC_CLIENT)
        .authorization_code("https://till.example/back")
        .profile("ann")
        .store(store)
        .build()
        .unwrap();
    let mut lines = children::lines();
    tell("ready");
    while let Some(line) = lines.recv().await {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["ask"] => {
                let question = client.session().lease().await.unwrap_err();
                let page = question.sign_in_page().unwrap();
                tell(format_args!("{} {}", page.url(), page.ticket().expose()));
            }
            ["finish", ticket, redirect] => match client.finish_sign_in(&Secret::from(ticket), redirect).await {
                Ok(lease) => tell(format_args!("200 {}", lease.generation())),
                Err(error) => tell(format_args!("{:?}: {error}", error.kind())),
            },
            ["call"] => match children::call(&client.http()).await {
                Ok(()) => tell(format_args!("200 {}", client.session().lease().await.unwrap().generation())),
                Err(what) => tell(what),
            },
            _ => panic!("what is `{line}`?"),
        }
    }
}

#[cfg(unix)]
#[apply(leak_checked!)]
async fn files_are_private_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let fake = vms().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for umask in ["000", "022", "077"] {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state/app/keyway");
        let job = Job { umask: Some(umask), ..Job::of("vms", &fake.uri(), &folder) };
        generations(&mut start(1, &job));
        assert_eq!(mode(&folder), 0o700, "{umask}");
        assert_eq!(mode(folder.parent().unwrap()), 0o700, "what is made on the way is private, too");
        let files: Vec<_> = fs::read_dir(&folder).unwrap().flatten().map(|file| file.path()).collect();
        // A session, its locks, and the same for the attempts.
        assert!(files.len() >= 5, "{files:?}");
        assert!(files.iter().all(|file| mode(file) == 0o600), "{umask}: {files:?}");
    }
}

async fn vms() -> FakeVms {
    serving(FakeVms::start().await)
}

async fn vita_mojo() -> FakeVitaMojo {
    serving(FakeVitaMojo::builder().rotating(true).start().await)
}

async fn ordering_stack() -> FakeOrderingStack {
    serving(FakeOrderingStack::builder().rotating(true).start().await)
}

/// What every process but the first one runs. As a test of its own it does nothing.
#[test]
fn child() {
    let Some(work) = children::work() else { return };
    children::run(async {
        match work.as_str() {
            "page" => pages(FileStore::at(children::place())).await,
            "churn" => churn(FileStore::at(children::place())).await,
            "sealed churn" => churn(sealed(Path::new(&children::place()))).await,
            surface => match surface.strip_prefix("sealed ") {
                Some(surface) => children::serve(surface, sealed(Path::new(&children::place()))).await,
                None => children::serve(surface, FileStore::at(children::place())).await,
            },
        }
    });
}
