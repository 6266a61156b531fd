//! The store and the vendor.

use super::*;

impl World {
    pub(super) fn with_seed(&self, p: usize, record: &Record, purpose: Purpose) -> Record {
        let mut record = record.clone();
        if purpose == Purpose::Token {
            record.seed = Some(self.credential(p).clone());
        }
        record
    }

    pub(super) fn swap(&mut self, expected: Option<Generation>, record: Record) -> bool {
        let gives_way = self.stored.as_ref().map(Record::generation) == expected;
        if gives_way {
            if let Some(kept) = record.kept() {
                self.sessions[named(&kept.access).0].used = true;
            }
            self.stored = Some(record);
        }
        gives_way
    }

    /// What the store does, and how it answers. `None`: it has to wait.
    pub(super) fn store(&mut self, p: usize, what: &StoreOp, fate: Fate) -> Option<Event> {
        let effect = matches!(fate, Fate::Works | Fate::LosesAnswer);
        let answered = |event: Event, failed: Event| if fate == Fate::Works { event } else { failed };
        Some(match what {
            StoreOp::Lock(_) if fate != Fate::Works => {
                self.torn = true;
                Event::Locked(Err(broken_store()))
            }
            StoreOp::Lock(_) if self.lock.is_some() => return None,
            StoreOp::Lock(_) => {
                (self.lock, self.process(p).lease) = (Some(p), Duration::ZERO);
                Event::Locked(Ok(()))
            }
            StoreOp::Extend(_) if fate != Fate::Works => {
                self.lease_ends(p);
                Event::Extended(false)
            }
            StoreOp::Extend(needed) => {
                self.process(p).lease = self.now + *needed;
                Event::Extended(self.lock == Some(p))
            }
            StoreOp::Unlock => {
                self.lock.take_if(|holder| *holder == p);
                if !effect {
                    self.lock = self.lock.or(Some(GONE));
                }
                Event::Unlocked
            }
            StoreOp::Load => {
                let record = self.stored.clone();
                let own = self.credential(p).clone();
                let loaded = record.map(|record| (record.clone(), record.seed.is_none_or(|seed| seed == own)));
                answered(Event::Loaded(Ok(loaded)), Event::Loaded(Err(broken_store())))
            }
            StoreOp::Save { expected, record, purpose } => {
                let record = self.with_seed(p, record, *purpose);
                let saved = effect && self.swap(*expected, record);
                answered(Event::Saved(Ok(saved)), Event::Saved(Err(broken_store())))
            }
            StoreOp::LoadAttempts => {
                let loaded = self.ledger.clone().map(|record| (record, true));
                answered(Event::Loaded(Ok(loaded)), Event::Loaded(Err(broken_store())))
            }
            StoreOp::SaveAttempts { expected, attempts } => {
                let generation = expected.map_or(Generation::first(1), Generation::next);
                let record = Record::new(&self.rules.ledger, generation, RecordState::Nothing);
                let gives_way = self.ledger.as_ref().map(Record::generation) == *expected;
                if effect && gives_way {
                    self.ledger = Some(Record { attempts: attempts.clone(), ..record });
                }
                answered(Event::Saved(Ok(gives_way)), Event::Saved(Err(broken_store())))
            }
        })
    }

    /// What its holder has not saved yet is anybody's from now on.
    pub(super) fn lease_ends(&mut self, p: usize) {
        if self.lock.take_if(|holder| *holder == p).is_some() {
            self.torn = true;
            self.gives_up_unsaved(p);
        }
    }

    pub(super) fn gives_up_unsaved(&mut self, p: usize) {
        let unsaved = self.processes[p].core.pending.as_ref().map(|owed| named(&owed.token.tokens.access));
        if let Some((session, _)) = unsaved {
            self.sessions[session].lost = u32::MAX;
            self.seeds = 0;
        }
    }

    // ---- The vendor ----

    /// The answer, or its process, is lost: no process knows this token.
    pub(super) fn loses(&mut self, issued: &Issued) {
        let (session, number) = named(&issued.tokens.access);
        let session = &mut self.sessions[session];
        (session.orphan, session.lost) = (true, session.lost | 1 << number.saturating_sub(1));
        self.seeds = 0;
    }

    pub(super) fn act(&mut self, p: usize, what: &VendorOp) -> Result<Option<Issued>, Error> {
        let (session, number) = match what {
            VendorOp::Renew(token) => self.renews(named(&token.tokens.access))?,
            VendorOp::SignIn(conversation) => self.signs_in(p, conversation)?,
            VendorOp::Poll(_) => self.begins(),
        };
        let issued = Issued::new(format!("{session}.{number}")).lives_for(LIFE);
        let refreshes = self.scene.renewal.has_refresh_token();
        Ok(Some(if refreshes { issued.with_refresh(format!("r{session}.{number}")) } else { issued }))
    }

    pub(super) fn renews(&mut self, (session, number): (usize, u8)) -> Result<(usize, u8), Error> {
        let refused = || Error::refresh_refused("dead");
        let there = &mut self.sessions[session];
        if there.revoked {
            return Err(refused());
        }
        if number != there.newest && self.scene.renewal.rotates() {
            // Re-use is noticed, and ends the session.
            there.revoked = true;
            if there.lost & 1 << number == 0 {
                self.breaks(SPENT_TWICE);
            }
            return Err(refused());
        }
        there.newest += 1;
        Ok((session, there.newest))
    }

    pub(super) fn signs_in(&mut self, p: usize, conversation: &Conversation) -> Result<(usize, u8), Error> {
        let at = self.at(p, 98);
        self.attempts += 1;
        if self.scene.budget.is_some_and(|most| usize::from(self.attempts) > most) {
            self.breaks(BUDGET);
        }
        match self.scene.wants {
            VendorWants::Captcha | VendorWants::Person if conversation.captcha(at.now).is_none() => {
                let captcha = Captcha::new(*b"png", "image/png", "hunter2").valid_for(1000 * SECOND);
                return Err(Error::captcha_required(captcha));
            }
            VendorWants::DeviceCode => {
                let code = DeviceCode::new("device-hunter2", "WDJB-MJHT", "https://vendor.example", 1000 * SECOND);
                return Err(Error::device_code_required(code));
            }
            VendorWants::OneSession => {
                let alive = self.sessions.iter().position(|session| !session.revoked);
                match (alive, conversation.end_session()) {
                    (Some(session), None) => {
                        let there = ActiveSession::new(session.to_string().as_str());
                        return Err(Error::session_limit_reached(SessionLimit::new(vec![there])));
                    }
                    (Some(session), Some(_)) => self.sessions[session].revoked = true,
                    (None, _) => {}
                }
            }
            VendorWants::Captcha | VendorWants::Person | VendorWants::Nothing => {}
        }
        // Nothing tells the others of a sign-in that was signed out before it was saved.
        let core = &self.processes[p].core;
        let wanted = core.vendor.as_ref().map(|out| out.run) == core.run.as_ref().map(|run| run.id);
        self.seeds += u8::from(wanted || self.scene.processes == 1);
        if self.scene.seed && self.seeds > 1 {
            self.breaks(SPENT_TWICE);
        }
        Ok(self.begins())
    }

    pub(super) fn begins(&mut self) -> (usize, u8) {
        self.sessions.push(ModelSession::default());
        (self.sessions.len() - 1, 0)
    }
}
