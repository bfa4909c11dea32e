//! `Note`: what is kept beside the offset of the consumer group, in Kafka.

use super::transaction::Ended;
use crate::domain::Timestamp;

/// What is kept beside the offset of the group.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) store: String,
    pub(super) ended: Ended,
}

impl Note {
    pub(super) fn to_text(&self) -> String {
        let Ended { position, at } = self.ended;
        format!("1 {position} {} {}", at.0, self.store)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("1 ")?.splitn(3, ' ');
        let position = parts.next()?.parse().ok()?;
        let at = Timestamp(parts.next()?.parse().ok()?);
        Some(Self {
            ended: Ended { position, at },
            store: parts.next()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_go_there_and_back() {
        let note = Note {
            store: "7412 5.1".to_owned(),
            ended: Ended {
                position: 0x16_B374_D848,
                at: Timestamp(-5),
            },
        };
        assert_eq!(Note::parse(&note.to_text()), Some(note));
        for text in ["", "1", "1 2", "1 2 x y", "2 1 1 s"] {
            assert_eq!(Note::parse(text), None, "{text}");
        }
    }
}
