//! The projections: whether they answer, their schema, clock and permissions, which generation is
//! read, and how far they are.

use std::sync::Arc;

use super::{Check, cache, clock, in_words};
use crate::app::App;
use crate::app::copies::cql_options;
use crate::config::Config;
use crate::domain::{Clock, SystemClock};
use crate::stores::ProjectionStore;
use crate::stores::cql::{
    CqlCatalog, CqlMigrator, CqlOptions, CqlProjection, Generation, GenerationState,
};
use crate::stores::migration::{MigrationState, SchemaMigrator};

/// A projection that is further behind is worth a look, in milliseconds.
const LAG_SEEN: i64 = 3_000;

pub(super) async fn examine(config: &Config, app: Option<&App>) -> Vec<Check> {
    let clock: Arc<dyn Clock> = match app {
        Some(app) => Arc::clone(&app.clock),
        None => Arc::new(SystemClock),
    };
    let mut checks = Vec::new();
    match cql_options(config) {
        Ok(None) => {}
        Ok(Some(options)) => {
            let at = config.hybrid.cql.as_ref().map(ToString::to_string);
            checks.extend(projections(&options, at.unwrap_or_default(), &clock).await);
        }
        Err(error) => checks.push(Check::failed("projections", in_words(&error))),
    }
    if let Some(url) = &config.hybrid.redis {
        checks.extend(cache::examine(url.expose(), &*clock).await);
    }
    checks
}

async fn projections(options: &CqlOptions, at: String, clock: &Arc<dyn Clock>) -> Vec<Check> {
    let migrator = match CqlMigrator::connect(options, Arc::clone(clock)).await {
        Ok(migrator) => migrator,
        Err(error) => return vec![Check::failed("projections", error)],
    };
    let mut checks = vec![Check::ok("projections", at)];
    let status = match migrator.status().await {
        Ok(status) => status,
        Err(error) => {
            checks.push(Check::failed("cql schema", error));
            return checks;
        }
    };
    let applied = status
        .iter()
        .filter(|row| row.state == MigrationState::Applied);
    let version = format!("version {} of {}", applied.count(), status.len());
    if status
        .iter()
        .any(|row| row.state != MigrationState::Applied)
    {
        checks.push(Check::problem(
            "cql schema",
            version,
            "turngraph migrate up",
        ));
        return checks;
    }
    checks.push(Check::ok("cql schema", version));
    match CqlCatalog::open(options, Arc::clone(clock)).await {
        Ok(catalog) => checks.extend(of_catalog(&catalog, options, clock).await),
        Err(error) => checks.push(Check::failed("generation", error)),
    }
    checks
}

async fn of_catalog(
    catalog: &CqlCatalog,
    options: &CqlOptions,
    here: &Arc<dyn Clock>,
) -> Vec<Check> {
    let mut checks = match catalog.generations().await {
        Err(error) => vec![Check::failed("generation", error)],
        Ok(all) => {
            let active = catalog.active().await.ok().flatten();
            let mut checks = vec![generation(&all, active)];
            if let Some(active) = active {
                checks.push(lag(active, options, here).await);
            }
            checks
        }
    };
    let harm = "writes carry the record store's versions, so no order is lost; but this clock says \
                when deleted rows may be forgotten";
    checks.push(clock("cql clock", catalog.clock(), &**here, harm).await);
    checks.push(match catalog.try_write().await {
        Ok(()) => Check::ok("cql permissions", "may read and write"),
        Err(error) => Check::problem(
            "cql permissions",
            error.to_string(),
            "grant select and modify on the keyspace to the user of the address (and create, drop \
             for `migrate up` and `rebuild`)",
        ),
    });
    checks
}

fn generation(all: &[Generation], active: Option<i32>) -> Check {
    const NAME: &str = "generation";
    let in_state = |state| all.iter().find(|g| g.state == state).map(|g| g.number);
    let building = in_state(GenerationState::Building);
    let retired = in_state(GenerationState::Retired);
    match (active, building, retired) {
        (None, Some(building), _) => Check::warning(
            NAME,
            format!("{building} is being filled, none is read"),
            "the projector fills it, compares it and switches to it by itself; see that one runs",
        ),
        (None, None, _) => Check::problem(
            NAME,
            "none that this program can read",
            "turngraph migrate up makes one, and the projector fills it",
        ),
        (Some(active), Some(building), _) => Check::ok(
            NAME,
            format!("{active} is read, {building} is being filled by a rebuild"),
        ),
        (Some(active), None, Some(retired)) => Check::warning(
            NAME,
            format!("{active} is read; {retired} is kept and takes room"),
            "it is dropped by the next rebuild or erasure",
        ),
        (Some(active), None, None) => Check::ok(NAME, format!("{active} is read")),
    }
}

async fn lag(active: i32, options: &CqlOptions, here: &Arc<dyn Clock>) -> Check {
    const NAME: &str = "projection lag";
    let store = match CqlProjection::open(options, active, Arc::clone(here)).await {
        Ok(store) => store,
        Err(error) => return Check::failed(NAME, error),
    };
    let told = store.watermark().await;
    store.close().await;
    match told {
        Err(error) => Check::failed(NAME, error),
        Ok(None) => Check::warning(
            NAME,
            "not told yet",
            "the projector tells it once the projection is filled",
        ),
        Ok(Some(mark)) => {
            let lag = ((here.now().0 - mark.as_of.0) / 1_000).max(0);
            let found = format!("{lag} ms");
            if lag < LAG_SEEN {
                return Check::ok(NAME, found);
            }
            Check::warning(
                NAME,
                found,
                "no projector is at work, or it is slower than the writers: see `projector` and \
                 `slot` above, and its log",
            )
        }
    }
}
