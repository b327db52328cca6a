//! The help and the fixes of findings about a target: what the engine says holds, for all pools together, and nothing else.

mod support;

use std::sync::Arc;

use cudalint::compat::{DriverSpec, GpuList, HostProfile, Pool, Tables, Target};
use cudalint::diagnostics::{Finding, InputOutcome, Safety, apply_edits, plan_fixes};
use cudalint::engine::{Options, check_dockerfile};
use cudalint::facts::from_dockerfile::NoContext;

/// Pools as `DRIVERS GPUS`, either of them `-`.
fn options(pools: &[&str], host: HostProfile) -> Options {
    let tables = Tables::builtin();
    let pool = |text: &&str| {
        let (drivers, gpus) = text.split_once(' ').unwrap();
        let spec = (drivers != "-").then(|| DriverSpec::parse(drivers, tables).unwrap());
        Pool {
            drivers: spec.and_then(|spec| spec.drivers().cloned()),
            gpus: if gpus == "-" { Vec::new() } else { GpuList::parse(gpus, tables).unwrap().0 },
            ..Pool::default()
        }
    };
    Options {
        tables: Arc::new(tables.clone()),
        target: Target::new(pools.iter().map(pool).collect(), host, "amd64"),
        ..support::options()
    }
}

fn check(text: &str, pools: &[&str]) -> InputOutcome {
    check_dockerfile("Dockerfile", text.as_bytes(), &NoContext, &options(pools, HostProfile::Docker))
}

fn finding<'o>(outcome: &'o InputOutcome, rule: &str) -> &'o Finding {
    let found = outcome
        .findings
        .iter()
        .map(|reported| &reported.finding)
        .find(|finding| finding.rule.as_str() == rule);
    found.unwrap_or_else(|| panic!("no {rule} in {:#?}", outcome.findings))
}

/// The offers at the start of the help, without the reason in brackets behind them.
fn offers(text: &str, pools: &[&str], rule: &str) -> Vec<String> {
    let outcome = check(text, pools);
    let help = finding(&outcome, rule).help.clone().unwrap();
    let offers = help.split(" (").next().unwrap().split("; or ").map(str::to_owned);
    offers.collect()
}

/// The text after the first unsafe fix of a rule.
fn fixed(text: &str, pools: &[&str], rule: &str) -> Option<String> {
    let outcome = check(text, pools);
    let plan = plan_fixes([finding(&outcome, rule)], Safety::Unsafe);
    let edits = plan.edits.values().next()?;
    assert!(plan_fixes([finding(&outcome, rule)], Safety::Safe).edits.is_empty(), "never without asking");
    Some(String::from_utf8(apply_edits(text.as_bytes(), edits).unwrap()).unwrap())
}

const OLD: &str = "FROM nvidia/cuda:12.1.1-runtime-ubuntu22.04\nCOPY app /app\n";

#[test]
fn a_base_gets_another_tag_or_driver() {
    assert_eq!(
        offers(OLD, &["470 rtx3090"], "CU801"),
        ["build on nvidia/cuda:11.8.0-runtime-ubuntu22.04", "update the driver to 525.60.13 or newer"]
    );
    assert_eq!(
        fixed(OLD, &["470 rtx3090"], "CU801").unwrap(),
        "FROM nvidia/cuda:11.8.0-runtime-ubuntu22.04\nCOPY app /app\n"
    );
}

#[test]
fn a_cure_must_hold_in_every_pool() {
    // 11.8 has no machine code for Blackwell, so its tag would trade one pool for the other.
    assert_eq!(
        offers(OLD, &["470 rtx3090", "570 b200"], "CU801"),
        ["update the driver to 525.60.13 or newer"]
    );
    let both = offers(OLD, &["470 rtx3090", "525 a10"], "CU801");
    assert_eq!(both.first().map(String::as_str), Some("build on nvidia/cuda:11.8.0-runtime-ubuntu22.04"));
}

#[test]
fn a_tag_is_no_cure_for_what_does_not_come_with_the_base() {
    let text = "FROM nvidia/cuda:12.1.1-base-ubuntu22.04\nRUN apt-get update && apt-get install -y cuda-toolkit-12-4\n";
    let offered = offers(text, &["470 rtx3090"], "CU801");
    assert!(offered.iter().all(|offer| !offer.contains("nvidia/cuda:")), "{offered:?}");
    // Nor where a build asks for an architecture that the older toolkit does not know.
    let text = "FROM nvidia/cuda:12.8.1-devel-ubuntu22.04\nENV TORCH_CUDA_ARCH_LIST=\"8.6;10.0\"\nRUN pip install flash-attn --no-build-isolation\n";
    let offered = offers(text, &["470 rtx3090"], "CU801");
    assert!(offered.iter().all(|offer| !offer.contains("nvidia/cuda:")), "{offered:?}");
}

#[test]
fn a_tag_from_an_argument_is_named_and_not_edited() {
    let text = "ARG TAG=12.1.1-runtime-ubuntu22.04\nFROM nvidia/cuda:${TAG}\nCOPY app /app\n";
    assert!(offers(text, &["470 rtx3090"], "CU801")[0].contains("11.8.0-runtime-ubuntu22.04"));
    assert_eq!(fixed(text, &["470 rtx3090"], "CU801"), None);
}

#[test]
fn a_refused_driver_gets_a_tag_whose_requirement_accepts_it() {
    let text = "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nCOPY app /app\n";
    assert_eq!(offers(text, &["545 l4"], "CU802")[0], "build on nvidia/cuda:12.3.2-runtime-ubuntu22.04");
    let mended = fixed(text, &["545 l4"], "CU802").unwrap();
    assert!(
        check(&mended, &["545 l4"]).findings.iter().all(|one| one.finding.rule.as_str() != "CU802"),
        "{mended}"
    );
    // A requirement of the author's own stays when the base changes.
    let own = "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nENV NVIDIA_REQUIRE_CUDA=\"cuda>=12.4\"\nCOPY app /app\n";
    let offered = offers(own, &["535 l4"], "CU802");
    assert!(offered.iter().all(|offer| !offer.contains("nvidia/cuda:")), "{offered:?}");
}

#[test]
fn a_wheel_gets_another_index() {
    let text = "FROM python:3.11-slim\nRUN pip install torch==2.5.1 --index-url https://download.pytorch.org/whl/cu124\n";
    assert_eq!(
        offers(text, &["470 a10"], "CU501"),
        [
            "install the cu118 wheels",
            "update the driver to 525.60.13 or newer; the base image's CUDA does not matter here"
        ]
    );
    assert_eq!(fixed(text, &["470 a10"], "CU501").unwrap(), text.replace("cu124", "cu118"));
    let pinned = "FROM python:3.11-slim\nRUN pip install torch==2.5.1+cu124 --index-url https://download.pytorch.org/whl/cu124\n";
    assert_eq!(fixed(pinned, &["470 a10"], "CU501"), None, "the version names the index too");
}

#[test]
fn missing_code_gets_an_architecture() {
    let text = "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\nENV TORCH_CUDA_ARCH_LIST=\"8.0\"\nRUN pip install flash-attn --no-build-isolation\n";
    assert_eq!(offers(text, &["- h100"], "CU805"), ["compile for sm_90 as well"]);
    // 12.4 cannot compile for sm_100.
    assert_eq!(offers(text, &["- b200"], "CU805"), ["add PTX for compute_90"]);
}

#[test]
fn hosts_that_do_not_check_requirements_are_told_no_cure() {
    let text = "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nCOPY app /app\n";
    let outcome =
        check_dockerfile("Dockerfile", text.as_bytes(), &NoContext, &options(&["545 l4"], HostProfile::Cdi));
    assert!(finding(&outcome, "CU802").fixes.is_empty());
}
