//! `healer policies`: the table from the configuration alone, and what follows from it for a resource.

use model::policy::Row;
use model::settings::{Budgets, Mode};
use serde::Serialize;

use super::Desk;
use crate::cli::{Exit, Policies};
use crate::config::{self, Config, Origin};
use crate::live::Daemon;
use crate::source::{self, Trouble};
use crate::{render, render::PolicyTable};

/// `policies --format json`.
#[derive(Serialize)]
struct Told<'a> {
    mode: Mode,
    budgets: Budgets,
    policies: Vec<ToldRow<'a>>,
    /// Whether the healer that runs has the same; `null` where none answers, or it does not tell.
    running_has_the_same: Option<bool>,
}

#[derive(Serialize)]
struct ToldRow<'a> {
    #[serde(flatten)]
    row: &'a Row,
    /// In which file and line it stands; `null`: it is the built-in one.
    from: Option<String>,
}

impl Desk {
    pub(super) fn policies(&self, asked: Option<Policies>) -> Result<Exit, Trouble> {
        match asked {
            None => Ok(self.policy_table()),
            Some(Policies::Explain { name, issue }) => self.explain(&name, issue.as_deref()),
        }
    }

    fn policy_table(&self) -> Exit {
        let config = match config::load(&self.flags) {
            Ok(config) => config,
            Err(wrong) => {
                self.tell_wrong(&wrong);
                return Exit::Wrong;
            }
        };
        let rows = engine::view::policies(&config.settings);
        let running_has_the_same = running(&config).map(|theirs| theirs == rows);
        let from = origins(&config);
        let told = Told {
            mode: config.settings.mode,
            budgets: config.settings.budgets,
            policies: rows
                .iter()
                .enumerate()
                .map(|(at, row)| ToldRow { row, from: from.get(at).map(ToString::to_string) })
                .collect(),
            running_has_the_same,
        };
        let table = PolicyTable { settings: &config.settings, rows: &rows, from: &from, running_has_the_same };
        self.show(&told, || render::policies(&table, &self.page));
        Exit::Fine
    }

    fn explain(&self, name: &str, issue_type: Option<&str>) -> Result<Exit, Trouble> {
        let mut house = self.open()?;
        let told = house.explain(name, issue_type)?;
        let page = self.page_of(&house);
        self.show(&told, || render::explained(&told, &page));
        Ok(Exit::Fine)
    }
}

/// Where each policy stands, in their order.
fn origins(config: &Config) -> Vec<&Origin> {
    let policies = config.origins.iter().filter(|setting| setting.key.starts_with("policies["));
    policies.map(|setting| &setting.origin).collect()
}

/// What the healer that runs has. Whoever cannot ask it has the table all the same.
fn running(config: &Config) -> Option<Vec<Row>> {
    Daemon::connect(&source::state_dir(config)).ok()?.policies().ok()?
}
