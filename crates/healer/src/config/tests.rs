//! The configuration as its user writes it: tables of what is right, what is wrong, and what is said about it.

use std::collections::BTreeMap;

use model::settings::{Budgets, Exclusion, Mode};
use model::verdict::Limit;

use super::*;

/// Reads the files (`healer.yaml` and drop-ins) of a directory of its own.
pub(super) struct Given {
    dir: tempfile::TempDir,
    variables: BTreeMap<&'static str, String>,
}

impl Given {
    fn files(files: &[(&str, &str)]) -> Given {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Given { dir, variables: BTreeMap::from([("HOME", "/home/ann".to_owned())]) }
    }

    pub(super) fn file(text: &str) -> Given {
        Given::files(&[("healer.yaml", text)])
    }

    fn with(mut self, name: &'static str, value: &str) -> Given {
        self.variables.insert(name, value.to_owned());
        self
    }

    fn read_with(&self, flags: &Flags) -> Result<Config, Errors> {
        let variable = |name: &str| self.variables.get(name).cloned();
        load_in(flags, Surroundings { variable: &variable, host_name: "box-7", tried: false })
    }

    pub(super) fn read(&self) -> Result<Config, Errors> {
        self.read_with(&Flags { config: Some(self.dir.path().join("healer.yaml")), state_dir: None })
    }

    /// The errors without the directory's name.
    pub(super) fn errors(&self) -> Vec<String> {
        let dir = format!("{}/", self.dir.path().display());
        let Err(wrong) = self.read() else { return Vec::new() };
        wrong.errors.iter().map(|error| error.to_string().replace(&dir, "")).collect()
    }
}

#[test]
fn the_example_passes_with_warnings_alone() {
    let config = Given::file(EXAMPLE).with("SMTP_PASSWORD", "s3cret").with("RABBIT_PASSWORD", "r4bbit").read().unwrap();
    let keys: Vec<&str> = config.warnings.iter().map(|warning| warning.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "kubernetes",
            "prometheus",
            "loki",
            "alertmanager",
            "probes[8].metric",
            "rules",
            "policies[1].resource_kind",
            "budgets.per_cluster",
            "agents",
            "actions",
            "playbooks",
            "model",
            "channels.slack-alerts",
            "channels.oncall",
            "channels.tickets",
            "notify",
            "escalation",
            "heartbeat",
            "access",
            "webhooks",
        ]
    );
    for warning in &config.warnings {
        let expect =
            if warning.key.starts_with("policies") { "of this version" } else { "understood but not acted on" };
        assert!(warning.says.contains(expect), "{warning}");
    }
    assert_eq!(config.listen.to_string(), "127.0.0.1:4325");
    assert_eq!(config.external_url.as_deref(), Some("https://healer.example.org"));
    assert_eq!(config.state_dir, Path::new("/var/lib/healer"));
    let url = Some("unix:///var/run/docker.sock".to_owned());
    assert_eq!(config.docker_hosts, [DockerHost { name: "web-1".into(), url }]);
    assert_eq!((config.relist, config.settings.mode), (Duration::from_secs(60), Mode::Auto));
    assert_eq!(config.settings.instance, "web-1");
    assert_eq!(config.settings.budgets, Budgets::default());
    assert_eq!(config.settings.policies.len(), 2);
    assert_eq!(
        (config.settings.policies[0].max_retries, config.settings.policies[0].window_ms),
        (Some(3), Some(1_800_000))
    );
    assert!(!config.settings.policies[1].auto_heal);
    assert_eq!(config.settings.exclude[1..], [Exclusion::Deployment("backup-*".into())]);
    assert_eq!(config.settings.channels, ["ops-mail", "hook"]);
    let mail = notify::channel::email::Config {
        server: "smtp://user:s3cret@mail.example.org:587".to_owned(),
        password_file: None,
        from: "healer@example.org".to_owned(),
        to: vec!["ops@example.org".to_owned()],
    };
    assert_eq!(config.channels[0].settings, notify::channel::Config::Email(mail));
    assert_eq!(config.channels[1].secret_file(), Some(Path::new("/run/secrets/hook")));
}

#[test]
fn without_a_file_everything_has_its_default() {
    let given = Given::files(&[]).with("XDG_CONFIG_HOME", "/nowhere");
    let config = given.read_with(&Flags::default()).unwrap();
    assert_eq!(config.file, None);
    assert_eq!(config.docker_hosts, [DockerHost { name: "box-7".into(), url: None }]);
    assert_eq!(config.state_dir, Path::new("/home/ann/.local/state/healer"));
    assert_eq!(config.settings, Settings { instance: "box-7".into(), ..Settings::default() });
    assert!(config.origins.iter().all(|setting| setting.origin == Origin::Default));
}

#[test]
fn the_own_file_is_found_where_xdg_says() {
    let given = Given::files(&[("healer/healer.yaml", "mode: observe\n")]);
    let dir = given.dir.path().display().to_string();
    let config = given.with("XDG_CONFIG_HOME", &dir).read_with(&Flags::default()).unwrap();
    assert_eq!(config.settings.mode, Mode::Observe);
    assert_eq!(config.file, Some(PathBuf::from(dir).join("healer/healer.yaml")));
}

#[test]
fn drop_ins_are_laid_over_in_the_order_of_their_names() {
    let given = Given::files(&[
        ("healer.yaml", "mode: observe\nbudgets: {concurrent: 2, stability: 1m}\nexclude: [{deployment: a}]\n"),
        ("conf.d/20-late.yaml", "mode: auto\n"),
        ("conf.d/10-early.yaml", "mode: suggest\nbudgets: {concurrent: 5}\nexclude: [{deployment: b}]\nlisten:\n"),
        ("conf.d/ignored.yml", "mode: [\n"),
        ("conf.d/.hidden.yaml", "mode: [\n"),
    ]);
    let config = given.read().unwrap();
    assert_eq!(config.settings.mode, Mode::Auto);
    assert_eq!((config.settings.budgets.concurrent, config.settings.budgets.stability_ms), (5, 60_000));
    assert_eq!(config.settings.exclude[1..], [Exclusion::Deployment("a".into()), Exclusion::Deployment("b".into())]);
    let origin = |key: &str| {
        let setting = config.origins.iter().find(|setting| setting.key == key).unwrap();
        setting.origin.to_string().rsplit('/').next().unwrap().to_owned()
    };
    assert_eq!(origin("mode"), "20-late.yaml:1");
    assert_eq!(origin("budgets.concurrent"), "10-early.yaml:2");
    assert_eq!(origin("budgets.stability"), "healer.yaml:2");
    assert_eq!(origin("docker.relist"), "default");
    assert_eq!(config.files.len(), 3);
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    assert!(warning.to_string().contains("ignored.yml: is not read"), "{warning}");
}

#[test]
fn errors_of_all_files_and_between_keys_are_told_together() {
    let given = Given::files(&[
        (
            "healer.yaml",
            "listen: 0.0.0.0:4325\nmood: auto\nexclude:\n  - {label: a, deployment: b}\n  - {}\nchannels:\n  hook: {type: webhook}\n",
        ),
        ("conf.d/a.yaml", "docker:\n  hosts:\n    - {name: x}\n    - {name: box-7}\n    - {url: \"tcp://h:1\"}\n"),
        ("conf.d/b.yaml", "mode: [\n"),
    ]);
    let errors = given.errors();
    let expect = [
        "healer.yaml:1:9: listen: `0.0.0.0:4325` can be reached from other machines, and this version checks no tokens: listen on 127.0.0.1:4325",
        "healer.yaml:2:1: mood: unknown key; did you mean `mode`?",
        "healer.yaml:4:5: exclude[0]: expected exactly one of `label` and `deployment`",
        "healer.yaml:5:5: exclude[1]: expected exactly one of `label` and `deployment`",
        "healer.yaml:7:3: channels.hook: has no `url`",
        "conf.d/a.yaml:4:7: docker.hosts[1]: the name `box-7` is given twice",
        "conf.d/a.yaml:5:7: docker.hosts[2]: has no `name`",
        "conf.d/b.yaml:1:7: is no YAML: unclosed bracket '['",
    ];
    assert_eq!(errors.len(), expect.len(), "{errors:#?}");
    for (error, expect) in errors.iter().zip(expect) {
        assert!(error.starts_with(expect), "{error}\n{expect}");
    }
}

#[test]
fn tokens_do_not_open_the_network_while_nothing_checks_them() {
    let text = "listen: \"[::]:4325\"\naccess: {tokens: [{name: a, role: viewer, hash: \"sha256:00\"}]}\n";
    assert!(Given::file(text).errors()[0].contains("checks no tokens"));
}

#[test]
fn values_come_from_flag_file_and_environment_in_that_order() {
    let given = Given::file("state_dir: state\n").with("STATE_DIRECTORY", "/var/lib/healer:/var/lib/other");
    assert_eq!(given.read().unwrap().state_dir, given.dir.path().join("state"));
    let flags = Flags { config: Some(given.dir.path().join("healer.yaml")), state_dir: Some("/flag".into()) };
    assert_eq!(given.read_with(&flags).unwrap().state_dir, Path::new("/flag"));
    let unset = Given::file("").with("STATE_DIRECTORY", "/var/lib/healer:/var/lib/other");
    assert_eq!(unset.read().unwrap().state_dir, Path::new("/var/lib/healer"));
    let xdg = Given::file("").with("XDG_STATE_HOME", "/xdg");
    assert_eq!(xdg.read().unwrap().state_dir, Path::new("/xdg/healer"));
}

#[test]
fn nobody_is_told_anything_when_the_environment_says_so() {
    let text = "channels: {hook: {type: webhook, url: \"https://h.example.org/s3cret\"}}\n";
    for (word, disabled) in [("1", true), ("true", true), ("0", false), ("false", false)] {
        let config = Given::file(text).with("NOTIFY_DISABLED", word).read().unwrap();
        assert_eq!(config.notify_disabled, disabled);
        assert_eq!(config.settings.channels.is_empty(), disabled);
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_and_the_state_is_still_found() {
    let given = Given::files(&[]).with("STATE_DIRECTORY", "/var/lib/healer");
    let wrong = given.read().unwrap_err();
    assert!(wrong.to_string().contains("healer.yaml: cannot be read: No such file"), "{wrong}");
    assert_eq!(wrong.state_dir.as_deref(), Some(Path::new("/var/lib/healer")));
    let binary = Given::file("");
    std::fs::write(binary.dir.path().join("healer.yaml"), b"mode: auto\n# \xff\n").unwrap();
    assert!(binary.errors()[0].contains("is no UTF-8 text in line 2"));
    let large = Given::file(&"#".repeat((1 << 20) + 1));
    assert!(large.errors()[0].contains("is larger than 1024 KiB"));
}

#[test]
fn budgets_and_policies_reach_the_engine_as_they_were_written() {
    let config = Given::file(
        "host: {name: web-1}\nbudgets: {per_resource: 5/1h, everywhere: 9/2m}\npolicies:\n  - {issue_type: service_down, deployment: shop, auto_heal: false}\n  - {namespace: prod, auto_heal: false}\n",
    )
    .read()
    .unwrap();
    assert_eq!(config.settings.budgets.per_resource, Limit { count: 5, window_ms: 3_600_000 });
    assert_eq!(config.settings.budgets.everywhere, Limit { count: 9, window_ms: 120_000 });
    let [policy] = config.settings.policies.as_slice() else { panic!("{:?}", config.settings.policies) };
    assert_eq!(
        (policy.resource_kind.as_str(), policy.deployment.as_deref(), policy.auto_heal),
        ("*", Some("shop"), false)
    );
    assert!(config.warnings[0].says.contains("fits nothing that this version watches"));
}

#[test]
fn an_external_url_that_links_cannot_go_behind_is_refused_and_one_without_tls_is_warned_of() {
    let table = [
        ("https://healer.example.org/?x=1", "healer.yaml:1:15: external_url: links put a path behind it"),
        ("https://ann:s3cret@healer.example.org", "healer.yaml:1:15: external_url: holds a user"),
    ];
    for (url, expect) in table {
        let [error] = &Given::file(&format!("external_url: {url}\n")).errors()[..] else { panic!("{url}") };
        assert!(error.starts_with(expect) && !error.contains("s3cret"), "{error}");
    }
    let config = Given::file("external_url: http://healer.example.org\n").read().unwrap();
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    assert!(warning.key == "external_url" && warning.says.ends_with("use https"), "{warning}");
}

#[test]
fn a_policy_with_an_unknown_word_is_kept_and_warned_of() {
    let config = Given::file("policies:\n  - {issue_type: servce_down, auto_heal: false}\n").read().unwrap();
    assert_eq!(config.settings.policies[0].issue_type, "servce_down");
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    assert_eq!((warning.at, warning.key.as_str()), (Some((2, 18)), "policies[0].issue_type"));
    assert!(warning.says.ends_with("did you mean `service_down`?"), "{warning}");
}

#[test]
fn a_policy_that_an_earlier_one_leaves_nothing_is_warned_of_with_both_lines() {
    let given = Given::files(&[
        ("healer.yaml", "policies:\n  - {deployment: \"shop-*\"}\n  - {deployment: shop-eu, auto_heal: false}\n"),
        ("conf.d/a.yaml", "policies:\n  - {deployment: \"shop-*-db\", issue_type: service_down}\n"),
    ]);
    let config = given.read().unwrap();
    let dir = format!("{}/", given.dir.path().display());
    let told: Vec<String> = config.warnings.iter().map(|warning| warning.to_string().replace(&dir, "")).collect();
    let why = "fits whatever this one fits, and the first match wins";
    assert_eq!(
        told,
        [
            format!("healer.yaml:3:5: policies[1]: never applies: the policy in line 2 {why}"),
            format!("conf.d/a.yaml:2:5: policies[2]: never applies: the policy in line 2 of healer.yaml {why}"),
        ]
    );
    assert_eq!(config.settings.policies.len(), 3);
}

#[test]
fn a_policy_that_something_is_left_to_is_not_warned_of() {
    for (earlier, later) in [
        ("deployment: shop", "deployment: shop-eu"),
        ("deployment: \"shop-*\"", "auto_heal: false"),
        ("deployment: \"shop-*\"", "deployment: \"*-eu\""),
        ("deployment: \"shop-*-db\"", "deployment: \"shop-*\""),
        ("issue_type: service_down", "issue_type: unknown"),
        ("issue_type: service_down", "deployment: shop"),
        ("resource_kind: Deployment", "resource_kind: \"*\""),
    ] {
        let text = format!("policies:\n  - {{{earlier}}}\n  - {{{later}}}\n");
        assert_eq!(Given::file(&text).read().unwrap().warnings, [], "{text}");
    }
    // What is wrong reads as if it were left out, which is wider than it is meant.
    let wrong = Given::file("policies:\n  - {labels: {tier: db}}\n  - {deployment: shop}\n").read().unwrap_err();
    assert_eq!((wrong.errors.len(), wrong.warnings), (1, Vec::new()));
}

#[test]
fn a_running_healer_keeps_the_last_good_configuration() {
    let given = Given::file("mode: auto\n");
    let good = given.read().unwrap();
    let path = given.dir.path().join("healer.yaml");

    assert_eq!(reload(&good, given.read()), Reload::Same);
    std::fs::write(&path, "# moved down a line\nmode: auto\n").unwrap();
    assert_eq!(reload(&good, given.read()), Reload::Same);

    std::fs::write(&path, "mode: autp\n").unwrap();
    let Reload::KeptLastGood { errors } = reload(&good, given.read()) else { panic!() };
    assert!(errors[0].says.contains("did you mean `auto`?"));

    std::fs::write(&path, "mode: observe\nlisten: 127.0.0.1:9\n").unwrap();
    let Reload::Changed { config, at_next_start } = reload(&good, given.read()) else { panic!() };
    assert_eq!((config.settings.mode, at_next_start), (Mode::Observe, vec!["listen"]));

    let defaults = given.read_with(&Flags::default()).unwrap();
    let Reload::KeptLastGood { errors } = reload(&good, Ok(Config { file: None, ..defaults })) else { panic!() };
    assert!(errors[0].says.starts_with("is gone"));
}

#[test]
fn a_text_that_is_no_yaml_still_tells_where_the_running_healer_is() {
    let given = Given::file("state_dir: ${WHERE}/state\nmode: [\n").with("WHERE", "/srv");
    assert_eq!(given.read().unwrap_err().state_dir.as_deref(), Some(Path::new("/srv/state")));
    let silent = Given::file("mode: [\n");
    assert_eq!(silent.read().unwrap_err().state_dir.as_deref(), Some(Path::new("/home/ann/.local/state/healer")));
}

#[test]
fn a_file_that_cannot_be_read_leaves_open_where_the_state_is() {
    let given = Given::files(&[]);
    assert_eq!(given.read().unwrap_err().state_dir, None);
    let flags = Flags { config: Some(given.dir.path().join("healer.yaml")), state_dir: Some("/flag".into()) };
    assert_eq!(given.read_with(&flags).unwrap_err().state_dir.as_deref(), Some(Path::new("/flag")));
}

#[test]
fn what_the_parser_says_is_for_the_files_writer() {
    for (text, expect) in [
        ("exclude: &a [*a]\n", "an alias contains itself"),
        ("mode: auto\n---\nmode: auto\n", "a second document begins"),
        (&format!("exclude: {}{}\n", "{a: ".repeat(500), "}".repeat(500)), "nested too deep"),
        (&format!("mode: {}\n", "x".repeat(9_000)), "xxx…`"),
    ] {
        let errors = Given::file(text).errors();
        assert!(errors.len() == 1 && errors[0].contains(expect), "{errors:?}");
        assert!(errors[0].len() < 300, "{}", errors[0].len());
    }
}

#[test]
fn what_healer_could_not_run_with_is_told_with_its_line_and_key() {
    let hosts = "docker:\n  hosts:\n    - {url: \"http://x:99999\"}\n    - {name: b, url: \"tcp://h\"}\n";
    let errors = Given::file(hosts).errors();
    assert_eq!(errors.len(), 2, "{errors:?}");
    for (error, begins, remedy) in [
        (&errors[0], "healer.yaml:3:13: docker.hosts[0].url: ", "`http://x:99999` names no host and port"),
        (&errors[1], "healer.yaml:4:22: docker.hosts[1].url: ", "expected tcp://host:2375"),
    ] {
        assert!(error.starts_with(begins) && error.contains(remedy), "{error}");
    }
}

#[test]
fn an_address_that_healer_cannot_speak_to_is_told_with_the_remedy_and_without_its_password() {
    for (url, remedy) in [
        ("ssh://ada:hunter2@box", "forward its socket with `ssh -L`"),
        ("https://box:2376", "a TLS tunnel serves on loopback"),
        ("tcp://box:2376", "a TLS tunnel serves on loopback"),
        ("npipe:////./pipe/docker_engine", "expected unix:///path or tcp://host:port"),
    ] {
        let errors = Given::file(&format!("docker: {{hosts: [{{url: \"{url}\"}}]}}\n")).errors();
        let [error] = errors.as_slice() else { panic!("{url}: {errors:?}") };
        assert!(error.starts_with("healer.yaml:1:24: docker.hosts[0].url: `"), "{error}");
        assert!(error.contains(remedy) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn an_engine_has_one_name() {
    let at = |first: &str, second: &str| {
        let text = format!("docker:\n  hosts:\n    - {{{first}}}\n    - {{name: b{second}}}\n");
        Given::file(&text).errors()
    };
    let tcp = |address: &str| format!("url: \"{address}\"");
    let twice = [
        "healer.yaml:4:7: docker.hosts[1]: is at the same address as `box-7`: an engine has one name, take one of them out",
    ];
    assert_eq!(at(&tcp("tcp://h:1"), &format!(", {}", tcp("http://h:1/"))), twice);
    assert_eq!(at("name: a", ""), twice);
    for other in [", url: \"tcp://h:2\"", ""] {
        assert_eq!(at(&tcp("tcp://h:1"), other), [] as [&str; 0], "{other}");
    }
}

#[test]
fn an_engine_named_twice_is_told_beside_an_address_that_is_none() {
    let named = |first: &str, url: &str| {
        let text = format!(
            "docker:\n  hosts:\n    - {{name: {first}, url: \"{url}\"}}\n    - {{name: a, url: \"unix:///s\"}}\n    \
             - {{name: 3, url: \"tcp://h\"}}\n    - {{url: \"tcp://h\"}}\n"
        );
        Given::file(&text).errors()
    };
    let twice = "healer.yaml:4:7: docker.hosts[1]: the name `a` is given twice";
    let always = [
        "healer.yaml:5:14: docker.hosts[2].name: expected a name",
        "healer.yaml:5:22: docker.hosts[2].url: `tcp://h` names no host and port",
        "healer.yaml:6:7: docker.hosts[3]: has no `name`",
        "healer.yaml:6:13: docker.hosts[3].url: `tcp://h` names no host and port",
    ];
    let bad = "healer.yaml:3:22: docker.hosts[0].url: `bad` is not supported: expected unix:///path or tcp://host:port";
    for (first, url, expect) in [
        ("a", "bad", vec![bad, twice]),
        ("a", "unix:///s", vec![twice]),
        ("b", "bad", vec![bad]),
        ("b", "unix:///t", vec![]),
    ] {
        let expect: Vec<&str> = expect.into_iter().chain(always).collect();
        let errors = named(first, url);
        assert_eq!(errors.len(), expect.len(), "{errors:#?}");
        for (error, expect) in errors.iter().zip(expect) {
            assert!(error.starts_with(expect), "{error}\n{expect}");
        }
    }
}

#[test]
fn a_secret_that_cannot_be_read_is_an_error_for_who_runs_and_none_for_who_looks() {
    let text = "channels:\n  hook:\n    type: webhook\n    url: http://h/\n    secret_file: s3cret\ndocker: {hosts: [{url: \"unix:///s\"}]}\n";
    let given = Given::file(text);
    assert!(given.read().is_ok());
    let tried = || {
        let flags = Flags { config: Some(given.dir.path().join("healer.yaml")), state_dir: None };
        let variable = |name: &str| given.variables.get(name).cloned();
        load_in(&flags, Surroundings { variable: &variable, host_name: "box-7", tried: true })
    };
    let wrong = tried().unwrap_err();
    let [error] = wrong.errors.as_slice() else { panic!("{wrong}") };
    assert_eq!((error.at, error.key.as_str()), (Some((5, 18)), "channels.hook.secret_file"), "{wrong}");
    assert!(error.says.contains("there is no such file"), "{wrong}");
    std::fs::write(given.dir.path().join("s3cret"), "0123456789abcdef").unwrap();
    let config = tried().unwrap();
    assert!(watched(&config).contains(&given.dir.path().join("s3cret")), "its change is noticed");
}

#[test]
fn a_mail_channel_is_read_and_shown_without_its_secrets_and_with_its_place() {
    let text = "channels:\n  ops:\n    type: email\n    server: \"smtp://bob:${SMTP_PASSWORD}@mail.example.org\"\n    \
                from: Healer <healer@example.org>\n    to: [ann@example.org]\n";
    let more = "channels:\n  ops: {to: [ops@example.org]}\n";
    let given = Given::files(&[("healer.yaml", text), ("conf.d/more.yaml", more)]);
    assert_eq!(
        given.errors(),
        [
            "healer.yaml:4:13: channels.ops.server: the environment variable SMTP_PASSWORD is not set",
            "conf.d/more.yaml:2:3: channels.ops: has no `type`: expected one of webhook, email, slack, pagerduty, github, telegram, matrix, ntfy, gotify, discord, teams",
        ]
    );
    let more = "channels:\n  ops: {type: email, to: [ops@example.org]}\n";
    let given = Given::files(&[("healer.yaml", text), ("conf.d/more.yaml", more)]).with("SMTP_PASSWORD", "s3/cr@t");
    let config = given.read().unwrap();
    let setting = config.origins.iter().find(|setting| setting.key == "channels.ops").unwrap();
    assert_eq!(setting.value, "email to ann@example.org, ops@example.org through smtp://mail.example.org:587");
    assert!(setting.origin.to_string().ends_with("healer.yaml:3"), "{}", setting.origin);
    assert_eq!(config.settings.channels, ["ops"]);
    let shown = format!("{config:?}");
    assert!(shown.contains("mail.example.org") && !shown.contains("s3/cr") && !shown.contains("cr@t"), "{shown}");
}

#[test]
fn a_mail_channel_that_lacks_or_mistakes_something_says_what_would_be_right() {
    let table: [(&str, &[&str]); 7] = [
        (
            "{type: email}",
            &[
                "healer.yaml:2:3: channels.ops: has no `server`: expected one such as smtp://user:password@mail.example.org:587",
                "healer.yaml:2:3: channels.ops: has no `from`: expected an address such as healer@example.org",
                "healer.yaml:2:3: channels.ops: has no `to`: expected addresses such as [ops@example.org]",
            ],
        ),
        (
            "{type: email, server: \"smtp://h\", from: a@b.c, to: ops@example.org}",
            &["healer.yaml:2:59: channels.ops.to: expected a list, found `ops@example.org`"],
        ),
        (
            "{type: email, server: \"smtp://h\", from: a@b.c, to: [7]}",
            &["healer.yaml:2:60: channels.ops.to[0]: expected a text: put it in quotes, found the number 7"],
        ),
        (
            "{type: email, server: \"smtp://h\", form: a@b.c, from: a@b.c, to: [a@b.c], secret_file: x}",
            &[
                "healer.yaml:2:42: channels.ops.form: unknown key; did you mean `from`?",
                "healer.yaml:2:81: channels.ops.secret_file: unknown key here; did you mean `channels.NAME.secret_file`?",
            ],
        ),
        (
            "{type: emial, server: \"smtp://h\"}",
            &["healer.yaml:2:15: channels.ops.type: unknown type `emial`; did you mean `email`?"],
        ),
        (
            "{type: email, server: \"stmp://bob:s3/cr@h\", from: a@b.c, to: [a@b.c]}",
            &[
                "healer.yaml:2:30: channels.ops.server: expected a URL that begins with smtp:// or smtps:// or smtp+starttls:// or smtp+plain://, found another text, which may hold a password",
            ],
        ),
        (
            "{type: email, server: mail.example.org, from: a@b.c, to: [a@b.c]}",
            &[
                "healer.yaml:2:30: channels.ops.server: expected a URL that begins with smtp:// or smtps:// or smtp+starttls:// or smtp+plain://, found `mail.example.org`",
            ],
        ),
    ];
    for (channel, expect) in table {
        assert_eq!(Given::file(&format!("channels:\n  ops: {channel}\n")).errors(), expect, "{channel}");
    }
}

#[test]
fn a_mail_channel_that_healer_could_not_run_with_is_told_with_its_line_and_key() {
    let rest = "from: healer@example.org, to: [ops@example.org]";
    let table = [
        (format!("{{type: email, server: \"smtp://h:none\", {rest}}}"), (4, 30), "server", "has a port that is none"),
        (format!("{{type: email, server: \"smtp://bob@h\", {rest}}}"), (4, 30), "server", "set `password_file`"),
        (
            format!("{{type: email, server: \"smtp://bob@h\", password_file: none, {rest}}}"),
            (4, 61),
            "password_file",
            "there is no such file",
        ),
        (
            "{type: email, server: \"smtp://h\", from: healer@example.org, to: [ops@]}".to_owned(),
            (4, 72),
            "to",
            "`ops@` is no address",
        ),
        (
            "{type: email, server: \"smtp://h\", from: healer, to: [ops@example.org]}".to_owned(),
            (4, 48),
            "from",
            "`healer` is no address",
        ),
    ];
    for (channel, at, key, says) in table {
        let given =
            Given::file(&format!("docker: {{hosts: [{{url: \"unix:///s\"}}]}}\n\nchannels:\n  ops: {channel}\n"));
        assert!(given.read().is_ok(), "who only looks need not be able to open it: {channel}");
        let flags = Flags { config: Some(given.dir.path().join("healer.yaml")), state_dir: None };
        let variable = |name: &str| given.variables.get(name).cloned();
        let wrong = load_in(&flags, Surroundings { variable: &variable, host_name: "box-7", tried: true }).unwrap_err();
        let [error] = wrong.errors.as_slice() else { panic!("{wrong}") };
        assert_eq!((error.at, error.key.as_str()), (Some(at), format!("channels.ops.{key}").as_str()), "{wrong}");
        assert!(error.says.contains(says), "{wrong}");
    }
    let file =
        "channels:\n  ops: {type: email, server: \"smtp://bob@h\", password_file: pw, from: a@b.c, to: [a@b.c]}\n";
    let given = Given::file(file);
    assert!(watched(&given.read().unwrap()).contains(&given.dir.path().join("pw")), "a change of the file is noticed");
}

#[test]
fn a_maintenance_window_says_all_that_is_wrong_with_it() {
    let text = "maintenance:\n  - {deployment: shop, every: sunday, from: \"02:00\", for: 2h, time_zone: Europe/Berlin}\n  \
                - {every: sonntag, from: \"25:00\", for: 2h, time_zone: Mars/Base}\n  - {deployment: wiki}\n";
    let given = Given::files(&[("healer.yaml", text)]);
    let said: Vec<String> = given.errors().iter().map(ToString::to_string).collect();
    for part in [
        "healer.yaml:3:13: maintenance[1].every: expected one of day, monday",
        "maintenance[1].from: expected a time such as 02:00, found `25:00`",
        "maintenance[1].time_zone: `Mars/Base` is no time zone",
        "maintenance[2]: has no `every`: expected a day, such as sunday",
        "maintenance[2]: has no `from`",
        "maintenance[2]: has no `for`",
    ] {
        assert!(said.iter().any(|line| line.contains(part)), "{part}: {said:#?}");
    }
    assert_eq!(said.len(), 6, "{said:#?}");
}

#[test]
fn a_maintenance_window_is_taken_up_again_when_it_is_over() {
    let text = "maintenance: [{every: day, from: \"02:00\", for: 2h, time_zone: UTC}]\n";
    let mut config = Given::files(&[("healer.yaml", text)]).read().unwrap();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    config.take_up_windows(at("2026-11-29T03:00:00Z"));
    assert_eq!(config.settings.maintenance[0].until.0, at("2026-11-29T04:00:00Z").as_millisecond());
    assert!(!config.take_up_windows(at("2026-11-29T03:59:59Z")));
    assert!(config.take_up_windows(at("2026-11-29T04:00:00Z")));
    assert_eq!(config.settings.maintenance[0].from.0, at("2026-11-30T02:00:00Z").as_millisecond());
}
