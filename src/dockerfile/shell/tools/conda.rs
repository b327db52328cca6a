//! conda, mamba, micromamba and pixi.

use super::args::{Args, Flag, Spec};
use super::requirement::normalise;
use crate::dockerfile::shell::word::Word;
use crate::span::Span;

/// What a conda-like tool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CondaVerb {
    /// Install into an environment; `pixi install` installs the project's lock.
    Install,
    /// Make an environment with packages.
    Create,
    /// Update packages.
    Update,
    /// Remove packages.
    Remove,
    /// Make an environment from a file.
    EnvCreate,
    /// Update an environment from a file.
    EnvUpdate,
    /// Add to the project: `pixi add`.
    Add,
    /// `pixi global install`
    GlobalInstall,
    /// `conda config --add channels …`
    Config,
}

/// A call of a conda-like tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CondaCommand {
    /// `conda`, `mamba`, `micromamba` or `pixi`.
    pub tool: String,
    /// What it does.
    pub verb: CondaVerb,
    /// Where the verb stands.
    pub verb_span: Span,
    /// Packages named.
    pub specs: Vec<MatchSpec>,
    /// `-c` channels, in order.
    pub channels: Vec<Word>,
    /// `-f`, `--file` files: environment.yml, explicit lists, lock files.
    pub files: Vec<Word>,
    /// `-n` or `-p`: the environment.
    pub environment: Option<Word>,
    /// `--override-channels`
    pub override_channels: bool,
    /// All options.
    pub flags: Vec<Flag>,
}

/// A package as conda matches it: `channel::name=version=build`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchSpec {
    /// Where it stands.
    pub span: Span,
    /// As written, without shell quotes.
    pub raw: String,
    /// Package name, lower case; conda does not fold `_` and `-`.
    pub name: String,
    /// Version part with its operator: `2.5.*`, `>=2,<3`; a single `=` is left out.
    pub version: Option<String>,
    /// Build string or pattern: `cuda12*`.
    pub build: Option<String>,
    /// Channel before `::`.
    pub channel: Option<String>,
    /// It holds an expansion whose value is not known here.
    pub unresolved: bool,
}

const CONDA: Spec = Spec::new(&[
    "-c",
    "--channel",
    "-n",
    "--name",
    "-p",
    "--prefix",
    "-f",
    "--file",
    "--solver",
    "--experimental-solver",
    "--add",
    "--append",
    "--prepend",
    "--set",
    "--repodata-fn",
    "--platform",
    "--subdir",
    "-r",
    "--root-prefix",
    "--relocate-prefix",
    "--category",
    "--channel-alias",
    "--rc-file",
    "--clone",
    "--remove",
    "--remove-key",
]);
const PIXI: Spec = Spec::new(&[
    "-c",
    "--channel",
    "-e",
    "--environment",
    "--manifest-path",
    "-p",
    "--platform",
    "-f",
    "--feature",
    "--expose",
    "--with",
    "--git",
    "--branch",
    "--tag",
    "--rev",
    "--pypi-index",
]);

/// Reads a call of `tool`; `None` when it concerns no packages.
#[must_use]
pub fn read(tool: &str, words: &[Word]) -> Option<CondaCommand> {
    let pixi = tool == "pixi";
    if !pixi && !matches!(tool, "conda" | "mamba" | "micromamba" | "mamba2") {
        return None;
    }
    let mut args = Args::parse(words, if pixi { PIXI } else { CONDA });
    let mut verb_word = args.subcommand()?;
    if matches!(verb_word.text.as_str(), "env" | "global" | "self") {
        let outer = verb_word.text.clone();
        verb_word = args.subcommand()?;
        verb_word.text = format!("{outer} {}", verb_word.text);
    }
    let verb = match (pixi, verb_word.text.as_str()) {
        (_, "install") => CondaVerb::Install,
        (false, "create") => CondaVerb::Create,
        (false, "update" | "upgrade") => CondaVerb::Update,
        (false, "remove" | "uninstall") => CondaVerb::Remove,
        (false, "env create") => CondaVerb::EnvCreate,
        (false, "env update") => CondaVerb::EnvUpdate,
        (false, "config") => CondaVerb::Config,
        (true, "add") => CondaVerb::Add,
        (true, "remove" | "global remove" | "global uninstall") => CondaVerb::Remove,
        (true, "global install" | "global add") => CondaVerb::GlobalInstall,
        _ => return None,
    };
    let mut channels = args.cloned(&["-c", "--channel"]);
    let mut operands = std::mem::take(&mut args.operands);
    if verb == CondaVerb::Config {
        // `--add channels conda-forge`: the option's value is the key, the operand the value.
        let keyed = args.values(&["--add", "--append", "--prepend"]).iter().any(|key| key.text == "channels");
        channels.extend(std::mem::take(&mut operands).into_iter().filter(|_| keyed));
    }
    let files = if pixi { Vec::new() } else { args.cloned(&["-f", "--file"]) };
    Some(CondaCommand {
        tool: tool.to_owned(),
        verb,
        verb_span: verb_word.span,
        specs: operands.iter().map(match_spec).collect(),
        channels,
        files,
        environment: args.value(&["-n", "--name", "-p", "--prefix", "-e", "--environment"]).cloned(),
        override_channels: args.has(&["--override-channels"]),
        flags: args.flags,
    })
}

/// Reads one package word.
#[must_use]
pub fn match_spec(word: &Word) -> MatchSpec {
    MatchSpec { span: word.span, unresolved: !word.is_fully_literal(), ..MatchSpec::parse(&word.text) }
}

impl MatchSpec {
    /// Reads a match specification from text, such as an entry of environment.yml. The span is the text's own.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let mut spec = Self {
            span: Span::new(0, text.len()),
            raw: text.to_owned(),
            name: String::new(),
            version: None,
            build: None,
            channel: None,
            unresolved: text.contains('$'),
        };
        let mut rest = text;
        if let Some((channel, after)) = rest.split_once("::") {
            spec.channel = Some(channel.to_owned());
            rest = after;
        }
        let mut brackets = "";
        if let Some((before, inside)) = rest.split_once('[') {
            brackets = inside.trim_end_matches(']');
            rest = before;
        }
        let end = rest
            .find(|c: char| matches!(c, '=' | '<' | '>' | '!' | '~') || c.is_whitespace())
            .unwrap_or(rest.len());
        let (name, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
        spec.name = name.to_ascii_lowercase();
        spec.constrain(rest.trim());
        for pair in split_pairs(brackets) {
            let Some((key, value)) = pair.split_once('=') else { continue };
            let value = value.trim_matches(['\'', '"', ' ']).to_owned();
            match key.trim() {
                "version" => spec.version = Some(value),
                "build" => spec.build = Some(value),
                "channel" => spec.channel = Some(value),
                _ => {}
            }
        }
        spec
    }

    fn constrain(&mut self, rest: &str) {
        if rest.is_empty() {
            return;
        }
        // `name version build` with blanks.
        let mut parts = rest.split_whitespace();
        let first = parts.next().unwrap_or_default();
        if let Some(build) = parts.next() {
            self.version = Some(first.trim_start_matches('=').to_owned());
            self.build = Some(build.to_owned());
            return;
        }
        // `name=version=build`; `==` and `>=` are operators of the version.
        let body = first.strip_prefix("==").or_else(|| first.strip_prefix('='));
        match body {
            Some(body) => {
                let (version, build) =
                    body.split_once('=').map_or((body, None), |(version, build)| (version, Some(build)));
                let operator = if first.starts_with("==") { "==" } else { "" };
                self.version = Some(format!("{operator}{version}")).filter(|version| !version.is_empty());
                self.build = build.map(str::to_owned);
            }
            None => self.version = Some(first.to_owned()),
        }
    }

    /// The project name as Python indexes spell it, for comparison with requirements.
    #[must_use]
    pub fn python_name(&self) -> String {
        normalise(&self.name)
    }
}

/// Splits `version='>=2,<3',build=a` at the commas outside quotes.
fn split_pairs(text: &str) -> Vec<&str> {
    let mut quote = None;
    let pairs = text.split(|c: char| match quote {
        Some(open) => {
            if c == open {
                quote = None;
            }
            false
        }
        None if matches!(c, '\'' | '"') => {
            quote = Some(c);
            false
        }
        None => c == ',',
    });
    pairs.collect()
}
