//! What base image names tell.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failing helper fails its test"
)]

use cudalint::compat::Tables;
use cudalint::compat::image::{
    TagProblem, TagStatus, cuda_environment, cuda_tag, has_compat_package, ngc_image, pytorch_tag,
};
use cudalint::compat::tables::Arch;

fn status(tag: &str) -> String {
    match cuda_tag(tag, Tables::builtin()).status {
        TagStatus::Published { eol, newer } => {
            format!(
                "published{}{}",
                if eol { " eol" } else { "" },
                newer.map_or(String::new(), |tag| format!(" newer {tag}"))
            )
        }
        TagStatus::NoLongerListed { suggestion } => {
            format!("no longer listed, {}", suggestion.unwrap_or_default())
        }
        TagStatus::NeverPublished { problems, suggestion } => {
            let names: Vec<String> = problems
                .iter()
                .map(|problem| match problem {
                    TagProblem::SystemNotOffered { first, .. } => {
                        format!(
                            "system from {}",
                            first.map_or("never".to_owned(), |version| version.to_string())
                        )
                    }
                    TagProblem::CudnnSpelling(right) => format!("write {right}"),
                    TagProblem::UnknownWord { word, nearest } => {
                        format!("{word} like {}", nearest.unwrap_or("nothing"))
                    }
                    other => format!("{other:?}"),
                })
                .collect();
            format!("never: {}; {}", names.join(", "), suggestion.unwrap_or("-".to_owned()))
        }
        TagStatus::NewerThanTable => "newer".to_owned(),
    }
}

#[test]
fn tags() {
    for (tag, expected) in [
        ("12.4.1-runtime-ubuntu22.04", "published"),
        ("12.4.1-cudnn-devel-ubuntu22.04", "published"),
        ("12.2.2-cudnn8-devel-ubuntu22.04", "published"),
        ("12.3.2-cudnn9-runtime-rockylinux9", "published"),
        ("11.8.0-cudnn8-runtime-ubuntu20.04", "published"),
        ("12.6.0-base-ubuntu24.04", "published eol newer 12.6.3-base-ubuntu24.04"),
        ("10.2-cudnn8-devel-ubuntu18.04", "published eol"),
        ("10.2-devel", "no longer listed, 10.2-devel-ubuntu18.04"),
        ("8.0-devel-centos6", "no longer listed, 8.0-devel-centos7"),
        ("12.2.1-runtime-ubuntu22.04", "no longer listed, 12.2.2-runtime-ubuntu22.04"),
        ("12.2-runtime-ubuntu22.04", "never: PatchMissing; 12.2.2-runtime-ubuntu22.04"),
        ("11.7.1-base", "never: SystemMissing; 11.7.1-base-ubuntu22.04"),
        ("12.4.1-runtime-ubuntu24.04", "never: system from 12.5.1; 12.5.1-runtime-ubuntu24.04"),
        ("12.4.1-cudnn9-devel-ubuntu22.04", "never: write cudnn; 12.4.1-cudnn-devel-ubuntu22.04"),
        ("12.2.2-cudnn-devel-ubuntu22.04", "never: write cudnn8; 12.2.2-cudnn8-devel-ubuntu22.04"),
        ("12.4.1-cudnn-base-ubuntu22.04", "never: CudnnNotOffered; 12.4.1-cudnn-runtime-ubuntu22.04"),
        ("12.7.0-base-ubuntu22.04", "never: NoSuchVersion; 12.8.1-base-ubuntu22.04"),
        ("12.4.9-base-ubuntu22.04", "never: NoSuchVersion; 12.4.1-base-ubuntu22.04"),
        ("12.4.1-develop-ubuntu22.04", "never: develop like devel, FlavorMissing; 12.4.1-devel-ubuntu22.04"),
        ("latest", "never: NoVersion; -"),
        ("12.9.2-base-ubuntu22.04", "newer"),
        ("13.0.3-base-ubuntu22.04", "newer"),
        ("13.1.1-base-ubuntu24.04", "newer"),
        ("13.5.0-base-ubuntu26.04", "newer"),
        ("13.1.0-base-ubuntu26.04", "newer"),
        ("13.1.0-cudnn-devel-ubuntu24.04", "published"),
    ] {
        assert_eq!(status(tag), expected, "{tag}");
    }
}

#[test]
fn suggestions_are_published() {
    for tag in [
        "12.2-cudnn8-runtime-ubuntu22.04",
        "12.3-base-ubuntu18.04",
        "11.0-devel",
        "12.7-cudnn8-runtime-centos7",
        "11.3.1-cudnn-base-debian12",
    ] {
        let (TagStatus::NeverPublished { suggestion: Some(suggestion), .. }
        | TagStatus::NoLongerListed { suggestion: Some(suggestion) }) =
            cuda_tag(tag, Tables::builtin()).status
        else {
            panic!("{tag}")
        };
        assert!(status(&suggestion).starts_with("published"), "{tag} gives {suggestion}");
    }
}

#[test]
fn environments() {
    let environment = |tag: &str, arch| {
        let facts = cuda_tag(tag, Tables::builtin());
        cuda_environment(&facts.tag.unwrap(), arch, Tables::builtin())
    };
    let devel = environment("12.4.1-cudnn-devel-ubuntu22.04", Arch::Amd64).unwrap();
    let value = |name: &str| devel.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(value("CUDA_VERSION"), Some("12.4.1"));
    assert_eq!(value("LD_LIBRARY_PATH"), Some("/usr/local/nvidia/lib:/usr/local/nvidia/lib64"));
    assert_eq!(value("LIBRARY_PATH"), Some("/usr/local/cuda/lib64/stubs"));
    assert!(
        value("NVIDIA_REQUIRE_CUDA").unwrap().starts_with("cuda>=12.4 brand=tesla,driver>=470,driver<471 ")
    );
    assert!(value("PATH").unwrap().starts_with("/usr/local/nvidia/bin:/usr/local/cuda/bin:"));
    let runtime = environment("12.9.1-runtime-ubuntu22.04", Arch::Arm64).unwrap();
    assert!(runtime.iter().all(|(name, _)| name != "LIBRARY_PATH"));
    assert!(runtime.contains(&("LD_LIBRARY_PATH".to_owned(), "/usr/local/cuda/lib64".to_owned())));
    assert_eq!(environment("13.5.0-base-ubuntu26.04", Arch::Amd64), None);
}

#[test]
fn compat_packages() {
    let has = |tag: &str, arch| {
        has_compat_package(&cuda_tag(tag, Tables::builtin()).tag.unwrap(), arch, Tables::builtin())
    };
    assert!(has("12.4.1-base-ubuntu22.04", Arch::Amd64));
    assert!(!has("12.4.1-base-ubuntu22.04", Arch::Arm64));
    assert!(has("12.4.1-base-rockylinux9", Arch::Arm64));
    assert!(has("12.5.1-base-ubuntu22.04", Arch::Arm64));
    assert!(!has("9.2-base-ubuntu16.04", Arch::Amd64));
}

#[test]
fn frameworks() {
    let tag = pytorch_tag("2.5.1-cuda12.4-cudnn9-runtime").unwrap();
    assert_eq!((tag.version.as_str(), tag.cuda.to_string().as_str(), tag.cudnn), ("2.5.1", "12.4", 9));
    for wrong in [
        "latest",
        "2.5.1",
        "2.5.1-cuda12.4-cudnn9-base",
        "2.5.1-cuda12.4-cudnn9-runtime-x",
        "nightly-cuda12.4-cudnn9-devel",
    ] {
        assert_eq!(pytorch_tag(wrong), None, "{wrong}");
    }
    let month = |repository: &str, tag: &str| {
        ngc_image(repository, tag, Tables::builtin())
            .and_then(|row| row.cuda_version())
            .map(|version| version.to_string())
    };
    assert_eq!(month("nvcr.io/nvidia/pytorch", "25.06-py3").as_deref(), Some("12.9.1"));
    assert_eq!(month("nvcr.io/nvidia/pytorch", "25.07-py3"), None, "a gap is not filled");
    assert_eq!(month("nvcr.io/nvidia/tritonserver", "25.08-py3").as_deref(), Some("13.0.1"));
    assert_eq!(month("nvcr.io/nvidia/tritonserver", "25.08-trtllm-python-py3").as_deref(), Some("12.9.0"));
    assert_eq!(month("nvcr.io/nvidia/tritonserver", "26.10-py3").as_deref(), Some("13.4.3"));
}

#[test]
fn distributions() {
    let images = Tables::builtin().images();
    assert_eq!(images.system("ubuntu22.04").unwrap().glibc_version(), Some((2, 35)));
    assert_eq!(images.system("alpine3.20").unwrap().libc, cudalint::compat::tables::Libc::Musl);
    assert!(images.system("plan9").is_none());
}
