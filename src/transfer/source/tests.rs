//! Layouts, faults and refusals, each across the border of a tiny buffer.

use super::*;

fn read(bytes: &[u8]) -> Result<Vec<Result<String, String>>, String> {
    // A tiny buffer makes every element cross its border.
    let reader = io::BufReader::with_capacity(8, bytes);
    let mut elements = Elements::open(reader).unwrap()?;
    let mut all = Vec::new();
    while let Some(next) = elements.next().unwrap() {
        all.push(match next {
            Ok(element) => Ok(format!("{}:{}", element.label, element.text.trim())),
            Err(fault) => Err(fault.label),
        });
    }
    Ok(all)
}

fn ok(texts: &[&str]) -> Vec<Result<String, String>> {
    texts.iter().map(|text| Ok((*text).to_owned())).collect()
}

#[test]
fn arrays_lines_and_objects_are_cut_into_elements() {
    let array = br#"[{"a":"]},{\"["} , {"b":[1,{}]},7,"x" ]"#;
    let of = [
        r#"entry 1:{"a":"]},{\"["}"#,
        r#"entry 2:{"b":[1,{}]}"#,
        "entry 3:7",
        r#"entry 4:"x""#,
    ];
    assert_eq!(read(array).unwrap(), ok(&of));
    assert_eq!(read(b"[]").unwrap(), []);
    let lines = b"{\"a\":1}\n\n{\"b\":2}\n";
    assert_eq!(
        read(lines).unwrap(),
        ok(&["line 1:{\"a\":1}", "line 3:{\"b\":2}"])
    );
    let object = b"{\n \"a\": {\n}}\n";
    assert_eq!(read(object).unwrap(), ok(&[":{\n \"a\": {\n}}"]));
    let row = b"{\"a\":\n1}{\"b\":2}{\n}";
    assert_eq!(
        read(row).unwrap(),
        ok(&[":{\"a\":\n1}", "entry 2:{\"b\":2}", "entry 3:{\n}"])
    );
    assert_eq!(read(b"\xef\xbb\xbf [{}]").unwrap(), ok(&["entry 1:{}"]));
}

#[test]
fn what_is_cut_off_is_a_fault_and_what_stands_before_it_is_read() {
    let cut = |label: &str| Err(label.to_owned());
    assert_eq!(
        read(b"[{\"a\":1},{\"b").unwrap(),
        [ok(&["entry 1:{\"a\":1}"]), vec![cut("entry 2")]].concat()
    );
    assert_eq!(
        read(b"[{\"a\":1}").unwrap(),
        [ok(&["entry 1:{\"a\":1}"]), vec![cut("entry 2")]].concat()
    );
    assert_eq!(
        read(b"{\"a\":1}\n{\"b").unwrap(),
        [ok(&["line 1:{\"a\":1}"]), vec![cut("line 2")]].concat()
    );
    assert_eq!(read(b"{\"a\":\n1").unwrap(), [cut("")]);
    assert_eq!(read(b"{\"a\":1").unwrap(), [cut("")]);
    assert_eq!(
        read(b"[{}]x").unwrap(),
        [ok(&["entry 1:{}"]), vec![cut("end")]].concat()
    );
    assert_eq!(
        read(b"[{},\"\xff\"]").unwrap(),
        [ok(&["entry 1:{}"]), vec![cut("entry 2")]].concat()
    );
}

#[test]
fn a_broken_line_does_not_take_the_next_one_with_it() {
    let lines = read(b"{\"a\":1}\n{\"b\":\n{\"c\":3}\n").unwrap();
    assert_eq!(
        lines,
        ok(&["line 1:{\"a\":1}", "line 2:{\"b\":", "line 3:{\"c\":3}"])
    );
}

#[test]
fn files_that_are_no_json_are_refused_with_what_to_do() {
    for (bytes, part) in [
        (&b""[..], "empty"),
        (b" \n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"\x1f\x8b\x08", "gunzip"),
        (b"PK\x03\x04", "conversations.json"),
        (b"\xff\xfe[\0", "UTF-16"),
        (b"SQLite format 3\0", "turngraph export"),
        (b"<html>", "not JSON"),
    ] {
        let reason = read(bytes).unwrap_err();
        assert!(reason.contains(part), "{reason}");
    }
}
