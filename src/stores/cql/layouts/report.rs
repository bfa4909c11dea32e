//! What the comparison found, for people and for programs.

use std::fmt;

use serde::Serialize;

use super::Operation;

/// What one appended exchange (a human turn, an agent turn with five steps) costs.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct AppendCost {
    /// Turns that the conversation has then.
    pub turns: usize,
    /// Rows written or deleted.
    pub rows: usize,
    /// Requests; a batch is one. For the record store: statements of the transaction.
    pub requests: usize,
    /// Bytes of values sent; none for the record store, whose bytes are in its log.
    pub bytes: Option<usize>,
}

/// One figure.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Measured {
    /// Turns of the conversation.
    pub turns: usize,
    /// What was read.
    pub operation: Operation,
    /// Requests for one read, in tenths, as the server counted them.
    pub requests_tenths: u64,
    /// Reads.
    pub repeats: usize,
    /// Median, in microseconds.
    pub p50_us: u64,
    /// 99th percentile (with few reads the slowest), in microseconds.
    pub p99_us: u64,
}

/// One layout.
#[derive(Debug, Clone, Serialize)]
pub struct LayoutReport {
    /// Its name.
    pub layout: &'static str,
    /// An exchange appended to the longest conversation.
    pub append: AppendCost,
    /// Reads.
    pub reads: Vec<Measured>,
}

/// All layouts on the same data.
#[derive(Debug, Clone, Serialize)]
pub struct LayoutsReport {
    /// Keyspace that the tables are in.
    pub keyspace: String,
    /// The layouts.
    pub layouts: Vec<LayoutReport>,
}

/// Tables in Markdown.
impl fmt::Display for LayoutsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| one appended exchange | rows | requests | bytes of values |"
        )?;
        writeln!(f, "| --- | --: | --: | --: |")?;
        for layout in &self.layouts {
            let AppendCost {
                rows,
                requests,
                bytes,
                ..
            } = layout.append;
            let bytes = bytes.map_or_else(|| "–".to_owned(), |bytes| bytes.to_string());
            writeln!(f, "| {} | {rows} | {requests} | {bytes} |", layout.layout)?;
        }
        writeln!(f)?;
        write!(f, "| read | turns |")?;
        for layout in &self.layouts {
            write!(f, " {}: requests | p50 | p99 |", layout.layout)?;
        }
        write!(f, "\n| --- | --: |")?;
        for _ in &self.layouts {
            write!(f, " --: | --: | --: |")?;
        }
        writeln!(f)?;
        let Some(first) = self.layouts.first() else {
            return Ok(());
        };
        for (index, row) in first.reads.iter().enumerate() {
            write!(f, "| {:?} | {} |", row.operation, row.turns)?;
            for layout in &self.layouts {
                let read = &layout.reads[index];
                let (whole, tenth) = (read.requests_tenths / 10, read.requests_tenths % 10);
                write!(
                    f,
                    " {whole}.{tenth} | {} | {} |",
                    Millis(read.p50_us),
                    Millis(read.p99_us)
                )?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Microseconds as milliseconds with two digits.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02} ms", self.0 / 1_000, self.0 % 1_000 / 10)
    }
}
