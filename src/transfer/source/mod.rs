//! Elements of a file: the entries of a JSON array, the lines of a JSONL file, or one object.
//!
//! Elements are cut out one by one without building a tree, so that a file of gigabytes needs the
//! memory of its largest element, and one broken element does not take the others with it. Knows
//! nothing of conversations.

#[cfg(test)]
mod tests;

use std::io::{self, BufRead};

use super::text::{Scan, is_space};

/// One element of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transfer) struct Element {
    /// Where it stands, e.g. `line 3`; empty where the file is one object.
    pub label: String,
    /// Its JSON text.
    pub text: String,
    /// Bytes of the file up to its end.
    pub end: u64,
}

/// Something in a file that is no element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transfer) struct Fault {
    /// Where, as in [`Element::label`].
    pub label: String,
    /// What is wrong and what to do.
    pub reason: String,
}

/// How the elements of a file are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// `[{…}, {…}]`
    Array,
    /// One object a line.
    Lines,
    /// One object over many lines, or several in a row.
    Values,
}

/// The elements of a file in their order.
pub(in crate::transfer) struct Elements<R> {
    reader: R,
    layout: Layout,
    /// The first line, where it was read to tell the layout.
    pending: Option<Vec<u8>>,
    index: usize,
    end: u64,
    done: bool,
}

impl<R: BufRead> Elements<R> {
    /// Looks at the beginning of a file. Fails with one sentence that says what the file is
    /// instead and what to do.
    pub(in crate::transfer) fn open(mut reader: R) -> io::Result<Result<Self, String>> {
        let head = reader.fill_buf()?;
        if let Some(reason) = refused(head) {
            return Ok(Err(reason));
        }
        let bom = head.starts_with(b"\xef\xbb\xbf");
        let mut elements = Self {
            reader,
            layout: Layout::Values,
            pending: None,
            index: 0,
            end: 0,
            done: false,
        };
        if bom {
            elements.take(3);
        }
        let first = elements.skip_space()?;
        match first {
            None => return Ok(Err("the file is empty; export it again".to_owned())),
            Some(b'[') => {
                elements.take(1);
                elements.layout = Layout::Array;
            }
            Some(b'{') => elements.tell_lines()?,
            Some(_) => {
                let reason = "the file is not JSON: it begins with neither `[` nor `{`; give a \
                              JSON or JSONL export";
                return Ok(Err(reason.to_owned()));
            }
        }
        Ok(Ok(elements))
    }

    /// Lines if the first line is a whole object.
    fn tell_lines(&mut self) -> io::Result<()> {
        let mut line = Vec::new();
        self.end += self.reader.read_until(b'\n', &mut line)? as u64;
        let mut scan = Scan::default();
        let whole = line.iter().position(|&byte| scan.ends_value(byte));
        let rest = whole.map_or(&[][..], |at| &line[at + 1..]);
        if whole.is_some() && rest.iter().all(|&byte| is_space(byte)) {
            self.layout = Layout::Lines;
        }
        self.pending = Some(line);
        Ok(())
    }

    fn take(&mut self, bytes: usize) {
        self.reader.consume(bytes);
        self.end += bytes as u64;
    }

    /// The next byte that is no white space, not taken.
    fn skip_space(&mut self) -> io::Result<Option<u8>> {
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let spaces = buffer.iter().take_while(|&&byte| is_space(byte)).count();
            let next = buffer.get(spaces).copied();
            self.take(spaces);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    /// The next element; none at the end of the file. After a fault the elements go on where
    /// that is possible.
    pub(in crate::transfer) fn next(&mut self) -> io::Result<Option<Result<Element, Fault>>> {
        if self.done {
            return Ok(None);
        }
        match self.layout {
            Layout::Lines => self.next_line(),
            Layout::Array => self.next_entry(),
            Layout::Values => self.next_value(),
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Result<Element, Fault>>> {
        loop {
            let mut line = self.pending.take().unwrap_or_default();
            if line.is_empty() {
                self.end += self.reader.read_until(b'\n', &mut line)? as u64;
            }
            if line.is_empty() {
                return Ok(None);
            }
            self.index += 1;
            if line.iter().all(|&byte| is_space(byte)) {
                continue;
            }
            let label = format!("line {}", self.index);
            let mut scan = Scan::default();
            let whole = line.iter().any(|&byte| scan.ends_value(byte));
            if !whole && line.last() != Some(&b'\n') {
                let reason = "the last line is cut off, the file was written only in part; what \
                              stands before it was read. Export or copy the file again";
                let reason = reason.to_owned();
                return Ok(Some(Err(Fault { label, reason })));
            }
            return Ok(Some(self.element(label, line)));
        }
    }

    fn next_entry(&mut self) -> io::Result<Option<Result<Element, Fault>>> {
        let label = |index: usize| format!("entry {index}");
        loop {
            match self.skip_space()? {
                Some(b',') => self.take(1),
                Some(b']') => {
                    self.take(1);
                    self.done = true;
                    return Ok(self.skip_space()?.map(|_| {
                        let reason = "there is text after the end of the list, which was not read";
                        let reason = reason.to_owned();
                        Err(Fault {
                            label: "end".to_owned(),
                            reason,
                        })
                    }));
                }
                Some(_) => break,
                None => return Ok(Some(Err(self.cut_off(label(self.index + 1))))),
            }
        }
        self.index += 1;
        let label = label(self.index);
        match self.value(Vec::new())? {
            Some(bytes) => Ok(Some(self.element(label, bytes))),
            None => Ok(Some(Err(self.cut_off(label)))),
        }
    }

    fn next_value(&mut self) -> io::Result<Option<Result<Element, Fault>>> {
        let begun = self.pending.take().unwrap_or_default();
        if begun.is_empty() && self.skip_space()?.is_none() {
            return Ok(None);
        }
        self.index += 1;
        let label = match self.index {
            1 => String::new(),
            index => format!("entry {index}"),
        };
        match self.value(begun)? {
            Some(bytes) => Ok(Some(self.element(label, bytes))),
            None => Ok(Some(Err(self.cut_off(label)))),
        }
    }

    /// The bytes of one value, of which `bytes` were read before; none where the file ends in it.
    fn value(&mut self, mut bytes: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
        let mut scan = Scan::default();
        if let Some(at) = bytes.iter().position(|&byte| scan.ends_value(byte)) {
            let rest = bytes.split_off(at + 1);
            self.pending = (!rest.iter().all(|&byte| is_space(byte))).then_some(rest);
            return Ok(Some(bytes));
        }
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let bare = |byte: u8| matches!(byte, b',' | b']') || is_space(byte);
            let mut used = 0;
            let mut ended = false;
            for &byte in buffer {
                if scan.is_outside() && bare(byte) && !bytes.is_empty() {
                    ended = true;
                    break;
                }
                bytes.push(byte);
                used += 1;
                if scan.ends_value(byte) {
                    ended = true;
                    break;
                }
            }
            self.take(used);
            if ended {
                return Ok(Some(bytes));
            }
        }
    }

    fn element(&self, label: String, bytes: Vec<u8>) -> Result<Element, Fault> {
        let end = self.end;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Element { label, text, end }),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let reason = format!("it is not UTF-8 text at byte {at} of it; convert the file");
                Err(Fault { label, reason })
            }
        }
    }

    fn cut_off(&mut self, label: String) -> Fault {
        self.done = true;
        let reason = "the file ends in the middle of this, it was written only in part; what \
                      stands before it was read. Export or copy the file again";
        let reason = reason.to_owned();
        Fault { label, reason }
    }
}

/// What is wrong with a file that begins so, if that shows.
fn refused(head: &[u8]) -> Option<String> {
    let reason = match head {
        [0x1f, 0x8b, ..] => "the file is compressed with gzip; unpack it first with `gunzip`",
        [b'P', b'K', 3, 4, ..] => {
            "the file is a zip archive; unpack it and give the JSON file inside, for a ChatGPT \
             export `conversations.json`"
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            "the file is compressed with zstd; unpack it first with `unzstd`"
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            "the file is UTF-16 text; convert it to UTF-8 first, e.g. with `iconv -t utf-8`"
        }
        [b'S', b'Q', b'L', b'i', b't', b'e', ..] => {
            "the file is a SQLite database; export from it first with `turngraph export`"
        }
        _ => return None,
    };
    Some(reason.to_owned())
}
