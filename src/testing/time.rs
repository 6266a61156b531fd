//! The time that a fake goes by.

use super::clock::ManualClock;
use crate::clock::{Clock, SystemClock};
use std::time::{Duration, SystemTime};

/// The clock that a vendor goes by.
#[derive(Debug, Clone, Default)]
pub(super) enum Time {
    #[default]
    Real,
    Manual(ManualClock),
}

impl Time {
    pub(super) fn now(&self) -> SystemTime {
        match self {
            Self::Real => SystemClock.wall(),
            Self::Manual(clock) => clock.world(),
        }
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        match self {
            Self::Real => SystemClock.sleep(duration).await,
            Self::Manual(clock) => clock.sleep(duration).await,
        }
    }
}
