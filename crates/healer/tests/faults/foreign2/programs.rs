//! Programs that say what they lack: a certificate, a name, rights, a port.

use std::fs;

use model::action::Action::Start;

use crate::fault::End::InVain;
use crate::fault::{Fault, Make, USUAL};

pub(crate) const FAULTS: &[Fault] = &[
    // The other side's certificate ended yesterday. Someone renews it.
    Fault {
        name: "y2expired",
        compose: web!(
            "volumes: $HOST, command: [sh, -c, '/usr/bin/python3 /d/make.py && exec /usr/bin/node /d/app.js']"
        ),
        files: &[
            (
                "make.py",
                "from cryptography import x509\nfrom cryptography.hazmat.primitives import hashes, serialization as s\n\
                 from cryptography.hazmat.primitives.asymmetric import ec\nimport datetime as d\n\
                 key = ec.generate_private_key(ec.SECP256R1())\n\
                 name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, 'localhost')])\nnow = \
                 d.datetime.utcnow()\n\
                 cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())\n\
                 .serial_number(7).not_valid_before(now - d.timedelta(91)).not_valid_after(now - d.timedelta(1))\n\
                 .add_extension(x509.SubjectAlternativeName([x509.DNSName('localhost')]), False).sign(key, \
                 hashes.SHA256()))\n\
                 open('/tmp/c.pem', 'wb').write(cert.public_bytes(s.Encoding.PEM))\n\
                 open('/tmp/k.pem', 'wb').write(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, \
                 s.NoEncryption()))\n",
            ),
            (
                "app.js",
                "const fs = require('fs'), https = require('https');\nconst cert = fs.readFileSync('/tmp/c.pem'), key \
                 = fs.readFileSync('/tmp/k.pem');\nhttps.createServer({ cert, key }, (_, to) => \
                 to.end()).listen(8443, () => {\n  console.log('fetching licence from \
                 https://localhost:8443/v1/licence');\n  https.get({ host: 'localhost', port: 8443, path: \
                 '/v1/licence', ca: cert });\n});\n",
            ),
        ],
        cause: Some("certificate_refused"),
        ..USUAL
    },
    // The host's clock is wrong, so that what it signs is refused. There is no such client here: a script says its words.
    // (Expected before there was a cause of that name: `not_let_in`, which sends one after a password.)
    Fault {
        name: "y2clockskew",
        compose: web!("volumes: ['./d:/d'], command: [sh, /d/run.sh]"),
        files: &[
            ("run.sh", "echo 'INFO uploading archive-0412.tar to s3://backups'\nsleep 1\ncat >&2 /d/trace\nexit 1\n"),
            (
                "trace",
                "Traceback (most recent call last):\n  File \"/app/upload.py\", line 31, in \
                 <module>\n    client.put_object(Bucket=bucket, Key=key, Body=body)\n  File \
                 \"/usr/local/lib/python3.11/site-packages/botocore/client.py\", line 535, in _api_call\n    return \
                 self._make_api_call(operation_name, kwargs)\nbotocore.exceptions.ClientError: An error occurred \
                 (RequestTimeTooSkewed) when calling the PutObject operation: The difference between the request time \
                 and the current time is too large.\n",
            ),
        ],
        cause: Some("clock_wrong"),
        ..USUAL
    },
    // The service is called `db`, and its client asks for `database`. A name may come, so once more does no harm.
    Fault {
        name: "y2psqlname",
        compose: "version: '2.4'\nservices: {db: {image: 'healer-test:1', stop_grace_period: 1s, command: [sleep, \
                  '1000']}, web: {image: 'healer-test:1', volumes: $HOST, dns_opt: ['timeout:1', 'attempts:1'], \
                  command: [/usr/lib/postgresql/15/bin/psql, -h, database, -U, app, -c, 'select 1']}}\n",
        cause: Some("name_unknown"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    // A brace too many in nginx's settings.
    Fault {
        name: "y2nginxbrace",
        compose: web!(
            "volumes: $HOST, user: '65534:65534', command: [/usr/sbin/nginx, -e, stderr, -c, /d/nginx.conf, -g, \
             'daemon off;']"
        ),
        files: &[(
            "nginx.conf",
            "pid /tmp/nginx.pid;\nevents {}\nhttp {\n  access_log off;\n  server {\n    listen 8080;\n    location / \
             { return 200; }\n    }\n  }\n}\n",
        )],
        cause: Some("config_invalid"),
        ..USUAL
    },
    // The data folder was restored from a backup by root, and PostgreSQL does not run on another's data.
    Fault {
        name: "y2pgowner",
        compose: web!(
            "volumes: $HOST, user: '65534:65534', command: [/usr/lib/postgresql/15/bin/postgres, -D, /d/data, \
             '--config-file=/d/postgresql.conf']"
        ),
        files: &[("postgresql.conf", "shared_buffers = 16MB\nunix_socket_directories = ''\n")],
        make: Make::Instead(|scene| {
            fs::create_dir_all(scene.folder().join("d/data")).expect("the folder is ours");
            scene.compose(&["up", "-d"]);
        }),
        cause: Some("permission_denied"),
        ..USUAL
    },
    // A lock file of another life names a process that lives, and is no PostgreSQL. There is no cause of that name,
    // and to start it again is safe: it looks before it writes.
    Fault {
        name: "y2pglock",
        compose: web!(
            "volumes: ['/usr:/usr:ro', '/bin:/bin:ro', '/lib:/lib:ro', '/lib64:/lib64:ro', './d:/d', \
             './d/passwd:/etc/passwd:ro'], user: '65534:65534', command: [sh, /d/run.sh]"
        ),
        files: &[
            ("passwd", "nobody:x:65534:65534::/:/bin/sh\n"),
            (
                "run.sh",
                "[ -d /d/pg/data ] || /usr/lib/postgresql/15/bin/initdb -D /d/pg/data -N -A trust -U app --locale=C \
                 >/dev/null || exit 9\n\
                 sleep 1000 &\nprintf '%s\\n/d/pg/data\\n1764000000\\n5432\\n/d/pg\\n' $! > /d/pg/data/postmaster.pid\n\
                 exec /usr/lib/postgresql/15/bin/postgres -D /d/pg/data -k /d/pg\n",
            ),
        ],
        make: Make::Instead(|scene| {
            fs::create_dir_all(scene.folder().join("d/pg")).expect("the folder is ours");
            scene.give_to_nobody("pg");
            scene.compose(&["up", "-d"]);
        }),
        cause: Some("crash"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    // Two services share one network, and both want its port 8000. The second says so in gunicorn's words, which are
    // not the kernel's; there is no gunicorn here, but the port is really taken.
    Fault {
        name: "y2gunicornport",
        compose: "version: '2.4'\nservices: {app: {image: 'healer-test:1', stop_grace_period: 1s, command: [httpd, \
                  -f, -p, '8000']}, web: {image: 'healer-test:1', depends_on: [app], network_mode: 'service:app', \
                  volumes: $HOST, command: [/usr/bin/python3, -u, /d/app.py]}}\n",
        files: &[(
            "app.py",
            "import socket, sys, time\ndef say(level, what):\n    at = time.strftime('[%Y-%m-%d %H:%M:%S +0000] [1]')\n\
             \x20   print(at, f'[{level}]', what, file=sys.stderr)\nsay('INFO', 'Starting gunicorn 21.2.0')\n\
             for _ in range(5):\n    try:\n        socket.create_server(('0.0.0.0', 8000))\n        time.sleep(1000)\n\
             \x20   except OSError:\n        say('ERROR', \"Connection in use: ('0.0.0.0', 8000)\")\n\
             \x20       say('ERROR', 'Retrying in 1 second.')\n        time.sleep(0.3)\n\
             say('ERROR', \"Can't connect to ('0.0.0.0', 8000)\")\nsys.exit(1)\n",
        )],
        cause: Some("address_in_use"),
        ..USUAL
    },
    // Java names the exception, and says nothing of a permission.
    Fault {
        name: "y2javadenied",
        compose: web!(
            "volumes: ['/usr:/usr:ro', '/bin:/bin:ro', '/lib:/lib:ro', '/lib64:/lib64:ro', './d:/d', \
             '/etc/java-17-openjdk:/etc/java-17-openjdk:ro'], user: '65534:65534', command: \
             [/usr/lib/jvm/java-17-openjdk-amd64/bin/java, '-XX:-UsePerfData', /d/Node.java]"
        ),
        files: &[(
            "Node.java",
            "import java.nio.channels.FileChannel;\nimport java.nio.file.*;\npublic class Node {\n  public static \
             void main(String[] a) {\n    System.out.println(\"[INFO ] initializing node\");\n    try \
             {\n      FileChannel.open(Path.of(\"/d/node.lock\"), StandardOpenOption.CREATE, \
             StandardOpenOption.WRITE);\n    } catch (java.io.IOException e) {\n      throw new \
             IllegalStateException(\"failed to obtain node locks, tried [/d]; maybe these locations are not writable \
             or multiple nodes were started on the same data path?\", e);\n    }\n  }\n}\n",
        )],
        cause: Some("permission_denied"),
        ..USUAL
    },
];
