//! What `turngraph doctor` looks at: every store that is configured, the way of changes between
//! them, and what will go wrong. It changes nothing that anybody reads.

mod cache;
mod copies;
mod feed;
mod leftovers;
mod record;

use serde::Serialize;

use crate::config::Config;
use crate::domain::{Clock, Timestamp};
use crate::stores::StoreError;
use crate::stores::record::StoreResult;

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// All is well.
    Ok,
    /// It works; look at it when you have time.
    Warning,
    /// It does not work, or answers would be wrong.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at, e.g. `record store`.
    pub name: &'static str,
    /// False for a problem.
    pub ok: bool,
    /// How serious it is.
    pub severity: Severity,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Check {
    /// Something that is as it should be.
    pub fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            ok: true,
            severity: Severity::Ok,
            found: found.into(),
            hint: None,
        }
    }

    /// Something to look at.
    pub fn warning(name: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            hint: Some(hint.into()),
            ..Self::ok(name, found)
        }
    }

    /// Something that is wrong.
    pub fn problem(name: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            ok: false,
            severity: Severity::Problem,
            ..Self::warning(name, found, hint)
        }
    }

    /// Something that failed, whose error says itself what to do.
    pub fn failed(name: &'static str, found: impl ToString) -> Self {
        Self {
            hint: None,
            ..Self::problem(name, found.to_string(), "")
        }
    }
}

/// Looks at everything.
pub async fn examine(config: &Config) -> Vec<Check> {
    let (mut checks, app) = record::examine(config).await;
    let copies = copies::examine(config, app.as_ref()).await;
    if let Some(app) = &app {
        if config.hybrid.cql.is_some() || config.hybrid.redis.is_some() {
            checks.extend(feed::examine(config, app).await);
        }
        checks.extend(leftovers::examine(app).await);
    }
    checks.extend(copies);
    if let Some(app) = app {
        app.record.close().await;
    }
    checks
}

/// An error in words. A store's error has what its driver said in its own words.
fn in_words(error: &anyhow::Error) -> String {
    match error.downcast_ref::<StoreError>() {
        Some(error) => error.to_string(),
        None => format!("{error:#}"),
    }
}

/// From here on what is told of freshness is wrong by so much that people see it.
const SKEW_SEEN: i64 = 1_000_000;

/// From here on changes are in danger: one whose version is an hour ahead of the projector's clock
/// is put aside.
const SKEW_WRONG: i64 = 300_000_000;

/// Compares a store's clock with this machine's; `harm` says what a wrong one does.
async fn clock(
    name: &'static str,
    of_store: impl Future<Output = StoreResult<Timestamp>>,
    here: &dyn Clock,
    harm: &'static str,
) -> Check {
    let before = here.now().0;
    let there = match of_store.await {
        Ok(there) => there.0,
        Err(error) => return Check::failed(name, error),
    };
    let after = here.now().0;
    // The answer was made at some time in between, so only what lies outside is skew.
    let skew = match there {
        early if early < before => early - before,
        late if late > after => late - after,
        _ => 0,
    };
    judged(name, skew, harm)
}

fn judged(name: &'static str, skew: i64, harm: &'static str) -> Check {
    let amount = skew.abs();
    let found = if amount < 10_000 {
        "as this machine's, within 10 ms".to_owned()
    } else {
        let side = if skew > 0 { "ahead of" } else { "behind" };
        format!("{} ms {side} this machine's", amount / 1_000)
    };
    let hint = || format!("{harm}; let a time service (chrony, NTP) set both clocks");
    match amount {
        ..SKEW_SEEN => Check::ok(name, found),
        SKEW_SEEN..SKEW_WRONG => Check::warning(name, found, hint()),
        _ => Check::problem(name, found, hint()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off() {
        let of = |skew| judged("clock", skew, "answers look old").severity;
        assert_eq!(of(0), Severity::Ok);
        assert_eq!(of(-999_999), Severity::Ok);
        assert_eq!(of(1_000_000), Severity::Warning);
        assert_eq!(of(-299_000_000), Severity::Warning);
        assert_eq!(of(300_000_000), Severity::Problem);
        let late = judged("clock", -61_000_000, "answers look old");
        assert_eq!(late.found, "61000 ms behind this machine's");
        assert!(late.hint.unwrap().starts_with("answers look old; "));
    }
}
