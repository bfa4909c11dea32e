//! `Table`: columns, and rows that stay the JSON text they were written as.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::fields::{Fields, Read, Value};
use super::json::Json;
use super::tool::ToolCall;

/// Rows and columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Table<'a> {
    /// What the table shows.
    pub caption: Option<Cow<'a, str>>,
    /// The columns. Where the content names none and its first row is an object, they are the
    /// keys of that row.
    pub columns: Vec<TableColumn<'a>>,
    /// Number of rows of the whole table: as its writer says, at least the rows that are stored.
    pub row_count: i32,
    /// The stored rows, each an array (cells in the order of `columns`) or an object (cells by
    /// the columns' keys).
    rows: Vec<Json<'a>>,
    /// Tool that was used.
    pub tool: Option<ToolCall<'a>>,
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub struct TableColumn<'a> {
    /// Its key in rows that are objects.
    pub key: Cow<'a, str>,
    /// What is shown above it.
    pub label: Option<Cow<'a, str>>,
    /// What its cells are, as the writer says, e.g. `number`.
    pub data_type: Option<Cow<'a, str>>,
}

impl<'a> TableColumn<'a> {
    /// An object, or a bare string for a column of that key.
    fn read(value: Value<'a, '_>, _: usize) -> Read<Self> {
        if value.is_text() {
            return Ok(Self::of_key(value.text()?));
        }
        let fields = value.fields()?;
        Ok(Self {
            key: fields.required_text("key")?,
            label: fields.text("label")?,
            data_type: fields.text("dataType")?,
        })
    }

    fn of_key(key: Cow<'a, str>) -> Self {
        Self {
            key,
            label: None,
            data_type: None,
        }
    }
}

impl<'a> Table<'a> {
    pub(super) fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        let rows = fields.list("rows", |row, _| match row.is_array() || row.is_object() {
            true => Ok(row.json()),
            false => Err(row.not("an array or an object")),
        })?;
        let mut columns = fields.list("columns", TableColumn::read)?;
        if let (true, Some(first)) = (columns.is_empty(), rows.first()) {
            columns = keys_of(*first);
        }
        let stored = i32::try_from(rows.len()).unwrap_or(i32::MAX);
        Ok(Self {
            caption: fields.text("caption")?,
            columns,
            row_count: fields.int("rowCount")?.map_or(stored, |n| n.max(stored)),
            rows,
            tool: ToolCall::of(fields)?,
        })
    }

    /// At most `limit` of the stored rows, from the row at `offset` (0-based) on.
    pub fn rows(&self, offset: usize, limit: usize) -> &[Json<'a>] {
        let from = offset.min(self.rows.len());
        let to = from.saturating_add(limit).min(self.rows.len());
        &self.rows[from..to]
    }

    /// The caption, then a line of labels, then a line for every stored row. Cells that a row
    /// that is an object lacks are left out of its line, so that the work and the text grow with
    /// the content and not with rows times columns.
    pub(super) fn plain_text(&self) -> Cow<'_, str> {
        let mut text = String::new();
        if let Some(caption) = &self.caption {
            text.push_str(caption);
        }
        let label = |column: &'_ TableColumn<'a>| {
            let label = column.label.as_ref().unwrap_or(&column.key);
            label.clone()
        };
        push_line(&mut text, self.columns.iter().map(label));
        let columns = self.columns.iter().enumerate();
        let place: HashMap<&str, usize> = columns.map(|(at, c)| (&*c.key, at)).collect();
        for row in &self.rows {
            let row = Value::at_root(row.as_str());
            if let Ok(cells) = row.list(|cell, _| Ok(cell.json())) {
                push_line(&mut text, cells.into_iter().map(Json::plain_text));
            } else if let Ok(members) = row.fields() {
                let known = members.members();
                // By place; of a key that comes twice the last one stays.
                let cells: BTreeMap<_, _> = known
                    .filter_map(|(key, cell)| Some((*place.get(&**key)?, cell)))
                    .collect();
                push_line(&mut text, cells.into_values().map(Json::plain_text));
            }
        }
        Cow::Owned(text)
    }
}

/// The keys of a row that is an object, each once, as columns; none for a row that is an array.
fn keys_of(row: Json<'_>) -> Vec<TableColumn<'_>> {
    let Ok(fields) = Value::at_root(row.as_str()).fields() else {
        return Vec::new();
    };
    let mut seen = HashSet::new();
    let keys = fields.members().map(|(key, _)| key);
    keys.filter(|key| seen.insert(&***key))
        .cloned()
        .map(TableColumn::of_key)
        .collect()
}

fn push_line<'t>(text: &mut String, cells: impl Iterator<Item = Cow<'t, str>>) {
    let mut first = true;
    for cell in cells {
        text.push_str(match (first, text.is_empty()) {
            (true, true) => "",
            (true, false) => "\n",
            (false, _) => " | ",
        });
        text.push_str(&cell);
        first = false;
    }
}
