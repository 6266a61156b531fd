//! What a 401 is about: the token, or what the session may do.
//!
//! Pure: everything it depends on is an argument.

use super::token::Token;
use crate::clock::Now;
use std::time::Duration;

/// A 401 to a token that was itself made because of a 401 this recently is about permissions, not about the token. It
/// doubles each time that happens again, up to about an hour: an endpoint that always answers 401 must not burn sign-ins.
const PERMISSION: Duration = Duration::from_secs(30);

/// How often it doubles.
const DOUBLINGS: u32 = 7;

/// A token that was good for so long, which is twice the longest of these waits, has ended: no 401 before it counts.
const LIVED: Duration = Duration::from_secs((2 * 30) << DOUBLINGS);

/// A session that took another one's place and is lost so soon was ended in its turn. Nothing is sent for as long.
pub(crate) const EVICTION_BACKOFF: Duration = Duration::from_secs(10 * 60);

/// What a 401 is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// What the session may do. Another token would be answered in the same way.
    Permission,
    /// The session was ended, and it was begun by ending another one: two fleets share an account.
    Evicted,
    /// The token. The next one is born of so many 401s in a row.
    Token { in_a_row: u32 },
}

/// `worked`: whether the same endpoint has taken a token of this client before. What used to work and does not any more
/// tells of the token; what never worked may be forbidden.
pub(crate) fn judge(token: &Token, worked: bool, now: Now) -> Rejection {
    let age = token.age(now);
    if token.rejections > 0 && age < permission(token, worked) && token.deadlines.is_fresh(now) {
        return Rejection::Permission;
    }
    if token.evicted && age < EVICTION_BACKOFF {
        return if worked { Rejection::Evicted } else { Rejection::Permission };
    }
    let begins_anew = worked || age >= LIVED;
    Rejection::Token { in_a_row: if begins_anew { 1 } else { token.rejections.saturating_add(1) } }
}

/// Never most of a token's life: near its end a 401 is about the end.
fn permission(token: &Token, worked: bool) -> Duration {
    let doubled = if worked { 0 } else { (token.rejections - 1).min(DOUBLINGS) };
    PERMISSION.saturating_mul(1 << doubled).min(token.life() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{token::tests::token, tokens::Lifetime};
    use std::time::SystemTime;

    fn at(seconds: u64) -> Now {
        let monotonic = Duration::from_secs(1_000_000 + seconds);
        Now { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + monotonic, monotonic }
    }

    fn born_of(rejections: u32) -> Token {
        Token { rejections, ..token(Lifetime::Unknown, at(0)) }
    }

    #[apply(leak_checked!)]
    fn a_401_to_a_token_that_was_not_born_of_one_is_about_the_token() {
        assert_eq!(judge(&born_of(0), false, at(0)), Rejection::Token { in_a_row: 1 });
    }

    #[apply(leak_checked!)]
    fn an_endpoint_that_never_worked_is_believed_ever_more_slowly() {
        for (in_a_row, seconds) in [(1, 30), (2, 60), (3, 120), (8, 3840), (100, 3840)] {
            assert_eq!(judge(&born_of(in_a_row), false, at(seconds - 1)), Rejection::Permission, "{in_a_row}");
            let next = Rejection::Token { in_a_row: in_a_row + 1 };
            assert_eq!(judge(&born_of(in_a_row), false, at(seconds)), next, "{in_a_row}");
        }
    }

    #[apply(leak_checked!)]
    fn an_endpoint_that_used_to_work_is_believed_after_half_a_minute() {
        assert_eq!(judge(&born_of(100), true, at(29)), Rejection::Permission);
        assert_eq!(judge(&born_of(100), true, at(30)), Rejection::Token { in_a_row: 1 });
    }

    #[apply(leak_checked!)]
    fn a_token_that_was_good_for_two_hours_begins_the_count_anew() {
        let in_a_row = |seconds| judge(&born_of(3), false, at(seconds));
        assert_eq!(in_a_row(2 * 3840 - 1), Rejection::Token { in_a_row: 4 });
        assert_eq!(in_a_row(2 * 3840), Rejection::Token { in_a_row: 1 });
    }

    #[apply(leak_checked!)]
    fn near_its_end_a_401_is_about_the_end() {
        let short = |seconds| Token { rejections: 9, ..token(Lifetime::For(Duration::from_secs(seconds)), at(0)) };
        assert_eq!(judge(&short(20), false, at(9)), Rejection::Permission);
        assert_eq!(judge(&short(20), false, at(10)), Rejection::Token { in_a_row: 10 });
    }

    #[apply(leak_checked!)]
    fn a_lost_session_that_evicted_is_left_alone_and_a_forbidden_one_is_kept() {
        let evicted = Token { evicted: true, ..born_of(0) };
        assert_eq!(judge(&evicted, true, at(599)), Rejection::Evicted);
        assert_eq!(judge(&evicted, false, at(599)), Rejection::Permission);
        assert_eq!(judge(&evicted, true, at(600)), Rejection::Token { in_a_row: 1 });
        let both = Token { rejections: 1, ..evicted };
        assert_eq!(judge(&both, true, at(1)), Rejection::Permission);
    }
}
