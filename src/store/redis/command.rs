//! One command as Redis takes it.

use crate::store::LONGEST;
use ::redis::{FromRedisValue, RedisResult, Script, aio::ConnectionLike};

/// The longest that is read of what stands under a name: more than any record with its first line. What is longer is no record,
/// and is not read into memory.
pub(super) const MOST: usize = LONGEST + 100;

/// One command: a script with its arguments, or else a simple look.
pub(super) struct Command<'a> {
    pub(super) name: &'a str,
    pub(super) script: Option<(&'static Script, Vec<Vec<u8>>)>,
}

impl Command<'_> {
    pub(super) async fn say<T: FromRedisValue>(&self, line: &mut impl ConnectionLike) -> RedisResult<T> {
        let Some((script, arguments)) = &self.script else {
            return ::redis::cmd("GETRANGE").arg(self.name).arg(0).arg(MOST - 1).query_async(line).await;
        };
        let mut call = script.key(self.name);
        for argument in arguments {
            call.arg(argument.as_slice());
        }
        call.invoke_async(line).await
    }
}
