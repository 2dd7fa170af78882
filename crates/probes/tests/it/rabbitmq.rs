//! A queue that fills in a real RabbitMQ, with an Erlang name server of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use probes::rabbitmq::Check;
use probes::{Answer, Judge, Measure, Question, Rule, Turn};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::{Folder, Server, ask, command, found, free_port, labels, skip, wait_for};

/// `guest:guest`, who may do everything from the broker's own host.
const GUEST: &str = "Z3Vlc3Q6Z3Vlc3Q=";

struct RabbitMq {
    api: u16,
    _broker: Server,
    _names: Server,
    _folder: Folder,
}

impl RabbitMq {
    fn start() -> Option<RabbitMq> {
        let (program, epmd) = (program()?, found("epmd")?);
        let folder = Folder::new();
        let [api, amqp, distribution, names_port] = std::array::from_fn(|_| free_port());
        let plugins = folder.write("plugins", "[rabbitmq_management].");
        let settings = format!(
            "management.tcp.port = {api}\nmanagement.tcp.ip = 127.0.0.1\ncollect_statistics_interval = 500\n\
             management.rates_mode = none\n"
        );
        let settings = folder.write("rabbitmq.conf", &settings);
        let names_port = names_port.to_string();
        let mut names = command(&epmd, &folder);
        let names = Server::start(names.args(["-port", &names_port, "-address", "127.0.0.1"]), Signal::TERM);
        let mut start = command(&program, &folder);
        environment(&mut start, &folder, &settings, &plugins);
        start.env("ERL_EPMD_PORT", &names_port).env("RABBITMQ_NODENAME", format!("rabbit{amqp}@localhost"));
        start.env("RABBITMQ_NODE_PORT", amqp.to_string()).env("RABBITMQ_DIST_PORT", distribution.to_string());
        Some(RabbitMq { api, _broker: Server::start(&mut start, Signal::TERM), _names: names, _folder: folder })
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.api)).await.ok()?;
        let length = body.len();
        let head = format!(
            "{method} /api/{path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic {GUEST}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    async fn publish(&self) {
        let body = r#"{"properties": {}, "routing_key": "mail", "payload": "x", "payload_encoding": "string"}"#;
        assert_eq!(self.call("POST", "exchanges/%2F/amq.default/publish", body).await, Some(200));
    }

    fn check(&self, password: &str, queue: &str, above: u64) -> Question {
        let url = format!("http://guest:{password}@127.0.0.1:{}", self.api).parse().unwrap();
        let (virtual_host, queue) = ("/".to_owned(), queue.to_owned());
        Question::RabbitMq(Check { url, virtual_host, queue, above: Some(above) })
    }

    async fn depth(&self, depth: u32) -> Answer {
        wait_for("the broker counts", async || {
            let answer = ask(self.check("guest", "mail", 10)).await;
            (answer.figure(Measure::Depth) == Some(depth.into())).then_some(answer)
        })
        .await
    }
}

/// The broker's own script: the distribution's asks for root first.
fn program() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/rabbitmq/lib").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("sbin/rabbitmq-server")).find(|path| path.is_file());
    if found.is_none() {
        skip("rabbitmq-server");
    }
    found
}

fn environment(start: &mut Command, folder: &Folder, settings: &Path, plugins: &Path) {
    start
        .env("RABBITMQ_BASE", folder.path())
        .env("RABBITMQ_MNESIA_BASE", folder.at("mnesia"))
        .env("RABBITMQ_LOG_BASE", folder.at("log"))
        .env("RABBITMQ_CONFIG_FILE", settings)
        .env("RABBITMQ_CONF_ENV_FILE", folder.at("none"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins)
        .env("RABBITMQ_PID_FILE", folder.at("pid"))
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("ERL_EPMD_ADDRESS", "127.0.0.1");
}

#[tokio::test]
async fn a_queue_that_fills_is_counted_grows_and_passes_its_limit() {
    let Some(broker) = RabbitMq::start() else { return };
    wait_for("the broker is up", async || {
        let made = broker.call("PUT", "queues/%2F/mail", r#"{"durable": false}"#).await;
        (made == Some(201)).then_some(())
    })
    .await;
    // Time is the judge's argument: what comes within seconds here comes minutes apart there.
    let rule = Rule::new(1, 1, 1).unwrap().growing_for(Duration::from_secs(600));
    let (mut judge, start) = (Judge::new(rule), std::time::Instant::now());
    let mut turns = Vec::new();
    for minute in [0, 5, 10, 15_u32] {
        let answer = broker.depth(minute).await;
        assert_eq!(answer.is_good(), minute <= 10, "{answer}");
        turns.extend(judge.take(start + minute * Duration::from_secs(60), &answer));
        for _ in 0..5 {
            broker.publish().await;
        }
    }
    let [Turn::Passed, Turn::Failed(grows), Turn::FailedOtherwise(both)] = turns.as_slice() else {
        panic!("{turns:?}")
    };
    assert_eq!(grows.iter().map(probes::Trouble::label).collect::<Vec<_>>(), ["growing"]);
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both[0].to_string().contains("from which nobody takes any"), "{both:?}");

    let absent = ask(broker.check("guest", "post", 1)).await;
    assert!(absent.to_string().ends_with("has no queue `post`"), "{absent}");
    let stranger = ask(broker.check("s3cr3t-wrong", "mail", 1)).await;
    assert_eq!(labels(&stranger), ["denied"], "{stranger}");
    assert!(!format!("{stranger} {stranger:?} {:?}", broker.check("s3cr3t-wrong", "mail", 1)).contains("s3cr3t"));
}
