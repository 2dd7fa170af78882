//! Logs that are hard to read: that mislead, are coloured, long, or in another language.

use crate::fault::{Fault, USUAL};

pub(crate) const FAULTS: &[Fault] = &[
    // It speaks of memory and of kills because it is proud of having none, and ends for a variable.
    Fault {
        name: "y2cheerful",
        compose: web!("volumes: ['./d:/d'], command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            "echo 'INFO  cache bounded to 64 MB: Out of memory is a thing of the past!'\n\
             echo 'INFO  Killed 0 stale sessions, 0 connections refused since yesterday'\nsleep 1\n\
             [ -n \"$DATABASE_URL\" ] || { echo 'error: environment variable DATABASE_URL is not set' >&2; exit 1; }\n",
        )],
        cause: Some("variable_missing"),
        ..USUAL
    },
    // The words that matter are in colours, each in its own.
    Fault {
        name: "y2colours",
        compose: web!("volumes: $HOST, user: '65534:65534', command: [/usr/bin/node, /d/app.js]"),
        files: &[
            ("state.json", "{}\n"),
            (
                "app.js",
                "const paint = (code, text) => `\\x1b[${code}m${text}\\x1b[0m`;\nfor (let n = 0; n < 40; \
                 n++)\n  console.log(paint(90, '12:00:0' + n % 10), paint('42;30', ' INFO '), paint(36, 'plugin-' + \
                 n), paint(32, 'loaded'));\ntry {\n  require('fs').openSync('/d/state.json', 'r+');\n} catch (error) \
                 {\n  const [code, what, file] = error.message.split(/: |, /);\n  console.error(paint('41;97', ' \
                 ERROR '), paint(31, code) + paint(90, ':'), paint(1, what) + paint(90, ','), paint('4;36', \
                 file));\n  process.exit(1);\n}\n",
            ),
        ],
        cause: Some("permission_denied"),
        ..USUAL
    },
    // PostgreSQL's client under LANG=fr_FR. This machine has no such language: a script says its words.
    Fault {
        name: "y2french",
        compose: web!("volumes: ['./d:/d'], command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            "echo 'Démarrage de la synchronisation'\nsleep 1\n\
             echo 'psql: erreur : la connexion au serveur sur « db » (172.20.0.2), port 5432 a échoué : \
             FATAL:  authentification par mot de passe échouée pour l’utilisateur « app »' >&2\nexit 2\n",
        )],
        cause: Some("not_let_in"),
        ..USUAL
    },
    // The C library's words under LANG=ja_JP, said by a script for the same reason; the file is really missing.
    Fault {
        name: "y2japanese",
        compose: web!("volumes: ['./d:/d'], command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            "echo '設定を読み込んでいます'\nsleep 1\n[ -f /etc/app/config.yml ] || { echo 'エラー: /etc/app/config.yml を開けません: \
             そのようなファイルやディレクトリはありません' >&2; exit 1; }\n",
        )],
        cause: Some("file_missing"),
        ..USUAL
    },
    // What ended it is said first, and then it takes 100,000 lines to end in order. An operator who finds nothing at
    // the end of a log looks for the first error in it.
    Fault {
        name: "y2buriedline",
        compose: web!("volumes: ['./d:/d'], command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            "echo 'INFO  starting'\nsleep 1\ncat /etc/app/licence.key || {\n\
             awk 'BEGIN { for (n = 1; n <= 100000; n++) print \"INFO  shard \" n \" closed in order\" }'\nexit 1\n}\n",
        )],
        cause: Some("file_missing"),
        ..USUAL
    },
    // A program in one line of 1 MB, which Node prints before it says what is wrong. Into a pipe that is full Node writes
    // no more, so that its last words would be lost: they take the way over a file.
    Fault {
        name: "y2megabyteline",
        compose: web!("volumes: $HOST, command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            "/usr/bin/perl -e 'print \"var t=[\", join(\",\", 100000 .. 250000), \
             \"];if(!process.env.SESSION_SECRET)throw new Error(\\\"Missing required environment variable: \
             SESSION_SECRET\\\")\\n\"' > /tmp/bundle.min.js\n/usr/bin/node /tmp/bundle.min.js 2>/tmp/said\ncode=$?\ncat /tmp/said >&2\nexit $code\n",
        )],
        cause: Some("variable_missing"),
        ..USUAL
    },
    // Lines of JSON, of which one has the level of an error and others have the word in them. There is no such program
    // here: a script says its words.
    Fault {
        name: "y2jsonlines",
        compose: web!("volumes: ['./d:/d'], command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            "echo '{\"level\":\"info\",\"ts\":1764493200.11,\"msg\":\"retry policy\",\"retry_on\":[\"connection \
             refused\",\"no such host\"]}'\necho '{\"level\":\"info\",\"ts\":1764493200.12,\"msg\":\"previous \
             run\",\"error\":null,\"exit\":0}'\n\
             sleep 1\necho \
             '{\"level\":\"error\",\"ts\":1764493201.40,\"caller\":\"config/load.go:88\",\"msg\":\"cannot parse \
             configuration\",\"file\":\"/etc/relay/relay.yml\",\"error\":\"yaml: line 12: did not find expected \
             key\"}'\n\
             echo '{\"level\":\"info\",\"ts\":1764493201.41,\"msg\":\"shutting down\"}'\nexit 1\n",
        )],
        cause: Some("config_invalid"),
        ..USUAL
    },
];
