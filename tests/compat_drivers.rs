//! Versions, driver specifications and GPU names as people write them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failing helper fails its test"
)]

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use cudalint::compat::{
    ComputeCapability, CudaVersion, CudnnVersion, DriverBranch, DriverSet, DriverSpec, DriverVersion, Gpu,
    GpuList, PtxIsa, SmTarget, Tables,
};
use proptest::prelude::*;

fn tables() -> &'static Tables {
    Tables::builtin()
}

fn set(spec: &str) -> DriverSet {
    match DriverSpec::parse(spec, tables()) {
        Ok(DriverSpec::Drivers(set)) => set,
        other => panic!("{spec}: {other:?}"),
    }
}

fn versions(spec: &str) -> Vec<String> {
    set(spec).points().iter().map(|point| point.version.to_string()).collect()
}

fn problem(spec: &str) -> (String, String) {
    let error = DriverSpec::parse(spec, tables()).unwrap_err();
    let place = spec.get(error.span.start..error.span.end).unwrap().to_owned();
    (error.to_string(), place)
}

#[test]
fn branches_stand_for_their_production_releases() {
    let releases = versions("525");
    assert_eq!(releases.first().map(String::as_str), Some("525.60.13"));
    assert_eq!(releases.last().map(String::as_str), Some("525.147.05"));
    assert_eq!(releases.len(), 10);
    assert_eq!(versions("R525"), releases);
    assert_eq!(versions(" 525 "), releases);
    assert!(!set("525").open_end());
}

#[test]
fn exact_versions_stand_for_themselves() {
    assert_eq!(versions("525.60.11"), ["525.60.11"], "also what a bare branch leaves out");
    assert_eq!(versions("525.47.35"), ["525.47.35"]);
    assert_eq!(versions("535.999.01"), ["535.999.01"], "also what is not in the table");
    assert_eq!(set("535.999.01").points()[0].kind, None);
    assert_eq!(versions("630.10"), ["630.10"], "newer than the tables");
    assert_eq!(versions("630"), ["630"]);
    assert_eq!(versions("375.26"), ["375.26"], "older than the tables");
    assert_eq!(versions("415"), ["415"], "a branch without releases");
}

#[test]
fn ranges_hold_the_releases_between_their_ends() {
    let range = set("525..=550");
    assert_eq!(range.branches().iter().map(|branch| branch.0).collect::<Vec<_>>(), [525, 530, 535, 545, 550]);
    assert_eq!(range.greatest().unwrap().version.as_str(), "550.163.01", "the last branch is in it");
    assert_eq!(set("525..550").greatest().unwrap().branch, DriverBranch(545));
    assert_eq!(versions(">=525.60.13, <526"), versions("525"));
    assert_eq!(
        versions(">=525.60.11,<526").first().map(String::as_str),
        Some("525.60.11"),
        "by number when asked by number"
    );
    assert!(
        versions(">=525.1, <526").iter().all(|version| !version.starts_with("525.47") && version != "525.53")
    );
    assert_eq!(versions(">=535.54.03, <=535.86.05"), ["535.54.03", "535.86.05"]);
    assert_eq!(versions(">535.54.03, <535.98"), ["535.86.05", "535.86.10"]);
    assert_eq!(versions("=535.54.03"), ["535.54.03"]);
    assert_eq!(versions("470,535,550"), [versions("470"), versions("535"), versions("550")].concat());
    assert_eq!(versions("535..=535, 470.57.02"), [vec!["470.57.02".to_owned()], versions("535")].concat());
    assert_eq!(set(">550, <=570").branches().first(), Some(&DriverBranch(555)));
    assert_eq!(set("..=390").branches().iter().map(|branch| branch.0).collect::<Vec<_>>(), [384, 387, 390]);
}

#[test]
fn open_ranges_say_that_they_reach_beyond_the_tables() {
    assert!(set(">=525").open_end());
    assert!(set("525..").open_end());
    assert!(set("525..=700").open_end());
    assert!(!set("525..=620").open_end());
    assert!(!set("<525").open_end());
    assert_eq!(versions(">=650"), ["650"], "wholly beyond the tables: its lower end stands for it");
    assert!(set(">=650").open_end());
}

#[test]
fn other_kinds_of_specifications() {
    assert_eq!(DriverSpec::parse("host", tables()), Ok(DriverSpec::Host));
    assert_eq!(DriverSpec::parse("l4t:36.4", tables()), Ok(DriverSpec::L4t("36.4".to_owned())));
    assert_eq!(DriverSpec::parse("l4t:r36.4.3", tables()), Ok(DriverSpec::L4t("36.4.3".to_owned())));
}

#[test]
fn wrong_specifications_name_the_place_and_the_nearest() {
    for (spec, message, place) in [
        (
            "524",
            "driver specification `524`: there is no Linux driver branch 524; did you mean `525`?",
            "524",
        ),
        (
            "535, 546.12",
            "driver specification `535, 546.12`: there is no Linux driver branch 546; did you mean `545`?",
            "546.12",
        ),
        (
            ">=580, <525",
            "driver specification `>=580, <525`: the bounds exclude each other, no driver is in both; did you mean `>=525, <=580`?",
            "580, <525",
        ),
        (
            "550..=525",
            "driver specification `550..=525`: the bounds exclude each other, no driver is in both; did you mean `525..=550`?",
            "550..=525",
        ),
        (
            ">535.54.03, <535.54.03",
            "driver specification `>535.54.03, <535.54.03`: the bounds exclude each other, no driver is in both; did you mean `>=535.54.03, <=535.54.03`?",
            "535.54.03, <535.54.03",
        ),
        (
            ">=526, <530",
            "driver specification `>=526, <530`: no known release lies in this range; did you mean `525`?",
            ">=526, <530",
        ),
        (
            "",
            "driver specification ``: a driver is missing; write a branch like 525 or a version like 525.60.13",
            "",
        ),
        (
            "525,,535",
            "driver specification `525,,535`: a driver is missing; write a branch like 525 or a version like 525.60.13",
            "",
        ),
        (
            "525.60.x",
            "driver specification `525.60.x`: `525.60.x` is no driver version: `x` is no number; did you mean `525.60`?",
            "x",
        ),
        (
            "v525",
            "driver specification `v525`: `v525` is no driver version: `v525` is no number; did you mean `525`?",
            "v525",
        ),
        (
            "535, >=525",
            "driver specification `535, >=525`: bounds (>=, <) and list items cannot be mixed; write one range with .. per item",
            ">=525",
        ),
        (
            "=>525",
            "driver specification `=>525`: `=>525` is no bound: the operators are >=, >, <= and <; did you mean `>=525`?",
            "=>",
        ),
        (
            "l4t:",
            "driver specification `l4t:`: `l4t:` takes a release of Jetson Linux like 36.4; did you mean `l4t:38`?",
            "l4t:",
        ),
    ] {
        assert_eq!(problem(spec), (message.to_owned(), place.to_owned()), "{spec}");
    }
    let nearest = |spec: &str| DriverSpec::parse(spec, tables()).unwrap_err().nearest;
    assert_eq!(nearest("525-550").as_deref(), Some("525..=550"));
    assert_eq!(nearest("535+").as_deref(), Some(">=535"));
    assert_eq!(nearest("535.*").as_deref(), Some("535"));
    assert_eq!(problem("12.4").0, "driver specification `12.4`: there is no Linux driver branch 12");
    assert!(DriverSpec::parse(&"5".repeat(5000), tables()).is_err());
    assert!(DriverSpec::parse("99999999999", tables()).is_err());
}

#[test]
fn gpus_by_any_spelling() {
    let found = |text: &str| {
        let gpu = Gpu::parse(text, tables()).unwrap_or_else(|error| panic!("{error}"));
        format!("{} {} {}", gpu.name, gpu.cc, gpu.class.map_or("-", |class| class.word()))
    };
    for text in [
        "a100",
        "A100",
        "NVIDIA A100-SXM4-80GB",
        "NVIDIA-A100-SXM4-80GB",
        "nvidia a100 80GB PCIe",
        "A100-PCIE-40GB",
        "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb",
    ] {
        assert_eq!(found(text), "A100 8.0 datacenter", "{text}");
    }
    for text in [
        "rtx3090",
        "RTX 3090",
        "RTX-3090",
        "GeForce RTX 3090",
        "NVIDIA GeForce RTX 3090",
        "NVIDIA-GeForce-RTX-3090",
    ] {
        assert_eq!(found(text), "GeForce RTX 3090 8.6 consumer", "{text}");
    }
    for (text, expected) in [
        ("Tesla-T4", "Tesla T4 7.5 datacenter"),
        ("Tesla-T4-SHARED", "Tesla T4 7.5 datacenter"),
        ("Tesla-V100-SXM2-16GB", "Tesla V100 7.0 datacenter"),
        ("NVIDIA-H100-80GB-HBM3", "H100 9.0 datacenter"),
        ("NVIDIA-L4", "L4 8.9 datacenter"),
        ("NVIDIA L40S", "L40S 8.9 datacenter"),
        ("NVIDIA RTX A6000", "RTX A6000 8.6 workstation"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada 8.9 workstation"),
        ("Quadro RTX 6000", "Quadro RTX 6000 7.5 workstation"),
        ("NVIDIA GeForce RTX 3080 Laptop GPU", "GeForce RTX 3080 8.6 consumer"),
        ("sm_90", "9.0 9.0 -"),
        ("9.0", "9.0 9.0 -"),
        ("90", "9.0 9.0 -"),
        ("8.6@consumer", "8.6@consumer 8.6 consumer"),
        ("8.6@geforce", "8.6@consumer 8.6 consumer"),
        ("sm_87", "8.7@tegra 8.7 tegra"),
        ("8.7@jetson", "8.7@tegra 8.7 tegra"),
        ("10.1", "11.0@tegra 11.0 tegra"),
        ("13.0", "13.0 13.0 -"),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
}

#[test]
fn unknown_gpus_suggest_near_ones() {
    let error = |text: &str| GpuList::parse(text, tables()).unwrap_err();
    assert_eq!(error("h10").nearest.first().map(String::as_str), Some("H100"));
    assert_eq!(error("rtx3099").nearest.first().map(String::as_str), Some("GeForce RTX 3090"));
    assert_eq!(
        error("h100,8.6@laptop").to_string(),
        "GPU `8.6@laptop`: there is no such class; there are datacenter, workstation, consumer (geforce) and tegra (jetson)"
    );
    assert_eq!(error("h100,8.6@konsumer").nearest, ["8.6@consumer"]);
    let unknown = error("h100, zzz");
    assert_eq!((unknown.span.start, unknown.span.end), (5, 9));
    assert_eq!(unknown.nearest, Vec::<String>::new());
    assert_eq!(error("4.0").nearest, ["3.7"]);
    assert_eq!(
        error("a100,").to_string(),
        "GPU ``: a name is missing; write a product (a100), an architecture (sm_80) or a compute capability (8.0)"
    );
    assert_eq!(GpuList::parse("a100,A100, NVIDIA-A100-SXM4-80GB", tables()).unwrap().0.len(), 1);
}

#[test]
fn every_product_is_found_by_all_its_names() {
    for model in tables().gpus().models() {
        for spelling in std::iter::once(&model.name).chain(&model.aliases) {
            assert_eq!(Gpu::parse(spelling, tables()).unwrap(), Gpu::of_model(model), "{spelling}");
            let label = format!("NVIDIA-{}", spelling.replace(' ', "-"));
            assert_eq!(Gpu::parse(&label, tables()).unwrap(), Gpu::of_model(model), "{label}");
        }
    }
}

#[test]
fn versions_read_and_print() {
    assert_eq!("12.4.1".parse::<CudaVersion>().unwrap().to_string(), "12.4.1");
    assert_eq!("9.2.148".parse::<CudaVersion>().unwrap().patch, Some(148));
    assert!("12.4".parse::<CudaVersion>().unwrap() < "12.4.0".parse::<CudaVersion>().unwrap());
    let nearest = |text: &str| text.parse::<CudaVersion>().unwrap_err().nearest;
    assert_eq!(nearest("12").as_deref(), Some("12.0"));
    assert_eq!(nearest("12-4").as_deref(), Some("12.4"));
    assert_eq!(nearest("cu118").as_deref(), Some("11.8"));
    assert_eq!(nearest("v12.4").as_deref(), Some("12.4"));
    assert_eq!(nearest("118").as_deref(), Some("11.8"));
    assert_eq!(nearest("12.8.0.38").as_deref(), Some("12.8.0"));
    assert_eq!(CudaVersion::from_api_number(12040), Some(CudaVersion::new(12, 4)));
    assert_eq!(CudaVersion::from_wheel_digits("92"), Some(CudaVersion::new(9, 2)));
    for (text, shown) in [
        ("9.0a", "9.0a"),
        ("sm_90a", "9.0a"),
        ("compute_90", "9.0"),
        ("sm_120f", "12.0f"),
        ("8.0", "8.0"),
        ("SM86", "8.6"),
    ] {
        assert_eq!(text.parse::<SmTarget>().unwrap().to_string(), shown, "{text}");
    }
    for wrong in ["", "a", "sm_", "sm_9", "9", "9.0b", "9.0.1", "90aa", "0.5", "9.10", "sm_9999"] {
        assert!(wrong.parse::<SmTarget>().is_err(), "{wrong}");
    }
    assert_eq!("sm_90a".parse::<SmTarget>().unwrap().sm_name(), "sm_90a");
    assert_eq!("450.80.02".parse::<DriverVersion>().unwrap().to_string(), "450.80.02");
    assert_eq!("8.9.7.29".parse::<CudnnVersion>().unwrap().major(), 8);
    for wrong in ["", "535.", ".535", "535..1", "535.1.2.3.4", "535.183.01-1", "５３５"] {
        assert!(wrong.parse::<DriverVersion>().is_err(), "{wrong}");
    }
    let json = serde_json::to_string(&(
        "450.80.02".parse::<DriverVersion>().unwrap(),
        "9.0a".parse::<SmTarget>().unwrap(),
    ))
    .unwrap();
    assert_eq!(json, r#"["450.80.02","9.0a"]"#);
    assert_eq!(serde_json::from_str::<(DriverVersion, SmTarget)>(&json).unwrap().0.to_string(), "450.80.02");
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn driver_text() -> impl Strategy<Value = String> {
    prop::collection::vec((0u32..600, 0usize..2), 1..4).prop_map(|parts| {
        let words: Vec<String> =
            parts.iter().map(|(number, zeros)| format!("{}{number}", "0".repeat(*zeros))).collect();
        words.join(".")
    })
}

proptest! {
    #[test]
    fn driver_versions_are_totally_ordered(a in driver_text(), b in driver_text(), c in driver_text()) {
        let [a, b, c]: [DriverVersion; 3] = [a, b, c].map(|text| text.parse().unwrap());
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a == b, a.cmp(&b).is_eq());
        if a == b {
            prop_assert_eq!(hash(&a), hash(&b));
        }
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
    }

    #[test]
    fn driver_versions_round_trip(text in driver_text()) {
        let version: DriverVersion = text.parse().unwrap();
        prop_assert_eq!(version.to_string(), text);
        let again: DriverVersion = format!("{version}.0").parse().unwrap();
        prop_assert_eq!(&again, &version);
        prop_assert_eq!(hash(&again), hash(&version));
    }

    #[test]
    fn cuda_versions_round_trip_and_order(a in 1u16..20, b in 0u16..20, c in prop::option::of(0u16..300), d in 1u16..20, e in 0u16..20) {
        let version = CudaVersion { major: a, minor: b, patch: c };
        prop_assert_eq!(version.to_string().parse::<CudaVersion>().unwrap(), version);
        let other = CudaVersion::new(d, e);
        prop_assert_eq!(version.minor_only().cmp(&other), (a, b).cmp(&(d, e)));
        prop_assert!(version.minor_only() <= version);
    }

    #[test]
    fn targets_round_trip(major in 1u8..25, minor in 0u8..10, letter in prop::sample::select(vec!["", "a", "f"])) {
        let text = format!("{major}.{minor}{letter}");
        let target: SmTarget = text.parse().unwrap();
        prop_assert_eq!(target.to_string(), text);
        prop_assert_eq!(target.sm_name().parse::<SmTarget>().unwrap(), target);
        prop_assert_eq!(target.compute_name().parse::<SmTarget>().unwrap(), target);
        let cc: ComputeCapability = format!("{major}.{minor}").parse().unwrap();
        prop_assert_eq!(ComputeCapability::from_sm_number(cc.sm_number()), Some(cc));
        let isa: PtxIsa = format!("{major}.{minor}").parse().unwrap();
        prop_assert_eq!(isa.to_string().parse::<PtxIsa>().unwrap(), isa);
    }

    #[test]
    fn no_specification_panics(text in "[-0-9rR.,=<> l4t:é]{0,24}") {
        if let Ok(DriverSpec::Drivers(set)) = DriverSpec::parse(&text, tables()) {
            prop_assert!(!set.points().is_empty());
            prop_assert!(set.points().windows(2).all(|pair| pair[0].version < pair[1].version));
        }
    }

    #[test]
    fn no_gpu_name_panics(text in "\\PC{0,40}") {
        let _ = GpuList::parse(&text, tables()).map_err(|error| error.to_string());
    }

    /// The set of a range against a walk over all releases in the table, written anew.
    #[test]
    fn ranges_agree_with_a_walk_over_all_releases(low in 380u16..625, span in 0u16..120, inclusive: bool) {
        let high = low + span;
        let spec = if inclusive { format!("{low}..={high}") } else { format!("{low}..{high}") };
        let mut expected: Vec<DriverVersion> = Vec::new();
        for branch in tables().drivers().all() {
            let inside = branch.branch.0 >= low && (branch.branch.0 < high || (inclusive && branch.branch.0 == high));
            if inside {
                expected.extend(branch.production().into_iter().map(|release| release.version.clone()));
            }
        }
        expected.sort();
        expected.dedup();
        match DriverSpec::parse(&spec, tables()) {
            Ok(DriverSpec::Drivers(set)) => {
                let found: Vec<DriverVersion> = set.points().iter().map(|point| point.version.clone()).collect();
                if !expected.is_empty() {
                    prop_assert_eq!(found, expected);
                } else {
                    prop_assert!(set.open_end(), "{}", spec);
                }
            }
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(_) => prop_assert!(expected.is_empty(), "{}", spec),
        }
    }
}
