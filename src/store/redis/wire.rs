//! What is said to Redis: six commands. Each is about one name, and one whose answer was lost can be said again.

use super::{
    command::{Command, MOST, Script},
    link::RedisLink,
};
use crate::{
    BoxFuture, Secret,
    store::{Generation, StoreError},
};
use std::{sync::LazyLock, time::Duration};

/// The commands. What a simulation puts in the place of Redis keeps to the same words.
pub(super) trait Wire: Send + Sync + 'static {
    /// What stands under this name, at most [`MOST`] bytes of it. Nothing is nothing.
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;

    /// Puts `written` there if what stands there begins with the word of `expected`, or if nothing does and nothing is
    /// expected. Says whether it stands there now.
    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<Generation>,
        written: &'a Secret,
        keep: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Removes what stands there if it is exactly this, or begins with these [`MOST`] bytes.
    fn forget<'a>(&'a self, name: &'a str, content: &'a [u8]) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Takes the lock of this name for as long as `ttl`, if it is free or this owner's already.
    fn take<'a>(&'a self, name: &'a str, owner: &'a str, ttl: Duration) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Lets the lock last `ttl` from now, if it is this owner's.
    fn extend<'a>(&'a self, name: &'a str, owner: &'a str, ttl: Duration) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Frees the lock, if it is this owner's.
    fn leave<'a>(&'a self, name: &'a str, owner: &'a str) -> BoxFuture<'a, Result<bool, StoreError>>;
}

static SWAP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local kept = redis.call('GET', KEYS[1]) or ''
         if kept == ARGV[2] then return 1 end
         if string.match(kept, '^%S*') ~= ARGV[1] then return 0 end
         redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
         return 1",
    )
});

static FORGET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GETRANGE', KEYS[1], 0, ARGV[2]) ~= ARGV[1] then return 0 end
         return redis.call('DEL', KEYS[1])",
    )
});

static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
         if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
         return redis.call('PEXPIRE', KEYS[1], ARGV[2])",
    )
});

static EXTEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
         return redis.call('PEXPIRE', KEYS[1], ARGV[2])",
    )
});

impl Wire for RedisLink {
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move {
            let content: Vec<u8> = self.ask(&Command { name, script: None }).await?;
            Ok(Some(content).filter(|content| !content.is_empty()))
        })
    }

    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<Generation>,
        written: &'a Secret,
        keep: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let expected = expected.as_ref().map(Generation::to_text).unwrap_or_default();
        self.run(&SWAP, name, vec![expected.into(), written.expose().into(), millis(keep)])
    }

    fn forget<'a>(&'a self, name: &'a str, content: &'a [u8]) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.run(&FORGET, name, vec![content.to_vec(), most()])
    }

    fn take<'a>(&'a self, name: &'a str, owner: &'a str, ttl: Duration) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.run(&TAKE, name, vec![owner.into(), millis(ttl)])
    }

    fn extend<'a>(&'a self, name: &'a str, owner: &'a str, ttl: Duration) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.run(&EXTEND, name, vec![owner.into(), millis(ttl)])
    }

    fn leave<'a>(&'a self, name: &'a str, owner: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.run(&FORGET, name, vec![owner.into(), most()])
    }
}

impl RedisLink {
    fn run<'a>(
        &'a self,
        script: &'static Script,
        name: &'a str,
        arguments: Vec<Vec<u8>>,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { self.ask(&Command { name, script: Some((script, arguments)) }).await })
    }
}

/// The last byte that is looked at.
fn most() -> Vec<u8> {
    (MOST - 1).to_string().into()
}

fn millis(time: Duration) -> Vec<u8> {
    time.as_millis().to_string().into()
}
