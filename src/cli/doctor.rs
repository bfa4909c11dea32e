//! `turngraph doctor`: what is right, what is wrong, and what to do about it.

use serde::Serialize;

use super::{Settings, output, said};
use crate::app::App;
use crate::http::playground;

/// One check.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

pub(super) async fn run(settings: &Settings, json: bool) -> anyhow::Result<u8> {
    let checks = check(settings).await;
    let all_ok = checks.iter().all(|c| c.ok);
    if json {
        output::json(&checks)?;
    } else {
        let mut lines = Vec::new();
        for Check {
            name,
            ok,
            found,
            hint,
        } in &checks
        {
            lines.push(format!(
                "{} {name:<16} {found}",
                if *ok { "✔" } else { "✖" }
            ));
            if let Some(hint) = hint {
                lines.push(format!("  {:<16} → {hint}", ""));
            }
        }
        output::line(lines.join("\n"))?;
    }
    Ok(if all_ok { 0 } else { 69 })
}

async fn check(settings: &Settings) -> Vec<Check> {
    let mut checks = vec![Check {
        name: "playground",
        ok: true,
        found: if playground::is_built() {
            "built in".into()
        } else {
            "not built in".into()
        },
        hint: (!playground::is_built()).then(|| "npm is there? then: make playground".into()),
    }];
    checks.push(match std::net::TcpListener::bind(settings.listen) {
        Ok(_) => Check {
            name: "listen",
            ok: true,
            found: format!("{} is free", settings.listen),
            hint: None,
        },
        Err(error) => Check {
            name: "listen",
            ok: false,
            found: format!("{}: {error}", settings.listen),
            hint: Some("choose another address with --listen, or end what uses it".into()),
        },
    });
    checks.extend(record(settings).await);
    checks
}

async fn record(settings: &Settings) -> Vec<Check> {
    let name = "record store";
    let failed = |error: &anyhow::Error| {
        let found = format!("{}: {}", settings.record.masked(), said(error));
        vec![Check {
            name,
            ok: false,
            found,
            // A store's error says itself what to do.
            hint: None,
        }]
    };
    let app = match App::open(settings, false).await {
        Ok(app) => app,
        Err(error) => return failed(&error),
    };
    let health = app.record.health().await;
    app.record.close().await;
    match health {
        Err(error) => failed(&error.into()),
        Ok(health) => vec![
            Check {
                name,
                ok: true,
                found: format!("{} at {}", health.engine, settings.record.masked()),
                hint: None,
            },
            Check {
                name: "schema",
                ok: health.schema_version == health.schema_expected,
                found: format!(
                    "version {} of {}",
                    health.schema_version, health.schema_expected
                ),
                hint: (health.schema_version < health.schema_expected)
                    .then(|| "turngraph migrate plan, then turngraph migrate up".into()),
            },
            Check {
                name: "pending turns",
                ok: true,
                found: health.pending_turns.to_string(),
                hint: (health.pending_turns > 0).then(|| {
                    "turns of other programs whose session does not exist (yet); they are not \
                     shown until it does"
                        .into()
                }),
            },
        ],
    }
}
