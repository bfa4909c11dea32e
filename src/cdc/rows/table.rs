//! The tables that a feed follows, their columns, and a row of one of them.
//!
//! Columns are bound by name, so a column that was added is ignored and one that was dropped or
//! renamed is noticed before a row is read without it.

/// Columns of the widest table.
const COLUMNS_MAX: usize = 13;

/// A table that the feed follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// `sessions`
    Sessions,
    /// `human_turns`
    HumanTurns,
    /// `agent_turns`
    AgentTurns,
    /// `steps`
    Steps,
    /// `purge_log`
    PurgeLog,
    /// `projection_jobs`
    ProjectionJobs,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Sessions,
        Self::HumanTurns,
        Self::AgentTurns,
        Self::Steps,
        Self::PurgeLog,
        Self::ProjectionJobs,
    ];

    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::HumanTurns => "human_turns",
            Self::AgentTurns => "agent_turns",
            Self::Steps => "steps",
            Self::PurgeLog => "purge_log",
            Self::ProjectionJobs => "projection_jobs",
        }
    }

    /// The table of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// Its columns, each of which is needed. Their places here are those of [`Row::set`].
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Sessions => &[
                "uid",
                "account_uid",
                "title",
                "created_at",
                "deleted_at",
                "active_root",
                "next_seq",
                "last_activity_at",
                "forked_from",
                "rev",
            ],
            Self::HumanTurns => &[
                "uid",
                "session_uid",
                "parent_uid",
                "active_child",
                "seq",
                "created_at",
                "deleted_at",
                "rev",
                "prompt",
            ],
            Self::AgentTurns => &[
                "uid",
                "session_uid",
                "parent_uid",
                "active_child",
                "seq",
                "created_at",
                "deleted_at",
                "rev",
                "liked",
                "model",
                "status",
                "finished_at",
                "usage",
            ],
            Self::Steps => &[
                "agent_turn_uid",
                "idx",
                "tpe",
                "content",
                "created_at",
                "session_uid",
                "turn_seq",
                "rev",
            ],
            Self::PurgeLog => &[
                "kind",
                "session_uid",
                "seq",
                "uid",
                "idx",
                "account_uid",
                "created_at",
                "rev",
            ],
            Self::ProjectionJobs => &["session_uid", "from_seq", "to_seq"],
        }
    }

    /// Place of a column, none for one that is not needed.
    pub fn place(self, column: &str) -> Option<usize> {
        self.columns().iter().position(|name| *name == column)
    }

    /// Needed columns that are not among `present`.
    pub fn missing<'p>(self, present: impl Iterator<Item = &'p str> + Clone) -> Vec<&'static str> {
        let is_there = |name: &&&str| !present.clone().any(|there| there == **name);
        self.columns().iter().filter(is_there).copied().collect()
    }
}

/// What was done to the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// It is new.
    Insert,
    /// It was there before.
    Update,
}

/// A value as the feed gives it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Value<'a> {
    /// The feed did not repeat it, because the update left it as it was.
    #[default]
    Unchanged,
    /// SQL's null.
    Null,
    /// The value in PostgreSQL's text form; for times see `parse_time`, `t` or `true` for yes.
    Text(&'a str),
    /// Bytes that are no UTF-8 text.
    Garbled,
}

/// A row, its values by the places of [`Table::columns`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<'a> {
    table: Table,
    operation: Operation,
    values: [Value<'a>; COLUMNS_MAX],
}

impl<'a> Row<'a> {
    /// A row of which nothing was repeated yet.
    pub fn new(table: Table, operation: Operation) -> Self {
        Self {
            table,
            operation,
            values: [Value::Unchanged; COLUMNS_MAX],
        }
    }

    /// Its table.
    pub fn table(&self) -> Table {
        self.table
    }

    /// What was done to it.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Sets the value at a place that [`Table::place`] gave.
    pub fn set(&mut self, place: usize, value: Value<'a>) {
        self.values[place] = value;
    }

    /// Sets a value by its column's name; false, and nothing is done, where it is not needed.
    pub fn set_named(&mut self, column: &str, value: Value<'a>) -> bool {
        let place = self.table.place(column);
        if let Some(place) = place {
            self.values[place] = value;
        }
        place.is_some()
    }

    /// Takes what was not repeated from the row as it was before, as far as that is told.
    pub fn complete(&mut self, old: &Self) {
        for (value, old) in self.values.iter_mut().zip(old.values) {
            if let (Value::Unchanged, Value::Text(_)) = (*value, old) {
                *value = old;
            }
        }
    }

    /// Whether both rows of a table have the same key.
    pub fn same_key(&self, other: &Self) -> bool {
        let columns = if self.table == Table::Steps { 2 } else { 1 };
        self.values[..columns] == other.values[..columns]
    }

    /// The value at a place.
    pub fn value(&self, place: usize) -> Value<'a> {
        self.values[place]
    }
}
