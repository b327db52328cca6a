//! Cures: each holds when it is judged again, and the least disturbing come first.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failing helper fails its test"
)]

use cudalint::compat::cure::{Cure, Situation, cures};
use cudalint::compat::image::{CudaTag, TagStatus, cuda_tag};
use cudalint::compat::tables::Arch;
use cudalint::compat::{CudaVersion, DeviceCode, DriverSet, DriverSpec, Gpu, GpuList, Ptx, Tables};

fn tables() -> &'static Tables {
    Tables::builtin()
}

fn set(spec: &str) -> DriverSet {
    DriverSpec::parse(spec, tables()).unwrap().drivers().unwrap().clone()
}

fn gpus(names: &str) -> Vec<Gpu> {
    if names.is_empty() { Vec::new() } else { GpuList::parse(names, tables()).unwrap().0 }
}

fn show(cures: &[Cure]) -> Vec<String> {
    cures
        .iter()
        .map(|cure| match cure {
            Cure::BaseTag { tag, .. } => format!("tag {tag}"),
            Cure::WheelIndex { variant, .. } => format!("wheel {variant}"),
            Cure::CompatPackage { package } => format!("package {package}"),
            Cure::Driver { least, .. } => format!("driver {least}"),
            Cure::Architecture { add } => {
                format!("arch {}", add.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
            }
            Cure::PtxFor { target } => format!("ptx {target}"),
        })
        .collect()
}

fn base(tag: &str, spec: &str, names: &str) -> Vec<String> {
    let tag = CudaTag::parse(tag).unwrap();
    let drivers = set(spec);
    let gpus = gpus(names);
    let requirements: Vec<String> = tables()
        .images()
        .require_for(tag.version, Arch::Amd64, tag.os.as_deref().unwrap())
        .into_iter()
        .collect();
    let situation = Situation {
        drivers: &drivers,
        gpus: &gpus,
        cuda: Some(tag.version),
        code: None,
        base: Some(&tag),
        arch: Arch::Amd64,
        torch: None,
        requirements: &requirements,
        requirements_checked: true,
    };
    show(&cures(&situation, tables()))
}

#[test]
fn a_refusing_base_gets_another_tag_or_driver() {
    assert_eq!(
        base("12.4.1-runtime-ubuntu22.04", "545", "l4"),
        ["tag 12.3.2-runtime-ubuntu22.04", "driver 550.54.14"],
        "550 is the next branch that 12.4.1 accepts"
    );
    assert_eq!(
        base("13.0.2-cudnn-devel-ubuntu24.04", "535", "a100"),
        ["tag 12.9.1-cudnn-devel-ubuntu24.04", "package 13-0", "driver 580.65.06"]
    );
    assert_eq!(
        base("13.0.2-base-ubuntu24.04", "535", "rtx4090"),
        ["driver 580.65.06"],
        "no tag on ubuntu24.04 lets a GeForce pass on 535, and no package helps it"
    );
    assert_eq!(
        base("12.1.1-runtime-ubuntu22.04", "470", "rtx3090").first().map(String::as_str),
        Some("tag 11.8.0-runtime-ubuntu22.04")
    );
}

#[test]
fn offered_tags_are_published() {
    for tag in ["12.4.1-runtime-ubuntu22.04", "12.6.3-cudnn-runtime-ubuntu22.04", "13.0.2-devel-rockylinux9"]
    {
        for spec in ["470", "525", "545", "550"] {
            for offered in base(tag, spec, "a10") {
                if let Some(offered) = offered.strip_prefix("tag ") {
                    let status = cuda_tag(offered, tables()).status;
                    assert!(matches!(status, TagStatus::Published { .. }), "{offered}: {status:?}");
                }
            }
        }
    }
}

#[test]
fn wheels_get_another_index() {
    let drivers = set("470");
    let gpus = gpus("a10");
    let situation = Situation {
        drivers: &drivers,
        gpus: &gpus,
        cuda: Some(CudaVersion::new(12, 4)),
        code: None,
        base: None,
        arch: Arch::Amd64,
        torch: Some("2.5.1"),
        requirements: &[],
        requirements_checked: true,
    };
    assert_eq!(show(&cures(&situation, tables())), ["wheel cu118", "driver 525.60.13"]);
}

#[test]
fn missing_code_gets_an_architecture_or_a_driver() {
    let built = |sass: &[&str], ptx: &[&str], cuda: &str, spec: &str, names: &str| {
        let code = DeviceCode {
            sass: sass.iter().map(|target| target.parse().unwrap()).collect(),
            ptx: ptx.iter().map(|target| Ptx { target: target.parse().unwrap(), isa: None }).collect(),
        };
        let drivers = set(spec);
        let gpus = gpus(names);
        let situation = Situation {
            drivers: &drivers,
            gpus: &gpus,
            cuda: Some(cuda.parse().unwrap()),
            code: Some(&code),
            base: None,
            arch: Arch::Amd64,
            torch: None,
            requirements: &[],
            requirements_checked: false,
        };
        show(&cures(&situation, tables()))
    };
    assert_eq!(built(&["8.0"], &[], "12.4", "550", "h100"), ["arch 9.0"]);
    assert_eq!(
        built(&["8.0"], &[], "12.4", "550", "a10,h100,l4"),
        ["arch 9.0"],
        "the others have code already"
    );
    assert_eq!(built(&["8.0"], &[], "12.4", "570", "b200"), ["ptx 9.0"], "12.4 cannot compile for sm_100");
    assert_eq!(built(&[], &["8.0"], "12.4", "525", "l4"), ["driver 550.54.14", "arch 8.9"]);
    assert_eq!(
        built(&["9.0"], &[], "12.4", "550", "h100"),
        Vec::<String>::new(),
        "nothing is wrong but a newer driver"
    );
}
