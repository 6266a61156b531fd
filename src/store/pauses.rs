//! The pauses between the tries of those who wait for a lock that cannot be waited for.

use crate::chance::Chance;
use std::time::Duration;

/// Growing pauses that end when their sum reaches the bound. Each is shortened at random by up to a half, so that those
/// who began together do not go on together.
///
/// They are real time, whatever clock a client has: what is waited for are other processes.
pub(super) struct Pauses<'a> {
    next: Duration,
    longest: Duration,
    left: Duration,
    chance: &'a Chance,
}

impl<'a> Pauses<'a> {
    /// The first pause is `first`; they double until they are `longest`.
    pub(super) fn new(first: Duration, longest: Duration, bound: Duration, chance: &'a Chance) -> Self {
        Self { next: first, longest, left: bound, chance }
    }

    /// `false`, at once, when the time is used up.
    pub(super) async fn pause(&mut self) -> bool {
        let pause = self.shorten();
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        !pause.is_zero()
    }

    /// The next pause; zero when there is none.
    fn shorten(&mut self) -> Duration {
        let pause = self.next.mul_f64(1.0 - self.chance.share() / 2.0).min(self.left);
        self.left -= pause;
        self.next = (self.next * 2).min(self.longest);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn pauses_double_are_shortened_by_up_to_a_half_and_end_at_the_bound() {
        let ms = Duration::from_millis;
        let chance = Chance::new();
        let mut pauses = Pauses::new(ms(10), ms(40), ms(1000), &chance);
        let mut sum = Duration::ZERO;
        for longest in [10, 20, 40, 40, 40] {
            let pause = pauses.shorten();
            assert!(ms(longest) / 2 <= pause && pause <= ms(longest), "{pause:?}");
            sum += pause;
        }
        for _ in 0..100 {
            sum += pauses.shorten();
        }
        assert_eq!((sum, pauses.shorten()), (ms(1000), Duration::ZERO));
        assert!(Pauses::new(ms(10), ms(40), Duration::ZERO, &chance).shorten().is_zero());
    }
}
