//! A PostgreSQL server (14 or later), from within: whether there is room for another client, what takes long, what waits
//! for what, how far a standby is behind, and how much time is left until the transaction ids run out.
//!
//! `{postgres: "postgres://monitor@db/shop", slow_query: 30s, connections: 80%, replication_lag: 30s}`. The user needs
//! `GRANT pg_monitor`, or sees its own sessions only; that is said, and never taken for a quiet database.

mod wire;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, Row};
use tokio_util::task::AbortOnDropHandle;

use crate::answer::{Answer, Measure, count};
use crate::asker::Asker;
use crate::dial::{Deadline, Endpoint};
use crate::door::Door;
use crate::said_without;
use crate::trouble::{Side, Stage, Trouble, Unexpected};

const PORT: u16 = 5432;
/// How healer's own session is called in `pg_stat_activity`.
const APPLICATION_NAME: &str = "healer";
/// The longest that the server itself is told to work, a day.
const PATIENCE_MS_MAX: u128 = 86_400_000;
const LOOK: &str = include_str!("postgres/look.sql");
/// Of 2³¹ ids; autovacuum forces its way at a fifth of that, so that whoever gets here has a vacuum that cannot work.
const TRANSACTION_AGE_MAX: u64 = 1_000_000_000;

/// A database, and what may be the matter with it. `None`: that is measured and not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Where.
    pub server: Server,
    /// The share of the connections that may be in use, in percent of those that clients may have.
    pub connections_percent: Option<u8>,
    /// A query that runs for longer is slow.
    pub slow_query: Option<Duration>,
    /// A query that waits for a lock for longer is blocked.
    pub blocked_query: Option<Duration>,
    /// A standby may be so far behind; asked on the primary and on the standby alike.
    pub replication_lag: Option<Duration>,
    /// The oldest transaction id may be so old.
    pub transaction_age: Option<u64>,
}

/// A PostgreSQL server, and as whom it is asked. Shown without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    config: Config,
    door: Door,
}

impl From<Server> for Check {
    /// Only the transaction ids are judged, since nobody can want them to run out.
    fn from(server: Server) -> Check {
        let transaction_age = Some(TRANSACTION_AGE_MAX);
        let (slow_query, blocked_query, replication_lag) = (None, None, None);
        Check { server, connections_percent: None, slow_query, blocked_query, replication_lag, transaction_age }
    }
}

impl FromStr for Server {
    type Err = String;

    /// `postgres://user:password@host:port/database?sslmode=require`, or `host=/run/postgresql user=…`. With
    /// `sslmode=require` the certificate has to be trusted; with `prefer`, which is what holds without it, TLS is spoken
    /// where the server offers it, whoever it is.
    fn from_str(text: &str) -> Result<Server, String> {
        let wrong = "no address of a PostgreSQL server: expected postgres://user:password@host:port/database";
        // What the library says may quote the address.
        let mut config: Config = text.trim().parse().map_err(|_| wrong.to_owned())?;
        if config.get_user().is_none() {
            return Err(format!("{wrong} (it names no user)"));
        }
        let port = config.get_ports().first().copied().unwrap_or(PORT);
        let door = match config.get_hosts() {
            [Host::Tcp(host)] => Door::Tcp(Endpoint { host: host.clone(), port }),
            [Host::Unix(folder)] => Door::Unix(folder.join(format!(".s.PGSQL.{port}"))),
            [] => return Err(format!("{wrong} (it names no host)")),
            _ => return Err(format!("{wrong} (it names several hosts: each needs a probe of its own)")),
        };
        config.application_name(APPLICATION_NAME);
        // There is nobody on the way to a socket of this host.
        if matches!(door, Door::Unix(_)) {
            config.ssl_mode(SslMode::Disable);
        }
        Ok(Server { config, door })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.door.fmt(f)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({}@{self})", self.config.get_user().unwrap_or_default())
    }
}

/// What `look.sql` sees.
#[derive(Debug, Clone, PartialEq, Default)]
struct Seen {
    allowed: i64,
    used: i64,
    hidden: i64,
    slow: i64,
    longest_query_s: Option<f64>,
    blocked: i64,
    longest_blocked_s: Option<f64>,
    blockers: Option<String>,
    is_standby: bool,
    is_paused: bool,
    is_streaming: bool,
    standby_lag_s: Option<f64>,
    lag_bytes: Option<f64>,
    furthest: Option<String>,
    transaction_age: i64,
}

impl Check {
    pub(crate) async fn ask(&self, asker: &Asker, deadline: &Deadline) -> Result<Answer, Trouble> {
        let wire = self.server.door.open(deadline).await?;
        let tls = wire::Tls::of(&self.server, asker, *deadline);
        let login = self.server.config.connect_raw(wire, tls);
        let login = deadline.answer(&self.server, Stage::Login, login).await?;
        let (mut client, connection) = login.map_err(|error| self.trouble(error, deadline))?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let seen = deadline.answer(&self.server, Stage::Answer, self.look(&mut client, deadline)).await?;
        Ok(self.judge(&seen.map_err(|error| self.trouble(error, deadline))?))
    }

    /// In a transaction, since behind a pooler a setting of the session would be the next client's too.
    async fn look(&self, client: &mut Client, deadline: &Deadline) -> Result<Seen, Error> {
        let transaction = client.build_transaction().read_only(true).start().await?;
        // The server is not to go on when nobody waits any more.
        let patience_ms = deadline.total().as_millis().clamp(1, PATIENCE_MS_MAX);
        transaction.batch_execute(&format!("set local statement_timeout = {patience_ms}")).await?;
        let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs_f64());
        let (slow, blocked) = (seconds(self.slow_query), seconds(self.blocked_query));
        seen(&transaction.query_one(LOOK, &[&slow, &blocked]).await?)
    }

    fn judge(&self, seen: &Seen) -> Answer {
        let mut answer = Answer::default();
        let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs_f64());
        let room = seen.allowed.max(1);
        let percent = 100.0 * count(seen.used) / count(room);
        let because = format!("{} of {room} that clients may have", seen.used);
        answer.at_most(Measure::ConnectionsUsedPercent, percent, self.connections_percent.map(f64::from), &because);
        let longest = |longest: Option<f64>| format!("the longest for {:.0} s", longest.unwrap_or_default());
        let judged = |limit: Option<Duration>| limit.map(|_| 0.0);
        let because = longest(seen.longest_query_s);
        answer.at_most(Measure::SlowQueries, count(seen.slow), judged(self.slow_query), &because);
        let by = seen.blockers.as_deref().map(|by| format!(", by process {by}")).unwrap_or_default();
        let because = format!("{}{by}", longest(seen.longest_blocked_s));
        answer.at_most(Measure::BlockedQueries, count(seen.blocked), judged(self.blocked_query), &because);
        answer.measured(Measure::LongestQueryS, seen.longest_query_s.unwrap_or(0.0));
        answer.measured(Measure::LongestBlockedS, seen.longest_blocked_s.unwrap_or(0.0));
        if let Some(lag_s) = seen.standby_lag_s {
            answer.at_most(Measure::ReplicationLagS, lag_s, seconds(self.replication_lag), &seen.behind());
        }
        // What streams to nobody is as far behind as can be, and has no figure for that.
        if self.replication_lag.is_some() && !seen.is_standby && seen.lag_bytes.is_none() && seen.hidden == 0 {
            let what = Unexpected::Absent { what: "standby that streams from it".to_owned() };
            answer.troubles.push(Trouble::Wrong { who: self.server.to_string(), what });
        }
        seen.lag_bytes.into_iter().for_each(|bytes| answer.measured(Measure::ReplicationLagBytes, bytes));
        let because = "vacuum cannot freeze it: look for old transactions, prepared ones, and slots";
        answer.at_most(Measure::TransactionAge, count(seen.transaction_age), self.transaction_age.map(count), because);
        let looks_at_sessions =
            self.slow_query.is_some() || self.blocked_query.is_some() || self.replication_lag.is_some();
        if seen.hidden > 0 && looks_at_sessions {
            let how = format!("{} sessions are hidden from this user: GRANT pg_monitor to it", seen.hidden);
            answer.troubles.push(Trouble::Denied { who: self.server.to_string(), how });
        }
        answer
    }

    fn trouble(&self, error: Error, deadline: &Deadline) -> Trouble {
        let who = self.server.to_string();
        let password = self.server.config.get_password().map(String::from_utf8_lossy);
        let how = |text: &str| said_without(text, password.as_deref());
        let Some(code) = error.code().cloned() else { return wire::trouble(error, who, how) };
        let says = how(error.as_db_error().map_or("", |error| error.message()));
        match code {
            SqlState::TOO_MANY_CONNECTIONS => self.exhausted(says),
            SqlState::INVALID_PASSWORD
            | SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            | SqlState::INSUFFICIENT_PRIVILEGE => Trouble::Denied { who, how: says },
            SqlState::INVALID_CATALOG_NAME => {
                Trouble::Wrong { who, what: Unexpected::Absent { what: self.database() } }
            }
            SqlState::QUERY_CANCELED => Trouble::Slow { who, at: Stage::Answer, waited: deadline.total() },
            _ => Trouble::Wrong { who, what: Unexpected::Gibberish { says } },
        }
    }

    /// Nobody more is let in: what is in use is all that there is.
    fn exhausted(&self, because: String) -> Trouble {
        let limit = self.connections_percent.map_or(100.0, f64::from);
        let measure = Measure::ConnectionsUsedPercent;
        Trouble::Limit { measure, value: 100.0, limit, side: Side::Above, because }
    }

    fn database(&self) -> String {
        let config = &self.server.config;
        // Who names none means the one that is called like the user.
        let name = config.get_dbname().or(config.get_user()).unwrap_or_default();
        format!("database `{}`", crate::said(name))
    }
}

impl Seen {
    /// What a person needs to know of a standby that is behind.
    fn behind(&self) -> String {
        match (&self.furthest, self.is_standby, self.is_paused, self.is_streaming) {
            (_, true, true, _) => "this standby's replay is paused: select pg_wal_replay_resume()".to_owned(),
            (_, true, false, false) => "this standby is not connected to its primary".to_owned(),
            (_, true, false, true) => "this is the standby".to_owned(),
            (Some(name), false, ..) => format!("standby {}", crate::said(name)),
            (None, false, ..) => String::new(),
        }
    }
}

fn seen(row: &Row) -> Result<Seen, Error> {
    Ok(Seen {
        allowed: row.try_get("allowed")?,
        used: row.try_get("used")?,
        hidden: row.try_get("hidden")?,
        slow: row.try_get("slow")?,
        longest_query_s: row.try_get("longest_query_s")?,
        blocked: row.try_get("blocked")?,
        longest_blocked_s: row.try_get("longest_blocked_s")?,
        blockers: row.try_get("blockers")?,
        is_standby: row.try_get("is_standby")?,
        is_paused: row.try_get("is_paused")?,
        is_streaming: row.try_get("is_streaming")?,
        standby_lag_s: row.try_get("standby_lag_s")?,
        lag_bytes: row.try_get("lag_bytes")?,
        furthest: row.try_get("furthest")?,
        transaction_age: row.try_get("transaction_age")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> Result<Server, String> {
        text.parse()
    }

    #[test]
    fn a_server_is_shown_without_its_password() {
        let read = server("postgres://bob:s3cr3t@db:5433/shop").unwrap();
        assert_eq!(format!("{read:?}"), "Server(bob@db:5433)");
        let local = server("host=/run/postgresql user=bob password=s3cr3t").unwrap();
        assert_eq!(format!("{local:?}"), "Server(bob@/run/postgresql/.s.PGSQL.5432)");
        for (wrong, says) in [
            ("postgres://bob:s3cr3t@one,two/shop", "several hosts"),
            ("postgres://db/shop", "no user"),
            ("user=bob password=s3cr3t", "no host"),
            ("postgres://bob:s3cr3t@db:port/shop", "no address"),
            ("password=s3cr3t s3cr3t", "no address"),
        ] {
            let error = server(wrong).unwrap_err();
            assert!(error.contains(says) && !error.contains("s3cr3t"), "{wrong}: {error}");
        }
    }

    #[test]
    fn each_figure_has_its_own_limit() {
        let check = Check {
            server: server("postgres://bob@db/shop").unwrap(),
            connections_percent: Some(80),
            slow_query: Some(Duration::from_secs(30)),
            blocked_query: Some(Duration::from_secs(10)),
            replication_lag: Some(Duration::from_secs(30)),
            transaction_age: Some(1_000),
        };
        let well = Seen {
            allowed: 97,
            used: 77,
            transaction_age: 1_000,
            standby_lag_s: Some(30.0),
            lag_bytes: Some(0.0),
            ..Seen::default()
        };
        let table = [
            ("all is well", well.clone(), None),
            (
                "full",
                Seen { used: 78, ..well.clone() },
                Some("the share of connections in use is 80 %, the limit 80 % (78 of 97 that clients may have)"),
            ),
            (
                "slow",
                Seen { slow: 2, longest_query_s: Some(95.0), ..well.clone() },
                Some("the number of slow queries is 2, the limit 0 (the longest for 95 s)"),
            ),
            (
                "blocked",
                Seen { blocked: 1, longest_blocked_s: Some(15.0), blockers: Some("4711".to_owned()), ..well.clone() },
                Some("the number of blocked queries is 1, the limit 0 (the longest for 15 s, by process 4711)"),
            ),
            (
                "paused",
                Seen { standby_lag_s: Some(31.0), is_standby: true, is_paused: true, ..well.clone() },
                Some(
                    "replication lag is 31 s, the limit 30 s (this standby's replay is paused: select pg_wal_replay_resume())",
                ),
            ),
            (
                "the primary's side",
                Seen { standby_lag_s: Some(31.0), furthest: Some("two".to_owned()), ..well.clone() },
                Some("replication lag is 31 s, the limit 30 s (standby two)"),
            ),
            (
                "old",
                Seen { transaction_age: 1_001, ..well.clone() },
                Some(
                    "the age of the oldest transaction id is 1001 transactions, the limit 1000 transactions (vacuum cannot freeze it: look for old transactions, prepared ones, and slots)",
                ),
            ),
            (
                "blind",
                Seen { hidden: 3, ..well },
                Some("db:5432 does not permit it: 3 sessions are hidden from this user: GRANT pg_monitor to it"),
            ),
        ];
        for (case, seen, says) in table {
            let answer = check.judge(&seen);
            let troubles: Vec<String> = answer.troubles.iter().map(Trouble::to_string).collect();
            assert_eq!(troubles, Vec::from_iter(says), "{case}");
        }
    }
}
