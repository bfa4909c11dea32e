//! What `/metrics` and `/health/deps` show, and that the documentation has just that.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{PATIENCE, Stores, ask_until, sources};

/// Names in the tables of the documentation.
fn documented() -> BTreeSet<String> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let text = std::fs::read_to_string(file).unwrap();
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `turngraph_"));
    let names = rows.map(|row| format!("turngraph_{}", row.split('`').next().unwrap()));
    names.collect()
}

/// Names that a page shows, by their type lines.
fn shown(page: &str) -> BTreeSet<String> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = types.map(|line| line.split(' ').next().unwrap().to_owned());
    names
        .filter(|name| name.starts_with("turngraph_"))
        .collect()
}

/// The value of a sample with these labels.
fn value(page: &str, sample: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(sample))?;
    line.trim().parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_is_documented_and_every_documented_one_is_shown() {
    let stores = Stores::new().await;
    let server = stores.serve();
    let create =
        "mutation { createSession(input: {uid: \"m\", title: \"t\"}) { userErrors { code } } }";
    server.ask(create).await;
    let read = "{ session(id: \"Session:m\") { title turns(first: 1) { nodes { __typename } } } }";
    ask_until(&server, read, |answer| sources(answer).contains(&"REDIS")).await;
    let documented = documented();
    assert!(documented.len() > 40, "{documented:?}");
    let until = Instant::now() + PATIENCE;
    let mut count = 0;
    let page = loop {
        // What is committed before the feed is open is copied, not told.
        count += 1;
        let create = format!(
            "mutation {{ createSession(input: {{uid: \"m{count}\"}}) {{ userErrors {{ code }} }} }}"
        );
        server.ask(&create).await;
        let page = server.page("/metrics").await;
        let moved = value(
            &page,
            "turngraph_read_sessions_total{consistency=\"eventual\",source=\"REDIS\"}",
        );
        let working = value(&page, "turngraph_projector_state{state=\"working\"}");
        let trusted = value(&page, "turngraph_projector_trusted");
        let alike = shown(&page) == documented;
        let written = value(&page, "turngraph_projector_writes_total");
        let at_work = working == Some(1.0) && trusted == Some(1.0);
        if alike && moved > Some(0.0) && at_work && written > Some(0.0) {
            break page;
        }
        assert!(
            Instant::now() < until,
            "not shown: {:?}; not documented: {:?}\n{page}",
            documented.difference(&shown(&page)).collect::<Vec<_>>(),
            shown(&page).difference(&documented).collect::<Vec<_>>()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    for (sample, wanted) in [
        ("turngraph_read_projection_share_ratio", 1.0),
        ("turngraph_slot_wal_status{status=\"lost\"}", 0.0),
        ("turngraph_dead_letters", 0.0),
    ] {
        assert_eq!(value(&page, sample), Some(wanted), "{sample}");
    }
    // On a machine that is busy with other things a store may have been given up for a moment.
    for store in ["POSTGRES", "CQL", "REDIS"] {
        let sample = format!("turngraph_read_breaker_state{{store=\"{store}\"}}");
        let state = value(&page, &sample);
        assert!(
            state.is_some_and(|state| [0.0, 1.0, 2.0].contains(&state)),
            "{sample}"
        );
    }
    for sample in [
        "turngraph_projector_writes_total",
        "turngraph_projector_commits_total",
        "turngraph_cache_lookups_total{result=\"hit\"}",
        "turngraph_cache_fills_total{result=\"entered\"}",
        "turngraph_projector_position",
    ] {
        assert!(value(&page, sample) > Some(0.0), "{sample}\n{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_shows_every_store_and_needs_only_the_record_store() {
    let mut stores = Stores::new().await;
    let server = stores.serve();
    let states = async || {
        let answer = reqwest::get(format!("{}/health/deps", server.url))
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let list: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let list = list.as_array().unwrap().clone();
        let state = |one: &serde_json::Value| {
            let text = |key: &str| one[key].as_str().unwrap().to_owned();
            (
                text("role"),
                text("kind"),
                text("state"),
                one["required"] == true,
            )
        };
        list.iter().map(state).collect::<Vec<_>>()
    };
    let is = |role: &str, kind: &str, state: &str| {
        let required = role == "record";
        (role.to_owned(), kind.to_owned(), state.to_owned(), required)
    };
    let wait = async |wanted: [(String, String, String, bool); 4]| {
        let until = Instant::now() + PATIENCE;
        loop {
            let found = states().await;
            if found == wanted {
                return;
            }
            assert!(Instant::now() < until, "{found:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let with_cache = |state: &str| {
        [
            is("record", "POSTGRES", "up"),
            is("projection", "CQL", "up"),
            is("cache", "REDIS", state),
            is("projector", "FEED", "up"),
        ]
    };
    wait(with_cache("up")).await;
    stores.redis.kill();
    wait(with_cache("down")).await;
    assert_eq!(server.page("/health/ready").await, "ready\n");
    stores.redis.restart();
    wait(with_cache("up")).await;
    stores.postgres.stop();
    let until = Instant::now() + PATIENCE;
    while server.page("/health/ready").await != "not ready: the record store is down\n" {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(server.page("/health/live").await, "live\n");
}
