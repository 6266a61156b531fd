//! What is left of secrets in a process's memory once they are of no use: counted, by reading all that it can write.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

#[macro_use]
extern crate macro_rules_attribute;

#[path = "children/mod.rs"]
mod children;
#[macro_use]
mod leak_check;

use children::{Job, tell};
use keyway::{
    FileStore, MemoryStore, Session,
    oauth2::{self, Loopback},
    testing::{FakeOAuth2, FakeOrderingStack, FakeVitaMojo, FakeVms},
};
use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
};

/// No secret itself may lie in this process because of the search.
const MASK: u8 = 0x5a;

/// How much is looked at at once.
const WINDOW: usize = 1 << 20;

/// A secret, masked.
struct Needle(Vec<u8>);

impl Needle {
    fn of(secret: &str) -> Self {
        Self(secret.bytes().map(|byte| byte ^ MASK).collect())
    }

    fn is_at(&self, place: &[u8]) -> bool {
        place.len() >= self.0.len() && self.0.iter().zip(place).all(|(masked, byte)| masked ^ MASK == *byte)
    }
}

/// Looks at everything that this process can write: constants of the program are not what it has been given.
struct Search {
    memory: File,
    window: Vec<u8>,
}

impl Search {
    fn new() -> Self {
        Self { memory: File::open("/proc/self/mem").unwrap(), window: vec![0; WINDOW] }
    }

    fn count(&mut self, needle: &Needle) -> usize {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let mut found = 0;
        for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw"))) {
            let (begins, ends) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let address = |text| usize::from_str_radix(text, 16).unwrap();
            found += self.count_in(needle, address(begins), address(ends));
        }
        self.window.fill(0);
        found
    }

    /// Windows overlap, so that nothing is missed at a border.
    fn count_in(&mut self, needle: &Needle, begins: usize, ends: usize) -> usize {
        let (own, step) = (self.window.as_ptr_range(), WINDOW - needle.0.len() + 1);
        let (first, mut found) = (needle.0[0] ^ MASK, 0);
        for at in (begins..ends).step_by(step) {
            let length = WINDOW.min(ends - at);
            let read =
                self.memory.seek(SeekFrom::Start(at as u64)).and_then(|_| self.memory.read(&mut self.window[..length]));
            let Ok(read) = read else { continue };
            let starts = (0..read.min(step)).filter(|start| self.window[*start] == first);
            let is_elsewhere = |start: &usize| !(own.start as usize..own.end as usize).contains(&(at + start));
            found += starts.filter(is_elsewhere).filter(|start| needle.is_at(&self.window[*start..read])).count();
        }
        found
    }
}

async fn signed_in(session: &Session) -> Needle {
    let lease = session.lease().await.unwrap();
    Needle::of(lease.token().unwrap().expose())
}

#[test]
fn child() {
    let Some(work) = children::work() else { return };
    if work == "oauth2 loopback" {
        return by_browser();
    }
    let (surface, store) = work.split_once(' ').unwrap();
    let password =
        Needle(children::place().split(' ').next().unwrap().split('.').map(|byte| byte.parse().unwrap()).collect());
    let folder = children::place().split(' ').nth(1).unwrap().to_owned();
    let mut search = Search::new();
    children::run(async {
        let (http, session) = match store {
            "memory" => children::client(surface, MemoryStore::new()),
            _ => children::client(surface, FileStore::at(folder)),
        };
        let first = signed_in(&session).await;
        for _ in 0..5 {
            children::call(&http).await.unwrap();
        }
        match surface {
            "vms" => {
                session.sign_out().await.unwrap();
                session.sign_in().await.map(drop).unwrap();
            }
            _ => session.renew().await.map(drop).unwrap(),
        }
        let token = signed_in(&session).await;
        for _ in 0..5 {
            children::call(&http).await.unwrap();
        }
        let renewed = search.count(&first);
        assert!(search.count(&token) > 0 && search.count(&password) > 0, "the search finds what is there");
        session.sign_out().await.unwrap();
        let out = (search.count(&token), search.count(&password));
        drop((http, session));
        // What its connections hold goes when their tasks are run.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let gone = (search.count(&token), search.count(&password));
        tell(format_args!("{} {} {} {} {} {}", out.0, out.1, gone.0, gone.1, renewed, search.count(&first)));
    });
}

/// Of a token after the sign-out; of it, and of the password, when all was dropped; of a token that was renewed, later. What is
/// left of tokens lies in buffers of the HTTP library that it gave back: up to three were counted, and one is for the
/// allocator's moods.
const MOST: [usize; 4] = [4, 4, 1, 2];

#[apply(leak_checked!)]
async fn of_secrets_that_are_of_no_use_few_copies_are_left() {
    let (vita, ordering, vms) = (FakeVitaMojo::start().await, FakeOrderingStack::start().await, FakeVms::start().await);
    vita.serve(children::PATH);
    ordering.serve(children::PATH);
    vms.serve(children::PATH);
    let vendors = [
        ("vitamojo", vita.uri(), FakeVitaMojo::PASSWORD),
        ("orderingstack", ordering.uri(), FakeOrderingStack::PASSWORD),
        ("vms", vms.uri(), FakeVms::PASSWORD),
    ];
    let mut worst = [0; 4];
    for (surface, uri, password) in &vendors {
        for store in ["memory", "file"] {
            let home = tempfile::tempdir().unwrap();
            let masked: Vec<_> = Needle::of(password).0.iter().map(u8::to_string).collect();
            let place = format!("{} {}", masked.join("."), home.path().display());
            let work: &'static str = format!("{surface} {store}").leak();
            let mut process = children::Process::start(&Job::of(work, uri, place));
            let told = tokio::task::spawn_blocking(move || process.hear()).await.unwrap();
            println!("{work}: {told}");
            let counts: Vec<usize> = told.split(' ').map(|count| count.parse().unwrap()).collect();
            for (worst, count) in worst.iter_mut().zip([counts[0], counts[2], counts[3], counts[5]]) {
                *worst = count.max(*worst);
            }
        }
    }
    assert!(worst.iter().zip(MOST).all(|(worst, most)| *worst <= most), "{worst:?} of {MOST:?}");
}

/// Signs in by a browser elsewhere, and then counts what it is told to look for.
fn by_browser() {
    let mut search = Search::new();
    children::run(async {
        let issuer = children::place();
        let shown = Loopback::showing(|url| {
            tell(url);
            Ok(())
        });
        let client = oauth2::Client::discover(issuer).public_client(FakeOAuth2::PUBLIC_CLIENT).browser(shown);
        let client = client.build().unwrap();
        client.session().lease().await.map(drop).unwrap();
        drop(client);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        tell("signed in");
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let needle = Needle(line.split('.').map(|byte| byte.parse().unwrap()).collect());
            tell(search.count(&needle));
        }
    });
}

/// The code of a sign-in, and the query that brought it, when all was dropped. What is left of the code lies where that of
/// tokens does, in the HTTP library's buffers.
const MOST_OF_A_REDIRECT: [usize; 2] = [1, 0];

#[apply(leak_checked!)]
async fn of_what_a_browser_brings_back_hardly_a_copy_is_left() {
    let fake = FakeOAuth2::start().await;
    let mut process = children::Process::start(&Job::of("oauth2 loopback", &fake.uri(), fake.uri()));
    let (page, mut process) = tokio::task::spawn_blocking(move || (process.hear(), process)).await.unwrap();
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = browser.get(page).send().await.unwrap();
    let redirect = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(browser.get(&redirect).send().await.unwrap().status(), 200);
    let url = url::Url::parse(&redirect).unwrap();
    let code = url.query_pairs().find(|(known, _)| known == "code").unwrap().1.into_owned();
    let secrets = [code, url.query().unwrap().to_owned()];
    let counts = tokio::task::spawn_blocking(move || {
        assert_eq!(process.hear(), "signed in");
        secrets.map(|secret| {
            let masked: Vec<_> = Needle::of(&secret).0.iter().map(u8::to_string).collect();
            process.ask(&masked.join(".")).parse::<usize>().unwrap()
        })
    });
    let counts = counts.await.unwrap();
    println!("code and query: {counts:?}");
    assert!(counts.iter().zip(MOST_OF_A_REDIRECT).all(|(count, most)| *count <= most), "{counts:?}");
}
