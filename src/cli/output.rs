//! Where commands write: standard output for reports, standard error for messages.
//!
//! A reader that goes away early (`… | head`) is no failure: what is left is not written, and the
//! command ends as it would have. A disk that is full is one, and is said.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use serde::Serialize;

/// Standard output cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("standard output cannot be written: {0}; free some space, or send it elsewhere")]
pub(super) struct OutputError(io::Error);

/// Writes a report and the end of its last line to standard output.
pub(super) fn line(report: impl Display) -> Result<(), OutputError> {
    text(&format!("{report}\n"))
}

/// Writes a report as indented JSON to standard output.
pub(super) fn json(report: &impl Serialize) -> anyhow::Result<()> {
    Ok(line(serde_json::to_string_pretty(report)?)?)
}

/// Writes a text as it is to standard output.
pub(super) fn text(text: &str) -> Result<(), OutputError> {
    let mut out = io::stdout().lock();
    finished(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// What is left of a write to standard output when its reader may go away.
pub(super) fn finished(written: io::Result<()>) -> Result<(), OutputError> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(OutputError),
    }
}

/// Says something to the person who started the program, on standard error. There is nowhere to
/// complain when that cannot be written.
pub fn tell(message: impl Display) {
    drop(writeln!(io::stderr(), "{message}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_left_is_no_failure_and_a_full_disk_is_one() {
        assert!(finished(Ok(())).is_ok());
        assert!(finished(Err(ErrorKind::BrokenPipe.into())).is_ok());
        let full = finished(Err(ErrorKind::StorageFull.into())).unwrap_err();
        assert!(full.to_string().contains("free some space"), "{full}");
    }
}
