//! `turngraph config print`.

use clap::Subcommand;

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
) -> u8 {
    let ConfigCommand::Print { origin } = command;
    if json {
        let settings: serde_json::Map<String, serde_json::Value> = printed
            .iter()
            .map(|(key, value, from)| {
                let entry = serde_json::json!({ "value": value, "origin": from.to_string() });
                ((*key).to_owned(), entry)
            })
            .collect();
        println!("{}", serde_json::Value::Object(settings));
        return 0;
    }
    for (key, value, from) in printed {
        if *origin {
            println!("{:<48} # {from}", format!("{key} = {value:?}"));
        } else {
            println!("{key} = {value:?}");
        }
    }
    0
}
