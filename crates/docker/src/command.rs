//! What a container executes, where the kernel would not: it has one word, `exec format error`, for a program that was made
//! for another processor and for a script whose first line does not say what reads it. The file tells them apart, and the
//! engine shows the file whether the container runs or not.

use model::complaint::{Complaint, StartError};
use model::fact::Look;
use model::incident::Excerpt;

use evidence::escape;

use crate::host::Host;
use crate::wire::Inspect;

/// So many symbolic links are followed from a command to its file.
const LINKS_MAX: usize = 4;
/// How much of a file's archive is read, in bytes: its headers, and where it begins.
const ARCHIVE_BYTES_MAX: usize = 16 * 1024;
/// How much of a script is looked at, in bytes.
const HEAD_BYTES: usize = 64;
const NAME_BYTES_MAX: usize = 200;
/// A tar archive consists of blocks of so many bytes.
const BLOCK: usize = 512;

/// Says of a start that failed for the wrong architecture what the file says.
pub(crate) async fn tell_of_start(host: &Host, inspect: &Inspect, look: &mut Look) {
    let Some(error) = look.exit.as_mut().and_then(|exit| exit.start_error.as_mut()) else { return };
    if *error != StartError::WrongArchitecture {
        return;
    }
    if let Some(command) = script_without_reader(host, inspect).await {
        *error = StartError::NotExecutable { command };
    }
}

/// Says of an end for which a log blames the wrong architecture what the file says.
pub(crate) async fn tell_of_log(host: &Host, inspect: &Inspect, log: &mut Excerpt) {
    let blames = |complaint: &Complaint| *complaint == Complaint::WrongArchitecture;
    let mut blamed = log.lines.iter_mut().filter_map(|line| line.complaint.as_mut()).filter(|one| blames(one));
    let Some(complaint) = blamed.next_back() else { return };
    if let Some(command) = script_without_reader(host, inspect).await {
        *complaint = Complaint::NotExecutable { command };
    }
}

/// The command of a container, if its file is a script without a first line that says what reads it. `None` also where
/// that cannot be told.
async fn script_without_reader(host: &Host, inspect: &Inspect) -> Option<String> {
    // What is looked up in the image's `PATH` is not looked up here.
    let command = inspect.path.as_deref().filter(|command| command.contains('/'))?;
    let mut path = joined(inspect.config.working_dir.as_deref().unwrap_or_default(), command);
    for _ in 0..LINKS_MAX {
        match entry(&host.archive_head(&inspect.id, &path, ARCHIVE_BYTES_MAX).await.ok()?)? {
            Entry::Link(to) => path = joined(path.rsplit_once('/').map_or("", |(folder, _)| folder), &to),
            Entry::File(head) => return lacks_reader(&head).then(|| escape(command, NAME_BYTES_MAX)),
        }
    }
    None
}

/// A path as one sees it from a folder.
fn joined(folder: &str, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{folder}/{path}") }
}

/// What an archive of one file holds.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    /// A symbolic link, to there.
    Link(String),
    /// A file that begins with this.
    File(Vec<u8>),
}

/// Whether an archive is that of a symbolic link.
pub(crate) fn is_link(archive: &[u8]) -> bool {
    matches!(entry(archive), Some(Entry::Link(_)))
}

/// Reads the first file or link of a tar archive, of which only the beginning is at hand.
fn entry(archive: &[u8]) -> Option<Entry> {
    let (header, rest) = archive.split_at_checked(BLOCK)?;
    let text = |from: usize, to: usize| header[from..to].split(|byte| *byte == 0).next().unwrap_or_default();
    let size = std::str::from_utf8(text(124, 136)).ok()?;
    let size = usize::from_str_radix(size.trim(), 8).ok()?;
    match header[156] {
        // What stands before a file, and says more of it than its header has room for.
        b'x' | b'g' => entry(rest.get(size.checked_next_multiple_of(BLOCK)?..)?),
        b'2' => Some(Entry::Link(String::from_utf8(text(157, 257).to_vec()).ok()?)),
        b'0' | 0 => Some(Entry::File(rest[..rest.len().min(size).min(HEAD_BYTES)].to_vec())),
        _ => None,
    }
}

/// Whether a file is one that the kernel cannot execute, for whatever processor it was made: a text that does not begin with
/// `#!`, or nothing at all.
fn lacks_reader(head: &[u8]) -> bool {
    let is_text = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    // Where the head ends within a letter is no fault of the file.
    let whole = head.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let text = whole.len() + 4 > head.len() && whole.chars().all(is_text);
    text && !head.starts_with(b"#!")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: u8, size: usize, link: &str) -> Vec<u8> {
        let mut header = vec![0; BLOCK];
        header[..4].copy_from_slice(b"file");
        header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        header[156] = kind;
        header[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header
    }

    #[test]
    fn an_archive_tells_a_file_or_where_a_link_leads() {
        let padded = |text: &str| [text.as_bytes(), &vec![0; BLOCK - text.len()]].concat();
        let file = [header(b'0', 5, ""), padded("hello")].concat();
        let extended = [header(b'x', 3, ""), padded("a=b"), file.clone()].concat();
        let table = [
            (file, Some(Entry::File(b"hello".to_vec()))),
            (extended, Some(Entry::File(b"hello".to_vec()))),
            (header(b'0', 0, ""), Some(Entry::File(Vec::new()))),
            (header(b'2', 0, "../bin/run"), Some(Entry::Link("../bin/run".to_owned()))),
            (header(b'5', 0, ""), None),
            (header(b'x', usize::MAX >> 31, ""), None),
            (b"no archive".to_vec(), None),
        ];
        for (given, expect) in table {
            assert_eq!(entry(&given), expect);
        }
    }

    #[test]
    fn a_script_is_told_from_a_program_and_from_one_that_says_what_reads_it() {
        let table: [(&str, &[u8], bool); 9] = [
            ("a script without its first line", b"echo starting\nexec sleep 1000\n", true),
            ("a comment in its place", b"# starts the shop\nset -e\n", true),
            ("an empty line in its place", b"\n#!/bin/sh\n", true),
            ("a byte order mark before it", b"\xef\xbb\xbf#!/bin/sh\n", true),
            ("a letter that is cut", "# é".as_bytes().split_last().map_or(&[], |(_, head)| head), true),
            ("nothing", b"", true),
            ("a script that says it", b"#!/usr/bin/env python3\n", false),
            ("a program of Linux", b"\x7fELF\x02\x01\x01\0\0\0", false),
            ("a program of a Mac", b"\xcf\xfa\xed\xfe\x0c\0\0\x01", false),
        ];
        for (name, head, expect) in table {
            assert_eq!(lacks_reader(head), expect, "{name}");
        }
    }

    #[test]
    fn a_link_leads_on_from_its_folder() {
        assert_eq!(joined("/usr/local/bin", "../lib/run"), "/usr/local/bin/../lib/run");
        assert_eq!(joined("/app", "/opt/run"), "/opt/run");
        assert_eq!(joined("", "./run.sh"), "/./run.sh");
    }
}
