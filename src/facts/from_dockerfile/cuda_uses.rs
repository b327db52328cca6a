//! CUDA versions that end up in a stage, with how each is known.

use crate::compat::CudaVersion;
use crate::facts::wheels::{WheelCuda, cuda_of_requirement};
use crate::facts::{CondaPackage, Copy, CopyFrom, CudaUse, CudaUseKind, Facts, Installer, PackageInstall};

use super::Extraction;

pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let mut uses = Vec::new();
    for stage in &facts.stages {
        if let Some(base) = &stage.base
            && let Some(version) = base.cuda
        {
            uses.push(CudaUse {
                stage: stage.id,
                version,
                major_only: false,
                kind: CudaUseKind::Base,
                what: base.reference.clone().unwrap_or_else(|| base.written.clone()),
                origin: base.origin.clone(),
            });
        }
    }
    for package in facts.packages.iter().filter(|package| !package.removed) {
        if let Some((version, major_only)) = cuda_of_package(package) {
            uses.push(CudaUse {
                stage: package.stage,
                version,
                major_only,
                kind: CudaUseKind::Package,
                what: package.name.clone(),
                origin: package.origin.clone(),
            });
        }
    }
    for requirement in &facts.python {
        // torchvision and torchaudio take torch along: its own requirement says more.
        let beside_torch = matches!(requirement.name.as_str(), "torchvision" | "torchaudio" | "torchtext")
            && facts.python.iter().any(|other| other.name == "torch" && other.stage == requirement.stage);
        if beside_torch {
            continue;
        }
        let amd64 = cx.amd64(requirement.stage);
        if let Some(WheelCuda { version, major_only }) = cuda_of_requirement(requirement, cx.tables, amd64) {
            let what = match &requirement.exact {
                Some(exact) => format!("{} {exact}", requirement.name),
                None => requirement.name.clone(),
            };
            uses.push(CudaUse {
                stage: requirement.stage,
                version,
                major_only,
                kind: CudaUseKind::Wheel,
                what,
                origin: requirement.origin.clone(),
            });
        }
    }
    for package in &facts.conda {
        if let Some((version, major_only)) = cuda_of_conda(package) {
            uses.push(CudaUse {
                stage: package.stage,
                version,
                major_only,
                kind: CudaUseKind::Conda,
                what: package.name.clone(),
                origin: package.origin.clone(),
            });
        }
    }
    for copy in &facts.copies {
        uses.extend(cuda_of_copy(copy, facts));
    }
    uses.extend(facts.installers.iter().filter_map(cuda_of_installer));
    facts.cuda.extend(uses);
}

/// System packages that hold no part of the CUDA runtime although their name carries a version.
const NOT_RUNTIME: &[&str] = &[
    "cuda-compat",
    "cuda-drivers",
    "cuda-keyring",
    "cuda-nvml-dev",
    "cuda-repo",
    "cuda-documentation",
    "cuda-nsight",
    "cuda-sanitizer",
    "cuda-driver-dev",
    "cuda-cccl",
    "cuda-gdb",
    "cuda-nvdisasm",
    "cuda-cuobjdump",
    "cuda-cuxxfilt",
    "cuda-nvprune",
];
/// NVIDIA's libraries that come as packages of the CUDA repository with a version suffix.
const LIBRARY_STEMS: &[&str] = &[
    "libcublas",
    "libcufft",
    "libcufile",
    "libcurand",
    "libcusolver",
    "libcusparse",
    "libnpp",
    "libnvjpeg",
    "libnvjitlink",
    "libnvfatbin",
    "libnvvm",
];

/// CUDA version of a system package; the flag says that only the major is known.
pub(in crate::facts) fn cuda_of_package(package: &PackageInstall) -> Option<(CudaVersion, bool)> {
    let name = package.name.as_str();
    if package.open_ended || NOT_RUNTIME.iter().any(|stem| name.starts_with(stem)) {
        return None;
    }
    let ours = name == "cuda"
        || name.starts_with("cuda-")
        || LIBRARY_STEMS.iter().any(|stem| name.starts_with(stem));
    if ours {
        if let Some(version) = dashed_version(name) {
            return Some((version, false));
        }
        // `cuda-toolkit=12.4.1-1`, or `cuda-toolkit-12` with the major alone.
        let pinned =
            package.version.as_deref().and_then(leading_version).filter(|_| name.starts_with("cuda"));
        if let Some(version) = pinned {
            return Some((version, false));
        }
        let major = name.rsplit_once('-').and_then(|(_, last)| last.parse::<u16>().ok());
        return major
            .filter(|major| (8..100).contains(major))
            .map(|major| (CudaVersion::new(major, 0), true));
    }
    let companion =
        ["libcudnn", "libnccl", "libnvinfer", "libnvonnxparsers", "tensorrt", "libcutensor", "cudnn"];
    if companion.iter().any(|stem| name.starts_with(stem)) {
        // Built for one CUDA major and run with any minor of it.
        if let Some((_, rest)) = name.split_once("-cuda-") {
            let major: u16 = rest.split('-').next()?.parse().ok()?;
            return Some((CudaVersion::new(major, 0), true));
        }
        let version = package.version.as_deref()?;
        let (_, cuda) = version.split_once("+cuda")?;
        let found = leading_version(cuda)?;
        return Some((CudaVersion::new(found.major, 0), true));
    }
    None
}

/// `…-12-4` or `…-dev-12-4`: the version that ends a package's name.
pub(super) fn dashed_version(name: &str) -> Option<CudaVersion> {
    let (rest, minor) = name.rsplit_once('-')?;
    let (_, major) = rest.rsplit_once('-')?;
    let major: u16 = major.parse().ok()?;
    let minor: u16 = minor.parse().ok()?;
    ((7..100).contains(&major) && minor < 20).then_some(CudaVersion::new(major, minor))
}

/// `12.4.1-1` as 12.4.1, `12.4` as 12.4; `None` without two numbers.
fn leading_version(text: &str) -> Option<CudaVersion> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let digits = text.get(..end)?.trim_end_matches('.');
    let mut parts = digits.split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    let major: u16 = major.parse().ok()?;
    let minor: u16 = minor.parse().ok()?;
    if !(7..100).contains(&major) {
        return None;
    }
    let version = CudaVersion::new(major, minor);
    // A third number above 9 is a component's build (12.4.127), not the toolkit's patch.
    let patch = parts.next().and_then(|patch| patch.parse::<u16>().ok()).filter(|patch| *patch < 10);
    Some(CudaVersion { patch, ..version })
}

/// Conda packages whose version is the CUDA version.
const CONDA_VERSIONED: &[&str] = &[
    "cuda",
    "cuda-cudart",
    "cuda-libraries",
    "cuda-nvcc",
    "cuda-runtime",
    "cuda-toolkit",
    "cuda-version",
    "cudatoolkit",
    "cudatoolkit-dev",
    "pytorch-cuda",
];

/// CUDA version of a conda package.
pub(super) fn cuda_of_conda(package: &CondaPackage) -> Option<(CudaVersion, bool)> {
    if CONDA_VERSIONED.contains(&package.name.as_str())
        && let Some(found) = package.version.as_deref().and_then(conda_version)
    {
        return Some(found);
    }
    if package.name.starts_with("cuda")
        && let Some(label) = package.channels.iter().find_map(|channel| channel.split("label/cuda-").nth(1))
        && let Some(version) = leading_version(label)
    {
        return Some((version, false));
    }
    package.build.as_deref().and_then(cuda_of_build)
}

/// `11.8`, `12.4.*`, `>=12.4,<12.5`; a bare `12` or `12.*` gives the major. Bounds that leave more open give nothing.
fn conda_version(text: &str) -> Option<(CudaVersion, bool)> {
    let text = text.trim_start_matches(['=', '~']).trim();
    if text.starts_with(['>', '<', '!']) || text.contains('|') {
        return None;
    }
    let first = text.split(',').next().unwrap_or(text);
    if let Some(version) = leading_version(first) {
        return Some((version, false));
    }
    let major: u16 = first.trim_end_matches(".*").trim_end_matches('*').parse().ok()?;
    (8..100).contains(&major).then_some((CudaVersion::new(major, 0), true))
}

/// CUDA version in a build string: `py3.10_cuda12.1_cudnn8.9.2_0`, `cuda126_py311`, `cuda12*`.
fn cuda_of_build(build: &str) -> Option<(CudaVersion, bool)> {
    let (_, rest) = build.split_once("cuda")?;
    if let Some(version) = leading_version(rest) {
        return Some((version, false));
    }
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    match digits.len() {
        2 => digits.parse().ok().map(|major| (CudaVersion::new(major, 0), true)),
        3 => CudaVersion::from_wheel_digits(&digits).map(|version| (version, false)),
        _ => None,
    }
}

/// CUDA libraries whose SONAME carries the CUDA major.
const MAJOR_LIBRARIES: &[&str] =
    &["libcudart", "libcublas", "libcublasLt", "libnvrtc", "libcupti", "libnvJitLink"];

/// The version that a library's file name tells: `libcudart.so.12.4.127` is 12.4, `libcublas.so.12` some 12.x.
pub(in crate::facts) fn cuda_of_file(path: &str) -> Option<(CudaVersion, bool)> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let (stem, version) = file.split_once(".so.")?;
    if !MAJOR_LIBRARIES.contains(&stem) {
        return None;
    }
    let numbers: Vec<u16> = version.split('.').map_while(|part| part.parse().ok()).collect();
    match (stem, numbers.as_slice()) {
        // Runtime files carry the toolkit's version; SONAMEs of all of 11.x say 11.0.
        ("libcudart", [major, minor, _, ..]) => Some((CudaVersion::new(*major, *minor), false)),
        ("libcudart", [major, minor]) if *major < 11 => Some((CudaVersion::new(*major, *minor), false)),
        // cuBLAS and others count on their own behind the major.
        (_, [major, ..]) if (8..100).contains(major) => Some((CudaVersion::new(*major, 0), true)),
        _ => None,
    }
}

/// The version in a toolkit folder: `/usr/local/cuda-12.4/lib64`.
fn cuda_of_folder(path: &str) -> Option<CudaVersion> {
    let (_, rest) = path.split_once("/usr/local/cuda-")?;
    leading_version(rest)
}

/// Whether a path lies in a toolkit's folder.
pub(super) fn in_toolkit(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    path == "/usr/local/cuda" || path.starts_with("/usr/local/cuda/") || path.starts_with("/usr/local/cuda-")
}

fn cuda_of_copy(copy: &Copy, facts: &Facts) -> Option<CudaUse> {
    let source_cuda = match &copy.from {
        CopyFrom::Stage(stage) => facts.base_of(*stage).and_then(|base| base.cuda),
        CopyFrom::Image(base) => base.cuda,
        CopyFrom::Context | CopyFrom::Unknown(_) => None,
    };
    copy.sources.iter().find_map(|word| {
        let path = word.text.as_deref()?;
        // A trimmed tree keeps compat and nvvm apart: neither is the runtime.
        if path.contains("/compat") || path.contains("/stubs") {
            return None;
        }
        let library = cuda_of_file(path);
        let (version, major_only) = match (library, source_cuda) {
            (Some((found, true)), Some(known)) if known.major == found.major => (known.minor_only(), false),
            (Some(found), _) => found,
            (None, Some(known)) if in_toolkit(path) => (known, false),
            (None, None) => (cuda_of_folder(path)?, false),
            (None, Some(_)) => return None,
        };
        Some(CudaUse {
            stage: copy.stage,
            version,
            major_only,
            kind: CudaUseKind::Copied,
            what: path.to_owned(),
            origin: word.origin.clone(),
        })
    })
}

/// CUDA version of a runfile's name: `cuda_12.4.1_550.54.15_linux.run`.
pub(super) fn runfile_version(text: &str) -> Option<CudaVersion> {
    let file = text.rsplit('/').next().unwrap_or(text);
    let rest = file.strip_prefix("cuda_")?;
    (rest.contains("linux") && (rest.ends_with(".run") || rest.ends_with("linux")))
        .then(|| leading_version(rest))?
}

fn cuda_of_installer(installer: &Installer) -> Option<CudaUse> {
    let version = runfile_version(&installer.name).filter(|_| !installer.has("--extract"))?;
    Some(CudaUse {
        stage: installer.stage,
        version,
        major_only: false,
        kind: CudaUseKind::Installer,
        what: installer.name.clone(),
        origin: installer.origin.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{FileId, Origin, PackageManager, StageId};
    use crate::span::Span;

    fn place() -> Origin {
        Origin::file(FileId(0), Span::default())
    }

    fn package(name: &str, version: Option<&str>) -> Option<String> {
        let install = PackageInstall {
            stage: StageId(0),
            manager: PackageManager::Apt,
            name: name.to_owned(),
            open_ended: false,
            version: version.map(str::to_owned),
            pinned: version.is_some(),
            flags: Vec::new(),
            removed: false,
            instruction: 0,
            origin: place(),
            command: place(),
        };
        cuda_of_package(&install).map(text)
    }

    fn text((version, major_only): (CudaVersion, bool)) -> String {
        if major_only { format!("{}.x", version.major) } else { version.to_string() }
    }

    #[test]
    fn system_packages() {
        assert_eq!(package("cuda-libraries-12-4", None).as_deref(), Some("12.4"));
        assert_eq!(package("libcublas-dev-11-8", None).as_deref(), Some("11.8"));
        assert_eq!(package("cuda-toolkit", Some("12.4.1-1")).as_deref(), Some("12.4.1"));
        assert_eq!(package("cuda-toolkit-12", None).as_deref(), Some("12.x"));
        assert_eq!(package("libnccl2", Some("2.21.5-1+cuda12.4")).as_deref(), Some("12.x"));
        assert_eq!(package("libcudnn9-cuda-12", None).as_deref(), Some("12.x"));
        assert_eq!(package("cuda-compat-12-4", None), None);
        assert_eq!(package("cuda-drivers-550", None), None);
        assert_eq!(package("cuda-toolkit", None), None);
        assert_eq!(package("libcudnn8", None), None);
        assert_eq!(package("python3-11-2", None), None);
    }

    fn conda(name: &str, version: Option<&str>, build: Option<&str>, channel: &str) -> Option<String> {
        let package = CondaPackage {
            stage: StageId(0),
            tool: "conda".to_owned(),
            name: name.to_owned(),
            version: version.map(str::to_owned),
            build: build.map(str::to_owned),
            channels: vec![channel.to_owned()],
            locked: false,
            override_cuda: None,
            instruction: 0,
            origin: place(),
            command: place(),
        };
        cuda_of_conda(&package).map(text)
    }

    #[test]
    fn conda_packages() {
        assert_eq!(conda("pytorch-cuda", Some("12.1"), None, "nvidia").as_deref(), Some("12.1"));
        assert_eq!(conda("cudatoolkit", Some("11.8.*"), None, "").as_deref(), Some("11.8"));
        assert_eq!(conda("cuda-version", Some("12"), None, "").as_deref(), Some("12.x"));
        assert_eq!(conda("cuda-version", Some(">=12"), None, ""), None);
        assert_eq!(conda("pytorch", Some("2.5.*"), Some("cuda12*"), "").as_deref(), Some("12.x"));
        assert_eq!(conda("pytorch", None, Some("py3.10_cuda12.1_cudnn8.9.2_0"), "").as_deref(), Some("12.1"));
        assert_eq!(conda("pytorch", None, Some("cuda126_py311h1"), "").as_deref(), Some("12.6"));
        assert_eq!(conda("cuda-nvcc", None, None, "nvidia/label/cuda-12.4.0").as_deref(), Some("12.4.0"));
        assert_eq!(conda("numpy", Some("1.26"), None, ""), None);
    }

    #[test]
    fn files_and_runfiles() {
        let file = |path: &str| cuda_of_file(path).map(text);
        assert_eq!(file("/x/libcudart.so.12.4.127").as_deref(), Some("12.4"));
        assert_eq!(file("libcudart.so.12").as_deref(), Some("12.x"));
        assert_eq!(file("libcudart.so.11.0").as_deref(), Some("11.x"));
        assert_eq!(file("libcudart.so.10.2").as_deref(), Some("10.2"));
        assert_eq!(file("libcublas.so.12.4.5.8").as_deref(), Some("12.x"));
        assert_eq!(file("libcudnn.so.9"), None);
        assert_eq!(file("libcudart.so"), None);
        assert_eq!(
            runfile_version("/tmp/cuda_12.4.1_550.54.15_linux.run")
                .map(|version| version.to_string())
                .as_deref(),
            Some("12.4.1")
        );
        assert_eq!(runfile_version("cuda_samples.run"), None);
    }

    #[test]
    fn versions_of_a_dockerfile() {
        use crate::facts::from_dockerfile::testing::{at, facts};
        let facts = facts(
            "FROM nvidia/cuda:12.1.1-devel-ubuntu22.04 AS b\nFROM python:3.11\nCOPY --from=b /usr/local/cuda/lib64/libcudart.so.12 /x/\nRUN pip install torch==2.5.1 torchvision==0.20.1\nRUN conda install pytorch-cuda=11.8\nRUN bash /tmp/cuda_11.8.0_520.61.05_linux.run --silent\n",
        );
        let shown: Vec<(usize, CudaUseKind, String, &str)> = facts
            .cuda
            .iter()
            .map(|one| (one.stage.0, one.kind, text((one.version, one.major_only)), at(&facts, &one.origin)))
            .collect();
        assert_eq!(
            shown,
            [
                (0, CudaUseKind::Base, "12.1.1".to_owned(), "nvidia/cuda:12.1.1-devel-ubuntu22.04"),
                (1, CudaUseKind::Wheel, "12.4".to_owned(), "torch==2.5.1"),
                (1, CudaUseKind::Conda, "11.8".to_owned(), "pytorch-cuda=11.8"),
                (1, CudaUseKind::Copied, "12.1".to_owned(), "/usr/local/cuda/lib64/libcudart.so.12"),
                (
                    1,
                    CudaUseKind::Installer,
                    "11.8.0".to_owned(),
                    "bash /tmp/cuda_11.8.0_520.61.05_linux.run --silent"
                ),
            ]
        );
    }
}
