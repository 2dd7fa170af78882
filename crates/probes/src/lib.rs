//! Active checks: a question with a time limit, and an answer that a rule can match on.
//!
//! ```text
//! Question ── Probe::ask ──▶ Answer { figures, troubles }      once
//! Watch ── schedule::run ──▶ Change over a channel             for ever: jitter, m of n, growth, percentiles
//! ```
//!
//! One kind of question is one file. What answers may be hostile: a body that never ends, a redirect elsewhere, a command
//! that stays. Each is bounded by the probe's own time, and what it says is escaped and cut. No password is ever shown.

mod answer;
pub mod api;
mod asker;
mod certificate;
mod command;
mod dial;
pub mod dns;
mod door;
mod growth;
pub mod http;
mod latency;
pub mod postgres;
pub mod rabbitmq;
pub mod redis;
pub mod schedule;
mod secure;
mod tcp;
pub mod tls;
mod trouble;
mod verdict;

use std::fmt;
use std::time::{Duration, Instant};

pub use answer::{Answer, Figure, Measure};
pub use asker::Asker;
pub use dial::Endpoint;
pub use latency::Percentiles;
pub use trouble::{Distrust, NoName, Side, Stage, Trouble, Unexpected};
pub use verdict::{Judge, Rule, Standing, Turn};

use dial::Deadline;

/// As much of what a check says as is kept, in characters.
const SAID_CHARS_MAX: usize = 200;

/// What is asked.
#[derive(Clone, PartialEq, Eq)]
pub enum Question {
    /// A GET.
    Http(http::Check),
    /// A connection that is taken: a host and a port.
    Tcp(String),
    /// A name that has addresses.
    Dns(dns::Check),
    /// A certificate that holds.
    Tls(tls::Check),
    /// A database that does its work.
    Postgres(Box<postgres::Check>),
    /// A queue in Redis.
    Redis(redis::Check),
    /// A queue in RabbitMQ.
    RabbitMq(rabbitmq::Check),
    /// An outside API that answers, and has some of its quota left.
    Api(api::Check),
    /// A command, as a list, that ends with 0.
    Command(Vec<String>),
}

/// A question, and for how long its answer is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What.
    pub question: Question,
    /// For how long.
    pub timeout: Duration,
}

impl Probe {
    /// Asks once. It takes no longer than the probe's time.
    pub async fn ask(&self, asker: &Asker) -> Answer {
        let (began, deadline) = (Instant::now(), Deadline::within(self.timeout));
        let mut answer = self.question.ask(asker, &deadline).await.unwrap_or_else(Answer::from);
        answer.took = began.elapsed();
        if let Question::Http(check) = &self.question {
            check.late(&mut answer);
        }
        answer
    }
}

impl Question {
    async fn ask(&self, asker: &Asker, deadline: &Deadline) -> Result<Answer, Trouble> {
        match self {
            Question::Http(check) => check.ask(asker, deadline).await,
            Question::Tcp(address) => tcp::ask(address, deadline).await,
            Question::Dns(check) => check.ask(deadline).await,
            Question::Tls(check) => check.ask(asker, deadline).await,
            Question::Postgres(check) => check.ask(asker, deadline).await,
            Question::Redis(check) => check.ask(asker, deadline).await,
            Question::RabbitMq(check) => check.ask(asker, deadline).await,
            Question::Api(check) => check.ask(asker, deadline).await,
            Question::Command(words) => command::ask(words, deadline).await,
        }
    }
}

/// Arguments of a command may hold secrets.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Question::Http(check) => check.fmt(f),
            Question::Tcp(address) => write!(f, "Tcp({address})"),
            Question::Dns(check) => check.fmt(f),
            Question::Tls(check) => check.fmt(f),
            Question::Postgres(check) => check.fmt(f),
            Question::Redis(check) => check.fmt(f),
            Question::RabbitMq(check) => check.fmt(f),
            Question::Api(check) => check.fmt(f),
            Question::Command(words) => write!(f, "Command({:?}, …)", words.first().map_or("", String::as_str)),
        }
    }
}

/// A time as a person reads it: in the largest unit in which it is whole.
fn spoken(time: Duration) -> String {
    let (whole_s, rest_ms) = (time.as_secs(), time.subsec_millis());
    match (whole_s, rest_ms) {
        (0, _) | (_, 1..) => format!("{} ms", time.as_millis()),
        (s, 0) if s % 3600 == 0 => format!("{} h", s / 3600),
        (s, 0) if s % 60 == 0 => format!("{} min", s / 60),
        (s, 0) => format!("{s} s"),
    }
}

/// What something outside said, made safe to keep.
fn said(text: &str) -> String {
    evidence::escape(&evidence::redact(text), SAID_CHARS_MAX)
}

/// The same, of somebody who knows a password.
fn said_without(text: &str, password: Option<&str>) -> String {
    match password.filter(|password| !password.is_empty()) {
        Some(password) => said(&text.replace(password, evidence::MASK)),
        None => said(text),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_millis(400);

    fn asker() -> Asker {
        Asker::new("healer/test").unwrap()
    }

    async fn ask(question: Question) -> Answer {
        Probe { question, timeout: SOON }.ask(&asker()).await
    }

    /// Answers each request with this, and keeps the connection.
    async fn server(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 1024];
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(answer).await;
                    let _ = stream.read(&mut request).await;
                });
            }
        });
        address
    }

    async fn http(answer: &'static [u8]) -> Answer {
        let url: outbound::Address = format!("http://{}/health", server(answer).await).parse().unwrap();
        ask(Question::Http(url.into())).await
    }

    #[tokio::test]
    async fn a_status_below_400_passes_and_anything_else_says_why() {
        assert!(http(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_good());
        let ill = http(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 8\r\n\r\ndb \x1b[31mx").await.to_string();
        assert!(ill.contains("answered 503, not below 400: db ") && !ill.contains('\u{1b}'), "{ill}");
        let endless = http(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nand so on").await.to_string();
        assert!(endless.ends_with("the whole answer did not come within 400 ms"), "{endless}");
        let closed = http(b"").await.to_string();
        assert!(closed.contains("did not come within"), "{closed}");
    }

    #[tokio::test]
    async fn a_connection_that_is_taken_passes() {
        let open = server(b"").await;
        assert!(ask(Question::Tcp(open.to_string())).await.is_good());
        let closed = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
        let refused = ask(Question::Tcp(closed.to_string())).await;
        assert_eq!(refused.troubles, [Trouble::Refused { by: closed.to_string() }]);
        assert_eq!(ask(Question::Tcp("no port".to_owned())).await.troubles[0].label(), "unaskable");
    }

    #[tokio::test]
    async fn a_command_passes_by_its_exit_code_and_says_what_it_printed() {
        let run = |words: &[&str]| ask(Question::Command(words.iter().map(|&word| word.to_owned()).collect()));
        assert!(run(&["true"]).await.is_good());
        let ill = run(&["sh", "-c", "echo queue is full; exit 3"]).await;
        assert_eq!(ill.to_string(), "sh ended with exit code 3: queue is full");
        assert!(run(&["/no/such/check"]).await.to_string().contains("/no/such/check"));
        // One that stays is ended, with whatever it started.
        let pid_file = tempfile::NamedTempFile::new().unwrap();
        let stays = format!("sleep 60 & echo $! > {}; wait", pid_file.path().display());
        assert_eq!(run(&["sh", "-c", &stays]).await.troubles[0].label(), "slow");
        let pid = std::fs::read_to_string(pid_file.path()).unwrap();
        for _ in 0..100 {
            if !is_running(pid.trim()) {
                return;
            }
            // waits for a condition
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("what the check had started runs on");
    }

    #[test]
    fn a_time_is_told_in_the_unit_in_which_it_is_whole() {
        let table = [(0, "0 ms"), (400, "400 ms"), (1_500, "1500 ms"), (30_000, "30 s"), (90_000, "90 s")];
        let long = [(600_000, "10 min"), (7_200_000, "2 h")];
        for (ms, says) in table.into_iter().chain(long) {
            assert_eq!(spoken(Duration::from_millis(ms)), says);
        }
    }

    #[test]
    fn what_is_said_back_holds_no_password() {
        assert_eq!(said_without("no user bob with s3cr3t\u{7}", Some("s3cr3t")), "no user bob with ********\\x07");
        assert_eq!(said_without("plain", Some("")), "plain");
        assert_eq!(said_without("plain", None), "plain");
    }

    #[test]
    fn a_question_shows_no_arguments() {
        let question = Question::Command(vec!["check".to_owned(), "--password=s3cr3t".to_owned()]);
        assert_eq!(format!("{question:?}"), "Command(\"check\", …)");
    }

    fn is_running(pid: &str) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }
}
