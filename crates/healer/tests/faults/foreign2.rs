//! A second set of faults by somebody who knows what healer is for, and has not seen its rules.
//!
//! What is expected of each was written down before any of them was played, and is what a careful operator would want.
//! Where the catalogue has no name for the cause, the nearest one that is true is expected, and a comment says so. A
//! program that this machine does not have is played by a shell script that says its words; the comment says that too.
//! Where healer has learnt to say or to do something better than that, it is expected instead, and what was expected stands
//! in brackets.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use model::action::Action::{Change, Start};
use model::action::Change::CreateNetwork;

use crate::fault::End::{Healed, InVain, Left};
use crate::fault::{Fault, Make, USUAL};

/// A service with these keys beside its image.
macro_rules! web {
    ($keys:literal) => {
        concat!("version: '2.4'\nservices: {web: {image: 'healer-test:1', ", $keys, "}}\n")
    };
}

pub(crate) mod health;
pub(crate) mod logs;
pub(crate) mod programs;
pub(crate) mod resources;

/// How processes end, and containers that do not start.
pub(crate) const FAULTS: &[Fault] = &[
    // The host is told to end its processes, as by a shutdown that is called off: first TERM, then KILL, all of it past
    // the engine. Nobody stopped the service.
    Fault {
        name: "y2hostshutdown",
        compose: web!("volumes: ['./d:/d'], command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            "trap 'echo SIGTERM received, draining 3 connections; touch /d/draining' TERM\n\
             echo ready\nwhile sleep 0.1; do :; done\n",
        )],
        make: Make::Then(|scene| {
            scene.signal_from_the_host("web", "TERM");
            let draining = scene.folder().join("d/draining");
            crate::rig::wait_for("it drains", crate::rig::SOON, || draining.exists().then_some(()));
            scene.signal_from_the_host("web", "KILL");
        }),
        cause: Some("killed_by_host"),
        action: Some(Start),
        end: Healed,
        ..USUAL
    },
    // A program that is built for a newer processor ends by SIGILL (exit 132), each time. There is no cause of that
    // name: all that is certain is that it crashed.
    Fault {
        name: "y2illegalinstruction",
        compose: web!("volumes: $HOST, command: [/usr/bin/python3, -u, /d/model.py]"),
        files: &[(
            "model.py",
            "import ctypes, mmap, time\nprint('loading model on cpu')\ntime.sleep(1)\n\
             page = mmap.mmap(-1, 4096, prot=7)\npage.write(b'\\x0f\\x0b')\n\
             ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()\n",
        )],
        cause: Some("crash"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    // A real Java machine reads where it must not, once.
    Fault {
        name: "y2jvmcrash",
        compose: web!(
            "volumes: ['/usr:/usr:ro', '/bin:/bin:ro', '/lib:/lib:ro', '/lib64:/lib64:ro', './d:/d', \
             '/etc/java-17-openjdk:/etc/java-17-openjdk:ro'], stop_grace_period: 1s, command: \
             [/usr/lib/jvm/java-17-openjdk-amd64/bin/java, '-XX:-CreateCoredumpOnCrash', /d/Crash.java]"
        ),
        files: &[(
            "Crash.java",
            "import java.io.File;\npublic class Crash {\n  public static void main(String[] a) throws Exception \
             {\n    System.out.println(\"Started in 0.4 seconds\");\n    var field = \
             sun.misc.Unsafe.class.getDeclaredField(\"theUnsafe\");\n    field.setAccessible(true);\n    var unsafe = \
             (sun.misc.Unsafe) field.get(null);\n    while (true) {\n      Thread.sleep(100);\n      if (new \
             File(\"/d/now\").delete()) unsafe.putAddress(8, 0);\n    }\n  }\n}\n",
        )],
        make: Make::Then(|scene| scene.tell_now()),
        cause: Some("crash"),
        action: Some(Start),
        end: Healed,
        ..USUAL
    },
    // A Go program panics, once. There is no Go here: a script says its words. The address and the signal in them
    // are no sign of a fault of the machine.
    Fault {
        name: "y2gopanic",
        compose: web!("volumes: ['./d:/d'], stop_grace_period: 1s, command: [sh, /d/run.sh]"),
        files: &[
            (
                "run.sh",
                "echo 'ts=2026-11-30T09:00:00Z level=info msg=\"listening\" addr=:9090'\n\
             until [ -f /d/now ]; do sleep 0.1; done\nrm /d/now\ncat >&2 /d/panic\nexit 2\n",
            ),
            (
                "panic",
                "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: \
             segmentation violation code=0x1 addr=0x18 pc=0x6a1b2c]\n\ngoroutine 42 [running]:\n\
             example.org/shop/cart.(*Store).Total(0x0, {0xc00011c0a0, 0x24})\n\t/src/cart/store.go:118 +0x2c\n\
             example.org/shop/http.(*Server).handleCart(0xc0000b4000, {0x7f3e58, 0xc000128000}, \
             0xc000136000)\n\t/src/http/server.go:77 +0x1b4\ncreated by net/http.(*Server).Serve in goroutine \
             1\n\t/usr/local/go/src/net/http/server.go:3086 +0x5cb\n",
            ),
        ],
        make: Make::Then(|scene| scene.tell_now()),
        cause: Some("crash"),
        action: Some(Start),
        end: Healed,
        ..USUAL
    },
    // A job beside a service that complains, and is done with 0 all the same.
    Fault {
        name: "y2jobwarns",
        compose: "version: '2.4'\nservices: {web: {image: 'healer-test:1', stop_grace_period: 1s, command: [sleep, \
                  '1000']}, job: {image: 'healer-test:1', command: [sh, -c, \"sleep 2; echo 'ERROR: could not vacuum \
                  table audit, permission denied, skipped'; echo 'finished with 1 warning'; exit 0\"]}}\n",
        of: "job",
        end: Left,
        ..USUAL
    },
    // A job that ends with 1. Nothing says that it is a job, and once more does no harm that its first run did not do.
    Fault {
        name: "y2jobfails",
        compose: "version: '2.4'\nservices: {web: {image: 'healer-test:1', stop_grace_period: 1s, command: [sleep, \
                  '1000']}, job: {image: 'healer-test:1', command: [sh, -c, \"sleep 2; echo 'backup: 12 of 14 \
                  archives verified, 2 differ'; exit 1\"]}}\n",
        of: "job",
        cause: Some("crash"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    // nginx puts itself into the background, so its container ends with 0; the engine starts it again for ever. Only
    // who writes `daemon off` mends that. (Expected before there was a cause of that name: `clean_exit`.)
    Fault {
        name: "y2nginxdaemon",
        compose: web!(
            "volumes: $HOST, user: '65534:65534', restart: always, command: [/usr/sbin/nginx, -e, stderr, -c, \
             /d/nginx.conf]"
        ),
        files: &[(
            "nginx.conf",
            "pid /dev/shm/nginx.pid;\nevents {}\nhttp {\n  access_log off;\n  client_body_temp_path \
             /dev/shm/a;\n  proxy_temp_path /dev/shm/b;\n  fastcgi_temp_path /dev/shm/c;\n  uwsgi_temp_path \
             /dev/shm/e;\n  scgi_temp_path /dev/shm/f;\n  server { listen 8080; }\n}\n",
        )],
        cause: Some("ends_at_its_start"),
        ..USUAL
    },
    // A script without its first line. The kernel's words are those of a wrong architecture, but the command is a
    // script: the operator mends the script, and looks for no other image.
    Fault {
        name: "y2noshebang",
        compose: web!("volumes: ['./d:/d'], command: [/d/entrypoint.sh]"),
        files: &[("entrypoint.sh", "echo starting\nexec sleep 1000\n")],
        make: Make::Instead(|scene| {
            let script = scene.folder().join("d/entrypoint.sh");
            fs::set_permissions(script, fs::Permissions::from_mode(0o755)).expect("the folder is ours");
            scene.compose(&["up", "-d"]);
        }),
        cause: Some("not_executable"),
        ..USUAL
    },
    // The settings were never copied to this host, so the engine made an empty folder in their place.
    Fault {
        name: "y2folderforfile",
        compose: web!(
            "volumes: ['/usr:/usr:ro', '/bin:/bin:ro', '/lib:/lib:ro', '/lib64:/lib64:ro', './d:/d', \
             './conf/app.toml:/etc/app.toml'], command: [/usr/bin/python3, -u, /d/app.py]"
        ),
        files: &[(
            "app.py",
            "import tomllib, time\nprint('reading /etc/app.toml')\nwith open('/etc/app.toml', 'rb') as \
             file:\n    settings = tomllib.load(file)\nwhile True:\n    time.sleep(1)\n",
        )],
        cause: Some("mount_mismatch"),
        ..USUAL
    },
    // The network that the reverse proxy shares with its services was removed between the making and the start. (A person
    // was expected. healer has seen how it was made by then, and makes it anew: the engine removes no network that anything
    // which runs is attached to, so that nobody else is cut off from it.)
    Fault {
        name: "y2externalnetwork",
        compose: "version: '2.4'\nservices: {web: {image: 'healer-test:1', networks: [proxy], command: [sleep, \
                  '1000']}}\n\
                  networks: {proxy: {external: {name: y2proxy}}}\n",
        make: Make::Instead(|scene| {
            scene.docker(&["network", "create", "y2proxy"]);
            scene.compose(&["up", "--no-start"]);
            scene.wait_until_looked_at();
            scene.docker(&["network", "rm", "y2proxy"]);
            scene.try_to_start("web");
        }),
        cause: Some("network_missing"),
        action: Some(Change(CreateNetwork)),
        end: Healed,
        ..USUAL
    },
    // A volume of its own name that stands for a disk of the host, which is gone.
    Fault {
        name: "y2volumegone",
        compose: "version: '2.4'\nservices: {web: {image: 'healer-test:1', volumes: ['archive:/archive'], command: \
                  [sleep, '1000']}}\nvolumes: {archive: {external: {name: y2archive}}}\n",
        make: Make::Instead(|scene| {
            let disk = scene.folder().join("disk");
            fs::create_dir_all(&disk).expect("the folder is ours");
            let device = format!("device={}", disk.display());
            scene.docker(&["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", &device, "y2archive"]);
            scene.compose(&["up", "--no-start"]);
            fs::remove_dir_all(&disk).expect("the folder is ours");
            scene.try_to_start("web");
        }),
        cause: Some("mount_missing"),
        ..USUAL
    },
    // Two services of one deployment want one port of the host. The other one is not to be touched.
    Fault {
        name: "y2sameport",
        compose: "version: '2.4'\nservices: {one: {image: 'healer-test:1', stop_grace_period: 1s, ports: \
                  ['18080:80'], command: [sleep, '1000']}, web: {image: 'healer-test:1', depends_on: [one], ports: \
                  ['18080:8080'], command: [sleep, '1000']}}\n",
        cause: Some("port_taken"),
        ..USUAL
    },
];
