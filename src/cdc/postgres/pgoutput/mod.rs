//! Decoder of `pgoutput` messages, protocol version 1 with texts.
//!
//! Borrows from the message and allocates nothing, so no input, however damaged, costs more memory
//! than it has bytes. Every length is checked before it is used: truncated or foreign bytes give a
//! [`Malformed`], never a panic. What the values mean is not known here.

mod input;

use std::fmt;

use self::input::Input;

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// What was to be read.
    pub wanted: &'static str,
    /// How many bytes of the message were left.
    pub left: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, left } = self;
        write!(
            f,
            "a message of the server ends or is wrong at {wanted} ({left} bytes left)"
        )
    }
}

impl std::error::Error for Malformed {}

type Decoded<T> = Result<T, Malformed>;

/// A message. Positions are bytes of the log, times are microseconds since 2000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// A committed transaction begins to be told.
    Begin {
        /// Place of its commit.
        final_lsn: u64,
        /// When it was committed.
        commit_time: i64,
        /// Its number.
        xid: u32,
    },
    /// It was told.
    Commit {
        /// Place of its commit.
        commit_lsn: u64,
        /// The byte after its commit.
        end_lsn: u64,
        /// When it was committed.
        commit_time: i64,
    },
    /// Where the transaction came from, when it was replicated to this server.
    Origin {
        /// Name of the origin.
        name: &'a [u8],
    },
    /// A table as it is from here on; told before the first row that needs it.
    Relation(Relation<'a>),
    /// A type of a column, named before its table.
    Type {
        /// Its number.
        id: u32,
        /// Its name.
        name: &'a [u8],
    },
    /// A row is new.
    Insert {
        /// Number of the table.
        relation: u32,
        /// The row.
        new: Tuple<'a>,
    },
    /// A row changed.
    Update {
        /// Number of the table.
        relation: u32,
        /// The old key, where it changed, or the old row, where the table's identity is full.
        old: Option<Old<'a>>,
        /// The row as it is now.
        new: Tuple<'a>,
    },
    /// A row went.
    Delete {
        /// Number of the table.
        relation: u32,
        /// Its key, or the row where the table's identity is full.
        old: Old<'a>,
    },
    /// Tables were emptied.
    Truncate {
        /// Their numbers.
        relations: Relations<'a>,
    },
    /// A message that a program wrote into the log.
    Logical {
        /// Whether it belongs to the transaction that is being told.
        transactional: bool,
        /// Its place.
        lsn: u64,
        /// Whose it is.
        prefix: &'a [u8],
        /// What it says.
        content: &'a [u8],
    },
}

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation<'a> {
    /// Its number.
    pub id: u32,
    /// Its schema.
    pub namespace: &'a [u8],
    /// Its name.
    pub name: &'a [u8],
    /// Replica identity: `d`efault, `n`othing, `f`ull, `i`ndex.
    pub identity: u8,
    columns: &'a [u8],
    count: u16,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column<'a> {
    /// Whether it is part of the key.
    pub key: bool,
    /// Its name.
    pub name: &'a [u8],
    /// Number of its type.
    pub type_id: u32,
}

/// What an update or deletion tells of the row as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old<'a> {
    /// Its key; every other column is null.
    Key(Tuple<'a>),
    /// All of it.
    Row(Tuple<'a>),
}

impl<'a> Old<'a> {
    /// Its values.
    pub fn tuple(self) -> Tuple<'a> {
        match self {
            Self::Key(tuple) | Self::Row(tuple) => tuple,
        }
    }
}

/// Values of a row in the order of the table's columns; checked when it was decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple<'a> {
    values: &'a [u8],
    count: u16,
}

/// A value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datum<'a> {
    /// SQL's null.
    Null,
    /// Stored apart from its row and not touched by the update.
    Unchanged,
    /// In text form.
    Text(&'a [u8]),
    /// In binary form, which is not asked for.
    Binary(&'a [u8]),
}

/// Numbers of tables; checked when they were decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relations<'a>(&'a [u8]);

impl<'a> Message<'a> {
    /// Decodes one message; bytes after it are an error.
    pub fn decode(bytes: &'a [u8]) -> Decoded<Self> {
        let mut input = Input(bytes);
        let message = match input.byte("the kind of message")? {
            b'B' => Self::Begin {
                final_lsn: input.u64("a position")?,
                commit_time: input.i64("a time")?,
                xid: input.u32("a transaction's number")?,
            },
            b'C' => {
                input.byte("flags")?;
                Self::Commit {
                    commit_lsn: input.u64("a position")?,
                    end_lsn: input.u64("a position")?,
                    commit_time: input.i64("a time")?,
                }
            }
            b'O' => {
                input.u64("a position")?;
                Self::Origin {
                    name: input.cstring("the name of an origin")?,
                }
            }
            b'R' => Self::Relation(input.relation()?),
            b'Y' => {
                let id = input.u32("a type's number")?;
                input.cstring("a type's schema")?;
                let name = input.cstring("a type's name")?;
                Self::Type { id, name }
            }
            b'I' => {
                let relation = input.u32("a table's number")?;
                input.marker(b'N')?;
                let new = input.tuple()?;
                Self::Insert { relation, new }
            }
            b'U' => input.update()?,
            b'D' => {
                let relation = input.u32("a table's number")?;
                let old = match input.byte("the old row")? {
                    b'K' => Old::Key(input.tuple()?),
                    b'O' => Old::Row(input.tuple()?),
                    _ => return Err(input.malformed("the old row")),
                };
                Self::Delete { relation, old }
            }
            b'T' => input.truncate()?,
            b'M' => Self::Logical {
                transactional: input.byte("flags")? & 1 != 0,
                lsn: input.u64("a position")?,
                prefix: input.cstring("a prefix")?,
                content: input.counted("a message's content")?,
            },
            _ => return Err(input.malformed("the kind of message")),
        };
        if input.0.is_empty() {
            Ok(message)
        } else {
            Err(input.malformed("the end of the message"))
        }
    }
}

impl<'a> Relation<'a> {
    /// Its columns in their order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = Column<'a>> + Clone + use<'a> {
        let mut input = Input(self.columns);
        (0..self.count).map(move |_| input.column().expect("columns were checked when decoded"))
    }
}

impl<'a> Tuple<'a> {
    /// Its values in their order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = Datum<'a>> + Clone + use<'a> {
        let mut input = Input(self.values);
        (0..self.count).map(move |_| input.datum().expect("values were checked when decoded"))
    }
}

impl Relations<'_> {
    /// The numbers.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = u32> {
        let (numbers, _) = self.0.as_chunks::<4>();
        numbers.iter().map(|number| u32::from_be_bytes(*number))
    }
}
