//! Why requests were refused: the client's errors at debug, at most one line per second of the louder ones.

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
    /// A request was refused.
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
        let rule = rule.unwrap_or("none");
        log::log!(level, "tollgate: {}: {rejection} (rule {rule}){more}", rejection.verdict().name());
    }
}
