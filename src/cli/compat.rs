//! `cudalint compat`: the compatibility question without an image, its proof, and what would help.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::args::{CompatArgs, PlainFormat};
use super::data::load_tables;
use super::output::{Paint, Screen, Stop, write_json, write_wrapped};
use super::target::{Aim, aim, load_config};
use crate::compat::cure::{Cure, Situation, cures};
use crate::compat::tables::{Arch, PackageVersion};
use crate::compat::verdict::{RangeAnswer, Reason, ReasonKind, judge_over};
use crate::compat::{
    Answer, CompatLibrary, CudaVersion, DeviceCode, DriverSet, DriverSpec, DriverVersion, Gpu, HostDriver,
    Pool, Ptx, Question, RangeWord, Tables, Truth, Verdict, judge,
};
use crate::report::visible;

/// What is asked about, besides drivers and GPUs.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// CUDA version of its runtime libraries.
    pub(super) cuda: Option<CudaVersion>,
    /// Its device code, where known.
    pub(super) code: Option<DeviceCode>,
    /// The compat library beside it.
    pub(super) compat: Option<CompatLibrary>,
}

impl Program {
    /// The question about one GPU; the driver is a placeholder for functions that set it.
    pub(super) fn question<'q>(&'q self, driver: HostDriver<'q>, gpu: Option<&'q Gpu>) -> Question<'q> {
        let (cuda, code, compat) = (self.cuda, self.code.as_ref(), self.compat.as_ref());
        Question { cuda, code, compat, gpu, ..Question::new(driver) }
    }

    fn parse(args: &CompatArgs) -> Result<Self, Stop> {
        let wrong = |what: &str, why: &dyn std::fmt::Display| Stop::usage(format!("{what}: {why}"), None);
        let cuda = args
            .cuda
            .as_deref()
            .map(|text| text.trim().parse::<CudaVersion>().map_err(|why| wrong("--cuda", &why)));
        let mut code = DeviceCode::default();
        for word in words(args.sass.as_deref()) {
            code.sass.push(word.parse().map_err(|why| wrong("--sass", &why))?);
        }
        for word in words(args.ptx.as_deref()) {
            let (target, isa) =
                word.split_once(':').map_or((word, None), |(target, isa)| (target, Some(isa)));
            let target = target.trim().parse().map_err(|why| wrong("--ptx", &why))?;
            let isa = isa.map(|isa| isa.trim().parse().map_err(|why| wrong("--ptx", &why))).transpose()?;
            code.ptx.push(Ptx { target, isa });
        }
        let package = args.compat_package.as_deref();
        let package = package
            .map(|text| text.trim().parse::<PackageVersion>().map_err(|why| wrong("--compat-package", &why)));
        Ok(Self {
            cuda: cuda.transpose()?,
            code: (!code.is_empty()).then_some(code),
            compat: package.transpose()?.map(CompatLibrary::package),
        })
    }
}

/// The words of a comma-separated list.
fn words(list: Option<&str>) -> impl Iterator<Item = &str> {
    list.into_iter().flat_map(|list| list.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

/// The answer for one set of drivers and one GPU.
#[derive(Debug, Serialize)]
struct Cell {
    /// Name of the pool, where it has one.
    pool: Option<String>,
    /// The drivers as they were given; `null` when none were.
    driver: Option<String>,
    gpu: Option<String>,
    verdict: Verdict,
    satisfied: Option<bool>,
    reasons: Vec<Reason>,
    /// The error code that the program will show, with its name.
    error: Option<ErrorLine>,
    /// By driver, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<RangeAnswer>,
    /// Whether the set reaches beyond the newest driver known.
    open_end: bool,
}

#[derive(Debug, Serialize)]
struct ErrorLine {
    code: u16,
    name: Option<String>,
    text: Option<String>,
}

/// The whole answer; `verdict`, `satisfied` and `reasons` are the contract.
#[derive(Debug, Serialize)]
struct Whole {
    schema: &'static str,
    verdict: Verdict,
    satisfied: Option<bool>,
    reasons: Vec<Reason>,
    cells: Vec<Cell>,
    /// What would help, least disturbing first; each was judged by the engine.
    cures: Vec<CureLine>,
    /// The least driver that runs it, where drivers were not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    least_driver: Option<String>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct CureLine {
    pool: Option<String>,
    #[serde(flatten)]
    cure: Cure,
    text: String,
}

/// Answers; the exit status is 1 when it does not run everywhere, 0 when it does or when that cannot be told.
pub(super) fn run(
    args: &CompatArgs,
    data: &[PathBuf],
    screen: &Screen,
    out: &mut dyn Write,
) -> Result<u8, Stop> {
    let config = load_config(&args.config)?;
    let tables = load_tables(data, config.as_ref())?;
    let program = Program::parse(args)?;
    let aim = aim(&args.target, args.platform.as_deref(), config.as_ref(), &tables)?;
    let whole = answer(&program, aim, &tables)?;
    match args.format {
        PlainFormat::Json => write_json(&whole, out)?,
        PlainFormat::Human => write_human(&whole, &program, &tables, screen, out)?,
    }
    Ok(u8::from(whole.satisfied == Some(false)))
}

fn answer(program: &Program, aim: Aim, tables: &Tables) -> Result<Whole, Stop> {
    let architecture = Arch::from_word(aim.target.architecture()).unwrap_or(Arch::Amd64);
    let mut pools = aim.target.pools().to_vec();
    if pools.is_empty() {
        pools.push(Pool::default());
    }
    let mut cells = Vec::new();
    let mut helps: Vec<CureLine> = Vec::new();
    let mut least: Option<DriverVersion> = None;
    for pool in &pools {
        let from = cells.len();
        let gpus: Vec<Option<&Gpu>> =
            if pool.gpus.is_empty() { vec![None] } else { pool.gpus.iter().map(Some).collect() };
        for gpu in gpus {
            let cell = match (&pool.drivers, &pool.l4t) {
                (Some(set), _) => over_set(program, pool, set, gpu, tables),
                (None, Some(release)) => {
                    let answer = judge(&program.question(HostDriver::L4t(release), gpu), tables);
                    of_answer(pool, Some(format!("l4t:{release}")), gpu, answer, tables)
                }
                (None, None) => {
                    let (cell, runs_from) = over_any(program, pool, gpu, tables)?;
                    least = least.max(runs_from);
                    cell
                }
            };
            cells.push(cell);
        }
        let fails = cells.iter().skip(from).any(|cell: &Cell| cell.satisfied == Some(false));
        if let Some(set) = pool.drivers.as_ref().filter(|_| fails) {
            let situation = Situation {
                drivers: set,
                gpus: &pool.gpus,
                cuda: program.cuda,
                code: program.code.as_ref(),
                base: None,
                arch: architecture,
                torch: None,
                requirements: &[],
                requirements_checked: false,
            };
            for cure in cures(&situation, tables) {
                let text = cure.to_string();
                if !helps.iter().any(|help| help.cure == cure) {
                    helps.push(CureLine { pool: pool.name.clone(), cure, text });
                }
            }
        }
    }
    let deciding = deciding(&cells);
    Ok(Whole {
        schema: "cudalint/1",
        verdict: deciding.map_or(Verdict::Unknown, |cell| cell.verdict),
        satisfied: deciding.and_then(|cell| cell.satisfied),
        reasons: deciding.map(|cell| cell.reasons.clone()).unwrap_or_default(),
        cells,
        cures: helps,
        least_driver: least.map(|version| version.to_string()),
        notes: aim.notes,
    })
}

/// The cell that decides about the whole: the first that fails, else the first unknown, else the least native.
fn deciding(cells: &[Cell]) -> Option<&Cell> {
    let with = |satisfied: Option<bool>| cells.iter().find(|cell| cell.satisfied == satisfied);
    let rank = |cell: &&Cell| match cell.verdict {
        Verdict::NeedsForwardCompat => 0,
        Verdict::OkMinorCompat => 1,
        _ => 2,
    };
    with(Some(false)).or_else(|| with(None)).or_else(|| cells.iter().min_by_key(rank))
}

fn of_answer(
    pool: &Pool,
    driver: Option<String>,
    gpu: Option<&Gpu>,
    answer: Answer,
    tables: &Tables,
) -> Cell {
    let error = answer.error().map(|code| {
        let row = tables.forward().error(code);
        ErrorLine { code, name: row.map(|row| row.name.clone()), text: row.map(|row| row.text.clone()) }
    });
    Cell {
        pool: pool.name.clone(),
        driver,
        gpu: gpu.map(|gpu| gpu.name.clone()),
        verdict: answer.verdict,
        satisfied: answer.satisfied,
        reasons: answer.reasons,
        error,
        range: None,
        open_end: false,
    }
}

fn over_set(program: &Program, pool: &Pool, set: &DriverSet, gpu: Option<&Gpu>, tables: &Tables) -> Cell {
    let over = judge_over(&program.question(HostDriver::L4t(""), gpu), set, tables);
    let answer = over.deciding().map_or_else(nothing, |cell| cell.answer.clone());
    let several = set.points().len() > 1;
    let mut cell = of_answer(pool, Some(set.to_string()), gpu, answer, tables);
    cell.satisfied = over.satisfied();
    cell.open_end = set.open_end();
    cell.range = several.then_some(over);
    cell
}

fn nothing() -> Answer {
    Answer { verdict: Verdict::Unknown, satisfied: None, reasons: Vec::new() }
}

/// Without a driver: the least known driver that runs it is all that can be said, save where what fails is no driver's
/// fault (no code for the GPU, a GPU that the newest drivers do not drive any more).
fn over_any(
    program: &Program,
    pool: &Pool,
    gpu: Option<&Gpu>,
    tables: &Tables,
) -> Result<(Cell, Option<DriverVersion>), Stop> {
    let oldest = tables.drivers().oldest().map_or_else(|| "0".to_owned(), |row| row.branch.to_string());
    let spec = DriverSpec::parse(&format!(">={oldest}"), tables)
        .map_err(|why| Stop::usage(why.to_string(), None))?;
    let Some(set) = spec.drivers() else { return Ok((of_answer(pool, None, gpu, nothing(), tables), None)) };
    let over = judge_over(&program.question(HostDriver::L4t(""), gpu), set, tables);
    let runs = over.cells.iter().find(|cell| cell.answer.satisfied == Some(true));
    let least = runs.map(|cell| cell.first.clone());
    let newest = over.cells.last().map_or_else(nothing, |cell| cell.answer.clone());
    let hopeless = newest.verdict == Verdict::NoKernelImage
        || newest.deciding().is_some_and(|reason| reason.kind == ReasonKind::GpuDriven);
    if over.range.word == RangeWord::None && hopeless {
        let against = newest.reasons.into_iter().filter(|reason| reason.holds == Truth::No).collect();
        let answer = Answer { reasons: against, ..newest };
        return Ok((of_answer(pool, None, gpu, answer, tables), None));
    }
    let text = match &least {
        Some(least) => format!("no driver was given; of those known, {least} is the least that runs it"),
        None => "no driver was given, and none of those known is certain to run it".to_owned(),
    };
    let reason = Reason {
        kind: ReasonKind::NotInTables,
        holds: Truth::Unknown,
        text,
        row: None,
        source: Vec::new(),
        error: None,
    };
    Ok((of_answer(pool, None, gpu, Answer { reasons: vec![reason], ..nothing() }, tables), least))
}

/// The verdict in words, for people.
pub(super) fn verdict_words(verdict: Verdict, satisfied: Option<bool>) -> &'static str {
    match (verdict, satisfied) {
        (Verdict::OkMinorCompat, Some(true)) => "runs, by minor-version compatibility",
        (Verdict::NeedsForwardCompat, Some(true)) => "runs, by forward compatibility",
        (_, Some(true)) => "runs",
        (Verdict::NeedsForwardCompat, Some(false)) => "fails, it needs a compat package",
        (Verdict::PtxJitFails, Some(false)) => "fails, the driver cannot compile its PTX",
        (Verdict::NoKernelImage, Some(false)) => "fails, it has no code for this GPU",
        (_, Some(false)) => "fails",
        (Verdict::NeedsForwardCompat, None) => "unknown, it depends on forward compatibility",
        (_, None) => "unknown",
    }
}

fn paint(satisfied: Option<bool>) -> Paint {
    match satisfied {
        Some(true) => Paint::Good,
        Some(false) => Paint::Bad,
        None => Paint::Caution,
    }
}

/// What is asked about, in words.
fn subject(program: &Program, cell: &Cell) -> String {
    let mut text = match (&program.cuda, &program.code) {
        (Some(cuda), _) => format!("CUDA {cuda}"),
        (None, Some(_)) => "This device code".to_owned(),
        (None, None) => "This program".to_owned(),
    };
    match &cell.driver {
        Some(driver) => text.push_str(&format!(" on driver {driver}")),
        None => text.push_str(" on a driver that is not given"),
    }
    if let Some(gpu) = &cell.gpu {
        text.push_str(&format!(" with {gpu}"));
    }
    if let Some(package) = program.compat.as_ref().and_then(|library| library.package) {
        text.push_str(&format!(" and cuda-compat-{package}"));
    }
    text
}

fn write_human(
    whole: &Whole,
    program: &Program,
    tables: &Tables,
    screen: &Screen,
    out: &mut dyn Write,
) -> io::Result<()> {
    for (at, cell) in whole.cells.iter().enumerate() {
        if at > 0 && !screen.quiet {
            writeln!(out)?;
        }
        write_headline(cell, program, screen, out)?;
        if screen.quiet {
            continue;
        }
        if let Some(range) = &cell.range {
            write_runs(range, screen, out)?;
        }
        for reason in &cell.reasons {
            write_reason(reason, screen, out)?;
        }
        if let Some(error) = &cell.error {
            let what = if cell.satisfied == Some(false) { "at run time" } else { "if it fails" };
            let name = error.name.as_deref().map(|name| format!(", {name}")).unwrap_or_default();
            let text = error.text.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
            let first = format!("  {}: ", Paint::Bold.on(what, screen));
            let line = format!("error {}{name}{text}", error.code);
            write_wrapped((&first, what.len().saturating_add(4)), 4, &line, screen, out)?;
        }
        if cell.open_end {
            let newest = tables.drivers().newest().map_or_else(String::new, |row| row.branch.to_string());
            let text = format!("drivers newer than branch {newest} are not known and not judged");
            write_wrapped(("  note: ", 8), 8, &text, screen, out)?;
        }
    }
    if let Some(least) = &whole.least_driver {
        writeln!(out, "  {} {least}", Paint::Bold.on("least driver:", screen))?;
    }
    if screen.quiet {
        return Ok(());
    }
    if !whole.cures.is_empty() {
        writeln!(out, "\n{}", Paint::Bold.on("What would help (each checked):", screen))?;
        for cure in &whole.cures {
            let pool = cure.pool.as_deref().map(|pool| format!("{pool}: ")).unwrap_or_default();
            write_wrapped(("  - ", 4), 4, &format!("{pool}{}", cure.text), screen, out)?;
        }
    }
    for note in &whole.notes {
        write_wrapped(("note: ", 6), 6, note, screen, out)?;
    }
    Ok(())
}

/// `CUDA 12.4.1 on driver 470 with A10: fails, it needs a compat package`.
fn write_headline(cell: &Cell, program: &Program, screen: &Screen, out: &mut dyn Write) -> io::Result<()> {
    let subject = visible(&subject(program, cell)).into_owned();
    let words = match cell.range.as_ref().map(|range| &range.range) {
        Some(range) if range.word == RangeWord::Some => match &range.from {
            // Where forward compatibility helps older branches, those between it and native support may fail.
            Some(from) if range.intervals.len() > 2 => {
                format!("runs from driver {from} on, and on some before")
            }
            Some(from) => format!("runs from driver {from} on, not before"),
            None => "runs on some of these drivers only".to_owned(),
        },
        _ => verdict_words(cell.verdict, cell.satisfied).to_owned(),
    };
    let pool = cell.pool.as_deref().map(|pool| format!("{}: ", visible(pool))).unwrap_or_default();
    write!(out, "{pool}{}: ", Paint::Bold.on(&subject, screen))?;
    writeln!(out, "{}", paint(cell.satisfied).on(&words, screen))
}

/// The runs of drivers with the same verdict, where there are several.
fn write_runs(range: &RangeAnswer, screen: &Screen, out: &mut dyn Write) -> io::Result<()> {
    if range.cells.len() < 2 {
        return Ok(());
    }
    for run in &range.cells {
        let drivers = if run.first == run.last {
            run.first.to_string()
        } else {
            format!("{} to {}", run.first, run.last)
        };
        let words = verdict_words(run.answer.verdict, run.answer.satisfied);
        writeln!(out, "  {drivers:<28} {}", paint(run.answer.satisfied).on(words, screen))?;
    }
    Ok(())
}

/// One step of a proof: whether it speaks for running, the statement, the table row and its sources.
fn write_reason(reason: &Reason, screen: &Screen, out: &mut dyn Write) -> io::Result<()> {
    let (glyph, paint) = match (reason.holds, screen.unicode) {
        (Truth::Yes, true) => ("✓", Paint::Good),
        (Truth::Yes, false) => ("+", Paint::Good),
        (Truth::No, true) => ("✗", Paint::Bad),
        (Truth::No, false) => ("-", Paint::Bad),
        (Truth::Unknown, _) => ("?", Paint::Caution),
    };
    let mut text = reason.text.clone();
    match (&reason.row, reason.source.as_slice()) {
        (None, []) => {}
        (Some(row), []) => text.push_str(&format!(" [{row}]")),
        (None, sources) => text.push_str(&format!(" [{}]", sources.join(", "))),
        (Some(row), sources) => text.push_str(&format!(" [{row}: {}]", sources.join(", "))),
    }
    let first = format!("  {} ", paint.on(glyph, screen));
    write_wrapped((&first, 4), 4, &text, screen, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        args: CompatArgs,
    }

    fn ask(line: &str) -> (u8, String) {
        let words = line.split_whitespace().map(|word| word.replace('~', " "));
        let args =
            Only::try_parse_from(["compat".to_owned(), "--isolated".to_owned()].into_iter().chain(words))
                .unwrap()
                .args;
        let mut out = Vec::new();
        match run(&args, &[], &Screen::PLAIN, &mut out) {
            Ok(status) => (status, String::from_utf8(out).unwrap()),
            Err(stop) => (2, stop.text()),
        }
    }

    #[test]
    fn the_answer_is_one_line_and_then_its_proof() {
        let (status, text) = ask("--cuda 13.0.2 --driver 535 --gpu a10");
        assert_eq!(status, 1);
        let mut lines = text.lines();
        assert_eq!(
            lines.next(),
            Some("CUDA 13.0.2 on driver 535 with A10: fails, it needs a compat package")
        );
        assert!(lines.next().unwrap().starts_with("  ✗ only the compat package"), "{text}");
        assert!(text.contains("at run time: error 35, cudaErrorInsufficientDriver"), "{text}");
        assert!(text.contains("update the driver to 580.65.06 or newer"), "{text}");
        assert!(text.contains("add the package cuda-compat-13-0 to the image"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn several_gpus_and_drivers_get_a_line_each() {
        let (status, text) = ask("--cuda 12.4 --driver 470..=550 --gpu a100,rtx4090");
        assert_eq!(status, 1, "{text}");
        let heads: Vec<&str> = text.lines().filter(|line| line.starts_with("CUDA")).collect();
        assert_eq!(
            heads,
            [
                "CUDA 12.4 on driver 470..=550 with A100: runs from driver 525.60.13 on, not before",
                "CUDA 12.4 on driver 470..=550 with GeForce RTX 4090: runs from driver 525.60.13 on, not before"
            ]
        );
        let (_, text) = ask("--cuda 13.0 --driver 535,545,580 --gpu a100 --compat-package 13-0");
        assert!(text.contains("runs from driver 580.65.06 on, and on some before"), "{text}");
        let (status, text) = ask("--cuda 12.4 --driver >=550");
        assert!(status == 0 && text.contains("are not known and not judged"), "{text}");
    }

    #[test]
    fn without_a_driver_the_least_is_said() {
        let (status, text) = ask("--cuda 12.4.1");
        assert_eq!(status, 0);
        assert!(text.starts_with("CUDA 12.4.1 on a driver that is not given: unknown"), "{text}");
        assert!(text.contains("least driver: 525.60.13"), "{text}");
        let (status, text) = ask("--sass 8.0 --gpu h100");
        assert!(status == 1 && text.contains("no code for this GPU"), "{text}");
    }

    #[test]
    fn bad_values_name_their_flag() {
        for (line, start) in [
            ("--cuda x --driver 525", "--cuda: "),
            ("--sass 8.x", "--sass: "),
            ("--ptx 9.0:x", "--ptx: "),
            ("--cuda 12.0 --compat-package q", "--compat-package: "),
            ("--cuda 12.0 --driver 525 --gpu nope9", "GPU `nope9`"),
            ("--cuda 12.0 --driver 525 --platform linux/s390x", "`linux/s390x` is no platform"),
        ] {
            let (status, text) = ask(line);
            assert!(status == 2 && text.starts_with(start), "{line}: {text}");
        }
        assert!(Only::try_parse_from(["compat", "--driver", "525"]).is_err());
    }
}
