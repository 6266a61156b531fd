//! The course a flight takes once it has looked into the store, and what may take which place there.
//!
//! Pure: everything it depends on is an argument. `model.rs` lets many processes fly by the very same rules, and looks at
//! every state they can get into.

use crate::store::Generation;

/// What a token is good for at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Token {
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
    pub(crate) token: Token,
    /// Whether there is a refresh token that the vendor has not refused.
    pub(crate) refresh: bool,
}

/// What stands in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stored {
    /// A session of ours, whoever put it there.
    Session(Known),
    /// It began with another credential than the one we have.
    Foreign(Generation),
    /// It was signed out.
    Tombstone(Generation),
}

impl Stored {
    pub(crate) fn generation(&self) -> Generation {
        match self {
            Self::Session(known) => known.generation,
            Self::Foreign(generation) | Self::Tombstone(generation) => *generation,
        }
    }
}

/// A token that the store has not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Unsaved {
    pub(crate) known: Known,
    /// What stood there when it was to be saved. Two lineages cannot be ordered, but this one it was made to replace.
    pub(crate) over: Option<Generation>,
}

impl Unsaved {
    /// Whether it is newer than what is stored now: that is what it was to replace, or an older token of its lineage.
    /// What was signed out stays so.
    pub(crate) fn succeeds(&self, stored: Option<Stored>) -> bool {
        let Some(stored) = stored else { return true };
        let (there, ours) = (stored.generation(), self.known.generation);
        match stored {
            Stored::Tombstone(_) if there.lineage == ours.lineage => false,
            _ => self.over == Some(there) || ours.is_after(there),
        }
    }
}

/// Everything the course depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    /// `None`: nothing is stored, or the store cannot be read.
    pub(crate) stored: Option<Stored>,
    pub(crate) held: Option<Known>,
    pub(crate) unsaved: Option<Unsaved>,
    /// The lineage that was signed out here.
    pub(crate) ended: Option<u64>,
    /// Somebody wants another token than the one there is.
    pub(crate) asked: bool,
    /// Whether a refresh token may be used at all.
    pub(crate) may_refresh: bool,
    /// Whether a refresh token that may be spent only once can be spent now: the store was read under its lock.
    pub(crate) may_spend: bool,
    /// Whether a sign-in spends such a token too: the credential is one.
    pub(crate) sign_in_spends: bool,
}

/// What a flight does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Takes over what somebody else has stored.
    Adopt,
    /// Saves and serves what a flight had obtained that was lost before it could.
    Salvage,
    /// Renews; what comes of it is called `next`.
    Renew { with: Source, next: Generation },
    /// Begins a new session.
    SignIn,
    /// Does nothing: without the store two processes would spend the same refresh token.
    Refuse,
}

/// Whose refresh token is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Unsaved,
    Held,
    Stored,
}

/// Which way to go.
pub(crate) fn course(sight: &Sight) -> Course {
    let unsaved = sight.unsaved.filter(|unsaved| unsaved.succeeds(sight.stored));
    if unsaved.is_none() && sight.finds_better() {
        return Course::Adopt;
    }
    if let Some(Unsaved { known, .. }) = unsaved
        && known.token != Token::Ended
        && sight.held.map(|held| held.generation) != Some(known.generation)
    {
        return Course::Salvage;
    }
    match sight.newest(unsaved) {
        Some((with, known)) if sight.may_refresh && known.refresh => match sight.may_spend {
            true => Course::Renew { with, next: known.generation.next() },
            false => Course::Refuse,
        },
        _ if sight.sign_in_spends && !sight.may_spend => Course::Refuse,
        _ => Course::SignIn,
    }
}

impl Sight {
    /// Whether what is stored is somebody else's and better than what is held.
    fn finds_better(&self) -> bool {
        let Some(Stored::Session(stored)) = self.stored else { return false };
        if self.ended == Some(stored.generation.lineage) {
            return false;
        }
        let Some(held) = self.held else { return !self.asked && stored.token != Token::Ended };
        // Not what the store has gone back to, as a restored backup does.
        let is_newer = held.generation != stored.generation && !held.generation.is_after(stored.generation);
        // One that can be used is given up for a fresh one only.
        is_newer && (stored.token == Token::Fresh || (stored.token == Token::Aging && held.token == Token::Ended))
    }

    /// The newest token of the session that is to go on, if one is.
    fn newest(&self, unsaved: Option<Unsaved>) -> Option<(Source, Known)> {
        if let Some(unsaved) = unsaved {
            return Some((Source::Unsaved, unsaved.known));
        }
        let newest = match (self.stored, self.held) {
            (Some(Stored::Session(stored)), Some(held)) if held.generation.is_after(stored.generation) => {
                (Source::Held, held)
            }
            (Some(Stored::Session(stored)), _) => (Source::Stored, stored),
            (None, Some(held)) => (Source::Held, held),
            (Some(Stored::Foreign(_) | Stored::Tombstone(_)), _) | (None, None) => return None,
        };
        (self.ended != Some(newest.1.generation.lineage)).then_some(newest)
    }
}

/// What becomes of a token whose save came too late: somebody has changed the store since it was looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overtaken {
    /// Theirs is taken over. If ours is [one too many](is_one_too_many), it is ended.
    Adopt,
    /// Ours is a new session, and theirs is none: it is saved after all, in the place of this.
    SaveOver(Option<Generation>),
    /// The session it continues was signed out: it is ended, and the flight looks again.
    Withdraw,
    /// Neither belongs in the other's place: ours stays in memory.
    Keep,
}

/// Whether the vendor keeps a session of `ours` that nobody needs beside theirs. One that was renewed is shared, and one of
/// our own lineage is the session that ours was.
pub(crate) fn is_one_too_many(ours: Generation, renewed: bool, theirs: Generation) -> bool {
    !renewed && theirs.lineage != ours.lineage
}

/// `ours` was to be saved, and `stored` stands there instead of what was to be replaced. `replaces`: what was held when
/// ours was asked for.
pub(crate) fn overtaken(ours: Generation, replaces: Option<Generation>, stored: Option<Stored>) -> Overtaken {
    let is_older = |there: Generation| {
        let known = replaces.is_some_and(|held| held == there || held.is_after(there));
        known || ours.is_after(there)
    };
    match stored {
        None => Overtaken::SaveOver(None),
        Some(Stored::Tombstone(there)) if there.lineage == ours.lineage => Overtaken::Withdraw,
        Some(Stored::Tombstone(there)) => Overtaken::SaveOver(Some(there)),
        Some(Stored::Session(theirs)) if is_older(theirs.generation) => Overtaken::SaveOver(Some(theirs.generation)),
        Some(Stored::Session(theirs)) if theirs.token != Token::Ended => Overtaken::Adopt,
        Some(Stored::Session(_) | Stored::Foreign(_)) => Overtaken::Keep,
    }
}

/// Who came before a flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Beaten {
    /// Somebody signed out.
    BySignOut,
    /// It was silent for so long that another one took its place.
    BySuccessor,
}

/// What becomes of a token whose flight was beaten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is ended, at the vendor and in the store.
    Withdraw,
    /// It is for whoever comes next: in the store, or aside until it is there.
    Leave,
}

/// `replaceable`: another one can be had with what it was obtained with. `kept`: it has stood aside, so that whoever took
/// the flight's place has found it there.
pub(crate) fn fate(beaten: Beaten, replaceable: bool, kept: bool) -> Fate {
    match beaten {
        Beaten::BySuccessor if kept || !replaceable => Fate::Leave,
        Beaten::BySuccessor | Beaten::BySignOut => Fate::Withdraw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Generation = Generation { lineage: 1, counter: 5 };
    const OTHER: Generation = Generation { lineage: 2, counter: 1 };

    fn known(generation: Generation, token: Token) -> Known {
        Known { generation, token, refresh: true }
    }

    fn stored(generation: Generation, token: Token) -> Option<Stored> {
        Some(Stored::Session(known(generation, token)))
    }

    fn unsaved(generation: Generation, over: Option<Generation>) -> Unsaved {
        Unsaved { known: known(generation, Token::Ended), over }
    }

    fn sight() -> Sight {
        Sight {
            stored: None,
            held: None,
            unsaved: None,
            ended: None,
            asked: false,
            may_refresh: true,
            may_spend: true,
            sign_in_spends: false,
        }
    }

    #[apply(hunted!)]
    fn only_what_it_was_to_replace_and_older_tokens_of_its_lineage_give_way() {
        let is_replaced = |unsaved: Unsaved, there| unsaved.succeeds(Some(Stored::Foreign(there)));
        assert!(unsaved(ONE, None).succeeds(None));
        assert!(is_replaced(unsaved(ONE.next(), Some(ONE)), ONE));
        assert!(is_replaced(unsaved(ONE.next().next(), None), ONE));
        assert!(!is_replaced(unsaved(ONE, None), ONE));
        assert!(!is_replaced(unsaved(ONE, None), ONE.next()));
        assert!(is_replaced(unsaved(ONE, Some(OTHER)), OTHER));
        assert!(!is_replaced(unsaved(ONE, Some(OTHER)), OTHER.next()));
        assert!(!is_replaced(unsaved(ONE.next(), None), OTHER));
    }

    #[apply(hunted!)]
    fn a_session_that_was_signed_out_is_not_put_back() {
        let newer = unsaved(ONE.next().next(), Some(ONE));
        assert!(!newer.succeeds(Some(Stored::Tombstone(ONE.next()))));
        // A new session takes the place of one that was signed out.
        assert!(unsaved(OTHER, Some(ONE)).succeeds(Some(Stored::Tombstone(ONE))));
    }

    #[apply(hunted!)]
    fn whoever_holds_nothing_takes_over_what_can_be_used() {
        for (token, expected) in [
            (Token::Fresh, Course::Adopt),
            (Token::Aging, Course::Adopt),
            (Token::Ended, Course::Renew { with: Source::Stored, next: ONE.next() }),
        ] {
            assert_eq!(course(&Sight { stored: stored(ONE, token), ..sight() }), expected);
        }
        let asked = Sight { stored: stored(ONE, Token::Fresh), asked: true, ..sight() };
        assert_eq!(course(&asked), Course::Renew { with: Source::Stored, next: ONE.next() });
    }

    #[apply(hunted!)]
    fn a_token_that_can_be_used_gives_way_to_a_fresh_one_only() {
        let renews = |with, next| Course::Renew { with, next };
        for (held, there, expected) in [
            (Token::Aging, Token::Fresh, Course::Adopt),
            (Token::Aging, Token::Aging, renews(Source::Stored, OTHER.next())),
            (Token::Ended, Token::Aging, Course::Adopt),
            (Token::Ended, Token::Ended, renews(Source::Stored, OTHER.next())),
        ] {
            let sight = Sight { stored: stored(OTHER, there), held: Some(known(ONE, held)), ..sight() };
            assert_eq!(course(&sight), expected, "{held:?} {there:?}");
        }
    }

    #[apply(hunted!)]
    fn a_store_that_has_gone_back_is_not_followed() {
        let held = Some(known(ONE.next(), Token::Ended));
        let sight = Sight { stored: stored(ONE, Token::Fresh), held, ..sight() };
        assert_eq!(course(&sight), Course::Renew { with: Source::Held, next: ONE.next().next() });
    }

    #[apply(hunted!)]
    fn an_unsaved_token_goes_before_what_it_was_to_replace_and_after_what_came_since() {
        let mine = Some(unsaved(OTHER, Some(ONE)));
        let held = Some(known(OTHER, Token::Ended));
        let before = Sight { stored: stored(ONE, Token::Fresh), unsaved: mine, held, ..sight() };
        assert_eq!(course(&before), Course::Renew { with: Source::Unsaved, next: OTHER.next() });
        let since = Sight { stored: stored(ONE.next(), Token::Ended), ..before };
        assert_eq!(course(&since), Course::Renew { with: Source::Stored, next: ONE.next().next() });
    }

    #[apply(hunted!)]
    fn what_was_obtained_and_never_served_is_salvaged_while_it_can_be_used() {
        let mine = |token| Some(Unsaved { known: known(ONE.next(), token), over: Some(ONE) });
        let lost = Sight {
            stored: stored(ONE, Token::Ended),
            held: Some(known(ONE, Token::Ended)),
            unsaved: mine(Token::Fresh),
            ..sight()
        };
        assert_eq!(course(&lost), Course::Salvage);
        let late = Sight { unsaved: mine(Token::Ended), ..lost };
        assert_eq!(course(&late), Course::Renew { with: Source::Unsaved, next: ONE.next().next() });
    }

    #[apply(hunted!)]
    fn what_was_signed_out_here_is_neither_taken_over_nor_renewed() {
        for token in [Token::Fresh, Token::Ended] {
            let sight = Sight { stored: stored(ONE, token), ended: Some(ONE.lineage), ..sight() };
            assert_eq!(course(&sight), Course::SignIn);
        }
        let anothers = Sight { stored: stored(OTHER, Token::Fresh), ended: Some(ONE.lineage), ..sight() };
        assert_eq!(course(&anothers), Course::Adopt);
    }

    #[apply(hunted!)]
    fn without_the_store_nothing_is_spent_and_without_a_refresh_token_nothing_could_be() {
        let locked_out = Sight { held: Some(known(ONE, Token::Ended)), may_spend: false, ..sight() };
        assert_eq!(course(&locked_out), Course::Refuse);
        assert_eq!(course(&Sight { may_refresh: false, ..locked_out }), Course::SignIn);
        let spent = Known { refresh: false, ..known(ONE, Token::Ended) };
        assert_eq!(course(&Sight { held: Some(spent), ..locked_out }), Course::SignIn);
        assert_eq!(course(&Sight { held: Some(spent), sign_in_spends: true, ..locked_out }), Course::Refuse);
    }

    #[apply(hunted!)]
    fn another_credentials_session_and_a_tombstone_are_no_session() {
        for there in [Stored::Foreign(OTHER), Stored::Tombstone(ONE.next())] {
            let sight = Sight { stored: Some(there), held: Some(known(ONE, Token::Ended)), ..sight() };
            assert_eq!(course(&sight), Course::SignIn);
        }
    }

    #[apply(hunted!)]
    fn a_sign_out_ends_what_its_flight_obtained_and_a_successor_only_what_nobody_will_find() {
        for (replaceable, kept) in [(true, true), (true, false), (false, true), (false, false)] {
            assert_eq!(fate(Beaten::BySignOut, replaceable, kept), Fate::Withdraw);
            let stays = kept || !replaceable;
            let expected = if stays { Fate::Leave } else { Fate::Withdraw };
            assert_eq!(fate(Beaten::BySuccessor, replaceable, kept), expected);
        }
    }

    #[apply(hunted!)]
    fn who_saves_too_late_makes_way_unless_nobody_is_there() {
        let late = |there| overtaken(ONE, None, there);
        assert_eq!(late(None), Overtaken::SaveOver(None));
        assert_eq!(late(Some(Stored::Tombstone(ONE))), Overtaken::Withdraw);
        assert_eq!(late(Some(Stored::Tombstone(OTHER))), Overtaken::SaveOver(Some(OTHER)));
        assert_eq!(late(stored(OTHER, Token::Aging)), Overtaken::Adopt);
        assert_eq!(late(stored(ONE.next(), Token::Fresh)), Overtaken::Adopt);
        assert_eq!(late(stored(OTHER, Token::Ended)), Overtaken::Keep);
        assert_eq!(late(Some(Stored::Foreign(OTHER))), Overtaken::Keep);
    }

    #[apply(hunted!)]
    fn a_new_session_is_one_too_many_beside_another_and_nothing_else_is() {
        assert!(is_one_too_many(ONE, false, OTHER));
        assert!(!is_one_too_many(ONE, true, OTHER));
        assert!(!is_one_too_many(ONE, false, ONE.next()));
    }

    #[apply(hunted!)]
    fn what_a_new_token_was_made_to_replace_is_not_preferred_to_it() {
        // The store could not be read when the flight looked, and has the token that was held all along.
        let there = stored(OTHER, Token::Fresh);
        assert_eq!(overtaken(ONE, Some(OTHER), there), Overtaken::SaveOver(Some(OTHER)));
        let older = stored(ONE, Token::Fresh);
        assert_eq!(overtaken(ONE.next(), None, older), Overtaken::SaveOver(Some(ONE)));
    }
}
