//! The networks of an engine: those that a container is attached to and that are no more, how they were made, and what puts
//! them back.
//!
//! A container knows its networks by their ids. One that was removed and made again under its name is another one, and the
//! engine starts nothing that asks for the old one; a container that is down and is attached to the new one under the same
//! name starts (measured on 20.10.24: `connect` takes the place of the dead attachment).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use model::action::{Answer, Permit, With};
use model::fact::{Incarnation, Run};
use model::network::{Lost, Network, Subnet};
use tokio::time::{Instant, timeout_at};

use crate::error::Error;
use crate::hands::{Hands, refused};
use crate::host::Host;
use crate::part::hex_part;
use crate::wire::{self, Addresses, Attachment, Connect, EndpointConfig, Inspect, Ipam};

/// What the engine makes itself, and nobody removes.
const ENGINES_OWN: [&str; 4] = ["bridge", "host", "none", "podman"];
/// The kind of network that can be made again from what the list tells of it.
const BRIDGE: &str = "bridge";
/// So many networks are remembered.
const KNOWN_MAX: usize = 1_000;
/// A container's own short id is an alias that the engine gives it by itself.
const SHORT_ID: usize = 12;

/// How each network was made, by its id, as far as it was ever listed by this process.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<BTreeMap<String, Network>>);

impl Known {
    /// Takes in a list; the networks that are no more stay known.
    fn learn(&self, listed: &[wire::Network]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + listed.len() > KNOWN_MAX {
            known.clear();
        }
        known.extend(listed.iter().filter_map(|network| Some((network.id.clone(), made(network)?))));
    }

    fn knows(&self, id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    /// The network of that id; or, where the id is not known, that of the name, if all that ever had it were made alike.
    fn of(&self, id: &str, name: &str) -> Option<Network> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut named = known.values().filter(|network| network.name == name);
        let alike = named.next().filter(|first| named.all(|other| other == *first));
        known.get(id).filter(|network| network.name == name).or(alike.filter(|_| id.is_empty())).cloned()
    }
}

impl Host {
    /// The networks that a container which is down is attached to and that are no more. Of one that runs those that were not
    /// known yet are learnt. Nothing where the engine could not be asked: then its own error tells.
    pub(crate) async fn lost_networks(&self, inspect: &Inspect, run: Run) -> Vec<Lost> {
        let attached: Vec<(&String, &Attachment)> = attachments(inspect).collect();
        let is_up = matches!(run, Run::Running | Run::Paused);
        if attached.is_empty() || (is_up && attached.iter().all(|(_, it)| self.networks_known().knows(&it.network_id)))
        {
            return Vec::new();
        }
        let Ok(listed) = self.networks().await else { return Vec::new() };
        self.networks_known().learn(&listed);
        if is_up {
            return Vec::new();
        }
        let ids: BTreeSet<&str> = listed.iter().map(|network| network.id.as_str()).collect();
        let is_there = |name: &str| listed.iter().any(|network| network.name == name);
        // After a start that failed the engine has forgotten the id, and looks for the name.
        let is_lost = |(name, it): &&(&String, &Attachment)| match it.network_id.as_str() {
            "" => !is_there(name),
            id => !ids.contains(id),
        };
        let lost = attached.iter().filter(is_lost).map(|(name, it)| Lost {
            name: (*name).clone(),
            made_anew: is_there(name),
            known: self.networks_known().of(&it.network_id, name),
        });
        lost.collect()
    }
}

impl Host {
    async fn networks(&self) -> Result<Vec<wire::Network>, Error> {
        self.get("networks").await
    }

    async fn make_network(&self, network: &wire::Network) -> Result<(), Error> {
        self.post("networks/create", network).await
    }

    async fn connect_network(&self, id: &str, joins: &Connect) -> Result<(), Error> {
        self.post(&format!("networks/{}/connect", hex_part(id)?), joins).await
    }

    async fn remove_network(&self, id: &str) -> Result<(), Error> {
        self.delete(&format!("networks/{}", hex_part(id)?)).await
    }
}

/// What a container is attached to, besides what the engine makes itself.
fn attachments(inspect: &Inspect) -> impl Iterator<Item = (&String, &Attachment)> {
    let attached = inspect.network_settings.networks.iter().flatten();
    attached.filter(|(name, _)| !ENGINES_OWN.contains(&name.as_str()))
}

/// How a network was made, if it can be made again.
fn made(listed: &wire::Network) -> Option<Network> {
    if listed.driver != BRIDGE || listed.scope.as_deref() != Some("local") {
        return None;
    }
    let subnet =
        |it: &Addresses| Subnet { subnet: it.subnet.clone(), gateway: it.gateway.clone(), range: it.range.clone() };
    Some(Network {
        name: listed.name.clone(),
        driver: listed.driver.clone(),
        options: listed.options.clone().unwrap_or_default(),
        labels: listed.labels.clone().unwrap_or_default(),
        internal: listed.internal,
        attachable: listed.attachable,
        ipv6: listed.enable_ipv6,
        subnets: listed.ipam.config.iter().flatten().map(subnet).collect(),
    })
}

fn to_make(network: &Network) -> wire::Network {
    let addresses =
        |it: &Subnet| Addresses { subnet: it.subnet.clone(), gateway: it.gateway.clone(), range: it.range.clone() };
    wire::Network {
        name: network.name.clone(),
        check_duplicate: true,
        driver: network.driver.clone(),
        enable_ipv6: network.ipv6,
        internal: network.internal,
        attachable: network.attachable,
        ipam: Ipam { driver: None, config: Some(network.subnets.iter().map(addresses).collect()) },
        options: Some(network.options.clone()),
        labels: Some(network.labels.clone()),
        ..wire::Network::default()
    }
}

/// How a container is attached to the present network of a name: as it was to the one before.
fn to_join(id: &Incarnation, before: Attachment) -> Connect {
    let own: String = id.0.chars().take(SHORT_ID).collect();
    let aliases = before.aliases.unwrap_or_default().into_iter().filter(|alias| *alias != own).collect();
    let Attachment { links, ipam_config, driver_opts, .. } = before;
    Connect {
        container: id.0.to_string(),
        endpoint_config: EndpointConfig { aliases, links, ipam_config, driver_opts },
    }
}

impl Hands {
    /// Makes a network again, unless one of its name is there.
    pub(crate) async fn create_network(
        &self,
        permit: &Permit,
        deadline: Instant,
        still: impl Fn() -> Result<(), String>,
    ) -> Answer {
        let With::Network(network) = &permit.step.with else { return unsaid() };
        match self.network_named(&network.name, deadline).await {
            Ok(Some(_)) => return Answer::AlreadySo,
            Ok(None) => {}
            Err(answer) => return answer,
        }
        if let Err(why) = still() {
            return Answer::Withheld(why);
        }
        done(timeout_at(deadline, self.host().make_network(&to_make(network))).await)
    }

    /// Takes a network back that healer made, unless something uses it.
    pub(crate) async fn remove_network(
        &self,
        permit: &Permit,
        deadline: Instant,
        still: impl Fn() -> Result<(), String>,
    ) -> Answer {
        let With::Network(network) = &permit.step.with else { return unsaid() };
        let found = match self.network_named(&network.name, deadline).await {
            Ok(Some(found)) => found,
            Ok(None) => return Answer::AlreadySo,
            Err(answer) => return answer,
        };
        if made(&found).as_ref() != Some(network) {
            return Answer::Failed(format!("the network {} is another one by now", network.name));
        }
        if let Err(why) = still() {
            return Answer::Withheld(why);
        }
        // The engine refuses where something that runs is attached to it.
        done(timeout_at(deadline, self.host().remove_network(&found.id)).await)
    }

    /// Attaches a container that is down to the present network of a name, as it was to the one that is no more.
    pub(crate) async fn join_network(
        &self,
        permit: &Permit,
        deadline: Instant,
        still: impl Fn() -> Result<(), String>,
    ) -> Answer {
        let With::NetworkName(name) = &permit.step.with else { return unsaid() };
        let present = match self.network_named(name, deadline).await {
            Ok(Some(present)) => present,
            Ok(None) => return Answer::Failed(format!("there is no network {name}")),
            Err(answer) => return answer,
        };
        let inspect = match timeout_at(deadline, self.host().inspect(&permit.incarnation)).await {
            Ok(Ok(inspect)) => inspect,
            Ok(Err(e)) => return Answer::Withheld(format!("its networks could not be read: {e}")),
            Err(_) => return Answer::Withheld("its networks could not be read: the time ran out".to_owned()),
        };
        let before = attachments(&inspect).find(|(of, _)| *of == name).map(|(_, it)| it.clone());
        match before {
            Some(it) if it.network_id == present.id || it.network_id.is_empty() => Answer::AlreadySo,
            None => Answer::Failed(format!("it was not attached to {name}")),
            Some(before) => {
                if let Err(why) = still() {
                    return Answer::Withheld(why);
                }
                let joins = to_join(&permit.incarnation, before);
                done(timeout_at(deadline, self.host().connect_network(&present.id, &joins)).await)
            }
        }
    }

    async fn network_named(&self, name: &str, deadline: Instant) -> Result<Option<wire::Network>, Answer> {
        match timeout_at(deadline, self.host().networks()).await {
            Ok(Ok(listed)) => Ok(listed.into_iter().find(|network| network.name == name)),
            Ok(Err(e)) => Err(Answer::Withheld(format!("the networks could not be listed: {e}"))),
            Err(_) => Err(Answer::Withheld("the networks could not be listed: the time ran out".to_owned())),
        }
    }
}

fn unsaid() -> Answer {
    Answer::Failed("the step does not say which network".to_owned())
}

fn done<E>(result: Result<Result<(), Error>, E>) -> Answer {
    match result {
        Ok(Ok(())) => Answer::Done,
        Ok(Err(e)) => refused(e),
        Err(_) => Answer::Unknown("no answer in time".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(driver: &str) -> wire::Network {
        serde_json::from_value(serde_json::json!({
            "Name": "proxy", "Id": "0a1b", "Scope": "local", "Driver": driver, "EnableIPv6": false, "Internal": true,
            "Attachable": false, "IPAM": {"Driver": "default", "Options": {}, "Config": [{"Subnet": "10.9.0.0/24",
            "Gateway": "10.9.0.1"}]}, "Options": {"com.docker.network.bridge.name": "br-p"}, "Labels": {"team": "web"}
        }))
        .unwrap()
    }

    #[test]
    fn a_network_is_made_again_as_it_was() {
        let again = serde_json::to_value(to_make(&made(&listed("bridge")).unwrap())).unwrap();
        let expect = serde_json::json!({
            "Name": "proxy", "CheckDuplicate": true, "Driver": "bridge", "EnableIPv6": false, "Internal": true,
            "Attachable": false, "IPAM": {"Config": [{"Subnet": "10.9.0.0/24", "Gateway": "10.9.0.1"}]},
            "Options": {"com.docker.network.bridge.name": "br-p"}, "Labels": {"team": "web"}
        });
        assert_eq!(again, expect);
        assert_eq!(made(&listed("macvlan")), None);
    }

    #[test]
    fn what_a_forgotten_id_meant_is_told_by_the_name_where_all_that_had_it_were_made_alike() {
        let known = Known::default();
        let (first, again) = (listed("bridge"), wire::Network { id: "2c3d".to_owned(), ..listed("bridge") });
        known.learn(&[first, again.clone()]);
        assert_eq!(known.of("", "proxy"), made(&listed("bridge")));
        assert_eq!(known.of("2c3d", "proxy"), made(&again));
        assert_eq!(known.of("4e5f", "proxy"), None, "it is another one, and nobody saw it");
        known.learn(&[wire::Network { id: "4e5f".to_owned(), internal: false, ..listed("bridge") }]);
        assert_eq!(known.of("", "proxy"), None, "which of them, nobody can tell");
    }

    #[test]
    fn a_container_joins_with_the_aliases_that_it_had_but_for_its_own_id() {
        let id = Incarnation("c95cea425039c02bfe72".into());
        let aliases = Some(["c95cea425039", "web", "shopweb"].map(str::to_owned).to_vec());
        let joins = to_join(&id, Attachment { aliases, ..Attachment::default() });
        assert_eq!(joins.endpoint_config.aliases, ["web", "shopweb"]);
    }
}
