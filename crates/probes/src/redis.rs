//! How many messages wait in a queue of Redis: `{redis: "redis://cache:6379", queue: mail, above: 1000}`.
//!
//! A list, a stream and a sorted set are queues; which one it is, Redis says. A key that is not there is an empty queue.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, RedisError};
use redis::{RedisConnectionInfo, ServerErrorKind, Value, cmd};
use tokio_util::task::AbortOnDropHandle;

use crate::answer::{Answer, Measure, count};
use crate::asker::Asker;
use crate::dial::{Deadline, Endpoint};
use crate::door::{Door, Wire};
use crate::said_without;
use crate::tls::trusted;
use crate::trouble::{Stage, Trouble, Unexpected};

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Where.
    pub server: Server,
    /// The key.
    pub queue: String,
    /// Of a stream, whose messages count: those that this group has not acknowledged. `None`: all.
    pub group: Option<String>,
    /// More than so many are too many.
    pub above: Option<u64>,
}

/// A Redis server, and as whom it is asked. Shown without the password.
#[derive(Clone)]
pub struct Server {
    door: Door,
    /// Whether TLS is spoken there.
    tls: bool,
    login: RedisConnectionInfo,
}

impl FromStr for Server {
    type Err = String;

    /// `redis://user:password@cache:6379/0`, `rediss://` with TLS, `unix:///run/redis.sock`.
    fn from_str(text: &str) -> Result<Server, String> {
        let wrong = "no address of a Redis server: expected redis://user:password@host:port/database";
        let text = text.trim();
        // TLS is ours to speak.
        let (plain, tls) = match text.strip_prefix("rediss://") {
            Some(rest) => (format!("redis://{rest}"), true),
            None => (text.to_owned(), false),
        };
        // What the library says may quote the address.
        let info = plain.into_connection_info().map_err(|_| wrong.to_owned())?;
        let door = if let ConnectionAddr::Tcp(host, port) = info.addr() {
            Door::Tcp(Endpoint { host: host.trim_matches(['[', ']']).to_owned(), port: *port })
        } else if let ConnectionAddr::Unix(path) = info.addr() {
            Door::Unix(path.clone())
        } else {
            return Err(wrong.to_owned());
        };
        Ok(Server { door, tls, login: info.redis_settings().clone().set_skip_set_lib_name() })
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Server) -> bool {
        let login = |server: &Server| {
            let login = &server.login;
            (login.username().map(str::to_owned), login.password().map(str::to_owned), login.db())
        };
        (&self.door, self.tls, login(self)) == (&other.door, other.tls, login(other))
    }
}

impl Eq for Server {}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.door.fmt(f)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({self})")
    }
}

impl Check {
    pub(crate) async fn ask(&self, asker: &Asker, deadline: &Deadline) -> Result<Answer, Trouble> {
        let wire = self.wire(asker, deadline).await?;
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let login = MultiplexedConnection::new_with_config(&self.server.login, wire, config);
        let login = deadline.answer(&self.server, Stage::Login, login).await?;
        let (mut connection, driver) = login.map_err(|error| self.trouble(&error))?;
        let _driver = AbortOnDropHandle::new(tokio::spawn(driver));
        let depth = deadline.answer(&self.server, Stage::Answer, self.depth(&mut connection)).await??;
        let mut answer = Answer::default();
        let because = format!("`{}` at {}", self.queue, self.server);
        answer.at_most(Measure::Depth, count(depth), self.above.map(count), &because);
        Ok(answer)
    }

    async fn wire(&self, asker: &Asker, deadline: &Deadline) -> Result<Wire, Trouble> {
        let wire = self.server.door.open(deadline).await?;
        match &self.server.door {
            Door::Tcp(endpoint) if self.server.tls => {
                Ok(Wire::of(trusted(wire, endpoint, asker, deadline, Duration::ZERO).await?.0))
            }
            Door::Tcp(_) | Door::Unix(_) => Ok(wire),
        }
    }

    async fn depth(&self, connection: &mut MultiplexedConnection) -> Result<u64, Trouble> {
        let failed = |error: RedisError| self.trouble(&error);
        let kind: String = cmd("TYPE").arg(&self.queue).query_async(connection).await.map_err(failed)?;
        let length = match (kind.as_str(), &self.group) {
            ("none", _) => return Ok(0),
            ("stream", Some(group)) => return self.behind(group, connection).await,
            ("list", _) => "LLEN",
            ("stream", None) => "XLEN",
            ("zset", _) => "ZCARD",
            (other, _) => {
                return Err(self.wrong(Unexpected::Absent { what: format!("queue `{}`, but a {other}", self.queue) }));
            }
        };
        cmd(length).arg(&self.queue).query_async(connection).await.map_err(failed)
    }

    /// What a group has not been given yet, and what it has been given and not acknowledged.
    async fn behind(&self, group: &str, connection: &mut MultiplexedConnection) -> Result<u64, Trouble> {
        let failed = |error: RedisError| self.trouble(&error);
        let groups = cmd("XINFO").arg("GROUPS").arg(&self.queue).query_async(connection).await.map_err(failed)?;
        let groups: Vec<HashMap<String, Value>> = groups;
        let number = |of: &HashMap<String, Value>, key: &str| match of.get(key) {
            Some(Value::Int(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let is_it = |of: &&HashMap<String, Value>| match of.get("name") {
            Some(Value::BulkString(name)) => name == group.as_bytes(),
            Some(Value::SimpleString(name)) => name == group,
            _ => false,
        };
        let Some(found) = groups.iter().find(is_it) else {
            return Err(self.wrong(Unexpected::Absent { what: format!("group `{group}` of `{}`", self.queue) }));
        };
        // After a deletion in the middle Redis cannot tell what is left for a group.
        let left = number(found, "lag").ok_or_else(|| {
            self.wrong(Unexpected::Gibberish { says: "it does not know how far the group is".to_owned() })
        })?;
        Ok(left + number(found, "pending").unwrap_or(0))
    }

    fn wrong(&self, what: Unexpected) -> Trouble {
        Trouble::Wrong { who: self.server.to_string(), what }
    }

    fn trouble(&self, error: &RedisError) -> Trouble {
        let who = self.server.to_string();
        let how = said_without(&error.to_string(), self.server.login.password());
        let denied =
            matches!(error.kind(), ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm))
                || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"));
        if denied {
            return Trouble::Denied { who, how };
        }
        if error.is_io_error() {
            return Trouble::Broke { who, how };
        }
        Trouble::Wrong { who, what: Unexpected::Gibberish { says: how } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_shown_without_its_password() {
        let read = |text: &str| text.parse::<Server>();
        let server = read("redis://bob:s3cr3t@cache:6380/2").unwrap();
        assert_eq!((format!("{server}"), format!("{server:?}")), ("cache:6380".into(), "Server(cache:6380)".into()));
        assert_eq!(server.login.password(), Some("s3cr3t"));
        assert!(read("rediss://cache").unwrap().tls && !server.tls);
        assert_ne!(server, read("redis://bob:other@cache:6380/2").unwrap());
        for wrong in ["", "http://s3cr3t@h", "redis://bob:s3cr3t@cache:notaport"] {
            assert!(!read(wrong).unwrap_err().contains("s3cr3t"), "{wrong}");
        }
    }
}
