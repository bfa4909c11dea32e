//! `turngraph schema print`.

use clap::Subcommand;

use super::output;

/// What to do with the GraphQL schema.
#[derive(Subcommand)]
pub(super) enum SchemaCommand {
    /// Write the schema definition to standard output.
    Print,
}

pub(super) fn run(command: &SchemaCommand) -> anyhow::Result<u8> {
    match command {
        SchemaCommand::Print => output::text(&crate::graphql::sdl())?,
    }
    Ok(0)
}
