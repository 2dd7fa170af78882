//! The engine's JSON, as far as healer reads it. Every field may be absent or null, and no word is a closed set: another
//! version, or Podman, must not make a container invisible.

use std::collections::BTreeMap;

use model::fact::SourceTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `GET /version`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Version {
    pub(crate) version: Option<String>,
    pub(crate) api_version: Option<String>,
    #[serde(rename = "MinAPIVersion")]
    pub(crate) min_api_version: Option<String>,
    pub(crate) components: Option<Vec<Component>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Component {
    pub(crate) name: Option<String>,
}

/// `GET /info`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Info {
    #[serde(rename = "ID")]
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) docker_root_dir: Option<String>,
    pub(crate) system_time: Option<String>,
}

/// One of `GET /containers/json`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) id: String,
    pub(crate) names: Vec<String>,
    /// The image's name, while that means the image that it is made of.
    pub(crate) image: String,
    pub(crate) image_id: String,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Summary {
    /// Its Compose project, if it has one.
    pub(crate) fn project(&self) -> Option<&str> {
        self.labels.get(crate::definition::PROJECT).map(String::as_str)
    }

    /// Its Compose service, if it has one.
    pub(crate) fn service(&self) -> Option<&str> {
        self.labels.get(crate::compose::SERVICE).map(String::as_str)
    }

    /// Reads one element of the list; `None` if it does not say which container it is. Whatever else cannot be read is
    /// left out: the look that follows knows better.
    pub(crate) fn read(element: &Value) -> Option<Summary> {
        let id = element.get("Id")?.as_str().filter(|id| !id.is_empty())?.to_owned();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let of = |key: &str| element.get(key).and_then(text).unwrap_or_default();
        let (image, image_id) = (of("Image"), of("ImageID"));
        let names = element.get("Names").and_then(Value::as_array).into_iter().flatten().filter_map(text).collect();
        let labels = element.get("Labels").and_then(Value::as_object).into_iter().flatten();
        let labels = labels.filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect();
        Some(Summary { id, names, image, image_id, labels })
    }
}

/// `GET /containers/{id}/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Inspect {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created: Option<String>,
    pub(crate) image: Option<String>,
    /// The command, without what it is given.
    pub(crate) path: Option<String>,
    pub(crate) restart_count: Option<i64>,
    pub(crate) state: State,
    pub(crate) config: Config,
    pub(crate) host_config: HostConfig,
    pub(crate) mounts: Option<Vec<Mount>>,
    pub(crate) network_settings: NetworkSettings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct NetworkSettings {
    pub(crate) networks: Option<BTreeMap<String, Attachment>>,
}

/// A container's place in a network.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Attachment {
    #[serde(rename = "NetworkID", default)]
    pub(crate) network_id: String,
    #[serde(rename = "Aliases", default)]
    pub(crate) aliases: Option<Vec<String>>,
    #[serde(rename = "Links", default)]
    pub(crate) links: Option<Vec<String>>,
    #[serde(rename = "IPAMConfig", default)]
    pub(crate) ipam_config: Option<Value>,
    #[serde(rename = "DriverOpts", default)]
    pub(crate) driver_opts: Option<Value>,
}

/// A network, as `GET /networks` lists it and `POST /networks/create` takes it.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Network {
    pub(crate) name: String,
    #[serde(skip_serializing)]
    pub(crate) id: String,
    #[serde(skip_serializing)]
    pub(crate) scope: Option<String>,
    #[serde(skip_serializing)]
    pub(crate) containers: Option<BTreeMap<String, Value>>,
    #[serde(skip_deserializing)]
    pub(crate) check_duplicate: bool,
    pub(crate) driver: String,
    #[serde(rename = "EnableIPv6")]
    pub(crate) enable_ipv6: bool,
    pub(crate) internal: bool,
    pub(crate) attachable: bool,
    #[serde(rename = "IPAM")]
    pub(crate) ipam: Ipam,
    pub(crate) options: Option<BTreeMap<String, String>>,
    pub(crate) labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Ipam {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) driver: Option<String>,
    pub(crate) config: Option<Vec<Addresses>>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Addresses {
    #[serde(rename = "Subnet")]
    pub(crate) subnet: String,
    #[serde(rename = "Gateway", skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<String>,
    #[serde(rename = "IPRange", skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<String>,
}

/// The body of `POST /networks/ID/connect`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Connect {
    pub(crate) container: String,
    pub(crate) endpoint_config: EndpointConfig,
}

#[derive(Debug, Serialize)]
pub(crate) struct EndpointConfig {
    #[serde(rename = "Aliases")]
    pub(crate) aliases: Vec<String>,
    #[serde(rename = "Links")]
    pub(crate) links: Option<Vec<String>>,
    #[serde(rename = "IPAMConfig")]
    pub(crate) ipam_config: Option<Value>,
    #[serde(rename = "DriverOpts")]
    pub(crate) driver_opts: Option<Value>,
}

/// One mount of a container.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Mount {
    #[serde(rename = "Type")]
    pub(crate) kind: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) destination: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct State {
    pub(crate) status: Option<String>,
    pub(crate) running: Option<bool>,
    pub(crate) paused: Option<bool>,
    pub(crate) restarting: Option<bool>,
    #[serde(rename = "OOMKilled")]
    pub(crate) oom_killed: Option<bool>,
    pub(crate) dead: Option<bool>,
    pub(crate) pid: Option<i32>,
    pub(crate) exit_code: Option<i64>,
    pub(crate) error: Option<String>,
    pub(crate) started_at: Option<String>,
    pub(crate) finished_at: Option<String>,
    pub(crate) health: Option<HealthState>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct HealthState {
    pub(crate) status: Option<String>,
    pub(crate) log: Option<Vec<Probe>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Probe {
    pub(crate) exit_code: Option<i64>,
    pub(crate) output: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Config {
    pub(crate) image: Option<String>,
    pub(crate) labels: Option<BTreeMap<String, String>>,
    pub(crate) stop_signal: Option<String>,
    pub(crate) stop_timeout: Option<i64>,
    pub(crate) working_dir: Option<String>,
    pub(crate) tty: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct HostConfig {
    pub(crate) network_mode: Option<String>,
    pub(crate) restart_policy: Option<Policy>,
    pub(crate) auto_remove: Option<bool>,
    pub(crate) memory: Option<i64>,
    pub(crate) memory_swap: Option<i64>,
    pub(crate) tmpfs: Option<BTreeMap<String, String>>,
}

/// The body of `POST /containers/ID/update`. Both at once: the engine refuses a limit that exceeds the other one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MemoryUpdate {
    pub(crate) memory: i64,
    pub(crate) memory_swap: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Policy {
    pub(crate) name: Option<String>,
    pub(crate) maximum_retry_count: Option<i64>,
}

/// One line of `GET /events`. The old `status`, `id` and `from` are not read: newer engines leave them out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Event {
    #[serde(rename = "Type")]
    pub(crate) kind: String,
    #[serde(rename = "Action")]
    pub(crate) action: String,
    #[serde(rename = "Actor")]
    pub(crate) actor: Actor,
    #[serde(rename = "timeNano")]
    pub(crate) time_nano: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Actor {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(rename = "Attributes")]
    pub(crate) attributes: Option<BTreeMap<String, String>>,
}

impl Event {
    pub(crate) fn at(&self) -> SourceTime {
        SourceTime(self.time_nano)
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.actor.attributes.as_ref()?.get(name).map(String::as_str)
    }
}

/// A time as the engine writes it; `None` for the year 1, by which it says "never".
pub(crate) fn time(text: Option<&str>) -> Option<SourceTime> {
    let stamp: jiff::Timestamp = text?.parse().ok()?;
    let nanos = i64::try_from(stamp.as_nanosecond()).ok()?;
    (nanos > 0).then_some(SourceTime(nanos))
}

/// A time as the engine's queries want it.
pub(crate) fn stamp(at: SourceTime) -> String {
    let at = at.0.max(0);
    format!("{}.{:09}", at / 1_000_000_000, at % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_element_of_the_list_is_read_as_far_as_it_can_be() {
        let summary = |id: &str, names: &[&str], labels: &[(&str, &str)]| Summary {
            id: id.to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            image: String::new(),
            image_id: String::new(),
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        };
        let table = [
            (json!({"Id": "a", "Names": ["/x"], "Labels": {"k": "v"}}), Some(summary("a", &["/x"], &[("k", "v")]))),
            (json!({"Id": "a", "Names": null, "Labels": null}), Some(summary("a", &[], &[]))),
            (json!({"Id": "a", "Names": "/x", "Labels": []}), Some(summary("a", &[], &[]))),
            (
                json!({"Id": "a", "Names": [7, "/x"], "Labels": {"k": 1, "l": ""}}),
                Some(summary("a", &["/x"], &[("l", "")])),
            ),
            (json!({"Id": null, "Names": ["/x"]}), None),
            (json!({"Id": "", "Names": ["/x"]}), None),
            (json!({"Names": ["/x"]}), None),
            (json!(null), None),
            (json!("a"), None),
        ];
        for (element, expect) in table {
            assert_eq!(Summary::read(&element), expect, "{element}");
        }
    }

    #[test]
    fn times_are_read_to_the_nanosecond_and_the_year_one_is_never() {
        let table = [
            (Some("2026-11-23T15:41:58.603560078Z"), Some(1_795_448_518_603_560_078)),
            (Some("2026-11-23T16:41:58.6+01:00"), Some(1_795_448_518_600_000_000)),
            (Some("0001-01-01T00:00:00Z"), None),
            (Some(""), None),
            (Some("yesterday"), None),
            (None, None),
        ];
        for (text, expect) in table {
            assert_eq!(time(text), expect.map(SourceTime), "{text:?}");
        }
        assert_eq!(stamp(SourceTime(1_795_448_518_003_560_078)), "1795448518.003560078");
    }
}
