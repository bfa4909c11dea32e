//! Pages of ordered lists: `first/after` forward, `last/before` backward.

mod cursor;

pub use cursor::CursorList;

/// What a client asked for, checked but not yet applied to a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// Entries at most.
    pub size: usize,
    /// Counted from the end of the list when true.
    pub from_end: bool,
    /// Only entries whose cursor is greater.
    pub after: Option<i64>,
    /// Only entries whose cursor is smaller.
    pub before: Option<i64>,
}

/// A slice of a list, as a range of places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Place of the first entry.
    pub start: usize,
    /// One past the place of the last entry.
    pub end: usize,
    /// Whether entries follow.
    pub has_next: bool,
    /// Whether entries come before.
    pub has_previous: bool,
}

/// Why page arguments are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Both directions were asked for.
    #[error("`first` and `last` cannot be used together; choose one direction")]
    BothDirections,
    /// A negative number.
    #[error("`{argument}` must not be negative, it is {value}")]
    Negative {
        /// Name of the argument.
        argument: &'static str,
        /// What was given.
        value: i32,
    },
    /// More than the maximum. Refused rather than clamped: a clamped page looks like the end.
    #[error(
        "`{argument}: {value}` is above the maximum of {max}; ask for at most {max} and page on with `{cursor}: pageInfo.{end}`"
    )]
    AboveMaximum {
        /// Name of the argument.
        argument: &'static str,
        /// What was given.
        value: i32,
        /// The maximum of this field.
        max: usize,
        /// The argument that continues.
        cursor: &'static str,
        /// The field of `pageInfo` that has the value for it.
        end: &'static str,
    },
    /// A cursor that no page has returned.
    #[error("`{argument}: {value:?}` is not a cursor that this field returned")]
    BadCursor {
        /// Name of the argument.
        argument: &'static str,
        /// What was given.
        value: String,
    },
    /// A cursor of another field.
    #[error(
        "`{argument}` is a cursor of `{from}`; `{to}` takes only cursors that it returned itself"
    )]
    OtherList {
        /// Name of the argument.
        argument: &'static str,
        /// The field that returned it.
        from: String,
        /// The field that it was given to.
        to: &'static str,
    },
    /// A cursor of the same field with another order or filter.
    #[error(
        "`{argument}` is a cursor of this list with another order or filter; keep both while you page, or begin again without a cursor"
    )]
    OtherSelection {
        /// Name of the argument.
        argument: &'static str,
    },
}

/// Page sizes of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimits {
    /// Size when the client names none.
    pub default: usize,
    /// Largest size.
    pub max: usize,
}

/// The four arguments as they came.
#[derive(Debug, Clone, Copy, Default)]
pub struct PageArguments<'a> {
    /// Entries from the start.
    pub first: Option<i32>,
    /// Cursor to start after.
    pub after: Option<&'a str>,
    /// Entries from the end.
    pub last: Option<i32>,
    /// Cursor to end before.
    pub before: Option<&'a str>,
}

impl PageRequest {
    /// Checks the arguments of a list with numeric cursors.
    pub fn check(
        given: PageArguments<'_>,
        limits: PageLimits,
        list: CursorList,
    ) -> Result<Self, PageError> {
        let (size, from_end) = page_size(given.first, given.last, limits)?;
        Ok(Self {
            size,
            from_end,
            after: cursor(list, "after", given.after)?,
            before: cursor(list, "before", given.before)?,
        })
    }

    /// Applies the request to a list of `len` entries whose cursors ascend.
    pub fn slice(&self, len: usize, cursor_at: impl Fn(usize) -> i64) -> Page {
        let lower_bound = |beyond: &dyn Fn(i64) -> bool| {
            let (mut low, mut high) = (0, len);
            while low < high {
                let middle = low.midpoint(high);
                if beyond(cursor_at(middle)) {
                    high = middle
                } else {
                    low = middle + 1
                }
            }
            low
        };
        let low = self.after.map_or(0, |after| lower_bound(&|c| c > after));
        let high = self
            .before
            .map_or(len, |before| lower_bound(&|c| c >= before))
            .max(low);
        let (start, end) = if self.from_end {
            (low.max(high.saturating_sub(self.size)), high)
        } else {
            (low, high.min(low.saturating_add(self.size)))
        };
        Page {
            start,
            end,
            has_next: end < len,
            has_previous: start > 0,
        }
    }
}

/// Checks `first` and `last` and returns the size and whether it counts from the end.
pub fn page_size(
    first: Option<i32>,
    last: Option<i32>,
    limits: PageLimits,
) -> Result<(usize, bool), PageError> {
    let (argument, value, cursor, end) = match (first, last) {
        (Some(_), Some(_)) => return Err(PageError::BothDirections),
        (None, None) => return Ok((limits.default, false)),
        (Some(first), None) => ("first", first, "after", "endCursor"),
        (None, Some(last)) => ("last", last, "before", "startCursor"),
    };
    let size = usize::try_from(value).map_err(|_| PageError::Negative { argument, value })?;
    if size > limits.max {
        return Err(PageError::AboveMaximum {
            argument,
            value,
            max: limits.max,
            cursor,
            end,
        });
    }
    Ok((size, argument == "last"))
}

fn cursor(
    list: CursorList,
    argument: &'static str,
    text: Option<&str>,
) -> Result<Option<i64>, PageError> {
    let Some(text) = text else { return Ok(None) };
    let place = list.place(argument, text)?;
    place.parse().map(Some).map_err(|_| PageError::BadCursor {
        argument,
        value: text.chars().take(40).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PageLimits = PageLimits { default: 2, max: 3 };
    const LIST: CursorList = CursorList::of("tens");

    fn page(given: PageArguments<'_>) -> Page {
        PageRequest::check(given, LIMITS, LIST)
            .unwrap()
            .slice(5, |place| place as i64 * 10)
    }

    #[test]
    fn pages_in_both_directions_meet() {
        let p = page(PageArguments::default());
        assert_eq!(
            (p.start, p.end, p.has_next, p.has_previous),
            (0, 2, true, false)
        );
        let p = page(PageArguments {
            first: Some(3),
            after: Some("tens:10"),
            ..Default::default()
        });
        assert_eq!(
            (p.start, p.end, p.has_next, p.has_previous),
            (2, 5, false, true)
        );
        let p = page(PageArguments {
            last: Some(2),
            before: Some("tens:30"),
            ..Default::default()
        });
        assert_eq!(
            (p.start, p.end, p.has_next, p.has_previous),
            (1, 3, true, true)
        );
        let p = page(PageArguments {
            first: Some(0),
            ..Default::default()
        });
        assert_eq!((p.start, p.end, p.has_next), (0, 0, true));
        let p = page(PageArguments {
            first: Some(3),
            after: Some("tens:40"),
            before: Some("tens:0"),
            ..Default::default()
        });
        assert_eq!(p.start, p.end);
    }

    #[test]
    fn bad_arguments_name_themselves() {
        let refuse = |given| {
            PageRequest::check(given, LIMITS, LIST)
                .unwrap_err()
                .to_string()
        };
        let both = PageArguments {
            first: Some(1),
            last: Some(1),
            ..Default::default()
        };
        assert!(refuse(both).contains("together"));
        let above = PageArguments {
            last: Some(4),
            ..Default::default()
        };
        assert_eq!(
            refuse(above),
            "`last: 4` is above the maximum of 3; ask for at most 3 and page on with \
             `before: pageInfo.startCursor`"
        );
        let negative = PageArguments {
            first: Some(-1),
            ..Default::default()
        };
        assert!(refuse(negative).contains("must not be negative"));
        for text in ["x", "tens:x", "tens:"] {
            let cursor = PageArguments {
                after: Some(text),
                ..Default::default()
            };
            assert!(refuse(cursor).contains("is not a cursor"), "{text}");
        }
    }
}
