//! Driver branches against GPUs: which pairs run a program.

use serde::Serialize;

use super::compat::Program;
use crate::compat::require::{OverDrivers, evaluate_drivers};
use crate::compat::tables::{Branch, GpuClass};
use crate::compat::verdict::{RangeAnswer, Reason, ReasonKind, judge_over};
use crate::compat::{
    Answer, ComputeCapability, DeviceCode, DriverSet, DriverSpec, Gpu, HostDriver, RangeWord, Tables, Target,
    Truth, Verdict, judge,
};
use crate::diagnostics::Date;

/// What a matrix is drawn for: facts of an input.
#[derive(Debug, Clone)]
pub(super) struct MatrixInput {
    /// CUDA version and compat library.
    pub(super) program: Program,
    /// Device code with the file that it is in. A file need not be meant for every GPU: where only some have code for one,
    /// it cannot be told whether the program runs there.
    pub(super) codes: Vec<(String, DeviceCode)>,
    /// Values of the NVIDIA_REQUIRE_* variables that the host would check.
    pub(super) requirements: Vec<String>,
}

/// A drawn matrix.
#[derive(Debug, Serialize)]
pub(super) struct Grid {
    pub(super) schema: &'static str,
    /// Whether GPU code of the input was judged; without, the answers are about drivers alone.
    pub(super) device_code: bool,
    /// The columns; `null` stands for a GPU that was not given.
    pub(super) gpus: Vec<Option<String>>,
    /// The rows, least driver first, Jetson Linux last.
    pub(super) rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// Driver branch, or release of Jetson Linux as `l4t:36.4`.
    pub(super) driver: String,
    /// One per column; `null` where no pool of the target has both.
    pub(super) cells: Vec<Option<Cell>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Cell {
    pub(super) mark: Mark,
    pub(super) verdict: Verdict,
    pub(super) satisfied: Option<bool>,
    /// From which driver of the branch on it runs, where not all do.
    pub(super) from: Option<String>,
    pub(super) reasons: Vec<Reason>,
    /// What the runtime says when NVIDIA_REQUIRE_CUDA refuses drivers of the branch.
    pub(super) refused: Option<String>,
}

/// What a cell shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mark {
    Ok,
    Minor,
    Compat,
    Some,
    Refused,
    NeedsCompat,
    Driver,
    Gpu,
    Code,
    Ptx,
    Unknown,
}

impl Mark {
    fn of(verdict: Verdict, satisfied: Option<bool>, deciding: Option<&Reason>) -> Self {
        match (satisfied, verdict) {
            (Some(true), Verdict::OkMinorCompat) => Self::Minor,
            (Some(true), Verdict::NeedsForwardCompat) => Self::Compat,
            (Some(true), _) => Self::Ok,
            (None, _) => Self::Unknown,
            (Some(false), Verdict::NeedsForwardCompat) => Self::NeedsCompat,
            (Some(false), Verdict::PtxJitFails) => Self::Ptx,
            (Some(false), Verdict::NoKernelImage) => Self::Code,
            (Some(false), _) if deciding.is_some_and(|reason| reason.kind == ReasonKind::GpuDriven) => {
                Self::Gpu
            }
            (Some(false), _) => Self::Driver,
        }
    }
}

/// Judges every branch and GPU of a target. What the target does not name is taken from the tables: branches that are
/// maintained, and one GPU for each compute capability from 7.0 on.
pub(super) fn matrix(input: &MatrixInput, target: &Target, tables: &Tables, today: Date) -> Grid {
    let named = target.gpus();
    let with_drivers = target.pools().iter().any(|pool| pool.drivers.is_some() || pool.l4t.is_some());
    let jetson_only = target.pools().iter().all(|pool| pool.l4t.is_some()) && with_drivers;
    let columns: Vec<Option<Gpu>> = if !named.is_empty() {
        named.into_iter().cloned().map(Some).collect()
    } else if jetson_only {
        vec![None]
    } else {
        representatives(tables).into_iter().map(Some).collect()
    };
    let maintained = (!with_drivers).then(|| maintained(tables, today)).flatten();
    let drawer = Drawer { input, target, tables, maintained };
    let mut rows = Vec::new();
    let sets: Vec<DriverSet> = columns.iter().filter_map(|gpu| drawer.drivers_of(gpu.as_ref())).collect();
    let mut branches: Vec<_> = sets.iter().flat_map(DriverSet::branches).collect();
    branches.sort();
    branches.dedup();
    for branch in branches {
        let cells = columns.iter().map(|gpu| {
            let set = drawer.drivers_of(gpu.as_ref())?.branch(branch);
            (!set.points().is_empty()).then(|| drawer.over_set(&set, gpu.as_ref()))
        });
        rows.push(Row { driver: branch.to_string(), cells: cells.collect() });
    }
    let mut releases: Vec<&str> = target.pools().iter().filter_map(|pool| pool.l4t.as_deref()).collect();
    releases.sort_unstable();
    releases.dedup();
    for release in releases {
        let cells = columns
            .iter()
            .map(|gpu| drawer.has(gpu.as_ref(), release).then(|| drawer.on_l4t(release, gpu.as_ref())));
        rows.push(Row { driver: format!("l4t:{release}"), cells: cells.collect() });
    }
    let gpus = columns.iter().map(|gpu| gpu.as_ref().map(|gpu| gpu.name.clone())).collect();
    Grid { schema: "cudalint/1", device_code: !input.codes.is_empty(), gpus, rows }
}

struct Drawer<'a> {
    input: &'a MatrixInput,
    target: &'a Target,
    tables: &'a Tables,
    /// The drivers to take where the target names none.
    maintained: Option<DriverSet>,
}

impl Drawer<'_> {
    /// The drivers of the pools that have a GPU (a pool without GPUs may have any).
    fn drivers_of(&self, gpu: Option<&Gpu>) -> Option<DriverSet> {
        let has = |gpus: &[Gpu]| gpus.is_empty() || gpu.is_none_or(|gpu| gpus.contains(gpu));
        let pools = self.target.with_drivers().filter(|(pool, _)| has(&pool.gpus));
        let of_pools = pools.map(|(_, set)| set.clone()).reduce(|all, set| all.union(&set));
        of_pools.or_else(|| self.maintained.clone())
    }

    fn has(&self, gpu: Option<&Gpu>, release: &str) -> bool {
        let mut pools = self.target.pools().iter().filter(|pool| pool.l4t.as_deref() == Some(release));
        pools.any(|pool| pool.gpus.is_empty() || gpu.is_none_or(|gpu| pool.gpus.contains(gpu)))
    }

    /// Judges the program with each piece of its device code; where they differ because of the code, one that runs is taken
    /// and the file of one that does not is named.
    fn over_code<T>(&self, judged: &dyn Fn(&Program) -> T, works: &dyn Fn(&T) -> bool) -> (T, Option<&str>) {
        let mut runs = None;
        let mut fails = None;
        for (file, code) in &self.input.codes {
            let program = Program { code: Some(code.clone()), ..self.input.program.clone() };
            let one = judged(&program);
            if works(&one) {
                runs = runs.or(Some(one));
            } else {
                fails = fails.or(Some((one, file.as_str())));
            }
        }
        match (runs, fails) {
            (Some(one), None) | (None, Some((one, _))) => (one, None),
            (Some(one), Some((_, file))) => (one, Some(file)),
            (None, None) => (judged(&self.input.program), None),
        }
    }

    fn over_set(&self, set: &DriverSet, gpu: Option<&Gpu>) -> Cell {
        let judged =
            |program: &Program| judge_over(&program.question(HostDriver::L4t(""), gpu), set, self.tables);
        let (over, without) = self.over_code(&judged, &|over| over.range.word != RangeWord::None);
        let answer = over.deciding().map(|cell| cell.answer.clone());
        let (verdict, satisfied) = (over.verdict(), over.satisfied());
        let mut mark = Mark::of(verdict, satisfied, answer.as_ref().and_then(Answer::deciding));
        if over.range.word == RangeWord::Some {
            mark = Mark::Some;
        }
        let refused = self.refused(set, gpu, &over);
        if refused.is_some() && matches!(mark, Mark::Ok | Mark::Minor | Mark::Compat | Mark::Some) {
            mark = Mark::Refused;
        }
        let from = over.range.from.as_ref().map(ToString::to_string);
        let reasons = answer.map(|answer| answer.reasons).unwrap_or_default();
        doubted(Cell { mark, verdict, satisfied, from, reasons, refused }, without, gpu)
    }

    /// What the runtime says of the least driver that it refuses although CUDA would run.
    fn refused(&self, set: &DriverSet, gpu: Option<&Gpu>, over: &RangeAnswer) -> Option<String> {
        let checked = self.target.host().checks_requirements() && !self.input.requirements.is_empty();
        if !checked || over.range.word == RangeWord::None {
            return None;
        }
        let OverDrivers { range, refused } =
            evaluate_drivers(&self.input.requirements, set, gpu, self.tables);
        if range.word != RangeWord::None && range.word != RangeWord::Some {
            return None;
        }
        let (point, over) = refused?;
        let message = over.example.message.unwrap_or_default();
        Some(format!("driver {}: {}", point.version, first_words(message)))
    }

    fn on_l4t(&self, release: &str, gpu: Option<&Gpu>) -> Cell {
        let judged = |program: &Program| judge(&program.question(HostDriver::L4t(release), gpu), self.tables);
        let (answer, without) = self.over_code(&judged, &|answer| answer.satisfied != Some(false));
        let mark = Mark::of(answer.verdict, answer.satisfied, answer.deciding());
        let (verdict, satisfied) = (answer.verdict, answer.satisfied);
        doubted(
            Cell { mark, verdict, satisfied, from: None, reasons: answer.reasons, refused: None },
            without,
            gpu,
        )
    }
}

/// A cell where one file has no code for the GPU and another has.
fn doubted(mut cell: Cell, without: Option<&str>, gpu: Option<&Gpu>) -> Cell {
    let Some(file) = without else { return cell };
    let name = gpu.map_or("the GPU", |gpu| gpu.name.as_str());
    let text = format!(
        "{file} has no code that runs on {name} with this driver, other files have; whether it is needed there is not known"
    );
    let reason = Reason {
        kind: ReasonKind::Sass,
        holds: Truth::Unknown,
        text,
        row: None,
        source: Vec::new(),
        error: Some(209),
    };
    cell.reasons.insert(0, reason);
    if cell.mark != Mark::Refused {
        cell.mark = Mark::Unknown;
    }
    (cell.verdict, cell.satisfied) = (Verdict::Unknown, None);
    cell
}

/// A message, or the beginning of a long one: images name dozens of alternatives.
fn first_words(message: String) -> String {
    const MOST: usize = 120;
    match message.char_indices().nth(MOST) {
        None => message,
        Some(_) => message.chars().take(MOST.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The branches that are maintained on a day: those whose end of life is not over, and of those without an announced end
/// the ones that had a release within two years before the tables' date.
fn maintained(tables: &Tables, today: Date) -> Option<DriverSet> {
    let as_of = tables.as_of();
    let alive = |row: &&Branch| match row.eol {
        Some(eol) => !eol.is_over(today),
        None => {
            let last = row.releases.iter().filter_map(|release| release.date).max();
            matches!((last, as_of), (Some(last), Some(as_of)) if as_of.months_since(last) <= 24)
        }
    };
    let spec: Vec<String> =
        tables.drivers().all().iter().filter(alive).map(|row| row.branch.to_string()).collect();
    DriverSpec::parse(&spec.join(","), tables).ok()?.drivers().cloned()
}

/// GPUs that people know, where a compute capability has several.
const WELL_KNOWN: [&str; 9] =
    ["v100", "t4", "a100", "a10", "l4", "h100", "b200", "b300", "rtx-pro-6000-server"];

/// One desktop or data-centre GPU for each compute capability from 7.0 on, least first.
fn representatives(tables: &Tables) -> Vec<Gpu> {
    let known: Vec<Gpu> = WELL_KNOWN.iter().filter_map(|name| Gpu::parse(name, tables).ok()).collect();
    let models = tables.gpus().models();
    let capabilities =
        tables.gpus().sms().iter().filter(|row| !row.tegra && row.cc >= ComputeCapability::new(7, 0));
    let of = |cc: ComputeCapability| {
        let data_centre = models.iter().find(|model| model.cc == cc && model.class == GpuClass::Datacenter);
        let any = data_centre.or_else(|| models.iter().find(|model| model.cc == cc));
        let known = known.iter().find(|gpu| gpu.cc == cc).cloned();
        known.or_else(|| any.map(Gpu::of_model)).unwrap_or_else(|| Gpu::of_capability(cc, None))
    };
    capabilities.map(|row| of(row.cc)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::matrix_drawn::{marks, write_matrix};
    use super::super::output::Screen;
    use super::*;
    use crate::compat::{CompatLibrary, GpuList, HostProfile, Pool, Ptx};

    fn tables() -> &'static Tables {
        Tables::builtin()
    }

    fn input(cuda: &str, requirements: &[&str]) -> MatrixInput {
        let program = Program { cuda: Some(cuda.parse().unwrap()), code: None, compat: None };
        let requirements = requirements.iter().map(|text| (*text).to_owned()).collect();
        MatrixInput { program, codes: Vec::new(), requirements }
    }

    fn pool(driver: &str, gpus: &str) -> Pool {
        let drivers = DriverSpec::parse(driver, tables()).unwrap().drivers().cloned();
        let gpus = if gpus.is_empty() { Vec::new() } else { GpuList::parse(gpus, tables()).unwrap().0 };
        Pool { drivers, gpus, ..Pool::default() }
    }

    fn target(pools: Vec<Pool>) -> Target {
        Target::new(pools, HostProfile::Docker, "amd64")
    }

    fn drawn(grid: &Grid, reasons: bool, screen: &Screen) -> String {
        let mut out = Vec::new();
        write_matrix(grid, reasons, screen, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn day() -> Date {
        "2026-11-25".parse().unwrap()
    }

    #[test]
    fn a_small_grid() {
        let target = target(vec![pool("470,535,550", "v100,rtx3090,h100")]);
        let grid = matrix(
            &input("12.4", &["cuda>=12.4 brand=tesla,driver>=470,driver<471"]),
            &target,
            tables(),
            day(),
        );
        assert_eq!(
            drawn(&grid, false, &Screen::PLAIN),
            "driver  V100       RTX 3090   H100\n\
             470     ✗ driver   ✗ driver   ✗ gpu\n\
             535     ! refused  ! refused  ! refused\n\
             550     ✓ ok       ✓ ok       ✓ ok\n\
             \n\
             ✓ ok       runs\n\
             ! refused  would run, but NVIDIA_REQUIRE_CUDA refuses the driver\n\
             ✗ driver   the driver is too old for the CUDA version\n\
             ✗ gpu      the branch does not drive the GPU\n\
             \n\
             No GPU code was found to judge; whether the image has any for these GPUs is not\n\
             known.\n"
        );
        let text = drawn(&grid, true, &Screen { unicode: false, ..Screen::PLAIN });
        assert!(text.contains("470     x driver"), "{text}");
        assert!(text.contains("NVIDIA_REQUIRE_CUDA refuses driver 535"), "{text}");
        let cdi = Target::new(target.pools().to_vec(), HostProfile::Cdi, "amd64");
        let grid = matrix(&input("12.4", &["cuda>=12.4"]), &cdi, tables(), day());
        assert!(!drawn(&grid, false, &Screen::PLAIN).contains("refused"), "nobody checks there");
    }

    #[test]
    fn without_a_target_maintained_branches_and_one_gpu_each() {
        let grid = matrix(&input("12.4", &[]), &Target::default(), tables(), day());
        let drivers: Vec<&str> = grid.rows.iter().map(|row| row.driver.as_str()).collect();
        assert!(drivers.contains(&"580") && drivers.contains(&"620"), "{drivers:?}");
        assert!(
            !drivers.contains(&"470") && !drivers.contains(&"535") && !drivers.contains(&"610"),
            "{drivers:?}"
        );
        let gpus: Vec<&str> = grid.gpus.iter().flatten().map(String::as_str).collect();
        for name in ["Tesla V100", "Tesla T4", "A100", "L4", "H100"] {
            assert!(gpus.contains(&name), "{name}: {gpus:?}");
        }
        let text = drawn(&grid, true, &Screen::PLAIN);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.matches("driver  ").count() > 1, "columns are wrapped into blocks: {text}");
    }

    #[test]
    fn pools_keep_apart_what_they_do_not_have_together() {
        let orin = Pool {
            l4t: Some("36.4".to_owned()),
            gpus: GpuList::parse("8.7", tables()).unwrap().0,
            ..Pool::default()
        };
        let target = target(vec![pool("470", "v100"), pool("550", "h100"), orin]);
        let text = drawn(&matrix(&input("12.4", &[]), &target, tables(), day()), false, &Screen::PLAIN);
        assert!(text.contains("470       ✗ driver   ·"), "{text}");
        assert!(text.contains("550       ·          ✓ ok       ·"), "{text}");
        assert!(text.contains("l4t:36.4  ·          ·          ✓ ok"), "{text}");
        assert!(text.contains("no pool of the target has both"), "{text}");
    }

    #[test]
    fn every_kind_of_failure_has_its_mark() {
        let marks_of = |driver: &str, gpu: &str, input: MatrixInput| {
            marks(&matrix(&input, &target(vec![pool(driver, gpu)]), tables(), day()))
        };
        let code = |sass: &[&str], ptx: &[&str]| DeviceCode {
            sass: sass.iter().map(|text| text.parse().unwrap()).collect(),
            ptx: ptx.iter().map(|text| Ptx { target: text.parse().unwrap(), isa: None }).collect(),
        };
        let with = |cuda: &str, code: DeviceCode| {
            let mut input = input(cuda, &[]);
            input.codes = vec![("a.so".to_owned(), code)];
            input
        };
        assert_eq!(marks_of("550", "h100", with("12.4", code(&["8.0"], &[]))), [Mark::Code]);
        assert_eq!(marks_of("525", "h100", with("12.4", code(&[], &["8.0"]))), [Mark::Ptx]);
        let mut two = with("12.4", code(&["8.0"], &[]));
        two.codes.push(("b.so".to_owned(), code(&["9.0"], &[])));
        let grid = matrix(&two, &target(vec![pool("550", "h100")]), tables(), day());
        assert_eq!(marks(&grid), [Mark::Unknown]);
        assert!(drawn(&grid, true, &Screen::PLAIN).contains("a.so has no code"), "the file is named");
        assert_eq!(marks_of("525", "a100", input("12.4", &[])), [Mark::Minor]);
        assert_eq!(marks_of("535", "a100", input("13.0", &[])), [Mark::NeedsCompat]);
        let mut packaged = input("13.0", &[]);
        packaged.program.compat = Some(CompatLibrary::package("13-0".parse().unwrap()));
        assert_eq!(marks_of("535", "a100", packaged), [Mark::Compat]);
        assert_eq!(marks_of("999", "a100", input("13.0", &[])), [Mark::Unknown]);
        assert_eq!(marks_of("525.53,525.60.13", "a100", input("12.4", &[])), [Mark::Some]);
    }

    #[test]
    fn json_keeps_the_reasons() {
        let grid = matrix(&input("13.0", &[]), &target(vec![pool("535", "a100")]), tables(), day());
        let json = serde_json::to_value(&grid).unwrap();
        let cell = &json["rows"][0]["cells"][0];
        assert_eq!((json["schema"].as_str(), json["gpus"][0].as_str()), (Some("cudalint/1"), Some("A100")));
        assert_eq!(
            (cell["mark"].as_str(), cell["verdict"].as_str(), cell["satisfied"].as_bool()),
            (Some("needs-compat"), Some("needs-forward-compat"), Some(false))
        );
        assert!(!cell["reasons"].as_array().unwrap().is_empty());
    }

    #[test]
    fn colours_do_not_move_columns() {
        let grid = matrix(&input("12.4", &[]), &target(vec![pool("470,550", "v100,h100")]), tables(), day());
        let plain = drawn(&grid, false, &Screen::PLAIN);
        let mut coloured = drawn(&grid, false, &Screen { color: true, ..Screen::PLAIN });
        for code in ["\u{1b}[1;31m", "\u{1b}[1;32m", "\u{1b}[1;33m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m"] {
            coloured = coloured.replace(code, "");
        }
        assert_eq!(plain, coloured);
    }
}
