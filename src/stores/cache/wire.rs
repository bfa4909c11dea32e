//! The bytes below `codec`: numbers of variable length, texts, keys, and the sealed envelope that
//! tells our bytes from cut off, changed or foreign ones. Knows nothing of sessions.
//!
//! Nothing here panics on any input: a reader past the end, a length beyond it or a broken text is
//! `None`.

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::domain::Uid;

/// Version of everything that is written here. It is in each envelope and in the names of shared
/// caches' keys: raise it with any change, and two versions of turngraph live side by side.
pub const FORMAT: u8 = 1;

/// Longest content that an envelope may unfold to. Above every limit of entries, and below what
/// one answer may take of memory.
const CONTENT_MAX: usize = 64 * 1024 * 1024;

/// Content shorter than this is not worth packing.
const PACK_FROM: usize = 512;

const MAGIC: [u8; 2] = *b"tg";
const PLAIN: u8 = 0;
const LZ4: u8 = 1;
/// Magic, format, packing, kind, checksum.
pub(super) const HEAD: usize = 2 + 1 + 1 + 1 + 8;

/// Content in an envelope: `kind` says to the caller what it is.
pub(super) fn seal(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + content.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[FORMAT, PLAIN, kind]);
    out.extend_from_slice(&[0; 8]);
    if content.len() >= PACK_FROM {
        let packed = lz4_flex::block::compress_prepend_size(content);
        if packed.len() < content.len() {
            out[3] = LZ4;
            out.extend_from_slice(&packed);
        }
    }
    if out[3] == PLAIN {
        out.extend_from_slice(content);
    }
    resealed(out)
}

/// An envelope with the checksum of what it holds.
pub(super) fn resealed(mut envelope: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&envelope);
    envelope[5..HEAD].copy_from_slice(&sum.to_le_bytes());
    envelope
}

/// Kind and content of an envelope; `None` when it is not one of ours, whole and unchanged.
pub(super) fn unseal(bytes: &[u8]) -> Option<(u8, Vec<u8>)> {
    let head = bytes.get(..HEAD)?;
    let sum = u64::from_le_bytes(head[5..].try_into().ok()?);
    if head[..2] != MAGIC || head[2] != FORMAT || sum != checksum(bytes) {
        return None;
    }
    let body = &bytes[HEAD..];
    let content = match head[3] {
        PLAIN => body.to_vec(),
        LZ4 => {
            let length = u32::from_le_bytes(body.get(..4)?.try_into().ok()?);
            // The length allocates, so it is believed only within the limit.
            if usize::try_from(length).ok()? > CONTENT_MAX {
                return None;
            }
            lz4_flex::block::decompress_size_prepended(body).ok()?
        }
        _ => return None,
    };
    Some((head[4], content))
}

/// Over everything but the checksum itself.
fn checksum(envelope: &[u8]) -> u64 {
    let seed = xxh3_64(&envelope[..5]);
    xxh3_64(&envelope[HEAD..]) ^ seed.rotate_left(32)
}

/// Appends values to a buffer.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    /// Seven bits a byte, lowest first.
    pub(super) fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Small numbers of either sign are short.
    pub(super) fn signed(&mut self, value: i64) {
        self.unsigned(((value << 1) ^ (value >> 63)) as u64);
    }

    pub(super) fn count(&mut self, count: usize) {
        self.unsigned(count as u64);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A key: a UUID in its usual form takes 17 bytes, other text its length and one.
    pub(super) fn uid(&mut self, uid: &Uid) {
        let text = uid.as_str();
        let mut buffer = Uuid::encode_buffer();
        match Uuid::try_parse(text) {
            Ok(uuid) if *uuid.hyphenated().encode_lower(&mut buffer) == *text => {
                self.0.push(0);
                self.0.extend_from_slice(uuid.as_bytes());
            }
            _ => self.text(text),
        }
    }
}

/// Takes values off the front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit only.
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(super) fn small(&mut self) -> Option<i32> {
        i32::try_from(self.signed()?).ok()
    }

    /// A number of things of at least `each` bytes: one that cannot fit into the rest is refused,
    /// so that it may be allocated for.
    pub(super) fn count(&mut self, each: usize) -> Option<usize> {
        let count = usize::try_from(self.unsigned()?).ok()?;
        (count <= self.0.len() / each).then_some(count)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = self.count(1)?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }

    pub(super) fn uid(&mut self) -> Option<Uid> {
        match self.count(1)? {
            0 => {
                let uuid = Uuid::from_slice(self.bytes(16)?).ok()?;
                let mut buffer = Uuid::encode_buffer();
                Some(Uid::stored(&*uuid.hyphenated().encode_lower(&mut buffer)))
            }
            length => Uid::parse(std::str::from_utf8(self.bytes(length)?).ok()?).ok(),
        }
    }
}
