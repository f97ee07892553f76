//! The last word on a request.

use crate::base::ids::StreamId;
use crate::base::moment::Now;
use crate::decision::Decision;
use crate::decision::receipt::Receipt;
use crate::decision::trace::Trace;
use crate::enforcer::outcome::Outcome;
use crate::policy::Mode;
use crate::response::answer::Answer;
use crate::worker::Worker;
use crate::worker::command::{Command, ResponseChange};
use crate::worker::streams::{State, Stream};

impl<T: Trace> Worker<T> {
    /// Carries out the last word.
    #[inline(never)]
    pub(super) fn settle(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        mut outcome: Box<Outcome>,
        now: &Now<'_>,
    ) -> Command {
        let is_current = stream.generation == self.generations.now();
        let enforcer = self.generations.of(stream.generation);
        let is_carried_out = enforcer.policy().mode == Mode::Enforce;
        if let Some(max) = enforcer.policy().max_streams {
            self.lasting.bound(max, &mut outcome);
        }
        self.counts.settled(&outcome, is_carried_out, is_current);
        let answer = match &outcome.decision {
            Decision::Allow(_) => None,
            Decision::Deny(_) if !is_carried_out => None,
            Decision::Deny(_) | Decision::Describe(_) | Decision::Receive(_) => {
                Some(outcome.answer(enforcer.policy()).unwrap_or_else(Answer::unavailable))
            }
        };
        let waited =
            stream.waits_since.map_or(0, |since| now.wall().as_millis().saturating_sub(since.as_millis()));
        outcome.take_notes(enforcer.policy(), waited);
        if let Decision::Deny(rejection) = &outcome.decision {
            let rule = outcome.rule(enforcer.policy()).map(|rule| rule.name.as_str());
            self.brake.refused(rejection, rule, now.wall());
        }
        if let Decision::Receive(Receipt::Refused(_, fault)) = &outcome.decision {
            self.events.refused(*fault, now.wall());
        }
        if let Some(question) = outcome.refresh.take() {
            self.refresh_soon(*question);
        }
        self.tell_soon(now);
        if let Some(answer) = answer {
            stream.state = State::Answered;
            return Command::Answer(id, outcome, answer);
        }
        let change = ResponseChange {
            is_private: outcome.grant.private_response,
            dpop_nonce: outcome.grant.dpop_nonce.clone(),
            websocket_protocol: outcome.grant.websocket_protocol.clone(),
        };
        stream.state = match outcome.lasting.take() {
            Some(lasting) => {
                let look = self.lasting.add(id, lasting, now.steady());
                self.wake_at(look);
                State::Lasts(change)
            }
            None => State::Passed(change),
        };
        Command::Pass(id, outcome)
    }
}
