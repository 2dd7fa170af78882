//! Plans of several steps on a real engine: what is done, what is taken back where it does not help, and what is left as it
//! was where a step is refused.

use std::fs;
use std::time::Duration;

use crate::docker::kill_from_the_host;
use crate::heals::{causes, told};
use crate::rig::{Rig, SOON, Service, wait_for};

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

const NETWORKS: [&str; 2] = ["healer-test-front", "healer-test-back"];
const ADDRESSES: [&str; 2] = ["10.213.90.0/24", "10.213.91.0/24"];

/// A service on two networks of its owner's, with these keys besides; nothing is begun while they are taken away.
fn on_networks(project: &str, keys: &str) -> Option<Rig> {
    let mut rig = Rig::bare(project, "budgets: {stability: 2s}\n")?;
    for (network, addresses) in NETWORKS.into_iter().zip(ADDRESSES) {
        rig.engine.docker(&["network", "create", "--subnet", addresses, "--label", "team=web", network]);
    }
    let folder = rig.project_folder(project);
    fs::create_dir_all(&folder).expect("the folder is ours");
    let compose = format!(
        "version: '2.4'\nservices:\n  web: {{image: 'healer-test:1', command: [sleep, '100000'], stop_grace_period: 1s, \
         networks: {{front: {{aliases: [shopfront], ipv4_address: 10.213.90.9}}, back: {{}}}}{keys}}}\nnetworks:\n  \
         front: {{external: {{name: {}}}}}\n  back: {{external: {{name: {}}}}}\n",
        NETWORKS[0], NETWORKS[1]
    );
    fs::write(folder.join("docker-compose.yml"), compose).expect("the folder is ours");
    let up = rig.compose(&["up", "-d"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    rig.start_healer(&["web"]);
    assert!(rig.healer.run(&["freeze"]).status.success());
    kill_from_the_host(rig.container("web").pid);
    rig.wait_for_phase("web", "held", SOON);
    // The engine frees the address a moment after it tells of the end, and the endpoint a moment after that.
    for network in NETWORKS {
        wait_for("nothing is attached any more", SOON, || {
            let removed = rig.engine.command("docker").args(["network", "rm", network]).output();
            removed.expect("docker can be run").status.success().then_some(())
        });
    }
    Some(rig)
}

fn thaw(rig: &Rig) {
    assert!(rig.healer.run(&["thaw"]).status.success());
}

fn networks(rig: &Rig) -> Vec<String> {
    let named = rig.engine.docker(&["network", "ls", "--filter", "name=healer-test-", "--format", "{{.Name}}"]);
    let mut named: Vec<String> = named.split_whitespace().map(str::to_owned).collect();
    named.sort();
    named
}

fn remove(rig: &Rig, networks: &[&str]) {
    rig.engine.docker(&["rm", "-f", &rig.container("web").id]);
    rig.engine.docker(&[&["network", "rm"], networks].concat());
}

#[test]
fn networks_that_were_removed_are_made_again_as_they_were_and_the_service_is_started_in_them() {
    let Some(rig) = on_networks("networks", "") else { return };
    let before = rig.container("web");
    thaw(&rig);
    rig.wait_until_healed("web");
    assert_eq!(causes(&rig, "web").last().map(String::as_str), Some("network_missing"));
    assert_eq!(rig.container("web").id, before.id, "it is not made anew");
    let told = "{{.Labels.team}} {{range .IPAM.Config}}{{.Subnet}}{{end}}";
    assert_eq!(rig.engine.docker(&["network", "inspect", "--format", told, NETWORKS[0]]).trim(), "web 10.213.90.0/24");
    let attached = format!(
        "{{{{with index .NetworkSettings.Networks \"{}\"}}}}{{{{.IPAddress}}}} {{{{.Aliases}}}}{{{{end}}}}",
        NETWORKS[0]
    );
    let attached = rig.engine.docker(&["inspect", "--format", &attached, &before.id]);
    assert!(attached.starts_with("10.213.90.9 ") && attached.contains("shopfront"), "{attached}");
    remove(&rig, &NETWORKS);
}

#[test]
fn a_network_that_cannot_be_made_leaves_all_as_it_was() {
    // Its addresses are somebody else's by now.
    let Some(rig) = on_networks("nocreate", "") else { return };
    rig.engine.docker(&["network", "create", "--subnet", ADDRESSES[0], "healer-test-thief"]);
    thaw(&rig);
    rig.wait_for_phase("web", "escalated", SOON);
    assert_eq!(networks(&rig), ["healer-test-thief"]);
    remove(&rig, &["healer-test-thief"]);
}

#[test]
fn a_network_that_cannot_be_joined_leaves_all_as_it_was() {
    // Both were made anew, and one of them has not the address that the service asks for.
    let Some(rig) = on_networks("nojoin", "") else { return };
    for network in NETWORKS {
        rig.engine.docker(&["network", "create", network]);
    }
    thaw(&rig);
    rig.wait_for_phase("web", "escalated", SOON);
    assert_eq!(networks(&rig), [NETWORKS[1], NETWORKS[0]], "what somebody else made is not removed");
    remove(&rig, &NETWORKS);
}

#[test]
fn a_start_that_fails_in_networks_that_were_made_for_it_leaves_all_as_it_was() {
    let Some(rig) = on_networks("nostart", ", ports: ['127.0.0.1:18099:80']") else { return };
    rig.engine.docker(&[
        "run",
        "-d",
        "--name",
        "port-thief",
        "-p",
        "127.0.0.1:18099:80",
        "healer-test:1",
        "sleep",
        "100000",
    ]);
    thaw(&rig);
    rig.wait_for_phase("web", "escalated", SOON + Duration::from_secs(60));
    assert_eq!(networks(&rig), Vec::<String>::new(), "what did not help is taken back");
    let why = told(&rig.healer.why("nostart/web"));
    assert!(why.contains("create network healer-test-front allowed") && why.contains("remove network"), "{why}");
    rig.engine.docker(&["rm", "-f", "port-thief", &rig.container("web").id]);
}
