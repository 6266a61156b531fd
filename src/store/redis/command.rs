//! One command as Redis takes it.

use crate::store::LONGEST;
use ::redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind, aio::ConnectionLike, cmd};

/// The longest that is read of what stands under a name: more than any record with its first line. What is longer is no record,
/// and is not read into memory.
pub(super) const MOST: usize = LONGEST + 100;

/// A script, which a server that has run it before knows by its digest.
pub(super) struct Script {
    code: &'static str,
    known: ::redis::Script,
}

impl Script {
    pub(super) fn new(code: &'static str) -> Self {
        Self { code, known: ::redis::Script::new(code) }
    }
}

/// One command: a script with its arguments, or else a simple look.
pub(super) struct Command<'a> {
    pub(super) name: &'a str,
    pub(super) script: Option<(&'static Script, Vec<Vec<u8>>)>,
}

impl Command<'_> {
    /// A script that is not known there goes `whole`, or is loaded first.
    pub(super) async fn say<T: FromRedisValue>(&self, line: &mut impl ConnectionLike, whole: bool) -> RedisResult<T> {
        let Some((script, arguments)) = &self.script else {
            return cmd("GETRANGE").arg(self.name).arg(0).arg(MOST - 1).query_async(line).await;
        };
        let by_digest = self.run("EVALSHA", script.known.get_hash(), arguments);
        match by_digest.query_async(line).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {}
            answered => return answered,
        }
        if whole {
            return self.run("EVAL", script.code, arguments).query_async(line).await;
        }
        script.known.load_async(line).await?;
        by_digest.query_async(line).await
    }

    fn run(&self, how: &'static str, script: &str, arguments: &[Vec<u8>]) -> Cmd {
        let mut command = cmd(how);
        command.arg(script).arg(1).arg(self.name);
        for argument in arguments {
            command.arg(argument.as_slice());
        }
        command
    }
}
