//! Redis as a map, for simulations: the same commands as pure steps, and counted. A test holds them to the scripts that the
//! real one runs.

use super::wire::Wire;
use crate::{
    BoxFuture, Secret,
    clock::Clock,
    store::{Generation, StoreError},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

#[path = "../../../tests/redis/server.rs"]
#[allow(clippy::unwrap_used, dead_code, reason = "it is for tests, and can do more than is needed here")]
mod server;

/// What stands under which name, and until when. Each method is one command at one moment, and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Names(BTreeMap<String, (Vec<u8>, Duration)>);

impl Names {
    pub(crate) fn get(&self, now: Duration, name: &str) -> Option<&[u8]> {
        self.0.get(name).filter(|(_, ends)| now < *ends).map(|(content, _)| content.as_slice())
    }

    pub(crate) fn swap(&mut self, now: Duration, name: &str, expected: &str, written: &[u8], keep: Duration) -> bool {
        let kept = self.get(now, name).unwrap_or_default();
        if kept == written {
            return true;
        }
        let word = kept.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        if word != expected.as_bytes() {
            return false;
        }
        self.0.insert(name.to_owned(), (written.to_vec(), now + keep));
        true
    }

    /// Also frees a lock, if this is its owner.
    pub(crate) fn forget(&mut self, now: Duration, name: &str, content: &[u8]) -> bool {
        let is_there = !content.is_empty() && self.get(now, name) == Some(content);
        if is_there {
            self.0.remove(name);
        }
        is_there
    }

    pub(crate) fn take(&mut self, now: Duration, name: &str, owner: &[u8], ttl: Duration) -> bool {
        let mine = self.get(now, name).is_none_or(|holder| holder == owner);
        if mine {
            self.0.insert(name.to_owned(), (owner.to_vec(), now + ttl));
        }
        mine
    }

    pub(crate) fn extend(&mut self, now: Duration, name: &str, owner: &[u8], ttl: Duration) -> bool {
        self.get(now, name).is_some() && self.take(now, name, owner, ttl)
    }
}

/// A Redis that answers all commands after the same time, however many they are.
pub(crate) struct Model {
    clock: Arc<dyn Clock>,
    /// There and back.
    distance: Duration,
    names: Mutex<Names>,
    down: AtomicBool,
    /// Commands, by the second in which they arrived.
    busy: Mutex<BTreeMap<u64, u64>>,
}

impl Model {
    pub(crate) fn new(clock: Arc<dyn Clock>, distance: Duration) -> Self {
        Self { clock, distance, names: Mutex::default(), down: AtomicBool::new(false), busy: Mutex::default() }
    }

    pub(crate) fn shut(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// What is in it now, to be put back later: a replica that has not heard of what came after.
    pub(crate) fn names(&self) -> MutexGuard<'_, Names> {
        look_at(&self.names)
    }

    /// How many commands there were since the last time this was asked, and how many of them in the busiest second.
    pub(crate) fn count(&self) -> (u64, u64) {
        let busy = std::mem::take(&mut *look_at(&self.busy));
        (busy.values().sum(), busy.values().copied().max().unwrap_or_default())
    }

    fn command<'a, T: Send + 'a>(
        &'a self,
        step: impl FnOnce(&mut Names, Duration) -> T + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            self.clock.sleep(self.distance / 2).await;
            if self.down.load(Ordering::SeqCst) {
                return Err(StoreError::new("the model of a Redis refuses connections"));
            }
            let now = self.clock.monotonic();
            *look_at(&self.busy).entry(now.as_secs()).or_default() += 1;
            let answer = step(&mut self.names(), now);
            self.clock.sleep(self.distance / 2).await;
            Ok(answer)
        })
    }
}

impl Wire for Model {
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.command(move |names, now| names.get(now, name).map(<[u8]>::to_vec))
    }

    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<Generation>,
        written: &'a Secret,
        keep: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let expected = expected.as_ref().map(Generation::to_text).unwrap_or_default();
        self.command(move |names, now| names.swap(now, name, &expected, written.expose().as_bytes(), keep))
    }

    fn forget<'a>(&'a self, name: &'a str, content: &'a [u8]) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.command(move |names, now| names.forget(now, name, content))
    }

    fn take<'a>(&'a self, name: &'a str, owner: &'a str, ttl: Duration) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.command(move |names, now| names.take(now, name, owner.as_bytes(), ttl))
    }

    fn extend<'a>(&'a self, name: &'a str, owner: &'a str, ttl: Duration) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.command(move |names, now| names.extend(now, name, owner.as_bytes(), ttl))
    }

    fn leave<'a>(&'a self, name: &'a str, owner: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.command(move |names, now| names.forget(now, name, owner.as_bytes()))
    }
}

fn look_at<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{chance::Chance, store::redis::link::RedisLink};

    const NAMES: [&str; 2] = ["one", "two"];
    const OWNERS: [&str; 3] = ["a", "b", "c"];
    const LONG: Duration = Duration::from_secs(1000);

    fn generation(number: u64) -> Generation {
        Generation { lineage: number % 2, counter: number / 2 }
    }

    /// Thousands of commands in any order: both answer the same to each, and keep the same for as long.
    #[apply(leak_checked!)]
    async fn redis_scripts_and_the_model_of_them_are_one() {
        let Some(server) = server::Server::start() else { return };
        let link = RedisLink::own(::redis::Client::open(server.url()).unwrap());
        let (mut model, dice, now) = (Names::default(), Chance::new(), Duration::ZERO);
        for _ in 0..5000 {
            let roll = dice.next();
            let pick = |bits: u32, of: u64| ((roll >> bits) % of) as usize;
            let (name, owner) = (NAMES[pick(0, 2)], OWNERS[pick(8, 3)]);
            let keep = LONG * (1 + pick(16, 3) as u32);
            let expected = Some(generation(pick(24, 4) as u64)).filter(|_| pick(32, 3) > 0);
            let written = Secret::from(format!("{} {}\nrest", generation(pick(40, 4) as u64).to_text(), pick(44, 2)));
            let is = model.get(now, name).map(<[u8]>::to_vec);
            let (real, modelled) = match pick(48, 8) {
                0 => (link.get(name).await.unwrap() == is, true),
                1..=3 => {
                    let word = expected.as_ref().map(Generation::to_text).unwrap_or_default();
                    let swapped = model.swap(now, name, &word, written.expose().as_bytes(), keep);
                    (link.swap(name, expected, &written, keep).await.unwrap(), swapped)
                }
                4 => {
                    let content = is.filter(|_| pick(56, 2) > 0).unwrap_or_else(|| b"else".to_vec());
                    (link.forget(name, &content).await.unwrap(), model.forget(now, name, &content))
                }
                5 => (link.take(name, owner, keep).await.unwrap(), model.take(now, name, owner.as_bytes(), keep)),
                6 => (link.extend(name, owner, keep).await.unwrap(), model.extend(now, name, owner.as_bytes(), keep)),
                _ => (link.leave(name, owner).await.unwrap(), model.forget(now, name, owner.as_bytes())),
            };
            assert_eq!(real, modelled, "{roll:x} on {name}: {model:?}");
        }
        for name in NAMES {
            let left: i64 = server.ask(&["PTTL", name]);
            let kept = model.0.get(name).map_or(-2, |(_, ends)| i64::try_from(ends.as_millis()).unwrap());
            assert!((kept - 60_000..=kept).contains(&left), "{name}: {left} of {kept}");
        }
    }

    #[apply(leak_checked!)]
    fn what_has_ended_is_not_there() {
        let (mut names, second) = (Names::default(), Duration::from_secs(1));
        assert!(names.take(Duration::ZERO, "lock", b"a", second));
        assert!(!names.take(second / 2, "lock", b"b", second) && names.extend(second / 2, "lock", b"a", second));
        let later = second * 3 / 2;
        assert!(!names.extend(later, "lock", b"a", second) && !names.forget(later, "lock", b"a"));
        assert!(names.take(later, "lock", b"b", second) && !names.extend(later, "lock", b"a", second));
        assert!(names.swap(Duration::ZERO, "session", "", b"1.1 x", second));
        assert!(!names.swap(later, "session", "1.1", b"1.2 x", second));
    }
}
