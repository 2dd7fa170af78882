//! Which lines of a log tell of an error, and how loudly.
//!
//! Words are matched whole and judged with their neighbours: "0 errors", `error=null`, "no errors" and "latest" tell
//! nothing. A line that calls itself INFO or DEBUG has to say something grave to be heard.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// How loudly a line speaks. The order is the order of weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// It tells nothing of an error.
    None,
    /// Something went wrong.
    Error,
    /// It ended by this: a panic, a fatal error, no memory, a traceback.
    Grave,
}

/// Ends of processes.
const GRAVE: [&str; 14] = [
    "panic",
    "panicked",
    "fatal",
    "traceback",
    "segfault",
    "oom",
    "oomkilled",
    "outofmemoryerror",
    "emerg",
    "emergency",
    "crit",
    "critical",
    "sigsegv",
    "sigabrt",
];

/// Things that go wrong, in the languages in which C libraries and common servers print them.
const ERRORS: [&str; 93] = [
    "error",
    "errors",
    "err",
    "errno",
    "eror",
    "exception",
    "exceptions",
    "severe",
    "fail",
    "fails",
    "failed",
    "failing",
    "failure",
    "failures",
    "refused",
    "denied",
    "rejected",
    "forbidden",
    "unauthorized",
    "cannot",
    "unable",
    "missing",
    "invalid",
    "unreachable",
    "timeout",
    "aborted",
    "aborting",
    "abort",
    "crash",
    "crashed",
    "crashing",
    "killed",
    "corrupt",
    "corrupted",
    "unhandled",
    "uncaught",
    "unexpected",
    "undefined",
    "unresolved",
    "deadlock",
    "exhausted",
    "violation",
    "enoent",
    "eacces",
    "eperm",
    "enomem",
    "enospc",
    "econnrefused",
    "econnreset",
    "eaddrinuse",
    "etimedout",
    "ehostunreach",
    "emfile",
    "epipe",
    "enotfound",
    "erofs",
    "einval",
    // German, French, Spanish, Italian, Portuguese, Dutch, Polish, Turkish, Swedish
    "fehler",
    "fehlgeschlagen",
    "verweigert",
    "ungültig",
    "erreur",
    "échec",
    "échoué",
    "refusé",
    "refusée",
    "introuvable",
    "impossible",
    "fallo",
    "falló",
    "denegado",
    "rechazada",
    "errore",
    "impossibile",
    "negato",
    "rifiutata",
    "erro",
    "falha",
    "falhou",
    "negado",
    "recusada",
    "fout",
    "mislukt",
    "geweigerd",
    "błąd",
    "odmowa",
    "hata",
    "başarısız",
    "reddedildi",
    // Russian, Ukrainian
    "ошибка",
    "отказано",
    "помилка",
    "сбой",
];

static ERROR_WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| ERRORS.into_iter().collect());

/// Words of languages that put no space between words.
const UNSPACED: [&str; 17] = [
    "错误",
    "錯誤",
    "失败",
    "失敗",
    "拒绝",
    "拒絕",
    "异常",
    "無法",
    "无法",
    "エラー",
    "例外",
    "拒否",
    "できません",
    "오류",
    "실패",
    "거부",
    "에러",
];

/// Several words that tell only together.
const GRAVE_PHRASES: [&str; 7] = [
    "out of memory",
    "segmentation fault",
    "core dumped",
    "stack overflow",
    "killed process",
    "double free",
    "unhandled exception",
];
const ERROR_PHRASES: [&str; 18] = [
    "not found",
    "certificate problem",
    "unknown user",
    "already exists",
    "no such file",
    "no space left",
    "could not",
    "couldn't",
    "can't",
    "can not",
    "timed out",
    "broken pipe",
    "already in use",
    "caused by:",
    "connection reset",
    "read-only file system",
    "no route to host",
    "не удалось",
];

/// The phrases by their first word.
static PHRASES: LazyLock<HashMap<&str, Vec<(&str, Weight)>>> = LazyLock::new(|| {
    let grave = GRAVE_PHRASES.into_iter().map(|phrase| (phrase, Weight::Grave));
    let errors = ERROR_PHRASES.into_iter().map(|phrase| (phrase, Weight::Error));
    let mut by_first: HashMap<&str, Vec<(&str, Weight)>> = HashMap::new();
    for (phrase, weight) in grave.chain(errors) {
        by_first.entry(words(phrase).next().map_or("", |(_, word)| word)).or_default().push((phrase, weight));
    }
    by_first
});

/// How loudly `line` speaks, and where the word stands that makes it (a byte offset).
pub(crate) fn weigh(line: &str) -> (Weight, usize) {
    let lower = lowered(line);
    let level = level(&lower);
    let heard = if level == Level::Low { Weight::Grave } else { Weight::Error };
    let mut best = match level {
        Level::Fatal => (Weight::Grave, 0),
        Level::Error => (Weight::Error, 0),
        Level::Low | Level::Unknown => (Weight::None, 0),
    };
    let mut louder = |weight: Weight, at: usize| {
        if weight >= heard && weight > best.0 {
            best = (weight, at);
        }
    };
    for (at, word) in words(&lower) {
        let original = line.get(at..at + word.len()).unwrap_or_default();
        let weight = weight_of(word, original);
        if weight != Weight::None && !is_name(&lower, at, original) && !is_denied(&lower, at, word) {
            louder(weight, at);
        }
        for (phrase, weight) in PHRASES.get(word).into_iter().flatten() {
            if lower[at..].starts_with(phrase) && stands_alone(&lower, at, phrase) {
                louder(*weight, at);
            }
        }
    }
    if !lower.is_ascii() {
        for word in UNSPACED {
            if let Some(at) = lower.find(word) {
                louder(Weight::Error, at);
            }
        }
    }
    best
}

/// Whether a line calls itself a warning.
pub(crate) fn is_warning(line: &str) -> bool {
    let lower = lowered(line);
    words(&lower).take(6).any(|(at, word)| matches!(word, "warn" | "warning" | "wrn") && is_mark(&lower, at, word))
}

/// Lower case letter by letter, so that offsets stay those of the line; a letter that changes its length is left.
fn lowered(line: &str) -> String {
    if line.is_ascii() {
        return line.to_ascii_lowercase();
    }
    line.chars()
        .map(|c| {
            let mut lower = c.to_lowercase();
            match (lower.next(), lower.next()) {
                (Some(small), None) if small.len_utf8() == c.len_utf8() => small,
                _ => c,
            }
        })
        .collect()
}

fn weight_of(lower: &str, original: &str) -> Weight {
    if GRAVE.contains(&lower) {
        return Weight::Grave;
    }
    if ERROR_WORDS.contains(lower) {
        return Weight::Error;
    }
    // `ValueError`, `NullPointerException`, `ImagePullBackOff`-like names of errors are written in one word.
    let of_class = ["Error", "Exception", "Failure", "Fault"]
        .iter()
        .any(|end| original.strip_suffix(end).is_some_and(|stem| stem.starts_with(|c: char| c.is_ascii_uppercase())));
    // `ERR_CONNECTION_REFUSED`, `ER_ACCESS_DENIED_ERROR`.
    let screamed = original.contains('_')
        && !original.contains(|c: char| c.is_lowercase())
        && (original.starts_with("ERR_")
            || ["_ERROR", "_DENIED", "_REFUSED", "_FAILED"].iter().any(|end| original.ends_with(end)));
    if of_class || screamed { Weight::Error } else { Weight::None }
}

fn words(lower: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + lower[at..].find(is_word)?;
        let end = start + lower[start..].find(|c| !is_word(c)).unwrap_or(lower.len() - start);
        at = end;
        Some((start, &lower[start..end]))
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn stands_alone(lower: &str, at: usize, phrase: &str) -> bool {
    !lower[..at].ends_with(is_word) && !lower[at + phrase.len()..].starts_with(is_word)
}

/// A part of a path, a file's name or an option: `/var/log/error.log`, `--on-error`.
fn is_name(lower: &str, at: usize, original: &str) -> bool {
    let (before, after) = (&lower[..at], &lower[at + original.len()..]);
    let of_class = original.starts_with(char::is_uppercase) && original.contains(char::is_lowercase);
    let in_path =
        before.ends_with(['/', '-', '\\', '@']) || (before.ends_with('.') && !of_class && !before.ends_with(".."));
    let sentence_end = |c: char| !is_word(c);
    let file = after.strip_prefix('.').is_some_and(|tail| !tail.is_empty() && !tail.starts_with(sentence_end));
    in_path || file || after.starts_with('/') || after.starts_with("-free")
}

/// "0 errors", "no errors", `error=null`, `"errors":0`, `failed: 0`.
fn is_denied(lower: &str, at: usize, word: &str) -> bool {
    let before = lower[..at].trim_end_matches([' ', '"', '(', '[']);
    let (rest, last) = before.rfind(|c| !is_word(c)).map_or(("", before), |cut| {
        let width = before[cut..].chars().next().map_or(1, char::len_utf8);
        (&before[..cut], &before[cut + width..])
    });
    let spaced = before.len() < at;
    // "0 errors" and ", 0 failed", but neither "5.0 errors" nor "worker 0 failed".
    let counted = word.ends_with('s') || !rest.trim_end().ends_with(char::is_alphabetic);
    let none = spaced
        && (matches!(last, "no" | "zero" | "without" | "kein" | "keine" | "sans" | "sin" | "never" | "not")
            || (last == "0" && counted && !before.ends_with(".0"))
            || (matches!(last, "any" | "an") && (rest.ends_with("without") || rest.ends_with("not"))));
    none || is_nothing(&lower[at + word.len()..])
}

/// `=null`, `: 0`, `":""`, `=<nil>`, `(0)`: a value that says that there is none.
fn is_nothing(after: &str) -> bool {
    let inner = after.trim_start_matches(['"', '\'', '\\', ' ']);
    let Some(value) = inner.strip_prefix(['=', ':', '(']) else { return false };
    let value = value.trim_start_matches([' ', '=']);
    let nothing =
        ["null", "none", "nil", "<nil>", "false", "undefined", "0", "\"\"", "''", "\"0\"", "[]", "{}", "\\\"\\\""];
    nothing.iter().any(|nothing| {
        value.strip_prefix(nothing).is_some_and(|tail| !tail.starts_with(|c: char| is_word(c) || c == '.'))
    }) || (value.is_empty() && inner.starts_with('='))
}

/// The level that a line gives itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Unknown,
    /// Info or below.
    Low,
    Error,
    Fatal,
}

/// Where in a line its level may stand when it carries no key, in bytes.
const LEVEL_WITHIN: usize = 80;

fn level(lower: &str) -> Level {
    for key in ["level", "lvl", "severity", "loglevel", "log.level"] {
        if let Some(level) = keyed_level(lower, key) {
            return level;
        }
    }
    let head = &lower[..(0..=LEVEL_WITHIN.min(lower.len())).rev().find(|n| lower.is_char_boundary(*n)).unwrap_or(0)];
    words(head)
        .filter(|(at, word)| is_mark(lower, *at, word))
        .find_map(|(_, word)| named(word))
        .unwrap_or(Level::Unknown)
}

/// `level=error`, `"level":"info"`, `"level":50` (pino counts in tens, from trace = 10).
fn keyed_level(lower: &str, key: &str) -> Option<Level> {
    let at = lower.find(key).filter(|at| !lower[..*at].ends_with(is_word))?;
    let after = lower[at + key.len()..].trim_start_matches(['"', '\'', '\\', ' ']);
    let value = after.strip_prefix([':', '='])?.trim_start_matches(['"', '\'', '\\', ' ']);
    let value = &value[..value.find(|c| !is_word(c)).unwrap_or(value.len())];
    named(value).or(match value.parse::<u32>() {
        Ok(10..=39) => Some(Level::Low),
        Ok(50..=59) => Some(Level::Error),
        Ok(60..=69) => Some(Level::Fatal),
        Ok(_) | Err(_) => None,
    })
}

fn named(word: &str) -> Option<Level> {
    match word {
        "info" | "information" | "debug" | "trace" | "notice" | "dbug" | "inf" | "dbg" | "log" => Some(Level::Low),
        "error" | "err" | "eror" | "severe" => Some(Level::Error),
        "fatal" | "crit" | "critical" | "emerg" | "panic" | "alert" => Some(Level::Fatal),
        "warn" | "warning" | "wrn" => Some(Level::Unknown),
        _ => None,
    }
}

/// A word that is a mark rather than a part of a sentence: `[error]`, `INFO:`, `<debug>`, `| info |`, or the line's first
/// word but for times.
fn is_mark(lower: &str, at: usize, word: &str) -> bool {
    let (before, after) = (&lower[..at], &lower[at + word.len()..]);
    if is_denied(lower, at, word) {
        return false;
    }
    let enclosed = before.ends_with(['[', '<', '|', '(']) && after.starts_with([']', '>', '|', ')']);
    let spaced = before.trim_end().ends_with('|') && after.trim_start().starts_with('|');
    let first = !before.contains(|c: char| c.is_alphabetic() && c != 't' && c != 'z');
    let alone = first && after.starts_with([':', ' ', ']', '\t', '|']) && !before.ends_with('/');
    enclosed || spaced || alone || (after.starts_with(':') && before.ends_with("]: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expect: Weight, lines: &[&str]) {
        for line in lines {
            assert_eq!(weigh(line).0, expect, "{line}");
        }
    }

    #[test]
    fn errors_are_heard() {
        check(
            Weight::Error,
            &[
                "error: cannot open /etc/app.conf",
                "dial tcp 10.0.0.7:5432: connect: connection refused",
                "permission denied",
                "bind: address already in use",
                "ValueError: invalid literal for int()",
                "Caused by: java.net.ConnectException: Connection refused",
                "java.lang.NullPointerException",
                "time=12 level=error msg=\"lost the database\"",
                r#"{"level":50,"msg":"boom"}"#,
                "[ERROR] lost the database",
                "2026-11-23T15:04:05Z ERROR lost the database",
                "3 errors",
                "errors=3",
                "10 errors, 5.0 error rate",
                "npm ERR! code ELIFECYCLE",
                "net::ERR_CONNECTION_REFUSED",
                "Error: listen EADDRINUSE: :::8080",
                "exec /app: no such file or directory",
                "sh: foo: not found",
                "the latest pull ended in an error",
                "WARN: could not reach the cache",
                "missing environment variable SHOP_URL",
                "Fehler: Verbindung verweigert",
                "erreur: fichier introuvable",
                "ошибка: не удалось подключиться",
                "エラー: 接続できません",
                "数据库连接失败",
                "BŁĄD: odmowa dostępu",
                "worker 0 failed",
                "error",
                "Killed",
            ],
        );
    }

    #[test]
    fn ends_are_heard_above_errors_and_whatever_the_level() {
        check(
            Weight::Grave,
            &[
                "panic: runtime error: index out of range",
                "thread 'main' panicked at src/main.rs:2:5:",
                "FATAL:  password authentication failed for user \"app\"",
                "Traceback (most recent call last):",
                "java.lang.OutOfMemoryError: Java heap space",
                "fatal error: out of memory",
                "Segmentation fault (core dumped)",
                "level=info msg=\"panic: everything is lost\"",
                r#"{"severity":"CRITICAL","message":"x"}"#,
            ],
        );
    }

    #[test]
    fn what_denies_an_error_or_only_names_one_is_not_heard() {
        check(
            Weight::None,
            &[
                "pulled latest image",
                "contest started",
                "0 errors",
                "finished with 0 errors, 0 failed",
                "no errors found",
                "completed without errors",
                "not an error",
                "error=null",
                "err=<nil> took=5ms",
                r#"{"error":null,"errors":0,"failed":[],"err":""}"#,
                "failed: 0, passed: 12",
                "errors (0)",
                "level=info msg=\"retrying after error\"",
                "2026-11-23 12:00:00 INFO connection refused, will retry",
                "[debug] cannot find it in the cache",
                "logging to /var/log/error.log",
                "GET /errors/404.html 200",
                "started with --on-error=retry",
                "error_handler registered; stderr is open",
                "an error-free run",
                "terror mirror",
                "ready to accept connections",
                "",
            ],
        );
    }

    #[test]
    fn the_place_of_the_word_is_a_boundary_in_the_line_itself() {
        let line = "İstanbul ÉÉ: bağlantı REFUSED";
        let (weight, at) = weigh(line);
        assert_eq!((weight, &line[at..]), (Weight::Error, "REFUSED"));
    }
}
