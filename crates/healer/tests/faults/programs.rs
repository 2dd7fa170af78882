//! Programs as people run them, that cannot do their work and say so in their own words: nginx, PostgreSQL, Python, Node
//! and a shell, as this machine has them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use model::action::Action::Start;

use crate::fault::End::{InVain, Person};
use crate::fault::{Fault, Make, USUAL};

/// A service that runs the host's own programs, with these keys.
macro_rules! host {
    ($keys:literal) => {
        concat!(
            "version: '2.4'\nservices: {web: {image: 'healer-test:1', stop_grace_period: 1s, volumes: $HOST, ",
            $keys,
            "}}\n"
        )
    };
}

/// A service that runs `app.py` of its folder.
const PYTHON: &str = host!("command: [/usr/bin/python3, /d/app.py]");
const NGINX: &str = host!(
    "network_mode: none, dns: ['127.0.0.1'], tmpfs: [/var/log/nginx, /var/lib/nginx, /run], command: [/usr/sbin/nginx, -c, /d/nginx.conf, -g, 'daemon off;']"
);
const NODE: &str = host!("command: [/usr/bin/node, --max-old-space-size=30, /d/app.js]");
const POSTGRES: &str = host!("user: '65534', command: [/usr/lib/postgresql/15/bin/postgres, -D, /d/data, -k, /tmp]");

pub(crate) const FAULTS: &[Fault] = &[
    // ---- a shell
    Fault {
        name: "shellvariable",
        compose: "version: '2.4'\nservices: {web: {image: 'healer-test:1', command: [sh, -euc, 'echo starting; echo to \
                  $$DATABASE_URL']}}\n",
        cause: Some("variable_missing"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "shellfilemissing",
        compose: "version: '2.4'\nservices: {web: {image: 'healer-test:1', command: [sh, -ec, 'cat /run/secrets/token']}}\n",
        cause: Some("file_missing"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "shellreadonly",
        compose: "version: '2.4'\nservices: {web: {image: 'healer-test:1', read_only: true, command: [sh, -ec, 'touch \
                  /var.lock']}}\n",
        cause: Some("read_only"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "garbagebinary",
        compose: "version: '2.4'\nservices: {web: {image: 'healer-test:1', volumes: ['./d:/d'], command: [/d/app]}}\n",
        files: &[("app", "\u{7f}ELF of another kind")],
        make: Make::Instead(|scene| {
            let app = scene.folder().join("d/app");
            fs::set_permissions(&app, fs::Permissions::from_mode(0o755)).expect("the file is ours");
            scene.compose(&["up", "-d"]);
        }),
        cause: Some("wrong_architecture"),
        end: Person,
        ..USUAL
    },
    // ---- Python
    Fault {
        name: "pyvariable",
        compose: PYTHON,
        files: &[("app.py", "import os\nprint('starting')\nkey = os.environ['SECRET_KEY']\n")],
        cause: Some("variable_missing"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "pymodule",
        compose: PYTHON,
        files: &[("app.py", "import flask_of_tomorrow\n")],
        cause: Some("module_missing"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "pyrefused",
        compose: PYTHON,
        files: &[("app.py", "import socket\nsocket.create_connection(('127.0.0.1', 5432), timeout=2)\n")],
        cause: Some("connection_refused"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "pyname",
        compose: host!("network_mode: none, dns: ['127.0.0.1'], command: [/usr/bin/python3, /d/app.py]"),
        files: &[("app.py", "import socket\nsocket.create_connection(('no-such-db', 5432), timeout=2)\n")],
        cause: Some("name_unknown"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "pydenied",
        compose: host!("user: '65534', command: [/usr/bin/python3, /d/app.py]"),
        files: &[("app.py", "open('/etc/ledger.db', 'w')\n")],
        cause: Some("permission_denied"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "pydiskfull",
        compose: host!("tmpfs: ['/data:size=64k'], command: [/usr/bin/python3, /d/app.py]"),
        files: &[(
            "app.py",
            "f = open('/data/wal', 'wb')\nfor _ in range(1000):\n    f.write(b'x' * 4096)\n    f.flush()\n",
        )],
        cause: Some("disk_full"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "pyfiles",
        compose: host!("ulimits: {nofile: {soft: 24, hard: 24}}, command: [/usr/bin/python3, /d/app.py]"),
        files: &[("app.py", "kept = [open('/dev/null') for _ in range(100)]\n")],
        cause: Some("too_many_files"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "pymemory",
        compose: PYTHON,
        files: &[(
            "app.py",
            "import resource\nresource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))\nkept = bytearray(400 << 20)\n",
        )],
        cause: Some("memory_used_up"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "pyportinuse",
        compose: PYTHON,
        files: &[(
            "app.py",
            "import socket\nfirst, second = socket.socket(), socket.socket()\nfirst.bind(('0.0.0.0', \
             8080))\nfirst.listen()\nsecond.bind(('0.0.0.0', 8080))\n",
        )],
        cause: Some("address_in_use"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "pybug",
        compose: PYTHON,
        files: &[("app.py", "prices = [1, 2]\nprint(prices[7])\n")],
        cause: Some("crash"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "pysurvivedrefusal",
        compose: PYTHON,
        files: &[(
            "app.py",
            "import sys\nprint('error: connect to cache:6379: Connection refused; going on without', file=sys.stderr)\nprices = [1, \
             2]\nprint(prices[7])\n",
        )],
        cause: Some("crash"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    // ---- nginx
    Fault {
        name: "nginxdirective",
        compose: NGINX,
        files: &[("nginx.conf", "events {}\nhttp { server { listne 80; } }\n")],
        cause: Some("config_invalid"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "nginxupstream",
        compose: NGINX,
        files: &[(
            "nginx.conf",
            "events {}\nhttp { upstream app { server no-such-app:8080; } server { listen 80; location / { proxy_pass \
             http://app; } } }\n",
        )],
        cause: Some("name_unknown"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "nginxcertificate",
        compose: NGINX,
        files: &[(
            "nginx.conf",
            "events {}\nhttp { server { listen 443 ssl; ssl_certificate /d/no.pem; ssl_certificate_key /d/no.key; } }\n",
        )],
        cause: Some("file_missing"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    // ---- PostgreSQL
    Fault {
        name: "postgresversion",
        compose: POSTGRES,
        make: Make::Instead(|scene| {
            let data = scene.folder().join("d/data");
            fs::create_dir_all(&data).expect("the folder is ours");
            fs::write(data.join("PG_VERSION"), "13\n").expect("the folder is ours");
            fs::write(data.join("postgresql.conf"), "").expect("the folder is ours");
            fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("the folder is ours");
            for path in ["data/PG_VERSION", "data/postgresql.conf", "data"] {
                scene.give_to_nobody(path);
            }
            scene.compose(&["up", "-d"]);
        }),
        cause: Some("data_of_another_version"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "postgresconfig",
        compose: POSTGRES,
        make: Make::Instead(|scene| {
            let data = scene.folder().join("d/data");
            fs::create_dir_all(&data).expect("the folder is ours");
            fs::write(data.join("PG_VERSION"), "15\n").expect("the folder is ours");
            fs::write(data.join("postgresql.conf"), "shared_bufers = 16MB\n").expect("the folder is ours");
            fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("the folder is ours");
            for path in ["data/PG_VERSION", "data/postgresql.conf", "data"] {
                scene.give_to_nobody(path);
            }
            scene.compose(&["up", "-d"]);
        }),
        cause: Some("config_invalid"),
        end: Person,
        ..USUAL
    },
    // ---- Node
    Fault {
        name: "nodemodule",
        compose: NODE,
        files: &[("app.js", "const express = require('express-of-tomorrow');\n")],
        cause: Some("module_missing"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "noderefused",
        compose: NODE,
        files: &[("app.js", "require('net').connect(6379, '127.0.0.1');\n")],
        cause: Some("connection_refused"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "nodeheap",
        compose: NODE,
        files: &[("app.js", "const kept = []; for (;;) kept.push(new Array(100000).fill('x'));\n")],
        cause: Some("memory_used_up"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
];
