//! Lines as servers and runtimes print them, and what each complains about.

use model::complaint::CertificateFlaw::{Expired, NotYetValid, Untrusted, WrongName};
use model::complaint::Complaint as C;

use super::complaint;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn refused(host: &str, port: u16) -> C {
    C::ConnectionRefused { host: some(host), port: Some(port) }
}

fn no_file(path: &str) -> C {
    C::FileMissing { path: some(path), for_good: false }
}

fn taken(port: u16) -> C {
    C::AddressInUse { port: Some(port), held_by: None, by: None }
}

fn check(table: &[(&str, C)]) {
    let misheard = table.iter().map(|(line, expect)| (*line, complaint(line), expect));
    let misheard: Vec<_> = misheard.filter(|(_, heard, expect)| heard.as_ref() != Some(*expect)).collect();
    assert!(misheard.is_empty(), "{misheard:#?}");
}

#[test]
fn a_connection_that_is_refused_is_told_with_its_address() {
    check(&[
        ("Error: connect ECONNREFUSED 172.18.0.2:5432", refused("172.18.0.2", 5432)),
        ("dial tcp 172.18.0.3:6379: connect: connection refused", refused("172.18.0.3", 6379)),
        (
            "psycopg2.OperationalError: connection to server at \"db\" (172.18.0.2), port 5432 failed: Connection refused",
            refused("db", 5432),
        ),
        ("Error 111 connecting to redis:6379. Connection refused.", refused("redis", 6379)),
        ("Could not connect to Redis at cache:6379: Connection refused", refused("cache", 6379)),
        (
            "ERROR 2003 (HY000): Can't connect to MySQL server on 'mysql' (111)",
            C::ConnectionRefused { host: some("mysql"), port: None },
        ),
        (
            "2026-11-23T15:14:05.123Z ERROR main.go:25 amqp: dial tcp [fd00::7]:5672: connect: connection refused",
            refused("[fd00::7]", 5672),
        ),
        ("SQLSTATE[HY000] [2002] Connection refused", C::ConnectionRefused { host: None, port: None }),
        ("GET http://api:8080/health failed: connection refused", refused("api", 8080)),
        (
            "wget: can't connect to remote host (127.0.0.1): Connection refused",
            C::ConnectionRefused { host: None, port: None },
        ),
        ("postgres://app:********@db:5432/shop: connection refused", refused("db", 5432)),
    ]);
}

#[test]
fn a_name_that_nobody_knows_is_told() {
    let unknown = |host: &str| C::NameUnknown { host: some(host) };
    check(&[
        ("could not translate host name \"db\" to address: Name or service not known", unknown("db")),
        ("Error: getaddrinfo ENOTFOUND db", unknown("db")),
        ("Error: getaddrinfo EAI_AGAIN redis-1", unknown("redis-1")),
        ("dial tcp: lookup postgres on 127.0.0.11:53: no such host", unknown("postgres")),
        ("nginx: [emerg] host not found in upstream \"app\" in /etc/nginx/conf.d/default.conf:4", unknown("app")),
        ("java.net.UnknownHostException: kafka: Name or service not known", unknown("kafka")),
        ("curl: (6) Could not resolve host: api.internal", unknown("api.internal")),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", C::NameUnknown { host: None }),
        ("ERROR 2005 (HY000): Unknown MySQL server host 'mysql' (-2)", unknown("mysql")),
    ]);
}

#[test]
fn a_variable_that_is_missing_is_named() {
    let missing = |name: &str| C::VariableMissing { name: some(name) };
    check(&[
        ("Error: environment variable DATABASE_URL is not set", missing("DATABASE_URL")),
        ("KeyError: 'SECRET_KEY'", missing("SECRET_KEY")),
        ("sh: API_TOKEN: parameter not set", missing("API_TOKEN")),
        ("/entrypoint.sh: line 7: DB_HOST: unbound variable", missing("DB_HOST")),
        ("fatal: missing required environment variable: S3_BUCKET", missing("S3_BUCKET")),
        ("error: Environment variable not found: DATABASE_URL.", missing("DATABASE_URL")),
        ("Error: JWT_SECRET is required", missing("JWT_SECRET")),
        ("panic: env REDIS_ADDR must be set", missing("REDIS_ADDR")),
        (
            "Error: Database is uninitialized and superuser password is not specified.",
            C::VariableMissing { name: None },
        ),
        (
            "[Entrypoint]: Database is uninitialized and password option is not specified",
            C::VariableMissing { name: None },
        ),
        ("You must specify POSTGRES_PASSWORD: POSTGRES_PASSWORD must be set", missing("POSTGRES_PASSWORD")),
    ]);
}

#[test]
fn a_configuration_that_makes_no_sense_is_told_with_its_file() {
    let invalid = |path: Option<&str>| C::ConfigInvalid { path: path.map(str::to_owned) };
    check(&[
        (
            "nginx: [emerg] unknown directive \"servr\" in /etc/nginx/nginx.conf:3",
            invalid(Some("/etc/nginx/nginx.conf")),
        ),
        ("nginx: configuration file /etc/nginx/nginx.conf test failed", invalid(Some("/etc/nginx/nginx.conf"))),
        (
            "Error loading config (--config.file=/etc/prometheus/prometheus.yml)",
            invalid(Some("/etc/prometheus/prometheus.yml")),
        ),
        ("*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***", invalid(None)),
        (
            "FATAL:  configuration file \"/var/lib/postgresql/data/postgresql.conf\" contains errors",
            invalid(Some("/var/lib/postgresql/data/postgresql.conf")),
        ),
        ("error: yaml: line 3: mapping values are not allowed in this context", invalid(None)),
        (
            "Failed to parse configuration /etc/app/app.toml: TOML parse error at line 4",
            invalid(Some("/etc/app/app.toml")),
        ),
    ]);
}

#[test]
fn what_files_and_disks_lack_is_told_with_the_path() {
    let denied = |path: Option<&str>| C::PermissionDenied { path: path.map(str::to_owned) };
    check(&[
        ("open /data/app.log: permission denied", denied(Some("/data/app.log"))),
        ("PermissionError: [Errno 13] Permission denied: '/var/lib/app'", denied(Some("/var/lib/app"))),
        ("Error: EACCES: permission denied, open '/srv/x.json'", denied(Some("/srv/x.json"))),
        ("mkdir: can't create directory '/data/db': Permission denied", denied(Some("/data/db"))),
        ("chown: /var/lib/x: Operation not permitted", denied(Some("/var/lib/x"))),
        ("touch: /ro/file: Read-only file system", C::ReadOnly { path: some("/ro/file") }),
        ("OSError: [Errno 30] Read-only file system: '/app/cache'", C::ReadOnly { path: some("/app/cache") }),
        ("write /var/lib/x: no space left on device", C::NoSpace),
        ("PANIC:  could not write to file \"pg_wal/xlogtemp.29\": No space left on device", C::NoSpace),
        ("accept4: too many open files", C::TooManyFiles),
        ("Error: EMFILE: too many open files, open '/app/x'", C::TooManyFiles),
        (
            "IsADirectoryError: [Errno 21] Is a directory: '/etc/app.toml'",
            C::IsDirectory { path: some("/etc/app.toml") },
        ),
        ("Error: EISDIR: illegal operation on a directory, read", C::IsDirectory { path: None }),
        ("cat: /etc/app.toml: Ist ein Verzeichnis", C::IsDirectory { path: some("/etc/app.toml") }),
        ("Caused by: java.nio.file.AccessDeniedException: /d/node.lock", denied(Some("/d/node.lock"))),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/etc/app.yaml'", no_file("/etc/app.yaml")),
        ("cat: can't open '/run/secrets/token': No such file or directory", no_file("/run/secrets/token")),
    ]);
}

#[test]
fn what_is_wrong_with_the_program_or_its_data_is_told() {
    let module = |name: &str| C::ModuleMissing { name: some(name) };
    check(&[
        ("Error: Cannot find module 'express'", module("express")),
        ("ModuleNotFoundError: No module named 'flask'", module("flask")),
        (
            "/app: error while loading shared libraries: libssl.so.1.1: cannot open shared object file: No such file",
            module("libssl.so.1.1"),
        ),
        ("Error: Could not find or load main class com.shop.Main", module("com.shop.Main")),
        ("exec /app: exec format error", C::WrongArchitecture),
        ("standard_init_linux.go:228: exec user process caused: exec format error", C::WrongArchitecture),
        ("java.lang.OutOfMemoryError: Java heap space", C::NoMemory),
        ("memory allocation of 8388608 bytes failed", C::NoMemory),
        ("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", C::NoMemory),
        ("FATAL:  database files are incompatible with server", C::DataOfAnotherVersion),
        ("error: Dirty database version 7. Fix and force version.", C::MigrationFailed),
        ("django.db.utils: migration shop.0007 failed", C::MigrationFailed),
        ("psql:/d/0042.sql:2: ERROR:  column \"email\" of relation \"users\" already exists", C::MigrationFailed),
        ("curl: (22) The requested URL returned error: 401", C::NotLetIn),
        ("Can't locate Mojolicious/Lite.pm in @INC (you may need to install it)", module("Mojolicious/Lite.pm")),
        ("json.decoder.JSONDecodeError: Expecting ',' delimiter: line 4", C::ConfigInvalid { path: None }),
        (" Missing environment variables:", C::VariableMissing { name: None }),
        (
            "curl: (7) Failed to connect to 127.0.0.1 port 8500 after 0 ms: Couldn't connect to server",
            refused("127.0.0.1", 8500),
        ),
        ("FATAL:  password authentication failed for user \"app\"", C::NotLetIn),
        ("ERROR 1045 (28000): Access denied for user 'app'@'172.18.0.4' (using password: YES)", C::NotLetIn),
        ("NOAUTH Authentication required.", C::NotLetIn),
        ("nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)", taken(80)),
        ("Error: listen EADDRINUSE: address already in use :::3000", taken(3000)),
    ]);
}

#[test]
fn what_its_own_script_lacks_is_told() {
    let command = |name: &str| C::CommandMissing { command: some(name) };
    check(&[
        ("/d/run.sh: exec: line 3: gunicorn: not found", command("gunicorn")),
        ("bash: line 1: serve: command not found", command("serve")),
        ("exec /d/run.sh: no such file or directory", command("/d/run.sh")),
        ("su: unknown user redis", C::UserUnknown { user: some("redis") }),
        ("nginx: [emerg] getpwnam(\"www\") failed in /etc/nginx/nginx.conf:1", C::UserUnknown { user: some("www") }),
    ]);
}

#[test]
fn the_c_library_is_understood_in_other_languages() {
    check(&[
        ("cat: /run/x: Datei oder Verzeichnis nicht gefunden", no_file("/run/x")),
        ("mkdir: impossible de créer '/data' : Permission non accordée", C::PermissionDenied { path: some("/data") }),
        ("connect to db:5432: Conexión rehusada", refused("db", 5432)),
        ("запись /data/x: На устройстве не осталось свободного места", C::NoSpace),
        ("打开 /etc/app.yaml 失败：没有那个文件或目录", no_file("/etc/app.yaml")),
    ]);
}

#[test]
fn a_certificate_is_told_apart_by_what_is_wrong_with_it() {
    check(&[
        ("x509: certificate has expired or is not yet valid: current time is after", C::Certificate(Expired)),
        ("Error: certificate has expired, code CERT_HAS_EXPIRED", C::Certificate(Expired)),
        (
            "x509: certificate has expired or is not yet valid: current time 2020 is before 2026",
            C::Certificate(NotYetValid),
        ),
        ("x509: certificate is not yet valid: current time 2020-01-01", C::Certificate(NotYetValid)),
        ("x509: certificate is valid for a.example, not b.example", C::Certificate(WrongName)),
        (
            "SSL: CERTIFICATE_VERIFY_FAILED certificate verify failed: unable to get local issuer certificate",
            C::Certificate(Untrusted),
        ),
        ("curl: (60) SSL certificate problem: self-signed certificate", C::Certificate(Untrusted)),
        ("x509: certificate signed by unknown authority", C::Certificate(Untrusted)),
    ]);
}

#[test]
fn what_is_no_complaint_is_none() {
    let lines = [
        "",
        "listening on 0.0.0.0:8080",
        "connected to db:5432",
        "connections refused so far: see /metrics",
        "migration 0007 applied",
        "certificate renewed, valid for a.example",
        "GET /missing 404",
        "config loaded from /etc/app.yaml",
        "the variable part of the cost is required reading",
        "user HTTP is missing in action",
        "permission granted",
        "line 7: no module was named",
        "panic: runtime error: index out of range [3] with length 3",
        "latest error count: 0",
    ];
    for line in lines {
        assert_eq!(complaint(line), None, "{line}");
    }
}

#[test]
fn any_line_at_all_is_read_without_harm() {
    use proptest::prelude::*;
    let words = "(connection refused|lookup|port |No module named '|KeyError: |é|\\u{202e}|\"|'|/|:|5432| |not set|A_B|x509|cert|emerg|.conf:){0,24}";
    proptest!(|(line in words, any in ".*")| {
        let _ = complaint(&line);
        let _ = complaint(&any);
    });
}

#[test]
fn a_limit_of_processes_is_no_lack_of_memory() {
    let processes = |line| (line, C::TooManyProcesses);
    check(&[
        processes(
            "java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory or limits reached",
        ),
        processes("RuntimeError: can't start new thread"),
        processes("runtime: failed to create new OS thread (have 9 already; errno=11)"),
        processes("sh: can't fork: Resource temporarily unavailable"),
        processes("/d/run.sh: fork: retry: Resource temporarily unavailable"),
        ("java.lang.OutOfMemoryError: Java heap space", C::NoMemory),
    ]);
}

#[test]
fn a_refused_password_is_heard_in_the_languages_of_the_server() {
    check(&[
        ("FATAL:  authentification par mot de passe échouée pour l'utilisateur  « app »", C::NotLetIn),
        ("FATAL:  Passwort-Authentifizierung für Benutzer »app« fehlgeschlagen", C::NotLetIn),
        ("FATAL:  ユーザー\"app\"のパスワード認証に失敗しました", C::NotLetIn),
    ]);
}

#[test]
fn gunicorn_and_postgresql_have_words_of_their_own() {
    check(&[
        ("[ERROR] Connection in use: ('0.0.0.0', 8000)", taken(8000)),
        (
            "[Errno 98] error while attempting to bind on address ('::', 8080, 0, 0): address already in use",
            taken(8080),
        ),
        ("FATAL:  invalid value for parameter \"shared_buffers\": \"12GiB\"", C::ConfigInvalid { path: None }),
    ]);
}

#[test]
fn a_clock_that_is_wrong_is_no_wrong_password() {
    let lines = [
        "botocore.exceptions.ClientError: An error occurred (RequestTimeTooSkewed) when calling the PutObject operation: The \
         difference between the request time and the current time is too large.",
        "An error occurred (SignatureDoesNotMatch) when calling the GetCallerIdentity operation: Signature expired: \
         20261130T080000Z is now earlier than 20261130T091500Z (20261130T093000Z - 15 min.)",
        "kinit: Clock skew too great while getting initial credentials",
        "error: Token used before issued",
        "jwt.exceptions.ImmatureSignatureError: The token is not yet valid (iat)",
        "rafthttp: the clock difference against peer 8211f1d0f64f3269 is too high [1m12s > 1s]",
    ];
    check(&lines.map(|line| (line, C::ClockWrong)));
    for line in ["INFO allowed clock skew: 300 s", "token refreshed, valid for 1 h"] {
        assert_eq!(complaint(line), None, "{line}");
    }
}
