//! A mount that is late: what has its files on it is not started before it is there, and finds them then.
//!
//! The mount is real, and healer is told of it by a table of its own, as `mount` can be: `LIBMOUNT_FSTAB` (mount(8)).

use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use model::view::Standing;

use crate::power::{Power, as_root};
use crate::rig::{Rig, SOON, Service, wait_for};

/// A service that makes its files anew where it finds none.
const DB: &str = "trap 'exit 0' TERM; [ -f /data/ledger ] || touch /data/made-anew; while sleep 0.1; do \
    [ -f /t/db-crash ] && { rm /t/db-crash; exit 3; }; done";

/// A folder with a ledger, and the place where it is mounted, or is not.
struct Disk {
    disk: PathBuf,
    point: PathBuf,
    fstab: PathBuf,
}

impl Disk {
    fn new(rig: &Rig) -> Disk {
        let [disk, point, fstab] = ["disk", "data", "fstab"].map(|name| rig.path().join(name));
        fs::create_dir_all(disk.join("db")).expect("the folder is ours");
        fs::write(disk.join("db/ledger"), "").expect("the folder is ours");
        fs::create_dir(&point).expect("the folder is ours");
        let line = format!("# late\n{} {} none bind,nofail 0 0\n", disk.display(), point.display());
        fs::write(&fstab, line).expect("the folder is ours");
        Disk { disk, point, fstab }
    }

    fn mount(&self) {
        let mounted = as_root("mount").arg("--bind").args([&self.disk, &self.point]).status();
        assert!(mounted.expect("mount can be run").success());
    }

    fn goes(&self) {
        assert!(as_root("umount").arg(&self.point).status().expect("umount can be run").success());
    }

    fn says(&self) -> String {
        format!("{} is in /etc/fstab and not mounted: the start waits for it", self.point.display())
    }

    /// Nobody has written anything where the mount should be, nor made anything anew on it.
    fn is_as_it_was(&self) -> bool {
        let below = fs::read_dir(&self.point).expect("it is there").count();
        let is_mounted = self.point.join("db/ledger").exists();
        (is_mounted || below == 0) && !self.disk.join("db/made-anew").exists()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may not be mounted.
        let _ = as_root("umount").arg(&self.point).stderr(Stdio::null()).status();
    }
}

/// A database on a mount, what needs it, and what does not.
fn rig(project: &str) -> Option<(Rig, Disk)> {
    let rig = Rig::bare(project, "")?;
    let disk = Disk::new(&rig);
    disk.mount();
    let db = Service::running("db", &["sh", "-c", DB]);
    write(&rig, &disk, project, &[db, Service::web("web").with("depends_on: [db]"), Service::web("canary")]);
    let up = rig.compose(&["up", "-d"]);
    assert!(up.status.success(), "{up:?}");
    Some((rig, disk))
}

/// Writes a project whose `db` has its files on the mount.
fn write(rig: &Rig, disk: &Disk, project: &str, services: &[Service]) {
    rig.write_project(project, services);
    let file = rig.project_folder(project).join("docker-compose.yml");
    let text = fs::read_to_string(&file).expect("it was written");
    let volumes = format!("volumes: [\"./t:/t\", \"{}/db:/data\"]", disk.point.display());
    fs::write(&file, text.replacen("volumes: [\"./t:/t\"]", &volumes, 1)).expect("the folder is ours");
}

fn start_healer(rig: &mut Rig, disk: &Disk) {
    rig.healer.start_with(&[("LIBMOUNT_FSTAB", &disk.fstab.display().to_string())]);
    rig.healer.wait_until_it_answers();
    for service in ["db", "web", "canary"] {
        rig.wait_for_resource(service, |resource| resource.run.is_some() && resource.intent.is_some());
    }
}

fn wait_until_held(rig: &Rig, disk: &Disk) {
    let held = |standing| standing == Standing::Held;
    rig.wait_for_resource("db", |db| held(db.standing) && db.why.contains(&disk.says()));
}

/// What a command printed, wherever its lines end.
fn said(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_crashes_while_its_mount_is_away_is_started_once_that_is_back() {
    let Some((mut rig, disk)) = rig("mounts") else { return };
    start_healer(&mut rig, &disk);
    let db = rig.container("db");
    // Right away: healer has not noticed yet, and looks just before it acts.
    disk.goes();
    rig.tell("db", "crash");
    wait_until_held(&rig, &disk);
    let why = rig.healer.run(&["why", "mounts/db"]);
    assert!(said(&why).contains(&disk.says()), "{why:?}");
    let started = rig.healer.run(&["start", "mounts/db"]);
    assert!(said(&started).contains(&disk.says()) && !started.status.success(), "{started:?}");
    rig.prove_it_is_awake("canary");
    let warning = wait_for("status tells of the mount", SOON, || {
        rig.healer.status().warnings.into_iter().find(|says| says.contains("not mounted"))
    });
    assert!(warning.ends_with("not mounted: mounts/db needs it"), "{warning}");
    assert_eq!((rig.starts(&db), rig.container("db").status.as_str()), (1, "exited"));
    assert!(disk.is_as_it_was());
    disk.mount();
    rig.wait_until_healed("db");
    assert!(disk.is_as_it_was());
    assert_eq!(rig.starts(&db), 2);
}

#[test]
fn a_host_that_comes_back_before_its_mount_waits_for_it_and_starts_in_order() {
    let Some((mut rig, disk)) = rig("latemount") else { return };
    start_healer(&mut rig, &disk);
    let (power, db) = (Power::of(&rig.engine), rig.container("db"));
    rig.healer.kill();
    power.fail();
    disk.goes();
    power.start();
    start_healer(&mut rig, &disk);
    wait_until_held(&rig, &disk);
    rig.wait_for_resource("web", |web| web.why.contains("waits for latemount/db to be started"));
    rig.wait_for_container("canary", |canary| canary.status == "running");
    let waits = rig.container("db");
    assert_eq!((waits.started_at, waits.status.as_str()), (db.started_at, "exited"));
    assert!(disk.is_as_it_was());
    disk.mount();
    for service in ["db", "web"] {
        rig.wait_for_container(service, |container| container.status == "running");
    }
    assert!(rig.container("db").started_at < rig.container("web").started_at);
    assert!(disk.is_as_it_was());
}

#[test]
fn a_deployment_without_containers_is_not_made_while_its_mount_is_away() {
    let Some((mut rig, disk)) = rig("mountdirs") else { return };
    fs::create_dir_all(rig.path().join("conf.d")).expect("the folder is ours");
    let text = format!("docker: {{deployments_path: {}}}\n", rig.path().join("srv").display());
    fs::write(rig.path().join("conf.d/folders.yaml"), text).expect("the folder is ours");
    write(&rig, &disk, "srv/wiki", &[Service::running("db", &["sh", "-c", DB])]);
    disk.goes();
    start_healer(&mut rig, &disk);
    wait_for("wiki is known", SOON, || rig.healer.status().deployments.into_iter().find(|one| one.name == "wiki"));
    let refused = rig.healer.run(&["start", "wiki"]);
    assert!(said(&refused).contains(&disk.says()) && !refused.status.success(), "{refused:?}");
    assert!(rig.engine.container("wiki", "db").is_none() && disk.is_as_it_was());
    disk.mount();
    let started = rig.healer.run(&["start", "wiki"]);
    assert!(started.status.success(), "{started:?}");
    assert!(rig.engine.container("wiki", "db").is_some() && disk.is_as_it_was());
}
