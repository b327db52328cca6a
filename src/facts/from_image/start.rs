//! Commands that a container starts: ENTRYPOINT, CMD and HEALTHCHECK of the config.

use crate::dockerfile::shell;
use crate::facts::{Command, CommandRole, Facts, Origin, StageId, Word};
use crate::image::ImageConfig;
use crate::limits::Limits;

/// Adds the commands of the config to the facts; every one of them stands at its key.
pub(super) fn extract(config: &ImageConfig, limits: &Limits, facts: &mut Facts) {
    let parts = [
        ("Entrypoint", CommandRole::Entrypoint, config.entrypoint.as_deref()),
        ("Cmd", CommandRole::Cmd, config.cmd.as_deref()),
        ("Healthcheck", CommandRole::Healthcheck, config.healthcheck.as_deref()),
    ];
    for (key, role, words) in parts {
        let Some(words) = words else { continue };
        let text = match (role, words) {
            (CommandRole::Healthcheck, [kind, rest @ ..]) => match kind.as_str() {
                "CMD" => quoted(rest),
                "CMD-SHELL" => rest.join(" "),
                _ => continue,
            },
            (_, words) => quoted(words),
        };
        let origin = Origin::Config { key: key.into() };
        facts.commands.extend(commands(&text, role, &origin, limits));
    }
}

/// The words of an exec form, quoted so that a shell would run the same.
fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect::<Vec<_>>().join(" ")
}

fn commands(text: &str, role: CommandRole, origin: &Origin, limits: &Limits) -> Vec<Command> {
    let script = shell::scan(text, limits);
    let mut out = Vec::new();
    for scanned in &script.commands {
        let Some(program) = scanned.program() else { continue };
        let word = |word: &shell::Word| Word {
            text: word.literal().map(str::to_owned),
            raw: word.raw.clone(),
            origin: origin.clone(),
        };
        let assignments = scanned
            .assignments
            .iter()
            .map(|assignment| (assignment.name.clone(), assignment.value.literal().map(str::to_owned)))
            .collect();
        out.push(Command {
            stage: StageId(0),
            role,
            instruction: 0,
            program: (!program.name.is_empty()).then(|| program.name.to_owned()),
            args: program.args.iter().map(word).collect(),
            assignments,
            failure_ignored: false,
            substitution: scanned.context.substitution,
            code: None,
            gpu_device: false,
            origin: origin.clone(),
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::InputKind;

    #[test]
    fn words_and_shell_text() {
        let config = ImageConfig {
            entrypoint: Some(vec!["/bin/sh".into(), "-c".into(), "nvidia-smi -L; exec app".into()]),
            cmd: Some(vec!["it's".into()]),
            healthcheck: Some(vec!["CMD-SHELL".into(), "nvidia-smi || exit 1".into()]),
            ..ImageConfig::default()
        };
        let mut facts = Facts::empty(InputKind::Image);
        extract(&config, &Limits::default(), &mut facts);
        let shown: Vec<(CommandRole, &str)> = facts
            .commands
            .iter()
            .filter_map(|command| Some((command.role, command.program.as_deref()?)))
            .collect();
        for expected in [
            (CommandRole::Entrypoint, "nvidia-smi"),
            (CommandRole::Entrypoint, "app"),
            (CommandRole::Cmd, "it's"),
            (CommandRole::Healthcheck, "nvidia-smi"),
        ] {
            assert!(shown.contains(&expected), "{shown:?}");
        }
    }
}
