//! Name servers of a test's own: two that disagree, one that fails, one that is not there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use probes::dns::Check;
use probes::{Measure, NoName, Question, Trouble, Unexpected};
use rustix::process::Signal;
use tokio::net::UdpSocket;

use crate::rig::{Folder, Server, ask, ask_within, command, found, free_port, labels, wait_for};

struct Dnsmasq {
    address: SocketAddr,
    _server: Server,
    _folder: Folder,
}

impl Dnsmasq {
    /// One that knows these names, and that there are no others.
    async fn start(records: &[&str]) -> Option<Dnsmasq> {
        let (folder, port) = (Folder::new(), free_port());
        let mut start = command(&found("dnsmasq")?, &folder);
        let port_word = format!("--port={port}");
        start.args(["--keep-in-foreground", "--no-resolv", "--no-hosts", "--bind-interfaces", "--conf-file=/dev/null"]);
        start.args(["--listen-address=127.0.0.1", "--local=/#/", "--pid-file", &port_word]).args(records);
        let server = Server::start(&mut start, Signal::TERM);
        let dnsmasq = Dnsmasq { address: ([127, 0, 0, 1], port).into(), _server: server, _folder: folder };
        wait_for("dnsmasq answers", async || {
            let answer = ask_within(dnsmasq.question("none.example", &[]), Duration::from_secs(1)).await;
            matches!(answer.troubles[..], [Trouble::Unresolved { why: NoName::NoSuchName, .. }]).then_some(())
        })
        .await;
        Some(dnsmasq)
    }

    fn question(&self, name: &str, expected: &[[u8; 4]]) -> Question {
        question(name, &[self.address], expected)
    }
}

fn question(name: &str, resolvers: &[SocketAddr], expected: &[[u8; 4]]) -> Question {
    let expected = expected.iter().map(|octets| IpAddr::V4(Ipv4Addr::from(*octets))).collect();
    Question::Dns(Check { name: name.to_owned(), expected, resolvers: resolvers.to_vec() })
}

#[tokio::test]
async fn a_name_has_the_addresses_that_it_should_or_is_told_to_have_none() {
    let records =
        ["--host-record=shop.example,192.0.2.1", "--host-record=shop.example,192.0.2.2", "--txt-record=bare.example,x"];
    let Some(server) = Dnsmasq::start(&records).await else { return };
    let found = ask(server.question("shop.example", &[])).await;
    assert_eq!((found.is_good(), found.figure(Measure::Addresses)), (true, Some(2.0)), "{found}");
    assert!(ask(server.question("shop.example", &[[192, 0, 2, 1], [192, 0, 2, 2], [192, 0, 2, 3]])).await.is_good());
    let hijacked = ask(server.question("shop.example", &[[192, 0, 2, 1]])).await;
    let is_other = matches!(&hijacked.troubles[..], [Trouble::Wrong { what: Unexpected::Addresses { got, .. }, .. }] if got.len() == 2);
    assert!(is_other, "{hijacked}");
    let none = ask(server.question("shopp.example", &[])).await;
    assert_eq!(none.to_string(), "shopp.example does not resolve: there is no such name (NXDOMAIN)");
    let bare = ask(server.question("bare.example", &[])).await;
    assert_eq!(bare.to_string(), "bare.example does not resolve: the name has no address");
}

#[tokio::test]
async fn resolvers_that_disagree_are_told_with_what_each_says() {
    let Some(one) = Dnsmasq::start(&["--host-record=shop.example,192.0.2.1"]).await else { return };
    let Some(other) = Dnsmasq::start(&["--host-record=shop.example,192.0.2.9"]).await else { return };
    let Some(without) = Dnsmasq::start(&[]).await else { return };
    let says = |answer: &probes::Answer| answer.to_string();
    let two = ask(question("shop.example", &[one.address, other.address], &[])).await;
    let expect = format!("shop.example is 192.0.2.1 to {}, and 192.0.2.9 to {}", one.address, other.address);
    assert_eq!(says(&two), expect);
    let half = ask(question("shop.example", &[one.address, without.address], &[])).await;
    assert_eq!(labels(&half), ["disagreement"], "{half}");
    assert!(says(&half).contains(&format!("nothing to {}", without.address)), "{half}");
    assert!(ask(question("shop.example", &[one.address, one.address], &[])).await.is_good());
    let neither = ask(question("none.example", &[one.address, other.address], &[])).await;
    assert_eq!(says(&neither), "none.example does not resolve: there is no such name (NXDOMAIN)");
}

#[tokio::test]
async fn a_name_server_that_is_not_there_or_fails_is_told_from_a_name_that_is_not() {
    let closed = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let silent_address = silent.local_addr().unwrap();
    let Some(good) = Dnsmasq::start(&["--host-record=shop.example,192.0.2.1"]).await else { return };
    for (resolvers, missing) in [
        (vec![closed], closed),
        (vec![silent_address], silent_address),
        // That the other one answers does not make it agree.
        (vec![good.address, closed], closed),
        (vec![silent_address, good.address], silent_address),
    ] {
        let answer = ask_within(question("shop.example", &resolvers, &[]), Duration::from_secs(1)).await;
        let [Trouble::Unresolved { why: NoName::NoServer { servers, .. }, .. }] = &answer.troubles[..] else {
            panic!("{resolvers:?}: {answer:?}")
        };
        assert_eq!(servers, &[missing], "{answer}");
        assert!(answer.took < Duration::from_secs(3), "{answer:?}");
    }
    // It knows nobody whom it could ask: REFUSED.
    let (Some(dnsmasq), folder, port) = (found("dnsmasq"), Folder::new(), free_port()) else { return };
    let mut start = command(&dnsmasq, &folder);
    start.args([
        "--keep-in-foreground",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
        "--conf-file=/dev/null",
        "--pid-file",
    ]);
    start.args(["--listen-address=127.0.0.1".to_owned(), format!("--port={port}")]);
    let _server = Server::start(&mut start, Signal::TERM);
    let fails = wait_for("it refuses", async || {
        let answer =
            ask_within(question("shop.example", &[([127, 0, 0, 1], port).into()], &[]), Duration::from_secs(2)).await;
        matches!(&answer.troubles[..], [Trouble::Unresolved { why: NoName::Code(_), .. }]).then_some(answer)
    })
    .await;
    assert!(fails.to_string().to_lowercase().contains("refused"), "{fails}");
}
