//! The knowledge tables: built-in documents are complete and consistent, extensions replace and add, errors have places.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failing helper fails its test"
)]

use cudalint::compat::tables::{Arch, Tables};
use cudalint::compat::{CudaVersion, DriverBranch};
use sha2::{Digest, Sha256};

fn cuda(text: &str) -> CudaVersion {
    text.parse().unwrap()
}

#[test]
fn built_in_tables_have_no_problems() {
    let problems = Tables::builtin().problems();
    assert!(problems.0.is_empty(), "{problems}");
    for table in Tables::builtin().summary().tables {
        assert!(table.rows > 0, "[{}] is empty", table.table);
        assert!(table.oldest.is_some(), "[{}] has no date", table.table);
    }
}

#[test]
fn summary_names_the_newest() {
    let summary = Tables::builtin().summary();
    assert_eq!(summary.newest_toolkit, Some(cuda("13.5.0")));
    assert_eq!(summary.newest_driver.map(|v| v.to_string()).as_deref(), Some("620.70.06"));
    assert_eq!(summary.newest_cuda_image, Some(cuda("13.1.0")));
    assert_eq!(summary.forward_edition.as_deref(), Some("r615"));
    assert_eq!(summary.as_of.map(|date| date.to_string()).as_deref(), Some("2026-11-23"));
}

#[test]
fn requirement_texts_rebuild_to_the_published_bytes() {
    let images = Tables::builtin().images();
    assert_eq!(images.require_texts().len(), 102);
    for row in images.require_texts() {
        let text = images.require_text(row).unwrap();
        assert_eq!(text.len(), row.length, "{}", row.version);
        let digest: String =
            Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, row.sha256, "{}: {text}", row.version);
    }
    let text = images.require_for(cuda("12.4.1"), Arch::Amd64, "ubuntu22.04").unwrap();
    assert!(text.starts_with("cuda>=12.4 brand=tesla,driver>=470,driver<471 "), "{text}");
    assert_eq!(images.require_for(cuda("12.3.2"), Arch::Arm64, "ubuntu22.04").as_deref(), Some("CUDA>=12.3"));
    assert_eq!(images.require_for(cuda("12.4.1"), Arch::Amd64, "plan9"), None);
}

#[test]
fn every_published_version_and_system_has_a_requirement_on_amd64() {
    let images = Tables::builtin().images();
    for image in images.cuda_images().iter().filter(|image| image.version > cuda("8.0")) {
        let without: Vec<_> = image
            .os
            .iter()
            .filter(|os| images.require_for(image.version, Arch::Amd64, os).is_none())
            .collect();
        assert!(without.is_empty(), "{}: {without:?}", image.version);
    }
}

#[test]
fn bare_branches_begin_at_their_first_production_release() {
    let drivers = Tables::builtin().drivers();
    let first = |branch: u16| {
        drivers.get(DriverBranch(branch)).unwrap().first_production().unwrap().version.to_string()
    };
    assert_eq!(first(525), "525.60.13", "not the beta, not the desktop release before the data-centre one");
    assert_eq!(first(535), "535.54.03");
    assert_eq!(first(450), "450.51.05");
    assert_eq!(first(595), "595.45.04", "first by age, though two numbers are lower");
    assert_eq!(first(384), "384.111", "what only a toolkit names does not count where there is more");
    assert_eq!(first(610), "610.43.02", "unless there is nothing else");
    let production = |branch: u16| -> Vec<String> {
        drivers
            .get(DriverBranch(branch))
            .unwrap()
            .production()
            .iter()
            .map(|r| r.version.to_string())
            .collect()
    };
    assert!(production(525).iter().all(|version| !version.starts_with("525.47.")), "no developer series");
    assert_eq!(production(525).first().map(String::as_str), Some("525.60.13"));
    assert_eq!(production(520), ["520.56.06", "520.61.05", "520.61.07"], "by age, not by number");
    for branch in drivers.all() {
        let empty = branch.releases.is_empty();
        assert_eq!(branch.production().is_empty(), empty, "{}", branch.branch);
    }
}

#[test]
fn cuda_versions_of_branches_never_fall() {
    let mut last = None;
    for branch in Tables::builtin().drivers().all() {
        if let Some(reported) = branch.cuda_max {
            assert!(last.is_none_or(|before| before <= reported), "{}", branch.branch);
            last = Some(reported);
        }
    }
}

#[test]
fn toolkits_are_found_by_version_and_by_library() {
    let toolkits = Tables::builtin().toolkits();
    assert_eq!(toolkits.get(cuda("12.4")).unwrap().version, cuda("12.4.0"));
    assert_eq!(
        toolkits.get(cuda("12.4.1")).unwrap().toolkit_driver_linux.as_ref().unwrap().as_str(),
        "550.54.15"
    );
    assert_eq!(toolkits.get(cuda("9.0")).unwrap().version, cuda("9.0"));
    assert!(toolkits.get(cuda("12.7")).is_none());
    assert!(toolkits.get(cuda("12.4.9")).is_none());
    assert_eq!(toolkits.closest(cuda("12.4.127")).unwrap().version, cuda("12.4.1"));
    let both: Vec<_> = toolkits.by_cudart("12.6.77").map(|row| row.version.to_string()).collect();
    assert_eq!(both, ["12.6.2", "12.6.3"]);
    assert!(toolkits.is_newer_than_known(cuda("13.6")));
    assert!(!toolkits.is_newer_than_known(cuda("13.5.9")));
}

#[test]
fn an_extension_adds_and_replaces_rows() {
    let text = r#"
[table]
as_of = "2027-02-01"
source = ["drivers"]

[[branch]]
branch = 625
cuda_max = "13.6"
ptx_max = "9.6"
sm_min = 75
sm_max = 121
releases = [["625.10.01", "2027-01-30", "datacenter"]]

[[gpu]]
name = "A100"
aliases = ["a100", "ampere-hundred"]
cc = "8.0"
kind = "datacenter"
forward_compat = "yes"
confidence = "high"
"#;
    let tables = Tables::builtin().with_extension(text, "site.toml").unwrap();
    assert_eq!(tables.drivers().newest().unwrap().branch, DriverBranch(625));
    assert_eq!(tables.drivers().all().len(), Tables::builtin().drivers().all().len() + 1);
    assert_eq!(tables.gpus().models().len(), Tables::builtin().gpus().models().len());
    let a100 = tables.gpus().models().iter().find(|model| model.name == "A100").unwrap();
    assert_eq!(a100.aliases, ["a100", "ampere-hundred"]);
    assert_eq!(tables.extended_by(), ["site.toml"]);
    assert_eq!(tables.as_of().map(|date| date.to_string()).as_deref(), Some("2027-02-01"));
}

fn errors(text: &str) -> Vec<String> {
    let errors = Tables::builtin().with_extension(text, "site.toml").unwrap_err();
    errors.0.iter().map(ToString::to_string).collect()
}

#[test]
fn broken_extensions_are_refused_with_places() {
    let header = "[table]\nas_of = \"2027-01-01\"\nsource = [\"drivers\"]\n";
    assert_eq!(
        errors("[[brnach]]\nbranch = 625\n"),
        ["site.toml:1:3: there is no table `brnach`; did you mean `branch`?"]
    );
    assert_eq!(
        errors(&format!("{header}[[branch]]\nbranch = 625\nsm_min = 75\nsm_max = 121\ncuda_mx = \"13.6\"\n")),
        ["site.toml:8:1: [branch] unknown key `cuda_mx`; did you mean `cuda_max`?"]
    );
    assert_eq!(
        errors(&format!("{header}[[branch]]\nbranch = 625\nsm_min = 75\nsm_max = 121\ncuda_max = \"13\"\n")),
        [
            "site.toml:8:12: [branch] `13` is no CUDA version: the minor number is missing; did you mean `13.0`?"
        ]
    );
    let two = errors(&format!(
        "{header}[[branch]]\nbranch = 625\n[[branch]]\nbranch = 630\nsm_min = 75\nsm_max = 121\nreleases = [[\"625.1\", \"\", \"unix\"], [\"x\", \"\", \"unix\"]]\n"
    ));
    assert_eq!(two.len(), 2, "each row is read on its own: {two:?}");
    assert!(two[0].starts_with("site.toml:4:1: [branch] missing field `sm_min`"), "{two:?}");
    assert!(two[1].contains("`x` is no driver version"), "{two:?}");
    assert_eq!(errors("branch = ")[0].split(": ").next(), Some("site.toml:1:10"));
    assert_eq!(
        errors(
            "[[branch]]\nbranch = 625\nsm_min = 75\nsm_max = 121\nsource = [\"hearsay\"]\nas_of = \"2027-01\"\n"
        ),
        ["site.toml:5:12: [branch] `625` names the unknown source `hearsay`"]
    );
    assert_eq!(
        errors("[[branch]]\nbranch = 625\nsm_min = 75\nsm_max = 121\n"),
        [
            "site.toml:2:10: [branch] `625` names no source",
            "site.toml:2:10: [branch] `625` has no as_of date"
        ]
    );
    assert_eq!(
        errors(&format!(
            "{header}[[branch]]\nbranch = 625\nsm_min = 75\nsm_max = 121\ncuda_max = \"12.0\"\n"
        )),
        ["site.toml:5:10: [branch] `625` reports CUDA 12.0, the older 620 CUDA 13.5"]
    );
    assert_eq!(
        errors("env = 1")[0],
        "site.toml:1:1: there is no table `env`",
        "only row tables can be extended"
    );
}

#[test]
fn wheels_are_found_by_version_name_and_index() {
    use cudalint::compat::tables::NamedCuda;
    let wheels = Tables::builtin().wheels();
    assert_eq!(wheels.torch("2.5.1").unwrap().pypi_minor, Some(cuda("12.4")));
    assert_eq!(wheels.torch("2.5.1+cu118").unwrap().version, "2.5.1");
    assert!(wheels.torch("99.0").is_none());
    assert_eq!(wheels.torch_arch("2.5.1", cuda("12.4")).unwrap().ptx, Some(vec![]));
    assert_eq!(wheels.named_cuda("cupy-cuda12x"), Some(NamedCuda::Major(12)));
    assert_eq!(wheels.named_cuda("cupy-cuda102"), Some(NamedCuda::Version(cuda("10.2"))));
    assert_eq!(wheels.named_cuda("nvidia_cublas_cu12"), Some(NamedCuda::Major(12)));
    assert_eq!(wheels.named_cuda("nvidia-dali-cuda120"), Some(NamedCuda::Version(cuda("12.0"))));
    assert_eq!(wheels.named_cuda("jax-cuda13-plugin"), Some(NamedCuda::Major(13)));
    assert_eq!(wheels.named_cuda("numpy"), None);
    assert_eq!(wheels.index_cuda("https://download.pytorch.org/whl/cu121"), Some(cuda("12.1")));
    assert_eq!(wheels.index_cuda("https://download.pytorch.org/whl/nightly/cu128/"), Some(cuda("12.8")));
    assert_eq!(wheels.index_cuda("https://download.pytorch.org/whl/cpu"), None);
    assert_eq!(
        wheels.pinned("vllm", "0.7.1").unwrap().torch.as_deref(),
        Some("2.5.1"),
        "between two equal rows"
    );
    assert!(wheels.pinned("vllm", "0.6.3").is_none(), "between two different rows");
    assert!(wheels.pinned("vllm", "99.0").is_none(), "newer than the table");
    assert_eq!(wheels.pinned("tensorflow", "2.15.0").unwrap().cuda_major(), Some(12));
    assert_eq!(wheels.pinned("tensorflow", "2.21.0").unwrap().cuda_major(), Some(12));
    assert_eq!(wheels.pinned("jax-cuda12-plugin", "0.5.0").unwrap().cuda_major(), Some(12));
    assert_eq!(wheels.pinned("numba-cuda", "0.30.4").unwrap().cuda_major(), None);
    assert_eq!(wheels.driver_floor("cu118").unwrap().linux.as_str(), "450.80.02");
}

#[test]
fn tables_agree_with_each_other() {
    let tables = Tables::builtin();
    let (toolkits, drivers, images, gpus) =
        (tables.toolkits(), tables.drivers(), tables.images(), tables.gpus());
    // Toolkits: every minor of a major is there, save 12.7, which was never released.
    for major in [9u16, 10, 11, 12, 13] {
        let mut minors: Vec<u16> = toolkits
            .all()
            .iter()
            .filter(|row| row.version.major == major)
            .map(|row| row.version.minor)
            .collect();
        minors.dedup();
        let last = *minors.last().unwrap();
        let expected: Vec<u16> = (0..=last).filter(|minor| (major, *minor) != (12, 7)).collect();
        assert_eq!(minors, expected, "{major}.x");
    }
    for row in toolkits.all() {
        let key = row.version;
        assert!(
            toolkits.all().iter().filter(|other| other.version == key).count() == 1,
            "{key} is there once"
        );
        assert!(drivers.get(row.driver_branch).is_some(), "{key}: branch {}", row.driver_branch);
        let family = toolkits.family(key.major);
        assert_eq!(
            row.minor_compat_min_driver.as_ref(),
            family.map(|family| &family.minor_compat_min_driver),
            "{key}"
        );
        for other in toolkits.minor(key) {
            assert_eq!((other.ptx_isa, &other.sm), (row.ptx_isa, &row.sm), "{key} and {}", other.version);
        }
        assert!(row.sm.is_sorted(), "{key}");
        for number in &row.sm {
            let cc = cudalint::compat::ComputeCapability::from_sm_number(*number).unwrap();
            assert!(
                gpus.sm(cc).is_some() || gpus.others().iter().any(|other| other.sm == *number),
                "{key}: sm_{number}"
            );
        }
    }
    let mut ptx = None;
    for row in toolkits.all() {
        assert!(ptx.is_none_or(|before| before <= row.ptx_isa), "{}: PTX ISA falls", row.version);
        ptx = Some(row.ptx_isa);
    }
    // Branches: what they report has a toolkit, whose PTX ISA is what their compiler reads; ends match the releases.
    for row in drivers.all() {
        let branch = row.branch;
        if let Some(reported) = row.cuda_max.filter(|reported| *reported != cuda("12.7")) {
            let toolkit = toolkits.closest(reported).unwrap();
            assert!(row.ptx_max.is_none_or(|isa| isa == toolkit.ptx_isa), "{branch}");
        }
        let versions: Vec<_> = row.releases.iter().map(|release| &release.version).collect();
        if let (Some(first), Some(last)) = (&row.first, &row.last) {
            assert!(versions.contains(&first) && versions.contains(&last), "{branch}");
            assert_eq!(versions.iter().max(), Some(&last), "{branch}");
        }
        assert!(
            row.eol.is_none_or(|eol| row
                .releases
                .iter()
                .filter_map(|r| r.date)
                .all(|date| date.months_since(eol) <= 12)),
            "{branch}"
        );
    }
    // Capabilities: driven by known branches, compiled by known toolkits.
    for row in gpus.sms() {
        assert!(row.min_branch.is_none_or(|branch| drivers.get(branch).is_some()), "{}", row.cc);
        assert!(row.last_branch.is_none_or(|branch| drivers.get(branch).is_some()), "{}", row.cc);
        if let (Some(first), Some(last)) = (row.min_branch, row.last_branch) {
            assert!(first <= last, "{}", row.cc);
        }
        assert_eq!(row.cc.sm_number(), row.sm);
        for older in &row.binary_for {
            assert!(older.major == row.cc.major && older.minor < row.cc.minor, "{} runs {older}", row.cc);
        }
    }
    for row in gpus.families() {
        assert!(row.runs_on.iter().all(|cc| gpus.sm(*cc).is_some()), "{}", row.target);
    }
    // Forward compatibility: columns are branches, rows are toolkits, a native cell is the package's own branch.
    for edition in tables.forward().editions() {
        assert!(edition.branches.iter().all(|branch| drivers.get(*branch).is_some()), "{}", edition.id);
        for row in &edition.rows {
            let toolkit = toolkits.minor(row.package.0).last().unwrap();
            for (branch, cell) in edition.branches.iter().zip(&row.cells) {
                let native = *cell == cudalint::compat::tables::Cell::Native;
                assert_eq!(
                    native,
                    toolkit.driver_branch == *branch,
                    "{} {} {branch}",
                    edition.id,
                    row.package
                );
            }
        }
    }
    // Images: versions were released, requirement texts are of listed versions and systems, systems are known.
    for row in images.cuda_images().iter().filter(|row| row.version > cuda("8.0")) {
        assert!(toolkits.closest(row.version).is_some(), "{}", row.version);
    }
    for row in images.require_texts() {
        let image = images.cuda_image(row.version).unwrap();
        for os in row.amd64.iter().chain(&row.arm64).chain(&row.ppc64le) {
            assert!(image.os.contains(os), "{} {os}", row.version);
        }
    }
    for row in images.months() {
        assert!(toolkits.closest(row.cuda_version().unwrap()).is_some(), "{} {}", row.product, row.month);
    }
    // Wheels: variants and lists name released versions.
    let wheels = tables.wheels();
    for row in wheels.torch_releases() {
        for variant in row.variants.iter().flatten() {
            let version = cudalint::compat::tables::wheel::local_cuda(variant).unwrap();
            assert!(toolkits.closest(version).is_some(), "{} {variant}", row.version);
        }
        assert!(row.pypi_cuda.is_none() == row.pypi_minor.is_none(), "{}", row.version);
    }
    for row in wheels.torch_archs() {
        let toolkit = toolkits.closest(row.cuda).unwrap();
        for cc in row.x86_64.iter().chain(row.aarch64.iter().flatten()).chain(row.ptx.iter().flatten()) {
            assert!(toolkit.sm.contains(&cc.sm_number()), "{:?} {} {cc}", row.versions, row.cuda);
        }
    }
}
