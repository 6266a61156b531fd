//! What else holds for every surface, whatever is peculiar to it.

use crate::laws::{Fixture, Surface, for_every_surface};
use keyway::{Clock, ErrorKind, Expiry, testing::Fault};
use std::{collections::HashSet, fs, path::Path, time::Duration};

const DAY: i64 = 86_400;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Five hundred calls are out with a token that the vendor has forgotten.
async fn a_401_to_many_calls_at_once_is_one_renewal<S: Surface>() {
    let fixture = Fixture::<S>::new().await;
    let (http, session) = fixture.client();
    session.lease().await.unwrap();
    let gate = fixture.fake().hold("other");
    fixture.surface.forget();
    let calls: Vec<_> = (0..CALLS).map(|_| tokio::spawn(http.get(S::PATH).send())).collect();
    gate.arrived(CALLS).await;
    gate.open();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!((fixture.asked(), fixture.fake().count("other")), (2, 2 * CALLS));
}

const CALLS: usize = 500;

/// Whoever has a wrong clock is told how long a token lives, or takes it for that long.
async fn a_clock_that_is_a_day_wrong_does_no_harm<S: Surface>() {
    for wrong in [-DAY, DAY] {
        let fixture = Fixture::<S>::new().await;
        fixture.clock.jump_wall(wrong);
        let (http, session) = fixture.client();
        let life = S::LIFE.unwrap_or(HOUR);
        for _ in 0..3 {
            assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 200);
            fixture.clock.advance(life / 4);
        }
        assert_eq!(fixture.asked(), 1, "{wrong}");
        if let Expiry::At(end) = session.lease().await.unwrap().expiry() {
            let left = end.duration_since(fixture.clock.wall()).unwrap();
            assert!(left.abs_diff(life / 4) <= Duration::from_secs(1), "{wrong}: {left:?}");
        }
        fixture.clock.advance(life);
        assert_eq!(http.get(S::PATH).send().await.unwrap().status(), 200);
        assert_eq!(fixture.asked(), if S::LIFE.is_some() { 2 } else { 1 }, "{wrong}");
    }
}

/// A minute, ten seconds, one second: each token is used before it is renewed, and nothing spins.
async fn a_short_life_is_used_and_asks_for_no_more_tokens_than_there_are_lives<S: Surface>() {
    if S::LIFE.is_none() {
        return;
    }
    for life in [60, 10, 1].map(Duration::from_secs) {
        let fixture = Fixture::<S>::with_life(Some(life)).await;
        let (_, session) = fixture.client();
        for lives in 1..=3 {
            let first = session.lease().await.unwrap().generation();
            for _ in 0..20 {
                assert_eq!(session.lease().await.unwrap().generation(), first, "{life:?}");
            }
            session.close().await.unwrap();
            assert_eq!(fixture.asked(), lives, "{life:?}");
            fixture.clock.advance(life);
        }
    }
}

/// Only the vendor's own refusal discards a refresh token.
async fn whatever_else_a_renewal_fails_with_the_refresh_token_is_kept<S: Surface>() {
    if !S::RENEWS_BY_ROTATION {
        return;
    }
    let throttled = Fault::TooManyRequests { retry_after: Some("7".to_owned()) };
    let faults = [403, 408, 500, 502].map(Fault::Html).into_iter();
    for fault in faults.chain([Fault::Empty(408), Fault::Empty(503), throttled, Fault::CutBefore]) {
        let fixture = Fixture::<S>::new().await;
        let (_, session) = fixture.client();
        let renewal = S::OBTAIN[S::OBTAIN.len() - 1];
        let first = session.lease().await.unwrap().generation();
        fixture.clock.advance(S::LIFE.unwrap_or(HOUR) * 2);
        fixture.fake().always(renewal, fault.clone());
        let error = session.lease().await.unwrap_err();
        assert!(
            !matches!(error.kind(), ErrorKind::SignInRequired | ErrorKind::InvalidCredentials),
            "{fault:?}: {error}"
        );
        fixture.fake().heal(renewal);
        fixture.clock.advance(HOUR);
        let second = session.lease().await.unwrap().generation();
        assert_eq!((first.counter(), second.counter()), (1, 2), "{fault:?}: the session was begun anew");
    }
}

/// A vendor's wait is believed, up to an hour, and in whatever way it is told.
async fn a_throttle_is_waited_for_as_long_as_it_says_and_no_longer<S: Surface>() {
    let date = "Thu, 01 Jan 2026 00:02:00 GMT"; // two minutes from where the clock begins
    for (told, wait) in [("30", 30), ("90", 90), (date, 120), ("999999999", 3600)] {
        let fixture = Fixture::<S>::new().await;
        let (_, session) = fixture.client();
        S::OBTAIN.iter().for_each(|operation| {
            fixture.fake().next(operation, Fault::TooManyRequests { retry_after: Some(told.to_owned()) });
        });
        let error = session.lease().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled, "{told}: {error}");
        if S::READS_RETRY_AFTER {
            assert_eq!(error.retry_after(), Some(Duration::from_secs(wait)), "{told}");
            fixture.clock.advance(Duration::from_secs(wait) - Duration::from_millis(1));
            assert!(session.lease().await.unwrap_err().is_local(), "{told}");
            fixture.clock.advance(Duration::from_millis(1));
        } else {
            fixture.clock.advance(error.retry_after().unwrap());
        }
        session.lease().await.unwrap();
        assert_eq!(fixture.asked(), 2, "{told}");
    }
}

/// A refused renewal takes its refresh token with it, and nothing else: the next token comes of a sign-in, at once.
async fn a_refresh_token_that_the_vendor_refuses_is_not_presented_again<S: Surface>() {
    if !S::RENEWS_BY_ROTATION {
        return;
    }
    let fixture = Fixture::<S>::new().await;
    let (_, session) = fixture.client();
    let first = session.lease().await.unwrap().generation();
    fixture.surface.forget_refresh();
    fixture.clock.advance(S::LIFE.unwrap_or(HOUR) * 2);
    let second = session.lease().await.unwrap().generation();
    assert_eq!((first == second, second.counter(), fixture.asked()), (false, 1, 3));
    let mut seen = HashSet::new();
    for _ in 0..10 {
        seen.insert(session.lease().await.unwrap().generation());
        fixture.clock.advance(MINUTE / 60);
    }
    assert_eq!((seen.len(), fixture.asked()), (1, 3));
}

for_every_surface! {
    a_401_to_many_calls_at_once_is_one_renewal
    a_clock_that_is_a_day_wrong_does_no_harm
    a_short_life_is_used_and_asks_for_no_more_tokens_than_there_are_lives
    whatever_else_a_renewal_fails_with_the_refresh_token_is_kept
    a_throttle_is_waited_for_as_long_as_it_says_and_no_longer
    a_refresh_token_that_the_vendor_refuses_is_not_presented_again
}

/// What a surface with a document has of its own: a file, or at least one that begins so.
const OWN_FILES: [&str; 9] = [
    "specs/<name>.md",
    "src/surfaces/<name>.rs",
    "src/testing/<name>.rs",
    "tests/it/<name>.rs",
    "tests/it/laws/bundled/<name>.rs",
    "tests/it/wire/<name>.rs",
    "docs/vendors/<name>.md",
    "examples/<name>_",
    "fuzz/seeds/answer/<name>-",
];

/// Where else it is written down: the place, what stands there, and what to do. Where nothing is said to stand there, a
/// script or a reader misses it.
const PLACES: [(&str, &str, &str); 11] = [
    ("Cargo.toml", "\"<name>\"", "add the feature to `vendors`: its own tests would not be compiled"),
    ("src/surfaces/mod.rs", "pub mod <name>;", "add it"),
    ("src/testing/mod.rs", "\nmod <name>;", "it has no fake"),
    ("tests/it/main.rs", "\nmod <name>;", "its own tests would not be compiled"),
    ("README.md", "| `keyway::<name>` |", "add a row to *Ways in*"),
    ("examples/README.md", "`<name>_", "add a row for each of its examples"),
    ("CHANGELOG.md", "", ""),
    ("docs/api-changes.md", "", ""),
    (
        "docs/capabilities.md",
        "| `<name>` `.",
        "write them into `all_capabilities()` of its file, then KEYWAY_BLESS=1 cargo test --lib surfaces",
    ),
    (".ci/budgets.txt", "", ""),
    ("tests/public_api/", "pub mod keyway::<name>\n", "KEYWAY_BLESS=1 bash .ci/public-api"),
];

/// For `cargo fmt`, which reads no list of the build script's.
const FORMATTED: [&str; 2] = ["#[path = \"laws/bundled/<name>.rs\"]", "#[path = \"wire/<name>.rs\"]"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file, or all of a folder.
fn text_of(place: &str) -> String {
    let path = root().join(place);
    let mut files = vec![path.clone()];
    if path.is_dir() {
        files = fs::read_dir(path).unwrap().map(|file| file.unwrap().path()).collect();
    }
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect::<String>().replace("\r\n", "\n")
}

/// Whether there is a file whose path from here begins so.
fn begins_a_file(start: &str) -> bool {
    let (folder, start) = start.rsplit_once('/').unwrap();
    let mut files = fs::read_dir(root().join(folder)).unwrap().map(|file| file.unwrap().file_name());
    files.any(|file| file.to_string_lossy().starts_with(start))
}

/// What this surface lacks, in sentences.
fn missing_for(surface: &str) -> Vec<String> {
    let named = |text: &str| text.replace("<name>", surface);
    let own = OWN_FILES.map(named).into_iter().filter(|file| !begins_a_file(file));
    let mut missing: Vec<_> = own.map(|file| format!("`{surface}`: there is no {file}")).collect();
    for (place, what, cure) in PLACES {
        if !text_of(place).contains(&named(what)) {
            missing.push(format!("`{surface}`: {place} has no `{}`: {cure}", named(what).trim()));
        }
    }
    let tests = named("tests/it/<name>.rs");
    for line in FORMATTED.map(named).into_iter().filter(|line| !text_of(&tests).contains(line)) {
        missing.push(format!("`{surface}`: {tests} has no `{line}`: `cargo fmt` would not find that file"));
    }
    missing
}

#[apply(leak_checked!)]
fn every_document_has_all_that_goes_with_a_surface() {
    let files = fs::read_dir(root().join("specs")).unwrap().map(|file| file.unwrap().file_name());
    let names: Vec<_> = files.map(|file| file.into_string().unwrap()).collect();
    let surfaces: Vec<_> = names.iter().filter_map(|name| name.strip_suffix(".json")).collect();
    assert!(surfaces.len() >= 5, "{surfaces:?}");
    let missing: Vec<_> = surfaces.into_iter().flat_map(missing_for).collect();
    assert!(missing.is_empty(), "{}\nSee *Add a surface* in CONTRIBUTING.md.", missing.join("\n"));
}

/// The recipe for a further surface names the places that are looked at here. Ten that are written by hand would be too many.
#[apply(leak_checked!)]
fn contributing_names_the_places_that_a_further_surface_is_written_into() {
    let page = text_of("CONTRIBUTING.md");
    let recipe = page.split("\n## Add a surface\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let rows: Vec<_> = recipe.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | ")).collect();
    assert!(rows.iter().map(|(place, _)| *place).eq(PLACES.map(|(place, ..)| place)), "{rows:?}");
    assert!(rows.iter().filter(|(_, what)| !what.starts_with("written by `")).count() < 10, "{rows:?}");
    for file in OWN_FILES {
        assert!(recipe.contains(&format!("`{file}")), "*Add a surface* does not name {file}");
    }
}
