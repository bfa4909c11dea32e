//! What the benchmarks share: arguments, answers, CPU time.

use turngraph::commands::Outcome;

/// The value after `--name`.
pub(crate) fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|given| given != name);
    arguments.nth(1)
}

/// The number after `--name`.
pub(crate) fn number(name: &str) -> Option<usize> {
    argument(name)?.parse().ok()
}

/// What a command did; its refusal ends the benchmark.
pub(crate) fn done<T>(outcome: Outcome<T>) -> anyhow::Result<T> {
    match outcome {
        Outcome::Done(done) => Ok(done),
        Outcome::Refused(errors) => anyhow::bail!("refused: {errors:?}"),
    }
}

/// User and system time of this process, in ticks.
pub(crate) fn cpu_ticks() -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name may hold spaces; the fields after its closing bracket do not.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let field = |at: usize| {
        fields
            .get(at)
            .and_then(|f| f.parse::<u64>().ok())
            .unwrap_or(0)
    };
    Ok(field(11) + field(12))
}
