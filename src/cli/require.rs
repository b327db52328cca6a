//! `cudalint require`: what the container runtime makes of requirements, and its hook of an environment.

use std::io::{self, Write};

use serde::Serialize;

use super::args::{PlainFormat, RequireArgs};
use super::output::{Paint, Screen, Stop, write_json, write_wrapped};
use super::target::{Drivers, profile, resolved};
use crate::compat::require::{
    CsvHost, CsvOutcome, GpuFacts, HookOptions, HookReading, HostFacts, Outcome, Verdict, evaluate,
    evaluate_csv, read_environment, reported_cuda,
};
use crate::compat::{
    DriverPoint, DriverSet, DriverVersion, HostProfile, RangeVerdict, RangeWord, Tables, Truth,
};
use crate::report::visible;

/// The answer about requirements as JSON; `result`, `deciding` and `error` are the contract.
#[derive(Debug, Serialize)]
struct Answer {
    schema: &'static str,
    /// `satisfied`, `unsatisfied` or `invalid`; over a set of drivers also `unknown`.
    result: &'static str,
    /// The part of the requirement that decided; empty where there was nothing to decide.
    deciding: String,
    /// What the program prints; `null` when it lets the container start.
    error: Option<String>,
    /// Whether the host checks requirements at all.
    checked: bool,
    /// Why a malformed part is malformed.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// The word of the csv evaluator: `satisfied` or `refused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    csv_result: Option<&'static str>,
    /// For which drivers of a set the container starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<RangeVerdict>,
    /// What the user should know about the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Answer {
    fn new(result: &'static str) -> Self {
        Self {
            schema: "cudalint/1",
            result,
            deciding: String::new(),
            error: None,
            checked: true,
            problem: None,
            csv_result: None,
            range: None,
            note: None,
        }
    }

    fn of_outcome(outcome: Outcome) -> Self {
        Self {
            deciding: outcome.deciding.map(|deciding| deciding.text).unwrap_or_default(),
            error: outcome.message,
            problem: outcome.problem.map(|problem| problem.to_string()),
            ..Self::new(word(outcome.verdict))
        }
    }

    fn status(&self) -> u8 {
        u8::from(matches!(self.result, "unsatisfied" | "invalid"))
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Satisfied => "satisfied",
        Verdict::Unsatisfied => "unsatisfied",
        Verdict::Invalid => "invalid",
    }
}

/// Answers; the exit status is 0 when the container starts and 1 when it does not.
pub(super) fn run(
    args: &RequireArgs,
    tables: &Tables,
    screen: &Screen,
    out: &mut dyn Write,
) -> Result<u8, Stop> {
    if let Some(pairs) = &args.env {
        return environment(pairs, args, tables, screen, out);
    }
    let of_environment = args.privileged
        || args.accept_envvar_unprivileged.is_some()
        || args.accept_volume_mounts
        || args.config_disable_require
        || args.swarm_resource.is_some()
        || !args.mounts.is_empty();
    if of_environment {
        let message =
            "options about the container's environment (--privileged, --mount, …) go with --env only";
        return Err(Stop::usage(message, None));
    }
    if args.exprs.is_empty() {
        let help = "write one like \"cuda>=12.4 brand=tesla,driver>=470,driver<471\", or ask about variables with --env";
        return Err(Stop::usage("there is no requirement", Some(help)));
    }
    let answer = match profile(args.host) {
        HostProfile::Cdi | HostProfile::Gke => Answer { checked: false, ..Answer::new("satisfied") },
        HostProfile::Jetson => csv(args),
        HostProfile::Docker => runtime(args, tables)?,
    };
    match args.format {
        PlainFormat::Json => write_json(&answer, out)?,
        PlainFormat::Human => write_human(&answer, args, screen, out)?,
    }
    Ok(answer.status())
}

/// The csv evaluator of the toolkit. Its refusals are of two kinds: a false condition, and what it cannot read or compare.
fn csv(args: &RequireArgs) -> Answer {
    let host = CsvHost { cuda: args.cuda.clone(), arch: args.arch.clone() };
    match evaluate_csv(&args.exprs, &host) {
        CsvOutcome::Satisfied => Answer { csv_result: Some("satisfied"), ..Answer::new("satisfied") },
        CsvOutcome::Refused(message) => {
            let result = if message.starts_with("invalid ") { "invalid" } else { "unsatisfied" };
            let mut answer = Answer { csv_result: Some("refused"), ..Answer::new(result) };
            answer.deciding =
                args.exprs.iter().find(|text| refuses(text, &host)).cloned().unwrap_or_default();
            answer.error = Some(message);
            answer
        }
    }
}

fn refuses(requirement: &str, host: &CsvHost) -> bool {
    matches!(evaluate_csv(&[requirement], host), CsvOutcome::Refused(_))
}

/// libnvidia-container on one host, or on each driver of a set.
fn runtime(args: &RequireArgs, tables: &Tables) -> Result<Answer, Stop> {
    let gpus = match (&args.brand, &args.arch) {
        (None, None) => Vec::new(),
        (brand, arch) => vec![GpuFacts { brand: brand.clone(), arch: arch.clone() }],
    };
    let host = |driver: Option<String>, cuda: Option<String>| HostFacts { driver, cuda, gpus: gpus.clone() };
    let Some(text) = args.driver.as_deref() else {
        return Ok(Answer::of_outcome(evaluate(&args.exprs, &host(None, args.cuda.clone()), tables)));
    };
    if let Some(version) = full_version(text) {
        // The runtime compares the text, so the text goes to it as it is.
        let outcome = evaluate(&args.exprs, &host(Some(text.trim().to_owned()), args.cuda.clone()), tables);
        let note = native_note(&outcome, &version, args, tables, &host);
        return Ok(Answer { note, ..Answer::of_outcome(outcome) });
    }
    let set = match resolved(text, tables).map_err(|why| Stop::usage(why, None))? {
        Drivers::Set(set) => set,
        Drivers::L4t(_) => {
            let help = "on a Jetson another evaluator decides: --host jetson with --cuda and --arch";
            return Err(Stop::usage("the runtime's hook does not know releases of Jetson Linux", Some(help)));
        }
    };
    Ok(over_set(args, &set, tables, &host))
}

/// A version of at least two numbers: one driver, not a branch.
fn full_version(text: &str) -> Option<DriverVersion> {
    text.trim().parse().ok().filter(|version: &DriverVersion| version.part_count() > 1)
}

/// What the answer would be with the CUDA version that the driver reports, where it was not given and matters.
fn native_note(
    outcome: &Outcome,
    version: &DriverVersion,
    args: &RequireArgs,
    tables: &Tables,
    host: &dyn Fn(Option<String>, Option<String>) -> HostFacts,
) -> Option<String> {
    if args.cuda.is_some() {
        return None;
    }
    let cuda = tables.drivers().of(version)?.cuda_max?.to_string();
    let with = evaluate(&args.exprs, &host(Some(version.to_string()), Some(cuda.clone())), tables);
    (with.verdict != outcome.verdict).then(|| {
        format!("the driver's CUDA version was not given; {version} reports {cuda}, and with --cuda {cuda} the result is {}", word(with.verdict))
    })
}

fn over_set(
    args: &RequireArgs,
    set: &DriverSet,
    tables: &Tables,
    host: &dyn Fn(Option<String>, Option<String>) -> HostFacts,
) -> Answer {
    let mut failing: Option<(DriverPoint, Outcome)> = None;
    let mut holding: Option<Outcome> = None;
    let range = RangeVerdict::over(set, |point| {
        let cudas: Vec<String> = match &args.cuda {
            Some(cuda) => vec![cuda.clone()],
            None => reported_cuda(point, tables).iter().map(ToString::to_string).collect(),
        };
        let mut truth: Option<Truth> = None;
        for cuda in cudas {
            let outcome = evaluate(&args.exprs, &host(Some(point.version.to_string()), Some(cuda)), tables);
            let one = Truth::from(outcome.verdict == Verdict::Satisfied);
            truth = Some(truth.map_or(one, |truth| truth.agree(one)));
            match one {
                Truth::Yes => holding = holding.take().or(Some(outcome)),
                _ => failing = failing.take().or_else(|| Some((point.clone(), outcome))),
            }
        }
        truth.unwrap_or(Truth::Unknown)
    });
    let mut answer = match (range.word, failing, holding) {
        (RangeWord::All, _, Some(outcome)) => Answer::of_outcome(outcome),
        (RangeWord::Some | RangeWord::None, Some((_, outcome)), _) => Answer::of_outcome(outcome),
        (_, Some((point, outcome)), _) => Answer {
            note: Some(format!("which CUDA version driver {} reports is not in the tables", point.version)),
            result: "unknown",
            ..Answer::of_outcome(outcome)
        },
        (_, None, _) => Answer::new("unknown"),
    };
    answer.range = Some(range);
    answer
}

fn write_human(answer: &Answer, args: &RequireArgs, screen: &Screen, out: &mut dyn Write) -> io::Result<()> {
    let paint = match answer.result {
        "satisfied" => Paint::Good,
        "unknown" => Paint::Caution,
        _ => Paint::Bad,
    };
    let what = match (answer.checked, answer.result, answer.range.as_ref().map(|range| range.word)) {
        (false, _, _) => "requirements are not checked on such a host, the container starts".to_owned(),
        (_, "satisfied", Some(_)) => "the container starts on every driver of the set".to_owned(),
        (_, "satisfied", None) => "the container starts".to_owned(),
        (_, "unknown", _) => "for some or all drivers it cannot be told".to_owned(),
        (_, _, Some(RangeWord::Some)) => match answer.range.as_ref().and_then(|range| range.from.as_ref()) {
            Some(from) if answer.range.as_ref().is_some_and(|range| range.intervals.len() > 2) => {
                format!("the container starts from driver {from} on, and on some before")
            }
            Some(from) => format!("the container starts from driver {from} on"),
            None => "the container starts on some drivers only".to_owned(),
        },
        (_, _, Some(_)) => "the container is refused on every driver of the set".to_owned(),
        (_, "invalid", None) => {
            "the requirement cannot be evaluated, the container is not created".to_owned()
        }
        _ => "the container is not created".to_owned(),
    };
    let first = format!("{}: ", paint.on(answer.result, screen));
    let width = answer.result.len().saturating_add(2);
    write_wrapped((&first, width), 2, &what, screen, out)?;
    let mut line = |word: &str, text: &str| {
        let first = format!("  {:<9} ", format!("{word}:"));
        write_wrapped((&first, 12), 12, text, screen, out)
    };
    if !answer.deciding.is_empty() {
        line("decided", &answer.deciding)?;
    }
    if let Some(problem) = &answer.problem {
        line("because", problem)?;
    }
    if let Some(error) = &answer.error {
        let prefix = if answer.csv_result.is_some() {
            "requirements not met: "
        } else {
            "nvidia-container-cli: requirement error: "
        };
        line("message", &format!("{prefix}{error}"))?;
    }
    if let Some(range) = answer.range.as_ref().filter(|range| range.intervals.len() > 1 || screen.verbose) {
        for run in &range.intervals {
            let word = match run.truth {
                Truth::Yes => "starts",
                Truth::No => "refused",
                Truth::Unknown => "unknown",
            };
            let drivers = if run.first == run.last {
                run.first.to_string()
            } else {
                format!("{} to {}", run.first, run.last)
            };
            line(
                word,
                &format!(
                    "{drivers} ({} known {})",
                    run.releases,
                    if run.releases == 1 { "release" } else { "releases" }
                ),
            )?;
        }
    }
    if let Some(note) = &answer.note {
        line("note", note)?;
    }
    if args.driver.is_none()
        && answer.checked
        && answer.csv_result.is_none()
        && args.cuda.is_none()
        && args.brand.is_none()
        && args.arch.is_none()
    {
        line(
            "note",
            "nothing is known of the host, which makes every condition true; give --driver, --cuda, --brand, --arch",
        )?;
    }
    Ok(())
}

/// The answer about an environment as JSON, with the keys of the recorded cases; what a crash leaves open is `null`.
#[derive(Debug, Serialize)]
struct EnvAnswer<'a> {
    schema: &'static str,
    legacy: bool,
    gpu: Option<bool>,
    devices: Option<&'a [String]>,
    capabilities: Option<&'a str>,
    requirements: Option<&'a [String]>,
    panic: bool,
    message: Option<&'a str>,
}

fn environment(
    pairs: &[String],
    args: &RequireArgs,
    tables: &Tables,
    screen: &Screen,
    out: &mut dyn Write,
) -> Result<u8, Stop> {
    let mut environment = Vec::new();
    for pair in pairs {
        match pair.split_once('=') {
            Some((name, value)) if !name.is_empty() => environment.push((name, value)),
            _ => {
                let message = format!("`{}` is no variable", visible(pair));
                return Err(Stop::usage(message, Some("write NAME=VALUE; an empty value is NAME=")));
            }
        }
    }
    let options = HookOptions {
        accept_envvar_unprivileged: args.accept_envvar_unprivileged.unwrap_or(true),
        privileged: args.privileged,
        accept_volume_mounts: args.accept_volume_mounts,
        mounts: args.mounts.clone(),
        config_disable_require: args.config_disable_require,
        swarm_resource: args.swarm_resource.clone(),
    };
    let reading = read_environment(&environment, &options, tables);
    let devices = reading.devices();
    match args.format {
        PlainFormat::Json => {
            let answer = EnvAnswer {
                schema: "cudalint/1",
                legacy: reading.legacy,
                gpu: reading.gpu(),
                devices: devices.map(|devices| devices.devices.as_slice()),
                capabilities: devices.map(|devices| devices.capabilities.as_str()),
                requirements: devices.map(|devices| devices.requirements.as_slice()),
                panic: reading.panic().is_some(),
                message: reading.panic(),
            };
            write_json(&answer, out)?;
        }
        PlainFormat::Human => write_reading(&reading, screen, out)?,
    }
    Ok(u8::from(reading.panic().is_some()))
}

fn write_reading(reading: &HookReading, screen: &Screen, out: &mut dyn Write) -> io::Result<()> {
    let (paint, headline) = match (&reading.outcome, reading.legacy) {
        (Err(_), _) => (Paint::Bad, "the hook crashes and the container does not start"),
        (Ok(None), _) => (Paint::Caution, "no GPU container: the hook does nothing"),
        (Ok(Some(_)), true) => (Paint::Good, "a GPU container, by the rules for legacy CUDA images"),
        (Ok(Some(_)), false) => (Paint::Good, "a GPU container"),
    };
    writeln!(out, "{}", paint.on(headline, screen))?;
    let mut line = |word: &str, text: &str| {
        let first = format!("  {word:<14}");
        write_wrapped((&first, 16), 16, text, screen, out)
    };
    match &reading.outcome {
        Err(message) => line("message", message)?,
        Ok(None) => {}
        Ok(Some(found)) => {
            let list = |words: &[String], none: &str| {
                if words.is_empty() { none.to_owned() } else { words.join(", ") }
            };
            line("devices", &list(&found.devices, "none, driver files only"))?;
            line("capabilities", if found.capabilities.is_empty() { "none" } else { &found.capabilities })?;
            line("requirements", &list(&found.requirements, "none"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        args: RequireArgs,
    }

    fn ask(words: &[&str]) -> (u8, String) {
        let args = Only::try_parse_from([&["require"], words].concat()).unwrap().args;
        let mut out = Vec::new();
        match run(&args, Tables::builtin(), &Screen::PLAIN, &mut out) {
            Ok(status) => (status, String::from_utf8(out).unwrap()),
            Err(stop) => (2, stop.text()),
        }
    }

    fn json(words: &[&str]) -> serde_json::Value {
        let text = ask(&[words, &["--format", "json"]].concat()).1;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn a_branch_is_a_set_and_a_version_is_a_host() {
        let set = json(&["cuda>=12.4", "--driver", "525"]);
        assert_eq!(
            (set["result"].as_str(), set["range"]["word"].as_str()),
            (Some("unsatisfied"), Some("none"))
        );
        let host = json(&["cuda>=12.4", "--driver", "525.60.13"]);
        assert_eq!(host["result"], "satisfied", "what is not given is unknown, and so true");
        assert!(
            host["note"].as_str().unwrap().contains("with --cuda 12.0 the result is unsatisfied"),
            "{host}"
        );
        assert_eq!(host["range"], serde_json::Value::Null);
        let some = json(&["cuda>=12.4", "--driver", "535..=550"]);
        assert_eq!(some["range"]["from"], "550.54.14");
        assert_eq!(ask(&["cuda>=12.4", "--driver", "535..=550"]).0, 1);
        let brand =
            json(&["cuda>=99 brand=tesla,driver>=525,driver<526", "--driver", "525", "--brand", "Tesla"]);
        assert_eq!(brand["result"], "satisfied");
        let newer = json(&["cuda>=99", "--driver", "999"]);
        assert_eq!(
            (newer["result"].as_str(), newer["deciding"].as_str()),
            (Some("unknown"), Some("cuda>=99"))
        );
        assert_eq!(ask(&["cuda>=99", "--driver", "999"]).0, 0);
    }

    #[test]
    fn answers_for_people_say_what_decided() {
        let (status, text) = ask(&["cuda>=12.4 bogus", "--cuda", "12.2"]);
        assert_eq!(status, 1);
        assert!(text.starts_with("invalid: the requirement cannot be evaluated"), "{text}");
        assert!(text.contains("decided:  bogus"), "{text}");
        let (_, text) = ask(&["cuda>=12.4", "--cuda", "12.2"]);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("unsatisfied condition: cuda>=12.4, please update your driver"), "{text}");
        let (_, text) = ask(&["cuda>=12.4", "--driver", "535..=550"]);
        assert!(text.contains("the container starts from driver 550.54.14 on"), "{text}");
        let (_, text) = ask(&["cuda>=12.4"]);
        assert!(text.contains("nothing is known of the host"), "{text}");
        let (status, text) = ask(&["cuda>=99", "--host", "cdi"]);
        assert_eq!((status, text.contains("not checked")), (0, true));
    }

    #[test]
    fn hosts_without_a_check_and_with_another_one() {
        let cdi = json(&["cuda>=99", "--host", "cdi", "--cuda", "12.2"]);
        assert_eq!((cdi["result"].as_str(), cdi["checked"].as_bool()), (Some("satisfied"), Some(false)));
        let jetson = json(&["cuda>=12.0", "cuda>=12.4", "--host", "jetson", "--cuda", "12.2"]);
        assert_eq!(jetson["result"], "unsatisfied");
        assert_eq!(
            (jetson["csv_result"].as_str(), jetson["deciding"].as_str()),
            (Some("refused"), Some("cuda>=12.4"))
        );
        let malformed = json(&["cuda>=12.x", "--host", "jetson", "--cuda", "12.2"]);
        assert_eq!(malformed["result"], "invalid");
    }

    #[test]
    fn environments() {
        let reading = json(&["--env", "CUDA_VERSION=12.4.1", "NVIDIA_VISIBLE_DEVICES=0"]);
        assert_eq!((reading["legacy"].as_bool(), reading["devices"][0].as_str()), (Some(true), Some("0")));
        assert_eq!(json(&["--env"])["gpu"], false);
        let off = json(&["--env", "NVIDIA_VISIBLE_DEVICES=0", "--accept-envvar-unprivileged", "false"]);
        assert_eq!(off["gpu"], false);
        let (status, text) = ask(&["--env", "NVIDIA_VISIBLE_DEVICES=all", "--env", "CUDA_VERSION=cu124"]);
        assert_eq!(status, 1);
        assert!(text.contains("the hook crashes"), "{text}");
        let (_, text) = ask(&["--env", "NVIDIA_VISIBLE_DEVICES=none"]);
        assert!(text.contains("none, driver files only"), "{text}");
    }

    #[test]
    fn what_is_no_question_is_refused() {
        assert_eq!(ask(&[]), (2, "there is no requirement".to_owned()));
        assert_eq!(ask(&["--env", "X"]), (2, "`X` is no variable".to_owned()));
        assert_eq!(ask(&["cuda>=1", "--driver", "52x"]).0, 2);
        assert_eq!(ask(&["cuda>=1", "--driver", "l4t:36.4"]).0, 2);
        assert_eq!(ask(&["--", "-cuda>=1"]).0, 1);
        assert!(Only::try_parse_from(["require", "cuda>=1", "--formt"]).is_err());
        assert!(Only::try_parse_from(["require", "cuda>=1", "--env", "A=1"]).is_err());
        assert_eq!(ask(&["cuda>=1", "--privileged"]).0, 2, "an option of the environment alone");
    }
}
