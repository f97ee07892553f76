//! Client lists that are fetched: each worker asks for its own, in the background.
//!
//! No request waits for a list. The first call goes out with the first tick after a configuration has been
//! taken; until its answer has come, requests that need the list are `unavailable`.

use std::cell::RefCell;
use std::time::Duration;

use crate::cache::shared::Moment;
use crate::filter::calls::{Uptime, Worker};
use crate::filter::host;
use crate::provider::client_list::{ListFault, ListId, News};
use crate::provider::reply::CallOutcome;
use crate::time::part;

/// What is known of each list's server, by [`ListId`].
#[derive(Debug)]
pub(super) struct Lists(RefCell<Vec<Schedule>>);

#[derive(Clone, Debug)]
struct Schedule {
    turn: Turn,
    /// Whether there has been a list.
    has_arrived: bool,
    /// Why there was none the last time: said once.
    fault: Option<ListFault>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// Ours, at that time.
    Ask(Uptime),
    /// The server's: so many bytes of its answer to this call are wanted.
    Called { call: u32, read_up_to: usize },
}

/// How soon a list is asked for again of which there is nothing yet.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl Lists {
    pub(super) fn new(lists: usize) -> Self {
        let schedule = Schedule { turn: Turn::Ask(Uptime::ZERO), has_arrived: false, fault: None };
        Self(RefCell::new(vec![schedule; lists]))
    }

    /// When something is to be done next.
    pub(super) fn due(&self) -> Option<Uptime> {
        let schedules = self.0.borrow();
        schedules.iter().filter_map(Schedule::due).min()
    }

    /// The list that this call was to fetch.
    fn of_call(&self, call: u32) -> Option<(ListId, usize)> {
        let schedules = self.0.borrow();
        schedules.iter().enumerate().find_map(|(at, schedule)| match schedule.turn {
            Turn::Called { call: known, read_up_to } if known == call => Some((ListId(at), read_up_to)),
            _ => None,
        })
    }

    fn change<T>(&self, id: ListId, change: impl FnOnce(&mut Schedule) -> T) -> Option<T> {
        self.0.borrow_mut().get_mut(id.0).map(change)
    }
}

impl Schedule {
    fn due(&self) -> Option<Uptime> {
        match self.turn {
            Turn::Ask(due) => Some(due),
            Turn::Called { .. } => None,
        }
    }
}

impl Worker {
    /// A configuration has been taken: its lists are fetched as soon as the host lets time pass.
    pub(super) fn begin_with_lists(&self) {
        if self.lists.due().is_some() {
            self.tick_at(host::steady());
        }
    }

    /// Fetches the lists that are due. The callback is the root's.
    pub(super) fn tick_lists(&self, now: Moment) {
        let due: Vec<_> = {
            let schedules = self.lists.0.borrow();
            let is_due = |schedule: &Schedule| schedule.due().is_some_and(|due| due <= now.steady);
            let due = schedules.iter().enumerate().filter(|(_, schedule)| is_due(schedule));
            due.map(|(at, _)| ListId(at)).collect()
        };
        for id in due {
            let Some(call) = self.enforcer.list_call(id) else { continue };
            self.metrics.list_call();
            match host::dispatch(self.root, self.root, (&call).into()) {
                Some(sent) => {
                    let turn = Turn::Called { call: sent, read_up_to: call.read_up_to };
                    self.lists.change(id, |schedule| schedule.turn = turn);
                }
                None => self.list_settled(id, self.enforcer.take_list(id, CallOutcome::NotDispatched), now),
            }
        }
    }

    /// An answer has arrived, or its absence. `false`: it is not for a list.
    pub(super) fn list_answered(&self, call: u32, arrived: bool) -> bool {
        let Some((id, read_up_to)) = self.lists.of_call(call) else { return false };
        let answer = host::answer(arrived, read_up_to);
        let now = Moment { wall: host::now(), steady: host::steady() };
        self.list_settled(id, self.enforcer.take_list(id, answer.outcome()), now);
        if let Some(due) = self.lists.due() {
            self.tick_at(due);
        }
        true
    }

    fn list_settled(&self, id: ListId, news: Result<News, ListFault>, now: Moment) {
        let Some(source) = self.enforcer.policy().lists.get(id.0) else { return };
        self.metrics.list_settled(&news);
        self.lists.change(id, |schedule| {
            let pause = match &news {
                Err(_) if !schedule.has_arrived => ASK_AGAIN.min(source.refresh),
                // Up to a tenth sooner, so that not all workers ask at once.
                _ => part(source.refresh, tenths_of_hundred(), 100),
            };
            schedule.turn = Turn::Ask(now.steady.saturating_add(pause));
            let name = &source.name;
            match news {
                Ok(News::Changed(clients)) => log::info!("tollgate: client list {name}: {clients} client(s)"),
                Ok(News::Unchanged) if schedule.fault.is_some() => {
                    log::info!("tollgate: client list {name}: there again, and unchanged");
                }
                Ok(News::Unchanged) => {}
                Err(ref fault) if schedule.fault.as_ref() == Some(fault) => {}
                Err(ref fault) if schedule.has_arrived => {
                    log::warn!("tollgate: client list {name}: {fault}; the last one is kept");
                }
                Err(ref fault) => {
                    log::warn!("tollgate: client list {name}: {fault}; until it arrives, nobody whom it is to admit is let in");
                }
            }
            schedule.has_arrived |= news.is_ok();
            schedule.fault = news.err();
        });
    }

    /// Takes over the lists that the worker before this one has fetched; they are asked for anew.
    pub(super) fn inherit_lists(&self, before: &Self) {
        for id in self.enforcer.inherit_lists(&before.enforcer) {
            self.lists.change(id, |schedule| schedule.has_arrived = true);
        }
    }
}

/// Something from 90 to 100.
fn tenths_of_hundred() -> u32 {
    let [random, _] = host::seed();
    u32::try_from(random.rem_euclid(11)).unwrap_or_default().saturating_add(90)
}
