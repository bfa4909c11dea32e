//! Where a server's history forked: the `.history` file that a promotion writes.
//!
//! A promoted standby goes on with a timeline of its own from the place up to which it had the log
//! of the old one. What was read of the old log beyond that place never happened on the new.

/// The place at which the history left `timeline`; none where `timeline` is no part of it, and
/// `u64::MAX` where it never left it.
pub(super) fn left_at(history: &[u8], current: u32, timeline: u32) -> Option<u64> {
    if timeline == current {
        return Some(u64::MAX);
    }
    let text = String::from_utf8_lossy(history);
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let of: u32 = words.next()?.parse().ok()?;
        (of == timeline).then(|| words.next().and_then(parse_lsn))?
    })
}

/// Reads `16/B374D848`.
pub(super) fn parse_lsn(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let part = |hex| u32::from_str_radix(hex, 16).ok().map(u64::from);
    Some(part(high)? << 32 | part(low)?)
}

/// A position as the server writes it.
pub(super) fn shown(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xFFFF_FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_where_a_timeline_was_left_is_found() {
        let history =
            b"1\t0/3000000\tno recovery target specified\n\n# a note\n2\t1/A0\tbefore x\n";
        assert_eq!(left_at(history, 3, 1), Some(0x300_0000));
        assert_eq!(left_at(history, 3, 2), Some(0x1_0000_00A0));
        assert_eq!(left_at(history, 3, 3), Some(u64::MAX));
        assert_eq!(left_at(history, 3, 7), None);
        assert_eq!(left_at(&[0xff, b'\n', b'1'], 3, 1), None);
        assert_eq!(shown(0x1_0000_00A0), "1/A0");
        assert_eq!(parse_lsn("16/b374d848"), Some(0x16_B374_D848));
        assert_eq!(parse_lsn("x"), None);
    }
}
