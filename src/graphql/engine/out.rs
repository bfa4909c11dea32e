//! `Out`, what a walk writes into: the buffer, the errors, and what bounds both.

use std::collections::HashMap;

use async_graphql::{ErrorExtensionValues, PathSegment, ServerError};

use super::output::Failure;
use super::slots::Slots;
use super::writer::escape;

/// A non-null value failed: the nearest nullable ancestor becomes null.
#[derive(Debug)]
pub(crate) struct Bubble;

/// Whether a value was written, or its parent must be null.
pub(crate) type Done = Result<(), Bubble>;

/// Errors kept per response; a list of ten thousand broken rows says so once in a hundred lines.
const ERRORS_MAX: usize = 100;

/// Answers of async-graphql to introspection fields, as JSON by response key.
pub(crate) type Introspected = HashMap<String, Vec<u8>>;

/// Bounds of one walk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutLimits {
    /// Bytes reserved at first.
    pub(crate) capacity: usize,
    /// Bytes at most.
    pub(crate) bytes_max: usize,
    /// Objects at most.
    pub(crate) objects_max: usize,
}

/// The state of one walk.
pub(crate) struct Out<'a> {
    /// The bytes so far.
    pub(crate) buf: Vec<u8>,
    /// Errors so far; their paths are collected leaf first while the walk unwinds.
    pub(crate) errors: Vec<ServerError>,
    /// Arguments that hold variables, parsed for this request.
    pub(crate) slots: &'a Slots,
    /// Answers to `__schema` and `__type`, by response key.
    pub(super) introspection: &'a Introspected,
    /// Bytes and objects that may still be written.
    bytes_max: usize,
    objects_max: usize,
    objects_left: usize,
    /// Units of the fields that cost more than their objects.
    pub(super) spent: u64,
}

impl<'a> Out<'a> {
    /// An empty buffer for one walk of a prepared operation.
    pub(crate) fn new(prepared: (&'a Slots, &'a Introspected), limits: OutLimits) -> Self {
        let (slots, introspection) = prepared;
        Self {
            buf: Vec::with_capacity(limits.capacity),
            errors: Vec::new(),
            slots,
            introspection,
            bytes_max: limits.bytes_max,
            objects_max: limits.objects_max,
            objects_left: limits.objects_max,
            spent: 0,
        }
    }

    /// What was written cost, in the units of the estimate.
    pub(crate) fn cost(&self) -> u64 {
        self.spent + (self.objects_max - self.objects_left) as u64
    }

    /// Writes bytes that are JSON already.
    #[inline]
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// Writes a text as a JSON string.
    #[inline]
    pub(crate) fn str(&mut self, text: &str) {
        escape(&mut self.buf, text);
    }

    /// Counts one object; fails when the response has grown beyond its bounds.
    #[inline]
    pub(super) fn charge(&mut self) -> Done {
        if self.objects_left == 0 {
            return Err(self.too_large());
        }
        self.objects_left -= 1;
        Ok(())
    }

    /// Fails when the response has grown beyond its bounds. Asked before each field: one object
    /// may select the same long text a thousand times under other names.
    #[inline]
    pub(super) fn check_size(&mut self) -> Done {
        if self.buf.len() > self.bytes_max {
            return Err(self.too_large());
        }
        Ok(())
    }

    #[cold]
    fn too_large(&mut self) -> Bubble {
        self.fail(
            "RESPONSE_TOO_LARGE",
            "The response is larger than this server allows: ask for smaller pages (`first`, \
             `last`) or fewer nested lists.",
        )
    }

    /// Runs `f` below the path segment that `segment` makes; nothing is paid where nothing fails.
    #[inline]
    pub(super) fn at(
        &mut self,
        segment: impl Fn() -> PathSegment,
        f: impl FnOnce(&mut Self) -> Done,
    ) -> Done {
        let before = self.errors.len();
        let done = f(self);
        for error in self.errors.iter_mut().skip(before) {
            error.path.push(segment());
        }
        done
    }

    /// Notes that the present value is missing, and writes null where that is allowed.
    pub(super) fn absent(&mut self, failure: Failure<'_>, nullable: bool) -> Done {
        let bubble = self.fail(failure.code, failure.message);
        if !nullable {
            return Err(bubble);
        }
        self.raw(b"null");
        Ok(())
    }

    /// Notes an error at the present place; the value is the caller's to null.
    pub(crate) fn fail(&mut self, code: &str, message: impl Into<String>) -> Bubble {
        if self.errors.len() < ERRORS_MAX {
            let mut error = ServerError::new(message, None);
            let mut extensions = ErrorExtensionValues::default();
            extensions.set("code", code);
            error.extensions = Some(extensions);
            self.errors.push(error);
        }
        Bubble
    }
}
