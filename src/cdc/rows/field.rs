//! `Field`: one value of a row with its column's name, and the types that it is read as. What is
//! wrong is said with the column, never with the value.

use super::table::{Row, Value};
use super::time::parse_time;
use crate::domain::{Timestamp, Uid};

/// What is wrong with a row, in words without content.
pub(super) type Problem = String;

/// A value and its column's name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) column: &'static str,
    pub(super) value: Value<'a>,
}

/// A value that is large enough for a feed to leave it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Large<'a> {
    /// The feed repeats it.
    Known(Option<&'a str>),
    /// The update did not touch it.
    Absent,
}

impl<'a> Large<'a> {
    pub(super) fn is_absent(self) -> bool {
        self == Self::Absent
    }

    pub(super) fn known(self) -> Option<&'a str> {
        match self {
            Self::Known(text) => text,
            Self::Absent => None,
        }
    }
}

/// The first `N` fields of a row, in the order of `Table::columns`.
pub(super) fn fields<'a, const N: usize>(row: &Row<'a>) -> [Field<'a>; N] {
    let columns = row.table().columns();
    std::array::from_fn(|place| Field {
        column: columns[place],
        value: row.value(place),
    })
}

impl<'a> Field<'a> {
    fn problem(self, what: &str) -> Problem {
        format!("`{}` {what}", self.column)
    }

    /// A value that must be repeated, or null.
    pub(super) fn text(self) -> Result<Option<&'a str>, Problem> {
        match self.large()? {
            Large::Known(text) => Ok(text),
            Large::Absent => Err(self.problem(
                "was not repeated, because it is stored apart from its row as large values are",
            )),
        }
    }

    /// A value that may be left out.
    pub(super) fn large(self) -> Result<Large<'a>, Problem> {
        match self.value {
            Value::Unchanged => Ok(Large::Absent),
            Value::Null => Ok(Large::Known(None)),
            Value::Text(text) => Ok(Large::Known(Some(text))),
            Value::Garbled => Err(self.problem("is not UTF-8")),
        }
    }

    fn given<T>(self, value: Option<T>) -> Result<T, Problem> {
        value.ok_or_else(|| self.problem("is null"))
    }

    /// A key that must be given. Keys of other programs are taken as they are, as reads do.
    pub(super) fn key(self) -> Result<Uid, Problem> {
        match self.given(self.text()?)? {
            "" => Err(self.problem("is empty")),
            text => Ok(Uid::stored(text)),
        }
    }

    /// A key that may be null; an empty one is none.
    pub(super) fn link(self) -> Result<Option<Uid>, Problem> {
        Ok(self
            .text()?
            .filter(|text| !text.is_empty())
            .map(Uid::stored))
    }

    fn parsed<T: std::str::FromStr>(self, what: &str) -> Result<Option<T>, Problem> {
        self.text()?
            .map(|text| text.parse().map_err(|_| self.problem(what)))
            .transpose()
    }

    pub(super) fn integer_or_null(self) -> Result<Option<i32>, Problem> {
        self.parsed("is not an integer of 32 bits")
    }

    pub(super) fn integer(self) -> Result<i32, Problem> {
        self.given(self.integer_or_null()?)
    }

    pub(super) fn bigint(self) -> Result<i64, Problem> {
        self.given(self.parsed("is not an integer of 64 bits")?)
    }

    pub(super) fn time(self) -> Result<Option<Timestamp>, Problem> {
        let read = |text| parse_time(text).ok_or_else(|| self.problem("is not an instant"));
        self.text()?.map(read).transpose()
    }

    pub(super) fn boolean(self) -> Result<Option<bool>, Problem> {
        let read = |text| match text {
            "t" | "true" => Ok(true),
            "f" | "false" => Ok(false),
            _ => Err(self.problem("is not a boolean")),
        };
        self.text()?.map(read).transpose()
    }
}
