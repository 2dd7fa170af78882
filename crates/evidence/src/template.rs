//! The shape of a line: what is left when numbers, ids, addresses and times are masked. Two lines of one shape say the
//! same thing.

/// The longest shape that is compared, in bytes.
const SHAPE_BYTES_MAX: usize = 300;

/// Letters alone are taken for a hexadecimal id from this length on: no ordinary word is so long and of these letters.
const HEX_WORD_MIN: usize = 8;

/// The shape of `line`.
pub(crate) fn shape(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if out.len() >= SHAPE_BYTES_MAX {
            break;
        }
        if !first.is_alphanumeric() {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if varies(word) {
            mask(&mut out);
        } else {
            out.push_str(word);
        }
        rest = after;
    }
    out
}

fn varies(word: &str) -> bool {
    word.chars().any(char::is_numeric) || (word.len() >= HEX_WORD_MIN && word.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Adds a mask, and lets it swallow one that stands directly before it: a time, an address or a uuid has many parts.
fn mask(out: &mut String) {
    let joined = out.strip_suffix([':', '.', '-', '+', ',', '/']).is_some_and(|before| before.ends_with('#'));
    if joined {
        out.pop();
    } else {
        out.push('#');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_say_the_same_have_one_shape() {
        let table = [
            ("request 17 took 5ms", "request # took #"),
            ("2026-11-23T15:04:05.123Z dial 10.0.0.7:5432: refused", "# dial #: refused"),
            ("job 6f1c2a34-0b7d-4f5e-9a10-3c2b1a0d9e8f failed", "job # failed"),
            ("commit deadbeef by ada", "commit # by ada"),
            ("endpoint web (0c9f3a1b7d2e5f80): port is taken", "endpoint web (#): port is taken"),
            ("fd00::1 is a decade away", "#::# is a decade away"),
            ("ошибка 42 в модуле", "ошибка # в модуле"),
        ];
        for (line, expect) in table {
            assert_eq!(shape(line), expect);
        }
        assert_eq!(shape("worker 3 died at 12:00:01"), shape("worker 12 died at 07:30:59"));
        assert_ne!(shape("worker 3 died"), shape("worker 3 started"));
    }
}
