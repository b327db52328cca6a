//! `cudalint man` and `cudalint completions`, from the flags alone.

use std::io::Write;

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use super::args::Cli;
use super::output::Stop;

/// Writes a completion script.
pub(super) fn completions(shell: Shell, out: &mut dyn Write) -> Result<u8, Stop> {
    // The generator does not expect a writer to fail, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cudalint", &mut script);
    out.write_all(&script)?;
    Ok(0)
}

/// Writes the manual: the page of the program, then what each command adds.
pub(super) fn man(out: &mut dyn Write) -> Result<u8, Stop> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        section(sub, &mut page)?;
    }
    out.write_all(&page)?;
    Ok(0)
}

fn section(sub: &Command, page: &mut Vec<u8>) -> Result<(), Stop> {
    writeln!(page, ".SH \"COMMAND {}\"", sub.get_name().to_uppercase())?;
    let man = clap_mangen::Man::new(sub.clone());
    let mut body = Vec::new();
    man.render_synopsis_section(&mut body)?;
    man.render_description_section(&mut body)?;
    man.render_options_section(&mut body)?;
    // Sections of the command become sub-sections of the page.
    let text = String::from_utf8_lossy(&body);
    for line in text.lines() {
        match line.strip_prefix(".SH ") {
            Some(title) => writeln!(page, ".SS {title}")?,
            None => writeln!(page, "{line}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_shell_gets_a_script() {
        for shell in Shell::value_variants() {
            let mut out = Vec::new();
            completions(*shell, &mut out).unwrap();
            assert!(String::from_utf8(out).unwrap().contains("compat-package"), "{shell}");
        }
    }

    #[test]
    fn the_manual_has_every_command() {
        let mut out = Vec::new();
        man(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for name in ["CHECK", "INSPECT", "MATRIX", "COMPAT", "REQUIRE", "EXPLAIN", "RULES", "DATA"] {
            assert!(text.contains(&format!(".SH \"COMMAND {name}\"")), "{name}");
        }
        assert!(text.contains("\\-\\-compat\\-package"), "options are there");
    }
}
