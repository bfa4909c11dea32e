//! The house rules that a compiler does not know: who may import whom, how long a file may be,
//! what every file must begin with. Each message names the rule, the file and the way out.

use std::fs;
use std::path::{Path, PathBuf};

/// What each layer may import from the crate. A layer may always import from itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("stores", &["domain"]),
    ("cdc", &["domain", "stores"]),
    ("projection", &["domain", "stores", "cdc", "commands"]),
    ("commands", &["domain", "stores"]),
    ("reads", &["domain", "stores"]),
    ("limits", &[]),
    ("graphql", &["domain", "limits", "commands", "reads"]),
    ("transfer", &["domain", "stores"]),
    ("http", &["domain", "limits", "graphql"]),
    ("config", &["domain", "limits"]),
    ("telemetry", &["config"]),
    ("lifecycle", &[]),
    (
        "app",
        &[
            "domain",
            "limits",
            "stores",
            "cdc",
            "projection",
            "commands",
            "reads",
            "graphql",
            "transfer",
            "http",
            "config",
            "lifecycle",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "cdc",
            "config",
            "domain",
            "graphql",
            "http",
            "lifecycle",
            "projection",
            "reads",
            "stores",
            "telemetry",
            "transfer",
        ],
    ),
];

/// Words that only one place may speak: drivers, transports.
const ONLY_IN: &[(&str, &[&str])] = &[
    (
        "sqlx",
        &[
            "src/stores/sql",
            "src/stores/sqlite",
            "src/stores/postgres",
            "src/cdc/postgres",
            "src/cdc/change_log",
        ],
    ),
    ("scylla", &["src/stores/cql"]),
    ("redis", &["src/stores/redis"]),
    ("pgwire_replication", &["src/cdc/postgres"]),
    ("rdkafka", &["src/cdc/debezium"]),
    (
        "axum",
        &["src/http", "src/cli/server.rs", "src/cli/copies/project.rs"],
    ),
    ("async_graphql", &["src/graphql"]),
    ("clap", &["src/cli", "src/main.rs"]),
];

const LINES_MAX: usize = 500;
const TEST_LINES_MAX: usize = 600;
const FILES_MAX: usize = 12;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// Without comments, so that prose may name anything.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

fn expect_none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}\n  {}", broken.join("\n  "));
}

#[test]
fn layers_import_only_from_below() {
    let mut broken = Vec::new();
    for path in files_below(&root().join("src"), "rs") {
        let name = shown(&path);
        let layer = name
            .split('/')
            .nth(1)
            .unwrap()
            .trim_end_matches(".rs")
            .to_owned();
        if matches!(layer.as_str(), "lib" | "main") {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(known, _)| *known == layer) else {
            broken.push(format!("{name}: layer `{layer}` is not in MAY_IMPORT"));
            continue;
        };
        let text = fs::read_to_string(&path).unwrap();
        for line in code(&text) {
            for used in line.split("crate::").skip(1) {
                let used: String = used
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let is_layer = MAY_IMPORT.iter().any(|(known, _)| *known == used);
                if is_layer && used != layer && !allowed.contains(&used.as_str()) {
                    broken.push(format!("{name}: `{layer}` may not import `{used}`"));
                }
            }
        }
    }
    expect_none(
        "Layers import only from below (MAY_IMPORT in tests/it/tidy.rs):",
        &broken,
    );
}

/// Whether a line speaks of a crate: `redis::`, but not `stores::redis::`, which is a module.
fn names_crate(line: &str, word: &str) -> bool {
    line.match_indices(&format!("{word}::")).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c == ':' || c == '_' || c.is_alphanumeric())
    })
}

#[test]
fn drivers_and_transports_stay_where_they_belong() {
    let mut broken = Vec::new();
    for path in files_below(&root().join("src"), "rs") {
        let name = shown(&path);
        let text = fs::read_to_string(&path).unwrap();
        for (word, places) in ONLY_IN {
            let used = code(&text).any(|line| names_crate(line, word));
            if used && !places.iter().any(|place| name.starts_with(place)) {
                broken.push(format!("{name}: `{word}` belongs to {places:?}"));
            }
        }
    }
    expect_none(
        "A driver or transport is known in one place only (ONLY_IN):",
        &broken,
    );
}

#[test]
fn engines_are_named_in_the_composition_root_only() {
    let mut broken = Vec::new();
    for path in files_below(&root().join("src"), "rs") {
        let name = shown(&path);
        if name == "src/app.rs" || name.starts_with("src/app/") || name.starts_with("src/stores/") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let names =
            code(&text).any(|l| l.contains("stores::sqlite") || l.contains("stores::postgres"));
        if names {
            broken.push(name);
        }
    }
    expect_none("Only src/app.rs and src/app/ name an engine:", &broken);
}

#[test]
fn files_are_short_and_say_what_they_own() {
    let mut broken = Vec::new();
    let mut lengths = Vec::new();
    for (folder, max) in [
        ("src", LINES_MAX),
        ("tests", TEST_LINES_MAX),
        ("benches", TEST_LINES_MAX),
    ] {
        for path in files_below(&root().join(folder), "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().count();
            if lines > max {
                broken.push(format!(
                    "{}: {lines} lines, at most {max}: split it",
                    shown(&path)
                ));
            }
            if !text.starts_with("//!") {
                broken.push(format!("{}: begins without a `//!` header", shown(&path)));
            }
            if folder == "src" {
                lengths.push(lines);
            }
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    if median > 150 {
        broken.push(format!(
            "the median file of src has {median} lines, at most 150"
        ));
    }
    let long = lengths[lengths.len() * 9 / 10];
    if long > 300 {
        broken.push(format!(
            "more than a tenth of the files of src pass 300 lines ({long})"
        ));
    }
    expect_none("Files are short and say what they own:", &broken);
}

#[test]
fn folders_are_small() {
    let mut broken = Vec::new();
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for path in files_below(&root().join("src"), "rs") {
        *counts.entry(shown(path.parent().unwrap())).or_default() += 1;
    }
    for (folder, count) in counts {
        if count > FILES_MAX && folder != "src" {
            broken.push(format!("{folder}: {count} files, at most {FILES_MAX}"));
        }
    }
    expect_none("A folder can be read at a glance:", &broken);
}

#[test]
fn lints_are_expected_with_a_reason_never_allowed() {
    let mut broken = Vec::new();
    for path in files_below(&root().join("src"), "rs") {
        let text = fs::read_to_string(&path).unwrap();
        if code(&text).any(|line| line.contains("#[allow(") || line.contains("#![allow(")) {
            broken.push(shown(&path));
        }
    }
    expect_none("Use #[expect(lint, reason = …)], never #[allow]:", &broken);
}

#[test]
fn nothing_of_this_machine_or_of_a_registry_host_is_committed() {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .expect("git lists the files of a checkout");
    let mut broken = Vec::new();
    // Assembled, so that this file does not name what it looks for.
    let home = format!("/{}/", "root");
    let hosts = [
        format!("registry.{}", "npmjs.org"),
        format!("static.{}", "crates.io"),
    ];
    for name in String::from_utf8_lossy(&listed.stdout)
        .split('\0')
        .filter(|n| !n.is_empty())
    {
        // Conversations of other people may say anything.
        if name.starts_with("tests/data/") || name.starts_with("demo/") {
            continue;
        }
        let Ok(text) = fs::read_to_string(root().join(name)) else {
            continue;
        };
        if text.contains(&home) || hosts.iter().any(|host| text.contains(host.as_str())) {
            broken.push(name.to_owned());
        }
    }
    expect_none(
        "No path of a machine and no registry host in the repository:",
        &broken,
    );
}
