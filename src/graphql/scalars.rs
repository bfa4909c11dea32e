//! Scalars and enums: their form in the schema, and how they are read and written.

use async_graphql::{Enum, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{DateTime, Utc};

use super::engine::{Out, enumeration, leaf};
use crate::domain::{self, Timestamp, Uid};

/// The scalar `Uid`.
#[derive(Clone, Debug)]
pub(crate) struct UidScalar(pub(crate) String);

/// Key as stored in the database (text; UUIDv7 where turngraph minted it). Use it to join with
/// extracts of the database; use `id` everywhere else.
#[Scalar(name = "Uid")]
impl ScalarType for UidScalar {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            // Whether the text is an acceptable key is for the command or look-up to say.
            Value::String(text) => Ok(Self(text)),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// The scalar `DateTime`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DateTimeScalar(pub(crate) Timestamp);

/// RFC 3339 instant, always UTC with milliseconds, e.g. `2026-01-31T09:15:00.123Z`. Any offset is
/// accepted as input.
#[Scalar(
    name = "DateTime",
    specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339"
)]
impl ScalarType for DateTimeScalar {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        Timestamp::parse_rfc3339(text).map(Self).ok_or_else(|| {
            InputValueError::custom("not an RFC 3339 instant, e.g. 2026-01-31T09:15:00Z")
        })
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// The scalar `JSON`.
#[derive(Clone, Debug)]
pub(crate) struct JsonScalar(pub(crate) Value);

/// Any JSON value. Answers carry it byte for byte as it is stored; on writing through the API,
/// white space, escapes and the spelling of numbers are not kept (numbers are 64-bit).
#[Scalar(
    name = "JSON",
    specified_by_url = "https://www.rfc-editor.org/rfc/rfc8259"
)]
impl ScalarType for JsonScalar {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(value))
    }

    fn to_value(&self) -> Value {
        self.0.clone()
    }
}

/// The scalar `Revision`.
#[derive(Clone, Debug)]
pub(crate) struct RevisionScalar(String);

/// Opaque position in the changes of the record store: never parse it, only send it back.
#[Scalar(name = "Revision")]
impl ScalarType for RevisionScalar {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) if domain::Revision::parse(&text).is_some() => Ok(Self(text)),
            Value::String(_) => Err(InputValueError::custom("not a revision of this server")),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

impl RevisionScalar {
    /// What it stands for.
    pub(crate) fn revision(&self) -> domain::Revision {
        domain::Revision::parse(&self.0).expect("it was checked when it was read")
    }
}

/// Who speaks in a turn.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TurnRole {
    /// A person.
    Human,
    /// A model or agent.
    Agent,
}

/// How far an agent turn has come.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "domain::TurnStatus")]
pub(crate) enum TurnStatus {
    /// Steps are still being written.
    Streaming,
    /// The answer is whole.
    Complete,
    /// The agent stopped with an error.
    Failed,
    /// The person stopped the agent.
    Cancelled,
}

/// The 13 kinds of step.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StepType {
    /// Reasoning that is not part of the answer.
    Think,
    /// A part of the answer.
    Text,
    /// Documents fetched from an index.
    Retrieval,
    /// A program and what it printed.
    Code,
    /// A search on the web.
    WebSearch,
    /// A card with actions.
    Card,
    /// Sound.
    Audio,
    /// A chart.
    Plot,
    /// Rows and columns.
    Table,
    /// A document.
    Document,
    /// A question back to the person.
    InputRequest,
    /// Labels that a classifier gave to the prompt.
    TurnClassifier,
    /// The language of the prompt.
    LangDetection,
    /// A number that is none of the 13, written by another program; see `MalformedStep`.
    Unknown,
}

impl StepType {
    /// From the stored number.
    pub(crate) fn of(number: i32) -> Self {
        use async_graphql::resolver_utils::EnumType;
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        Self::items()
            .get(place)
            .map_or(Self::Unknown, |item| item.value)
    }

    /// The domain's type; none for `UNKNOWN`.
    pub(crate) fn to_domain(self) -> Option<domain::StepType> {
        domain::StepType::from_number(self as i32)
    }
}

enumeration!(
    /// A role.
    Role, TurnRole
);
enumeration!(
    /// A progress.
    Status, TurnStatus
);
enumeration!(
    /// A step's type.
    StepKind, StepType
);
leaf!(
    /// A key.
    'a Key, &'a Uid, UidScalar, |uid, out| out.str(uid.as_str())
);
leaf!(
    /// An instant.
    'a Instant, Timestamp, DateTimeScalar, write_instant
);
leaf!(
    /// JSON text that was checked when it was taken in.
    'a Json, &'a str, JsonScalar, |text, out| out.raw(text.as_bytes())
);
leaf!(
    /// A revision.
    'a Rev, &'a domain::Revision, RevisionScalar, |revision, out| out.str(&revision.to_string())
);

/// `"YYYY-MM-DDTHH:MM:SS.mmmZ"`, digit by digit: chrono's formatter takes ten times as long.
fn write_instant(at: Timestamp, out: &mut Out<'_>) {
    use chrono::{Datelike, Timelike};
    let at: DateTime<Utc> = at.to_datetime();
    let year = at.year();
    if !(0..=9999).contains(&year) {
        out.str(&Timestamp::from_datetime(at).to_string());
        return;
    }
    let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
    let mut put = |place: usize, digits: usize, value: u32| {
        let mut value = value;
        for i in (0..digits).rev() {
            text[place + i] = b'0' + (value % 10) as u8;
            value /= 10;
        }
    };
    put(1, 4, year.unsigned_abs());
    put(6, 2, at.month());
    put(9, 2, at.day());
    put(12, 2, at.hour());
    put(15, 2, at.minute());
    put(18, 2, at.second());
    put(21, 3, at.timestamp_subsec_millis());
    out.raw(&text);
}
