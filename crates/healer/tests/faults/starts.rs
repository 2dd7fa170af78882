//! Starts that the engine refuses, each for a reason of its own.

use std::fs;

use model::action::Action::{Change, Start};
use model::action::Change::CreateNetwork;

use crate::fault::End::{Healed, InVain, Person};
use crate::fault::{Fault, Make, USUAL};

/// A service with these keys beside its image.
macro_rules! web {
    ($keys:literal) => {
        concat!("version: '2.4'\nservices: {web: {image: 'healer-test:1', stop_grace_period: 1s, ", $keys, "}}\n")
    };
}

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "nosuchcommand",
        compose: web!("command: [serve, --all]"),
        cause: Some("command_missing"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "nosuchpath",
        compose: web!("command: [/opt/app/serve]"),
        cause: Some("command_missing"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "notexecutable",
        compose: web!("command: [/etc/healer-test]"),
        cause: Some("not_executable"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "isadirectory",
        compose: web!("command: [/etc]"),
        cause: Some("not_executable"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "nosuchuser",
        compose: web!("user: ghost, command: [sleep, '100']"),
        cause: Some("user_unknown"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "nosuchdevice",
        compose: web!("devices: ['/dev/no-such-device:/dev/x'], command: [sleep, '100']"),
        cause: Some("device_missing"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        // (Three starts were expected. The other service shall run, too, so that no start helps while both want one port.)
        name: "porttakenbyanother",
        compose: "version: '2.4'\nservices: {web: {image: 'healer-test:1', command: [sleep, '100'], ports: ['18099:80']}, \
                  first: {image: 'healer-test:1', command: [sleep, '100'], ports: ['18099:80']}}\n",
        make: Make::Instead(|scene| {
            scene.compose(&["up", "-d", "first"]);
            scene.compose(&["up", "-d", "web"]);
        }),
        cause: Some("port_taken"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "fileoverdirectory",
        compose: web!("volumes: ['./d/app.conf:/tmp'], command: [sleep, '100']"),
        files: &[("app.conf", "listen = 80\n")],
        cause: Some("mount_mismatch"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "mountisgone",
        compose: "version: '3.8'\nservices: {web: {image: 'healer-test:1', stop_grace_period: 1s, volumes: [{type: bind, \
                  source: ./d/data, target: /data}], command: [sh, -c, 'while [ -f /data/alive ]; do sleep 0.1; done; exit \
                  3']}}\n",
        make: Make::Instead(|scene| {
            let (data, away) = (scene.folder().join("d/data"), scene.folder().join("d/away"));
            fs::create_dir_all(&data).expect("the folder is ours");
            fs::write(data.join("alive"), "").expect("the folder is ours");
            scene.compose(&["up", "-d"]);
            scene.wait_until_seen();
            fs::rename(&data, &away).expect("the folder is ours");
            fs::remove_file(away.join("alive")).expect("the folder is ours");
        }),
        // It ends by an error of its own; that it cannot be started again is what the engine says to the start.
        cause: Some("crash"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        // (Three starts were expected, since healer may not have seen the network by then. It waits for that.)
        name: "networkisgone",
        compose: web!("networks: [own], command: [sleep, '100']}}\nnetworks: {own: {"),
        make: Make::Instead(|scene| {
            scene.compose(&["up", "--no-start"]);
            scene.wait_until_looked_at();
            let networks = scene.docker(&["network", "ls", "--quiet", "--filter", "name=networkisgone_own"]);
            scene.docker(&["network", "rm", networks.trim()]);
            scene.try_to_start("web");
        }),
        cause: Some("network_missing"),
        action: Some(Change(CreateNetwork)),
        end: Healed,
        ..USUAL
    },
];
