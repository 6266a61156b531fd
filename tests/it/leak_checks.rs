//! The leak check, checked: what leaks here is found, whatever the way and the form.

use crate::{
    leak_check::{self, Entry, LeakCheck, contract, patterns::Patterns, sent_elsewhere},
    vitamojo_client, vms_client,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use keyway::{
    Error, FileStore, Secret,
    custom::{self, Attempt, Capabilities, Issued, Issuer},
    testing::{FakeVitaMojo, FakeVms, Fault, ManualClock},
};
use serde_json::json;
use std::{
    collections::BTreeSet,
    fs,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

const SECRET: &str = "ünlöcked / \"97+13\" doors";

/// What a check finds that goes on while `leak` is done.
fn found<T>(leak: impl Future<Output = T>) -> Vec<String> {
    let check = LeakCheck::begin();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { drop(leak.await) });
    drop(runtime);
    check.end()
}

fn is_told(found: &[String], what: &str) {
    assert!(found.iter().any(|leak| leak.starts_with(what)), "{what}: {found:#?}");
}

#[test]
fn a_secret_is_found_in_every_form_and_in_no_other_text() {
    let patterns = Patterns::of([SECRET].into_iter());
    let forms = |text: &str| patterns.found_in(text).map(|found| found.form).collect::<Vec<_>>();
    for (text, form) in [
        (format!("it is {SECRET}!"), "as it is"),
        (json!({ "password": SECRET }).to_string(), "in JSON"),
        (format!("{:?}", Some(SECRET)), "in JSON"), // which looks the same
        ("/x?p=%C3%BCnl%C3%B6cked%20%2F%20%2297%2B13%22%20doors".to_owned(), "percent-encoded"),
        ("p=%C3%BCnl%C3%B6cked+%2F+%2297%2B13%22+doors".to_owned(), "form-encoded"),
        (format!("Basic {}", STANDARD.encode(format!("me:{SECRET}"))), "in base64"),
        (format!("Basic {}", STANDARD.encode(format!("you:{SECRET}"))), "in base64"),
        (format!("Basic {}", STANDARD.encode(format!("them:{SECRET}:"))), "in base64"),
    ] {
        assert!(forms(&text).contains(&form), "{form}: {text} {:?}", forms(&text));
    }
    assert_eq!(forms("97+13 doors, unlocked"), Vec::<&str>::new());
}

#[test]
fn a_long_part_of_a_secret_counts_and_a_short_secret_where_it_stands_alone() {
    let patterns = Patterns::of(["vm/refresh 1/../0123456789abcdef", "9f2a1", "tiny"].into_iter());
    let secrets = |text: &str| patterns.found_in(text).map(|found| found.secret).collect::<Vec<_>>();
    assert_eq!(secrets("refresh%201/..%2F0123456789abcdef"), ["vm/refresh 1/../0123456789abcdef"]);
    assert_eq!(secrets("captcha=9f2a1&key=b9f2a1c"), ["9f2a1"]);
    assert_eq!(secrets("39f2a1 tiny"), Vec::<&str>::new());
}

/// An issuer that says in its error what it was given.
struct Chatty;

impl Issuer for Chatty {
    fn describe(&self) -> Capabilities {
        Capabilities::new("chatty", ".password(..)")
    }

    async fn sign_in(&self, _: &Attempt) -> Result<Issued, Error> {
        let password = Secret::from(SECRET);
        Err(Error::invalid_credentials(format!("`{}` is wrong", password.expose())))
    }
}

#[test]
fn what_an_error_shows_is_found_even_if_nobody_looks_at_it() {
    let leaks = found(async {
        let client = custom::Client::builder("http://127.0.0.1:1").issuer(Chatty).principal("me").build().unwrap();
        client.session().lease().await.is_err()
    });
    is_told(&leaks, "an error shows the secret");
    is_told(&leaks, "a log shows the secret");
}

/// An issuer for whom a secret is a word like any other.
struct Careless;

impl Issuer for Careless {
    fn describe(&self) -> Capabilities {
        Capabilities::new("careless", ".password(..)")
    }

    async fn sign_in(&self, _: &Attempt) -> Result<Issued, Error> {
        let password = Secret::from(SECRET);
        Ok(Issued::new("a token").with_profile(json!({ password.expose(): true })))
    }
}

#[test]
fn what_a_session_would_have_told_is_found() {
    let leaks = found(async {
        let client = custom::Client::builder("http://127.0.0.1:1").issuer(Careless).principal("me").build().unwrap();
        client.session().lease().await.unwrap();
    });
    is_told(&leaks, "a session shows the secret");
}

#[test]
fn what_a_panic_or_a_log_says_is_found() {
    let leaks = found(async {
        let secret = Secret::from(SECRET);
        catch_unwind(AssertUnwindSafe(|| panic!("{}", secret.expose()))).unwrap_err();
    });
    is_told(&leaks, "a panic shows the secret");
    let leaks = found(async {
        let secret = Secret::from(SECRET);
        tracing::trace!(token = secret.expose(), "a careless line");
    });
    is_told(&leaks, "a log shows the secret");
}

/// reqwest tells the address it connects to through `log`: it is heard.
#[test]
fn the_logs_of_the_http_client_are_heard() {
    let leaks = found(async {
        let host = Secret::from("of-the-secret-agent.example");
        let http = reqwest::Client::builder().resolve(host.expose(), ([127, 0, 0, 1], 1).into()).build().unwrap();
        http.get(format!("http://{}:1/", host.expose())).send().await.is_err()
    });
    is_told(&leaks, "a log shows the secret");
}

/// hyper itself tells what it does only where that was asked for.
#[cfg(hyper_unstable_tracing)]
#[test]
fn the_logs_of_hyper_itself_are_heard() {
    let leaks = found(async {
        let (fake, _its_words) = (FakeVms::start().await, Secret::from("incoming body is"));
        vms_client(&fake, &ManualClock::new()).build().unwrap().session().lease().await.unwrap();
    });
    is_told(&leaks, "a log shows the secret");
}

#[test]
fn what_stands_in_an_address_or_in_a_files_name_is_found() {
    let leaks = found(async {
        let (fake, secret) = (FakeVms::start().await, Secret::from(SECRET));
        let client = vms_client(&fake, &ManualClock::new()).build().unwrap();
        client.http().get("/api/v1/cameras").query(&[("token", secret.expose())]).send().await.unwrap();
    });
    is_told(&leaks, "a URL shows the secret");
    let leaks = found(async {
        let (fake, folder) = (FakeVms::start().await, tempfile::tempdir().unwrap());
        let store = FileStore::at(folder.path().join(Secret::from("of-the-secret-agent").expose()));
        vms_client(&fake, &ManualClock::new()).store(store).build().unwrap().session().lease().await.unwrap();
    });
    is_told(&leaks, "a file's name shows the secret");
}

#[test]
fn a_refresh_token_may_stand_in_the_address_of_its_renewal_alone() {
    let renewal = |path: &'static str| async move {
        let fake = FakeVitaMojo::start().await;
        let client = vitamojo_client(&fake, &ManualClock::new()).build().unwrap();
        client.session().lease().await.unwrap();
        client.session().renew().await.unwrap();
        let refresh = fake.secrets().into_iter().find(|secret| secret.starts_with("vm-refresh")).unwrap();
        client.http().get(format!("{path}{refresh}")).send().await.unwrap();
    };
    is_told(&found(renewal("/order/v1/")), "a URL shows the secret");
    assert_eq!(found(renewal("/order/v1/orders?after=")).len(), 1);
    let leaks = found(async {
        let fake = FakeVitaMojo::start().await;
        let client = vitamojo_client(&fake, &ManualClock::new()).build().unwrap();
        client.session().lease().await.unwrap();
        client.session().renew().await.unwrap();
    });
    assert_eq!(leaks, Vec::<String>::new());
}

#[test]
fn what_one_vendor_knows_may_be_sent_to_no_other() {
    let both = |trusted: bool| async move {
        let clock = ManualClock::new();
        let (fake, other) = (FakeVms::start().await, FakeVms::start().await);
        if trusted {
            leak_check::trusts(&other);
        }
        let client = vms_client(&fake, &clock).also_origin(other.uri()).build().unwrap();
        client.http().get(format!("{}/api/v1/cameras", other.uri())).send().await.unwrap();
    };
    let leaks = found(both(false));
    // The other one refuses the first token, and gets a second one as well.
    assert_eq!(leaks.iter().filter(|leak| leak.contains("was sent to another origin")).count(), 2, "{leaks:#?}");
    assert_eq!(found(both(true)), Vec::<String>::new());
}

#[test]
fn a_port_that_is_given_to_one_fake_after_the_other_is_no_leak() {
    let astray = |entries: Vec<Entry>| {
        let entries: Vec<_> = entries.into_iter().map(Arc::new).collect();
        sent_elsewhere(&entries, &Patterns::of(["first-token", "second-token", "767232"].into_iter()))
    };
    let sent = |text: &str| Entry::Sent { address: "127.0.0.1:1".into(), text: text.into() };
    let closed = |secret: &str| Entry::Closed { address: "127.0.0.1:1".into(), secrets: vec![secret.into()] };
    let elsewhere = || Entry::Closed { address: "127.0.0.1:2".into(), secrets: vec!["767232".into()] };
    let [one, other] = ["first-token", "second-token"];
    assert_eq!(astray(vec![sent(one), closed(one), sent(other), closed(other)]).len(), 0);
    assert_eq!(astray(vec![sent(other), closed(one), sent(other), closed(other)]).len(), 1);
    assert_eq!(astray(vec![sent(one), closed(one), sent(one), closed(other)]).len(), 1);
    // What an open fake knows is not known, whatever one knew that had its port before.
    let far = Entry::Closed { address: "127.0.0.1:2".into(), secrets: vec![other.into()] };
    assert_eq!(astray(vec![closed(one), far, sent(other)]).len(), 0);
    assert_eq!(astray(vec![closed(one), closed(other), sent(one)]).len(), 0);
    // A code of six digits is given out by more than one.
    assert_eq!(astray(vec![elsewhere(), sent("767232"), closed(one)]).len(), 0);
}

#[test]
fn a_test_that_leaks_is_red() {
    let red = catch_unwind(|| {
        leak_check::checked(|| {
            let secret = Secret::from(SECRET);
            tracing::info!("signed in with {}", secret.expose());
        });
    });
    let told = red.unwrap_err().downcast::<String>().unwrap();
    assert!(told.contains("a log shows the secret") && told.contains("signed in with"), "{told}");
    leak_check::checked(|| tracing::info!("signed in with {:?}", Secret::from(SECRET)));
}

/// As where tests share a process.
#[test]
fn what_comes_to_be_on_the_threads_of_another_test_is_left_to_it() {
    fn leak() {
        tracing::info!("it said `{}`", Secret::from("what-one-test-typed").expose());
    }
    fn leak_anywhere() {
        leak_check::runtime(2).block_on(async {
            tokio::spawn(async { leak() }).await.unwrap();
            tokio::task::spawn_blocking(leak).await.unwrap();
        });
    }
    let beside = |other: fn()| {
        let check = LeakCheck::begin();
        let thread = std::thread::Builder::new().name("another test".to_owned());
        thread.spawn(other).unwrap().join().unwrap();
        check.end()
    };
    assert_eq!(beside(|| leak_check::apart(leak)), Vec::<String>::new());
    assert_eq!(beside(|| leak_check::apart(leak_anywhere)), Vec::<String>::new());
    // Its own threads are its own.
    let check = LeakCheck::begin();
    leak_anywhere();
    is_told(&check.end(), "a log shows the secret `what-one-test-typed`");
}

#[test]
fn a_request_that_is_not_as_documented_is_told_when_its_fake_is_dropped() {
    let told = |method: reqwest::Method, path: &'static str, headers: &'static [(&str, &str)], body: &'static str| {
        let outcome = catch_unwind(move || {
            found(async move {
                let fake = FakeVms::start().await;
                let mut call = reqwest::Client::new().request(method, format!("{}{path}", fake.uri()));
                for (name, value) in [("user-agent", "keyway/0"), ("accept", "application/json")].iter().chain(headers)
                {
                    call = call.header(*name, *value);
                }
                call.body(body).send().await.unwrap();
            });
        });
        outcome.err().map(|told| *told.downcast::<String>().unwrap()).unwrap_or_default()
    };
    let json: &[(&str, &str)] = &[("content-type", "application/json")];
    let (get, post) = (|| reqwest::Method::GET, || reqwest::Method::POST);
    for (wrong, what) in [
        (told(post(), "/api/v1/token", json, r#"{"login":"me"}"#), "has a body, whose `` \"password\" is a required"),
        (
            told(post(), "/api/v1/token", json, r#"{"login":1,"password":"p"}"#),
            "has a body, whose `/login` value is not",
        ),
        (told(post(), "/api/v1/token", json, r#"{"login":"me","password":"p","x":1}"#), "`/x` is not documented"),
        (told(post(), "/api/v1/token", json, ""), "lacks its body"),
        (told(post(), "/api/v1/token", json, "{"), "has a body without JSON"),
        (told(post(), "/api/v1/token", &[("content-type", "text/plain")], "{}"), "documented is `application/json`"),
        (told(get(), "/api/v1/captcha?size=3", &[], ""), "has the query parameter `size`, which is not documented"),
        (told(get(), "/api/v1/captcha", &[("x-color", "red")], ""), "has the header parameter `x-color`"),
        (told(get(), "/api/v1/captcha", &[("authorization", "Bearer x")], ""), "carries a session, and needs none"),
        (told(get(), "/api/v1/captcha", &[], "{}"), "has a body, and none is documented"),
        (told(get(), "/api/v1/sessions", &[], ""), "comes without a session"),
    ] {
        assert!(wrong.starts_with("FakeVms: the request for `") && wrong.contains(what), "{what}: {wrong}");
    }
    let right = told(post(), "/api/v1/token", json, r#"{"login":"mylogin@mail.com","password":"mypassword"}"#);
    assert_eq!(right, "");
}

#[test]
fn an_answer_that_is_not_as_documented_is_told_unless_a_fault_was_asked_for() {
    let schema = contract::answer_schema("FakeVitaMojo", "auth", "201");
    let wrong = |change: fn(&mut serde_json::Value)| {
        let mut body = contract::example("FakeVitaMojo", "auth", "201");
        change(&mut body);
        contract::wrong("FakeVitaMojo", schema, &body).join("; ")
    };
    assert_eq!(wrong(|_| ()), "");
    assert!(wrong(|body| body["payload"]["token"] = json!(7)).contains("`/payload/token` value is not"), "a number");
    assert!(wrong(|body| body["payload"]["user"]["active"] = json!(null)).contains("`/payload/user/active`"), "null");
    assert!(wrong(|body| body["payload"]["new"] = json!(1)).contains("`/payload/new` is not documented"), "a new one");
    assert_eq!(wrong(|body| body["payload"]["user"]["storeUUID"] = json!(null)), "", "may be null");
    leak_check::checked(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let fake = FakeVms::start().await;
            fake.next("get_basic_static", Fault::Member("/version".to_owned(), json!(7)));
            reqwest::get(format!("{}/api/v1/static/basic", fake.uri())).await.unwrap();
        });
    });
}

/// A test that nobody checks: its file and its name, or all of a file.
struct Unchecked {
    file: &'static str,
    test: &'static str,
    #[expect(dead_code, reason = "it is there to be read")]
    why: &'static str,
}

const UNCHECKED: &[Unchecked] = &[
    Unchecked {
        file: "src/fuzzing.rs",
        test: "every_property_holds_for_what_its_search_begins_with",
        why: "its secrets are words such as `refresh`, made of whatever bytes come",
    },
    Unchecked {
        file: "src/fuzzing.rs",
        test: "every_property_holds_for_variants_of_what_its_search_begins_with",
        why: "the same",
    },
    Unchecked { file: "tests/leak_check/mod.rs", test: "$name", why: "what a checked test becomes" },
    Unchecked { file: "tests/it/leak_checks.rs", test: "*", why: "leaks on purpose, and holds checks of its own" },
    Unchecked { file: "tests/allocations.rs", test: "*", why: "counts every allocation, and who listens allocates" },
    Unchecked { file: "tests/misuse/tests/misuse.rs", test: "*", why: "what does not compile does not run" },
    Unchecked { file: "tests/no_tls/tests/no_tls.rs", test: "*", why: "a crate of its own, in which nothing is sent" },
    Unchecked { file: "tests/fips/tests/fips.rs", test: "*", why: "a crate of its own, with another crypto library" },
    Unchecked {
        file: "tests/processes.rs",
        test: "child",
        why: "another process, which is killed before a check could end",
    },
    Unchecked {
        file: "src/testing/store_law.rs",
        test: "$law",
        why: "a law of a user's own store, whose tests know no leak check",
    },
    Unchecked {
        file: "tests/it/folder.rs",
        test: "folder_child_without_a_umask",
        why: "another process, with a umask of its own",
    },
    Unchecked { file: "tests/memory.rs", test: "child", why: "another process, whose memory is searched" },
    Unchecked {
        file: "tests/soak/main.rs",
        test: "a_long_day_with_all_five_vendors_leaves_nothing_behind",
        why: "each of its rounds is a check",
    },
    Unchecked {
        file: "src/testing/session_law.rs",
        test: "$law",
        why: "a law of a user's own vendor, whose tests know no leak check",
    },
    Unchecked { file: "tests/keyring.rs", test: "child", why: "another process, whose message bus is another one" },
    Unchecked {
        file: "tests/postgres/main.rs",
        test: "child",
        why: "another process, which is killed before a check could end",
    },
    Unchecked {
        file: "tests/redis/main.rs",
        test: "child",
        why: "another process, which is killed before a check could end",
    },
];

#[test]
fn every_test_is_checked_for_leaks_or_says_here_why_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    ["src", "tests"].iter().for_each(|room| find_sources(&folder.join(room), &mut files));
    let (mut unchecked, mut checked) = (BTreeSet::new(), 0);
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let name = file.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
        checked += text.lines().filter(|line| line.trim() == "#[apply(leak_checked!)]").count();
        unchecked.extend(plain_tests(&text).map(|test| (name.clone(), test.to_owned())));
    }
    let is = |known: &Unchecked, (file, test): &(String, String)| {
        known.file == file && (known.test == "*" || known.test == test)
    };
    let forgotten: Vec<_> = unchecked.iter().filter(|test| !UNCHECKED.iter().any(|known| is(known, test))).collect();
    assert!(forgotten.is_empty(), "these do not begin with `#[apply(leak_checked!)]`: {forgotten:?}");
    let needless: Vec<_> = UNCHECKED.iter().filter(|known| !unchecked.iter().any(|test| is(known, test))).collect();
    assert!(
        needless.is_empty(),
        "there is no such test any more: {:?}",
        needless.iter().map(|known| known.file).collect::<Vec<_>>()
    );
    assert!(checked > 550, "only {checked} were found in {} files", files.len());
}

/// What stands below a test's attribute but another one: the name of the function.
fn plain_tests(text: &str) -> impl Iterator<Item = &str> {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let is_test = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
    let starts: Vec<_> = lines.iter().enumerate().filter(|(_, line)| is_test(line)).map(|(at, _)| at).collect();
    starts.into_iter().map(move |at| {
        let signature = lines[at..].iter().find_map(|line| line.split_once("fn ")).map_or("", |(_, name)| name);
        signature.split('(').next().unwrap_or_default()
    })
}

fn find_sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_sources(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
}
