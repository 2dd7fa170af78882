//! Services that run and are not well, and services that lean on one that is not.

use model::action::Action::{Start, Stop};

use crate::fault::End::{Healed, InVain, Left, Waits};
use crate::fault::{Fault, Make, USUAL};

/// Answers `/health` while its worker lives; the worker falls ill at `/d/now`. `{}` says how.
macro_rules! answers {
    ($ill:literal) => {
        concat!(
            "import http.server, os, time\nclass Answer(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n",
            $ill,
            "        self.send_response(200)\n\
             \x20       self.end_headers()\n        self.wfile.write(b'{\"status\":\"UP\"}')\n\
             \x20   def log_message(self, *words):\n        pass\ndef \
             serve():\n    http.server.HTTPServer(('0.0.0.0', 8080), Answer).serve_forever()\n"
        )
    };
}

pub(crate) const FAULTS: &[Fault] = &[
    // The kernel kills the only worker for memory; the main process has not noticed, and nobody answers. There is no
    // cause of a child's end by memory: that it is ill is true.
    Fault {
        name: "y2workeroom",
        compose: web!(
            "volumes: $HOST, mem_limit: 96m, memswap_limit: 96m, stop_grace_period: 1s, healthcheck: {test: [CMD, \
             wget, -q, -O, /dev/null, 'http://127.0.0.1:8080/'], interval: 500ms, timeout: 5s, retries: 3}, command: \
             [/usr/bin/python3, -u, /d/app.py]"
        ),
        files: &[(
            "app.py",
            concat!(
                answers!(
                    "        if os.path.exists('/d/now'):\n            os.remove('/d/now')\n            hoard = []\n\
                     \x20           while True:\n                hoard.append(b'x' * (1 << 20))\n"
                ),
                "if os.fork() == 0:\n    serve()\nprint('booted 1 worker')\nwhile True:\n    time.sleep(1)\n"
            ),
        )],
        make: Make::Then(|scene| scene.tell_now()),
        cause: Some("unhealthy"),
        action: Some(Stop),
        end: Healed,
        ..USUAL
    },
    // It must be restarted, and does not obey: the engine ends it by force when its grace is over. That is healer's own
    // stop, and no end of another kind.
    Fault {
        name: "y2stubbornill",
        compose: web!(
            "volumes: ['./d:/d'], stop_grace_period: 1s, healthcheck: {test: [CMD, test, -f, /ok], interval: 500ms, \
             timeout: 5s, retries: 2}, command: [sh, /d/run.sh]"
        ),
        files: &[(
            "run.sh",
            "trap 'echo still flushing, please wait' TERM\ntouch /ok\nwhile sleep 0.1; do [ -f /d/now ] && rm /d/now \
             /ok; done\n",
        )],
        make: Make::Then(|scene| scene.tell_now()),
        cause: Some("unhealthy"),
        action: Some(Stop),
        end: Healed,
        ..USUAL
    },
    // The program hangs, so that its check never has an answer. The check itself is right.
    Fault {
        name: "y2checktimesout",
        compose: web!(
            "volumes: $HOST, stop_grace_period: 1s, healthcheck: {test: [CMD, wget, -q, -O, /dev/null, \
             'http://127.0.0.1:8080/'], interval: 500ms, timeout: 1500ms, retries: 2}, command: [/usr/bin/python3, \
             -u, /d/app.py]"
        ),
        files: &[(
            "app.py",
            concat!(
                answers!(
                    "        if \
                     os.path.exists('/d/now'):\n            os.remove('/d/now')\n            time.sleep(1000)\n"
                ),
                "serve()\n"
            ),
        )],
        make: Make::Then(|scene| scene.tell_now()),
        cause: Some("unhealthy"),
        action: Some(Stop),
        end: Healed,
        ..USUAL
    },
    // The check works, and reports that a part of the program is down. It is so after a restart too.
    Fault {
        name: "y2checkreports",
        compose: web!(
            "volumes: $HOST, stop_grace_period: 1s, healthcheck: {test: [CMD, sh, /d/check.sh], interval: 500ms, \
             timeout: 5s, retries: 2}, command: [/usr/bin/python3, -u, /d/app.py]"
        ),
        files: &[
            (
                "app.py",
                concat!(
                    answers!(
                        "        if os.path.exists('/d/now'):\n            self.send_response(503)\n\
                         \x20           self.end_headers()\n\
                         \x20           self.wfile.write(\
                         b'{\"status\":\"DOWN\",\"components\":{\"queue\":{\"status\":\"DOWN\",\
                         \"details\":\"consumer thread ended\"}}}')\n            return\n"
                    ),
                    "serve()\n"
                ),
            ),
            (
                "check.sh",
                "said=$(/usr/bin/curl -sS http://127.0.0.1:8080/health)\necho \"$said\"\n\
                 case \"$said\" in *DOWN*) exit 1;; esac\n",
            ),
        ],
        make: Make::Then(|scene| scene.tell_now()),
        cause: Some("unhealthy"),
        action: Some(Stop),
        end: InVain,
        ..USUAL
    },
    // The check's script came without its right to be executed. The service is well: nobody restarts it for that.
    Fault {
        name: "y2checkdenied",
        compose: web!(
            "volumes: ['./d:/d'], stop_grace_period: 1s, healthcheck: {test: [CMD, /d/check.sh], interval: 500ms, \
             timeout: 5s, retries: 2}, command: [sh, -c, 'echo listening on 8080; sleep 1000']"
        ),
        files: &[("check.sh", "#!/bin/sh\nexit 0\n")],
        cause: Some("check_broken"),
        ..USUAL
    },
    // It has an hour to come up, by its own word, and has not come up in these seconds.
    Fault {
        name: "y2startingforever",
        compose: web!(
            "stop_grace_period: 1s, healthcheck: {test: [CMD, test, -f, /ok], interval: 500ms, timeout: 5s, retries: \
             2, start_period: 1h}, command: [sh, -c, 'echo waiting for the migration lock held by another instance; \
             sleep 1000']"
        ),
        end: Left,
        ..USUAL
    },
    // Somebody paused it, for a snapshot of its disk; its check cannot run meanwhile.
    Fault {
        name: "y2pausedchecked",
        compose: web!(
            "stop_grace_period: 1s, healthcheck: {test: [CMD, 'true'], interval: 500ms, timeout: 1s, retries: 1}, \
             command: [sleep, '1000']"
        ),
        make: Make::Then(|scene| {
            scene.docker(&["pause", &scene.container("web").id]);
        }),
        end: Left,
        ..USUAL
    },
    // The main thread has ended and another goes on, so that the main process is a zombie which the engine calls
    // running. No check can enter such a container; but it is the program that is ill, and not the check.
    // The engine stops it, and then refuses to start that body (`id already in use`): it has to be made anew.
    Fault {
        name: "y2zombiemain",
        compose: web!(
            "volumes: $HOST, stop_grace_period: 1s, healthcheck: {test: [CMD, wget, -q, -O, /dev/null, \
             'http://127.0.0.1:8080/'], interval: 500ms, timeout: 5s, retries: 2}, command: [/usr/bin/python3, -u, \
             /d/app.py]"
        ),
        files: &[(
            "app.py",
            concat!(
                answers!(""),
                "import ctypes, threading\nthreading.Thread(target=time.sleep, args=(1000,)).start()\n\
                 threading.Thread(target=serve, daemon=True).start()\nwhile not \
                 os.path.exists('/d/now'):\n    time.sleep(0.1)\nos.remove('/d/now')\nprint('main loop: \
                 done')\nctypes.CDLL(None).syscall(60, 0)\n"
            ),
        )],
        make: Make::Then(|scene| scene.tell_now()),
        cause: Some("unhealthy"),
        action: Some(Stop),
        end: Healed,
        ..USUAL
    },
    // The database's container runs, but no longer listens, which its own check tells; who leans on it ends with that.
    // With the database restarted, it is well again.
    Fault {
        name: "y2refusedbyill",
        compose: "version: '2.4'\nservices: {db: {image: 'healer-test:1', volumes: $HOST, stop_grace_period: 1s, \
                  healthcheck: {test: [CMD, test, '!', -f, /closed], interval: 500ms, timeout: 5s, retries: 3}, \
                  command: [/usr/bin/python3, -u, /d/db.py]}, web: {image: 'healer-test:1', depends_on: [db], \
                  volumes: $HOST, stop_grace_period: 1s, command: [/usr/bin/perl, /d/web.pl]}}\n",
        files: &[
            (
                "db.py",
                "import os, socket, time\nif os.path.exists('/closed'):\n    os.remove('/closed')\n\
                 listener = socket.create_server(('0.0.0.0', 5432))\nlistener.settimeout(0.2)\nprint('ready to \
                 accept')\n\
                 while not os.path.exists('/d/now'):\n    try:\n        listener.accept()[0].close()\n    except \
                 TimeoutError:\n        pass\nos.remove('/d/now')\nlistener.close()\nopen('/closed', 'w')\n\
                 print('listener closed')\ntime.sleep(1000)\n",
            ),
            (
                "web.pl",
                "use IO::Socket::INET;\n$| = 1;\nprint \"started\\n\";\nfor my $try (1 .. 6) {\n  last if \
                 IO::Socket::INET->new('db:5432');\n  sleep 1;\n}\nwhile (1) {\n  IO::Socket::INET->new('db:5432') or \
                 die \"cannot connect to database at db:5432: $!\\n\";\n  select(undef, undef, undef, 0.3);\n}\n",
            ),
        ],
        make: Make::Then(|scene| scene.tell_now()),
        cause: Some("connection_refused"),
        action: Some(Start),
        end: Healed,
        ..USUAL
    },
    // What it leans on comes up too, only later.
    Fault {
        name: "y2slowdependency",
        compose: "version: '2.4'\nservices: {api: {image: 'healer-test:1', stop_grace_period: 1s, command: [sh, -c, \
                  'echo warming caches; sleep 6; exec httpd -f -p 8080']}, web: {image: 'healer-test:1', depends_on: \
                  [api], volumes: $HOST, stop_grace_period: 1s, command: [/usr/bin/perl, /d/web.pl]}}\n",
        files: &[(
            "web.pl",
            "use IO::Socket::INET;\n$| = 1;\nprint \"asking http://api:8080 for its schema\\n\";\nsleep 1;\n\
             IO::Socket::INET->new('api:8080') or die \"Cannot connect to api:8080 ($!)\\n\";\nsleep 1000;\n",
        )],
        cause: Some("connection_refused"),
        action: Some(Start),
        end: Healed,
        ..USUAL
    },
    // What it leans on is down, and stays so till a person mends its settings. A name of a container that is down is
    // not known; to start this one while that is so is of no use. A person is told of the database, and of this one only
    // if that lasts. (Expected before there was a cause of that name, and a wait for it: `name_unknown`, and a person.)
    Fault {
        name: "y2dependencydown",
        compose: "version: '2.4'\nservices: {db: {image: 'healer-test:1', command: [sh, -c, \"echo 'FATAL:  invalid \
                  value for parameter \\\"shared_buffers\\\": \\\"12GiB\\\"'; exit 1\"]}, web: {image: \
                  'healer-test:1', depends_on: [db], volumes: $HOST, dns_opt: ['timeout:1', 'attempts:1'], command: \
                  [sh, -c, \"sleep 2; exec /usr/lib/postgresql/15/bin/psql -h db -U app -c 'select 1'\"]}}\n",
        cause: Some("dependency_down"),
        end: Waits,
        ..USUAL
    },
];
