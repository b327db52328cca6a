//! The engine against evaluators written anew (brute force over every release in the raw tables), and laws it must keep.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failing helper fails its test"
)]

use std::collections::BTreeMap;

use cudalint::compat::require::{GpuFacts, HostFacts, Verdict as Required, evaluate, evaluate_drivers};
use cudalint::compat::verdict::judge_over;
use cudalint::compat::{
    CudaVersion, DeviceCode, DriverPoint, DriverSet, DriverSpec, DriverVersion, Gpu, HostDriver, Ptx,
    Question, SmTarget, Tables, Truth, judge,
};
use proptest::prelude::*;

fn tables() -> &'static Tables {
    Tables::builtin()
}

fn set(spec: &str) -> DriverSet {
    DriverSpec::parse(spec, tables()).unwrap().drivers().unwrap().clone()
}

/// Numbers of a version, zeros at the end left out.
fn numbers(text: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> =
        text.split('.').filter(|part| !part.is_empty()).map(|part| part.parse().unwrap()).collect();
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    numbers
}

// ---- the raw tables, read without the engine's types

struct Raw {
    /// Branch to reported CUDA version, and all its releases.
    branches: BTreeMap<i64, (Option<Vec<u64>>, Vec<String>)>,
    /// CUDA major to the floor of its family.
    floors: BTreeMap<u64, Vec<u64>>,
    /// CUDA minor version to the least driver that a toolkit before 11 lists.
    own: BTreeMap<Vec<u64>, Vec<u64>>,
    /// Capability to first and last branch, for desktop parts.
    driven: BTreeMap<String, (i64, Option<i64>)>,
}

static RAW: std::sync::LazyLock<Raw> = std::sync::LazyLock::new(read_raw);

fn raw() -> &'static Raw {
    &RAW
}

fn read_raw() -> Raw {
    let parse = |text: &str| text.parse::<toml::Table>().unwrap();
    let drivers = parse(include_str!("../rules/data/drivers.toml"));
    let toolkits = parse(include_str!("../rules/data/toolkits.toml"));
    let gpus = parse(include_str!("../rules/data/gpus.toml"));
    let rows = |table: &toml::Table, name: &str| table[name].as_array().unwrap().clone();
    let mut branches = BTreeMap::new();
    for row in rows(&drivers, "branch") {
        let cuda = row.get("cuda_max").map(|cuda| numbers_of_minor(cuda.as_str().unwrap()));
        let releases = row.get("releases").map_or_else(Vec::new, |releases| {
            releases
                .as_array()
                .unwrap()
                .iter()
                .map(|release| release[0].as_str().unwrap().to_owned())
                .collect()
        });
        branches.insert(row["branch"].as_integer().unwrap(), (cuda, releases));
    }
    let mut floors = BTreeMap::new();
    for row in rows(&toolkits, "family") {
        let major = u64::try_from(row["major"].as_integer().unwrap()).unwrap();
        floors.insert(major, numbers(row["minor_compat_min_driver"].as_str().unwrap()));
    }
    let mut own: BTreeMap<Vec<u64>, Vec<u64>> = BTreeMap::new();
    for row in rows(&toolkits, "toolkit") {
        let minor = numbers_of_minor(row["version"].as_str().unwrap());
        if minor[0] <= 10 {
            let driver = numbers(row["toolkit_driver_linux"].as_str().unwrap());
            own.entry(minor).and_modify(|least| *least = driver.clone().min(least.clone())).or_insert(driver);
        }
    }
    let mut driven = BTreeMap::new();
    for row in rows(&gpus, "sm") {
        if let Some(first) = row.get("min_branch") {
            let last = row.get("last_branch").map(|last| last.as_integer().unwrap());
            driven.insert(row["cc"].as_str().unwrap().to_owned(), (first.as_integer().unwrap(), last));
        }
    }
    Raw { branches, floors, own, driven }
}

/// Major and minor, the minor kept although zero.
fn numbers_of_minor(text: &str) -> Vec<u64> {
    text.split('.').take(2).map(|part| part.parse().unwrap()).collect()
}

/// Whether a release runs a CUDA version on a GPU, by the rules in the heads of the tables; `None` = not known.
fn reference(raw: &Raw, release: &str, cuda: &[u64], cc: Option<&str>) -> Option<bool> {
    let branch = i64::try_from(numbers(release)[0]).unwrap();
    if let Some(cc) = cc {
        let (first, last) = raw.driven[cc];
        if branch < first || last.is_some_and(|last| branch > last) {
            return Some(false);
        }
    }
    let version = numbers(release);
    let (reported, _) = &raw.branches[&branch];
    if cuda[0] <= 10 {
        if version >= raw.own[cuda] {
            return Some(true);
        }
        // 9.1 was paired with 387.26 before it was paired with 390.46.
        return Some(cuda == [9, 1] && version >= numbers("387.26"));
    }
    if let Some(reported) = reported {
        if reported.as_slice() >= cuda {
            return Some(true);
        }
    } else {
        return Some(false);
    }
    Some(version >= raw.floors[&cuda[0]])
}

#[test]
fn every_release_and_toolkit_agrees_with_the_reference() {
    let raw = raw();
    let mut pairs = 0;
    let gpus: Vec<(Option<&str>, Option<Gpu>)> = std::iter::once((None, None))
        .chain(raw.driven.keys().map(|cc| (Some(cc.as_str()), Some(Gpu::parse(cc, tables()).unwrap()))))
        .collect();
    for (_, releases) in raw.branches.values() {
        for release in releases {
            let point = DriverPoint::new(release.parse().unwrap(), tables().drivers());
            for toolkit in tables().toolkits().all() {
                let cuda = [u64::from(toolkit.version.major), u64::from(toolkit.version.minor)];
                for (cc, gpu) in &gpus {
                    let question = Question {
                        cuda: Some(toolkit.version),
                        gpu: gpu.as_ref(),
                        ..Question::new(HostDriver::Driver(&point))
                    };
                    let found = judge(&question, tables()).satisfied;
                    assert_eq!(
                        found,
                        reference(raw, release, &cuda, *cc),
                        "{release} {} {cc:?}",
                        toolkit.version
                    );
                    pairs += 1;
                }
            }
        }
    }
    assert!(pairs > 300_000, "{pairs}");
}

#[test]
fn a_newer_driver_of_a_branch_never_loses_what_an_older_one_had() {
    let code = DeviceCode {
        sass: vec!["8.0".parse().unwrap()],
        ptx: vec![Ptx { target: "7.5".parse().unwrap(), isa: None }],
    };
    for branch in tables().drivers().all() {
        for toolkit in tables().toolkits().all() {
            for code in [None, Some(&code)] {
                for name in ["a100", "h100", "t4", "rtx3090", "v100"] {
                    let gpu = Gpu::parse(name, tables()).unwrap();
                    let mut held: Option<&DriverVersion> = None;
                    for release in &branch.releases {
                        let point = DriverPoint::new(release.version.clone(), tables().drivers());
                        let question = Question {
                            cuda: Some(toolkit.version),
                            code,
                            gpu: Some(&gpu),
                            ..Question::new(HostDriver::Driver(&point))
                        };
                        let satisfied = judge(&question, tables()).satisfied == Some(true);
                        assert!(
                            satisfied || held.is_none(),
                            "{} {} {name} after {held:?}",
                            release.version,
                            toolkit.version
                        );
                        if satisfied {
                            held = Some(&release.version);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_newer_branch_loses_only_what_the_table_of_gpus_says() {
    for toolkit in tables().toolkits().all() {
        for sm in tables().gpus().sms().iter().filter(|sm| sm.min_branch.is_some()) {
            let gpu = Gpu::of_capability(sm.cc, None);
            let mut held = false;
            for branch in tables().drivers().all() {
                for release in branch.production() {
                    let point = DriverPoint::new(release.version.clone(), tables().drivers());
                    let question = Question {
                        cuda: Some(toolkit.version),
                        gpu: Some(&gpu),
                        ..Question::new(HostDriver::Driver(&point))
                    };
                    let satisfied = judge(&question, tables()).satisfied == Some(true);
                    let dropped = sm.last_branch.is_some_and(|last| branch.branch > last);
                    assert!(
                        satisfied || !held || dropped,
                        "{} {} {}",
                        release.version,
                        toolkit.version,
                        sm.cc
                    );
                    held |= satisfied;
                }
            }
        }
    }
}

// ---- requirements

#[derive(Debug, Clone)]
struct RefTerm {
    name: String,
    operator: String,
    value: String,
}

fn ref_term(term: &RefTerm, driver: &str, cuda: &str, brand: &str, arch: &str) -> bool {
    let host = match term.name.to_lowercase().as_str() {
        "cuda" => cuda,
        "driver" => driver,
        "arch" => arch,
        _ => {
            let same = brand.to_lowercase() == term.value.to_lowercase();
            return same == (term.operator == "=");
        }
    };
    let (host, wanted) = (numbers(host), numbers(&term.value));
    match term.operator.as_str() {
        "=" => host == wanted,
        "!=" | "!" => host != wanted,
        "<" => host < wanted,
        "<=" => host <= wanted,
        ">" => host > wanted,
        _ => host >= wanted,
    }
}

fn term() -> impl Strategy<Value = RefTerm> {
    let any_case = |word: &'static str| prop::sample::select(vec![word.to_owned(), word.to_uppercase()]);
    let operator =
        || prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">=", "!"]).prop_map(str::to_owned);
    let cuda = prop::sample::select(vec!["12", "12.0", "12.2", "12.4.1", "11.8", "13.0", "12.", "012.04"]);
    let driver = prop::sample::select(vec![
        "470",
        "471",
        "525",
        "525.60.13",
        "526",
        "535",
        "535.104.05",
        "536",
        "550",
        "580.65.6",
    ]);
    let arch = prop::sample::select(vec!["7.0", "8", "8.0", "8.6", "9.0"]);
    let brand = prop::sample::select(vec!["tesla", "geforce", "Nvidia", "titan", "geforcertx"]);
    prop_oneof![
        (any_case("cuda"), operator(), cuda),
        (any_case("driver"), operator(), driver),
        (any_case("arch"), operator(), arch),
        (any_case("brand"), prop::sample::select(vec!["=", "!=", "!"]).prop_map(str::to_owned), brand),
    ]
    .prop_map(|(name, operator, value)| RefTerm { name, operator, value: value.to_owned() })
}

fn expression() -> impl Strategy<Value = Vec<Vec<RefTerm>>> {
    prop::collection::vec(prop::collection::vec(term(), 1..4), 1..5)
}

fn spelled(alternatives: &[Vec<RefTerm>]) -> String {
    let one = |terms: &Vec<RefTerm>| {
        terms
            .iter()
            .map(|term| format!("{}{}{}", term.name, term.operator, term.value))
            .collect::<Vec<_>>()
            .join(",")
    };
    alternatives.iter().map(one).collect::<Vec<_>>().join(" ")
}

const SPECS: [&str; 6] =
    ["470", "525..=550", ">=535.54.03", "450, 470, 580", "384..=450", "525.60.11, 525.47.35"];
const GPUS: [(&str, &[&str], &str); 4] = [
    ("a100", &["Tesla", "Nvidia"], "8.0"),
    ("rtx3090", &["GeForce"], "8.6"),
    ("titan-rtx", &["TITAN"], "7.5"),
    ("rtx-a6000", &["Quadro", "QuadroRTX", "NvidiaRTX", "Nvidia"], "8.6"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn requirements_over_sets_agree_with_brute_force(
        alternatives in expression(),
        spec in prop::sample::select(SPECS.to_vec()),
        (name, brands, arch) in prop::sample::select(GPUS.to_vec()),
    ) {
        let raw = raw();
        let text = spelled(&alternatives);
        let drivers = set(spec);
        let gpu = Gpu::parse(name, tables()).unwrap();
        let over = evaluate_drivers(&[&text], &drivers, Some(&gpu), tables());
        for point in drivers.points() {
            let version = point.version.to_string();
            let branch = i64::from(point.branch.0);
            let reported: Vec<String> = match &raw.branches[&branch].0 {
                Some(cuda) => vec![format!("{}.{}", cuda[0], cuda[1])],
                // 415: between 10.0 and 10.1; 430 and 435: between 10.1 and 10.2.
                None if branch < 418 => vec!["10.0".to_owned(), "10.1".to_owned()],
                None => vec!["10.1".to_owned(), "10.2".to_owned()],
            };
            let mut outcomes = Vec::new();
            for cuda in &reported {
                for brand in brands {
                    outcomes.push(alternatives.iter().any(|terms| terms.iter().all(|term| ref_term(term, &version, cuda, brand, arch))));
                }
            }
            let expected = match (outcomes.contains(&true), outcomes.contains(&false)) {
                (true, false) => Truth::Yes,
                (false, true) => Truth::No,
                _ => Truth::Unknown,
            };
            let interval = over.range.intervals.iter().find(|run| run.first <= point.version && point.version <= run.last).unwrap();
            prop_assert_eq!(interval.truth, expected, "{} on {}", text, version);
        }
        let covered: usize = over.range.intervals.iter().map(|run| run.releases).sum();
        prop_assert_eq!(covered, drivers.points().len());
        prop_assert!(over.range.intervals.windows(2).all(|pair| pair[0].truth != pair[1].truth && pair[0].last < pair[1].first));
    }

    #[test]
    fn requirement_text_never_panics_and_messages_quote_it(text in "(cuda|driver|arch|brand|x|é|,| |[<>=!]|[0-9.]|\t){0,24}") {
        let host = HostFacts {
            driver: Some("535.104.05".to_owned()),
            cuda: Some("12.2".to_owned()),
            gpus: vec![GpuFacts { brand: Some("Tesla".to_owned()), arch: Some("8.0".to_owned()) }],
        };
        let outcome = evaluate(&[&text], &host, tables());
        match outcome.verdict {
            Required::Satisfied => prop_assert_eq!(outcome.message, None),
            Required::Invalid => prop_assert_eq!(outcome.message.as_deref(), Some("invalid expression")),
            Required::Unsatisfied => {
                let quoted = text.split(' ').next().unwrap();
                let prefix = format!("unsatisfied condition: {quoted}");
                prop_assert!(outcome.message.unwrap().starts_with(&prefix));
            }
        }
        if let Some(deciding) = outcome.deciding {
            prop_assert_eq!(text.get(deciding.span.start..deciding.span.end), Some(deciding.text.as_str()));
        }
    }

    #[test]
    fn more_code_never_hurts(
        sass in prop::collection::vec(prop::sample::select(vec!["7.0", "7.5", "8.0", "8.6", "8.9", "9.0", "9.0a", "10.0f", "12.0"]), 0..4),
        more in prop::sample::select(vec!["7.5", "8.0", "8.6", "9.0", "10.0"]),
        ptx: bool,
        driver in prop::sample::select(vec!["525.60.13", "535.104.05", "550.54.14", "570.124.06", "580.65.06"]),
        name in prop::sample::select(vec!["t4", "a100", "l4", "h100", "b200", "rtx5090"]),
        minor in 0u16..10,
    ) {
        let gpu = Gpu::parse(name, tables()).unwrap();
        let point = DriverPoint::new(driver.parse().unwrap(), tables().drivers());
        let ask = |code: &DeviceCode| {
            let question = Question {
                cuda: Some(CudaVersion::new(12, minor)),
                code: Some(code),
                gpu: Some(&gpu),
                ..Question::new(HostDriver::Driver(&point))
            };
            judge(&question, tables()).satisfied
        };
        let code = DeviceCode { sass: sass.iter().map(|t| t.parse().unwrap()).collect(), ptx: Vec::new() };
        prop_assume!(!code.is_empty());
        let before = ask(&code);
        let target: SmTarget = more.parse().unwrap();
        let mut extended = code.clone();
        if ptx { extended.ptx.push(Ptx { target, isa: None }) } else { extended.sass.push(target) }
        if before == Some(true) {
            prop_assert_eq!(ask(&extended), Some(true));
        }
    }

    /// Intervals of a verdict say of each driver what the engine says of it alone.
    #[test]
    fn verdicts_over_sets_agree_with_single_ones(
        spec in prop::sample::select(SPECS.to_vec()),
        at in 0usize..74,
        name in prop::option::of(prop::sample::select(vec!["a100", "v100", "k80", "rtx3090", "h100"])),
    ) {
        let cuda = tables().toolkits().all()[at % tables().toolkits().all().len()].version;
        let drivers = set(spec);
        let gpu = name.map(|name| Gpu::parse(name, tables()).unwrap());
        let question = Question { cuda: Some(cuda), gpu: gpu.as_ref(), ..Question::new(HostDriver::L4t("")) };
        let over = judge_over(&question, &drivers, tables());
        let mut all = Vec::new();
        for point in drivers.points() {
            let alone = judge(&Question { driver: HostDriver::Driver(point), ..question }, tables());
            let cell = over.cells.iter().find(|cell| cell.first <= point.version && point.version <= cell.last).unwrap();
            prop_assert_eq!(cell.answer.verdict, alone.verdict);
            all.push(alone.satisfied);
        }
        let expected = if all.iter().all(|one| *one == Some(true)) {
            "all"
        } else if all.iter().all(|one| *one == Some(false)) {
            "none"
        } else if all.contains(&Some(false)) {
            "some"
        } else {
            "unknown"
        };
        prop_assert_eq!(over.range.word.as_str(), expected);
        if let Some(from) = &over.range.from {
            for (point, one) in drivers.points().iter().zip(&all) {
                if point.version >= *from {
                    prop_assert_eq!(*one, Some(true));
                }
            }
            let before = drivers.points().iter().zip(&all).rfind(|(point, _)| point.version < *from);
            prop_assert!(before.is_none_or(|(_, one)| *one != Some(true)));
        }
    }
}
