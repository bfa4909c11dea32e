//! What the measurement found, for people and for programs.

use std::fmt;

use serde::Serialize;

/// One index.
#[derive(Debug, Clone, Serialize)]
pub struct IndexReport {
    /// Its name.
    pub index: &'static str,
    /// What it is on.
    pub columns: &'static str,
    /// The statement that needs it; none where no statement of the program does.
    pub read: Option<&'static str>,
    /// Size in bytes.
    pub bytes: u64,
    /// What each new row adds to the log for it, in bytes; the noise is about 20.
    pub wal_bytes_per_row: i64,
    /// Median time of its read in microseconds.
    pub p50_with_us: Option<u64>,
    /// The same without the index.
    pub p50_without_us: Option<u64>,
}

/// All of them on the same data.
#[derive(Debug, Clone, Serialize)]
pub struct IndexesReport {
    /// Version of the server.
    pub server: String,
    /// The server's setting; with `on` images of pages hide what rows write.
    pub full_page_writes: String,
    /// Sessions that were generated, with ten turns and 15 steps each.
    pub sessions: u32,
    /// The indexes.
    pub indexes: Vec<IndexReport>,
}

/// A table in Markdown.
impl fmt::Display for IndexesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "PostgreSQL {}, full_page_writes {}, {} sessions\n",
            self.server, self.full_page_writes, self.sessions
        )?;
        writeln!(
            f,
            "| index | on | size | WAL a row | statement | p50 with | without |"
        )?;
        writeln!(f, "| --- | --- | --: | --: | --- | --: | --: |")?;
        for it in &self.indexes {
            let read = it.read.map(str::to_lowercase);
            writeln!(
                f,
                "| `{}` | `{}` | {} kB | {} B | {} | {} | {} |",
                it.index,
                it.columns,
                it.bytes.div_ceil(1_024),
                it.wal_bytes_per_row,
                read.as_deref().unwrap_or("none"),
                Millis(it.p50_with_us),
                Millis(it.p50_without_us),
            )?;
        }
        Ok(())
    }
}

/// Microseconds as milliseconds with three digits.
struct Millis(Option<u64>);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(micros) => write!(f, "{}.{:03} ms", micros / 1_000, micros % 1_000),
            None => f.write_str("–"),
        }
    }
}
