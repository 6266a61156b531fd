//! The likeliest mistakes of a newcomer: `docs/errors.md` has the line that each is answered with, and what to do.
//! `KEYWAY_BLESS=1 cargo test --test it mistakes` writes the table anew.

use crate::{TENANT, errors_page, raw::Raw, tls::Tls, vms_client};
use keyway::{
    Error, ErrorKind, RedisStore,
    blocking::Wait,
    orderingstack, shopmonkey,
    testing::{FakeOrderingStack, FakeShopmonkey, FakeVms, Fault, ManualClock},
    vitamojo, vms,
};
use serde_json::json;
use std::{fs, path::Path};

const BEGIN: &str = "<!-- mistakes -->\n";
const END: &str = "<!-- /mistakes -->";

/// What was done, what is said, and what mends it.
type Mistake = (&'static str, ErrorKind, String, &'static str);

fn mistake(what: &'static str, kind: ErrorKind, error: &Error, cure: &'static str) -> Mistake {
    assert_eq!(error.kind(), kind, "{what}: {error}");
    (what, kind, error.to_string(), cure)
}

fn vms_at(url: &str) -> vms::ClientBuilder {
    vms::Client::builder(url).password(FakeVms::LOGIN, FakeVms::PASSWORD)
}

fn till(uri: &str) -> orderingstack::ClientBuilder {
    orderingstack::Client::builder(uri)
        .tenant(FakeOrderingStack::TENANT)
        .client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET)
}

async fn of_the_network() -> Vec<Mistake> {
    use ErrorKind::{Api, Config, Outage, Protocol};
    let typo = vms_at("https://vms.invalid").build().unwrap().session().lease().await.unwrap_err();
    let plain = Raw::start(|_| b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let plain = vms_at(&format!("https://127.0.0.1:{}", plain.port())).build().unwrap();
    let root = FakeVms::start().await;
    let below = vms_at(&format!("{}/api/v1", root.uri())).build().unwrap();
    let known = Tls::start(1999..3999).await;
    let stranger = vms_at(&known.uri).build().unwrap().session().lease().await.unwrap_err();
    let late = Tls::start(1999..2001).await;
    let authority = late.authority.clone();
    let late = vms_at(&late.uri).http(move |b| b.add_root_certificate(authority.clone())).build().unwrap();
    let proxied = vms_at("https://vms.example");
    let proxied = proxied.http(|b| b.proxy(reqwest::Proxy::all("http://127.0.0.1:9").unwrap())).build().unwrap();
    let (guarded, clock) = (FakeVms::start().await, ManualClock::new());
    guarded.always("get_token", Fault::Html(403));
    let guarded = vms_client(&guarded, &clock).build().unwrap();
    vec![
        mistake("a mistyped address", Outage, &typo, "correct the host that `builder(url)` was given"),
        mistake(
            "an address with more than the platform's root",
            Api,
            &below.session().lease().await.unwrap_err(),
            "leave out the path that calls begin with, such as `/api/v1`",
        ),
        mistake(
            "an address of plain http",
            Config,
            &vms_at("http://vms.example").build().unwrap_err(),
            "use https; `.allow_http()` only on a network that you trust",
        ),
        mistake(
            "https to a port of plain http",
            Config,
            &plain.session().lease().await.unwrap_err(),
            "use the port that speaks TLS",
        ),
        mistake(
            "a certificate of your own authority",
            Config,
            &stranger,
            "`.http(\\|b\\| b.add_root_certificate(certificate))`, or `SSL_CERT_FILE`",
        ),
        mistake(
            "a clock that is off, or an old certificate",
            Config,
            &late.session().lease().await.unwrap_err(),
            "set this machine's clock; else tell the vendor",
        ),
        mistake(
            "a proxy that is not there",
            Config,
            &proxied.session().lease().await.unwrap_err(),
            "correct `HTTPS_PROXY`, or name the host in `NO_PROXY`",
        ),
        mistake(
            "a firewall answers with a page of its own",
            Protocol,
            &guarded.session().lease().await.unwrap_err(),
            "ask the operator of the firewall to let this machine through",
        ),
    ]
}

async fn of_the_credentials() -> Vec<Mistake> {
    use ErrorKind::{Config, InvalidCredentials, SessionLimitReached, Throttled, Unauthorized};
    let tills = FakeOrderingStack::start().await;
    let other = orderingstack::Client::builder(tills.uri())
        .tenant(TENANT)
        .client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET)
        .client_credentials();
    let service = till(&tills.uri()).client_credentials().build().unwrap();
    let wrong = FakeVms::start().await;
    let wrong = vms::Client::builder(wrong.uri()).password(FakeVms::LOGIN, "letmein").build().unwrap();
    let two = vitamojo::Client::builder("https://vita.example").password("a@b.example", "pw").refresh_token("token");
    let expired = FakeShopmonkey::start().await;
    let expired = shopmonkey::Client::builder(expired.uri()).api_key("revoked").build().unwrap();
    let (busy, clock) = (FakeVms::start().await, ManualClock::new());
    busy.always("get_token", Fault::Json(429, json!({ "message": "Too Many Attempts." })));
    let busy = vms_client(&busy, &clock).build().unwrap();
    let full = FakeVms::builder().session_limit(2).other_sessions(2).start().await;
    let full = vms_client(&full, &clock).build().unwrap();
    vec![
        mistake(
            "a wrong tenant",
            Config,
            &other.build().unwrap().session().lease().await.unwrap_err(),
            "give `.tenant(..)` the one that the vendor knows",
        ),
        mistake(
            "a wrong password",
            InvalidCredentials,
            &wrong.session().lease().await.unwrap_err(),
            "correct it, and make the client anew or call `sign_in()`",
        ),
        mistake("two credentials", Config, &two.build().unwrap_err(), "give one; make a second client for the other"),
        mistake(
            "a call that needs another role",
            Config,
            &service.api().get_self().send().await.unwrap_err(),
            "make a second client with the credential that is named",
        ),
        mistake(
            "a key that has expired",
            Unauthorized,
            &expired.api().list_api_keys().send().await.unwrap_err(),
            "have the vendor make a new one, and give it to `.api_key(..)`",
        ),
        mistake(
            "too many sign-ins",
            Throttled,
            &busy.session().lease().await.unwrap_err(),
            "wait as long as it says; share a store between processes",
        ),
        mistake(
            "too many sessions of one account",
            SessionLimitReached,
            &full.session().lease().await.unwrap_err(),
            "`.session_limit(EvictionPolicy::OldestOffline)`, or a store that the processes share",
        ),
    ]
}

async fn of_the_program() -> Vec<Mistake> {
    use ErrorKind::Config;
    let fake = FakeVms::start().await;
    let client = vms_at(&fake.uri()).build().unwrap();
    let its = client.clone();
    // A thread that belongs to no runtime.
    let nowhere = std::thread::spawn(move || crate::bad_input::at_once(its.session().lease()).unwrap_err());
    let mistyped = vms_at("https://vms.example").operation_path("listSession", "/api/v2/sessions");
    vec![
        mistake(
            "no runtime of Tokio",
            Config,
            &nowhere.join().unwrap(),
            "`#[tokio::main]` before `async fn main()`, or the feature `blocking`",
        ),
        mistake(
            "blocking inside async",
            Config,
            &client.session().lease().wait().unwrap_err(),
            "`.await` in place of `.wait()`",
        ),
        mistake(
            "a mistyped operation",
            Config,
            &mistyped.build().unwrap_err(),
            "name it as the method of `api()` is named",
        ),
    ]
}

/// What `close()` says after a sign-in with a store that fails.
async fn closed(builder: vms::ClientBuilder) -> Error {
    let client = builder.build().unwrap();
    client.session().lease().await.expect("it goes on without its store");
    client.session().close().await.unwrap_err()
}

async fn of_the_stores() -> Vec<Mistake> {
    use ErrorKind::Store;
    let fake = FakeVms::start().await;
    let redis = RedisStore::connect("redis://127.0.0.1:9").unwrap();
    let redis = closed(vms_at(&fake.uri()).store(redis)).await;
    vec![
        mistake("Redis is down", Store, &redis, "start it; meanwhile each process signs in for itself"),
        (
            "a folder that is read-only",
            Store,
            READ_ONLY.to_owned(),
            "give `FileStore::at(..)` a folder that can be written to",
        ),
    ]
}

const READ_ONLY: &str = "the session store has not taken what was to be saved: a lock file cannot be opened in \
    `/var/lib/till`: Permission denied (os error 13); let this user write there, or give another folder to FileStore::at(..): \
    the next process signs in anew; a session that was signed out may still be used there";

/// Nothing is read-only to the administrator, so this goes on as another user there.
#[cfg(unix)]
#[apply(leak_checked!)]
fn a_folder_that_is_read_only_is_answered_as_the_table_says() {
    use keyway::FileStore;
    use std::{
        os::unix::{
            fs::{MetadataExt, PermissionsExt, chown},
            process::CommandExt,
        },
        process::Command,
    };
    const SOMEONE: u32 = 12_345;
    if let Some(folder) = std::env::var_os("KEYWAY_TEST_READ_ONLY") {
        let error = crate::leak_check::runtime(1).block_on(async {
            let fake = FakeVms::start().await;
            closed(vms_at(&fake.uri()).store(FileStore::at(folder))).await
        });
        println!("\nsaid: {error}");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let set_mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set_mode(home.path(), 0o755);
    let [folder, program] = ["sessions", "program"].map(|name| home.path().join(name));
    fs::create_dir(&folder).unwrap();
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut process = Command::new(&program);
    if fs::metadata(home.path()).unwrap().uid() == 0 {
        chown(&folder, Some(SOMEONE), Some(SOMEONE)).unwrap();
        process.uid(SOMEONE).gid(SOMEONE);
    }
    set_mode(&folder, 0o500);
    let name = "mistakes::a_folder_that_is_read_only_is_answered_as_the_table_says";
    process.args([name, "--exact", "--nocapture"]).env("KEYWAY_TEST_READ_ONLY", &folder).current_dir("/");
    let output = process.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).replace(&*folder.to_string_lossy(), "/var/lib/till");
    let line = said.lines().find_map(|line| line.strip_prefix("said: "));
    assert_eq!(line, Some(READ_ONLY), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Shown by a test of its own, because a build has its features or has them not.
fn of_the_build() -> Vec<Mistake> {
    let no_tls = "keyway was built without TLS, so no https address can be called: turn on its feature `rustls`, `native-tls` or `rustls-no-provider`";
    vec![("no feature for TLS", ErrorKind::Config, no_tls.to_owned(), "leave the default features on, or add `rustls`")]
}

/// A machine without a name server words it differently from one with.
fn as_resolved_here(line: &str) -> String {
    line.replace("Temporary failure in name resolution", "Name or service not known")
}

#[apply(leak_checked!)]
async fn each_likely_mistake_has_a_line_that_says_what_to_do() {
    let mut mistakes = of_the_network().await;
    mistakes.extend(of_the_credentials().await);
    mistakes.extend(of_the_program().await);
    mistakes.extend(of_the_stores().await);
    mistakes.extend(of_the_build());
    let mut table = "| what happened | I see | kind | do |\n|---|---|---|---|\n".to_owned();
    for (what, kind, line, cure) in mistakes {
        let line = as_resolved_here(&line);
        table += &format!("| {what} | {} | `{kind:?}` | {cure} |\n", line.replace('|', "\\|"));
    }
    let _alone = errors_page::PAGE.lock();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let page = fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("a place for the table");
    let (shown, after) = rest.split_once(END).expect("an end of the table");
    if errors_page::blesses() {
        fs::write(&file, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(shown, table, "docs/errors.md is old: KEYWAY_BLESS=1 cargo test --test it mistakes");
}
