//! What a changed file means for a running healer: a better configuration, the same, or none, and then the last good
//! one stays.

use super::check::Finding;
use super::{Config, Errors};

/// What reading the configuration again came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reload {
    /// Something else is wanted from here on.
    Changed {
        /// What is wanted.
        config: Box<Config>,
        /// The keys whose change takes effect only at the next start; in `config` they hold the new value.
        at_next_start: Vec<&'static str>,
    },
    /// Nothing that matters changed.
    Same,
    /// What was read is wrong: the configuration that was good stays.
    KeptLastGood {
        /// What is wrong with it.
        errors: Vec<Finding>,
    },
}

/// Decides what a fresh reading means after `previous`.
pub(crate) fn reload(previous: &Config, read: Result<Config, Errors>) -> Reload {
    let config = match read {
        Ok(config) => config,
        Err(wrong) => return Reload::KeptLastGood { errors: wrong.errors },
    };
    if let (Some(file), None) = (&previous.file, &config.file) {
        let says = "is gone; start healer anew to run without it".to_owned();
        return Reload::KeptLastGood { errors: vec![Finding::of_file(&file.as_path().into(), None, says)] };
    }
    let at_next_start = [
        ("listen", previous.listen != config.listen),
        ("state_dir", previous.state_dir != config.state_dir),
        ("docker.hosts", previous.docker_hosts != config.docker_hosts),
        ("docker.deployments_path", previous.deployments_path != config.deployments_path),
        ("docker.relist", previous.relist != config.relist),
        (
            "host.services",
            (&previous.here.programs, &previous.here.units) != (&config.here.programs, &config.here.units),
        ),
        ("host.disks", previous.here.disks != config.here.disks),
        ("probes", previous.here.probes != config.here.probes),
        ("host.sample", previous.here.sample != config.here.sample),
        ("host.name", previous.settings.instance != config.settings.instance),
    ];
    let at_next_start: Vec<&'static str> =
        at_next_start.into_iter().filter_map(|(key, changed)| changed.then_some(key)).collect();
    // Where a value stands may have moved without any having changed.
    let moved = Config { origins: previous.origins.clone(), files: previous.files.clone(), ..config.clone() };
    let told = |config: &Config| config.warnings.iter().map(|w| (w.key.clone(), w.says.clone())).collect::<Vec<_>>();
    if (Config { warnings: previous.warnings.clone(), ..moved }) == *previous && told(&config) == told(previous) {
        Reload::Same
    } else {
        Reload::Changed { config: Box::new(config), at_next_start }
    }
}
