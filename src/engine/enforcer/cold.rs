//! What of the filter's enforcer is compiled with this package, for size (see `worker/cold.rs`).

#![expect(dead_code, reason = "it is enough that these functions are named")]

use crate::base::ids::{ProviderId, StatusId};
use crate::base::moment::Moment;
use crate::base::secret::Secret;
use crate::base::time::UnixTime;
use crate::cache::entry::Entry;
use crate::decision::Rejection;
use crate::decision::receipt::Taken;
use crate::decision::trace::Untraced;
use crate::enforcer::{Enforcer, Pending, Request, Step, Told};
use crate::proof::dpop::Proof;
use crate::provider::status_list::StatusLists;
use crate::request::extract::Found;
use crate::revocation::event::Event;
use crate::token::access_token::AccessToken;
use crate::token::rules::TokenRules;

type Filter = Enforcer<Untraced>;
type Result<T> = std::result::Result<T, Rejection>;

static USE_UP: fn(&Filter, Option<&Proof>, UnixTime) -> Result<()> = Filter::use_up;
static PROVE: fn(&Filter, &Request, &Found, UnixTime) -> Result<Option<Proof>> = Filter::prove;
static TIER: fn(&Filter, &Request, &AccessToken) -> Option<String> = Filter::tier;
static CHECK_REVOKED: fn(&Filter, &AccessToken, (&Entry, &Secret), &TokenRules, UnixTime) -> Result<()> =
    Filter::check_revoked;
static CHECK_STATUS: fn(&Filter, &StatusLists, &AccessToken, UnixTime) -> Result<()> = Filter::check_status;
static MISSING_STATUS: fn(&mut Filter, &AccessToken, UnixTime) -> Option<StatusId> = Filter::missing_status;
static BEGIN_EVENT: fn(&Filter, Request, usize) -> Step = Filter::begin_event;
static ANNOUNCE: fn(&mut Filter, ProviderId, &Event, Moment) -> Option<Taken> = Filter::announce;
static TOLD_OF: fn(&Filter, &Secret) -> Told = Filter::told_of;
static VERIFY: fn(
    &mut Pending,
    &mut Filter,
    ProviderId,
    UnixTime,
) -> std::result::Result<AccessToken, Option<Rejection>> = Pending::verify;
