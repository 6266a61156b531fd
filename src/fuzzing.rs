//! What holds whatever a vendor, a proxy or a store answers. Each property takes any bytes and panics where it does not hold.
//!
//! `fuzz/` searches for bytes for which one does not. What its searches begin with is held against the properties by a
//! test as well, in every run of the suite. No user's build has this module.

use self::exchange::FuzzedExchange;
use crate::{
    BoxFuture, Clock, Error, ErrorKind, Generation, Record, Retry, Secret, Windows,
    clock::Now,
    http::{
        cookies::Cookies,
        json, request, runtime,
        told_times::{self, retry_after},
    },
    session::{
        cooldown::{Cooldown, LONGEST_BELIEVED},
        decide::Deadlines,
        plan::Freshness,
        tokens::{Expiry, Lifetime, VendorExpiry, jwt_expiry},
    },
    store::{Fingerprint, Kept, NotBefore, RecordState, StoredExpiry, WaitReason},
    surfaces::vms,
};
use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{
    HeaderMap, HeaderValue,
    header::{DATE, RETRY_AFTER, SET_COOKIE},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    str,
    time::{Duration, SystemTime},
};
use url::Url;

mod bounds;
mod exchange;

#[cfg(feature = "oauth2")]
pub use bounds::what_an_api_wants_of_a_person_stays_what_it_said;
pub use bounds::{
    however_much_an_answer_holds_an_error_keeps_little, what_a_document_limits_is_refused_here_without_its_values,
};

/// A property and its name, which is that of its search and of the folder of its seeds.
pub type Property = (&'static str, fn(&[u8]));

/// All of them.
pub const PROPERTIES: &[Property] = &[
    ("address", no_address_leads_elsewhere_than_it_says),
    ("answer", every_answer_is_a_session_or_an_error_that_hides_its_secrets),
    ("bounds", however_much_an_answer_holds_an_error_keeps_little),
    ("captcha", a_captcha_shows_the_picture_it_was_sent),
    #[cfg(feature = "oauth2")]
    ("challenge", what_an_api_wants_of_a_person_stays_what_it_said),
    ("expiry", no_token_ends_before_or_after_what_was_told),
    ("json", patience_changes_nothing_that_is_right),
    ("limits", what_a_document_limits_is_refused_here_without_its_values),
    ("record", what_a_store_keeps_is_read_as_it_was_written),
    ("retry_after", no_wait_is_longer_than_is_believed),
    ("segment", a_path_value_stays_one_segment),
    ("set_cookie", the_last_line_of_a_cookie_counts),
];

/// No token is believed to live longer.
const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// November 2023, ten days after a machine was started.
fn now() -> Now {
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    Now { wall, monotonic: Duration::from_secs(10 * 24 * 3600) }
}

/// A clock that stands.
struct Still;

impl Clock for Still {
    fn wall(&self) -> SystemTime {
        now().wall
    }

    fn monotonic(&self) -> Duration {
        now().monotonic
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// A `Retry-After`, or a `Date`.
pub fn no_wait_is_longer_than_is_believed(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let asked = retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value.clone())]), now().wall);
    let text = value.to_str().ok().map(str::trim).filter(|text| !text.starts_with('+'));
    match (text.map(str::parse::<u64>), told_times::date(&HeaderMap::from_iter([(DATE, value.clone())]))) {
        (Some(Ok(seconds)), _) => assert_eq!(asked, Some(Duration::from_secs(seconds.min(3600)))),
        (_, Some(date)) => {
            let wait = date.duration_since(now().wall).unwrap_or_default();
            assert_eq!(asked, Some(wait.min(Duration::from_secs(3600))));
            // By the vendor's own clock.
            let at_once = HeaderMap::from_iter([(RETRY_AFTER, value.clone()), (DATE, value.clone())]);
            assert_eq!(retry_after(&at_once, now().wall), Some(Duration::ZERO));
            let again = HeaderValue::try_from(httpdate::fmt_http_date(date)).expect("a date");
            assert_eq!(told_times::date(&HeaderMap::from_iter([(DATE, again)])), Some(date));
        }
        _ => assert!(asked.is_none_or(|wait| wait <= LONGEST_BELIEVED)),
    }
    let retry = Retry::default();
    for number in 0..5 {
        let wait = retry.wait_before(number, asked);
        assert!(wait.is_none_or(|wait| wait <= retry.longest_wait && asked.is_none_or(|asked| asked == wait)));
    }
    let mut cooldown = Cooldown::default();
    let throttled = Error::new(ErrorKind::Throttled, "slow").with_retry_after(asked);
    cooldown.failed(&throttled, now(), 0.5, true);
    let (_, wait) = cooldown.failure(now()).expect("it cools down");
    let wait = wait.expect("and not for good");
    assert!(wait >= asked.unwrap_or_default() && wait <= LONGEST_BELIEVED && !wait.is_zero());
    let later = Now { monotonic: now().monotonic + wait, ..now() };
    assert!(cooldown.failure(later).is_none());
}

/// An address, as a caller of `http()` gives it.
pub fn no_address_leads_elsewhere_than_it_says(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let root = Url::parse("https://vendor.example/base").expect("an address");
    for paths_only in [false, true] {
        let Ok(url) = request::below(&root, text, paths_only) else { continue };
        assert!(url.username().is_empty() && url.password().is_none(), "it names credentials");
        assert!(matches!(url.scheme(), "https" | "http"));
        if text.starts_with('/') || paths_only {
            assert!(url.as_str().starts_with("https://vendor.example/base/"), "it leaves the root: {url}");
        }
        // However a server reads it: decoded once or twice, with parameters or without, with slashes of both kinds.
        let mut path = url.path().as_bytes().to_vec();
        for _ in 0..3 {
            let mut depth = 0;
            for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
                let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
                assert!(!matches!(name, b"." | b".."), "it climbs: {url}");
                depth += usize::from(!name.is_empty());
            }
            assert!(depth <= path.len());
            path = percent_encoding::percent_decode(&path).collect();
        }
    }
}

/// A value of a path parameter.
pub fn a_path_value_stays_one_segment(data: &[u8]) {
    let Ok(value) = str::from_utf8(data) else { return };
    let Ok(encoded) = runtime::encode_path("id", value) else { return };
    let url = Url::parse(&format!("https://vendor.example/a/{encoded}/z")).expect("an address");
    let segments: Vec<_> = url.path_segments().expect("a path").collect();
    assert_eq!(segments.len(), 3, "{url}");
    assert_eq!((segments[0], segments[2], url.query(), url.fragment()), ("a", "z", None, None));
    let decoded: Vec<u8> = percent_encoding::percent_decode_str(segments[1]).collect();
    assert_eq!(decoded, value.as_bytes());
}

/// Lines of `Set-Cookie`.
pub fn the_last_line_of_a_cookie_counts(data: &[u8]) {
    let values = data.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    let lines: Vec<_> = values.collect();
    let headers: HeaderMap = lines.iter().map(|line| (SET_COOKIE, line.clone())).collect();
    let all = Cookies::of(&headers, Some(now().wall), now().wall);
    for (index, cookie) in all.set.iter().enumerate() {
        assert!(!cookie.name.is_empty() && !cookie.value.expose().is_empty());
        assert!(!cookie.value.expose().contains(';') && cookie.life != Some(Duration::ZERO));
        assert!(all.set[..index].iter().all(|other| other.name != cookie.name), "one name, one cookie");
        assert!(!all.deleted.contains(&cookie.name), "set and taken away");
    }
    // The last line alone says the same of its cookie as all of them do.
    let Some(last) = lines.last() else { return };
    let alone = Cookies::of(&HeaderMap::from_iter([(SET_COOKIE, last.clone())]), Some(now().wall), now().wall);
    for cookie in &alone.set {
        let same = all.get(&cookie.name).expect("it was set");
        assert_eq!((same.value.expose(), same.life), (cookie.value.expose(), cookie.life));
    }
    assert!(alone.deleted.iter().all(|name| all.get(name).is_none()));
}

/// What the patient reader of JSON is held against: members of every kind.
#[derive(Debug, Default, PartialEq, Deserialize)]
struct Sample {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    number: Option<i64>,
    #[serde(default)]
    share: Option<f64>,
    #[serde(default)]
    truth: Option<bool>,
    #[serde(default)]
    list: Option<Vec<Option<i64>>>,
    #[serde(default)]
    map: Option<BTreeMap<String, Option<String>>>,
    #[serde(default)]
    inner: Option<Box<Sample>>,
}

/// Any bytes.
pub fn patience_changes_nothing_that_is_right(data: &[u8]) {
    let read = json::read::<Sample>(data);
    let strict = serde_json::from_slice::<Sample>(data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data));
    if let Ok(strict) = strict {
        assert_eq!(read.expect("it is right"), strict);
        return;
    }
    // What is wrong costs members, and nothing but members: an object is one still, and nothing else becomes one.
    let bytes = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
    let lossy = String::from_utf8_lossy(bytes);
    let is_object = serde_json::from_str::<BTreeMap<String, IgnoredAny>>(&lossy).is_ok();
    if read.is_ok() {
        assert!(is_object, "it made an object of something else");
    }
    let _ = (json::failure(data), json::member(data, "text"), json::value(data));
}

/// The first line is what was told: JSON, or the claims of a token; the second one, if there is any, is the answer's `Date`.
pub fn no_token_ends_before_or_after_what_was_told(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (first, second) = text.split_once('\n').unwrap_or((text, ""));
    let date = HeaderValue::try_from(second).ok().map(|date| HeaderMap::from_iter([(DATE, date)]));
    let date = date.and_then(|headers| told_times::date(&headers));
    let value: Value = serde_json::from_str(first).unwrap_or(json!(first));
    let claims = URL_SAFE_NO_PAD.encode(first);
    let of_claims = jwt_expiry(&Secret::from(format!("e30.{claims}.c2ln")));
    if let Some(exp) = value.get("exp").and_then(Value::as_i64).filter(|exp| exp.unsigned_abs() < 1 << 53) {
        assert_eq!(of_claims, VendorExpiry::Epoch(exp));
    }
    if let Some(seconds) = value.as_i64().filter(|seconds| seconds.unsigned_abs() < 1 << 53) {
        assert_eq!(VendorExpiry::seconds(&value), VendorExpiry::Seconds(seconds));
        assert_eq!(VendorExpiry::seconds(&json!(seconds.to_string())), VendorExpiry::Seconds(seconds));
    }
    for told in [
        VendorExpiry::seconds(&value),
        VendorExpiry::epoch_or_seconds(&value),
        of_claims,
        jwt_expiry(&Secret::from(first)),
    ] {
        for default in [None, Some(Duration::from_secs(600))] {
            let life = Lifetime::ingest(told, default, now(), date);
            assert_eq!(life, as_told(told, default, date), "{told:?} {default:?} {date:?}");
            is_sane(life);
        }
    }
}

/// How long a token lives, in the words of the documentation.
fn as_told(told: VendorExpiry, default: Option<Duration>, date: Option<SystemTime>) -> Lifetime {
    let nothing = || default.map_or(Lifetime::Unknown, Lifetime::For);
    let of_seconds = |seconds: i128| match u64::try_from(seconds.max(0)).map(Duration::from_secs) {
        Ok(life) if life <= TEN_YEARS => Lifetime::For(life),
        _ => Lifetime::Never,
    };
    match told {
        VendorExpiry::Nothing => nothing(),
        VendorExpiry::Seconds(seconds) => of_seconds(seconds.into()),
        VendorExpiry::Epoch(end) => {
            let began = date.unwrap_or(now().wall).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            match i128::from(end.max(0)) - i128::from(began.as_secs()) {
                past if past < 0 && date.is_none() => nothing(),
                left => of_seconds(left),
            }
        }
    }
}

/// Whatever a token's life is, it begins when the token arrives and is over at its end.
fn is_sane(life: Lifetime) {
    let deadlines = Deadlines::new(life, now(), &Windows::default(), 0.5, Duration::ZERO);
    let Lifetime::For(lives) = life else {
        assert_eq!(deadlines.freshness(now()), Freshness::Fresh);
        return;
    };
    assert!(lives <= TEN_YEARS);
    assert_eq!(life.expiry(now()), Expiry::At(now().wall + lives));
    let expected = if lives.is_zero() { Freshness::Ended } else { Freshness::Fresh };
    assert_eq!(deadlines.freshness(now()), expected, "{lives:?}");
    assert_eq!(deadlines.left(now()), lives);
    let end = Now { wall: now().wall + lives, monotonic: now().monotonic + lives };
    assert_eq!(deadlines.freshness(end), Freshness::Ended);
}

/// A record as a store gives it back; or what one is made of, written, and read.
pub fn what_a_store_keeps_is_read_as_it_was_written(data: &[u8]) {
    let text = str::from_utf8(data).ok();
    if let Some(Ok(generation)) = text.map(str::parse::<Generation>) {
        assert_eq!(Some(&*generation.to_text()), text, "two texts of one generation");
    }
    let read = text.map(Record::from_json);
    match read {
        Some(Ok(record)) => is_read_as_written(&record),
        Some(Err(error)) => assert!(
            [
                "the record is damaged",
                "the record was written by a version too old to be read",
                "a newer version of Keyway wrote it, and it is left as it is"
            ]
            .contains(&error.to_string().as_str())
                || error.is_newer(),
            "{error}"
        ),
        None => {}
    }
    is_read_as_written(&Raw(data).record());
}

fn is_read_as_written(record: &Record) {
    let written = record.to_json();
    let read = Record::from_json(written.expose()).expect("its own writing");
    assert_eq!(read.to_json().expose(), written.expose());
    assert_eq!((read.generation, &read.key), (record.generation, &record.key));
    let digests = |record: &Record| (record.seed.clone(), record.refused.clone());
    let kept = if record.is_tombstone() { (None, None) } else { digests(record) };
    assert_eq!(digests(&read), kept);
    assert_eq!((read.is_tombstone(), &read.attempts), (record.is_tombstone(), &record.attempts));
    assert_eq!((read.not_before, read.has_session()), (record.not_before, record.has_session()));
    assert_eq!((read.expires_at(), read.time_to_live()), (record.expires_at(), record.time_to_live()));
    assert_eq!(read.generation.to_text().parse().ok(), Some(read.generation));
    let back = read.clone().brought_back_to(now().wall);
    assert!(!back.is_ahead_of(now().wall), "{back:?}");
    assert_eq!(back.time_to_live(), read.time_to_live());
    if !read.is_ahead_of(now().wall) {
        assert_eq!(back.to_json().expose(), written.expose());
    }
    let tombstone = Record::from_json(record.tombstone().to_json().expose()).expect("its own writing");
    assert!(tombstone.is_tombstone() && digests(&tombstone) == (None, None));
    let shown = format!("{record:?}");
    if let (Some(read), Some(kept)) = (read.kept(), record.kept()) {
        let secrets = |kept: &Kept| (kept.access.clone(), kept.refresh.clone());
        let ((access, refresh), (ours, another)) = (secrets(read), secrets(kept));
        assert_eq!(access.expose(), ours.expose());
        assert_eq!(refresh.as_ref().map(Secret::expose), another.as_ref().map(Secret::expose));
        let rest = |kept: &Kept| (kept.issued, kept.received, kept.ends, kept.evicted, kept.rejections, kept.began);
        assert_eq!(rest(read), rest(kept));
        assert!(shown.contains("access: Secret(***)"));
    }
    let Some(kept) = back.kept() else {
        assert!(!read.has_session());
        return;
    };
    assert!(kept.received <= now().wall && kept.began <= now().wall, "from the future");
}

/// Bytes of which something is made.
struct Raw<'a>(&'a [u8]);

impl Raw<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    fn text(&mut self) -> String {
        let (text, rest) = self.0.split_at(usize::from(self.byte()).min(self.0.len().saturating_sub(1)));
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn some<T>(&mut self, what: fn(&mut Self) -> T) -> Option<T> {
        (self.byte() % 2 == 1).then(|| what(self))
    }

    /// Before the year 9999, in whole milliseconds: as a store keeps it.
    fn time(&mut self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.number() % 253_000_000_000_000)
    }

    fn kept(&mut self) -> Kept {
        let (access, refresh, issued) = (self.text().into(), self.some(Self::text).map(Secret::from), self.time());
        Kept {
            access,
            refresh,
            issued,
            received: self.time(),
            ends: match self.byte() % 3 {
                0 => StoredExpiry::Never,
                1 => StoredExpiry::Unknown,
                // One that ends before it is issued has no life, and is written so.
                _ => StoredExpiry::At(self.time().max(issued)),
            },
            evicted: self.byte() % 2 == 1,
            rejections: u32::from(self.byte()),
            began: self.time(),
        }
    }

    fn wait(&mut self) -> NotBefore {
        let reason = match self.byte() % 4 {
            0 => WaitReason::Throttled,
            1 => WaitReason::Refused,
            2 => WaitReason::Evicted,
            _ => WaitReason::Outage,
        };
        NotBefore { until: self.time(), since: self.time(), reason, failures: u32::from(self.byte()) }
    }

    fn record(&mut self) -> Record {
        Record {
            key: self.some(Self::text),
            generation: Generation { lineage: self.number(), counter: self.number() },
            state: match self.byte() % 4 {
                0 => RecordState::SignedOut,
                1 => RecordState::Nothing,
                _ => RecordState::Live(self.kept()),
            },
            seed: self.some(Self::text).map(Fingerprint::written),
            attempts: (0..self.byte() % 4).map(|_| self.time()).collect(),
            not_before: self.some(Self::wait),
            refused: self.some(Self::text).map(Fingerprint::written),
        }
    }
}

/// The first line is a picture's media type, the rest the picture; or all of it is the answer.
pub fn a_captcha_shows_the_picture_it_was_sent(data: &[u8]) {
    let picture = |body: Vec<u8>| FuzzedExchange::of(&vms::READING, "get_captcha", 200, HeaderMap::new(), body);
    let _ = picture(data.to_vec()).map(|answer| answer.holds());
    let Some((media_type, image)) = data.iter().position(|byte| *byte == b'\n').map(|at| data.split_at(at)) else {
        return;
    };
    let Some(media_type) = str::from_utf8(media_type).ok().filter(|name| !name.contains(";base64,")) else { return };
    let sent = json!({ "key": "k-3y", "img": format!("data:{media_type};base64,{}", STANDARD.encode(image)) });
    let captcha = picture(sent.to_string().into_bytes()).and_then(|answer| vms::captcha(&answer.reply()).ok());
    let captcha = captcha.expect("a captcha");
    // As it came: what is shown of it is made fit for a terminal where it is asked.
    assert_eq!((captcha.media_type(), captcha.image()), (media_type, image));
    assert_eq!((captcha.expires_in(), captcha.key.expose()), (Duration::from_secs(60), "k-3y"));
    let mut cooldown = Cooldown::default();
    cooldown.failed(&Error::captcha_required(captcha), now(), 0.5, true);
    assert_eq!(cooldown.failure(now()).expect("it waits for a person").1, Some(Duration::from_secs(60)));
}

/// `surface operation status`, the headers, an empty line and the body, as HTTP has them.
pub fn every_answer_is_a_session_or_an_error_that_hides_its_secrets(data: &[u8]) {
    if let Some(exchange) = FuzzedExchange::read(data) {
        exchange.holds();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leak_check;
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    /// How many variants of its seeds each property is held against in every run of the suite. `KEYWAY_VARIANTS` asks for more.
    const VARIANTS: u64 = 500;

    #[test]
    fn every_property_holds_for_what_its_search_begins_with() {
        leak_check::apart(hold_all);
    }

    fn hold_all() {
        for (name, property) in PROPERTIES {
            let target = folder().join("fuzz_targets").join(name).with_extension("rs");
            assert!(target.is_file(), "nothing searches for {name}");
            seeds(name).iter().for_each(|seed| property(seed));
        }
    }

    /// The same ones in every run: what is found once is found again.
    #[test]
    fn every_property_holds_for_variants_of_what_its_search_begins_with() {
        leak_check::apart(|| {
            let more = std::env::var("KEYWAY_VARIANTS").ok().and_then(|more| more.parse().ok());
            for (name, property) in PROPERTIES {
                let (seeds, mut dice) =
                    (seeds(name), Dice(name.bytes().fold(7, |sum, byte| sum * 31 + u64::from(byte))));
                for _ in 0..more.unwrap_or(VARIANTS) {
                    property(&dice.variant(&seeds));
                }
            }
        });
    }

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
    }

    /// In the order of their names.
    fn seeds(name: &str) -> Vec<Vec<u8>> {
        let seeds = fs::read_dir(folder().join("seeds").join(name)).expect("seeds");
        let mut seeds: Vec<_> = seeds.map(|seed| seed.expect("a seed").path()).collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "{name} begins with nothing");
        seeds.iter().map(|seed| fs::read(seed).expect("a seed")).collect()
    }

    /// Numbers that look like chance (SplitMix64).
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)) as usize % end.max(1)
        }

        /// A seed with a few things done to it.
        fn variant(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
            let mut bytes = seeds[self.below(seeds.len())].clone();
            for _ in 0..=self.below(4) {
                let (from, to) = (self.below(bytes.len() + 1), self.below(bytes.len() + 1));
                let (from, to) = (from.min(to), from.max(to));
                match self.below(6) {
                    0 => drop(bytes.drain(from..to)),
                    1 => bytes.extend_from_within(from..to),
                    2 => bytes.iter_mut().skip(from).take(1).for_each(|byte| *byte ^= 1 << self.below(8)),
                    3 => bytes.insert(from, b"\0\n\"\\,;={}[]%/.\xff"[self.below(15)]),
                    4 => {
                        let other = &seeds[self.below(seeds.len())];
                        bytes.truncate(from);
                        bytes.extend_from_slice(&other[to.min(other.len())..]);
                    }
                    _ => bytes.iter_mut().skip(from).take(1).for_each(|byte| *byte = self.below(256) as u8),
                }
            }
            bytes
        }
    }
}
