//! healer under systemd, as far as its protocol and its unit go: the test listens in systemd's place (a stand-in; no systemd
//! runs), and systemd's own tool reads the unit.

use std::os::unix::net::UnixDatagram;
use std::process::Command;

use crate::rig::{Rig, SOON, skip, wait_for};

#[test]
fn systemd_hears_that_healer_is_ready_that_it_lives_and_that_it_ends() {
    let Some(mut rig) = Rig::bare("systemd", "") else { return };
    let path = rig.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("the folder is ours");
    socket.set_nonblocking(true).expect("it is a socket");
    let hear = || {
        let mut said = [0_u8; 64];
        let length = socket.recv(&mut said).ok()?;
        Some(String::from_utf8_lossy(&said[..length]).into_owned())
    };
    let notify = path.display().to_string();
    rig.healer.start_with(&[("NOTIFY_SOCKET", &notify), ("WATCHDOG_USEC", "400000")]);
    for expect in ["READY=1", "WATCHDOG=1", "WATCHDOG=1"] {
        assert_eq!(wait_for(expect, SOON, hear), expect);
    }
    assert!(rig.healer.stop().success());
    wait_for("the end is told", SOON, || hear().filter(|said| said == "STOPPING=1"));
    assert_eq!(hear(), None, "who has ended lives no more");
}

#[test]
fn systemd_understands_the_unit() {
    let program = env!("CARGO_BIN_EXE_healer");
    let printed = Command::new(program).args(["install", "--print"]).output().expect("the binary was built");
    let unit = String::from_utf8_lossy(&printed.stdout).replace("/usr/local/bin/healer ", &format!("{program} "));
    assert!(unit.contains(program), "{unit}");
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let file = folder.path().join("healer.service");
    std::fs::write(&file, unit).expect("the folder is ours");
    let Ok(read) = Command::new("systemd-analyze").arg("verify").arg(&file).output() else {
        return skip("systemd-analyze");
    };
    let said = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success() && !said.contains("healer.service"), "{said}");
}
