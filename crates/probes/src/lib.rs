//! Active checks: a question with a time limit, and an answer in words.
//!
//! ```text
//! Probe ── ask ──▶ Ok(())       it passes
//!             └──▶ Err(words)   why not, escaped and bounded
//! ```
//!
//! Whoever asks decides how often, and how many failures count. What answers may be hostile: a body that never ends, a
//! redirect elsewhere, a command that stays. Each is bounded by the probe's own time.

mod command;
mod http;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

pub use http::Asker;

/// As much of what a check says as is kept, in characters.
const SAID_CHARS_MAX: usize = 200;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// A GET that is answered by a status below 400.
    Http(outbound::Address),
    /// A connection that is taken: a host and a port.
    Tcp(String),
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
    /// Asks once.
    ///
    /// # Errors
    /// In words: what came instead of a good answer.
    pub async fn ask(&self, asker: &Asker) -> Result<(), String> {
        let answer = async {
            match &self.question {
                Question::Http(url) => asker.get(url).await,
                Question::Tcp(address) => connect(address).await,
                Question::Command(words) => command::run(words).await,
            }
        };
        let late = |_| Err(format!("no answer within {}", spoken(self.timeout)));
        tokio::time::timeout(self.timeout, answer).await.unwrap_or_else(late)
    }
}

async fn connect(address: &str) -> Result<(), String> {
    let unknown = |error: std::io::Error| format!("{address} means nothing: {error}");
    let found: Vec<SocketAddr> = tokio::net::lookup_host(address).await.map_err(unknown)?.collect();
    match TcpStream::connect(found.as_slice()).await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("no connection to {address}: {}", said(&error.to_string()))),
    }
}

fn spoken(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}

/// What something outside said, made safe to keep.
fn said(text: &str) -> String {
    evidence::escape(&evidence::redact(text), SAID_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_millis(400);

    fn asker() -> Asker {
        outbound::install_crypto_provider();
        Asker::new("healer/test").unwrap()
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

    async fn http(answer: &'static [u8]) -> Result<(), String> {
        let url = format!("http://{}/health", server(answer).await).parse().unwrap();
        Probe { question: Question::Http(url), timeout: SOON }.ask(&asker()).await
    }

    #[tokio::test]
    async fn a_status_below_400_passes_and_anything_else_says_why() {
        assert_eq!(http(b"HTTP/1.1 204 No Content\r\n\r\n").await, Ok(()));
        // Where it leads to is another matter: this one answers.
        assert_eq!(
            http(b"HTTP/1.1 302 Found\r\nlocation: http://203.0.113.1/\r\ncontent-length: 0\r\n\r\n").await,
            Ok(())
        );
        let ill = http(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 8\r\n\r\ndb \x1b[31mx").await.unwrap_err();
        assert!(ill.starts_with("it answered 503") && ill.contains("db ") && !ill.contains('\u{1b}'), "{ill}");
        let endless = http(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nand so on").await.unwrap_err();
        assert_eq!(endless, "no answer within 400 ms");
        assert_eq!(http(b"").await.unwrap_err(), "no answer within 400 ms");
        let closed = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
        let url = format!("http://{closed}/").parse().unwrap();
        let refused = Probe { question: Question::Http(url), timeout: SOON }.ask(&asker()).await.unwrap_err();
        assert!(refused.contains("refused"), "{refused}");
    }

    #[tokio::test]
    async fn a_connection_that_is_taken_passes() {
        let open = server(b"").await;
        let ask =
            |address: String| async { Probe { question: Question::Tcp(address), timeout: SOON }.ask(&asker()).await };
        assert_eq!(ask(open.to_string()).await, Ok(()));
        let closed = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
        assert!(ask(closed.to_string()).await.unwrap_err().contains("refused"));
        assert!(ask("no port".to_owned()).await.unwrap_err().contains("means nothing"));
    }

    #[tokio::test]
    async fn a_command_passes_by_its_exit_code_and_says_what_it_printed() {
        let ask = |words: &[&str]| {
            let words = words.iter().map(|&word| word.to_owned()).collect();
            async move { Probe { question: Question::Command(words), timeout: SOON }.ask(&asker()).await }
        };
        assert_eq!(ask(&["true"]).await, Ok(()));
        let ill = ask(&["sh", "-c", "echo queue is full; exit 3"]).await.unwrap_err();
        assert_eq!(ill, "it ended with exit code 3: queue is full");
        assert!(ask(&["/no/such/check"]).await.unwrap_err().contains("/no/such/check"));
        // One that stays is ended, with whatever it started.
        let pid_file = tempfile_name();
        let stays = format!("sleep 60 & echo $! > {pid_file}; wait");
        assert_eq!(ask(&["sh", "-c", &stays]).await.unwrap_err(), "no answer within 400 ms");
        let pid = std::fs::read_to_string(&pid_file).unwrap();
        let _ = std::fs::remove_file(&pid_file);
        for _ in 0..100 {
            if !is_running(pid.trim()) {
                return;
            }
            // waits for a condition
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("what the check had started runs on");
    }

    fn tempfile_name() -> String {
        let unique = std::process::id();
        std::env::temp_dir().join(format!("healer-probe-{unique}")).to_string_lossy().into_owned()
    }

    fn is_running(pid: &str) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }
}
