//! What a program needs of its host, and does not get: room, files, processes, rights.

use model::action::Action::Start;

use crate::fault::End::{Healed, InVain};
use crate::fault::{Fault, Make, USUAL};

pub(crate) const FAULTS: &[Fault] = &[
    // SQLite says it in words of its own, without the kernel's.
    Fault {
        name: "y2sqlitefull",
        compose: web!("volumes: $HOST, tmpfs: ['/data:size=256k'], command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            "sleep 1\n/usr/bin/sqlite3 /data/shop.db 'create table if not exists orders(line blob); with recursive \
             c(i) as (select 1 union all select i + 1 from c) insert into orders select randomblob(1000) from c;'\n",
        )],
        cause: Some("disk_full"),
        ..USUAL
    },
    // Redis goes on without writing, and refuses every change; a restart would lose what it still holds in memory.
    // There is no Redis here: a script says its words, about a file system that is really full.
    Fault {
        name: "y2redisfull",
        compose: web!(
            "volumes: ['./d:/d'], tmpfs: ['/data:size=64k'], stop_grace_period: 1s, healthcheck: {test: [CMD, sh, \
             /d/check.sh], interval: 500ms, timeout: 5s, retries: 2}, command: [sh, /d/run.sh]"
        ),
        files: &[
            (
                "run.sh",
                "trap 'exit 0' TERM\necho '1:M 30 Nov 2026 09:00:00.101 * Ready to accept connections tcp'\n\
                 until [ -f /d/now ]; do sleep 0.1; done\nwhile sleep 0.3; do\n\
                 echo '1:M 30 Nov 2026 09:00:06.044 * 1 changes in 900 seconds. Saving...'\n\
                 dd if=/dev/zero of=/data/temp-29.rdb bs=64k count=2 2>/dev/null || { touch /refuses\n\
                 echo '29:C 30 Nov 2026 09:00:06.047 # Write error saving DB on disk: No space left on device'\n\
                 echo '1:M 30 Nov 2026 09:00:06.147 # Background saving error'; }\ndone\n",
            ),
            (
                "check.sh",
                "[ -f /refuses ] || exit 0\necho '(error) MISCONF Redis is configured to save RDB snapshots, but it \
                 is currently unable to persist to disk. Commands that may modify the data set are disabled.'\nexit \
                 1\n",
            ),
        ],
        make: Make::Then(|scene| scene.tell_now()),
        cause: Some("disk_full"),
        ..USUAL
    },
    // There is room enough, but for no more files.
    Fault {
        name: "y2inodes",
        compose: web!(
            "volumes: $HOST, tmpfs: ['/sessions:size=4m,nr_inodes=24'], command: [/usr/bin/python3, -u, /d/app.py]"
        ),
        files: &[(
            "app.py",
            "import time\ntime.sleep(1)\nfor number in range(1000):\n    with open(f'/sessions/sess_{number:04}', \
             'w') as file:\n        file.write('x')\n",
        )],
        cause: Some("disk_full"),
        ..USUAL
    },
    // A leak that took its time: started anew it has all of them again.
    Fault {
        name: "y2nodefiles",
        compose: web!(
            "volumes: $HOST, stop_grace_period: 1s, ulimits: {nofile: {soft: 96, hard: 96}}, command: [/usr/bin/node, \
             /d/app.js]"
        ),
        files: &[(
            "app.js",
            "const fs = require('fs');\nconsole.log('listening on 3000');\nsetInterval(() => {\n  if \
             (!fs.existsSync('/d/now')) return;\n  fs.unlinkSync('/d/now');\n  for (;;) fs.openSync('/d/app.js');\n}, \
             100);\n",
        )],
        make: Make::Then(|scene| scene.tell_now()),
        cause: Some("too_many_files"),
        action: Some(Start),
        end: Healed,
        ..USUAL
    },
    // It may have so many processes, and needs more, each time. (Expected before there was a cause of that name: `crash`.)
    Fault {
        name: "y2pidslimit",
        compose: web!("volumes: ['./d:/d'], pids_limit: 8, command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            "echo starting 12 workers\nsleep 1\nfor worker in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1000 & done\nwait\n",
        )],
        cause: Some("too_many_processes"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    // Java calls it a lack of memory, but the heap is nearly empty: it is the limit of processes that ended it.
    // (Expected before there was a cause of that name: `crash`.)
    Fault {
        name: "y2nativethread",
        compose: web!(
            "volumes: ['/usr:/usr:ro', '/bin:/bin:ro', '/lib:/lib:ro', '/lib64:/lib64:ro', './d:/d', \
             '/etc/java-17-openjdk:/etc/java-17-openjdk:ro'], pids_limit: 80, command: \
             [/usr/lib/jvm/java-17-openjdk-amd64/bin/java, /d/Pool.java]"
        ),
        files: &[(
            "Pool.java",
            "public class Pool {\n  public static void main(String[] a) throws Exception \
             {\n    System.out.println(\"starting 500 consumers\");\n    Thread.sleep(200);\n    for (int i = 0; i < \
             500; i++) {\n      var one = new Thread(() -> { try { Thread.sleep(1000000); } catch \
             (InterruptedException e) { } });\n      one.setDaemon(true);\n \
             one.start();\n    }\n    Thread.sleep(1000000);\n  }\n}\n",
        )],
        cause: Some("too_many_processes"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    // Its root may not be written to, and nginx wants a folder for what it is sent.
    Fault {
        name: "y2readonlyroot",
        compose: web!(
            "volumes: $HOST, read_only: true, user: '65534:65534', command: [/usr/sbin/nginx, -e, stderr, -c, \
             /d/nginx.conf, -g, 'daemon off;']"
        ),
        files: &[(
            "nginx.conf",
            "pid /dev/shm/nginx.pid;\nevents {}\nhttp {\n  access_log off;\n  client_body_temp_path \
             /tmp/client;\n  server { listen 8080; }\n}\n",
        )],
        cause: Some("read_only"),
        ..USUAL
    },
    // Two things are wrong: a cache that cannot be written, with which it lives, and a limit of memory, at which the
    // kernel ends it. The second ended it.
    Fault {
        name: "y2twocauses",
        compose: web!(
            "volumes: ['./d:/d'], mem_limit: 24m, memswap_limit: 24m, tmpfs: ['/cache:size=32k'], command: [sh, \
             /d/run.sh]"
        ),
        files: &[(
            "run.sh",
            "sleep 1\ndd if=/dev/zero of=/cache/index bs=16k count=4 2>&1\necho 'cache: cannot be written, going on \
             without'\n\
             sleep 1\nexec tail /dev/zero\n",
        )],
        cause: Some("oom_main"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
];
