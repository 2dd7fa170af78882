//! A real mail server: Exim, one process a connection as inetd would run it, with a configuration and folders of its own.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::browser::attribute;
use crate::rig::skip;

/// Who may own what a mail server delivers where root runs the tests: Exim delivers nothing as root.
const NOBODY: u32 = 65_534;

pub(crate) struct Mail {
    folder: tempfile::TempDir,
    port: u16,
    is_over: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Mail {
    /// `None`, and a word about it, where there is no Exim.
    pub(crate) fn start() -> Option<Mail> {
        let Some(exim) = ["/usr/sbin/exim4", "/usr/sbin/exim"].map(PathBuf::from).into_iter().find(|at| at.is_file())
        else {
            skip("exim4");
            return None;
        };
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        for name in ["spool", "mail"] {
            fs::create_dir(folder.path().join(name)).expect("the folder is ours");
        }
        let configuration = folder.path().join("exim.conf");
        fs::write(&configuration, configured(folder.path())).expect("the folder is ours");
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let is_over: Arc<AtomicBool> = Arc::default();
        let over = Arc::clone(&is_over);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // The rig itself calls once more at the end.
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let out = OwnedFd::from(stream.try_clone().expect("a socket can be shared"));
                let mut command = Command::new(&exim);
                command.arg("-C").arg(&configuration).args(["-odi", "-bs"]);
                command.stdin(OwnedFd::from(stream)).stdout(out).stderr(Stdio::null());
                let mut served = command.spawn().expect("exim can be run");
                served.wait().expect("it is our child");
            }
        });
        Some(Mail { folder, port, is_over, accepting: Some(accepting) })
    }

    /// The channel that leads here, as an entry of `channels`.
    pub(crate) fn channel(&self) -> String {
        let server = format!("smtp+plain://127.0.0.1:{}", self.port);
        format!("  mail: {{type: email, server: \"{server}\", from: healer@example.org, to: [ops@example.org]}}\n")
    }

    /// All mails that were delivered.
    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.texts().iter().map(|mail| Letter::read(mail)).collect()
    }

    fn texts(&self) -> Vec<String> {
        let Ok(found) = fs::read_dir(self.folder.path().join("mail/ops/new")) else { return Vec::new() };
        let text = |path: PathBuf| fs::read_to_string(path).expect("a mail can be read");
        found.flatten().map(|entry| text(entry.path())).collect()
    }

    /// The subjects of all mails that were delivered, and how many of those came again: healer sends again what it was
    /// killed over before it could note that the server had taken it, and then it bears the same `Message-ID`.
    pub(crate) fn subjects(&self) -> (Vec<String>, usize) {
        let (mut mails, mut again) = (BTreeMap::<String, String>::new(), 0);
        for mail in self.texts() {
            let subject = header(&mail, "Subject");
            if let Some(before) = mails.insert(header(&mail, "Message-ID"), subject.clone()) {
                assert_eq!(before, subject, "one id, one mail");
                again += 1;
            }
        }
        (mails.into_values().collect(), again)
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// A mail, read as a reader of mails does.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) plain: String,
    pub(crate) html: String,
}

impl Letter {
    fn read(mail: &str) -> Letter {
        let part = |kind| part(mail, kind);
        Letter { subject: header(mail, "Subject"), plain: part("text/plain"), html: part("text/html") }
    }
}

/// The part of this kind, decoded.
fn part(mail: &str, kind: &str) -> String {
    let kinds = header(mail, "Content-Type");
    let between = attribute(&kinds, "boundary").map(|boundary| format!("\n--{boundary}"));
    let between = between.unwrap_or_else(|| panic!("no parts in {mail}"));
    let mut parts = mail.split(&between).skip(1).filter_map(|part| part.split_once("\n\n"));
    let found = parts.find(|(head, _)| header(head, "Content-Type").starts_with(kind));
    let (head, body) = found.unwrap_or_else(|| panic!("no {kind} in {mail}"));
    assert_eq!(header(head, "Content-Transfer-Encoding"), "quoted-printable", "{mail}");
    unquoted(body)
}

/// Quoted-printable, as in RFC 2045, 6.7.
fn unquoted(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut pieces = joined.split('=');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (code, rest) = piece.split_at(2);
        bytes.push(u8::from_str_radix(code, 16).expect("two hexadecimal digits follow"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).expect("healer writes UTF-8")
}

/// What a header says, folded over several lines or not.
fn header(mail: &str, name: &str) -> String {
    let mut lines = mail.lines().skip_while(|line| !line.starts_with(&format!("{name}: ")));
    let first = lines.next().unwrap_or_else(|| panic!("no {name} in {mail}"));
    let first = first.trim_start_matches(&format!("{name}: ")).to_owned();
    lines.take_while(|line| line.starts_with([' ', '\t'])).fold(first, |whole, more| whole + more)
}

fn configured(folder: &Path) -> String {
    let me = fs::metadata(folder).expect("it was made");
    let (user, group) = if me.uid() == 0 { (NOBODY, NOBODY) } else { (me.uid(), me.gid()) };
    if me.uid() == 0 {
        for given in ["", "spool", "mail"] {
            chown(folder.join(given), Some(user), Some(group)).expect("root may give it away");
        }
    }
    let folder = folder.display();
    format!(
        "primary_hostname = mail.example.org
exim_user = {user}
exim_group = {group}
never_users =
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
keep_environment =
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
acl_smtp_rcpt = recipient
begin acl
recipient:
  accept
begin routers
local:
  driver = accept
  local_parts = ops
  transport = maildir
begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = {folder}/mail/$local_part_data
  user = {user}
  group = {group}
"
    )
}
