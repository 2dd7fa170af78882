//! The networks of an engine, as far as containers need them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A network as somebody made it: what is needed to make it again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Network {
    /// Its name: containers and Compose ask for it by that.
    pub name: String,
    /// What makes it: `bridge`.
    pub driver: String,
    /// The driver's options.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Its labels: by these Compose knows its own.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// It leads nowhere else.
    #[serde(default)]
    pub internal: bool,
    /// Containers may be attached by hand, in a swarm.
    #[serde(default)]
    pub attachable: bool,
    /// It has IPv6 addresses.
    #[serde(default)]
    pub ipv6: bool,
    /// Its addresses.
    #[serde(default)]
    pub subnets: Vec<Subnet>,
}

/// Addresses of a network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Subnet {
    /// In CIDR notation.
    pub subnet: String,
    /// The gateway's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// The part of the subnet that containers get addresses of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
}

/// A network that a container is attached to, and that is no more: a start cannot find it by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Its name.
    pub name: String,
    /// Another one of this name is there by now.
    pub made_anew: bool,
    /// How it was made, if it was seen, and if it is of a kind that can be made again.
    pub known: Option<Network>,
}
