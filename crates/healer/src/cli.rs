//! The command line: what can be asked of the program, and how it ends.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use model::incident::IncidentId;

use crate::config;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Fine,
    /// It failed, a command did in part or as a whole, or `status --check` found that a person is needed.
    Failed,
    /// The configuration or the command line is wrong.
    Wrong,
    /// The command needs a running healer, and there is none.
    NotRunning,
    /// healer runs, and did not take the command.
    Refused,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            Exit::Wrong => 2,
            Exit::NotRunning => 3,
            Exit::Refused => 4,
        })
    }
}

const AFTER_HELP: &str = "\
Examples:
  healer run                     watch this host's Docker engine, and heal
  healer status                  who needs you, what healer is at, what is well
  healer why shop/web            what happened to it, and what was not done
  healer stop shop               stop it, and keep it stopped
  healer freeze --reason deploy  start nothing new until `healer thaw`

No configuration is needed on a Docker host; `healer check --keys` lists what
can be set. `healer --help` tells the exit codes.";

const AFTER_LONG_HELP: &str = "\
Examples:
  healer run                     watch this host's Docker engine, and heal
  healer run --once              one full pass, then end
  healer check                   is the configuration right; where is each
                                 value from?
  healer status                  who needs you, what healer is at, what is well
  healer status --check          for scripts: ends with 1 when something needs
                                 a person
  healer why shop/web            what happened to it, on what evidence, what
                                 was not done
  healer policies explain shop/web
                                 would healer act on it, and which policy says
                                 so
  healer stop shop               stop it, and keep it stopped
  healer freeze --reason deploy  start nothing new until `healer thaw`
  healer status --format json    for programs; a list is a JSON array

Configuration:
  /etc/healer/healer.yaml, else ~/.config/healer/healer.yaml, else none: then
  everything has its default. Files conf.d/*.yaml beside it are laid over it in
  the order of their names: sections are merged key by key, lists are appended,
  and of a single value the last one holds.

Rights:
  healer answers root and the user that it runs as. To let a group in, give it
  the state directory and close that to everybody else:
  `chgrp ops DIR && chmod 0710 DIR`. From healer's next start on its members
  may ask and command.

Exit codes:
  0  all is well
  1  it failed: so also a command that was taken and did not succeed for each
     of its services; with `status --check`: something needs a person
  2  the configuration or the command line is wrong; nothing was touched
  3  the command needs a running healer, and there is none
     (status, why, incidents and history then tell what the journal says, and
     end with 0)
  4  healer runs, and did not take the command; it says why

Environment:
  NO_COLOR         no colours, unless --color always
  NOTIFY_DISABLED  nobody is told anything, whatever channels there are
  COLUMNS          how wide answers are drawn where they go to no terminal
  DOCKER_HOST      the engine, where the configuration names none
  STATE_DIRECTORY  where the journal and the socket are, where the
                   configuration names no state_dir";

/// An always-on agent that watches services, finds out why they fail, repairs them within limits, and says why.
#[derive(Debug, Parser)]
#[command(name = "healer", version, propagate_version = true, after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
#[command(max_term_width = 100, infer_subcommands = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command knows.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Text for people, or JSON for programs
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Where the journal and the socket are; wins over the configuration
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub(crate) color: Colour,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// When to print colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch and heal, until ended (the daemon)
    Run {
        /// Make one full pass, wait for the repairs that it began, and end
        #[arg(long)]
        once: bool,
    },
    #[command(flatten)]
    Brief(Brief),
    /// See healer at work: real faults befall services that are started for it
    Demo {
        /// End after the last fault, for scripts: with 0 if all was healed or left as it should be
        #[arg(long)]
        once: bool,
    },
    /// One of the demo's services
    #[command(hide = true)]
    DemoService {
        /// What it is called
        name: String,
        /// Where it listens on 127.0.0.1
        port: u16,
        /// Where it is noted that it is broken
        broken: PathBuf,
    },
    /// Start the program that standard input tells of, and stay with it
    #[command(hide = true)]
    Keep {
        /// Where its record is written
        folder: PathBuf,
    },
    /// Try the decisions in simulated worlds with faults, and print what was found
    Simulate(Simulate),
}

/// What is done soon.
#[derive(Debug, Subcommand)]
pub(crate) enum Brief {
    /// Check the configuration, and show what it comes to
    Check {
        /// List every key with what it is for
        #[arg(long)]
        keys: bool,
    },
    /// What hinders healer on this machine, with the remedies; ends with 1 if something does
    Doctor,
    /// How full the file systems of `host.disks` are, what fills them, and what would go; it removes nothing
    Disks {
        /// Name each file that would go
        #[arg(long)]
        all: bool,
    },
    /// How everything stands: who needs you, what healer is at, what is well
    Status {
        /// Show each service, and what is only watched
        #[arg(long)]
        all: bool,
        /// End with 1 if something needs a person or keeps healer from its work, and with 3 if healer is not running
        #[arg(long)]
        check: bool,
    },
    /// The open incidents and those of the last day, or the story of one
    Incidents {
        /// Tell this one: a number, or its whole id such as web-1/41
        #[arg(value_name = "ID", value_parser = incident)]
        id: Option<String>,
        /// All that are on record
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
    /// Why something stands as it does: the story, its evidence, and what was not done
    ///
    /// A piece of evidence takes one line; --format json has the whole of it.
    Why {
        /// A deployment (shop), a service (shop/web, or web where one alone is called so), or an incident (41)
        #[arg(value_name = "WORDS")]
        words: String,
    },
    /// What happened, from the journal
    History {
        /// How far back: 90m, 24h, 7d
        #[arg(long, default_value = "24h", value_parser = config::duration, value_name = "DURATION")]
        since: Duration,
        /// Only alerts and the incidents that they made
        #[arg(long)]
        alerts_only: bool,
        /// At most so many of the newest entries
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=1000), value_name = "N")]
        limit: u16,
    },
    /// The policies in force, in the order in which they are matched; or which one applies, and why
    #[command(args_conflicts_with_subcommands = true)]
    Policies {
        #[command(subcommand)]
        explain: Option<Policies>,
    },
    /// Start a deployment or a service: from here on it shall run
    Start(Names),
    /// Stop a deployment or a service: it stays stopped until somebody starts it
    Stop(Names),
    /// Stop it and start it
    Restart {
        #[command(flatten)]
        names: Names,
        /// And all that needs it, in the order in which they need each other
        #[arg(long)]
        dependents: bool,
    },
    /// Update a service: pull its image, take a newer one, and go back if it falls ill
    Pull(Names),
    /// The same, with an image that is built as its Compose file says
    Rebuild(Names),
    /// Take its present state as what is wanted, and care for it
    Adopt(Names),
    /// Say yes to the plan that an incident asks about
    Approve {
        /// The incident: a number, or its whole id such as web-1/41
        #[arg(value_name = "ID", value_parser = incident)]
        id: String,
    },
    /// Say no to it
    Reject {
        /// The incident: a number, or its whole id such as web-1/41
        #[arg(value_name = "ID", value_parser = incident)]
        id: String,
        /// Why, for those who read it later
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Take an incident: healer goes on watching, and tells nobody else
    Ack {
        /// The incident: a number, or its whole id such as web-1/41
        #[arg(value_name = "ID", value_parser = incident)]
        id: String,
    },
    /// Start nothing new anywhere, until `healer thaw`; healer watches and tells on
    Freeze {
        /// Why, for those who read it later
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// End a freeze
    Thaw,
    /// Copy what healer knows into a file, while it runs or not
    ///
    /// To restore it: end healer, put the file in the place of journal.sqlite in
    /// the state directory, and remove journal.sqlite-wal and -shm beside it.
    #[command(verbatim_doc_comment)]
    Backup {
        /// The file; it must not be there yet
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make healer a service of this host (systemd), or tell how it runs in a container
    Install(Install),
    /// Print a script that completes commands in a shell
    ///
    /// For bash: `healer completions bash > ~/.local/share/bash-completion/completions/healer`
    #[command(verbatim_doc_comment)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What can be asked of the policies besides their table.
#[derive(Debug, Subcommand)]
pub(crate) enum Policies {
    /// Which policy applies to a resource, why those before it do not, and what follows
    Explain {
        /// A service (shop/web, or web where one alone is called so), a deployment (shop), or a whole name
        #[arg(value_name = "NAME")]
        name: String,
        /// Such as service_down; without it that of its open incident, else each one that there is
        #[arg(value_name = "ISSUE", value_parser = issue_type)]
        issue: Option<String>,
    },
}

/// As what healer shall run.
#[derive(Debug, Args)]
pub(crate) struct Install {
    /// A service of this host; or print how it runs in a container, or as a service of a Compose file
    #[arg(value_enum, default_value_t = As::Systemd, value_name = "AS")]
    pub(crate) r#as: As,
    /// Print the unit, and touch nothing
    #[arg(long)]
    pub(crate) print: bool,
    /// Write below this folder, for whoever makes an image of a host
    #[arg(long, default_value = "/", value_name = "DIR")]
    pub(crate) root: PathBuf,
}

/// As what healer can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum As {
    Systemd,
    Container,
    Compose,
}

/// A word that names an incident: a number, with or without `#`, or a whole id.
fn incident(word: &str) -> Result<String, String> {
    let bare = word.strip_prefix('#').unwrap_or(word);
    let wrong = "expected a number, or a whole id such as web-1/41";
    let named = bare.parse::<u64>().is_ok() || bare.parse::<IncidentId>().is_ok();
    if named { Ok(word.to_owned()) } else { Err(wrong.to_owned()) }
}

/// A word that is an issue type of this version.
fn issue_type(word: &str) -> Result<String, String> {
    let known: Vec<&str> = engine::diagnose::issue_types().into_keys().collect();
    if known.contains(&word) {
        return Ok(word.to_owned());
    }
    let near = config::nearest(word, known.iter().copied());
    let hint = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    Err(format!("there is no such issue type: {hint}Known are {}", known.join(", ")))
}

/// Which resources a command is about.
#[derive(Debug, Args)]
pub(crate) struct Names {
    /// Deployments (shop), services (shop/web, or web where one alone is called so), or whole names of resources;
    /// several are done one after the other
    #[arg(required = true, value_name = "WORDS")]
    pub(crate) names: Vec<String>,
}

/// How to simulate.
#[derive(Debug, Clone, Args)]
pub(crate) struct Simulate {
    /// How many worlds
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) seeds: u64,
    /// The first world's seed: `--seeds 1 --from N` plays one again
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) from: u64,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parsed(words: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(words.split_whitespace())
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_seeds_commands_are_understood() {
        for words in [
            "healer run",
            "healer run --once",
            "healer status --all",
            "healer status --check --format json",
            "healer history --since 24h --alerts-only",
            "healer history --since 7d --limit 1000",
            "healer incidents web-1/41",
            "healer ack 41",
            "healer reject #41 --reason no",
            "healer why shop/web --color never",
            "healer policies --format json",
            "healer policies explain shop/web",
            "healer policies explain web service_down",
            "healer stop shop wiki/web",
            "healer freeze --reason x",
            "healer simulate --seeds 5 --from 7",
            "healer completions bash",
            "healer install",
            "healer install compose",
            "healer install --root /mnt --print",
            "healer --config a.yaml --state-dir /x check",
        ] {
            assert!(parsed(words).is_ok(), "{words}: {}", parsed(words).unwrap_err());
        }
    }

    #[test]
    fn what_is_not_understood_ends_with_2_and_says_what_would_be() {
        for (words, expect) in [
            ("healer statsu", "status"),
            ("healer", "Usage"),
            ("healer stop", "WORDS"),
            ("healer history --since yesterday", "a duration such as 30s"),
            ("healer history --limit 0", "1..=1000"),
            ("healer incidents 4 --all", "cannot be used with"),
            ("healer status --format yaml", "json"),
            ("healer ack banana", "expected a number, or a whole id such as web-1/41"),
            ("healer approve web-1/x", "expected a number"),
            ("healer policies explain", "NAME"),
            ("healer policies explain web servce_down", "did you mean `service_down`? Known are connection_timeout, "),
            ("healer policies explain web *", "there is no such issue type: Known are"),
            ("healer incidents -- -4", "expected a number"),
        ] {
            let error = parsed(words).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{words}");
            assert!(error.to_string().contains(expect), "{words}: {error}");
        }
    }

    #[test]
    fn help_is_also_a_command() {
        for words in ["healer help", "healer help why", "healer --help", "healer why -h"] {
            assert_eq!(parsed(words).unwrap_err().exit_code(), 0, "{words}");
        }
        assert!(parsed("healer help").unwrap_err().to_string().contains("Exit codes:"));
    }

    #[test]
    fn the_help_fits_a_terminal_of_eighty_columns() {
        for help in [AFTER_HELP, AFTER_LONG_HELP] {
            for line in help.lines() {
                assert!(line.chars().count() < 80, "{line}");
            }
        }
        let mut command = Cli::command().term_width(80);
        let subcommands: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        let helps = subcommands.iter().map(|name| {
            let sub = command.find_subcommand_mut(name).expect("it is in the list");
            sub.clone().term_width(80).render_help().to_string()
        });
        let helps: Vec<String> = helps.collect();
        for help in helps.into_iter().chain([command.render_help().to_string()]) {
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }

    #[test]
    fn the_long_help_tells_every_exit_code() {
        let help = Cli::command().render_long_help().to_string();
        for exit in [Exit::Fine, Exit::Failed, Exit::Wrong, Exit::NotRunning, Exit::Refused] {
            let code = match exit {
                Exit::Fine => "  0  ",
                Exit::Failed => "  1  ",
                Exit::Wrong => "  2  ",
                Exit::NotRunning => "  3  ",
                Exit::Refused => "  4  ",
            };
            assert!(help.contains(code), "{exit:?}");
            assert_eq!(
                format!("{:?}", ExitCode::from(exit)),
                format!("{:?}", ExitCode::from(code.trim().parse::<u8>().unwrap()))
            );
        }
    }
}
