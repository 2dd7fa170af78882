//! Lists, streams and their groups in a real Redis.

use std::time::Duration;

use probes::redis::Check;
use probes::{Answer, Measure, Question};
use redis::aio::MultiplexedConnection;
use redis::cmd;
use rustix::process::Signal;

use crate::rig::{Folder, Server, ask, ask_within, command, found, free_port, labels, wait_for};

const PASSWORD: &str = "s3cr3t-redis";

struct Redis {
    port: u16,
    server: Server,
    _folder: Folder,
}

impl Redis {
    fn start() -> Option<Redis> {
        let (folder, port) = (Folder::new(), free_port());
        let mut start = command(&found("redis-server")?, &folder);
        start.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD]);
        let server = Server::start(&mut start, Signal::TERM);
        Some(Redis { port, server, _folder: folder })
    }

    fn url(&self, password: &str) -> String {
        format!("redis://:{password}@127.0.0.1:{}", self.port)
    }

    async fn client(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url(PASSWORD)).unwrap();
        wait_for("Redis answers", async || client.get_multiplexed_async_connection().await.ok()).await
    }

    fn check(&self, queue: &str, above: u64) -> Check {
        let server = self.url(PASSWORD).parse().unwrap();
        Check { server, queue: queue.to_owned(), group: None, above: Some(above) }
    }

    async fn ask(&self, queue: &str, above: u64) -> Answer {
        ask(Question::Redis(self.check(queue, above))).await
    }
}

#[tokio::test]
async fn a_list_and_a_stream_have_depths_and_limits() {
    let Some(redis) = Redis::start() else { return };
    let mut client = redis.client().await;
    let empty = redis.ask("mail", 3).await;
    assert_eq!((empty.is_good(), empty.figure(Measure::Depth)), (true, Some(0.0)));
    for depth in 1..=4_u64 {
        let () = cmd("LPUSH").arg("mail").arg("x").query_async(&mut client).await.unwrap();
        let () = cmd("XADD").arg("jobs").arg("*").arg("k").arg("v").query_async(&mut client).await.unwrap();
        for queue in ["mail", "jobs"] {
            let answer = redis.ask(queue, 3).await;
            assert_eq!(answer.figure(Measure::Depth), Some(depth as f64), "{answer}");
            assert_eq!(answer.is_good(), depth <= 3, "{answer}");
        }
    }
    let says = redis.ask("mail", 3).await.to_string();
    let expect = format!("is 4 messages, the limit 3 messages (`mail` at 127.0.0.1:{})", redis.port);
    assert!(says.ends_with(&expect), "{says}");
}

#[tokio::test]
async fn a_group_has_what_it_has_not_acknowledged() {
    let Some(redis) = Redis::start() else { return };
    let mut client = redis.client().await;
    for _ in 0..5 {
        let () = cmd("XADD").arg("jobs").arg("*").arg("k").arg("v").query_async(&mut client).await.unwrap();
    }
    let () = cmd("XGROUP").arg(&["CREATE", "jobs", "workers", "0"]).query_async(&mut client).await.unwrap();
    let read = ["GROUP", "workers", "one", "COUNT", "2", "STREAMS", "jobs", ">"];
    let _: redis::Value = cmd("XREADGROUP").arg(&read).query_async(&mut client).await.unwrap();
    let of = |group: &str| Question::Redis(Check { group: Some(group.to_owned()), ..redis.check("jobs", 9) });
    // Three are not given yet, two are not acknowledged.
    assert_eq!(ask(of("workers")).await.figure(Measure::Depth), Some(5.0));
    assert_eq!(labels(&ask(of("nobody")).await), ["absent"]);
}

#[tokio::test]
async fn what_is_wrong_with_redis_is_named_and_no_password_shown() {
    let Some(redis) = Redis::start() else { return };
    let mut client = redis.client().await;
    let () = cmd("SET").arg("word").arg("x").query_async(&mut client).await.unwrap();
    assert_eq!(labels(&redis.ask("word", 3).await), ["absent"]);
    let stranger = |url: String| Question::Redis(Check { server: url.parse().unwrap(), ..redis.check("mail", 3) });
    for question in [stranger(redis.url("wrong-s3cr3t")), stranger(format!("redis://127.0.0.1:{}", redis.port))] {
        let answer = ask(question.clone()).await;
        assert_eq!(labels(&answer), ["denied"], "{answer}");
        assert!(!format!("{question:?} {answer} {answer:?}").contains("s3cr3t"));
    }
    assert_eq!(labels(&ask(stranger(format!("redis://127.0.0.1:{}", free_port()))).await), ["refused"]);
    // One that is stopped takes connections, and answers nothing.
    rustix::process::kill_process(redis.server.pid(), Signal::STOP).unwrap();
    let stopped = ask_within(Question::Redis(redis.check("mail", 3)), Duration::from_millis(300)).await;
    rustix::process::kill_process(redis.server.pid(), Signal::CONT).unwrap();
    assert_eq!(labels(&stopped), ["slow"], "{stopped}");
}
