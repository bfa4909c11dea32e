//! `record!`, a row that both engines answer: a struct, its columns, and how it is read.
//!
//! Fields are read by place, in the order of their declaration: a look-up by name costs more than
//! the value for the rows of a long session. A test holds `COLUMNS` of each record against the
//! statements that answer it.

/// Why a row cannot be read: which row, and what is wrong with it. Holds no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{row}: {reason}")]
pub struct RowError {
    /// Kind and key of the row, e.g. `session 0190…`.
    pub row: String,
    /// What is wrong.
    pub reason: String,
}

/// A record is a struct, the names of its columns, and how either engine's row becomes one.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name { $($(#[$field_doc])* pub $field: $ty,)* }

        impl $name {
            /// Names of the columns in their order.
            pub const COLUMNS: &'static [&'static str] = &[$(stringify!($field),)*];
        }

        record!(@from SqliteRow, $name, $($field),*);
        record!(@from PgRow, $name, $($field),*);
    };
    (@from $row:ty, $name:ident, $($field:ident),*) => {
        impl FromRow<'_, $row> for $name {
            fn from_row(row: &$row) -> Result<Self, sqlx::Error> {
                let mut place = 0..;
                let mut next = || place.next().expect("a row has fewer columns than integers");
                Ok(Self { $($field: row.try_get::<_, usize>(next())?,)* })
            }
        }
    };
}
pub(super) use record;
