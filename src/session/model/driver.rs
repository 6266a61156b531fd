//! Performs what a core wants, as `driver.rs` does, and what users do, as `session.rs` does.

use super::*;

impl World {
    /// Tells a core what has happened, and does what it wants next, until it and its callers have nothing to do.
    pub(super) fn change<T>(&mut self, p: usize, dice: u64, happened: impl FnOnce(&mut SessionCore, Moment) -> T) -> T {
        let at = self.at(p, dice);
        let before = self.processes[p].core.store.clone();
        let outcome = happened(&mut self.process(p).core, at);
        self.settle(p, before);
        outcome
    }

    pub(super) fn settle(&mut self, p: usize, before: Option<Out<StoreOp>>) {
        for _ in 0..MOST {
            let at = self.at(p, 99);
            let Some(operation) = self.process(p).core.next(at) else { return self.settled(p) };
            match operation {
                Operation::Vendor(id, what) => {
                    let stage = if matches!(what, VendorOp::Poll(_)) { ModelStage::Sent } else { ModelStage::Written };
                    self.process(p).letter = Some(Letter { id, what, stage });
                    if !self.scene.slow {
                        self.send(p);
                    }
                }
                Operation::Permit(id, answer) => {
                    let letter = self.process(p).letter.as_mut().filter(|letter| letter.id == id);
                    letter.into_iter().for_each(|letter| {
                        letter.stage = match &answer {
                            Ok(_) => ModelStage::Sent,
                            Err(error) => ModelStage::Answered(Err(error.clone())),
                        }
                    });
                }
                Operation::Abort(id) => self.abort(p, id, before.as_ref()),
                // They stand in the core.
                Operation::Store(..) | Operation::Revoke(..) | Operation::Person(..) => {}
            }
        }
        self.breaks(ENDLESS);
    }

    /// The issuer presents its credential and asks for leave to send.
    pub(super) fn send(&mut self, p: usize) {
        let own = self.credential(p).clone();
        let mark = Mark::of(u64::from(self.scene.foreign && p == 1), &"hunter2".into());
        let core = &mut self.process(p).core;
        let elsewhere = core.refused_elsewhere().is_some_and(|refused| refused == own);
        let presented = core.present(mark, own, elsewhere);
        let Some(letter) = &mut self.process(p).letter else { return };
        if !matches!(letter.stage, ModelStage::Written) {
            return;
        }
        match presented {
            Err(error) if matches!(letter.what, VendorOp::SignIn(_)) => letter.stage = ModelStage::Answered(Err(error)),
            _ => {
                letter.stage = ModelStage::Asked;
                let id = letter.id;
                self.process(p).core.acquire(id);
            }
        }
    }

    /// It was given up: what it has sent may have an effect all the same.
    pub(super) fn abort(&mut self, p: usize, id: u64, before: Option<&Out<StoreOp>>) {
        if let Some(letter) = self.process(p).letter.take_if(|letter| letter.id == id)
            && let ModelStage::Answered(Ok(Some(issued))) = letter.stage
        {
            self.loses(&issued);
        }
        match before {
            Some(Out { id: saves, what: StoreOp::Save { expected, record, purpose }, .. }) if *saves == id => {
                self.ghosts.push((*expected, self.with_seed(p, record, *purpose)));
            }
            _ => {}
        }
    }

    pub(super) fn settled(&mut self, p: usize) {
        // A lock that the core has given up is dropped.
        let core = &self.processes[p].core;
        let leaves = core.store.as_ref().is_some_and(|out| out.what == StoreOp::Unlock);
        if self.lock == Some(p) && !core.locked && !leaves {
            self.lock = None;
        }
        let now = self.at(p, 98).now.monotonic;
        if self.processes[p].core.due().is_some_and(|due| due <= now) {
            self.breaks(SPINS);
        }
        let core = &self.processes[p].core;
        if let Some(token) = core.current.clone() {
            let (session, _) = named(&token.tokens.access);
            self.sessions[session].used = true;
            if self.processes[p].ended & (1 << session) != 0 {
                let adopted = token.origin == crate::session::token::Origin::Store;
                self.breaks(if adopted { ADOPTED } else { SERVED });
            }
        }
        self.answer(p);
        self.process(p).forgets_numbers();
    }

    // ---- Users ----

    pub(super) fn answer(&mut self, p: usize) {
        let at = self.at(p, 98);
        let process = self.process(p);
        let core = &process.core;
        process.sign_outs.retain(|id| core.sign_out_ended(*id).is_none());
        if process.closes == Some(false) && core.is_quiet() {
            process.closes = Some(true);
            return self.change(p, 98, |core, at| core.close(at));
        }
        if process.closes == Some(true) && core.is_at_rest() {
            process.closes = None;
            // Its user has heard that it is not saved.
            self.gives_up_unsaved(p);
        }
        let core = &self.processes[p].core;
        let looks = self.processes[p].callers.iter().map(|caller| core.look(&caller.ticket, at.now));
        let found = looks.enumerate().find(|(_, look)| !matches!(look, WaiterState::Waiting));
        let Some((n, look)) = found else { return };
        let caller = self.process(p).callers.remove(n);
        self.process(p).core.leaves();
        match look {
            WaiterState::Serve => self.serves(p, caller.ended),
            WaiterState::Failed(failure) => self.fails(p, failure, caller.insists),
            _ if caller.renews => self.renew(p),
            _ => match caller.answers {
                Some(id) => {
                    self.process(p).core.reopen(id);
                    self.resume(p);
                }
                None => self.call(p, caller.insists),
            },
        }
        self.settle(p, None);
    }

    pub(super) fn waits(&mut self, p: usize, ticket: WaitTicket, caller: (u8, bool, Option<u64>)) {
        let (insists, renews, answers) = caller;
        let process = self.process(p);
        process.core.joins();
        process.callers.push(Caller { ticket, insists, renews, answers, ended: false });
    }

    pub(super) fn call(&mut self, p: usize, insists: u8) {
        let at = self.at(p, 98);
        match self.process(p).core.call(Duration::ZERO, true, at) {
            Ok(CallOutcome::Serve) => self.serves(p, false),
            Ok(CallOutcome::Wait(ticket)) => self.waits(p, ticket, (insists, false, None)),
            Err(failure) => self.fails(p, failure, insists),
        }
    }

    pub(super) fn renew(&mut self, p: usize) {
        let at = self.at(p, 98);
        if let Ok(ticket) = self.process(p).core.renew(at) {
            self.waits(p, ticket, (0, true, None));
        }
    }

    pub(super) fn sign_in(&mut self, p: usize, insists: u8) {
        let at = self.at(p, 98);
        self.process(p).core.reset_failures(at.now);
        self.call(p, insists);
    }

    pub(super) fn sign_out(&mut self, p: usize) {
        let at = self.at(p, 98);
        let before = self.processes[p].core.store.clone();
        let process = self.process(p);
        let renews = process.letter.iter().filter_map(|letter| match &letter.what {
            VendorOp::Renew(token) => Some(token),
            _ => None,
        });
        let owed = process.core.pending.iter().map(|owed| &owed.token);
        let ends = process.core.current.iter().chain(owed).chain(renews).map(|token| named(&token.tokens.access).0);
        let ends: Vec<_> = ends.collect();
        process.callers.iter_mut().for_each(|caller| caller.ended = true);
        ends.iter().for_each(|session| process.ended |= 1 << session);
        let id = process.core.sign_out(true, at);
        process.sign_outs.push(id);
        ends.iter().for_each(|session| self.sessions[*session].ended = true);
        if self.scene.processes > 1 && self.stored.as_ref().is_none_or(|there| there.seed.is_none()) {
            self.seeds = 0;
        }
        self.settle(p, before);
    }

    pub(super) fn resume(&mut self, p: usize) {
        let Some((id, question, conversation)) = self.processes[p].question.clone() else { return };
        let answer = match &question.about {
            About::Captcha(_) => Answer::Captcha("hunter2".into()),
            About::Session(limit) => Answer::Session(limit.sessions[0].id.clone()),
            About::Device(_) => Answer::DeviceCode,
            About::AccessKey(_) => Answer::AccessKey("key".into()),
            About::SecondFactor(_) => Answer::SecondFactor("code".into()),
            About::SignInPage(_) => Answer::Redirect("https://app.example/back".into()),
        };
        let conversation = conversation.answered(&question, answer).expect("the right answer");
        let at = self.at(p, 98);
        match self.process(p).core.resume(id, conversation, at) {
            Ok(Resumed::Serve) => self.serves(p, false),
            Ok(Resumed::Started(ticket)) => self.waits(p, ticket, (0, false, Some(id))),
            Ok(Resumed::Joined(ticket)) => self.waits(p, ticket, (0, false, None)),
            Ok(Resumed::Late) => self.call(p, 0),
            Err(_) => {}
        }
    }

    pub(super) fn serves(&mut self, p: usize, ended: bool) {
        let at = self.at(p, 98);
        let core = &self.processes[p].core;
        let good = core.current.as_ref().is_some_and(|token| token.deadlines.is_valid(at.now));
        if !good || ended || core.signed_out || core.rejected {
            self.breaks(SERVED);
        }
    }

    pub(super) fn fails(&mut self, p: usize, failure: RunFailure, insists: u8) {
        let process = self.process(p);
        if let Some((id, question, conversation)) = &process.core.memory.open
            && failure.question == Some(*id)
        {
            process.question = Some((*id, question.clone(), conversation.clone()));
        }
        if insists > 0 && failure.error.kind() != ErrorKind::SignedOut && process.core.has_another_way_in() {
            self.sign_in(p, insists - 1);
        }
    }
}
