//! The engine's events as happenings. The action strings and attributes are what engines from 1.13 on were seen to send.

use model::fact::{Happening, Health, What, is_temporary_name};

use crate::wire::Event;

/// The events that decide something: the server sends these alone, so that the three exec events of every healthcheck do
/// not flood the stream. `health_status` stands for all of its verdicts; `remove` is Podman's `destroy`.
pub(crate) const ACTIONS: [&str; 15] = [
    "create",
    "start",
    "kill",
    "die",
    "stop",
    "restart",
    "oom",
    "pause",
    "unpause",
    "health_status",
    "rename",
    "update",
    "attach",
    "destroy",
    "remove",
];

const INT: u8 = 2;
const QUIT: u8 = 3;
pub(crate) const KILL: u8 = 9;
const TERM: u8 = 15;

/// What is known of a container that its events do not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Traits {
    /// Its own stop signal.
    pub(crate) stop_signal: Option<u8>,
    /// It has a label called `signal`, which hides the attribute of that name in its events.
    pub(crate) hides_signal: bool,
    /// Likewise `exitCode`.
    pub(crate) hides_code: bool,
}

/// What an event says; `None` if it decides nothing.
pub(crate) fn happening(event: &Event, of: Traits) -> Option<Happening> {
    let what = match event.action.as_str() {
        "create" => What::Created,
        "start" => What::Started,
        "kill" => signalled(event, of),
        // A code that cannot be read is told as one that no process gives; the look that follows knows better.
        "die" => What::Died {
            code: event.attribute("exitCode").filter(|_| !of.hides_code).and_then(|c| c.parse().ok()).unwrap_or(-1),
        },
        "stop" => What::Stopped,
        "restart" => What::Restarted,
        "oom" => What::OutOfMemory,
        "pause" => What::Paused,
        "unpause" => What::Unpaused,
        "rename" => What::Renamed { aside: is_temporary_name(event.attribute("name").unwrap_or_default()) },
        "update" => What::Updated,
        "attach" => What::Attached,
        "destroy" | "remove" => What::Destroyed,
        action => What::Health(match action.strip_prefix("health_status:")?.trim() {
            "healthy" => Health::Healthy,
            "unhealthy" => Health::Unhealthy,
            "starting" => Health::Starting,
            _ => return None,
        }),
    };
    Some(Happening { at: event.at(), what })
}

/// A signal that cannot be read is taken for a terminating one: to start what somebody stopped is the worse mistake.
fn signalled(event: &Event, of: Traits) -> What {
    match event.attribute("signal").filter(|_| !of.hides_signal).and_then(signal) {
        Some(signal) => {
            let terminating = [INT, QUIT, KILL, TERM].contains(&signal) || of.stop_signal == Some(signal);
            What::Signalled { signal, terminating }
        }
        None => What::Signalled { signal: 0, terminating: true },
    }
}

/// A signal's number from its number or its Linux name.
pub(crate) fn signal(text: &str) -> Option<u8> {
    let name = text.trim().to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let number = match name {
        "HUP" => 1,
        "INT" => INT,
        "QUIT" => QUIT,
        "ABRT" => 6,
        "KILL" => KILL,
        "USR1" => 10,
        "USR2" => 12,
        "TERM" => TERM,
        "STOP" => 19,
        "WINCH" => 28,
        "PWR" => 30,
        // Real-time signals are written from their base; systemd in a container wants RTMIN+3.
        name => match name.strip_prefix("RTMIN") {
            Some("") => 34,
            Some(plus) => 34_u8.checked_add(plus.strip_prefix('+')?.parse().ok()?)?,
            None => name.parse().ok()?,
        },
    };
    (number > 0 && number < 65).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: &str, attributes: &[(&str, &str)]) -> Event {
        let attributes: serde_json::Map<_, _> =
            attributes.iter().map(|(k, v)| ((*k).to_owned(), serde_json::Value::from(*v))).collect();
        let json = serde_json::json!({
            "Type": "container", "Action": action, "Actor": {"ID": "abc", "Attributes": attributes}, "timeNano": 7
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn events_as_measured_say_what_happened() {
        let signalled = |signal, terminating| Some(What::Signalled { signal, terminating });
        let table = [
            ("create", vec![], Some(What::Created)),
            ("start", vec![], Some(What::Started)),
            ("kill", vec![("signal", "15")], signalled(15, true)),
            ("kill", vec![("signal", "9")], signalled(9, true)),
            ("kill", vec![("signal", "SIGQUIT")], signalled(3, true)),
            ("kill", vec![("signal", "1")], signalled(1, false)),
            ("kill", vec![("signal", "28")], signalled(28, false)),
            ("kill", vec![("signal", "wat")], signalled(0, true)),
            ("kill", vec![], signalled(0, true)),
            ("die", vec![("exitCode", "137")], Some(What::Died { code: 137 })),
            ("die", vec![("exitCode", "x")], Some(What::Died { code: -1 })),
            ("stop", vec![], Some(What::Stopped)),
            ("restart", vec![], Some(What::Restarted)),
            ("oom", vec![], Some(What::OutOfMemory)),
            ("pause", vec![], Some(What::Paused)),
            ("unpause", vec![], Some(What::Unpaused)),
            ("health_status: unhealthy", vec![], Some(What::Health(Health::Unhealthy))),
            ("health_status: healthy", vec![], Some(What::Health(Health::Healthy))),
            ("health_status: odd", vec![], None),
            ("rename", vec![("name", "a02644f7b14c_p_a_1")], Some(What::Renamed { aside: true })),
            ("rename", vec![("name", "shop-old")], Some(What::Renamed { aside: false })),
            ("update", vec![], Some(What::Updated)),
            ("attach", vec![], Some(What::Attached)),
            ("destroy", vec![], Some(What::Destroyed)),
            ("remove", vec![], Some(What::Destroyed)),
            ("exec_start: /bin/sh", vec![], None),
            ("", vec![], None),
        ];
        for (action, attributes, expect) in table {
            let found = happening(&event(action, &attributes), Traits::default()).map(|h| h.what);
            assert_eq!(found, expect, "{action} {attributes:?}");
        }
    }

    #[test]
    fn a_containers_own_stop_signal_terminates() {
        let of = Traits { stop_signal: signal("SIGUSR1"), ..Traits::default() };
        let found = happening(&event("kill", &[("signal", "10")]), of).unwrap();
        assert_eq!(found.what, What::Signalled { signal: 10, terminating: true });
    }

    #[test]
    fn a_label_that_hides_an_attribute_cannot_pass_a_stop_for_a_reload() {
        let of = Traits { hides_signal: true, hides_code: true, ..Traits::default() };
        let killed = happening(&event("kill", &[("signal", "1")]), of).unwrap();
        assert_eq!(killed.what, What::Signalled { signal: 0, terminating: true });
        let died = happening(&event("die", &[("exitCode", "0")]), of).unwrap();
        assert_eq!(died.what, What::Died { code: -1 });
    }

    #[test]
    fn old_and_new_lines_of_the_stream_are_read_alike() {
        let old = r#"{"status":"die","id":"ab","from":"img","Type":"container","Action":"die","Actor":{"ID":"ab","Attributes":{"exitCode":"3","image":"img","name":"web"}},"scope":"local","time":1795447891,"timeNano":1795447891010231372}"#;
        let new = r#"{"Type":"container","Action":"die","Actor":{"ID":"ab","Attributes":{"execDuration":"4","exitCode":"3","image":"img","name":"web"}},"scope":"local","time":1795447891,"timeNano":1795447891010231372}"#;
        for line in [old, new] {
            let event: Event = serde_json::from_str(line).unwrap();
            let found = happening(&event, Traits::default()).unwrap();
            assert_eq!((found.at.0, found.what), (1_795_447_891_010_231_372, What::Died { code: 3 }));
        }
    }

    #[test]
    fn signals_are_read_by_number_and_name() {
        let table = [
            ("SIGTERM", Some(15)),
            ("term", Some(15)),
            ("9", Some(9)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMIN", Some(34)),
            ("RTMIN+250", None),
            ("0", None),
            ("", None),
        ];
        for (text, expect) in table {
            assert_eq!(signal(text), expect, "{text}");
        }
    }
}
