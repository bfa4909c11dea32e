//! What a row of PostgreSQL's log costs between the connection and the projector: decoding it and
//! mapping it to a change.
//!
//! `decode --rows N` tells N rows in transactions of 100: of ten rows one session, one human turn
//! with a prompt, two agent turns and six steps of 400 bytes. Prints the time; under callgrind the
//! instructions a row are those of two runs by difference, see `benches/README.md`.

use std::collections::VecDeque;
use std::time::Instant;

use turngraph::cdc::FeedEvent;
use turngraph::cdc::postgres::Teller;
use turngraph::cdc::rows::Table;
use turngraph::domain::Timestamp;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
const UID: &str = "01900000-0000-7000-8000-0000000000";
const TIME: &str = "2026-01-31 09:15:00.123456+00";
const REV: &str = "1769850900123456";

fn main() {
    let mut arguments = std::env::args();
    let rows = arguments
        .by_ref()
        .find(|argument| argument == "--rows")
        .and_then(|_| arguments.next())
        .and_then(|rows| rows.parse::<usize>().ok());
    let Some(rows) = rows else {
        // `cargo bench` and `cargo test --benches` start it without arguments.
        println!("usage: decode --rows N");
        return;
    };
    let mut teller = Teller::default();
    let mut out = VecDeque::new();
    for (id, table) in (0..).zip(Table::ALL) {
        let told = teller.message(&relation(id, table), NOW, &mut out);
        told.expect("a table is described");
    }
    let messages: Vec<_> = (0..100).map(|n| row(n % 10)).collect();
    let bytes: usize = messages.iter().map(Vec::len).sum();
    let begun = Instant::now();
    let mut changes = 0;
    for transaction in 0..rows / messages.len() {
        teller.begin();
        for message in &messages {
            let told = teller.message(message, NOW, &mut out);
            told.expect("a row is told");
            let count = |event: FeedEvent| usize::from(matches!(event, FeedEvent::Change(_)));
            changes += out.drain(..).map(count).sum::<usize>();
        }
        teller.commit(
            u64::try_from(transaction).expect("it is small"),
            0,
            &mut out,
        );
        out.clear();
    }
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(changes, rows / messages.len() * messages.len());
    println!(
        "rows={changes} bytes_a_row={} rows_a_second={:.0} ns_a_row={:.0}",
        bytes / messages.len(),
        changes as f64 / seconds,
        seconds * 1e9 / changes as f64
    );
}

fn relation(id: u32, table: Table) -> Vec<u8> {
    let mut message = vec![b'R'];
    message.extend(id.to_be_bytes());
    message.extend(b"public\0");
    message.extend(table.name().as_bytes());
    message.extend(b"\0d");
    message.extend((table.columns().len() as u16).to_be_bytes());
    for column in table.columns() {
        message.push(0);
        message.extend(column.as_bytes());
        message.extend([0, 0, 0, 0, 25, 0xff, 0xff, 0xff, 0xff]);
    }
    message
}

/// An inserted row, its values in the order of `Table::columns`.
fn row(n: usize) -> Vec<u8> {
    let key = format!("{UID}{n:02}");
    let key = Some(key.as_str());
    let text = format!("{{\"text\":\"{}\"}}", "some words of an answer ".repeat(16));
    let prompt = "a question of some words ".repeat(8);
    let (time, rev) = (Some(TIME), Some(REV));
    let (table, values): (Table, Vec<Option<&str>>) = match n {
        0 => (
            Table::Sessions,
            vec![
                key,
                key,
                Some("A title"),
                time,
                None,
                key,
                Some("12"),
                time,
                None,
                rev,
            ],
        ),
        1 => (
            Table::HumanTurns,
            vec![
                key,
                key,
                key,
                key,
                Some("4"),
                time,
                None,
                rev,
                Some(&prompt),
            ],
        ),
        2 | 3 => {
            let mut values = vec![key, key, key, key, Some("5"), time, None, rev];
            values.extend([Some("t"), Some("a-model"), Some("complete"), time, None]);
            (Table::AgentTurns, values)
        }
        _ => (
            Table::Steps,
            vec![
                key,
                Some("0"),
                Some("1"),
                Some(&text),
                time,
                key,
                Some("5"),
                rev,
            ],
        ),
    };
    let id = Table::ALL.iter().position(|known| *known == table);
    let mut message = vec![b'I'];
    message.extend((id.expect("every table is known") as u32).to_be_bytes());
    message.push(b'N');
    message.extend((values.len() as u16).to_be_bytes());
    for value in values {
        match value {
            None => message.push(b'n'),
            Some(text) => {
                message.push(b't');
                message.extend((text.len() as u32).to_be_bytes());
                message.extend(text.as_bytes());
            }
        }
    }
    message
}
