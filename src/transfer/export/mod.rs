//! Export: the sessions of an account, one after another, to any writer.
//!
//! One session is in memory at a time. Sessions come by their time of creation and key, so that
//! two exports of the same data are the same bytes. Sessions that are added during an export with
//! an earlier time than those written already are not in it.

mod chatgpt;
mod ndjson;

use std::io::{self, Write};

use crate::domain::score::{MetadataRow, ScoreRow};
use crate::domain::{SessionRow, StepRow, TurnRole, TurnRow, Uid};
use crate::stores::record::StoreResult;
use crate::stores::{RecordStore, SessionFilter, SessionListing, SessionOrder, StoreError};

/// Sessions of one page of the list.
const SESSIONS_PER_PAGE: usize = 100;

/// Turns whose bodies are loaded at once.
const TURNS_PER_LOAD: usize = 500;

/// A format to export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportFormat {
    /// turngraph's own: everything, one session a line.
    Ndjson,
    /// The shape of ChatGPT's `conversations.json`: what is visible.
    Chatgpt,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct ExportReport {
    /// Sessions.
    pub sessions: usize,
    /// Turns of both kinds.
    pub turns: usize,
    /// Steps.
    pub steps: usize,
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store failed.
    #[error("the sessions cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The output failed.
    #[error("the export cannot be written: {0}; free some space or choose another place")]
    Write(#[from] io::Error),
}

/// A session with all that belongs to it.
#[derive(Debug)]
struct Whole {
    session: SessionRow,
    turns: Vec<TurnRow>,
    /// Prompts of human turns, by turn.
    prompts: Vec<(Uid, String)>,
    /// By turn and `idx`, turns in the order of `turns`.
    steps: Vec<StepRow>,
    scores: Vec<ScoreRow>,
    metadata: Vec<MetadataRow>,
}

/// Writes all sessions of an account; deleted ones too where the format can tell.
pub async fn export(
    record: &dyn RecordStore,
    account: &Uid,
    format: ExportFormat,
    out: &mut (dyn Write + Send),
) -> Result<ExportReport, ExportError> {
    let mut report = ExportReport::default();
    let mut listing = SessionListing {
        order: SessionOrder::CreatedAsc,
        after: None,
        before: None,
        limit: SESSIONS_PER_PAGE,
        filter: SessionFilter {
            include_deleted: format == ExportFormat::Ndjson,
            ..SessionFilter::default()
        },
    };
    if format == ExportFormat::Chatgpt {
        out.write_all(b"[")?;
    }
    loop {
        let page = record.sessions_page(account, &listing).await?;
        let Some(last) = page.last() else {
            break;
        };
        listing.after = Some((last.created_at, last.uid.clone()));
        for session in page {
            // Turns of other programs are numbered while the session is read, so its own row is
            // read after them.
            let Some(whole) = load(record, account, session.uid).await? else {
                continue;
            };
            report.turns += whole.turns.len();
            report.steps += whole.steps.len();
            match format {
                ExportFormat::Ndjson => ndjson::write(whole, out)?,
                ExportFormat::Chatgpt => {
                    out.write_all(if report.sessions == 0 { b"\n" } else { b",\n" })?;
                    chatgpt::write(whole, out)?;
                }
            }
            report.sessions += 1;
        }
    }
    if format == ExportFormat::Chatgpt {
        out.write_all(b"\n]\n")?;
    }
    out.flush()?;
    Ok(report)
}

async fn load(record: &dyn RecordStore, account: &Uid, uid: Uid) -> StoreResult<Option<Whole>> {
    let uids = [uid];
    let turns = record.turns_by_session(account, &uids).await?;
    let turns: Vec<TurnRow> = turns.into_iter().map(|row| row.turn).collect();
    let known = record.sessions_by_uid(account, &uids).await?;
    let Some(session) = known.into_iter().next() else {
        return Ok(None);
    };
    let of = |role: TurnRole| {
        let turns = turns.iter().filter(move |turn| turn.role == role);
        turns.map(|turn| turn.uid.clone()).collect::<Vec<Uid>>()
    };
    let mut prompts = Vec::new();
    for some in of(TurnRole::Human).chunks(TURNS_PER_LOAD) {
        prompts.extend(record.prompts(some).await?);
    }
    let mut steps = Vec::new();
    for some in of(TurnRole::Agent).chunks(TURNS_PER_LOAD) {
        steps.extend(record.steps(some).await?);
    }
    let scores = record.scores_by_session(&uids).await?;
    let metadata = record.metadata_by_session(&uids).await?;
    Ok(Some(Whole {
        session,
        turns,
        prompts,
        steps,
        scores: scores.into_iter().map(|(_, row)| row).collect(),
        metadata: metadata.into_iter().map(|(_, row)| row).collect(),
    }))
}
