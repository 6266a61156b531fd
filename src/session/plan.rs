//! What is done next about a token that is wanted, and what may take which place in the store.
//!
//! Pure: everything it depends on is an argument.

use crate::store::Generation;

/// What a token is good for at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Freshness {
    Fresh,
    /// It can be used, and is to be renewed.
    Aging,
    /// Its time is over, or the vendor has refused it.
    Ended,
}

/// A token of ours, wherever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Known {
    pub(crate) generation: Generation,
    pub(crate) token: Freshness,
    /// Whether there is a refresh token that the vendor has not refused.
    pub(crate) refresh: bool,
}

/// What stands in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stored {
    /// A session of ours, whichever process put it there.
    Session(Known),
    /// It began with another credential than the one we have.
    Foreign(Generation),
    /// It was signed out.
    Tombstone(Generation),
    /// No session: only what others have learnt about the vendor.
    Nothing(Generation),
}

impl Stored {
    pub(crate) fn generation(&self) -> Generation {
        match self {
            Self::Session(known) => known.generation,
            Self::Foreign(generation) | Self::Tombstone(generation) | Self::Nothing(generation) => *generation,
        }
    }
}

/// A token that the store has not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PendingToken {
    pub(crate) known: Known,
    /// What stood there when it was to be saved. Two lineages cannot be ordered, but this one it was made to replace.
    pub(crate) expected: Option<Generation>,
    /// The store has certainly not written it, so no other process can have it.
    pub(crate) ours_alone: bool,
}

impl PendingToken {
    /// Whether it is newer than what is stored now: that is what it was to replace, or an older token of its lineage.
    /// What was signed out stays so.
    pub(crate) fn succeeds(&self, stored: Option<Stored>) -> bool {
        let Some(stored) = stored else { return true };
        let (there, ours) = (stored.generation(), self.known.generation);
        match stored {
            Stored::Tombstone(_) => there.lineage != ours.lineage,
            Stored::Nothing(_) => true,
            _ => self.expected == Some(there) || ours.is_after(there),
        }
    }
}

/// Everything the plan depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Snapshot<'a> {
    /// `None`: nothing is stored, or the store cannot be read.
    pub(crate) stored: Option<Stored>,
    pub(crate) held: Option<Known>,
    pub(crate) unsaved: Option<PendingToken>,
    /// The lineages that were signed out, as far as this client knows.
    pub(crate) signed_out: &'a [u64],
    /// The user asked for another token than the one there is.
    pub(crate) asked: bool,
    /// Whether a refresh token may be used at all.
    pub(crate) may_refresh: bool,
    /// Whether a refresh token that may be spent only once can be spent now: the store was read under its lock.
    pub(crate) may_spend: bool,
    /// Whether a sign-in spends such a token too: the credential is one.
    pub(crate) sign_in_spends: bool,
    /// Whether nothing of the session was ever stored, as far as this client knows, and another one costs nothing.
    pub(crate) may_begin: bool,
}

/// What a run does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Takes over what another process has stored.
    Adopt,
    /// Saves and serves a token that was obtained before and is neither stored nor served yet.
    Recover,
    /// Renews; what comes of it is called `next`.
    Renew { with: TokenSource, next: Generation },
    /// Begins a new session.
    SignIn,
    /// Does nothing: without the store two processes would spend the same refresh token.
    Refuse,
}

/// Whose refresh token is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenSource {
    PendingToken,
    Held,
    Stored,
}

/// Which way to go.
pub(crate) fn plan(snapshot: &Snapshot<'_>) -> Plan {
    let unsaved = snapshot.unsaved.filter(|unsaved| unsaved.succeeds(snapshot.stored));
    if unsaved.is_none() && snapshot.finds_better() {
        return Plan::Adopt;
    }
    if let Some(PendingToken { known, .. }) = unsaved
        && known.token != Freshness::Ended
        && snapshot.held.map(|held| held.generation) != Some(known.generation)
    {
        return Plan::Recover;
    }
    match snapshot.newest(unsaved) {
        Some((with, known)) if snapshot.may_refresh && known.refresh => match snapshot.may_spend(with) {
            true => Plan::Renew { with, next: known.generation.next() },
            false if with == TokenSource::PendingToken && snapshot.may_begin => Plan::SignIn,
            false => Plan::Refuse,
        },
        _ if snapshot.sign_in_spends && !snapshot.may_spend => Plan::Refuse,
        _ => Plan::SignIn,
    }
}

impl Snapshot<'_> {
    /// A token that no other process can have may be spent: none else presents it.
    fn may_spend(&self, source: TokenSource) -> bool {
        self.may_spend
            || (source == TokenSource::PendingToken && self.unsaved.is_some_and(|unsaved| unsaved.ours_alone))
    }

    /// Whether what is stored is another process' and better than what is held.
    fn finds_better(&self) -> bool {
        let Some(Stored::Session(stored)) = self.stored else { return false };
        if self.signed_out.contains(&stored.generation.lineage) {
            return false;
        }
        let Some(held) = self.held else { return !self.asked && stored.token != Freshness::Ended };
        // Not what the store has gone back to, as a restored backup does.
        let is_newer = held.generation != stored.generation && !held.generation.is_after(stored.generation);
        // One that can be used is given up for a fresh one only.
        is_newer
            && (stored.token == Freshness::Fresh
                || (stored.token == Freshness::Aging && held.token == Freshness::Ended))
    }

    /// The newest token of the session that is to go on, if one is.
    fn newest(&self, unsaved: Option<PendingToken>) -> Option<(TokenSource, Known)> {
        if let Some(unsaved) = unsaved {
            return Some((TokenSource::PendingToken, unsaved.known));
        }
        let newest = match (self.stored, self.held) {
            (Some(Stored::Session(stored)), Some(held)) if held.generation.is_after(stored.generation) => {
                (TokenSource::Held, held)
            }
            (Some(Stored::Session(stored)), _) => (TokenSource::Stored, stored),
            (None | Some(Stored::Nothing(_)), Some(held)) => (TokenSource::Held, held),
            (Some(Stored::Foreign(_) | Stored::Tombstone(_) | Stored::Nothing(_)), _) | (None, None) => return None,
        };
        (!self.signed_out.contains(&newest.1.generation.lineage)).then_some(newest)
    }
}

/// What becomes of a token whose save came too late: another process has changed the store since it was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// Theirs is taken over. If ours is [one too many](is_one_too_many), it is ended.
    Adopt,
    /// Ours is a new session, and theirs is none: it is saved after all, in the place of this.
    SaveOver(Option<Generation>),
    /// The session it continues was signed out: it is ended, and the store is looked at again.
    Revoke,
    /// Neither belongs in the other's place: ours stays in memory.
    Keep,
}

/// Whether the vendor keeps a session of `ours`, which no caller has been served, beside theirs. Also one that was renewed:
/// another session stands where it was, so that no process can go on with it. One of our own lineage is the session of ours.
pub(crate) fn is_one_too_many(ours: Generation, theirs: Generation) -> bool {
    theirs.lineage != ours.lineage
}

/// `ours` was to be saved, and `stored` stands there instead of what was to be replaced. `replaces`: what was held when
/// ours was asked for.
pub(crate) fn resolve(ours: Generation, replaces: Option<Generation>, stored: Option<Stored>) -> Conflict {
    let is_older = |there: Generation| {
        let known = replaces.is_some_and(|held| held == there || held.is_after(there));
        known || ours.is_after(there)
    };
    match stored {
        None => Conflict::SaveOver(None),
        Some(Stored::Tombstone(there)) if there.lineage == ours.lineage => Conflict::Revoke,
        Some(Stored::Tombstone(there) | Stored::Nothing(there)) => Conflict::SaveOver(Some(there)),
        Some(Stored::Session(theirs)) if is_older(theirs.generation) => Conflict::SaveOver(Some(theirs.generation)),
        Some(Stored::Session(theirs)) if theirs.token != Freshness::Ended => Conflict::Adopt,
        Some(Stored::Session(_) | Stored::Foreign(_)) => Conflict::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Generation = Generation { lineage: 1, counter: 5 };
    const OTHER: Generation = Generation { lineage: 2, counter: 1 };

    fn known(generation: Generation, token: Freshness) -> Known {
        Known { generation, token, refresh: true }
    }

    fn stored(generation: Generation, token: Freshness) -> Option<Stored> {
        Some(Stored::Session(known(generation, token)))
    }

    fn unsaved(generation: Generation, expected: Option<Generation>) -> PendingToken {
        PendingToken { known: known(generation, Freshness::Ended), expected, ours_alone: false }
    }

    fn snapshot() -> Snapshot<'static> {
        Snapshot {
            stored: None,
            held: None,
            unsaved: None,
            signed_out: &[],
            asked: false,
            may_refresh: true,
            may_spend: true,
            sign_in_spends: false,
            may_begin: false,
        }
    }

    #[apply(leak_checked!)]
    fn only_what_it_was_to_replace_and_older_tokens_of_its_lineage_give_way() {
        let is_replaced = |unsaved: PendingToken, there| unsaved.succeeds(Some(Stored::Foreign(there)));
        assert!(unsaved(ONE, None).succeeds(None));
        assert!(is_replaced(unsaved(ONE.next(), Some(ONE)), ONE));
        assert!(is_replaced(unsaved(ONE.next().next(), None), ONE));
        assert!(!is_replaced(unsaved(ONE, None), ONE));
        assert!(!is_replaced(unsaved(ONE, None), ONE.next()));
        assert!(is_replaced(unsaved(ONE, Some(OTHER)), OTHER));
        assert!(!is_replaced(unsaved(ONE, Some(OTHER)), OTHER.next()));
        assert!(!is_replaced(unsaved(ONE.next(), None), OTHER));
        assert!(unsaved(ONE, None).succeeds(Some(Stored::Nothing(OTHER))), "there is nothing to give way");
    }

    #[apply(leak_checked!)]
    fn without_the_lock_what_nobody_else_can_have_is_spent_and_nothing_else() {
        let held = Some(known(ONE, Freshness::Ended));
        let owed = |ours_alone| Some(PendingToken { ours_alone, ..unsaved(ONE.next(), Some(ONE)) });
        let with = |unsaved, may_begin| plan(&Snapshot { held, unsaved, may_begin, may_spend: false, ..snapshot() });
        let renews = Plan::Renew { with: TokenSource::PendingToken, next: ONE.next().next() };
        assert_eq!([with(owed(true), false), with(owed(false), false)], [renews, Plan::Refuse]);
        assert_eq!([with(owed(false), true), with(None, true)], [Plan::SignIn, Plan::Refuse]);
        // One that is ours alone says nothing about the one that stands there.
        let since = stored(ONE.next().next(), Freshness::Ended);
        let newer = Snapshot { held, unsaved: owed(true), stored: since, may_spend: false, ..snapshot() };
        assert_eq!(plan(&newer), Plan::Refuse);
    }

    #[apply(leak_checked!)]
    fn a_session_that_was_signed_out_is_not_put_back() {
        let newer = unsaved(ONE.next().next(), Some(ONE));
        assert!(!newer.succeeds(Some(Stored::Tombstone(ONE.next()))));
        // A new session takes the place of one that was signed out.
        assert!(unsaved(OTHER, Some(ONE)).succeeds(Some(Stored::Tombstone(ONE))));
    }

    #[apply(leak_checked!)]
    fn whoever_holds_nothing_takes_over_what_can_be_used() {
        for (token, expected) in [
            (Freshness::Fresh, Plan::Adopt),
            (Freshness::Aging, Plan::Adopt),
            (Freshness::Ended, Plan::Renew { with: TokenSource::Stored, next: ONE.next() }),
        ] {
            assert_eq!(plan(&Snapshot { stored: stored(ONE, token), ..snapshot() }), expected);
        }
        let asked = Snapshot { stored: stored(ONE, Freshness::Fresh), asked: true, ..snapshot() };
        assert_eq!(plan(&asked), Plan::Renew { with: TokenSource::Stored, next: ONE.next() });
    }

    #[apply(leak_checked!)]
    fn a_token_that_can_be_used_gives_way_to_a_fresh_one_only() {
        let renews = |with, next| Plan::Renew { with, next };
        for (held, there, expected) in [
            (Freshness::Aging, Freshness::Fresh, Plan::Adopt),
            (Freshness::Aging, Freshness::Aging, renews(TokenSource::Stored, OTHER.next())),
            (Freshness::Ended, Freshness::Aging, Plan::Adopt),
            (Freshness::Ended, Freshness::Ended, renews(TokenSource::Stored, OTHER.next())),
        ] {
            let snapshot = Snapshot { stored: stored(OTHER, there), held: Some(known(ONE, held)), ..snapshot() };
            assert_eq!(plan(&snapshot), expected, "{held:?} {there:?}");
        }
    }

    #[apply(leak_checked!)]
    fn a_store_that_has_gone_back_is_not_followed() {
        let held = Some(known(ONE.next(), Freshness::Ended));
        let snapshot = Snapshot { stored: stored(ONE, Freshness::Fresh), held, ..snapshot() };
        assert_eq!(plan(&snapshot), Plan::Renew { with: TokenSource::Held, next: ONE.next().next() });
    }

    #[apply(leak_checked!)]
    fn an_unsaved_token_goes_before_what_it_was_to_replace_and_after_what_came_since() {
        let mine = Some(unsaved(OTHER, Some(ONE)));
        let held = Some(known(OTHER, Freshness::Ended));
        let before = Snapshot { stored: stored(ONE, Freshness::Fresh), unsaved: mine, held, ..snapshot() };
        assert_eq!(plan(&before), Plan::Renew { with: TokenSource::PendingToken, next: OTHER.next() });
        let since = Snapshot { stored: stored(ONE.next(), Freshness::Ended), ..before };
        assert_eq!(plan(&since), Plan::Renew { with: TokenSource::Stored, next: ONE.next().next() });
    }

    #[apply(leak_checked!)]
    fn what_was_obtained_and_never_served_is_recovered_while_it_can_be_used() {
        let mine =
            |token| Some(PendingToken { known: known(ONE.next(), token), expected: Some(ONE), ours_alone: false });
        let lost = Snapshot {
            stored: stored(ONE, Freshness::Ended),
            held: Some(known(ONE, Freshness::Ended)),
            unsaved: mine(Freshness::Fresh),
            ..snapshot()
        };
        assert_eq!(plan(&lost), Plan::Recover);
        let late = Snapshot { unsaved: mine(Freshness::Ended), ..lost };
        assert_eq!(plan(&late), Plan::Renew { with: TokenSource::PendingToken, next: ONE.next().next() });
    }

    #[apply(leak_checked!)]
    fn what_was_signed_out_here_is_neither_taken_over_nor_renewed() {
        for token in [Freshness::Fresh, Freshness::Ended] {
            let snapshot = Snapshot { stored: stored(ONE, token), signed_out: &[1], ..snapshot() };
            assert_eq!(plan(&snapshot), Plan::SignIn);
        }
        let anothers = Snapshot { stored: stored(OTHER, Freshness::Fresh), signed_out: &[1], ..snapshot() };
        assert_eq!(plan(&anothers), Plan::Adopt);
    }

    #[apply(leak_checked!)]
    fn without_the_store_nothing_is_spent_and_without_a_refresh_token_nothing_could_be() {
        let locked_out = Snapshot { held: Some(known(ONE, Freshness::Ended)), may_spend: false, ..snapshot() };
        assert_eq!(plan(&locked_out), Plan::Refuse);
        assert_eq!(plan(&Snapshot { may_refresh: false, ..locked_out }), Plan::SignIn);
        let spent = Known { refresh: false, ..known(ONE, Freshness::Ended) };
        assert_eq!(plan(&Snapshot { held: Some(spent), ..locked_out }), Plan::SignIn);
        assert_eq!(plan(&Snapshot { held: Some(spent), sign_in_spends: true, ..locked_out }), Plan::Refuse);
    }

    #[apply(leak_checked!)]
    fn another_credentials_session_and_a_tombstone_are_no_session() {
        for there in [Stored::Foreign(OTHER), Stored::Tombstone(ONE.next())] {
            let snapshot = Snapshot { stored: Some(there), held: Some(known(ONE, Freshness::Ended)), ..snapshot() };
            assert_eq!(plan(&snapshot), Plan::SignIn);
        }
    }

    #[apply(leak_checked!)]
    fn who_saves_too_late_makes_way_unless_nobody_is_there() {
        let late = |there| resolve(ONE, None, there);
        assert_eq!(late(None), Conflict::SaveOver(None));
        assert_eq!(late(Some(Stored::Tombstone(ONE))), Conflict::Revoke);
        assert_eq!(late(Some(Stored::Tombstone(OTHER))), Conflict::SaveOver(Some(OTHER)));
        assert_eq!(late(stored(OTHER, Freshness::Aging)), Conflict::Adopt);
        assert_eq!(late(stored(ONE.next(), Freshness::Fresh)), Conflict::Adopt);
        assert_eq!(late(stored(OTHER, Freshness::Ended)), Conflict::Keep);
        assert_eq!(late(Some(Stored::Foreign(OTHER))), Conflict::Keep);
    }

    #[apply(leak_checked!)]
    fn a_session_is_one_too_many_beside_another_one() {
        assert!(is_one_too_many(ONE, OTHER));
        assert!(!is_one_too_many(ONE, ONE.next()));
    }

    #[apply(leak_checked!)]
    fn what_a_new_token_was_made_to_replace_is_not_preferred_to_it() {
        // The store could not be read when the run looked, and has the token that was held all along.
        let there = stored(OTHER, Freshness::Fresh);
        assert_eq!(resolve(ONE, Some(OTHER), there), Conflict::SaveOver(Some(OTHER)));
        let older = stored(ONE, Freshness::Fresh);
        assert_eq!(resolve(ONE.next(), None, older), Conflict::SaveOver(Some(ONE)));
    }
}
