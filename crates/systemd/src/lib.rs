//! systemd as a client sees it: how its units stand, their starts and stops, and what the journal has of them.
//!
//! It is asked over the system's bus (org.freedesktop.systemd1(5)), and tells of each change by itself. Its own socket, which
//! `systemctl` falls back to, is for `systemctl` alone.

mod journal;
mod unit;

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};
use zbus::zvariant::{DynamicType, OwnedObjectPath, OwnedValue};
use zbus::{Connection, MatchRule, Message, MessageStream};

pub use journal::{Log, was_signalled_on_request};
pub use unit::{Ended, Main, Unit};

const NAME: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "/org/freedesktop/systemd1";
/// A question that is not answered for so long never will be.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Why systemd could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none, or nobody may ask it.
    #[error("systemd cannot be reached: {0}")]
    Unreachable(String),
    /// It answered that it will not.
    #[error("systemd refused: {0}")]
    Refused(String),
    /// Whoever asked may not.
    #[error("systemd does not allow it: {0}; run healer as root, or allow it by a rule of polkit")]
    Forbidden(String),
    /// The connection broke, or an answer was not understood.
    #[error("systemd gave no answer: {0}")]
    Lost(String),
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It was carried out.
    Well,
    /// It was not: systemd's word for why, such as `failed`, `dependency`, `timeout` or `canceled`.
    Not(String),
}

/// A connection to systemd.
#[derive(Debug)]
pub struct Systemd {
    connection: Connection,
}

/// The changes of some units, as systemd tells of them.
#[derive(Debug)]
pub struct Changes(MessageStream, Vec<OwnedObjectPath>);

impl Changes {
    /// Waits until one of the units may have changed: which one, by its place among their names. `None`: the connection is
    /// over.
    pub async fn next(&mut self) -> Option<usize> {
        loop {
            let message = self.0.next().await?.ok()?;
            let header = message.header();
            let which = header.path().and_then(|path| self.1.iter().position(|unit| **unit == *path));
            if which.is_some() {
                return which;
            }
        }
    }
}

impl Systemd {
    /// Connects to the systemd that runs this host.
    ///
    /// # Errors
    /// When there is none, or it does not answer.
    pub async fn connect() -> Result<Systemd, Error> {
        let deadline = Instant::now() + ANSWERS_WITHIN;
        let late = |_| Error::Unreachable("it does not answer".to_owned());
        timeout_at(deadline, Systemd::reach()).await.map_err(late)?
    }

    async fn reach() -> Result<Systemd, Error> {
        let unreachable = |error: zbus::Error| Error::Unreachable(error.to_string());
        let bus = zbus::connection::Builder::system().map_err(unreachable)?;
        let connection = bus.method_timeout(ANSWERS_WITHIN).build().await.map_err(unreachable)?;
        let systemd = Systemd { connection };
        systemd.manager("Subscribe", &()).await?;
        Ok(systemd)
    }

    /// How a unit stands. One that is not loaded is loaded.
    ///
    /// # Errors
    /// When systemd cannot be asked.
    pub async fn unit(&self, name: &str) -> Result<Unit, Error> {
        let path = self.path(name).await?;
        let of_unit = self.properties(&path, "org.freedesktop.systemd1.Unit").await?;
        let of_service = match self.properties(&path, "org.freedesktop.systemd1.Service").await {
            Ok(all) => all,
            // It is no service.
            Err(Error::Refused(_)) => HashMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Unit::of(&of_unit, &of_service))
    }

    /// Keeps units loaded whose end would otherwise be forgotten at once. Only a bus allows that.
    pub async fn hold(&self, names: &[&str]) {
        for name in names {
            // It holds as long as the connection does.
            let _ = self.manager("RefUnit", &(*name,)).await;
        }
    }

    /// The changes of these units from now on.
    ///
    /// # Errors
    /// When systemd cannot be asked.
    pub async fn changes(&self, names: &[&str]) -> Result<Changes, Error> {
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .interface("org.freedesktop.DBus.Properties")
            .and_then(|rule| rule.path_namespace("/org/freedesktop/systemd1/unit"))
            .map_err(told)?;
        let stream = MessageStream::for_match_rule(rule.build(), &self.connection, None).await.map_err(told)?;
        let mut paths = Vec::new();
        for name in names {
            paths.push(self.path(name).await?);
        }
        Ok(Changes(stream, paths))
    }

    /// Starts a unit, and waits until that is done.
    ///
    /// # Errors
    /// When systemd cannot be asked, or will not.
    pub async fn start(&self, name: &str) -> Result<Done, Error> {
        // Of a unit that was started too often systemd would refuse to hear.
        self.manager("ResetFailedUnit", &(name,)).await?;
        self.job("StartUnit", name).await
    }

    /// Stops a unit, and waits until that is done.
    ///
    /// # Errors
    /// When systemd cannot be asked, or will not.
    pub async fn stop(&self, name: &str) -> Result<Done, Error> {
        self.job("StopUnit", name).await
    }

    /// `running`, `degraded`, `starting`, `stopping` and so on (systemctl(1), is-system-running).
    ///
    /// # Errors
    /// When systemd cannot be asked.
    pub async fn state(&self) -> Result<String, Error> {
        let of = ("org.freedesktop.systemd1.Manager", "SystemState");
        let properties = Some("org.freedesktop.DBus.Properties");
        let told_of = self.connection.call_method(Some(NAME), MANAGER, properties, "Get", &of).await.map_err(told)?;
        let state: OwnedValue = read(&told_of)?;
        Ok(<&str>::try_from(&state).unwrap_or_default().to_owned())
    }

    async fn job(&self, order: &str, name: &str) -> Result<Done, Error> {
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .interface("org.freedesktop.systemd1.Manager")
            .and_then(|rule| rule.member("JobRemoved"))
            .map_err(told)?;
        // It is listened for before the order: the job may be over at once.
        let mut removed = MessageStream::for_match_rule(rule.build(), &self.connection, None).await.map_err(told)?;
        let job: OwnedObjectPath = read(&self.manager(order, &(name, "replace")).await?)?;
        while let Some(message) = removed.next().await {
            let message = message.map_err(told)?;
            let (_, path, _, result): (u32, OwnedObjectPath, String, String) = read(&message)?;
            if path == job {
                return Ok(if result == "done" { Done::Well } else { Done::Not(result) });
            }
        }
        Err(Error::Lost("the connection broke before it was done".to_owned()))
    }

    async fn path(&self, name: &str) -> Result<OwnedObjectPath, Error> {
        read(&self.manager("LoadUnit", &(name,)).await?)
    }

    async fn properties(&self, path: &OwnedObjectPath, of: &str) -> Result<HashMap<String, OwnedValue>, Error> {
        let properties = Some("org.freedesktop.DBus.Properties");
        read(&self.connection.call_method(Some(NAME), path, properties, "GetAll", &(of,)).await.map_err(told)?)
    }

    async fn manager<B>(&self, method: &str, body: &B) -> Result<Message, Error>
    where
        B: serde::ser::Serialize + DynamicType,
    {
        let manager = Some("org.freedesktop.systemd1.Manager");
        self.connection.call_method(Some(NAME), MANAGER, manager, method, body).await.map_err(told)
    }
}

fn read<T>(message: &Message) -> Result<T, Error>
where
    T: for<'a> serde::de::Deserialize<'a> + zbus::zvariant::Type,
{
    message.body().deserialize().map_err(told)
}

fn told(error: zbus::Error) -> Error {
    let zbus::Error::MethodError(name, says, _) = error else { return Error::Lost(error.to_string()) };
    let says = says.unwrap_or_else(|| name.to_string());
    match name.rsplit('.').next() {
        Some("AccessDenied" | "InteractiveAuthorizationRequired") => Error::Forbidden(says),
        _ => Error::Refused(says),
    }
}
