//! The verdict engine on known pairs, sets and laws.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failing helper fails its test"
)]

use cudalint::compat::require::evaluate_drivers;
use cudalint::compat::tables::PackageVersion;
use cudalint::compat::verdict::{judge_over, matrix};
use cudalint::compat::{
    Answer, CompatLibrary, CudaVersion, DeviceCode, DriverBranch, DriverPoint, DriverSet, DriverSpec, Gpu,
    HostDriver, Ptx, Question, RangeWord, Tables, Verdict, judge, least_driver,
};

fn tables() -> &'static Tables {
    Tables::builtin()
}

fn cuda(text: &str) -> CudaVersion {
    text.parse().unwrap()
}

fn point(version: &str) -> DriverPoint {
    DriverPoint::new(version.parse().unwrap(), tables().drivers())
}

fn set(spec: &str) -> DriverSet {
    match DriverSpec::parse(spec, tables()).unwrap() {
        DriverSpec::Drivers(set) => set,
        other => panic!("{other:?}"),
    }
}

fn gpu(name: &str) -> Gpu {
    Gpu::parse(name, tables()).unwrap()
}

fn code(sass: &[&str], ptx: &[&str]) -> DeviceCode {
    DeviceCode {
        sass: sass.iter().map(|target| target.parse().unwrap()).collect(),
        ptx: ptx
            .iter()
            .map(|text| match text.split_once('/') {
                Some((target, isa)) => {
                    Ptx { target: target.parse().unwrap(), isa: Some(isa.parse().unwrap()) }
                }
                None => Ptx { target: text.parse().unwrap(), isa: None },
            })
            .collect(),
    }
}

/// `driver cuda gpu package sass ptx`, `-` for what is not given; the answer as `verdict satisfied error`.
fn ask(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = |index: usize| words.get(index).copied().filter(|word| *word != "-");
    let driver = point(word(0).unwrap());
    let gpu = word(2).map(gpu);
    let library = word(3).map(|text| {
        let (name, forced) = text.strip_suffix('!').map_or((text, false), |name| (name, true));
        CompatLibrary { forced, ..CompatLibrary::package(name.parse::<PackageVersion>().unwrap()) }
    });
    let list = |index: usize| word(index).map(|text| text.split(',').collect::<Vec<_>>()).unwrap_or_default();
    let code = code(&list(4), &list(5));
    let question = Question {
        cuda: word(1).map(cuda),
        code: Some(&code),
        compat: library.as_ref(),
        gpu: gpu.as_ref(),
        ..Question::new(HostDriver::Driver(&driver))
    };
    show(&judge(&question, tables()))
}

fn show(answer: &Answer) -> String {
    let satisfied = answer.satisfied.map_or("null".to_owned(), |satisfied| satisfied.to_string());
    let error = answer.error().map_or("-".to_owned(), |code| code.to_string());
    format!("{} {satisfied} {error}", answer.verdict.as_str())
}

#[test]
fn known_pairs() {
    for (line, expected) in [
        // backward
        ("550.54.14 12.4.1 a100", "ok true -"),
        ("580.65.06 11.8 a100", "ok true -"),
        ("620.70.06 9.0 t4", "ok true -"),
        ("535.54.03 8.0 t4", "ok true -"),
        ("525.60.11 12.0 a100", "ok true -"),
        // minor-version
        ("525.60.13 12.9.1 a100", "ok-minor-compat true -"),
        ("450.80.02 11.8.0 a100", "ok-minor-compat true -"),
        ("580.65.06 13.5.0 a100", "ok-minor-compat true -"),
        ("535.54.03 12.7 a100", "ok-minor-compat true -"),
        // below the floor by one release, also of the developer series, whatever their age
        ("525.60.11 12.4 a100", "fails false 35"),
        ("525.47.35 12.4 a100", "fails false 35"),
        ("450.66 11.8 a100", "fails false 35"),
        ("520.61.05 12.0 a100", "fails false 35"),
        // before 11 the toolkit's own driver
        ("440.33 10.2 t4", "ok true -"),
        ("440.31 10.2 t4", "fails false 35"),
        ("418.39 10.1.243 v100", "ok true -"),
        ("396.26 9.2.148 v100", "ok true -"),
        ("387.26 9.1 v100", "ok true -"),
        ("384.81 9.1 v100", "fails false 35"),
        ("430.64 10.1 t4", "ok true -"),
        ("430.64 10.2 t4", "fails false 35"),
        // GPUs that a branch does not drive yet, or no longer
        ("590.44.01 12.4 v100", "fails false 100"),
        ("580.65.06 12.4 v100", "ok true -"),
        ("495.44 11.5 k80", "fails false 100"),
        ("510.47.03 11.6 h100", "fails false 100"),
        ("550.54.14 12.4 b200", "fails false 100"),
        ("550.54.14 12.4 orin", "fails false 100"),
        ("580.65.06 13.0 thor", "ok true -"),
        // forward compatibility
        ("535.104.05 13.0 a100", "needs-forward-compat false 35"),
        ("535.104.05 13.0.2 a100 13-0", "needs-forward-compat true -"),
        ("535.104.05 13.0 a100 13-4", "needs-forward-compat true -"),
        ("535.104.05 13.0 - 13-0", "needs-forward-compat null 804"),
        ("535.104.05 13.0 8.0 13-0", "needs-forward-compat null 804"),
        ("535.104.05 13.0 rtx4090 13-0", "fails false 804"),
        ("535.104.05 13.0 rtx4090", "fails false 35"),
        ("535.104.05 13.0 rtx-a6000 13-0", "fails false 804"),
        ("470.256.02 12.4 a10", "fails false 35"),
        // The branch has ended; the package was made for it, and nothing in it refuses.
        ("470.256.02 12.4 a10 12-4", "needs-forward-compat true -"),
        ("470.256.02 12.4 rtx3090 12-4", "fails false 804"),
        ("470.256.02 13.0 a10 13-0", "fails false 803"),
        ("535.104.05 13.0 a100 12-9", "fails false 35"),
        ("535.104.05 13.5 a100 13-5", "unknown null -"),
        ("535.104.05 13.4 a100 13-0", "unknown null -"),
        // a library that is not needed
        ("535.104.05 12.4 rtx3090 12-4", "ok-minor-compat true -"),
        ("570.124.06 12.4 a100 12-4", "ok true -"),
        ("570.124.06 12.4 a100 12-4!", "fails false 803"),
        ("535.104.05 12.4 rtx3090 12-4!", "fails false 804"),
        // newer than the tables
        ("630.10 12.4 a100", "unknown null -"),
        ("580.65.06 13.9 a100", "unknown null -"),
        ("580.65.06 14.0 a100", "unknown null -"),
        ("300.10 12.4 a100", "unknown null -"),
    ] {
        assert_eq!(ask(line), expected, "{line}");
    }
}

#[test]
fn device_code() {
    for (line, expected) in [
        ("550.54.14 12.4 a100 - 8.0", "ok true -"),
        ("550.54.14 12.4 rtx3090 - 8.0", "ok true -"),
        ("550.54.14 12.4 a100 - 8.6", "no-kernel-image false 209"),
        ("550.54.14 12.4 h100 - 8.0,8.6,8.9", "no-kernel-image false 209"),
        ("550.54.14 12.4 h100 - 9.0a", "ok true -"),
        ("570.124.06 12.8 b200 - 9.0a", "no-kernel-image false 209"),
        ("570.124.06 12.8 b200 - 9.0 9.0a", "no-kernel-image false 209"),
        ("580.65.06 12.9 b300 - 10.0f", "ok true -"),
        ("580.65.06 12.9 rtx5090 - 10.0f", "no-kernel-image false 209"),
        ("580.65.06 12.9 b200 - 10.3f", "no-kernel-image false 209"),
        ("580.65.06 13.0 dgx-spark - 12.0f", "ok true -"),
        // Tegra apart from desktop
        ("580.65.06 13.0 thor - 11.0", "ok true -"),
        ("580.65.06 13.0 thor - 10.1", "unknown null -"),
        ("580.65.06 13.0 thor - 10.0 10.1/8.8", "ok true -"),
        ("550.54.14 12.4 l4 - 8.7", "no-kernel-image false 209"),
        // PTX: minor-version compatibility does not cover it
        ("525.60.13 12.4 l4 - - 8.0", "ptx-jit-fails false 222"),
        ("525.60.13 12.4 l4 - 8.0 8.0", "ok-minor-compat true -"),
        ("525.60.13 12.4 l4 - - 8.0/7.8", "ok-minor-compat true -"),
        ("525.60.13 12.4 l4 - 7.5 8.0/8.4,7.5/8.0", "ok-minor-compat true -"),
        ("550.54.14 12.4 l4 - - 8.0", "ok true -"),
        ("550.54.14 12.4 a100 - - 8.6", "no-kernel-image false 209"),
        ("525.60.13 12.4 - - - 8.0", "ptx-jit-fails false 222"),
        ("525.60.13 12.4 - - 8.0 8.0", "ok-minor-compat true -"),
        ("525.60.13 - l4 - - 8.0", "unknown null -"),
        ("525.60.13 - l4 - 8.9", "ok true -"),
        // with a package its compiler reads the PTX
        ("535.104.05 13.0 a100 13-0 - 8.0", "needs-forward-compat true -"),
        ("535.104.05 12.4 a100 12-4 - 8.0", "ok-minor-compat true -"),
        ("535.104.05 12.4 a100 - - 8.0", "ptx-jit-fails false 222"),
        ("535.104.05 12.4 rtx3090 12-4 - 8.0", "ptx-jit-fails false 222"),
        // what fails on any driver is said though the driver is unknown
        ("630.10 12.4 h100 - 8.0", "no-kernel-image false 209"),
        ("630.10 12.4 h100 - 9.0", "unknown null -"),
    ] {
        assert_eq!(ask(line), expected, "{line}");
    }
}

#[test]
fn the_elf_note_decides_where_it_is_given() {
    let driver = point("550.54.14");
    let a100 = gpu("a100");
    let mut library = CompatLibrary {
        package: Some("13-1".parse().unwrap()),
        libcuda: Some("590.44.01".parse().unwrap()),
        note_drivers: Some(vec![DriverBranch(535), DriverBranch(550)]),
        forced: false,
    };
    let ask = |library: &CompatLibrary| {
        let question = Question {
            cuda: Some(cuda("13.1.0")),
            compat: Some(library),
            gpu: Some(&a100),
            ..Question::new(HostDriver::Driver(&driver))
        };
        show(&judge(&question, tables()))
    };
    assert_eq!(ask(&library), "needs-forward-compat true -");
    library.note_drivers = Some(vec![DriverBranch(535)]);
    assert_eq!(ask(&library), "fails false 35");
    // Without the input's own note, that of the same build is tabulated; of another build nothing but the matrix is known.
    library.note_drivers = None;
    assert_eq!(ask(&library), "needs-forward-compat true -");
    library.libcuda = Some("590.48.01".parse().unwrap());
    assert_eq!(ask(&library), "needs-forward-compat true -", "images of 13.1 accept branch 550");
    library.package = Some("13-4".parse().unwrap());
    library.libcuda = None;
    assert_eq!(
        ask(&library),
        "fails false 803",
        "the newest matrix has no column 550, nor do images name it"
    );
}

#[test]
fn stubs_and_jetson() {
    let driver = point("550.54.14");
    let stub = Question { stub_on_path: true, ..Question::new(HostDriver::Driver(&driver)) };
    assert_eq!(show(&judge(&stub, tables())), "fails false 34");
    let jetson = |release: &'static str, version: &str, name: Option<&str>| {
        let gpu = name.map(gpu);
        let question = Question {
            cuda: Some(cuda(version)),
            gpu: gpu.as_ref(),
            ..Question::new(HostDriver::L4t(release))
        };
        show(&judge(&question, tables()))
    };
    assert_eq!(jetson("36.4", "12.6.1", Some("orin")), "ok true -");
    assert_eq!(jetson("36.4.3", "11.4", Some("orin")), "ok true -");
    assert_eq!(jetson("36.3", "12.6", Some("orin")), "needs-forward-compat false 35");
    assert_eq!(jetson("35.2", "11.4", Some("xavier")), "ok true -");
    assert_eq!(jetson("35.2", "11.8", Some("xavier")), "fails false 35");
    assert_eq!(jetson("36.4", "12.6", Some("xavier")), "fails false -");
    assert_eq!(jetson("36.4", "12.6", Some("a100")), "fails false -");
    assert_eq!(jetson("38.2", "13.0", Some("thor")), "ok true -");
    assert_eq!(jetson("38.2", "13.0", Some("orin")), "fails false -");
    assert_eq!(jetson("39.0", "13.0", Some("thor")), "unknown null -");
}

#[test]
fn least_drivers() {
    for (version, least) in [
        ("12.4.1", Some("525.60.13")),
        ("12.0", Some("525.60.13")),
        ("11.8.0", Some("450.80.02")),
        ("11.0.3", Some("450.51.06")),
        ("13.5", Some("580.65.06")),
        ("10.2", Some("440.33")),
        ("9.2.148", Some("396.37")),
        ("13.9", None),
        ("14.0", None),
        ("8.0", None),
    ] {
        let found = least_driver(cuda(version), tables()).map(|driver| driver.to_string());
        assert_eq!(found.as_deref(), least, "{version}");
    }
}

#[test]
fn ranges() {
    let over = |version: &str, spec: &str| {
        let question = Question { cuda: Some(cuda(version)), ..Question::new(HostDriver::L4t("unused")) };
        let answer = judge_over(&question, &set(spec), tables());
        let from = answer.range.from.as_ref().map_or("-".to_owned(), ToString::to_string);
        format!("{} {from} {}", answer.range.word.as_str(), answer.verdict().as_str())
    };
    assert_eq!(over("12.4", "525"), "all - ok-minor-compat");
    assert_eq!(over("12.4", "525..=550"), "all - ok-minor-compat");
    assert_eq!(over("12.4", "470"), "none - fails");
    assert_eq!(over("12.4", "470,525"), "some 525.60.13 fails");
    assert_eq!(over("12.4", ">=525.60.11"), "some 525.60.13 fails");
    assert_eq!(over("12.4", "630"), "unknown - unknown");
    assert_eq!(over("12.4", "550, 630"), "unknown - unknown");
    assert_eq!(
        over("12.4", "470, 630"),
        "some - fails",
        "a driver that is known to fail is not hidden by an unknown one"
    );
    assert_eq!(over("13.0", "535, 580, 630"), "some - needs-forward-compat");
}

#[test]
fn requirements_over_sets() {
    let text = tables()
        .images()
        .require_for(cuda("12.4.1"), cudalint::compat::tables::Arch::Amd64, "ubuntu22.04")
        .unwrap();
    let over = |spec: &str, name: Option<&str>| {
        let gpu = name.map(gpu);
        evaluate_drivers(&[&text], &set(spec), gpu.as_ref(), tables()).range.word
    };
    assert_eq!(over("535", Some("l4")), RangeWord::All);
    assert_eq!(over("545", Some("l4")), RangeWord::None);
    assert_eq!(over("535", Some("rtx3090")), RangeWord::All, "geforce is listed in 12.4");
    assert_eq!(over("545", None), RangeWord::None, "no brand helps");
    assert_eq!(over("535", None), RangeWord::Unknown, "grid and others are not listed");
    assert_eq!(over("550..=580", None), RangeWord::All);
    assert_eq!(over("525..=550", Some("l4")), RangeWord::Some);
    assert_eq!(
        over("630", Some("l4")),
        RangeWord::All,
        "a newer driver reports at least what the newest known reports"
    );
}

#[test]
fn a_matrix_has_a_row_per_branch_and_a_column_per_gpu() {
    let code = code(&["8.0", "9.0"], &[]);
    let question =
        Question { cuda: Some(cuda("12.4")), code: Some(&code), ..Question::new(HostDriver::L4t("unused")) };
    let gpus = [gpu("a100"), gpu("h100"), gpu("v100")];
    let drawn = matrix(&question, &set("470, 525..=545, 590"), &gpus, tables());
    let shown: Vec<String> = drawn
        .rows
        .iter()
        .map(|row| {
            let words: Vec<&str> = row.answers.iter().map(|answer| answer.verdict().as_str()).collect();
            format!("{} {}", row.branch, words.join(" "))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "470 fails fails fails",
            "525 ok-minor-compat ok-minor-compat no-kernel-image",
            "530 ok-minor-compat ok-minor-compat no-kernel-image",
            "535 ok-minor-compat ok-minor-compat no-kernel-image",
            "545 ok-minor-compat ok-minor-compat no-kernel-image",
            "590 ok ok fails",
        ]
    );
    assert_eq!(matrix(&question, &set("535"), &[], tables()).gpus, [None]);
}

#[test]
fn every_known_release_runs_the_cuda_version_it_reports() {
    for row in tables().drivers().all() {
        let Some(reported) = row.cuda_max.filter(|reported| reported.major >= 11) else { continue };
        for release in &row.releases {
            let driver = DriverPoint::new(release.version.clone(), tables().drivers());
            let question = Question { cuda: Some(reported), ..Question::new(HostDriver::Driver(&driver)) };
            assert_eq!(judge(&question, tables()).verdict, Verdict::Ok, "{}", release.version);
        }
    }
}
