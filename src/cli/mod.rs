//! The command line: flags, terminal, exit status. Everything is judged elsewhere.

mod args;
mod cache;
mod check;
mod compat;
mod data;
mod explain;
mod host;
mod inspect;
mod logger;
mod man;
mod matrix;
mod matrix_drawn;
mod matrix_of;
mod output;
mod page;
mod require;
mod rules;
mod target;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, GlobalArgs, When};
use output::{Screen, Stop};

/// Runs the program with the arguments of this process.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; a reader that went away has seen what it wanted.
            let status = error.exit_code();
            drop(error.print());
            return ExitCode::from(u8::try_from(status).unwrap_or(2));
        }
    };
    logger::install(&cli.global);
    let stdout = std::io::stdout();
    let screen = screen(&cli.global, stdout.is_terminal());
    let mut out = std::io::BufWriter::new(stdout.lock());
    let answered = answer(&cli, &screen, &mut out, &mut std::io::stderr())
        .and_then(|status| Ok(out.flush().map(|()| status)?));
    match answered {
        Ok(status) => ExitCode::from(status),
        Err(stop) => {
            let errors = Screen { color: screen.color && std::io::stderr().is_terminal(), ..screen };
            drop(stop.write(&errors, &mut std::io::stderr().lock()));
            ExitCode::from(stop.status())
        }
    }
}

fn answer(cli: &Cli, screen: &Screen, out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, Stop> {
    let files = &cli.global.data;
    match &cli.command {
        Some(Command::Require(args)) => require::run(args, &*data::load_tables(files, None)?, screen, out),
        Some(Command::Compat(args)) => compat::run(args, files, screen, out),
        Some(Command::Data(args)) => {
            data::run(args, &*data::load_tables(files, None)?, data::today(), screen, out)
        }
        Some(Command::Rules(args)) => rules::run(args, screen, out),
        Some(Command::Explain(args)) => explain::run(args, screen, out),
        Some(Command::Cache(args)) => cache::run(args, out),
        Some(Command::Completions { shell }) => man::completions(*shell, out),
        Some(Command::Man) => man::man(out),
        Some(Command::Check(args)) => check::run(args, &cli.global, screen, out, err),
        None => check::run(&cli.check, &cli.global, screen, out, err),
        Some(Command::Inspect(args)) => inspect::run(args, &cli.global, screen, out, err),
        Some(Command::Matrix(args)) => matrix_of::run(args, &cli.global, screen, out, err),
    }
}

fn screen(global: &GlobalArgs, terminal: bool) -> Screen {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let color = match global.color {
        When::Always => true,
        When::Never => false,
        When::Auto => !set("NO_COLOR") && (set("FORCE_COLOR") || terminal),
    };
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let width = columns.unwrap_or(80).clamp(40, 120);
    Screen { width, color, unicode: true, quiet: global.quiet, verbose: global.verbose > 0 }
}
