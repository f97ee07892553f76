//! The log lines of rejections: clients' errors at debug, and at most one line per second at the louder levels.

use log::Level;

use crate::base::time::UnixTime;
use crate::decision::Rejection;

/// A brake on the louder log lines.
#[derive(Debug, Default)]
pub(super) struct Brake {
    last_loud: u64,
    suppressed: u32,
}

impl Brake {
    /// Logs a rejection, with the name of the rule that it was judged by.
    #[inline(never)]
    pub(super) fn refused(&mut self, rejection: &Rejection, rule: Option<&str>, now: UnixTime) {
        let level = rejection.log_level();
        let mut more = String::new();
        if level < Level::Info {
            if std::mem::replace(&mut self.last_loud, now.as_secs()) == now.as_secs() {
                self.suppressed = self.suppressed.saturating_add(1);
                return;
            }
            let suppressed = std::mem::take(&mut self.suppressed);
            if suppressed > 0 {
                more = format!(" ({suppressed} more like this before)");
            }
        }
        let verdict = rejection.verdict().name();
        match rule {
            Some(rule) => log::log!(level, "tollgate: {verdict}: {rejection} (rule {rule}){more}"),
            None => log::log!(level, "tollgate: {verdict}: {rejection} (no rule){more}"),
        }
    }
}
