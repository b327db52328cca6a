//! `cudalint check`, the default command: flags and configuration to engine options, findings to a report and a status.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::args::{BuildArgs, CheckArgs, FailOn as FailOnWord, Format as FormatWord, GlobalArgs, ImageArgs};
use super::data::{load_tables, read_text, today};
use super::output::{Screen, Stop};
use super::target::{aim, load_config};
use crate::config::ConfigFile;
use crate::diagnostics::{
    Baseline, FailOn, Outcome, PathBase, Problem, Safety, SelectLayer, Selection, Selector, apply_edits,
    plan_fixes, unified_diff,
};
use crate::engine::{BuildOptions, ImageOptions, Input, InputError, Options, Platform, check, resolve};
use crate::limits::Limits;
use crate::report;
use crate::rules::rule_infos;

/// Exit statuses (a contract).
const CLEAN: u8 = 0;
const FOUND: u8 = 1;
const NOTHING: u8 = 3;
const INCOMPLETE: u8 = 4;

/// Runs the command and gives its exit status.
pub(super) fn run(
    args: &CheckArgs,
    global: &GlobalArgs,
    screen: &Screen,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Stop> {
    let config = load_config(&args.config)?;
    let config = config.as_ref();
    if args.inputs.is_empty() {
        return Err(Stop::usage(
            "no input: name a Dockerfile, a folder, `-` or an image",
            Some("`cudalint .` checks every Dockerfile below this folder; `cudalint --help` shows the rest"),
        ));
    }
    let options = options(args, global, config, err)?;
    let inputs = resolve(&args.inputs, args.force_exclude).map_err(|error| input_error(&error))?;
    if inputs.is_empty() {
        if !global.quiet {
            writeln!(err, "nothing to check: no Dockerfile in {}", args.inputs.join(", "))?;
        }
        return Ok(NOTHING);
    }
    let mut outcome = check(&inputs, &options);
    if args.write_baseline {
        let Some(path) = baseline_path(args, config) else {
            return Err(Stop::usage(
                "--write-baseline needs a file: --baseline FILE, or `baseline` in cudalint.toml",
                None,
            ));
        };
        return write_baseline(&path, &outcome, &options.paths, err);
    }
    if args.fix || args.unsafe_fixes || args.diff {
        // A fix can stand in the way of another, or make room for one: both are taken in a further round.
        for _round in 0..FIX_ROUNDS {
            match fix(args, &outcome, out)? {
                Fixed::Printed => return Ok(CLEAN),
                Fixed::Nothing => break,
                Fixed::Written => outcome = check(&inputs, &options),
            }
        }
    }
    if !(args.diff && matches!(args.format, FormatWord::Human)) {
        write_report(args, global, screen, &outcome, &options.paths, out)?;
    }
    Ok(status(args, config, &outcome))
}

/// Everything the engine needs.
pub(super) fn options(
    args: &CheckArgs,
    global: &GlobalArgs,
    config: Option<&ConfigFile>,
    err: &mut dyn Write,
) -> Result<Options, Stop> {
    let tables = load_tables(&global.data, config)?;
    let platform_word = args.build.platform.as_deref();
    let aim = aim(&args.target, platform_word, config, &tables)?;
    for note in &aim.notes {
        writeln!(err, "note: {note}")?;
    }
    let limits = limits(&args.image)?;
    let infos = rule_infos();
    let parse = |words: &[String]| -> Result<Vec<Selector>, Stop> {
        words
            .iter()
            .map(|word| Selector::parse(word, infos).map_err(|error| Stop::usage(error.to_string(), None)))
            .collect()
    };
    let flags = SelectLayer {
        select: if args.select.is_empty() { None } else { Some(parse(&args.select)?) },
        extend_select: parse(&args.extend_select)?,
        ignore: parse(&args.ignore)?,
    };
    let (base, overrides, per_path) = match config {
        Some(config) => (config.select_layer(infos)?, config.severities(infos)?, config.per_paths(infos)?),
        None => Default::default(),
    };
    let build = build(&args.build, config)?;
    Ok(Options {
        tables,
        target: aim.target,
        images: image_options(&args.image, &build, args.dockerfile.clone(), screen_progress(args)),
        limits,
        build,
        context: args.build.context.clone(),
        selection: Selection::resolve(infos, &overrides, &[base, flags]),
        per_path,
        paths: path_base(config),
        config_paths: config_base(config),
        baseline: baseline_path(args, config)
            .filter(|_| !args.write_baseline)
            .map(|path| read_baseline(&path))
            .transpose()?,
        today: today(),
    })
}

/// Whether progress is drawn.
fn screen_progress(args: &CheckArgs) -> bool {
    match args.image.progress {
        Some(super::args::When::Always) => true,
        Some(super::args::When::Never) => false,
        Some(super::args::When::Auto) | None => {
            io::stderr().is_terminal() && matches!(args.format, FormatWord::Human)
        }
    }
}

/// How images are read.
pub(super) fn image_options(
    args: &ImageArgs,
    build: &BuildOptions,
    dockerfile: Option<PathBuf>,
    progress: bool,
) -> ImageOptions {
    ImageOptions {
        platform: build.platform.clone(),
        offline: args.offline,
        resolve_base: args.resolve_base,
        cache: if args.no_cache { None } else { super::cache::folder(&args.cache) },
        insecure: args.insecure_registries.clone(),
        jobs: args.jobs,
        ca_file: args.ca_file.clone(),
        dockerfile,
        progress,
    }
}

/// Bounds with what the flags change.
pub(super) fn limits(args: &ImageArgs) -> Result<Limits, Stop> {
    let mut limits = Limits::default();
    for assignment in &args.limits {
        limits.set(assignment).map_err(|error| Stop::usage(format!("--limit: {error}"), None))?;
    }
    Ok(limits)
}

/// Build options from configuration and flags; flags win.
pub(super) fn build(args: &BuildArgs, config: Option<&ConfigFile>) -> Result<BuildOptions, Stop> {
    let mut build_args = config.map(|config| config.config.build.args.clone()).unwrap_or_default();
    for pair in &args.build_args {
        match pair.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                build_args.insert(name.to_owned(), value.to_owned());
            }
            // As docker build has it: a bare name takes the value of the environment.
            None if !pair.is_empty() => {
                if let Ok(value) = std::env::var(pair) {
                    build_args.insert(pair.clone(), value);
                }
            }
            _ => return Err(Stop::usage(format!("--build-arg `{pair}` is no NAME=VALUE"), None)),
        }
    }
    let configured = config
        .and_then(|config| config.config.target.platform.as_ref())
        .map(|platform| platform.value.as_str());
    let platform = match args.platform.as_deref().or(configured) {
        Some(text) => Platform::parse(text).ok_or_else(|| {
            Stop::usage(format!("--platform `{text}` is no OS/ARCH[/VARIANT], such as linux/arm64"), None)
        })?,
        None => Platform::default(),
    };
    Ok(BuildOptions { build_args, target: args.target.clone(), platform, ..BuildOptions::default() })
}

/// Names in reports and fingerprints are relative to the repository, or to the configuration's folder, or to here.
fn path_base(config: Option<&ConfigFile>) -> PathBase {
    let current = std::env::current_dir().unwrap_or_default();
    let repository = current.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned);
    let root = repository.or_else(|| config_folder(config, &current)).unwrap_or_else(|| current.clone());
    PathBase::new(&root.to_string_lossy(), &current.to_string_lossy())
}

/// Globs of the configuration are relative to its folder.
fn config_base(config: Option<&ConfigFile>) -> PathBase {
    let current = std::env::current_dir().unwrap_or_default();
    let root = config_folder(config, &current).unwrap_or_else(|| current.clone());
    PathBase::new(&root.to_string_lossy(), &current.to_string_lossy())
}

fn config_folder(config: Option<&ConfigFile>, current: &Path) -> Option<PathBuf> {
    let folder = Path::new(&*config?.name).parent()?;
    current.join(folder).canonicalize().ok()
}

fn input_error(error: &InputError) -> Stop {
    let help = match error {
        InputError::Neither { .. } => Some(
            "write ./NAME for a path; an image is NAME[:TAG][@DIGEST] in lower case, or has a transport such as oci:DIR",
        ),
        _ => None,
    };
    Stop::usage(error.to_string(), help)
}

fn baseline_path(args: &CheckArgs, config: Option<&ConfigFile>) -> Option<PathBuf> {
    args.baseline.clone().or_else(|| {
        let config = config?;
        config.config.baseline.as_ref().map(|path| config.resolve(&path.value))
    })
}

fn write_baseline(path: &Path, outcome: &Outcome, paths: &PathBase, err: &mut dyn Write) -> Result<u8, Stop> {
    let baseline = Baseline::of(outcome.inputs.iter().flat_map(|input| &input.findings), paths);
    let text = baseline.write().map_err(|error| Stop::usage(format!("{}: {error}", path.display()), None))?;
    std::fs::write(path, text)
        .map_err(|error| Stop::usage(format!("{} cannot be written: {error}", path.display()), None))?;
    writeln!(err, "wrote {} findings to {}", outcome.summary.found(), path.display())?;
    Ok(if outcome.is_complete() { CLEAN } else { INCOMPLETE })
}

fn read_baseline(path: &Path) -> Result<Baseline, Stop> {
    let unreadable = |why: String| {
        let help = Some("--write-baseline makes a new one");
        Stop::usage(format!("the baseline {} cannot be read: {why}", path.display()), help)
    };
    let text = read_text(path, Limits::default().text_bytes).map_err(unreadable)?;
    Baseline::read(&text).map_err(|error| unreadable(error.to_string()))
}

/// Rounds of fixing before what is left is left.
const FIX_ROUNDS: usize = 8;

/// What became of the fixes.
enum Fixed {
    /// There were none, or they were shown as a diff.
    Nothing,
    /// Files were changed.
    Written,
    /// The mended text went to standard output, where nothing else may follow.
    Printed,
}

/// Applies fixes, or shows them.
fn fix(args: &CheckArgs, outcome: &Outcome, out: &mut dyn Write) -> Result<Fixed, Stop> {
    let allow = if args.unsafe_fixes { Safety::Unsafe } else { Safety::Safe };
    let findings = outcome.inputs.iter().flat_map(|input| &input.findings).map(|reported| &reported.finding);
    let plan = plan_fixes(findings, allow);
    let mut done = Fixed::Nothing;
    for (file, edits) in &plan.edits {
        let Some(source) = outcome.inputs.iter().find_map(|input| input.sources.get(file)) else { continue };
        if args.diff {
            unified_diff(file, source, edits, out)?;
            continue;
        }
        let fixed = apply_edits(source, edits).map_err(|error| Stop::usage(error.to_string(), None))?;
        if &**file == "<stdin>" {
            // As formatters do: what came from standard input goes to standard output, mended.
            out.write_all(&fixed)?;
            return Ok(Fixed::Printed);
        }
        std::fs::write(Path::new(&**file), fixed)
            .map_err(|error| Stop::usage(format!("{file} cannot be written: {error}"), None))?;
        done = Fixed::Written;
    }
    Ok(done)
}

fn write_report(
    args: &CheckArgs,
    global: &GlobalArgs,
    screen: &Screen,
    outcome: &Outcome,
    paths: &PathBase,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    let manuals = report::manuals();
    let options = report::Options {
        width: screen.width,
        color: screen.color && args.output.is_none(),
        unicode: screen.unicode,
        verbose: global.verbose > 0,
        quiet: global.quiet,
        paths,
        rules: &manuals,
    };
    let format = format(args.format);
    match &args.output {
        None => report::render(format, outcome, &options, out)?,
        Some(path) => {
            let mut text = Vec::new();
            report::render(format, outcome, &options, &mut text)?;
            std::fs::write(path, text).map_err(|error| {
                Stop::usage(format!("{} cannot be written: {error}", path.display()), None)
            })?;
        }
    }
    if format == report::Format::Github
        && let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty())
    {
        let mut text = Vec::new();
        report::write_step_summary(outcome, &options, &mut text)?;
        let appended = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(&text));
        if let Err(error) = appended {
            log::warn!("the step summary {} cannot be written: {error}", path.to_string_lossy());
        }
    }
    Ok(())
}

fn format(word: FormatWord) -> report::Format {
    match word {
        FormatWord::Human => report::Format::Human,
        FormatWord::Concise => report::Format::Concise,
        FormatWord::Json => report::Format::Json,
        FormatWord::Jsonl => report::Format::Jsonl,
        FormatWord::Sarif => report::Format::Sarif,
        FormatWord::Github => report::Format::Github,
        FormatWord::Gitlab => report::Format::Gitlab,
        FormatWord::Junit => report::Format::Junit,
        FormatWord::Checkstyle => report::Format::Checkstyle,
        FormatWord::Markdown => report::Format::Markdown,
        FormatWord::Html => report::Format::Html,
    }
}

/// 1 wins over 4, 4 over 0.
fn status(args: &CheckArgs, config: Option<&ConfigFile>, outcome: &Outcome) -> u8 {
    let lint = config.map(|config| &config.config.lint);
    let fail_on = args
        .fail_on
        .map(|word| match word {
            FailOnWord::Error => FailOn::Error,
            FailOnWord::Warning => FailOn::Warning,
            FailOnWord::Info => FailOn::Info,
            FailOnWord::Never => FailOn::Never,
        })
        .or_else(|| lint.and_then(|lint| lint.fail_on))
        .unwrap_or(FailOn::Warning);
    let strict = args.strict || lint.and_then(|lint| lint.strict).unwrap_or(false);
    if args.exit_zero {
        CLEAN
    } else if fail_on.fails(&outcome.summary, strict) {
        FOUND
    } else if !outcome.is_complete() {
        INCOMPLETE
    } else {
        CLEAN
    }
}

/// Resolves a single input for commands that take one.
pub(super) fn one_input(given: &str) -> Result<Input, Stop> {
    let mut inputs = resolve(&[given.to_owned()], false).map_err(|error| input_error(&error))?;
    match (inputs.pop(), inputs.len()) {
        (Some(input), 0) => Ok(input),
        (None, _) => Err(Stop::usage(format!("no Dockerfile in `{given}`"), None)),
        (Some(_), more) => {
            Err(Stop::usage(format!("`{given}` holds {} Dockerfiles; name one of them", more + 1), None))
        }
    }
}

/// Says why an input could not be read: exit status 4.
pub(super) fn unreadable(problem: &Problem, screen: &Screen, err: &mut dyn Write) -> Result<u8, Stop> {
    let paths = PathBase::default();
    let options =
        report::Options { width: screen.width, unicode: screen.unicode, ..report::Options::plain(&paths) };
    report::write_problem(problem, &std::sync::Arc::from(&[][..]), &options, err)?;
    Ok(INCOMPLETE)
}
