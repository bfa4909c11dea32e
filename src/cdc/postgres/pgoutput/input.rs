//! Reading a message byte by byte: every length is checked before it is used.

use super::{Column, Datum, Decoded, Malformed, Message, Old, Relation, Relations, Tuple};

/// The bytes that are left.
#[derive(Debug, Clone)]
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn malformed(&self, wanted: &'static str) -> Malformed {
        let left = self.0.len();
        Malformed { wanted, left }
    }

    pub(super) fn take(&mut self, count: usize, wanted: &'static str) -> Decoded<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| self.malformed(wanted))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self, wanted: &'static str) -> Decoded<[u8; N]> {
        let (taken, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or_else(|| self.malformed(wanted))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self, wanted: &'static str) -> Decoded<u8> {
        self.array::<1>(wanted).map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self, wanted: &'static str) -> Decoded<u16> {
        self.array(wanted).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, wanted: &'static str) -> Decoded<u32> {
        self.array(wanted).map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self, wanted: &'static str) -> Decoded<u64> {
        self.array(wanted).map(u64::from_be_bytes)
    }

    pub(super) fn i64(&mut self, wanted: &'static str) -> Decoded<i64> {
        self.array(wanted).map(i64::from_be_bytes)
    }

    pub(super) fn cstring(&mut self, wanted: &'static str) -> Decoded<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let text = self.take(end.ok_or_else(|| self.malformed(wanted))?, wanted)?;
        self.byte(wanted)?;
        Ok(text)
    }

    /// A length and so many bytes. A negative length is larger than any message.
    pub(super) fn counted(&mut self, wanted: &'static str) -> Decoded<&'a [u8]> {
        let count = self.u32(wanted)?;
        self.take(usize::try_from(count).unwrap_or(usize::MAX), wanted)
    }

    pub(super) fn marker(&mut self, marker: u8) -> Decoded<()> {
        match self.0 {
            [first, rest @ ..] if *first == marker => {
                self.0 = rest;
                Ok(())
            }
            _ => Err(self.malformed("the new row")),
        }
    }

    pub(super) fn column(&mut self) -> Decoded<Column<'a>> {
        let key = self.byte("a column's flags")? & 1 != 0;
        let name = self.cstring("a column's name")?;
        let type_id = self.u32("a column's type")?;
        self.u32("a column's modifier")?;
        Ok(Column { key, name, type_id })
    }

    pub(super) fn datum(&mut self) -> Decoded<Datum<'a>> {
        Ok(match self.byte("a value's kind")? {
            b'n' => Datum::Null,
            b'u' => Datum::Unchanged,
            b't' => Datum::Text(self.counted("a value")?),
            b'b' => Datum::Binary(self.counted("a value")?),
            _ => return Err(self.malformed("a value's kind")),
        })
    }

    pub(super) fn relation(&mut self) -> Decoded<Relation<'a>> {
        let id = self.u32("a table's number")?;
        let namespace = self.cstring("a table's schema")?;
        let name = self.cstring("a table's name")?;
        let identity = self.byte("a table's replica identity")?;
        let count = self.u16("the number of columns")?;
        let columns = self.0;
        for _ in 0..count {
            self.column()?;
        }
        Ok(Relation {
            id,
            namespace,
            name,
            identity,
            columns: &columns[..columns.len() - self.0.len()],
            count,
        })
    }

    pub(super) fn tuple(&mut self) -> Decoded<Tuple<'a>> {
        let count = self.u16("the number of values")?;
        let values = self.0;
        for _ in 0..count {
            self.datum()?;
        }
        let values = &values[..values.len() - self.0.len()];
        Ok(Tuple { values, count })
    }

    pub(super) fn update(&mut self) -> Decoded<Message<'a>> {
        let relation = self.u32("a table's number")?;
        let old = match self.0.first() {
            Some(kind @ (b'K' | b'O')) => {
                self.byte("the old row")?;
                let tuple = self.tuple()?;
                Some(if *kind == b'K' {
                    Old::Key(tuple)
                } else {
                    Old::Row(tuple)
                })
            }
            _ => None,
        };
        self.marker(b'N')?;
        let new = self.tuple()?;
        Ok(Message::Update { relation, old, new })
    }

    pub(super) fn truncate(&mut self) -> Decoded<Message<'a>> {
        let count = self.u32("the number of tables")?;
        self.byte("flags")?;
        let bytes = usize::try_from(count)
            .unwrap_or(usize::MAX)
            .saturating_mul(4);
        let relations = Relations(self.take(bytes, "the numbers of tables")?);
        Ok(Message::Truncate { relations })
    }
}
