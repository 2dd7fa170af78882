//! A plan of two steps on a real engine: a memory limit is raised at a person's word, and lowered again where that does not
//! help.

use std::time::Duration;

use crate::heals::{causes, told};
use crate::rig::{Rig, SOON, Service};

/// Two starts do not help, and the third attempt waits for 40 s.
const ASKED_WITHIN: Duration = Duration::from_secs(120);

/// Takes so many MiB and keeps them: who writes to the pipe has filled its buffer, and nobody reads it.
fn takes(name: &'static str, mib: u32) -> Service {
    let keeps = format!("mkfifo /full; sleep 100000 < /full & exec dd if=/dev/zero of=/full bs={mib}M");
    let command = Service::running(name, &["sh", "-c", &keeps]);
    command.with("mem_limit: 16m").with("memswap_limit: 16m")
}

/// The limits of memory, and of memory and swap, in MiB.
fn limits(rig: &Rig, service: &str) -> String {
    let told = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}";
    let bytes = rig.engine.docker(&["inspect", "--format", told, &rig.container(service).id]);
    let mib = bytes.split_whitespace().filter_map(|bytes| bytes.parse::<u64>().ok()).map(|bytes| bytes >> 20);
    mib.map(|mib| mib.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_memory_limit_is_raised_at_a_persons_word_and_lowered_again_where_that_does_not_help() {
    let services = [takes("fits", 18), takes("never", 64)];
    let Some(mut rig) = Rig::bare("memory", "budgets: {stability: 5s, per_deployment: 20/30m}\n") else { return };
    rig.write_project("memory", &services);
    rig.start_healer(&[]);
    let up = rig.compose(&["up", "-d"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    for service in ["fits", "never"] {
        let asks = rig.wait_for_phase(service, "awaiting_approval", ASKED_WITHIN);
        assert_eq!(causes(&rig, service).last().map(String::as_str), Some("oom_main"));
        assert_eq!(limits(&rig, service), "16 16", "nothing is raised unasked");
        let said = rig.healer.run(&["approve", &asks.id.to_string()]);
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }
    rig.wait_until_healed("fits");
    assert_eq!(limits(&rig, "fits"), "24 24");
    rig.wait_for_phase("never", "escalated", SOON + Duration::from_secs(60));
    assert_eq!(limits(&rig, "never"), "16 16", "what did not help is taken back");
    let why = told(&rig.healer.why("memory/never"));
    for line in ["memory limit from 16 MiB to 24 MiB allowed", "it did not help: what was done is taken back"] {
        assert!(why.contains(line), "{line}: {why}");
    }
}
