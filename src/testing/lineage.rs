//! Tokens that descend from one sign-in, and what becomes of them when they are renewed.

use super::mint::Mint;
use std::{collections::HashMap, mem, time::SystemTime};

/// Access tokens and refresh tokens, by the sign-in they descend from. `O` is whose they are.
pub(super) struct Lineages<O> {
    owners: Vec<O>,
    access_mint: Mint,
    refresh_mint: Mint,
    /// The access tokens that were not taken back.
    accesses: HashMap<String, Access>,
    /// The refresh tokens that are live or spent.
    refreshes: HashMap<String, Refresh>,
    reuses: usize,
}

struct Access {
    lineage: usize,
    /// The refresh token that was given out with it.
    beside: Option<String>,
    ends: Option<SystemTime>,
}

struct Refresh {
    lineage: usize,
    ends: Option<SystemTime>,
    spent: bool,
}

impl<O> Lineages<O> {
    /// A sign-in.
    pub(super) fn begin(&mut self, owner: O) -> usize {
        self.owners.push(owner);
        self.owners.len() - 1
    }

    pub(super) fn owner(&self, lineage: usize) -> &O {
        &self.owners[lineage]
    }

    #[cfg(feature = "oauth2")]
    pub(super) fn owner_mut(&mut self, lineage: usize) -> &mut O {
        &mut self.owners[lineage]
    }

    /// A new access token; the shape is made of its number and something random.
    pub(super) fn access(
        &mut self,
        lineage: usize,
        beside: Option<&str>,
        ends: Option<SystemTime>,
        shape: impl FnOnce(usize, &str) -> String,
    ) -> String {
        let token = self.access_mint.make(shape);
        self.accesses.insert(token.clone(), Access { lineage, beside: beside.map(str::to_owned), ends });
        token
    }

    /// A new refresh token.
    pub(super) fn refresh(
        &mut self,
        lineage: usize,
        ends: Option<SystemTime>,
        shape: impl FnOnce(usize, &str) -> String,
    ) -> String {
        let token = self.refresh_mint.make(shape);
        self.refreshes.insert(token.clone(), Refresh { lineage, ends, spent: false });
        token
    }

    /// What this access token descends from, if it is live.
    pub(super) fn live(&self, token: &str, now: SystemTime) -> Option<usize> {
        self.accesses.get(token).filter(|access| !is_over(access.ends, now)).map(|access| access.lineage)
    }

    /// What this access token descends from, even if its time is over. None, if it was taken back.
    pub(super) fn of_access(&self, token: &str) -> Option<usize> {
        self.accesses.get(token).map(|access| access.lineage)
    }

    /// What this refresh token descends from, whether it can still be used or not. None, if it was taken back.
    pub(super) fn of_refresh(&self, token: &str) -> Option<usize> {
        self.refreshes.get(token).map(|refresh| refresh.lineage)
    }

    /// The refresh token that was given out with this access token.
    pub(super) fn beside(&self, token: &str) -> Option<&str> {
        self.accesses.get(token)?.beside.as_deref()
    }

    /// What a renewal with this token descends from; none if it is dead. Where tokens rotate, the renewal spends it, and
    /// a spent one that comes back takes all its relatives with it.
    pub(super) fn redeem(&mut self, token: &str, rotating: bool, now: SystemTime) -> Option<usize> {
        let refresh = self.refreshes.get_mut(token).filter(|refresh| !is_over(refresh.ends, now))?;
        let lineage = refresh.lineage;
        if rotating && mem::replace(&mut refresh.spent, true) {
            self.reuses += 1;
            self.revoke(|known, _| known == lineage);
            return None;
        }
        Some(lineage)
    }

    /// Takes back all tokens of some lineages, and says whether there were any.
    pub(super) fn revoke(&mut self, which: impl Fn(usize, &O) -> bool) -> bool {
        let before = self.accesses.len() + self.refreshes.len();
        self.accesses.retain(|_, access| !which(access.lineage, &self.owners[access.lineage]));
        self.refreshes.retain(|_, refresh| !which(refresh.lineage, &self.owners[refresh.lineage]));
        self.accesses.len() + self.refreshes.len() < before
    }

    pub(super) fn revoke_accesses(&mut self) {
        self.accesses.clear();
    }

    /// Their time is over at once, but what they descend from is still known.
    pub(super) fn end_accesses(&mut self) {
        self.accesses.values_mut().for_each(|access| access.ends = Some(SystemTime::UNIX_EPOCH));
    }

    pub(super) fn revoke_refreshes(&mut self) {
        self.refreshes.clear();
    }

    /// How often a spent refresh token came back.
    pub(super) fn reuses(&self) -> usize {
        self.reuses
    }

    /// What the log calls this access token: `token #2`.
    pub(super) fn name(&self, access: &str) -> Option<String> {
        self.access_mint.name("token", access)
    }

    /// The access token with that number.
    ///
    /// # Panics
    /// When there were not so many yet.
    pub(super) fn token(&self, number: usize) -> String {
        self.access_mint.value(number).expect("so many tokens were given out")
    }

    /// Every token that was ever given out.
    pub(super) fn made(&self) -> impl Iterator<Item = String> {
        self.access_mint.made().chain(self.refresh_mint.made())
    }
}

impl<O> Default for Lineages<O> {
    fn default() -> Self {
        Self {
            owners: Vec::new(),
            access_mint: Mint::default(),
            refresh_mint: Mint::default(),
            accesses: HashMap::new(),
            refreshes: HashMap::new(),
            reuses: 0,
        }
    }
}

/// What has no end is never over.
pub(super) fn is_over(ends: Option<SystemTime>, now: SystemTime) -> bool {
    ends.is_some_and(|ends| ends <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[apply(leak_checked!)]
    fn a_spent_refresh_token_takes_its_relatives_with_it_and_nobody_else() {
        let now = SystemTime::UNIX_EPOCH;
        let mut tokens = Lineages::default();
        let (ann, bob) = (tokens.begin("ann"), tokens.begin("bob"));
        let name = |number: usize, _: &str| number.to_string();
        let (first, bobs) = (tokens.refresh(ann, None, name), tokens.refresh(bob, None, name));
        assert_eq!(tokens.redeem(&first, true, now), Some(ann));
        let second = tokens.refresh(ann, None, name);
        let access = tokens.access(ann, Some(&second), None, name);
        assert_eq!((tokens.live(&access, now), tokens.beside(&access)), (Some(ann), Some(second.as_str())));

        assert_eq!((tokens.redeem(&first, true, now), tokens.reuses()), (None, 1));
        assert_eq!((tokens.live(&access, now), tokens.redeem(&second, true, now)), (None, None));
        assert_eq!((tokens.redeem(&first, true, now), tokens.reuses()), (None, 1)); // there is nothing left to take
        assert_eq!(tokens.redeem(&bobs, true, now), Some(bob));
    }

    #[apply(leak_checked!)]
    fn a_token_is_over_at_its_end() {
        let (now, second) = (SystemTime::UNIX_EPOCH, Duration::from_secs(1));
        let mut tokens = Lineages::default();
        let ann = tokens.begin("ann");
        let access = tokens.access(ann, None, Some(now + second), |_, random| random.to_owned());
        assert_eq!((tokens.live(&access, now), tokens.live(&access, now + second)), (Some(ann), None));
        assert_eq!((tokens.of_access(&access), tokens.owner(ann)), (Some(ann), &"ann"));
        let refresh = tokens.refresh(ann, Some(now + second), |_, random| random.to_owned());
        assert_eq!(tokens.redeem(&refresh, false, now + second), None);
        assert_eq!(tokens.redeem(&refresh, false, now), Some(ann));
    }
}
