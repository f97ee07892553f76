//! Streams that end with their token (`on_expiry: close`).
//!
//! Each of them is checked a few times in a second. If what is known does not let a new request with its token in at
//! once, it is judged anew, which may wait for a provider. If its response has not begun when it ends, the client gets
//! the rejection; otherwise its stream is reset.

use std::rc::Rc;
use std::time::Duration;

use crate::base::ids::StreamId;
use crate::base::moment::{Now, Steady};
use crate::base::table::Table;
use crate::cache::entry::Entry;
use crate::decision::trace::Trace;
use crate::decision::{Decision, NoAnswer};
use crate::enforcer::Step;
use crate::enforcer::lasting::{ASK_AGAIN, Lasting, Standing};
use crate::enforcer::outcome::Outcome;
use crate::response::answer::Answer;
use crate::token::key::TokenKey;
use crate::worker::command::Command;
use crate::worker::counts::Metric;
use crate::worker::flights::not_asked;
use crate::worker::streams::{State, Stream};
use crate::worker::{Waited, Worker};

/// The streams of one worker that end with their token.
#[derive(Debug, Default)]
pub(super) struct Lastings {
    all: Table<StreamId, Watched>,
    /// When they are checked next; `None`: never, for lack of streams.
    look: Option<Steady>,
    /// When they were last judged by all that is required.
    judged: Steady,
    /// What has been said about their tokens since: one of a token's streams asks for all of them, also where nothing is
    /// cached for as long.
    said: Table<TokenKey, Rc<Entry>>,
}

/// One of them.
#[derive(Debug)]
struct Watched {
    lasting: Box<Lasting>,
    /// When it was let in, or last judged anew.
    asked: Steady,
    /// Whether it is being judged.
    is_busy: bool,
}

/// How often they are checked.
const LOOK: Duration = Duration::from_millis(250);
/// How often they are judged by all that is required: client lists, ages.
const THOROUGH: Duration = Duration::from_secs(1);
/// How many of a provider's are judged anew at a time: what they ask must not crowd out requests, and a provider that is
/// slow must not delay the others'.
const MAX_BUSY: usize = 256;

impl Lastings {
    /// When something is to be done next.
    pub(super) fn due(&self) -> Option<Steady> {
        self.look
    }

    /// Something may have ended tokens: they are checked with this tick.
    pub(super) fn look_now(&mut self) {
        if let Some(look) = &mut self.look {
            *look = Steady::ZERO;
        }
    }

    /// Rejects what would be one too many.
    pub(super) fn bound(&self, max: usize, outcome: &mut Outcome) {
        if outcome.lasting.is_some() && self.all.len() >= max {
            outcome.lasting = None;
            outcome.grant.identity = None;
            outcome.decision = Decision::Deny(not_asked(NoAnswer::TooManyStreams));
        }
    }

    /// Adds one. When they are checked next.
    pub(super) fn add(&mut self, id: StreamId, lasting: Box<Lasting>, now: Steady) -> Steady {
        self.all.insert(id, Watched { lasting, asked: now, is_busy: false });
        *self.look.get_or_insert(now.saturating_add(LOOK))
    }

    /// What has been said about their tokens is known to all of them, or was said under another configuration.
    pub(super) fn forget(&mut self) {
        self.said = Table::default();
    }

    /// One of them has ended.
    pub(super) fn remove(&mut self, id: StreamId) {
        self.all.remove(id);
        self.all.give_back();
    }

    /// Its response has begun.
    pub(super) fn has_response(&mut self, id: StreamId) {
        if let Some(one) = self.all.get_mut(id) {
            one.lasting.forget_head();
        }
    }

    /// It has been judged, and goes on.
    fn has_been_judged(&mut self, id: StreamId, anew: Option<Box<Lasting>>, now: Steady) {
        let Some(one) = self.all.get_mut(id) else { return };
        one.is_busy = false;
        one.asked = now;
        if let Some(anew) = anew {
            self.said.insert(anew.key(), anew.entry());
            one.lasting = anew;
        }
    }
}

impl<T: Trace> Worker<T> {
    /// Checks all of them, and has those judged anew for whom it is time.
    #[inline(never)]
    pub(super) fn tick_lasting(&mut self, now: &Now<'_>) {
        let steady = now.steady();
        let Some(look) = self.lasting.due() else { return };
        if look > steady {
            return self.wake_at(look);
        }
        self.generations.catch_up_before(now.moment());
        let Lastings { all, look, judged, said } = &mut self.lasting;
        let generation = self.generations.now();
        *look = (!all.is_empty()).then(|| steady.saturating_add(LOOK));
        let is_thorough = steady.saturating_sub(*judged) >= THOROUGH;
        if is_thorough {
            *judged = steady;
        }
        let mut turns = vec![MAX_BUSY; self.generations.current.policy().providers.len()];
        let mut takes_turn = |one: &Watched| {
            // A provider of an earlier configuration: it is not called any more.
            let Some(turns) = turns.get_mut(one.lasting.key().provider.0) else { return true };
            let is_free = *turns > 0;
            *turns = turns.saturating_sub(1);
            is_free
        };
        for (_, one) in all.entries().iter().filter(|(_, one)| one.is_busy) {
            takes_turn(one);
        }
        for (id, one) in all.entries_mut() {
            let Some(stream) = self.streams.get(*id).filter(|_| !one.is_busy) else { continue };
            if stream.generation == generation
                && let Some(entry) = said.get(one.lasting.key())
                && one.lasting.follow(entry)
            {
                one.asked = steady;
            }
            let enforcer = self.generations.of(stream.generation);
            let is_due = match enforcer.standing(&mut one.lasting, is_thorough, now) {
                Standing::Good => false,
                Standing::Old => steady.saturating_sub(one.asked) >= ASK_AGAIN && takes_turn(one),
                Standing::Bad => takes_turn(one),
                Standing::Rejected(_) => true,
            };
            if is_due {
                one.is_busy = true;
                self.ready.push_back((*id, Waited::Again));
            }
        }
        self.lasting.forget();
        if let Some(look) = self.lasting.due() {
            self.wake_at(look);
        }
    }

    /// Judges one of them anew. One of an earlier configuration ends: its providers are not known any more.
    #[inline(never)]
    pub(super) fn judge_again(&mut self, id: StreamId, stream: &Stream, now: &Now<'_>) -> Option<Step> {
        let lasting = Lasting::clone(&self.lasting.all.get(id)?.lasting);
        let is_current = stream.generation == self.generations.now();
        let enforcer = self.generations.of(stream.generation);
        Some(if is_current {
            enforcer.judge_again(lasting, now)
        } else {
            lasting.give_up(enforcer, not_asked(NoAnswer::Replaced))
        })
    }

    /// It has been judged anew: it goes on, or ends.
    #[inline(never)]
    pub(super) fn settle_again(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        mut outcome: Box<Outcome>,
        now: &Now<'_>,
    ) -> Option<Command> {
        let Decision::Deny(rejection) = &outcome.decision else {
            self.lasting.has_been_judged(id, outcome.lasting.take(), now.steady());
            return None;
        };
        self.lasting.remove(id);
        self.counts.one(Metric::StreamsEnded);
        let policy = self.generations.of(stream.generation).policy();
        let rule = outcome.rule(policy).map(|rule| rule.name.as_str());
        self.brake.refused(rejection, rule, now.wall());
        let answer =
            (!stream.is_responded_to).then(|| outcome.answer(policy).unwrap_or_else(Answer::unavailable));
        outcome.take_notes(policy, 0);
        self.tell_soon(now);
        stream.state = State::Answered;
        Some(match answer {
            Some(answer) => Command::Answer(id, outcome, answer),
            None => Command::End(id, outcome),
        })
    }
}
