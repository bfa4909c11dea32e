//! Import: files in, conversations into the record store one by one, a report out.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::conversation::{Conversation, Message, Source};
use super::formats::{self, Format, Item, Unreadable};
use super::report::{ImportReport, SkipKind};
use super::source::{Element, Elements, Fault};
use super::text::replace_unstorable_escapes;
use super::turns::{Notes, Origin, normalise};
use super::write::{Written, write};
use crate::domain::{Clock, Uid};
use crate::stores::{RecordStore, StoreError};

/// Elements of a file that are looked at to tell its format.
const DETECT_MAX: usize = 20;

/// What an import works with.
#[derive(Clone)]
pub struct TransferContext {
    /// Where conversations go.
    pub record: Arc<dyn RecordStore>,
    /// Tells versions, and stands for times that a file does not have.
    pub clock: Arc<dyn Clock>,
}

/// What is to be imported.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// Owner of the sessions.
    pub account: Uid,
    /// Files.
    pub paths: Vec<PathBuf>,
    /// Their format; told from each file where it is none.
    pub format: Option<Format>,
}

/// How far an import is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// File that is read.
    pub file: String,
    /// Bytes read of all files.
    pub bytes: u64,
    /// Bytes of all files.
    pub bytes_total: u64,
    /// Conversations read so far.
    pub conversations: usize,
}

/// Is told how far an import is, after every conversation.
pub type OnProgress<'a> = &'a (dyn Fn(&Progress) + Send + Sync);

/// An import that could not go on. What was imported before stays; importing the same files again
/// goes on where it stopped.
#[derive(Debug, thiserror::Error)]
#[error("the import stopped after {} sessions: {source}; import the same files again to go on", report.sessions)]
pub struct ImportError {
    /// The store's error.
    pub source: StoreError,
    /// What was done until then.
    pub report: Box<ImportReport>,
}

/// Imports files. Whatever is wrong with a file or a conversation is in the report; only an error
/// of the store ends the import.
pub async fn import(
    ctx: &TransferContext,
    request: &ImportRequest,
    progress: OnProgress<'_>,
) -> Result<ImportReport, ImportError> {
    let size = |path: &PathBuf| path.metadata().map_or(0, |known| known.len());
    let mut importer = Importer::new(ctx, &request.account, progress);
    importer.progress.bytes_total = request.paths.iter().map(size).sum();
    for path in &request.paths {
        let file = path.display().to_string();
        let before = importer.progress.bytes;
        importer.progress.file.clone_from(&file);
        let done = match open(path) {
            Err(reason) => {
                importer.report.skip(file, SkipKind::Broken, 0, reason);
                Ok(())
            }
            Ok(reader) => importer.file(&file, reader, request.format).await,
        };
        done.map_err(|source| importer.stopped(source))?;
        importer.progress.bytes = before + size(path);
        progress(&importer.progress);
    }
    Ok(importer.into_report())
}

fn open(path: &Path) -> Result<BufReader<File>, String> {
    if path.is_dir() {
        return Err("it is a directory; name the files in it, e.g. with `*.json`".to_owned());
    }
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "it must not be read by this user; change its permissions".to_owned()
        }
        _ => format!("it cannot be opened: {error}"),
    })?;
    Ok(BufReader::with_capacity(256 * 1024, file))
}

/// Why the reading of a file ended early.
enum Stop {
    /// The store failed, which ends the import.
    Store(StoreError),
    /// The file cannot be used, or not to its end; says what to do.
    File(String),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::File(format!(
            "it cannot be read to its end: {error}; copy it again"
        ))
    }
}

pub(super) struct Importer<'a> {
    ctx: &'a TransferContext,
    account: &'a Uid,
    report: ImportReport,
    progress: Progress,
    on_progress: OnProgress<'a>,
}

/// `file: entry: node`, as far as they are known.
fn place(parts: &[&str]) -> String {
    let known: Vec<&str> = parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    known.join(": ")
}

impl<'a> Importer<'a> {
    pub(super) fn new(
        ctx: &'a TransferContext,
        account: &'a Uid,
        on_progress: OnProgress<'a>,
    ) -> Self {
        Self {
            ctx,
            account,
            report: ImportReport::default(),
            progress: Progress {
                file: String::new(),
                bytes: 0,
                bytes_total: 0,
                conversations: 0,
            },
            on_progress,
        }
    }

    pub(super) fn into_report(self) -> ImportReport {
        self.report
    }

    /// The error of a store with what was done before it.
    pub(super) fn stopped(&mut self, source: StoreError) -> ImportError {
        let report = Box::new(std::mem::take(&mut self.report));
        ImportError { source, report }
    }

    pub(super) async fn file(
        &mut self,
        file: &str,
        reader: impl BufRead,
        format: Option<Format>,
    ) -> Result<(), StoreError> {
        match self.elements(file, reader, format).await {
            Ok(()) => Ok(()),
            Err(Stop::Store(error)) => Err(error),
            Err(Stop::File(reason)) => {
                self.report
                    .skip(file.to_owned(), SkipKind::Broken, 0, reason);
                Ok(())
            }
        }
    }

    async fn elements(
        &mut self,
        file: &str,
        reader: impl BufRead,
        format: Option<Format>,
    ) -> Result<(), Stop> {
        let mut elements = Elements::open(reader)?.map_err(Stop::File)?;
        // Elements that were looked at to tell the format, then the rest.
        let mut ahead: Vec<Result<Element, Fault>> = Vec::new();
        let mut told = format;
        while told.is_none() && ahead.len() < DETECT_MAX {
            let Some(next) = elements.next()? else {
                break;
            };
            let element = next.as_ref().ok();
            told = element.and_then(|element| formats::detect(&element.text));
            ahead.push(next);
        }
        let format = told.ok_or_else(|| Stop::File(unknown(&ahead)))?;
        let mut loose = Vec::new();
        let begin = self.progress.bytes;
        let mut ahead = ahead.into_iter();
        loop {
            let next = match ahead.next() {
                Some(next) => Some(next),
                None => elements.next()?,
            };
            match next {
                None => break,
                Some(Ok(element)) => {
                    let end = begin + element.end;
                    self.element(file, format, element, &mut loose).await?;
                    self.progress.bytes = end;
                    (self.on_progress)(&self.progress);
                }
                Some(Err(Fault { label, reason })) => {
                    self.report
                        .skip(place(&[file, &label]), SkipKind::Broken, 0, reason);
                }
            }
        }
        for source in formats::group(loose) {
            let label = source.id.clone().unwrap_or_default();
            self.source(&place(&[file, &label]), format, source).await?;
        }
        Ok(())
    }

    async fn element(
        &mut self,
        file: &str,
        format: Format,
        mut element: Element,
        loose: &mut Vec<Message>,
    ) -> Result<(), StoreError> {
        let at = place(&[file, &element.label]);
        // The own format holds nothing that cannot be stored, and is kept byte for byte.
        if format != Format::Ndjson {
            let replaced = replace_unstorable_escapes(&mut element.text);
            if replaced > 0 {
                let reason =
                    format!("{replaced} NUL characters or halves of surrogate pairs became U+FFFD");
                self.report.repair(at.clone(), reason);
            }
        }
        for parsed in formats::parse(format, &element.text) {
            match parsed {
                Ok(Item::Loose(message)) => loose.push(*message),
                Ok(Item::Source(source)) => self.source(&at, format, source).await?,
                Ok(Item::Rows(mut rows, notes)) => {
                    rows.place = place(&[&at, rows.session.uid.as_str()]);
                    rows.session.account_uid = self.account.clone();
                    for note in notes {
                        self.report.repair(rows.place.clone(), note);
                    }
                    self.rows(&rows).await?;
                }
                Err(Unreadable {
                    part,
                    nodes,
                    reason,
                }) => {
                    self.report.nodes += nodes;
                    self.report
                        .skip(place(&[&at, &part]), SkipKind::Broken, nodes, reason);
                }
            }
        }
        Ok(())
    }

    /// A session of the own format.
    pub(super) async fn rows(&mut self, rows: &Conversation) -> Result<(), StoreError> {
        self.report.nodes += rows.nodes;
        self.progress.conversations += 1;
        self.write(rows).await.map(drop)
    }

    async fn source(&mut self, at: &str, format: Format, source: Source) -> Result<(), StoreError> {
        self.progress.conversations += 1;
        let nodes = source.messages.len();
        self.report.nodes += nodes;
        let at = match source.id.as_deref() {
            Some(id) if !at.ends_with(id) => place(&[at, id]),
            _ => at.to_owned(),
        };
        let origin = Origin {
            account: self.account,
            format: format.name(),
            place: &at,
            now: self.ctx.clock.now(),
        };
        let (made, notes) = normalise(origin, source);
        match made {
            Err(reason) => {
                self.report.skip(at, SkipKind::Broken, nodes, reason);
                Ok(())
            }
            Ok(conversation) => {
                let written = self.write(&conversation).await?;
                // Of what is there already only the conversation itself is told.
                if written {
                    self.note(&at, notes);
                } else {
                    let last = self.report.skipped.last_mut();
                    last.expect("what is not written is skipped").nodes = nodes;
                }
                Ok(())
            }
        }
    }

    fn note(&mut self, at: &str, notes: Notes) {
        for (id, reason) in notes.dropped {
            let at = place(&[at, &id]);
            self.report
                .skip(at, SkipKind::Technical, 1, reason.to_owned());
        }
        for (id, reason) in notes.repaired {
            let at = place(&[at, id.as_deref().unwrap_or_default()]);
            self.report.repair(at, reason);
        }
    }

    /// Whether anything was written; otherwise the conversation is the last that was skipped.
    async fn write(&mut self, conversation: &Conversation) -> Result<bool, StoreError> {
        let now = self.ctx.clock.now();
        let written = write(&*self.ctx.record, now, conversation).await?;
        let report = &mut self.report;
        let (at, nodes) = (conversation.place.clone(), conversation.nodes);
        let added = match written {
            Written::Inserted(added) => {
                report.sessions += 1;
                added
            }
            Written::Completed(added) => {
                report.sessions_completed += 1;
                added
            }
            Written::Present => {
                let reason = "already present".to_owned();
                report.skip(at, SkipKind::Present, nodes, reason);
                return Ok(false);
            }
            Written::Erased => {
                let reason = "erased: nothing is written in this account any more".to_owned();
                report.skip(at, SkipKind::Erased, nodes, reason);
                return Ok(false);
            }
            Written::Refused(reason) => {
                report.skip(at, SkipKind::Broken, nodes, reason);
                return Ok(false);
            }
        };
        report.nodes_imported += nodes;
        report.human_turns += added.human_turns;
        report.agent_turns += added.agent_turns;
        report.steps += added.steps;
        report.scores += added.scores;
        Ok(true)
    }
}

fn unknown(looked_at: &[Result<Element, Fault>]) -> String {
    let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
    let names = names.join(", ");
    match looked_at.first() {
        None => "the file holds an empty list; there is nothing to import".to_owned(),
        Some(Err(fault)) => fault.reason.clone(),
        Some(Ok(element)) => match serde_json::from_str::<serde::de::IgnoredAny>(&element.text) {
            Err(error) => format!(
                "it is not JSON: {} line {}, column {} cannot be read",
                element.label,
                error.line(),
                error.column()
            ),
            Ok(_) => format!(
                "its format is none that is known ({names}); give it with --format if it is one \
                 of these all the same"
            ),
        },
    }
}
