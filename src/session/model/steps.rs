//! What can happen next.

use super::*;

impl World {
    /// Answers the operation that is out to this side. `None`: there is none, or it cannot be answered so now.
    pub(super) fn acts(&mut self, p: usize, side: Side, fate: Fate) -> Option<()> {
        let core = &self.processes[p].core;
        let (id, event) = match side {
            Side::Store | Side::Lock => {
                let out = if side == Side::Lock { core.locking.clone()? } else { core.store.clone()? };
                (out.id, self.store(p, &out.what, fate)?)
            }
            Side::Revoke => {
                let out = core.revoking.clone()?;
                let (session, number) = named(&out.what.token.tokens.access);
                let there = &mut self.sessions[session];
                // Told of an older one, a vendor that rotates ends nothing.
                let newest = number == there.newest || !self.scene.renewal.rotates() || there.lost & 1 << number != 0;
                there.revoked |= fate == Fate::Works && newest;
                there.orphan |= fate != Fate::Works;
                let told = if fate == Fate::Works { Ok(SignOut::Revoked) } else { Err(outage(true)) };
                (out.id, Event::Revoked(told))
            }
            Side::Person => {
                let out = core.person.clone()?;
                let answer = match &out.what.question.about {
                    About::Session(limit) => Answer::Session(limit.sessions[0].id.clone()),
                    About::Captcha(_) => Answer::Captcha("read".into()),
                    _ => return None,
                };
                let answer = (fate == Fate::Works).then_some(answer);
                (out.id, Event::Answered(answer))
            }
            Side::Vendor => return self.vendor_acts(p, fate),
        };
        let event = match fate {
            Fate::Panics => Event::Panicked,
            _ => event,
        };
        self.change(p, 98, |core, at| core.on(id, event, at));
        Some(())
    }

    pub(super) fn vendor_acts(&mut self, p: usize, fate: Fate) -> Option<()> {
        let letter = self.processes[p].letter.clone().filter(|letter| letter.stage == ModelStage::Sent)?;
        if fate == Fate::Panics {
            self.process(p).letter = None;
            if let Ok(Some(issued)) = self.act(p, &letter.what) {
                self.loses(&issued);
            }
            self.change(p, 98, |core, at| core.on(letter.id, Event::Panicked, at));
            return Some(());
        }
        let polls = matches!(letter.what, VendorOp::Poll(_));
        let answer = match fate {
            Fate::Works => self.act(p, &letter.what),
            Fate::LosesAnswer => {
                if let Ok(Some(issued)) = self.act(p, &letter.what) {
                    self.loses(&issued);
                }
                Err(outage(true))
            }
            Fate::LosesQuestion if polls => Ok(None),
            Fate::LosesQuestion => Err(outage(true)),
            // A credential may be refused, too.
            _ if matches!(letter.what, VendorOp::SignIn(_)) => Err(Error::invalid_credentials("no")),
            _ => Err(outage(false)),
        };
        self.process(p).letter.as_mut()?.stage = ModelStage::Answered(answer);
        if !self.scene.slow {
            self.deliver(p);
        }
        Some(())
    }

    pub(super) fn deliver(&mut self, p: usize) -> Option<()> {
        let answered = |letter: &mut Letter| matches!(letter.stage, ModelStage::Answered(_));
        let letter = self.process(p).letter.take_if(answered)?;
        let ModelStage::Answered(answer) = letter.stage else { return None };
        // Lineages are random in life: here they are numbered like the sessions.
        let dice = answer.iter().flatten().map(|issued| 1 + named(&issued.tokens.access).0 as u64).next();
        let event = match (letter.what, answer) {
            (VendorOp::Poll(_), answer) => {
                Event::Polled(answer.map(|issued| issued.map_or(Polled::Pending, Polled::Issued)))
            }
            (what, Ok(Some(issued))) => Event::Issued(what, Ok(issued)),
            (what, Ok(None)) => Event::Issued(what, Err(outage(true))),
            (what, Err(error)) => Event::Issued(what, Err(error)),
        };
        self.change(p, dice.unwrap_or(98), |core, at| core.on(letter.id, event, at));
        Some(())
    }

    /// What was out may have had its effect; what only this process knew is lost.
    pub(super) fn crash(&mut self, p: usize, effect: bool) {
        if effect {
            let out = self.processes[p].core.store.clone();
            out.map(|out| self.store(p, &out.what, Fate::LosesAnswer));
        }
        self.letter_is_lost(p, effect);
        let gone = std::mem::replace(&mut self.processes[p], Rc::new(Process::new(&self.rules)));
        let stored = self.stored.as_ref().and_then(Record::kept).map(|kept| named(&kept.access));
        for token in gone.tokens() {
            let (session, number) = named(&token.tokens.access);
            // A tombstone that was given up may arrive yet, and then no process tells the vendor.
            if stored != Some((session, number)) || !self.ghosts.is_empty() {
                let session = &mut self.sessions[session];
                (session.orphan, session.lost) = (true, u32::MAX);
                self.seeds = 0;
            }
        }
        self.lock.iter_mut().filter(|holder| **holder == p).for_each(|holder| *holder = GONE);
    }

    pub(super) fn vanish(&mut self, p: usize) {
        self.letter_is_lost(p, true);
        self.gives_up_unsaved(p);
        let at = self.at(p, 98);
        let core = &mut self.process(p).core;
        let owed = core.revoking.as_ref().map(|out| out.id);
        let out = [
            core.store.as_ref().map(|out| out.id),
            core.locking.as_ref().map(|out| out.id),
            core.vendor.as_ref().map(|out| out.id),
            owed,
        ];
        for id in out.into_iter().flatten() {
            core.on(id, Event::Lost, at);
        }
        self.settle(p, None);
    }

    pub(super) fn letter_is_lost(&mut self, p: usize, acted: bool) {
        match self.process(p).letter.take() {
            Some(Letter { stage: ModelStage::Answered(Ok(Some(issued))), .. }) => self.loses(&issued),
            Some(Letter { stage: ModelStage::Sent, what, .. }) if acted => {
                if let Ok(Some(issued)) = self.act(p, &what) {
                    self.loses(&issued);
                }
            }
            _ => {}
        }
    }

    /// Time passes until then: callers that wake by then do so, and a process that waited for the lock for long enough hears that it is busy.
    pub(super) fn passes(&mut self, until: Duration) {
        self.now = until;
        for p in 0..self.processes.len() {
            let now = self.at(p, 98).now.monotonic;
            // A store that hangs is gone without, and so is its lock.
            let core = &self.processes[p].core;
            self.torn |= core.store.iter().chain(&core.locking).any(|out| out.deadline <= now);
            // Nor does anybody know whether the vendor has heard of a session that is to end.
            if let Some(out) = self.processes[p].core.revoking.as_ref().filter(|out| out.deadline <= now) {
                let (session, _) = named(&out.what.token.tokens.access);
                self.sessions[session].orphan = true;
            }
            if self.processes[p].wakes_at().is_some_and(|wakes| wakes <= now) {
                self.change(p, 98, |core, at| core.tick(false, at));
            }
        }
    }

    /// When anything happens by itself, if only time passes.
    pub(super) fn wakes_at(&self) -> Option<Duration> {
        let all = 0..self.processes.len();
        let wakes = all.filter_map(|p| self.processes[p].wakes_at()).min()?;
        Some(wakes.saturating_sub(1000 * SECOND).max(self.now))
    }

    pub(super) fn deadline(&self, p: usize) -> Option<Duration> {
        let core = &self.processes[p].core;
        let store = core.store.as_ref().map(|out| out.deadline);
        let vendor = core.vendor.as_ref().map(|out| out.deadline);
        // A process that waits for a lock which another one has is not late.
        let lock = core.locking.as_ref().filter(|_| self.lock.is_none()).map(|out| out.deadline);
        let deadline =
            store.into_iter().chain(vendor).chain(lock).chain(core.revoking.as_ref().map(|out| out.deadline)).min()?;
        Some(deadline.saturating_sub(1000 * SECOND).max(self.now))
    }

    pub(super) fn step(&self, step: ModelStep) -> Option<Self> {
        let mut world = self.clone();
        world.steps(step)?;
        world.sessions.iter_mut().for_each(|session| session.lost &= (1 << session.newest) - 1);
        let asks = |process: &Rc<Process>| match &process.letter {
            Some(Letter {
                what: VendorOp::SignIn(_), stage: ModelStage::Sent | ModelStage::Answered(Ok(_)), ..
            }) => 1,
            _ => 0,
        };
        if !world.torn && world.processes.iter().map(asks).sum::<u8>() > 1 {
            world.breaks(SIGN_INS);
        }
        Some(world)
    }

    /// What of what is left this takes.
    pub(super) fn price(&mut self, step: ModelStep) -> Option<&mut u8> {
        let left = &mut self.left;
        Some(match step {
            ModelStep::Call(_) => &mut left.calls,
            ModelStep::Renew(_) => &mut left.renews,
            ModelStep::SignIn(_) => &mut left.sign_ins,
            ModelStep::SignOut(_) => &mut left.sign_outs,
            ModelStep::Resume(_) => &mut left.resumes,
            ModelStep::Reject(_) => &mut left.rejects,
            ModelStep::Close(_) => &mut left.closes,
            ModelStep::Crash(..) => &mut left.crashes,
            ModelStep::Skew(_) => &mut left.skews,
            ModelStep::Wait => &mut left.waits,
            ModelStep::Day => &mut left.days,
            ModelStep::LeaseEnds if self.lock != Some(GONE) => &mut left.misfortunes,
            ModelStep::Forgets | ModelStep::Late(..) | ModelStep::Vanish(_) => &mut left.misfortunes,
            ModelStep::Act(_, _, fate) if fate != Fate::Works => &mut left.misfortunes,
            _ => return None,
        })
    }

    pub(super) fn steps(&mut self, step: ModelStep) -> Option<()> {
        if let Some(left) = self.price(step) {
            *left = left.checked_sub(1)?;
        }
        match step {
            ModelStep::Act(p, side, fate) => return self.acts(p, side, fate),
            ModelStep::Deliver(p) => return self.deliver(p),
            ModelStep::Late(p, acted) => return self.late(p, acted),
            ModelStep::Crash(p, effect) => self.crash(p, effect),
            ModelStep::Vanish(p) => self.vanish(p),
            ModelStep::Skew(p) => self.process(p).skew = 1,
            ModelStep::Ghost(happens) => {
                let (expected, record) = self.ghosts.pop()?;
                // A tombstone keeps it out, but for where another session stands: nothing is written over that.
                let others = self.stored.as_ref().is_some_and(|there| {
                    there.has_session() && there.generation().lineage != record.generation().lineage
                });
                let _ = happens && !others && self.swap(expected, record);
            }
            ModelStep::LeaseEnds => match self.lock? {
                GONE => self.lock = None,
                p => {
                    (self.now >= self.processes[p].lease).then_some(())?;
                    self.lease_ends(p);
                }
            },
            ModelStep::Forgets => {
                self.stored.take()?;
                self.ghosts.clear();
                self.forgot = true;
                self.seeds = 0;
                self.sessions.iter_mut().for_each(|session| (session.orphan, session.lost) = (true, u32::MAX));
            }
            ModelStep::Wait => {
                let until = self.wakes_at()?;
                // What could be answered is not late, unless by misfortune.
                let late = (0..self.processes.len()).filter_map(|p| self.deadline(p)).any(|late| late <= until);
                (!late).then(|| self.passes(until))?;
            }
            ModelStep::Later => self.passes(self.wakes_at()?),
            ModelStep::Day => self.passes(self.now + LIFE + SECOND),
            step => return self.uses(step),
        }
        Some(())
    }

    pub(super) fn uses(&mut self, step: ModelStep) -> Option<()> {
        let p = match step {
            ModelStep::Call(p)
            | ModelStep::Renew(p)
            | ModelStep::SignIn(p)
            | ModelStep::SignOut(p)
            | ModelStep::Reject(p) => p,
            ModelStep::Resume(p) | ModelStep::Close(p) | ModelStep::Send(p) => p,
            _ => return None,
        };
        match step {
            ModelStep::Renew(_) => self.renew(p),
            ModelStep::SignIn(_) => self.sign_in(p, 2),
            ModelStep::SignOut(_) => self.sign_out(p),
            ModelStep::Resume(_) => self.resume(p),
            ModelStep::Reject(_) => {
                let generation = self.processes[p].core.current.as_ref()?.generation;
                self.change(p, 98, |core, at| core.reject(generation, true, at));
                self.call(p, 0);
            }
            ModelStep::Close(_) => self.process(p).closes = Some(false),
            ModelStep::Send(_) => self.send(p),
            _ => self.call(p, 0),
        }
        self.settle(p, None);
        Some(())
    }

    pub(super) fn late(&mut self, p: usize, acted: bool) -> Option<()> {
        let until = self.deadline(p)?;
        let sent = self.processes[p].letter.clone().filter(|letter| letter.stage == ModelStage::Sent);
        if let Some(letter) = sent.filter(|_| acted) {
            let answer = self.act(p, &letter.what);
            self.process(p).letter = Some(Letter { stage: ModelStage::Answered(answer), ..letter });
        }
        self.passes(until);
        Some(())
    }
}
