//! Processes that end, and services that run and are not well.

use model::action::Action::{Start, Stop};

use crate::fault::End::{Healed, InVain, Left};
use crate::fault::{Fault, Make, USUAL};

/// Runs until the file of its life is gone, which brings back what `$1` says; started once more it runs on.
macro_rules! once {
    ($does:literal) => {
        concat!(
            "services: {web: {image: 'healer-test:1', volumes: ['./d:/d'], stop_grace_period: 2s, command: [sh, -c, \"",
            "trap 'exit 0' TERM; while sleep 0.1; do [ -f /d/now ] && { rm /d/now; ",
            $does,
            "; }; done\"]}}\nversion: '2.4'\n"
        )
    };
}

/// A program that runs on.
const RUNS: &str = "version: '2.4'\nservices: {web: {image: 'healer-test:1', volumes: ['./d:/d'], stop_grace_period: 2s, \
                    command: [sh, -c, \"trap 'exit 0' TERM; touch /ok; while sleep 0.1; do :; done\"]}}\n";

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "exitsbyerror",
        compose: once!("echo 'panic: ledger does not add up'; exit 3"),
        make: Make::Then(|scene| scene.tell_now()),
        cause: Some("crash"),
        action: Some(Start),
        end: Healed,
        ..USUAL
    },
    Fault {
        name: "segfault",
        compose: once!("exec sh -c 'kill -SEGV 1; exit 139'"),
        make: Make::Then(|scene| scene.tell_now()),
        cause: Some("crash"),
        action: Some(Start),
        end: Healed,
        ..USUAL
    },
    Fault {
        name: "killedbyhost",
        compose: RUNS,
        make: Make::Then(|scene| scene.signal_from_the_host("web", "KILL")),
        cause: Some("killed_by_host"),
        action: Some(Start),
        end: Healed,
        ..USUAL
    },
    Fault {
        name: "outofmemory",
        compose: "version: '2.4'\nservices: {web: {image: 'healer-test:1', mem_limit: 16m, memswap_limit: 16m, volumes: \
                  ['./d:/d'], command: [sh, -c, \"while sleep 0.1; do [ -f /d/now ] && { rm /d/now; exec tail /dev/zero; \
                  }; done\"]}}\n",
        make: Make::Then(|scene| scene.tell_now()),
        cause: Some("oom_main"),
        action: Some(Start),
        end: Healed,
        ..USUAL
    },
    Fault {
        name: "saysoombutwasnone",
        compose: once!("echo 'FATAL: Out of memory: OOM killer invoked'; kill -9 1; exit 1"),
        make: Make::Then(|scene| scene.tell_now()),
        cause: Some("memory_used_up"),
        action: Some(Start),
        end: Healed,
        ..USUAL
    },
    Fault {
        name: "crashloop",
        compose: "version: '2.4'\nservices: {web: {image: 'healer-test:1', command: [sh, -c, \"sleep 1; echo 'error: index \
                  3 out of range'; exit 2\"]}}\n",
        make: Make::Up,
        cause: Some("crash"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "unhealthy",
        compose: "version: '2.4'\nservices: {web: {image: 'healer-test:1', volumes: ['./d:/d'], stop_grace_period: 2s, \
                  healthcheck: {test: [CMD, test, -f, /ok], interval: 300ms, timeout: 2s, retries: 2}, command: [sh, -c, \
                  \"trap 'exit 0' TERM; touch /ok; while sleep 0.1; do [ -f /d/now ] && { rm /d/now /ok; }; done\"]}}\n",
        make: Make::Then(|scene| scene.tell_now()),
        cause: Some("unhealthy"),
        action: Some(Stop),
        end: Healed,
        ..USUAL
    },
    Fault {
        name: "endswell",
        compose: once!("echo bye; exit 0"),
        make: Make::Then(|scene| scene.tell_now()),
        end: Left,
        ..USUAL
    },
    Fault {
        name: "stoppedbyhand",
        compose: RUNS,
        make: Make::Then(|scene| {
            scene.docker(&["stop", &scene.container("web").id]);
        }),
        end: Left,
        ..USUAL
    },
    Fault {
        name: "paused",
        compose: RUNS,
        make: Make::Then(|scene| {
            scene.docker(&["pause", &scene.container("web").id]);
        }),
        end: Left,
        ..USUAL
    },
    Fault {
        name: "childkilledformemory",
        compose: "version: '2.4'\nservices: {web: {image: 'healer-test:1', mem_limit: 16m, memswap_limit: 16m, \
                  stop_grace_period: 2s, command: [sh, -c, \"trap 'exit 0' TERM; sleep 3; tail /dev/zero; while sleep \
                  0.1; do :; done\"]}}\n",
        make: Make::Up,
        end: Left,
        ..USUAL
    },
];
