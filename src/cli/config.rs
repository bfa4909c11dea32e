//! `turngraph config print`.

use clap::Subcommand;

use super::output;
use crate::config::Origin;

/// What to do with the configuration.
#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Show all settings; passwords are masked.
    Print {
        /// Say where each value came from.
        #[arg(long)]
        origin: bool,
    },
}

pub(super) fn run(
    command: &ConfigCommand,
    printed: &[(&'static str, String, Origin)],
    json: bool,
) -> anyhow::Result<u8> {
    let ConfigCommand::Print { origin } = command;
    if json {
        let settings: serde_json::Map<String, serde_json::Value> = printed
            .iter()
            .map(|(key, value, from)| {
                let entry = serde_json::json!({ "value": value, "origin": from.to_string() });
                ((*key).to_owned(), entry)
            })
            .collect();
        output::line(serde_json::Value::Object(settings))?;
        return Ok(0);
    }
    let line = |(key, value, from): &(&str, String, Origin)| {
        let setting = format!("{key} = {value:?}");
        if *origin {
            format!("{setting:<48} # {from}\n")
        } else {
            format!("{setting}\n")
        }
    };
    output::text(&printed.iter().map(line).collect::<String>())?;
    Ok(0)
}
