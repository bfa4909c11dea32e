//! Bytes of the values of a statement, as they go over the wire.

use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;
use scylla::statement::prepared::PreparedStatement;

use crate::stores::StoreErrorKind;
use crate::stores::cql::error::failure;
use crate::stores::record::StoreResult;

pub(super) fn bytes_of(
    statement: &PreparedStatement,
    values: &impl SerializeRow,
) -> StoreResult<usize> {
    let mut buffer = Vec::new();
    let columns = statement.get_variable_col_specs();
    let context = RowSerializationContext::from_specs(columns.as_slice());
    values
        .serialize(&context, &mut RowWriter::new(&mut buffer))
        .map_err(|error| failure(StoreErrorKind::Bug, "bench", error.to_string()))?;
    Ok(buffer.len())
}
