//! The part of the filter's worker that is compiled with this package, for size: no cache hit runs it.
//!
//! A generic function is compiled with the package that calls it. What is generic over the trace is so compiled with the
//! filter, for speed, as is right for what every request runs. The functions that are named here are compiled with this
//! package instead, and so is what they call. The filter takes over those of them that are `#[inline(never)]`, and compiles
//! the others again: nothing that a cache hit runs may be reached from here with that mark.

#![expect(dead_code, reason = "it is enough that these functions are named")]

use crate::base::ids::StreamId;
use crate::base::moment::{Moment, Now};
use crate::decision::trace::Untraced;
use crate::enforcer::outcome::Outcome;
use crate::enforcer::ports::Ports;
use crate::enforcer::{Finding, Pending};
use crate::policy::Policy;
use crate::provider::fetch::Document;
use crate::provider::flight::Question;
use crate::provider::outcome::CallOutcome;
use crate::token::key::TokenKey;
use crate::worker::Worker;
use crate::worker::command::Command;
use crate::worker::streams::Stream;

type Filter = Worker<Untraced>;

static NEW: fn(Policy, Ports<Untraced>) -> Filter = Filter::new;
static REPLACE: fn(&mut Filter, Policy, Ports<Untraced>) = Filter::replace;
static TICK: fn(&mut Filter, &Now<'_>) = Filter::tick;
static FETCHED: fn(&mut Filter, Document, CallOutcome<'_>, Moment) = Filter::fetched;
static LANDED: fn(&mut Filter, TokenKey, CallOutcome<'_>, &Now<'_>) = Filter::landed;
static SEEK: fn(&mut Filter, &Question, &mut Pending, &Now<'_>) -> Option<Finding> = Filter::seek;
static TAKE_FROM_LISTS: fn(&mut Filter, StreamId, &Stream) = Filter::take_from_lists;
static SETTLE_AGAIN: fn(&mut Filter, StreamId, &mut Stream, Box<Outcome>, &Now<'_>) -> Option<Command> =
    Filter::settle_again;
