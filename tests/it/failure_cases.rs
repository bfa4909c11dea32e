//! `docs/failure-cases.md` names tests; each of them is there, and each case has its line.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Cases of the table by number.
const CASES: usize = 45;

/// Findings of the last table by number.
const FINDINGS: usize = 28;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn table() -> String {
    fs::read_to_string(root().join("docs/failure-cases.md")).unwrap()
}

/// Names between backticks that have a path.
fn names(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(|name| name.contains("::") && !name.ends_with("::"))
        .collect()
}

/// The file that a path of modules names; modules that lie in a file of their parent, e.g. one for
/// each engine that a contract runs on, need not have a file.
fn file_of(name: &str) -> Option<(PathBuf, &str)> {
    let (modules, function) = name.rsplit_once("::")?;
    let (base, modules) = match modules.strip_prefix("src::") {
        Some(inner) => ("src", inner),
        None => ("tests/it", modules),
    };
    let mut modules: Vec<&str> = modules.split("::").collect();
    while !modules.is_empty() {
        let path = root().join(base).join(modules.join("/"));
        for file in [path.with_extension("rs"), path.join("mod.rs")] {
            if file.is_file() {
                return Some((file, function));
            }
        }
        modules.pop();
    }
    let file = root().join(base).join("main.rs");
    file.is_file().then_some((file, function))
}

fn is_there(name: &str) -> bool {
    file_of(name).is_some_and(|(file, function)| {
        let text = fs::read_to_string(file).unwrap();
        text.contains(&format!("fn {function}("))
    })
}

#[test]
fn every_test_that_the_table_names_is_there() {
    let table = table();
    let names = names(&table);
    assert!(names.len() > CASES, "the table names tests");
    let missing: Vec<_> = names.into_iter().filter(|name| !is_there(name)).collect();
    assert_eq!(
        missing,
        Vec::<&str>::new(),
        "named in docs/failure-cases.md"
    );
    assert!(!is_there("projection::faults::no_such_test"));
}

#[test]
fn every_case_and_every_finding_has_its_line_once() {
    let table = table();
    let (cases, findings) = table.split_once("## What trying").unwrap();
    for (part, count) in [(cases, CASES), (findings, FINDINGS)] {
        let numbers = part.lines().filter_map(|line| {
            let cell = line.strip_prefix("| ")?.split(" |").next()?;
            cell.parse::<usize>().ok()
        });
        let numbers: Vec<usize> = numbers.collect();
        let once: BTreeSet<usize> = numbers.iter().copied().collect();
        assert_eq!(once, (1..=count).collect(), "each has a line");
        assert_eq!(numbers.len(), count, "and only one");
    }
}
