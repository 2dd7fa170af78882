//! The channel against a real mail server: Exim, one process a connection on a socket of this test's, as inetd would
//! run it, with a configuration and folders of its own. What arrives is read by Python's mail reader. Where one of the
//! two is missing every test says that it was skipped.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use super::*;

const LIMITS: Limits = Limits { connect: Duration::from_secs(10), total: Duration::from_secs(30) };
const OPS: &str = "ops@example.org";
const ANN: &str = "ann@example.org";
const NOBODY: &str = "nobody@example.org";
const FULL: &str = "full@example.org";

/// How the server wants to be spoken to.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    StartTls,
    Tls,
    NoTls,
}

/// A mail server of its own for one test.
struct Exim {
    dir: tempfile::TempDir,
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Child>>>,
    is_over: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Exim {
    fn start(way: Way) -> Option<Exim> {
        let exim = program("exim4")?;
        program("python3")?;
        let dir = tempfile::tempdir().unwrap();
        for folder in ["spool", "mail"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        certificate(dir.path())?;
        let owner = owner(dir.path());
        fs::write(dir.path().join("exim.conf"), configuration(dir.path(), owner, way)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections: Arc<Mutex<Vec<Child>>> = Arc::default();
        let is_over: Arc<AtomicBool> = Arc::default();
        let (children, over, conf) = (connections.clone(), is_over.clone(), dir.path().join("exim.conf"));
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                // The rig itself calls once more at the end.
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let out: OwnedFd = stream.try_clone().unwrap().into();
                let mut exim = Command::new(&exim);
                exim.arg("-C").arg(&conf).args(["-odi", "-bs"]).stdin(OwnedFd::from(stream)).stdout(out);
                if way == Way::Tls {
                    exim.arg("-tls-on-connect");
                }
                children.lock().unwrap().push(exim.stderr(Stdio::null()).spawn().unwrap());
            }
        });
        Some(Exim { dir, address, connections, is_over, accepting: Some(accepting) })
    }

    /// Its URL under the name that its certificate is for.
    fn url(&self, scheme: &str, login: &str) -> String {
        format!("{scheme}://{login}localhost:{}", self.address.port())
    }

    fn open(&self, scheme: &str, login: &str, to: &[&str]) -> Client {
        let pem = fs::read(self.dir.path().join("cert.pem")).unwrap();
        let trusted = [Certificate::from_pem(&pem).unwrap()];
        Client::open_with("ops", &config(&self.url(scheme, login), to), LIMITS, &trusted).unwrap()
    }

    /// What somebody got, once every connection is over: a server delivers before it goes.
    fn mails(&self, who: &str) -> Vec<PathBuf> {
        for child in self.connections.lock().unwrap().iter_mut() {
            child.wait().unwrap();
        }
        let local = who.split('@').next().unwrap();
        let Ok(found) = fs::read_dir(self.dir.path().join("mail").join(local).join("new")) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    fn only_mail(&self, who: &str) -> Value {
        let mails = self.mails(who);
        assert_eq!(mails.len(), 1, "{who} has {mails:?}; {}", self.log());
        read(&mails[0])
    }

    fn log(&self) -> String {
        let log = |name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        format!("{}{}", log("mainlog"), log("paniclog"))
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        for child in self.connections.lock().unwrap().iter_mut() {
            let _ = child.wait();
        }
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    // A user's own path leaves out where daemons are.
    let folders = path.split(':').chain(["/usr/sbin"]).map(|folder| Path::new(folder).join(name));
    let found = folders.into_iter().find(|file| file.is_file());
    if found.is_none() {
        skip(name);
    }
    found
}

/// Says that a test could not be made here, to whoever reads along and to `cargo xtask test`.
fn skip(what: &str) {
    // Not by `println!`, which the test runner would swallow.
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
    let Some(file) = std::env::var_os("HEALER_SKIPS") else { return };
    let mut file = fs::File::options().create(true).append(true).open(file).unwrap();
    writeln!(file, "{what}").unwrap();
}

/// A certificate for `localhost` that nobody knows but whoever is told.
fn certificate(dir: &Path) -> Option<()> {
    let openssl = program("openssl")?;
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 \
                     -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE";
    let made = Command::new(openssl).args(arguments.split(' ').filter(|word| !word.is_empty())).current_dir(dir).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some(())
}

/// Whose the server's folders are: of whoever runs the test. Exim delivers nothing as root, so root gives them away.
fn owner(dir: &Path) -> (u32, u32) {
    const NOBODY: u32 = 65_534;
    let me = fs::metadata(dir).unwrap();
    if me.uid() != 0 {
        return (me.uid(), me.gid());
    }
    for given in ["", "spool", "mail", "key.pem", "cert.pem"] {
        std::os::unix::fs::chown(dir.join(given), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    (NOBODY, NOBODY)
}

/// Everything under `dir`; `bob` may write, once he is known and his words are secret.
fn configuration(dir: &Path, (user, group): (u32, u32), way: Way) -> String {
    let dir = dir.display();
    let advertised = if way == Way::NoTls { "" } else { "*" };
    format!(
        "primary_hostname = mail.example.org
exim_user = {user}
exim_group = {group}
never_users =
spool_directory = {dir}/spool
log_file_path = {dir}/%slog
keep_environment =
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts = {advertised}
tls_certificate = {dir}/cert.pem
tls_privatekey = {dir}/key.pem
auth_advertise_hosts = ${{if def:tls_in_cipher{{*}}{{}}}}
acl_smtp_rcpt = recipient
acl_smtp_data = content
begin acl
recipient:
  deny !authenticated = *
       message = 530 log in first
  defer local_parts = full
       condition = ${{if exists{{{dir}/full}}}}
       message = the mailbox is full
  accept local_parts = ops : ann : full
  deny message = no such user
content:
  deny condition = ${{if match{{$h_subject:}}{{virus}}}}
       message = no thanks
  accept
begin routers
local:
  driver = accept
  local_parts = ops : ann : full
  transport = maildir
begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = {dir}/mail/$local_part_data
  user = {user}
  group = {group}
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{bob}}}}{{eq{{$auth3}}{{s3 @/cret}}}}}}}}
  server_set_id = $auth2
"
    )
}

/// The password as a URL has it, of which one character is no URL's.
const BOB: &str = "bob:s3%20@/cret@";

/// A mail as somebody else's reader understands it.
fn read(mail: &Path) -> Value {
    let script = "
import email, email.policy, json, sys
mail = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)
defects = [repr(d) for part in mail.walk() for d in part.defects]
defects += [repr(d) for part in mail.walk() for h in part.values() for d in getattr(h, 'defects', [])]
print(json.dumps({
    'headers': {name.lower(): str(value) for name, value in mail.items()},
    'names': [name.lower() for name in mail.keys()],
    'type': mail.get_content_type(),
    'parts': [[part.get_content_type(), part.get_content()] for part in mail.iter_parts()],
    'defects': defects,
}))";
    let output = Command::new("python3").args(["-c", script]).arg(mail).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn header<'m>(mail: &'m Value, name: &str) -> &'m str {
    mail["headers"][name].as_str().unwrap_or_else(|| panic!("no {name} in {mail:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_arrives_whole_over_tls_and_after_a_login() {
    for (way, scheme) in [(Way::StartTls, "smtp+starttls"), (Way::Tls, "smtps")] {
        let Some(exim) = Exim::start(way) else { return };
        let client = exim.open(scheme, BOB, &["Änne Ops <ops@example.org>", ANN]);
        let message = message(7, "shop/web — läuft wieder");
        assert_eq!(client.deliver(&parcel(&message, 1), None).await, Delivery::Delivered, "{}", exim.log());
        let mail = exim.only_mail(OPS);
        assert_eq!(mail["defects"], serde_json::json!([]));
        // `esmtpsa`: over TLS, and after a login.
        assert!(header(&mail, "received").contains("with esmtpsa"), "{mail:#}");
        for (name, expect) in [
            ("subject", "[healer web-1] shop/web — läuft wieder"),
            ("from", "Healer <healer@example.org>"),
            ("to", "Änne Ops <ops@example.org>, ann@example.org"),
            ("date", "Mon, 23 Nov 2026 14:01:22 +0000"),
            ("auto-submitted", "auto-generated"),
        ] {
            assert_eq!(header(&mail, name), expect, "{name}");
        }
        assert_eq!(mail["type"], "multipart/alternative");
        let parts = mail["parts"].as_array().unwrap();
        let kinds: Vec<&str> = parts.iter().map(|part| part[0].as_str().unwrap()).collect();
        assert_eq!(kinds, ["text/plain", "text/html"]);
        assert_eq!(parts[0][1].as_str().unwrap(), page::plain(&message, None));
        assert_eq!(parts[1][1].as_str().unwrap(), page::html(&message, None));
        assert_eq!(exim.mails(ANN).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_is_one_conversation_and_a_repeat_is_known_by_its_id() {
    let Some(exim) = Exim::start(Way::StartTls) else { return };
    let client = exim.open("smtp+starttls", BOB, &[OPS]);
    let of = |number, kind, incident| {
        let id = IncidentId { instance: Arc::from("web-1"), number: incident };
        let about = About::Incident { incident: id, resource: ResourceId::docker("web-1", "shop", "web", 1) };
        Message { kind, about, ..message(number, &format!("message {number}")) }
    };
    let opened = of(1, Kind::Opened, 41);
    let resolved = of(2, Kind::Resolved, 41);
    let other = of(3, Kind::Opened, 42);
    for parcel in [parcel(&opened, 1), parcel(&opened, 2), parcel(&resolved, 1), parcel(&other, 1)] {
        assert_eq!(client.deliver(&parcel, None).await, Delivery::Delivered, "{}", exim.log());
    }
    let mails: Vec<Value> = exim.mails(OPS).iter().map(|mail| read(mail)).collect();
    let find = |subject: &str| -> Vec<&Value> {
        mails.iter().filter(|mail| header(mail, "subject") == format!("[healer web-1] {subject}")).collect()
    };
    let (first, second, third) = (find("message 1"), find("message 2"), find("message 3"));
    assert_eq!((first.len(), second.len(), third.len()), (2, 1, 1));
    assert_eq!(header(first[0], "message-id"), header(first[1], "message-id"));
    assert_ne!(header(first[0], "message-id"), header(second[0], "message-id"));
    for name in ["in-reply-to", "references"] {
        assert_eq!(header(first[0], name), header(second[0], name));
        assert_ne!(header(first[0], name), header(third[0], name));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recipient_is_told_and_keeps_nobody_else_from_the_mail() {
    let Some(exim) = Exim::start(Way::StartTls) else { return };
    let client = exim.open("smtp+starttls", BOB, &[NOBODY, OPS]);
    let delivery = client.deliver(&parcel(&message(7, "t"), 1), None).await;
    let server = exim.url("smtp+starttls", "");
    let why = format!("{server} answered 550 to the recipient {NOBODY}: no such user; one recipient has the mail");
    assert_eq!(delivery, Delivery::Rejected(why));
    assert_eq!(exim.mails(OPS).len(), 1);
    let client = exim.open("smtp+starttls", BOB, &[NOBODY]);
    let delivery = client.deliver(&parcel(&message(8, "t"), 1), None).await;
    assert!(matches!(&delivery, Delivery::Rejected(why) if why.ends_with("no such user")), "{delivery:?}");
    let client = exim.open("smtp+starttls", BOB, &[OPS]);
    let delivery = client.deliver(&parcel(&message(9, "a virus"), 1), None).await;
    assert_eq!(delivery, Delivery::Rejected(format!("{server} answered 550 to the mail: no thanks")));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_full_gets_the_mail_later_and_the_others_get_it_once() {
    let Some(exim) = Exim::start(Way::StartTls) else { return };
    let is_full = exim.dir.path().join("full");
    fs::write(&is_full, "").unwrap();
    let client = exim.open("smtp+starttls", BOB, &[OPS, FULL, ANN]);
    let message = message(7, "t");
    let delivery = client.deliver(&parcel(&message, 1), None).await;
    let server = exim.url("smtp+starttls", "");
    let why = format!("{server} answered 451 to the recipient {FULL}: the mailbox is full; 2 recipients have the mail");
    assert_eq!(delivery, Delivery::Retry(why));
    assert_eq!((exim.mails(OPS).len(), exim.mails(FULL).len()), (1, 0));
    fs::remove_file(is_full).unwrap();
    assert_eq!(client.deliver(&parcel(&message, 2), None).await, Delivery::Delivered, "{}", exim.log());
    assert_eq!((exim.mails(OPS).len(), exim.mails(FULL).len(), exim.mails(ANN).len()), (1, 1, 1));
    let ids = [OPS, FULL].map(|who| header(&exim.only_mail(who), "message-id").to_owned());
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_can_mend_is_tried_again_with_the_reason() {
    let Some(exim) = Exim::start(Way::StartTls) else { return };
    let parcel = parcel(&message(7, "t"), 1);
    let retry = async |client: Client| match client.deliver(&parcel, None).await {
        Delivery::Retry(why) => why,
        other @ (Delivery::Delivered | Delivery::Rejected(_)) => panic!("{other:?}; {}", exim.log()),
    };
    let server = exim.url("smtp+starttls", "");
    let why = retry(exim.open("smtp+starttls", "bob:wr0ng-word@", &[OPS])).await;
    assert!(why.contains("does not let healer's user in (535"), "{why}");
    assert!(!why.contains("wr0ng-word") && !why.contains("bob"), "{why}");
    let why = retry(exim.open("smtp+starttls", "", &[OPS])).await;
    assert_eq!(why, format!("{server} answered 530 to the recipient {OPS}: log in first"));
    let why = retry(exim.open("smtp", BOB, &[OPS])).await;
    assert!(why.contains("lets nobody log in by PLAIN or LOGIN; it may on a connection with TLS"), "{why}");
    let why = retry(exim.open("smtps", BOB, &[OPS])).await;
    assert!(why.contains("smtps:// is for TLS from the first byte"), "{why}");

    let unknown = Client::open("ops", &config(&exim.url("smtp+starttls", BOB), &[OPS])).unwrap();
    let why = retry(unknown).await;
    assert!(why.starts_with(&format!("the certificate of {server} is not trusted")), "{why}");
    let by_number = exim.url("smtp+starttls", BOB).replace("localhost", "127.0.0.1");
    let pem = fs::read(exim.dir.path().join("cert.pem")).unwrap();
    let trusted = [Certificate::from_pem(&pem).unwrap()];
    let why = retry(Client::open_with("ops", &config(&by_number, &[OPS]), LIMITS, &trusted).unwrap()).await;
    assert!(why.contains("is not trusted") && why.contains("not valid for name"), "{why}");
    assert_eq!(exim.mails(OPS).len(), 0);

    let Some(bare) = Exim::start(Way::NoTls) else { return };
    let why = retry(bare.open("smtp+starttls", BOB, &[OPS])).await;
    assert!(why.contains("offers no STARTTLS, and nothing is told to it without"), "{why}");
    assert_eq!(bare.mails(OPS).len(), 0);
    let url = bare.url("smtp", BOB);
    drop(bare);
    let why = retry(Client::open("ops", &config(&url, &[OPS])).unwrap()).await;
    assert!(why.contains("refused"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_message_adds_no_header_no_part_and_no_end() {
    let Some(exim) = Exim::start(Way::StartTls) else { return };
    let client = exim.open("smtp+starttls", BOB, &[OPS]);
    let hostile = "é\r\nBcc: victim@example.org\r\n\r\n.\r\nMAIL FROM:<x@example.org> =?utf-8?q?x?= <b>&";
    let about = About::Recovery {
        recovery: RecoveryId { instance: Arc::from("wéb\r\nX-Evil: 1"), number: 3 },
        host: hostile.to_owned(),
    };
    let message = Message {
        about,
        story: vec![".".to_owned(), "..".to_owned(), hostile.to_owned(), "x".repeat(5_000)],
        next: vec!["healer why\r\n.\r\nQUIT".to_owned()],
        at: Wall(i64::MAX),
        ..message(7, &hostile.repeat(20))
    };
    assert_eq!(client.deliver(&parcel(&message, 1), None).await, Delivery::Delivered, "{}", exim.log());
    let mail = exim.only_mail(OPS);
    assert_eq!(mail["defects"], serde_json::json!([]));
    let names: Vec<&str> = mail["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for foreign in ["bcc", "x-evil"] {
        assert!(!names.contains(&foreign), "{names:?}");
    }
    let subject = header(&mail, "subject");
    assert!(subject.starts_with("[healer wéb\\r\\nX-Evil: 1] é\\r\\nBcc: victim@example.org"), "{subject}");
    assert!(!subject.contains(['\r', '\n']) && subject.len() <= 240, "{subject}");
    let parts = mail["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0][1].as_str().unwrap(), page::plain(&message, None));
    assert_eq!(parts[1][1].as_str().unwrap(), page::html(&message, None));
}
