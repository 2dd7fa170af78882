//! What a line of a log complains about. The wordings are those of C libraries, of the runtimes of common languages and of
//! common servers; the tests have lines as those print them.
//!
//! A word is heard where it stands as a word, and what it is about (a path, an address, a name) is taken from what stands
//! nearest to it. What is not understood is no complaint: "cannot tell" is an answer.

mod libc;

use model::complaint::{CertificateFlaw, Complaint};

/// The longest name, path or host that is kept of a line, in bytes.
const NAME_BYTES_MAX: usize = 120;
/// What follows a file's name in a trace, and makes `main.go:25` no address.
const SOURCE_ENDINGS: [&str; 14] =
    [".go", ".py", ".js", ".ts", ".mjs", ".cjs", ".rs", ".rb", ".php", ".java", ".c", ".cc", ".cpp", ".ex"];

/// A refused password, as PostgreSQL's own translations have it (15.5).
const PASSWORD_REFUSED: &[&str] = &[
    "passwort-authentifizierung für benutzer",
    "authentification par mot de passe échouée",
    "la autentificación password falló",
    "autenticazione con password fallita",
    "не прошёл проверку подлинности",
    "のパスワード認証に失敗しました",
    "password 认证失败",
    "lösenordsautentisering misslyckades",
    "не пройшов автентифікацію",
    "password 인증을 실패했습니다",
];

/// What a line says, and where in it: the line in lower case beside the line as it is. Offsets are those of both.
struct Said<'a> {
    line: &'a str,
    lower: String,
}

/// What `line` complains about, if it is understood.
pub(crate) fn complaint(line: &str) -> Option<Complaint> {
    let said = Said { line, lower: line.to_ascii_lowercase() };
    // The more particular one first: a refused connection may also be called an invalid configuration.
    said.of_itself()
        .or_else(|| said.certificate())
        .or_else(|| said.clock())
        .or_else(|| said.of_data())
        .or_else(|| said.of_a_start())
        .or_else(|| said.of_the_network())
        .or_else(|| said.of_files())
        .or_else(|| said.of_configuration())
}

impl Said<'_> {
    /// Where the first of these phrases stands that does.
    fn at(&self, phrases: &[&str]) -> Option<usize> {
        phrases.iter().find_map(|phrase| self.find(phrase))
    }

    fn has(&self, phrases: &[&str]) -> bool {
        self.at(phrases).is_some()
    }

    /// Where a phrase stands by itself, and not as a part of a longer word.
    fn find(&self, phrase: &str) -> Option<usize> {
        let found = self.lower.match_indices(phrase).map(|(at, _)| at);
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let alone = |at: &usize| {
            let (before, after) = (&self.lower[..*at], &self.lower[at + phrase.len()..]);
            let open = |edge: Option<char>| edge.is_some_and(word);
            !(before.ends_with(word) && open(phrase.chars().next())
                || after.starts_with(word) && open(phrase.chars().next_back()))
        };
        found.into_iter().find(alone)
    }

    /// A command or a user that its own script, or the shell, does not find.
    fn of_itself(&self) -> Option<Complaint> {
        if let Some(at) = self.at(&["unknown user", "no such user", "unable to find user", "unable to find group"]) {
            return Some(Complaint::UserUnknown { user: self.quoted_after(at).or_else(|| self.last_name_after(at)) });
        }
        if let Some(at) = self.find("getpwnam") {
            return Some(Complaint::UserUnknown { user: self.quoted_after(at) });
        }
        // `bash: line 3: serve: command not found`, `run.sh: line 3: serve: not found`, `exec /d/run.sh: no such file …`
        let by_shell = self.line.strip_suffix(": command not found").or_else(|| {
            let of_a_script = self.has(&["line", "sh"]) || self.lower.contains(".sh:");
            self.line.strip_suffix(": not found").filter(|_| of_a_script)
        });
        let by_exec = || {
            let command = self.line.strip_prefix("exec ")?;
            let end = self.find("no such file or directory")?;
            command.get(..end.checked_sub("exec ".len())?)
        };
        let command = by_shell.or_else(by_exec)?.trim_end_matches([' ', ':']);
        let name = command.rsplit([' ', ':']).next().filter(|name| !name.is_empty())?;
        Some(Complaint::CommandMissing { command: Some(kept(name)) })
    }

    fn certificate(&self) -> Option<Complaint> {
        use CertificateFlaw::{Expired, NotYetValid, Untrusted, WrongName};
        let about = self.has(&["certificate", "x509", "cert", "ssl", "tls", "pkix"])
            || ["cert_", "_cert", "ssl_"].iter().any(|part| self.lower.contains(part));
        if !about {
            return None;
        }
        // Go has one sentence for both, and tells which by the times that follow.
        let of_both = self.has(&["expired or is not yet valid"]);
        let flaw = if of_both && self.has(&["is before"])
            || !of_both && self.has(&["not yet valid", "cert_not_yet_valid", "is not valid yet"])
        {
            NotYetValid
        } else if self.has(&["has expired", "cert_has_expired", "certificate expired"]) {
            Expired
        } else if self.has(&[
            "is valid for",
            "hostname mismatch",
            "does not match",
            "altname_invalid",
            "no subject alternative",
        ]) || self.lower.contains("altname")
            || self.lower.contains("not valid for")
        {
            WrongName
        } else if self.has(&[
            "certificate verify failed",
            "unknown authority",
            "unable to get local issuer certificate",
            "unable to verify the first certificate",
            "self signed certificate",
            "self-signed certificate",
            "path building failed",
            "unable to find valid certification path",
            "depth_zero_self_signed_cert",
            "certificate is not trusted",
        ]) {
            Untrusted
        } else {
            return None;
        };
        Some(Complaint::Certificate(flaw))
    }

    /// What is signed with a time is refused when the clocks differ, and mostly as if the signature were wrong.
    fn clock(&self) -> Option<Complaint> {
        let differ = [
            "requesttimetooskewed",
            "clock skew too great",
            "clock skew detected",
            "krb_ap_err_skew",
            "signature expired",
            "signature not yet current",
            "token used before issued",
            "token is not yet valid",
            "token is not valid yet",
            "immaturesignatureerror",
            "clock difference against peer",
            "timestamp for this request is outside",
            "timestamp for this request was",
        ];
        self.has(&differ).then_some(Complaint::ClockWrong)
    }

    fn of_data(&self) -> Option<Complaint> {
        if self.has(&[
            "files are incompatible with server",
            "was initialized by postgresql version",
            "is not compatible with this version",
            "incompatible data version",
            "unsupported redo log format",
            "cannot upgrade server earlier than",
            "invalid mysql server downgrade",
            "can't handle rdb format version",
            "wrong mongod version",
            "found invalid feature compatibility version",
        ]) {
            return Some(Complaint::DataOfAnotherVersion);
        }
        let migrates = self.has(&["migration", "migrations", "migrate", "flyway", "alembic", "liquibase"]);
        let fails = ["failed", "fails", "error", "exception", "dirty", "can't locate revision", "could not"];
        let dirty = self.has(&["dirty database version"]);
        let schema = ["relation", "column", "table", "index", "type", "constraint", "duplicate column name"];
        let changed_before = self.has(&["already exists", "duplicate column name"]) && self.has(&schema);
        if dirty || changed_before || migrates && self.has(&fails) && !self.has(&["connection refused", "econnrefused"])
        {
            return Some(Complaint::MigrationFailed);
        }
        let shut_out = [
            "password authentication failed",
            "authentication failed",
            "access denied for user",
            "noauth authentication required",
            "wrongpass invalid username-password pair",
            "invalid username or password",
            "invalid credentials",
            "access_refused",
            "access refused",
            "bad credentials",
            "authenticationfailed",
            "login failed for user",
            "returned error: 401",
            "unauthorized",
        ];
        (self.has(&shut_out) || self.has(PASSWORD_REFUSED)).then_some(Complaint::NotLetIn)
    }

    fn of_a_start(&self) -> Option<Complaint> {
        if self.has(&["exec format error"]) {
            return Some(Complaint::WrongArchitecture);
        }
        if let Some(at) = self.at(&["error while loading shared libraries", "cannot open shared object file"]) {
            let library = self.tokens().map(|(_, token)| token).find(|token| token.contains(".so"));
            let _ = at;
            return Some(Complaint::ModuleMissing { name: library.map(kept) });
        }
        let modules = [
            "no module named",
            "cannot find module",
            "cannot find package",
            "modulenotfounderror",
            "could not find or load main class",
            "classnotfoundexception",
            "noclassdeffounderror",
            "cannot load such file",
            "failed opening required",
        ];
        if let Some(at) = self.find("can't locate").filter(|_| self.lower.contains("@inc")) {
            let name = self.line[at + "can't locate".len()..].split_whitespace().next().map(kept);
            return Some(Complaint::ModuleMissing { name });
        }
        if let Some(at) = self.at(&modules) {
            return Some(Complaint::ModuleMissing { name: self.quoted_after(at).or_else(|| self.last_name_after(at)) });
        }
        // Java calls that out of memory as well, which it is not.
        let processes = [
            "unable to create native thread",
            "can't start new thread",
            "pthread_create failed",
            "failed to create new os thread",
            "can't fork",
            "cannot fork",
            "unable to fork",
            "fork: retry",
            "fork failed",
        ];
        let forks = self.has(&["fork", "clone", "vfork", "forking"]) && self.has(&["resource temporarily unavailable"]);
        if forks || self.has(&processes) {
            return Some(Complaint::TooManyProcesses);
        }
        let memory = [
            "out of memory",
            "java.lang.outofmemoryerror",
            "outofmemoryerror",
            "heap out of memory",
            "cannot allocate memory",
            "memoryerror",
            "std::bad_alloc",
            "enomem",
            "allowed memory size",
            "failed to allocate memory",
            "memory allocation of",
        ];
        self.has(&memory).then_some(Complaint::NoMemory)
    }

    fn of_the_network(&self) -> Option<Complaint> {
        let in_use = ["address already in use", "eaddrinuse", "connection in use", "already in use"];
        if let Some(at) = self.at(&in_use).or_else(|| self.at(libc::ADDRESS_IN_USE)) {
            let in_english = self.has(&["address", "connection", "eaddrinuse", "port", "bind", "listen"]);
            let is_address = in_english || self.has(libc::ADDRESS_IN_USE);
            if is_address {
                let port = self.address_near(at).map(|(_, port)| port).or_else(|| self.port_told());
                let port = port.or_else(|| self.port_in_tuple());
                return Some(Complaint::AddressInUse { port, held_by: None, by: None });
            }
        }
        let names = [
            "could not translate host name",
            "enotfound",
            "eai_again",
            "no such host",
            "name or service not known",
            "temporary failure in name resolution",
            "host not found in upstream",
            "unknownhostexception",
            "unknown host",
            "nodename nor servname provided",
            "name does not resolve",
            "name resolution failed",
            "could not resolve host",
            "getaddrinfo failed",
            "unknown mysql server host",
        ];
        if let Some(at) = self.at(&names) {
            return Some(Complaint::NameUnknown { host: self.name_near(at) });
        }
        let refused = [
            "connection refused",
            "econnrefused",
            "actively refused",
            "can't connect to mysql server",
            "couldn't connect to server",
        ];
        if let Some(at) = self.at(&refused).or_else(|| self.at(libc::CONNECTION_REFUSED)) {
            let (host, port) = match self.address_near(at) {
                Some((host, port)) => (Some(host), Some(port)),
                None => (self.host_told(), self.port_told()),
            };
            return Some(Complaint::ConnectionRefused { host, port });
        }
        None
    }

    fn of_files(&self) -> Option<Complaint> {
        let full = ["no space left on device", "enospc", "disk quota exceeded", "edquot", "disk is full", "disk full"];
        if self.has(&full) || self.has(libc::NO_SPACE) {
            return Some(Complaint::NoSpace);
        }
        if self.has(&["too many open files", "emfile", "enfile"]) || self.has(libc::TOO_MANY_FILES) {
            return Some(Complaint::TooManyFiles);
        }
        let read_only = ["read-only file system", "erofs", "readonly database"];
        if let Some(at) = self.at(&read_only).or_else(|| self.at(libc::READ_ONLY)) {
            return Some(Complaint::ReadOnly { path: self.path_near(at) });
        }
        if let Some(at) =
            self.at(&["is a directory", "eisdir", "isadirectoryerror"]).or_else(|| self.at(libc::IS_DIRECTORY))
        {
            return Some(Complaint::IsDirectory { path: self.path_near(at) });
        }
        let denied = [
            "permission denied",
            "eacces",
            "operation not permitted",
            "eperm",
            "wrong ownership",
            "accessdeniedexception",
        ];
        let at = self.at(&denied).or_else(|| self.at(libc::PERMISSION_DENIED))?;
        Some(Complaint::PermissionDenied { path: self.path_near(at) })
    }

    fn of_configuration(&self) -> Option<Complaint> {
        if let Some(name) = self.missing_variable() {
            return Some(Complaint::VariableMissing { name });
        }
        let configuration =
            ["configuration file", "config file", "configuration", "config", "unknown directive", "yaml", "toml"];
        let flaws = [
            "contains errors",
            "test failed",
            "invalid",
            "error loading",
            "failed to load",
            "failed to parse",
            "failed to read",
            "failed to decode",
            "failed to unmarshal",
            "parse error",
            "parsing",
            "could not parse",
            "cannot parse",
            "unable to parse",
            "syntax error",
            "unknown directive",
            "mapping values are not allowed",
            "did not find expected",
            "config file error",
            "unexpected",
            "is not allowed here",
            "unknown field",
            "unknown key",
        ];
        // As PostgreSQL says of its own settings.
        if self.has(&["invalid value for parameter", "unrecognized configuration parameter"]) {
            return Some(Complaint::ConfigInvalid { path: None });
        }
        let unreadable = [
            "jsondecodeerror",
            "scannererror",
            "parsererror",
            "tomldecodeerror",
            "missingsectionheadererror",
            "configparser.parsingerror",
        ];
        if self.has(&unreadable) || self.has(&["syntaxerror"]) && self.has(&["json"]) {
            return Some(Complaint::ConfigInvalid { path: self.path_near(0) });
        }
        let of_a_line = self.has(&["emerg"]) && self.lower.contains(".conf:");
        if of_a_line || self.has(&configuration) && self.has(&flaws) {
            let at = self.at(&configuration).unwrap_or(0);
            return Some(Complaint::ConfigInvalid { path: self.path_near(at) });
        }
        let missing = ["no such file or directory", "enoent", "filenotfounderror", "filenotfoundexception"];
        let at = self.at(&missing).or_else(|| self.at(libc::NO_SUCH_FILE))?;
        Some(Complaint::FileMissing { path: self.path_near(at), for_good: false })
    }

    /// The variable that the line says is not set; `Some(None)` where it names none.
    #[expect(clippy::option_option, reason = "that one is missing, and which one, are two things to know")]
    fn missing_variable(&self) -> Option<Option<String>> {
        let unnamed = ["password is not specified", "password option is not specified", "you need to specify one of"];
        if self.has(&unnamed)
            && self.has(&["uninitialized", "environment variable", "environment variables", "specify"])
        {
            return Some(self.variable_near(0));
        }
        if self.has(&["missing environment variables", "missing required environment variables"]) {
            return Some(self.variable_near(self.line.len()));
        }
        if let Some(at) = self.at(&["keyerror"]) {
            return self.quoted_after(at).filter(|name| is_variable(name)).map(Some);
        }
        let unset = [
            "environment variable not found",
            "missing required environment",
            "missing environment",
            "unbound variable",
            "parameter not set",
            "parameter null or not set",
            "is not set",
            "not set",
            "must be set",
            "is required",
            "required",
            "is missing",
            "is not defined",
            "is undefined",
            "missing",
            "unset",
            "not found",
        ];
        let at = self.at(&unset)?;
        let spoken_of = self.has(&[
            "environment",
            "environment variable",
            "environment variables",
            "env var",
            "env",
            "variable",
            "unbound variable",
            "parameter not set",
            "parameter null or not set",
        ]);
        let name = self.variable_near(at);
        match name {
            Some(name) if spoken_of || name.contains('_') => Some(Some(name)),
            _ => None,
        }
    }

    // ---- what it is about

    /// The line's words as they stand between blanks and quotes, without the marks that end a clause.
    fn tokens(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_edge = |c: char| {
            c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '(' | ')' | '<' | '>' | '=' | ',' | '«' | '»')
        };
        self.line.split(is_edge).filter_map(move |piece| {
            let token = piece.trim_end_matches([':', ',', '.', ';', '!', '?']);
            let at = piece.as_ptr().addr() - self.line.as_ptr().addr();
            (!token.is_empty()).then_some((at, token))
        })
    }

    /// Of all words that mean something, the one nearest to a place.
    fn nearest<T>(&self, at: usize, meaning: impl Fn(&str) -> Option<T>) -> Option<T> {
        let meant = self.tokens().filter_map(|(place, token)| Some((place.abs_diff(at), meaning(token)?)));
        meant.min_by_key(|(distance, _)| *distance).map(|(_, meant)| meant)
    }

    fn path_near(&self, at: usize) -> Option<String> {
        self.nearest(at, |token| {
            let token = token.trim_matches(['[', ']']);
            let is_path = token.starts_with('/') && token.len() > 1 && !token.starts_with("//");
            // `nginx.conf:3` is a place in a file.
            let path = token.split_once(':').map_or(token, |(path, _)| path);
            is_path.then(|| kept(path))
        })
    }

    fn address_near(&self, at: usize) -> Option<(String, u16)> {
        self.nearest(at, address)
    }

    fn variable_near(&self, at: usize) -> Option<String> {
        self.nearest(at, |token| {
            let token = token.trim_start_matches(['$', '{', '-']).trim_end_matches('}');
            is_variable(token).then(|| kept(token))
        })
    }

    /// The host that a line names without a port beside it: `server at "db" (10.0.0.2), port 5432`, `server on 'db'`.
    fn host_told(&self) -> Option<String> {
        let at = self.at(&["server at", "server on", "connecting to", "connect to", "connection to"])?;
        // curl: `Failed to connect to db port 5432`
        let beside_port = || {
            let (before, _) = self.line[at..].split_once(" port ")?;
            before.split_whitespace().next_back().map(kept)
        };
        self.quoted_after(at).filter(|host| !host.contains([' ', '/'])).or_else(beside_port)
    }

    /// `port 5432`.
    fn port_told(&self) -> Option<u16> {
        let at = self.find("port")?;
        let digits = self.line[at + "port".len()..].trim_start_matches([' ', ':', '=']);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().ok().filter(|port| *port != 0)
    }

    /// Python writes an address as `('0.0.0.0', 8000)`, and one of IPv6 as `('::', 8000, 0, 0)`.
    fn port_in_tuple(&self) -> Option<u16> {
        let (_, tuple) = self.line.split_once("('")?;
        let (_, rest) = tuple.split_once("', ")?;
        rest.split([',', ')']).next()?.parse().ok().filter(|port| *port != 0)
    }

    /// A host's name beside the words that say that it is not known.
    fn name_near(&self, at: usize) -> Option<String> {
        let quoted = self.quoted_after(at);
        let spoken = ["enotfound", "eai_again", "resolve host", "unknownhostexception", "unknown host"];
        let next = spoken.iter().find_map(|word| {
            let after = &self.line[self.find(word)? + word.len()..];
            after.split([' ', ',', ')', '"', '\'']).map(|name| name.trim_matches(':')).find(|name| !name.is_empty())
        });
        // `lookup db on 127.0.0.11:53: no such host`
        let looked_up =
            self.find("lookup").and_then(|lookup| self.line[lookup + "lookup".len()..].split_whitespace().next());
        let name = next.or(looked_up.map(|name| name.trim_end_matches(':'))).map(kept).or(quoted)?;
        let host = name.split(':').next().unwrap_or_default();
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        (!host.is_empty() && host.chars().all(is_host)).then(|| host.to_owned())
    }

    /// What stands in quotes after a place.
    fn quoted_after(&self, at: usize) -> Option<String> {
        let after = &self.line[at..];
        let open = after.find(['"', '\'', '`'])?;
        let quote = after[open..].chars().next()?;
        let inner = &after[open + quote.len_utf8()..];
        let close = inner.find(quote)?;
        (close > 0).then(|| kept(&inner[..close]))
    }

    /// The last word of the clause that begins at a place: `Cannot find module express`.
    fn last_name_after(&self, at: usize) -> Option<String> {
        let clause = self.line[at..].split([',', ';']).next()?;
        let name = clause.split_whitespace().next_back()?.trim_end_matches(['.', ':', ')']);
        (name.len() > 1 && clause.split_whitespace().count() > 2).then(|| kept(name))
    }
}

fn kept(name: &str) -> String {
    crate::escape(name, NAME_BYTES_MAX)
}

/// `DATABASE_URL`, `PORT2`: as variables of an environment are written.
fn is_variable(token: &str) -> bool {
    let known =
        ["ERROR", "FATAL", "PANIC", "WARN", "WARNING", "INFO", "DEBUG", "CRITICAL", "EMERG", "TRACE", "LOG", "HINT"];
    token.len() >= 3
        && token.starts_with(|c: char| c.is_ascii_uppercase())
        && token.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        && !known.contains(&token)
        && !token.starts_with("ERR_")
}

/// A host and a port, written as one word.
fn address(token: &str) -> Option<(String, u16)> {
    let token = token.split_once("://").map_or(token, |(_, rest)| rest);
    let token = token.split('/').next().unwrap_or_default();
    // What was a password before is masked by now.
    let token = token.rsplit('@').next().unwrap_or_default();
    let (host, port) = token.rsplit_once(':')?;
    let port = port.parse::<u16>().ok().filter(|number| *number != 0 && !port.starts_with('0'))?;
    let named = host.starts_with(|c: char| c.is_ascii_alphabetic())
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !SOURCE_ENDINGS.iter().any(|ending| host.ends_with(ending));
    let numbered = host.parse::<std::net::Ipv4Addr>().is_ok()
        || host
            .strip_prefix('[')
            .unwrap_or(host)
            .strip_suffix(']')
            .unwrap_or(host)
            .parse::<std::net::Ipv6Addr>()
            .is_ok();
    (named || numbered).then(|| (kept(host), port))
}

#[cfg(test)]
mod tests;
