//! Faults by somebody who knows what healer is for, and has not seen its rules.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use model::action::Action::Start;

use crate::fault::End::{Healed, InVain, Person};
use crate::fault::{Fault, Make, USUAL};

/// A service with these keys beside its image.
macro_rules! web {
    ($keys:literal) => {
        concat!("version: '2.4'\nservices: {web: {image: 'healer-test:1', stop_grace_period: 1s, ", $keys, "}}\n")
    };
}

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

// Below the macros that it uses.
pub(crate) mod services;

/// A service that runs `run.sh` of its folder, and beside it a database that runs `db.sh`.
const WITH_DATABASE: &str = "version: '2.4'
services:
  db: {image: 'healer-test:1', stop_grace_period: 1s, volumes: $HOST, tmpfs: [/data], command: [sh, /d/db.sh]}
  web: {image: 'healer-test:1', stop_grace_period: 1s, volumes: $HOST, command: [sh, /d/run.sh]}
";
/// A database that has just been made, and asks for the password `s3cret`.
const DATABASE: &str = "set -e
echo 'postgres:x:65534:65534::/tmp:/bin/sh' > /etc/passwd
echo s3cret > /tmp/pw
as='setpriv --reuid 65534 --regid 65534 --clear-groups'
bin=/usr/lib/postgresql/15/bin
$as $bin/initdb -N -D /data/pg -U app -A trust --pwfile /tmp/pw --locale C > /dev/null
echo 'host all all all scram-sha-256' > /data/pg/pg_hba.conf
exec $as $bin/postgres -D /data/pg -k /data -c listen_addresses='*'
";
/// Asks a server whose certificate is not the one that it knows.
const ASKS_ANOTHER: &str = r#"for one in ca server; do
    openssl req -x509 -newkey rsa:2048 -nodes -config /d/req.cnf -subj "/CN=$one" -days 9 -keyout /tmp/$one.key -out /tmp/$one.pem 2> /dev/null
done
openssl s_server -quiet -www -accept 8443 -cert /tmp/server.pem -key /tmp/server.key > /dev/null 2>&1 &
sleep 0.3
echo 'fetching settings from https://localhost:8443/v1/settings'
curl -fsS --cacert /tmp/ca.pem https://localhost:8443/v1/settings
"#;
pub(crate) const FAULTS: &[Fault] = &[
    // ---- a database beside it, as PostgreSQL and psql say it
    Fault {
        name: "xpgpassword",
        compose: WITH_DATABASE,
        files: &[
            ("db.sh", DATABASE),
            (
                "run.sh",
                r#"export PGPASSWORD=changeme
until out=$(/usr/lib/postgresql/15/bin/psql -X -h db -U app -d postgres -c 'select 1' 2>&1); do
    echo "$out"
    case $out in *password*) echo 'giving up'; exit 4 ;; esac
    echo 'database is not there yet, trying again in a moment'
    sleep 0.5
done
exec python3 -m http.server
"#,
            ),
        ],
        // It is refused while the database comes up, and survives that; then its password is wrong.
        cause: Some("not_let_in"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xpsqlmigration",
        compose: WITH_DATABASE,
        files: &[
            ("db.sh", DATABASE),
            (
                "migration_0042.sql",
                "create table users (id int, email text);
alter table users add column email text;
",
            ),
            (
                "run.sh",
                "set -e
export PGPASSWORD=s3cret
until /usr/lib/postgresql/15/bin/pg_isready -h db -U app -d postgres; do sleep 0.3; done
echo 'Running migrations ...'
/usr/lib/postgresql/15/bin/psql -X -q -1 -v ON_ERROR_STOP=1 -h db -U app -d postgres -f /d/migration_0042.sql
echo 'Migrations are up to date'
exec python3 -m http.server
",
            ),
        ],
        cause: Some("migration_failed"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xdblate",
        compose: "version: '2.4'
services:
  db: {image: 'healer-test:1', stop_grace_period: 1s, command: [sh, -c, 'sleep 4; exec httpd -f -p 5432']}
  web: {image: 'healer-test:1', stop_grace_period: 1s, volumes: $HOST, command: [/usr/bin/python3, /d/app.py]}
",
        files: &[(
            "app.py",
            "import socket, time
socket.create_connection(('db', 5432), timeout=2)
print('connected', flush=True)
time.sleep(1000)
",
        )],
        // Its database needs some seconds longer than it does.
        cause: Some("connection_refused"),
        action: Some(Start),
        end: Healed,
        ..USUAL
    },
    Fault {
        name: "xinitdbfull",
        compose: host!("tmpfs: ['/data:size=12m,mode=1777'], command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            "echo 'postgres:x:65534:65534::/tmp:/bin/sh' > /etc/passwd
exec setpriv --reuid 65534 --regid 65534 --clear-groups /usr/lib/postgresql/15/bin/initdb -N -D /data/pg --locale C
",
        )],
        // The last line says what it tidied up.
        cause: Some("disk_full"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xinitdbowner",
        compose: host!("tmpfs: ['/data:mode=0755'], command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            "echo 'postgres:x:65534:65534::/tmp:/bin/sh' > /etc/passwd
exec setpriv --reuid 65534 --regid 65534 --clear-groups /usr/lib/postgresql/15/bin/initdb -N -D /data --locale C
",
        )],
        cause: Some("permission_denied"),
        end: Person,
        ..USUAL
    },
    // ---- nginx, curl, perl, Python, Node and a shell
    Fault {
        name: "xnginxwarn",
        compose: host!(
            "user: '65534', network_mode: none, dns: ['127.0.0.1'], tmpfs: [/var/lib/nginx, /run], command: \
                  [/usr/sbin/nginx, -c, /d/nginx.conf, -g, 'daemon off;']"
        ),
        files: &[(
            "nginx.conf",
            "user www-data;
events {}
http {
    server { listen 80; gzip yes; }
}
",
        )],
        // That it is not the superuser it survives.
        cause: Some("config_invalid"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xnginxbind",
        compose: host!("user: '65534', tmpfs: [/var/lib/nginx, /var/log/nginx, /run], command: [sh, /d/run.sh]"),
        files: &[
            (
                "nginx.conf",
                "events {}
http { server { listen 8080; } }
",
            ),
            (
                "run.sh",
                "python3 -m http.server 8080 > /dev/null 2>&1 &
until curl -s -o /dev/null http://127.0.0.1:8080/; do sleep 0.1; done
echo 'metrics exporter listens, starting web server'
/usr/sbin/nginx -c /d/nginx.conf -g 'daemon off;'
",
            ),
        ],
        cause: Some("address_in_use"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "xcurlcertificate",
        compose: host!("command: [sh, /d/run.sh]"),
        files: &[
            (
                "req.cnf",
                "[req]
distinguished_name = dn
[dn]
",
            ),
            ("run.sh", ASKS_ANOTHER),
        ],
        cause: Some("certificate_refused"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xcurlrefused",
        compose: host!("command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            "set -e
echo 'registering with consul'
curl -fsS -X PUT http://127.0.0.1:8500/v1/agent/service/register
echo registered
",
        )],
        // curl has words of its own for it.
        cause: Some("connection_refused"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "xcurlunauthorized",
        compose: host!("command: [sh, /d/run.sh]"),
        files: &[
            (
                "app.py",
                "import http.server


class Vault(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(401)

    def log_message(self, *_):
        pass


http.server.HTTPServer(('127.0.0.1', 8200), Vault).serve_forever()
",
            ),
            (
                "run.sh",
                r#"python3 /d/app.py &
sleep 0.5
echo 'reading secrets from http://127.0.0.1:8200'
curl -fsS -H "X-Vault-Token: $VAULT_TOKEN" http://127.0.0.1:8200/v1/secret/data/web || exit $?
"#,
            ),
        ],
        cause: Some("not_let_in"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xbashvariable",
        compose: host!("command: [/usr/bin/bash, /d/entrypoint.sh]"),
        files: &[(
            "entrypoint.sh",
            r#"set -e
cat /d/.env || echo '[entrypoint] no .env file, going on with the environment'
: "${REDIS_URL:?}"
exec python3 -m http.server
"#,
        )],
        cause: Some("variable_missing"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xperlmodule",
        compose: host!("command: [/usr/bin/perl, /d/app.pl]"),
        files: &[(
            "app.pl",
            r#"use strict;
use Mojolicious::Of::Tomorrow;
print "listening\n";
"#,
        )],
        cause: Some("module_missing"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xperlfiles",
        compose: host!("ulimits: {nofile: {soft: 24, hard: 24}}, command: [/usr/bin/perl, /d/app.pl]"),
        files: &[(
            "app.pl",
            r#"use strict;
my @kept;
for my $shard (1 .. 100) {
    open(my $handle, '<', '/dev/null') or die "shard $shard: $!";
    push @kept, $handle;
}
"#,
        )],
        // It ends with the number of the error, 24.
        cause: Some("too_many_files"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "xsharedlibrary",
        compose: "version: '2.4'
services:
  web:
    image: healer-test:1
    volumes: ['/usr/sbin/nginx:/usr/sbin/nginx:ro', '/lib64/ld-linux-x86-64.so.2:/lib64/ld-linux-x86-64.so.2:ro']
    command: [/usr/sbin/nginx, -g, 'daemon off;']
",
        cause: Some("module_missing"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xsqlitereadonly",
        compose: "version: '2.4'
services:
  web:
    image: healer-test:1
    volumes: ['/usr:/usr:ro', '/bin:/bin:ro', '/lib:/lib:ro', '/lib64:/lib64:ro', './d:/d:ro']
    command: [/usr/bin/python3, /d/app.py]
",
        files: &[
            ("shop.db", ""),
            (
                "app.py",
                "import sqlite3

db = sqlite3.connect('/d/shop.db')
db.execute('CREATE TABLE IF NOT EXISTS session (id TEXT PRIMARY KEY, seen INTEGER)')
",
            ),
        ],
        cause: Some("read_only"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xpyjson",
        compose: host!("command: [/usr/bin/python3, /d/app.py]"),
        files: &[
            (
                "config.json",
                r#"{
  "listen": 8080,
  "workers": 4
  "debug": false
}
"#,
            ),
            (
                "app.py",
                "import json


def load_config(path):
    with open(path) as file:
        return json.load(file)


print('loading config /d/config.json', flush=True)
config = load_config('/d/config.json')
",
            ),
        ],
        cause: Some("config_invalid"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xpysegfault",
        compose: host!("command: [/usr/bin/python3, -X, faulthandler, /d/app.py]"),
        files: &[(
            "app.py",
            "import ctypes
import time

print('model loaded, warming up', flush=True)
time.sleep(0.5)
ctypes.string_at(0)
",
        )],
        cause: Some("crash"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "xnodelater",
        compose: host!("command: [/usr/bin/node, /d/app.js]"),
        files: &[(
            "app.js",
            r"const net = require('net');
const cache = net.connect(6379, '127.0.0.1');
cache.on('error', (error) => console.warn('\x1b[33mwarn\x1b[39m: cache: %s, going on without', error.message));
process.on('exit', () => console.log('\x1b[32minfo\x1b[39m: Bye! 👋'));
net.createServer().listen(8080, () => console.log('\x1b[32minfo\x1b[39m: listening on 8080 ✨'));
setTimeout(() => {
  const order = [].find((one) => one.open);
  console.log(order.id);
}, 3000);
",
        )],
        // A cache that it can do without, some good seconds, a bug, and a cheerful last line.
        cause: Some("crash"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "xsughost",
        compose: web!("volumes: ['./d:/d'], command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            "echo 'dropping privileges'
exec su -s /bin/sh redis -c 'sleep 1000'
",
        )],
        cause: Some("user_unknown"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xgunicorngone",
        compose: web!("volumes: ['./d:/d'], command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            "set -e
echo 'Collecting static files: 132 copied, 0 unmodified.'
exec gunicorn shop.wsgi --bind 0.0.0.0:8000
",
        )],
        cause: Some("command_missing"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xcrlf",
        compose: web!("volumes: ['./d:/d'], command: [/d/run.sh]"),
        files: &[("run.sh", "#!/bin/sh\r\necho starting\r\nexec sleep 1000\r\n")],
        make: Make::Instead(|scene| {
            let script = scene.folder().join("d/run.sh");
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("the file is ours");
            scene.compose(&["up", "-d"]);
        }),
        // Its first line ends as lines do elsewhere, and names an interpreter that is not there.
        cause: Some("command_missing"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xbashformat",
        compose: host!("command: [/usr/bin/bash, /d/run.sh]"),
        files: &[
            ("agent", "\u{7f}ELF\u{2}\u{1}\u{1} of another kind"),
            (
                "run.sh",
                "echo 'starting agent'
/d/agent --config /dev/null
",
            ),
        ],
        make: Make::Instead(|scene| {
            let script = scene.folder().join("d/agent");
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("the file is ours");
            scene.compose(&["up", "-d"]);
        }),
        cause: Some("wrong_architecture"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xoomwrapped",
        compose: host!("mem_limit: 48m, memswap_limit: 48m, command: [/usr/bin/bash, /d/run.sh]"),
        files: &[
            (
                "run.sh",
                r#"python3 /d/app.py
ended=$?
echo "[entrypoint] app ended ($ended)"
exit $ended
"#,
            ),
            (
                "app.py",
                "import os
import time

while not os.path.exists('/d/now'):
    time.sleep(0.1)
os.remove('/d/now')
kept = [b'x' * (1 << 20) * (1 + i % 2) for i in range(4096)]
",
            ),
        ],
        make: Make::Then(|scene| scene.tell_now()),
        // The kernel ends the program, and the script around it ends with the program's end.
        cause: Some("oom_main"),
        action: Some(Start),
        end: Healed,
        ..USUAL
    },
];
