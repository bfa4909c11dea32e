//! `About`: where an answer came from and how old it may be, for `extensions.turngraph` and for
//! the headers of a response.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::domain::{Consistency, Revision, Timestamp};
use crate::reads::{CacheUse, Origin};

/// Where one root field of an answer came from.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadNote {
    /// Response key of the root field.
    pub path: String,
    /// Where a part of it came from; a field has one note a store.
    pub origin: Origin,
}

/// Where an answer came from.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// How fresh the reads were asked to be.
    pub consistency: Consistency,
    /// By root field and store.
    pub reads: Vec<ReadNote>,
    /// How the cache served.
    pub cache: CacheUse,
    /// What was amiss, in words; empty when all was well.
    pub reasons: Vec<String>,
    /// What the last write of a mutation reached.
    pub revision: Option<Revision>,
    /// What it cost; none where it did not run.
    pub cost: Option<Cost>,
}

/// What an operation cost; one unit is about one object of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// At most, by its page sizes, known before anything was loaded.
    pub estimated: u64,
    /// By what was written.
    pub actual: u64,
    /// What an operation may cost by estimate.
    pub max: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    consistency: &'static str,
    reads: Vec<WrittenRead<'a>>,
    cache: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
    degraded: bool,
    reason: Option<String>,
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRead<'a> {
    path: [&'a str; 1],
    source: &'static str,
    lag_ms: Option<i64>,
    as_of: Option<String>,
    stale: bool,
}

impl About {
    /// Notes a part of a root field; of two parts from one store the older one counts.
    pub(crate) fn note(&mut self, path: &str, origin: Origin) {
        let mut known = self.reads.iter_mut();
        let same = known.find(|n| n.path == path && n.origin.source == origin.source);
        match same {
            Some(note) => note.origin = older(note.origin, origin),
            None => self.reads.push(ReadNote {
                path: path.to_owned(),
                origin,
            }),
        }
    }

    /// Names of the stores that answered, each once.
    pub fn sources(&self) -> Vec<&'static str> {
        let names = self.reads.iter().map(|note| note.origin.source.name());
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Age of the oldest part in milliseconds; none where nothing was read, or one is not known.
    pub fn lag_ms(&self) -> Option<i64> {
        self.oldest()?.lag_ms
    }

    /// The answer shows everything that was committed until then; none as for the lag.
    pub fn as_of(&self) -> Option<Timestamp> {
        self.oldest()?.as_of
    }

    fn oldest(&self) -> Option<Origin> {
        self.reads.iter().map(|note| note.origin).reduce(older)
    }

    /// Whether something was amiss.
    pub fn is_degraded(&self) -> bool {
        !self.reasons.is_empty()
    }

    /// What was amiss, as one text.
    pub fn reason(&self) -> Option<String> {
        self.is_degraded().then(|| self.reasons.join("; "))
    }

    /// `HIT` where every session was in the cache, `PARTIAL` where some were, `MISS` where none
    /// was, `NONE` where the cache was not asked; `STALE` where one that was there is past its age
    /// and is being read anew.
    pub fn cache(&self) -> &'static str {
        if self.cache.stale > 0 {
            return "STALE";
        }
        match (self.cache.hits, self.cache.misses) {
            (0, 0) => "NONE",
            (_, 0) => "HIT",
            (0, _) => "MISS",
            _ => "PARTIAL",
        }
    }

    /// The value of `extensions`.
    pub(crate) fn extensions(&self, request_id: &str) -> Vec<u8> {
        let reads = self.reads.iter().map(|note| WrittenRead {
            path: [&note.path],
            source: note.origin.source.name(),
            lag_ms: note.origin.lag_ms,
            as_of: note.origin.as_of.map(|at| at.to_string()),
            stale: note.origin.stale,
        });
        let written = Written {
            consistency: self.consistency.name(),
            reads: reads.collect(),
            cache: self.cache(),
            cost: self.cost,
            degraded: self.is_degraded(),
            reason: self.reason(),
            request_id,
        };
        let mut bytes = b"{\"turngraph\":".to_vec();
        serde_json::to_writer(&mut bytes, &written).expect("writing to memory does not fail");
        bytes.push(b'}');
        bytes
    }
}

/// Of two parts the one that is older, or of which that is not known; stale if one of them is.
pub(crate) fn older(a: Origin, b: Origin) -> Origin {
    let older = match (a.as_of, b.as_of) {
        (None, _) => a,
        (_, None) => b,
        (Some(at), Some(other)) if other < at => b,
        _ => a,
    };
    Origin {
        stale: a.stale || b.stale,
        ..older
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reads::Source;

    fn origin(source: Source, as_of: Option<i64>) -> Origin {
        Origin {
            source,
            as_of: as_of.map(Timestamp),
            lag_ms: as_of.map(|at| -at),
            stale: false,
        }
    }

    #[test]
    fn an_answer_is_as_old_as_its_oldest_part_and_that_may_not_be_known() {
        let mut about = About::default();
        assert_eq!((about.lag_ms(), about.cache()), (None, "NONE"));
        about.note("a", origin(Source::Cql, Some(-5)));
        about.note("a", origin(Source::Cql, Some(-9)));
        about.note("b", origin(Source::Redis, Some(-7)));
        assert_eq!(about.reads.len(), 2);
        assert_eq!(
            (about.lag_ms(), about.sources()),
            (Some(9), vec!["CQL", "REDIS"])
        );
        about.note("b", origin(Source::Postgres, None));
        assert_eq!((about.lag_ms(), about.as_of()), (None, None));
    }

    #[test]
    fn one_stale_part_makes_the_answer_stale() {
        let mut about = About::default();
        let old = Origin {
            stale: true,
            ..origin(Source::Redis, Some(-5))
        };
        about.note("s", origin(Source::Redis, Some(-9)));
        about.note("s", old);
        assert!(about.reads[0].origin.stale);
        assert_eq!(about.as_of(), Some(Timestamp(-9)));
        about.cache = CacheUse {
            hits: 2,
            misses: 1,
            stale: 1,
        };
        assert_eq!(about.cache(), "STALE");
    }

    #[test]
    fn extensions_are_json_with_names_of_the_api() {
        let mut about = About {
            reasons: vec!["x".into(), "y".into()],
            ..About::default()
        };
        about.note("s", origin(Source::Sqlite, Some(0)));
        let written: serde_json::Value = serde_json::from_slice(&about.extensions("r")).unwrap();
        let wanted = serde_json::json!({"turngraph": {
            "consistency": "EVENTUAL",
            "reads": [{"path": ["s"], "source": "SQLITE", "lagMs": 0, "asOf": "1970-01-01T00:00:00.000Z", "stale": false}],
            "cache": "NONE", "degraded": true, "reason": "x; y", "requestId": "r",
        }});
        assert_eq!(written, wanted);
    }
}
