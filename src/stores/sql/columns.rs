//! Column types that both engines encode, so that one record reads rows of either.
//!
//! PostgreSQL has `timestamptz` where SQLite has INTEGER microseconds; keys are text in both.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Encode, Postgres, Sqlite, Type};

use crate::domain::{Timestamp, Uid};

/// Microseconds from 1970 to 2000, where PostgreSQL begins to count.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// An instant as a column: `timestamptz` on PostgreSQL, INTEGER microseconds on SQLite.
///
/// `i64::MIN` and `i64::MAX` are PostgreSQL's `-infinity` and `infinity`, both ways, so that they
/// serve as open ends of a range on both engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DbTime(pub Timestamp);

impl DbTime {
    /// The end of a range that has none below.
    pub const MIN: Self = Self(Timestamp(i64::MIN));
    /// The end of a range that has none above.
    pub const MAX: Self = Self(Timestamp(i64::MAX));

    fn to_postgres(self) -> i64 {
        match self.0.0 {
            i64::MAX => i64::MAX,
            micros => micros.saturating_sub(POSTGRES_EPOCH),
        }
    }

    fn from_postgres(micros: i64) -> Self {
        Self(Timestamp(match micros {
            i64::MIN => i64::MIN,
            micros => micros.saturating_add(POSTGRES_EPOCH),
        }))
    }
}

impl From<Timestamp> for DbTime {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl From<DbTime> for Timestamp {
    fn from(at: DbTime) -> Self {
        at.0
    }
}

impl Type<Sqlite> for DbTime {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }

    fn compatible(ty: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(ty)
    }
}

impl Encode<'_, Sqlite> for DbTime {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(self.0.0, buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for DbTime {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(Timestamp(<i64 as Decode<Sqlite>>::decode(value)?)))
    }
}

impl Type<Postgres> for DbTime {
    fn type_info() -> PgTypeInfo {
        <chrono::DateTime<chrono::Utc> as Type<Postgres>>::type_info()
    }
}

impl sqlx::postgres::PgHasArrayType for DbTime {
    fn array_type_info() -> PgTypeInfo {
        <chrono::DateTime<chrono::Utc> as sqlx::postgres::PgHasArrayType>::array_type_info()
    }
}

impl Encode<'_, Postgres> for DbTime {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode(self.to_postgres(), buffer)
    }

    fn size_hint(&self) -> usize {
        size_of::<i64>()
    }
}

impl<'r> Decode<'r, Postgres> for DbTime {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => Ok(Self::from_postgres(<i64 as Decode<Postgres>>::decode(
                value,
            )?)),
            PgValueFormat::Text => {
                let at = <chrono::DateTime<chrono::Utc> as Decode<Postgres>>::decode(value)?;
                Ok(Self(Timestamp::from_datetime(at)))
            }
        }
    }
}

/// A key as a column: text in both engines, read without a copy between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DbUid(pub Uid);

impl From<DbUid> for Uid {
    fn from(uid: DbUid) -> Self {
        uid.0
    }
}

/// Implements a column that is read as borrowed text.
macro_rules! uid_column {
    ($database:ty, $value:ident, $info:ty) => {
        impl Type<$database> for DbUid {
            fn type_info() -> $info {
                <str as Type<$database>>::type_info()
            }

            fn compatible(ty: &$info) -> bool {
                <str as Type<$database>>::compatible(ty)
            }
        }

        impl<'r> Decode<'r, $database> for DbUid {
            fn decode(value: $value<'r>) -> Result<Self, BoxDynError> {
                Ok(Self(Uid::stored(<&str as Decode<$database>>::decode(
                    value,
                )?)))
            }
        }
    };
}

uid_column!(Sqlite, SqliteValueRef, SqliteTypeInfo);
uid_column!(Postgres, PgValueRef, PgTypeInfo);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_ends_are_postgres_infinities_and_instants_keep_their_microseconds() {
        assert_eq!(DbTime::MAX.to_postgres(), i64::MAX);
        assert_eq!(DbTime::MIN.to_postgres(), i64::MIN);
        for end in [i64::MIN, i64::MAX] {
            assert_eq!(DbTime::from_postgres(end).0.0, end);
        }
        for micros in [0, -1, POSTGRES_EPOCH, 1_700_000_000_123_456] {
            let at = DbTime(Timestamp(micros));
            assert_eq!(DbTime::from_postgres(at.to_postgres()), at);
        }
    }
}
