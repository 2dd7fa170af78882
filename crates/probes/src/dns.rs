//! A name's addresses, from the host's name servers or from those that are listed, which then have to agree.
//!
//! `{dns: "shop.example.org", every: 30s}`. `/etc/hosts` does not count: this asks whether the name servers do their work.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use tokio::task::JoinSet;

use crate::answer::{Answer, Measure, count};
use crate::dial::Deadline;
use crate::said;
use crate::trouble::{NoName, Trouble, Unexpected};

/// As many name servers as one probe asks.
const RESOLVERS_MAX: usize = 16;
/// A datagram may be lost.
const ATTEMPTS: u32 = 2;

/// A name, and what has to come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The name.
    pub name: String,
    /// The addresses that it may have; empty: any.
    pub expected: BTreeSet<IpAddr>,
    /// The name servers that have to agree; empty: the host's own.
    pub resolvers: Vec<SocketAddr>,
}

/// What one name server says.
type Said = Result<BTreeSet<IpAddr>, NoName>;

impl Check {
    pub(crate) async fn ask(&self, deadline: &Deadline) -> Result<Answer, Trouble> {
        // Each is given up a little before all are, so that it is known which one it was.
        let time = deadline.total() * 9 / 10;
        if self.resolvers.is_empty() {
            let resolver = hosts_own(time).map_err(|error| Trouble::Unaskable { why: said(&error.to_string()) })?;
            let found = self.wait(deadline, Vec::new(), look_up(&resolver, &self.name, Vec::new(), time)).await?;
            return Ok(self.judge(found.map_err(|why| self.unresolved(why))?));
        }
        let said = self.wait(deadline, self.resolvers.clone(), self.all(time)).await?;
        Ok(self.judge(self.agreed(&said)?))
    }

    async fn wait<T>(
        &self,
        deadline: &Deadline,
        servers: Vec<SocketAddr>,
        asked: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        deadline.wait(asked, |waited| self.unresolved(NoName::NoServer { servers, waited })).await
    }

    /// Asks all name servers at once.
    async fn all(&self, time: Duration) -> Vec<(SocketAddr, Said)> {
        let mut asked = JoinSet::new();
        for &server in self.resolvers.iter().take(RESOLVERS_MAX) {
            let name = self.name.clone();
            asked.spawn(async move {
                let said = match one(server, time) {
                    Ok(resolver) => look_up(&resolver, &name, vec![server], time).await,
                    Err(error) => Err(NoName::Other(said(&error.to_string()))),
                };
                (server, said)
            });
        }
        let mut all = asked.join_all().await;
        all.sort_by_key(|(server, _)| self.resolvers.iter().position(|listed| listed == server));
        all
    }

    /// What all of them say. One that does not answer at all is told first; that a name does not exist is an answer.
    fn agreed(&self, all: &[(SocketAddr, Said)]) -> Result<BTreeSet<IpAddr>, Trouble> {
        let silent = |said: &Said| said.as_ref().err().filter(|why| !is_an_answer(why)).cloned();
        if let Some(why) = all.iter().find_map(|(_, said)| silent(said)) {
            return Err(self.unresolved(why));
        }
        let Some((first, others)) = all.split_first() else { return Ok(BTreeSet::new()) };
        let answer = |(server, said): &(SocketAddr, Said)| {
            (*server, said.as_ref().map(|found| found.iter().copied().collect()).unwrap_or_default())
        };
        if others.iter().any(|other| answer(other).1 != answer(first).1) {
            let what = Unexpected::Disagreement { said: all.iter().map(answer).collect() };
            return Err(Trouble::Wrong { who: self.name.clone(), what });
        }
        first.1.clone().map_err(|why| self.unresolved(why))
    }

    fn judge(&self, found: BTreeSet<IpAddr>) -> Answer {
        let mut answer = Answer::default();
        answer.measured(Measure::Addresses, count(found.len()));
        if !self.expected.is_empty() && !found.is_subset(&self.expected) {
            let (got, expected) = (found.into_iter().collect(), self.expected.iter().copied().collect());
            let what = Unexpected::Addresses { got, expected };
            answer.troubles.push(Trouble::Wrong { who: self.name.clone(), what });
        }
        answer
    }

    fn unresolved(&self, why: NoName) -> Trouble {
        Trouble::Unresolved { name: said(&self.name), why }
    }
}

fn is_an_answer(why: &NoName) -> bool {
    matches!(why, NoName::NoSuchName | NoName::NoAddress)
}

async fn look_up(resolver: &TokioResolver, name: &str, servers: Vec<SocketAddr>, waited: Duration) -> Said {
    match tokio::time::timeout(waited, resolver.lookup_ip(name)).await {
        Ok(Ok(found)) => Ok(found.iter().collect()),
        Ok(Err(error)) => Err(no_name(&error, servers, waited)),
        Err(_) => Err(NoName::NoServer { servers, waited }),
    }
}

fn no_name(error: &NetError, servers: Vec<SocketAddr>, waited: Duration) -> NoName {
    if error.is_nx_domain() {
        return NoName::NoSuchName;
    }
    if matches!(error, NetError::Timeout | NetError::NoConnections | NetError::Io(_)) {
        return NoName::NoServer { servers, waited };
    }
    let NetError::Dns(error) = error else { return NoName::Other(said(&error.to_string())) };
    if let DnsError::ResponseCode(code) = error {
        return NoName::Code(code.to_string());
    }
    let DnsError::NoRecordsFound(none) = error else { return NoName::Other(said(&error.to_string())) };
    match none.response_code.low() {
        0 => NoName::NoAddress,
        _ => NoName::Code(none.response_code.to_string()),
    }
}

fn hosts_own(time: Duration) -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_tokio()?;
    set(builder.options_mut(), time);
    builder.build()
}

fn one(server: SocketAddr, time: Duration) -> Result<TokioResolver, NetError> {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    let server = NameServerConfig::new(server.ip(), true, connections.to_vec());
    let config = ResolverConfig::from_name_servers(vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    set(builder.options_mut(), time);
    builder.build()
}

/// Each answer is to be the name server's own, of this moment.
fn set(options: &mut ResolverOpts, time: Duration) {
    options.timeout = time / ATTEMPTS;
    options.attempts = 1;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
}
