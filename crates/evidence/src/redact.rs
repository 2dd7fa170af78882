//! Secrets are taken out before anything is kept, shown or sent.
//!
//! One pass over the text, from word to word. A word is judged as a whole: `db_password=` names a secret, `tokenizer=`
//! and `max_tokens=` do not. In doubt a value is masked: a masked port is a nuisance, a leaked password an incident.

/// What stands in a secret's place.
pub const MASK: &str = "********";

/// `text` with its secrets masked: values of keys that name one (`password=…`, `"api_key": "…"`, `--token …`), bearer
/// and basic credentials, passwords in URLs, PEM blocks, and tokens that are known by their shape (AWS, GitHub, Slack,
/// Stripe, JWT, …).
#[must_use]
pub fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let mut within_word = false;
    while let Some(c) = text[at..].chars().next() {
        if !(within_word && is_word(c))
            && let Some(found) = find(text, at)
        {
            out.push_str(&text[at..found.start]);
            out.push_str(MASK);
            at = found.end;
            within_word = false;
            continue;
        }
        within_word = is_word(c);
        out.push(c);
        at += c.len_utf8();
    }
    out
}

/// A secret's place in the text.
struct Found {
    start: usize,
    end: usize,
}

/// The secret that begins, or is announced, at `at`.
fn find(text: &str, at: usize) -> Option<Found> {
    let rest = &text[at..];
    let first = rest.bytes().next()?;
    // `/run/secrets/token: no such file`: a file's name is no key.
    let in_path = text[..at].ends_with('/');
    let found = match first {
        b'-' => pem(rest).or_else(|| option(rest)),
        b':' => url_password(text, at),
        b if b.is_ascii_alphanumeric() => {
            known_shape(rest).or_else(|| credentials(rest)).or_else(|| keyed(rest, in_path))
        }
        b'_' => keyed(rest, in_path),
        _ => None,
    }?;
    Some(Found { start: at + found.start, end: at + found.end })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// `-----BEGIN … -----END …-----`; to the end of the text if its end is missing.
fn pem(rest: &str) -> Option<Found> {
    let label = rest.strip_prefix("-----BEGIN ")?;
    let name_end = label.find("-----")?;
    if name_end > 60 {
        return None;
    }
    let end =
        rest.find("-----END ").and_then(|end| Some(end + 9 + rest[end + 9..].find("-----")? + 5)).unwrap_or(rest.len());
    Some(Found { start: 0, end })
}

/// `--password x`; the form with `=` is a key like any other.
fn option(rest: &str) -> Option<Found> {
    let name = rest.strip_prefix("--")?;
    let name_end = name.find(|c: char| !(is_word(c) || c == '-')).unwrap_or(name.len());
    kind_of(&name[..name_end])?;
    let space = spaces(&name[name_end..]);
    let start = 2 + name_end + space;
    let (open, end) = value(&rest[start..]);
    let value = &rest[start + open..start + end];
    (space > 0 && !value.is_empty() && !value.starts_with('-') && !placeholder(value))
        .then_some(Found { start: start + open, end: start + end })
}

/// The password of `scheme://user:password@host`, or a lone long token in the user's place; `at` is the colon after the
/// scheme.
fn url_password(text: &str, at: usize) -> Option<Found> {
    let after = text[at..].strip_prefix("://")?;
    if !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let stretch = &after[..after.find(|c: char| c.is_whitespace() || "\"'`<>\\".contains(c)).unwrap_or(after.len())];
    let authority = &stretch[..stretch.find(['/', '?', '#']).unwrap_or(stretch.len())];
    if let Some(user_end) = authority.rfind('@') {
        let user = &authority[..user_end];
        return match user.find(':') {
            Some(colon) if colon + 1 < user.len() => Some(Found { start: 3 + colon + 1, end: 3 + user_end }),
            None if user.len() >= 20 => Some(Found { start: 3, end: 3 + user_end }),
            Some(_) | None => None,
        };
    }
    // A password with an unescaped slash in it. `host:8080/path@x` is none: what follows the colon is a port.
    let colon = authority.find(':')?;
    let user_end = stretch.rfind('@')?;
    let port = &authority[colon + 1..];
    (user_end > colon && !port.is_empty() && !port.bytes().all(|b| b.is_ascii_digit()))
        .then_some(Found { start: 3 + colon + 1, end: 3 + user_end })
}

/// Prefixes by which a token is known, with the least number of characters that must follow.
const SHAPES: [(&str, usize); 27] = [
    ("AKIA", 16),
    ("ASIA", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxa-", 10),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xoxr-", 10),
    ("xoxs-", 10),
    ("xapp-", 10),
    ("sk-", 20),
    ("sk_live_", 10),
    ("sk_test_", 10),
    ("rk_live_", 10),
    ("pk_live_", 10),
    ("whsec_", 10),
    ("AIza", 30),
    ("npm_", 30),
    ("hf_", 30),
    ("dop_v1_", 30),
    ("SG.", 30),
    ("pypi-", 30),
];

fn known_shape(rest: &str) -> Option<Found> {
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c))).unwrap_or(rest.len());
    let word = rest[..end].trim_end_matches('.');
    let known = SHAPES.iter().any(|(prefix, more)| {
        word.strip_prefix(prefix).is_some_and(|tail| tail.len() >= *more && (tail.len() > 40 || mixed(tail)))
    });
    let web_token = word.starts_with("eyJ") && word.len() >= 30 && word.matches('.').count() >= 2;
    (known || web_token).then_some(Found { start: 0, end: word.len() })
}

/// Digits beside letters: what people do not write and generators do.
fn mixed(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit()) && text.bytes().any(|b| b.is_ascii_alphabetic())
}

/// `Bearer …`, `Basic …`.
fn credentials(rest: &str) -> Option<Found> {
    let scheme = ["bearer", "basic"].into_iter().find(|scheme| starts_with_word(rest, scheme))?;
    let start = scheme.len() + spaces(&rest[scheme.len()..]);
    let end = start + rest[start..].find(|c: char| !is_token(c)).unwrap_or(rest.len() - start);
    let token = &rest[start..end];
    (start > scheme.len() && looks_generated(token)).then_some(Found { start, end })
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._~+/=-".contains(c)
}

fn looks_generated(token: &str) -> bool {
    let capital_within = token.bytes().skip(1).any(|b| b.is_ascii_uppercase());
    let small_within = token.bytes().any(|b| b.is_ascii_lowercase());
    token.len() >= 8 && (mixed(token) || (capital_within && small_within) || token.len() >= 24)
}

fn starts_with_word(rest: &str, word: &str) -> bool {
    rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
        && !rest[word.len()..].chars().next().is_some_and(is_word)
}

fn spaces(rest: &str) -> usize {
    rest.len() - rest.trim_start_matches([' ', '\t']).len()
}

/// The value of a key that names a secret.
fn keyed(rest: &str, in_path: bool) -> Option<Found> {
    let key_end = rest.find(|c: char| !(is_word(c) || c == '-' || c == '.')).unwrap_or(rest.len());
    let (key, after) = rest.split_at(key_end);
    let kind = kind_of(key)?;
    let link = link(after)?;
    if !link.binds(kind) || in_path && !link.equals {
        return None;
    }
    let start = key_end + link.bytes;
    let (open, end) = value(&rest[start..]);
    let value = &rest[start + open..start + end];
    let harmless = value.is_empty() || placeholder(value) || (link.spoken && ordinary(value));
    (!harmless).then_some(Found { start: start + open, end: start + end })
}

/// How surely a key names a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `password`, `db_password`.
    Password,
    /// `token`, `secret`, `api_key`, `authorization`.
    Secret,
    /// A lone `pass`, which test runners also write.
    Pass,
}

fn kind_of(key: &str) -> Option<Kind> {
    let parts = parts(key);
    let mut known = parts.as_slice();
    // `token2`, `PASSWORD_1` and `password_hash` are secrets like their stems; `password_file` is a path.
    while let [head @ .., last] = known
        && !head.is_empty()
        && (last.bytes().all(|b| b.is_ascii_digit()) || ["hash", "value", "base64", "b64"].contains(&last.as_str()))
    {
        known = head;
    }
    let (last, before) = known.split_last()?;
    let last = last.trim_end_matches(|c: char| c.is_ascii_digit());
    let ends = |stems: &[&str]| stems.iter().any(|stem| last.ends_with(stem));
    if ends(&["password", "passwd", "passphrase", "passwort"]) || last == "pwd" {
        return Some(Kind::Password);
    }
    if ends(&["token", "secret", "apikey", "authorization", "credential", "credentials", "secrets"]) {
        return Some(Kind::Secret);
    }
    let key_of = ["api", "access", "secret", "private", "auth", "encryption", "signing", "account", "master"];
    match (last, before.last()) {
        ("key", Some(of)) if key_of.contains(&of.as_str()) => Some(Kind::Secret),
        ("pass", None) => Some(Kind::Pass),
        ("pass", Some(_)) => Some(Kind::Password),
        _ => None,
    }
}

/// `dbPassword`, `DB_PASSWORD` and `db-password` have the parts `db` and `password`.
fn parts(key: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut after_small = false;
    for c in key.chars() {
        let joint = matches!(c, '_' | '-' | '.');
        if (joint || (c.is_ascii_uppercase() && after_small)) && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
        if !joint {
            part.push(c.to_ascii_lowercase());
        }
        after_small = c.is_ascii_lowercase();
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// What stands between a key and its value.
struct Link {
    bytes: usize,
    equals: bool,
    quoted_key: bool,
    /// Nothing but a space: `PASSWORD 'x'`.
    bare: bool,
    /// The value is quoted.
    quoted_value: bool,
    /// It could be prose: `token: expired`.
    spoken: bool,
}

impl Link {
    fn binds(&self, kind: Kind) -> bool {
        if self.bare {
            return kind == Kind::Password && self.quoted_value;
        }
        kind != Kind::Pass || self.equals || self.quoted_key
    }
}

fn link(after: &str) -> Option<Link> {
    let quote = after.len() - after.trim_start_matches(['\\', '"', '\'']).len();
    let before = quote + spaces(&after[quote..]);
    let sign = &after[before..];
    let sign_bytes = match sign.as_bytes() {
        [b'=', b'>', ..] | [b':', b'=', ..] => 2,
        [b':', b':', ..] => return None, // a path of code
        [b'=' | b':', ..] => 1,
        _ => 0,
    };
    let bytes = before + sign_bytes + spaces(&sign[sign_bytes..]);
    let bare = sign_bytes == 0;
    if bare && (bytes == 0 || quote > 0) {
        return None;
    }
    let equals = sign.starts_with('=');
    let quoted_value = after[bytes..].starts_with(['"', '\'', '\\']);
    Some(Link {
        bytes,
        equals,
        quoted_key: quote > 0,
        bare,
        quoted_value,
        spoken: !equals && quote == 0 && !quoted_value,
    })
}

/// Where a value begins and ends, without its quotes.
fn value(rest: &str) -> (usize, usize) {
    let escaped = rest.starts_with("\\\"");
    let open = usize::from(escaped);
    if let Some(quote @ ('"' | '\'')) = rest[open..].chars().next() {
        let start = open + 1;
        return (start, quoted_end(rest, start, quote, escaped));
    }
    let word_end = |from: usize| {
        rest[from..].find(|c: char| c.is_whitespace() || ",;&)]}\"'`<>".contains(c)).map_or(rest.len(), |n| from + n)
    };
    let mut end = word_end(0);
    if ["bearer", "basic", "token", "digest", "apikey"].iter().any(|scheme| rest[..end].eq_ignore_ascii_case(scheme)) {
        end = word_end(end + spaces(&rest[end..]));
    }
    (0, end)
}

fn quoted_end(rest: &str, start: usize, quote: char, escaped: bool) -> usize {
    let mut after_backslash = false;
    for (n, c) in rest[start..].char_indices() {
        if c == quote && !after_backslash {
            return start + n;
        }
        if c == quote && escaped {
            return start + n - 1;
        }
        after_backslash = c == '\\' && !after_backslash;
    }
    rest.len()
}

/// Words that follow `token:` or `password:` in a sentence.
fn ordinary(value: &str) -> bool {
    let word = value.trim_end_matches(['.', '!', '?', ':']).to_ascii_lowercase();
    [
        "",
        "a",
        "an",
        "the",
        "is",
        "was",
        "are",
        "not",
        "no",
        "must",
        "cannot",
        "could",
        "failed",
        "error",
        "null",
        "nil",
        "none",
        "true",
        "false",
        "empty",
        "missing",
        "invalid",
        "expired",
        "required",
        "unexpected",
        "incorrect",
        "wrong",
        "unknown",
        "unset",
        "authentication",
        "permission",
        "access",
        "token",
        "file",
        "illegal",
        "bad",
        "malformed",
        "signature",
        "eof",
        "end",
        "string",
        "number",
    ]
    .contains(&word.as_str())
}

/// Values that hide something already, or only name it.
fn placeholder(value: &str) -> bool {
    value.bytes().all(|b| b == b'*')
        || value.starts_with("${")
        || matches!(value, "null" | "none" | "nil" | "true" | "false" | "<nil>" | "[REDACTED]" | "REDACTED")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_masked() {
        let table = [
            ("password=hunter2", "password=********"),
            ("POSTGRES_PASSWORD=hunter2 PORT=5432", "POSTGRES_PASSWORD=******** PORT=5432"),
            ("PGPASSWORD=x", "PGPASSWORD=********"),
            ("dbPassword: 'a b c', user: x", "dbPassword: '********', user: x"),
            (r#"{"api_key": "abc,def", "n": 1}"#, r#"{"api_key": "********", "n": 1}"#),
            (r#"msg="{\"token\":\"abc\",\"n\":1}""#, r#"msg="{\"token\":\"********\",\"n\":1}""#),
            (r#"{"secret":"a\"b"} rest"#, r#"{"secret":"********"} rest"#),
            ("X-Api-Key: 12345", "X-Api-Key: ********"),
            ("Authorization: Bearer abc.def-123", "Authorization: ********"),
            ("authorization=Basic dXNlcjpwYXNz; next", "authorization=********; next"),
            ("got bearer abcdef1234 from client", "got bearer ******** from client"),
            ("postgres://app:hunter2@db:5432/shop", "postgres://app:********@db:5432/shop"),
            ("redis://:p@ss@cache:6379", "redis://:********@cache:6379"),
            ("amqp://u:a/b@mq/ failed", "amqp://u:********@mq/ failed"),
            ("https://abcdefghijklmnopqrstuvwxyz@example.org/x", "https://********@example.org/x"),
            ("key AKIAIOSFODNN7EXAMPLE used", "key ******** used"),
            ("GET /v1/token=abc123def/x", "GET /v1/token=********"),
            ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key = ********"),
            ("push ghp_abcdefghij0123456789abcdefghij ok", "push ******** ok"),
            ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-DEF", "jwt ********"),
            ("ALTER ROLE x PASSWORD 'hunter2'", "ALTER ROLE x PASSWORD '********'"),
            ("client_secret_1=abc&scope=all", "client_secret_1=********&scope=all"),
            ("пароль password=секрет конец", "пароль password=******** конец"),
            ("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nb", "a\n********\nb"),
            ("-----BEGIN PRIVATE KEY-----MIIE", "********"),
            ("login --password=hunter2 --user x", "login --password=******** --user x"),
            ("login --api-token hunter2 --password --user x", "login --api-token ******** --password --user x"),
        ];
        for (given, expect) in table {
            assert_eq!(redact(given), expect);
        }
    }

    #[test]
    fn ordinary_words_are_left_alone() {
        for line in [
            "tokenizer=fast max_tokens=100 tokens: 12",
            "token_count=5 secretary: Ada",
            "password authentication failed for user \"app\"",
            "invalid token: unexpected end of input",
            "password: incorrect",
            "--- PASS: TestShop (0.00s)",
            "bypass=true compass=north",
            "PASSWORD_FILE=/run/secrets/db",
            "std::secret::Key",
            "bearer of bad news; basic authentication is off",
            "http://host:8080/path@v2",
            "git clone ssh://git@host/repo",
            "token=null password=${DB_PASSWORD}",
            "sk-learn is not a key; npm_config_cache",
            "cat: can't open '/run/secrets/token': No such file or directory",
            "open /etc/shop/password: permission denied",
            "keyboard: primary key violated, foreign key: orders_fk",
            "ключ не найден",
        ] {
            assert_eq!(redact(line), line);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_a_second_pass_changes_nothing(text in "\\PC{0,200}") {
            let once = redact(&text);
            prop_assert_eq!(redact(&once), once.clone());
        }

        #[test]
        fn a_password_never_comes_through(secret in "[A-Za-z0-9]{12,30}", prefix in "[ -~é日]{0,40}") {
            let line = format!("{prefix} password={secret} tail");
            prop_assert!(!redact(&line).contains(&secret));
        }

        #[test]
        fn near_misses_of_every_rule_never_panic(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("password"), Just("token"), Just("="), Just(": "), Just("\""), Just("\\"), Just("'"), Just("://"),
                    Just("@"), Just("/"), Just("bearer "), Just("-----BEGIN "), Just("-----"), Just("-----END "), Just("é"),
                    Just("日"), Just(" "), Just("AKIA"), Just("eyJ"), Just("."), Just("_"), Just("x9"),
                ],
                0..30,
            )
        ) {
            let _ = redact(&pieces.concat());
        }
    }
}
