//! What healer asks from its host, and what it says when that fails.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use model::view::Standing;
use rustix::process::Signal;

use crate::house::House;

/// A page that answers until it is dropped.
struct Page {
    ends: Arc<AtomicBool>,
    serves: Option<JoinHandle<()>>,
    address: SocketAddr,
}

impl Page {
    fn at(address: &str) -> Page {
        let listener = TcpListener::bind(address).expect("the port is free");
        let address = listener.local_addr().expect("it has one");
        let ends = Arc::new(AtomicBool::new(false));
        let ended = ends.clone();
        let serves = thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nyes");
            }
        });
        Page { ends, serves: Some(serves), address }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        let _ = std::net::TcpStream::connect(self.address);
        if let Some(serves) = self.serves.take() {
            serves.join().expect("it ended in order");
        }
    }
}

fn asking(probes: &[String]) -> House {
    let mut house = House::new(&[]);
    let file = house.path().join("healer.yaml");
    let lines: String = probes.iter().map(|probe| format!("  - {probe}\n")).collect();
    let text = fs::read_to_string(&file).expect("the folder is ours").replace("  services:\n", "");
    fs::write(&file, format!("{text}probes:\n{lines}")).expect("the folder is ours");
    house.end(Signal::TERM);
    house.start();
    house
}

#[test]
fn a_page_that_goes_is_told_of_with_why_and_is_well_again_once_it_is_back() {
    let page = Page::at("127.0.0.1:0");
    let address = page.address;
    let house = asking(&[
        format!("{{name: page, http: \"http://{address}/\", contains: yes, every: 1s, failures: 2, recovers: 1}}"),
        format!("{{name: other, http: \"http://{address}/\", contains: no such words, every: 1s, failures: 2}}"),
    ]);
    let well = house.wait_for_standing("page", Standing::Well);
    assert!(well.why.starts_with("it passes, p50 "), "{}", well.why);
    let other = house.wait_for_standing("other", Standing::NeedsYou);
    assert!(other.why.contains("no such words"), "{}", other.why);
    drop(page);
    let gone = house.wait_for_standing("page", Standing::NeedsYou);
    assert!(gone.why.contains(&format!("{address} refused the connection: nothing listens there")), "{}", gone.why);
    assert!(house.why("page").contains("rule unreachable"), "{}", house.why("page"));
    let _back = Page::at(&address.to_string());
    house.wait_for_standing("page", Standing::Well);
    assert!(!house.cli(&["stop", "page"]).status.success(), "nothing of it can be stopped");
}

#[test]
fn what_cannot_be_asked_says_why() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let certificate = folder.path().join("missing.pem");
    let house = asking(&[
        "{name: name, dns: no-such-name.invalid, every: 1s, timeout: 1s, failures: 1}".to_owned(),
        format!("{{name: file, tls: {}, every: 1s, failures: 1}}", certificate.display()),
        "{name: backup, command: [sh, -c, \"echo too old; exit 3\"], every: 1s, failures: 1}".to_owned(),
    ]);
    for (name, says) in [("name", "no-such-name.invalid"), ("file", "missing.pem"), ("backup", "exit code 3: too old")]
    {
        let resource = house.wait_for_standing(name, Standing::NeedsYou);
        assert!(resource.why.contains(says), "{name}: {}", resource.why);
    }
}
