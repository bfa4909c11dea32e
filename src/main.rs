//! The `turngraph` program: parses the command line and hands over.

use std::process::ExitCode;

use clap::Parser;
use turngraph::cli::{self, Cli};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for, not errors; everything else is wrong usage.
            let code = if error.use_stderr() { 64 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    // Every command is a part of this future; on the heap its size is nobody's concern.
    match Box::pin(cli::run(cli)).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            cli::tell(format_args!("turngraph: {}", cli::said(&error)));
            ExitCode::from(cli::exit_code(&error))
        }
    }
}
