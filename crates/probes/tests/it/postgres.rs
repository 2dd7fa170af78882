//! A primary, and a standby whose replay is paused; a database without room; queries that are slow, and that wait.

use std::process::Command;
use std::time::Duration;

use probes::postgres::{Check, Server as Where};
use probes::{Answer, Distrust, Measure, Question, Trouble};
use rustix::process::Signal;
use tokio_postgres::{Client, NoTls};

use crate::rig::{Folder, Server, ask, command, found, free_port, labels, run, wait_for};

/// Short enough to be over soon, long enough for a busy machine to see it.
const LIMIT: Duration = Duration::from_secs(1);
const PASSWORD: &str = "s3cr3t-monitor";

struct Postgres {
    folder: Folder,
    port: u16,
    _server: Server,
}

impl Postgres {
    fn start(settings: &str) -> Option<Postgres> {
        let initdb = found("initdb")?;
        let folder = Folder::new();
        let words = ["-D", "data", "-U", "owner", "--auth=trust", "--no-sync", "--no-instructions"];
        run(command(&initdb, &folder).args(words));
        folder.write(
            "data/pg_hba.conf",
            "local all all trust\nhost replication all 127.0.0.1/32 trust\n\
             host all monitor 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n",
        );
        Postgres::open(folder, settings)
    }

    fn open(folder: Folder, settings: &str) -> Option<Postgres> {
        let port = free_port();
        let here = folder.path().display().to_string();
        let mut start = command(&found("postgres")?, &folder);
        start.args(["-D", "data", "-k", &here, "-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        start.args(settings.split_whitespace().flat_map(|setting| ["-c", setting]));
        let server = Server::start(start.args(["-c", "fsync=off"]), Signal::QUIT);
        Some(Postgres { folder, port, _server: server })
    }

    /// A standby of this one.
    fn standby(&self) -> Option<Postgres> {
        let folder = Folder::new();
        let from = format!("host=127.0.0.1 port={} user=owner application_name=second", self.port);
        let words = ["-D", "data", "-d", &from, "-R", "--checkpoint=fast", "--no-sync"];
        run(command(&found("pg_basebackup")?, &folder).args(words));
        Postgres::open(folder, "")
    }

    async fn client(&self) -> Client {
        let address = format!("host=127.0.0.1 port={} user=owner dbname=postgres", self.port);
        wait_for("the server answers", async || {
            let (client, connection) = tokio_postgres::connect(&address, NoTls).await.ok()?;
            tokio::spawn(connection);
            Some(client)
        })
        .await
    }

    /// All is judged but a lag, as nobody would set it: so that what is wrong is wrong soon.
    fn check(&self, user: &str) -> Check {
        let server: Where = format!("postgres://{user}:{PASSWORD}@127.0.0.1:{}/postgres", self.port).parse().unwrap();
        Check {
            connections_percent: Some(80),
            slow_query: Some(LIMIT),
            blocked_query: Some(LIMIT),
            ..Check::from(server)
        }
    }

    async fn ask(&self) -> Answer {
        ask(Question::Postgres(Box::new(self.check("owner")))).await
    }

    async fn until(&self, label: &str) -> Answer {
        let turned = async || Some(self.ask().await).filter(|answer| labels(answer).contains(&label));
        wait_for(label, turned).await
    }

    /// The same of one that has a standby, or is one.
    async fn ask_its_lag(&self) -> Answer {
        let check = Check { replication_lag: Some(LIMIT), ..self.check("owner") };
        ask(Question::Postgres(Box::new(check))).await
    }

    async fn until_it_lags(&self) -> Answer {
        let label = "replication_lag_s";
        let turned = async || Some(self.ask_its_lag().await).filter(|answer| labels(answer).contains(&label));
        wait_for(label, turned).await
    }
}

#[tokio::test]
async fn a_server_that_is_well_has_figures_and_no_troubles() {
    let Some(postgres) = Postgres::start("") else { return };
    let client = postgres.client().await;
    let answer = postgres.ask().await;
    assert!(answer.is_good(), "{answer}");
    let used = answer.figure(Measure::ConnectionsUsedPercent).unwrap();
    assert!(used > 0.0 && used < 10.0, "{answer}");
    assert_eq!(answer.figure(Measure::BlockedQueries), Some(0.0));
    // No standby: nothing lags, and nothing is said of it; unless one is meant to be there.
    assert_eq!(answer.figure(Measure::ReplicationLagS), None);
    let alone = postgres.ask_its_lag().await;
    assert!(alone.to_string().contains("no standby that streams from it"), "{alone}");
    // Over its socket too.
    let server: Where =
        format!("host={} port={} user=owner dbname=postgres", postgres.folder.path().display(), postgres.port)
            .parse()
            .unwrap();
    let local = ask(Question::Postgres(Box::new(Check::from(server)))).await;
    assert!(local.is_good(), "{local}");
    client.batch_execute("select 1").await.unwrap();
}

#[tokio::test]
async fn slow_and_blocked_queries_are_told_apart_and_the_blocker_named() {
    let Some(postgres) = Postgres::start("") else { return };
    let owner = postgres.client().await;
    owner.batch_execute("create table orders (id int)").await.unwrap();
    owner.batch_execute("begin; lock table orders").await.unwrap();
    let pid: i32 = owner.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    let waits = postgres.client().await;
    let waiting = tokio::spawn(async move { waits.batch_execute("select * from orders").await });
    let blocked = postgres.until("blocked_queries").await;
    assert_eq!(labels(&blocked), ["blocked_queries"], "{blocked}");
    assert!(blocked.to_string().contains(&format!("by process {pid}")), "{blocked}");
    // An idle transaction is not slow, however long it holds its lock.
    owner.batch_execute("commit").await.unwrap();
    waiting.await.unwrap().unwrap();
    assert!(postgres.ask().await.is_good());
    let sleeps = postgres.client().await;
    let sleeping = tokio::spawn(async move { sleeps.batch_execute("select pg_sleep(600)").await });
    let slow = postgres.until("slow_queries").await;
    assert_eq!(labels(&slow), ["slow_queries"], "{slow}");
    assert!(slow.figure(Measure::LongestQueryS).unwrap() > LIMIT.as_secs_f64(), "{slow}");
    sleeping.abort();
}

#[tokio::test]
async fn a_database_without_room_says_so_before_and_when_nobody_gets_in() {
    let Some(postgres) = Postgres::start("max_connections=13 superuser_reserved_connections=2") else { return };
    let mut clients = vec![postgres.client().await];
    clients[0].batch_execute("create role guest login").await.unwrap();
    while clients.len() < 9 {
        clients.push(postgres.client().await);
    }
    let nearly = postgres.ask().await;
    assert_eq!(labels(&nearly), ["connections_used_percent"], "{nearly}");
    assert!(nearly.to_string().contains("10 of 11 that clients may have"), "{nearly}");
    while clients.len() < 11 {
        clients.push(postgres.client().await);
    }
    let full = ask(Question::Postgres(Box::new(postgres.check("guest")))).await;
    assert_eq!(labels(&full), ["connections_used_percent"], "{full}");
    assert!(full.to_string().contains("is 100 %, the limit 80 %"), "{full}");
    while clients.len() < 13 {
        clients.push(postgres.client().await);
    }
    let nobody = postgres.ask().await;
    assert!(nobody.to_string().contains("too many clients"), "{nobody}");
}

#[tokio::test]
async fn a_standby_whose_replay_is_paused_lags_on_both_sides() {
    let Some(primary) = Postgres::start("") else { return };
    let client = primary.client().await;
    client.batch_execute("create table orders (id int)").await.unwrap();
    let Some(standby) = primary.standby() else { return };
    let second = standby.client().await;
    wait_for("the standby streams", async || {
        let row = client.query_one("select count(*) from pg_stat_replication where state = 'streaming'", &[]).await;
        (row.ok()?.get::<_, i64>(0) == 1).then_some(())
    })
    .await;
    wait_for("the primary sees it", async || Some(primary.ask_its_lag().await).filter(Answer::is_good)).await;
    let caught_up = |answer: &Answer| answer.is_good() && answer.figure(Measure::ReplicationLagS) == Some(0.0);
    wait_for("the standby has caught up", async || Some(standby.ask_its_lag().await).filter(caught_up)).await;
    second.batch_execute("select pg_wal_replay_pause()").await.unwrap();
    // It is paused, and not behind; unless the primary has written something of its own meanwhile.
    let paused = standby.ask_its_lag().await;
    assert!(caught_up(&paused) || paused.figure(Measure::ReplicationLagBytes) > Some(0.0), "{paused}");
    client.batch_execute("insert into orders select generate_series(1, 1000)").await.unwrap();
    let behind = standby.until_it_lags().await;
    assert_eq!(labels(&behind), ["replication_lag_s"], "{behind}");
    assert!(behind.to_string().contains("replay is paused") && behind.figure(Measure::ReplicationLagBytes) > Some(0.0));
    let seen = primary.until_it_lags().await;
    assert!(seen.to_string().contains("standby second"), "{seen}");
    second.batch_execute("select pg_wal_replay_resume()").await.unwrap();
    wait_for("it catches up", async || Some(standby.ask_its_lag().await).filter(Answer::is_good)).await;
}

#[tokio::test]
async fn a_standby_without_its_primary_is_behind() {
    let Some(primary) = Postgres::start("") else { return };
    primary.client().await;
    let Some(standby) = primary.standby() else { return };
    standby.client().await;
    drop(primary);
    let alone = standby.until_it_lags().await;
    assert!(alone.to_string().contains("not connected to its primary"), "{alone}");
}

#[tokio::test]
async fn transaction_ids_have_their_limit() {
    let Some(postgres) = Postgres::start("") else { return };
    let client = postgres.client().await;
    client.batch_execute("create table t (id int)").await.unwrap();
    let check = Check { transaction_age: Some(50), ..postgres.check("owner") };
    for _ in 0..60 {
        client.batch_execute("insert into t values (1)").await.unwrap();
    }
    let old = ask(Question::Postgres(Box::new(check))).await;
    assert_eq!(labels(&old), ["transaction_age"], "{old}");
}

#[tokio::test]
async fn who_may_not_see_is_not_told_that_all_is_well() {
    let Some(postgres) = Postgres::start("") else { return };
    let client = postgres.client().await;
    client.batch_execute(&format!("create role monitor login password '{PASSWORD}'")).await.unwrap();
    let monitor = async || ask(Question::Postgres(Box::new(postgres.check("monitor")))).await;
    let blind = monitor().await;
    assert_eq!(labels(&blind), ["denied"], "{blind}");
    assert!(blind.to_string().contains("GRANT pg_monitor"), "{blind}");
    // It counts all the same.
    assert!(blind.figure(Measure::ConnectionsUsedPercent) > Some(2.0), "{blind}");
    client.batch_execute("grant pg_monitor to monitor").await.unwrap();
    let seeing = monitor().await;
    assert!(seeing.is_good(), "{seeing}");
    client.batch_execute("alter role monitor password 'another'").await.unwrap();
    let locked_out = monitor().await;
    assert_eq!(labels(&locked_out), ["denied"], "{locked_out}");
    let shown = format!("{locked_out} {locked_out:?} {:?}", postgres.check("monitor"));
    assert!(!shown.contains(PASSWORD), "{shown}");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let Some(postgres) = Postgres::start("") else { return };
    postgres.client().await;
    let server = |text: String| Check::from(text.parse::<Where>().unwrap());
    let absent = server(format!("postgres://owner@127.0.0.1:{}/shop", postgres.port));
    assert_eq!(
        ask(Question::Postgres(Box::new(absent))).await.to_string(),
        format!("127.0.0.1:{} has no database `shop`", postgres.port)
    );
    let closed = server(format!("postgres://owner@127.0.0.1:{}/shop", free_port()));
    assert_eq!(labels(&ask(Question::Postgres(Box::new(closed))).await), ["refused"]);
    let nowhere = server(format!("host={} user=owner", postgres.folder.path().display()));
    assert_eq!(labels(&ask(Question::Postgres(Box::new(nowhere))).await), ["refused"]);
    let plain = server(format!("postgres://owner@127.0.0.1:{}/postgres?sslmode=require", postgres.port));
    assert_eq!(labels(&ask(Question::Postgres(Box::new(plain))).await), ["broke"]);
}

#[tokio::test]
async fn tls_is_taken_where_it_is_offered_and_has_to_be_trusted_where_it_is_required() {
    let Some(openssl) = found("openssl") else { return };
    let Some(initdb) = found("initdb") else { return };
    let folder = Folder::new();
    run(command(&initdb, &folder).args(["-D", "data", "-U", "owner", "--auth=trust", "--no-sync"]));
    let words = "req -x509 -newkey rsa:2048 -nodes -subj /CN=db -days 30 -keyout data/server.key -out data/server.crt";
    run(command(&openssl, &folder).args(words.split(' ')).stderr(std::process::Stdio::null()));
    run(Command::new("chmod").arg("600").arg(folder.at("data/server.key")));
    folder.write("data/pg_hba.conf", "hostssl all all 127.0.0.1/32 trust\nlocal all all trust\n");
    let postgres = Postgres::open(folder, "ssl=on").unwrap();
    let of = |mode: &str| {
        let text = format!("postgres://owner@127.0.0.1:{}/postgres?sslmode={mode}", postgres.port);
        Question::Postgres(Box::new(Check::from(text.parse::<Where>().unwrap())))
    };
    wait_for("TLS that nobody vouches for does", async || Some(ask(of("prefer")).await).filter(Answer::is_good)).await;
    let required = ask(of("require")).await;
    let is_distrust = matches!(&required.troubles[..], [Trouble::Tls { why: Distrust::Untrusted { .. }, .. }, ..]);
    assert!(is_distrust, "{required}");
    assert_eq!(labels(&ask(of("disable")).await), ["denied"]);
}
