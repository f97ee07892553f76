//! Whole lives of workers: [`tollgate_cases::model`] says what may happen, and what must hold.

use std::time::Duration;

use tollgate_cases::model::{Thing, live};

/// How many things happen at most.
const MOST: usize = 500;

/// Three bytes say what happens: what it is, with which of its kind, and to which worker.
pub fn lives(data: &[u8]) {
    let all = data.as_chunks::<3>().0.iter().take(MOST).map(|[kind, number, which]| {
        let number = usize::from(*number);
        (usize::from(*which), number, thing(*kind, number))
    });
    live(|config| tollgate_config::policy_of(config, &|_| None).expect("the model's configuration"), all);
}

fn thing(kind: u8, number: usize) -> Thing {
    match kind % 32 {
        0..8 => Thing::Request(number % 8),
        8..10 => Thing::Fresh(number % 4),
        10 => Thing::Form { has_trailers: number % 2 == 0 },
        11 => Thing::Body { complete: number % 2 == 0 },
        12..14 => Thing::Responded,
        14..16 => Thing::Gone,
        16 => Thing::AnsweredElsewhere,
        17..22 => Thing::Response(number % 4),
        22 => Thing::Failure,
        23 => Thing::Revoked(number % 8),
        24 => Thing::Listed(number % 8),
        25..29 => Thing::Pass(Duration::from_millis(number as u64 * 10)),
        29 => Thing::SetClock(number as i64 / 4 - 30),
        30 => Thing::Replace(number % 2),
        _ => Thing::Die,
    }
}
