//! Services that are refused by another one of their deployment, which is down.

use model::action::Action::Start;

use crate::fault::End::{Healed, Waits};
use crate::fault::{Fault, Make, USUAL};

/// A program that ends as soon as it does not reach db, of which Compose does not know that it needs that.
macro_rules! needs_db {
    ($db:literal) => {
        concat!(
            "version: '2.4'\nservices:\n  db: {image: 'healer-test:1', stop_grace_period: 1s, volumes: ['./d:/d'], ",
            $db,
            "}\n  web: {image: 'healer-test:1', stop_grace_period: 1s, volumes: $HOST, command: [sh, -c, 'sleep 2; while \
             /usr/bin/curl -sS -o /dev/null http://db:5432/; do sleep 0.2; done; exit 1']}\n"
        )
    };
}

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "dbhasnocommand",
        compose: needs_db!("command: [/opt/ledger/serve]"),
        make: Make::Instead(|scene| {
            scene.compose(&["up", "-d", "db"]);
            scene.compose(&["up", "-d", "web"]);
        }),
        cause: Some("dependency_down"),
        end: Waits,
        ..USUAL
    },
    Fault {
        name: "dbcrashes",
        compose: needs_db!(
            "command: [sh, -c, \"[ -f /d/ran ] && sleep 3; touch /d/ran; httpd -p 5432; while sleep 0.1; do [ -f /d/now \
             ] && { rm /d/now; echo 'panic: ledger does not add up'; exit 3; }; done\"]"
        ),
        // Once more it takes longer until it listens than the other one takes to ask.
        make: Make::Then(|scene| scene.tell_now()),
        // It is refused by what is down, waits, and is started when that has been up for a while: by what it says then.
        cause: Some("connection_refused"),
        action: Some(Start),
        end: Healed,
        ..USUAL
    },
];
