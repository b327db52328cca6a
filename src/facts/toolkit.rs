//! Which CUDA compiler a stage has.

use super::{CopyFrom, CudaUseKind, Facts, Origin, StageId};
use crate::compat::CudaVersion;

/// The CUDA compiler that a stage's commands find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compiler<'a> {
    /// None: the base image has none, and nothing brings one.
    Absent,
    /// That of a toolkit, with what brings it.
    Known(CudaVersion, &'a Origin),
    /// Not known, or several.
    Unknown,
}

/// Beginnings of the names of system packages that hold nvcc, or depend on the one that does.
const PACKAGES: &[&str] =
    &["cuda-nvcc", "cuda-toolkit", "cuda-compiler", "cuda-minimal-build", "nvidia-cuda-toolkit"];
/// Conda packages that hold nvcc, or depend on the one that does.
const CONDA: &[&str] = &["cuda", "cuda-compiler", "cuda-nvcc", "cuda-toolkit", "cudatoolkit-dev"];

/// Whether a system package brings nvcc.
fn has_compiler(name: &str) -> bool {
    PACKAGES.iter().any(|stem| name.starts_with(stem))
        || name == "cuda"
        || name
            .strip_prefix("cuda-")
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

impl Facts {
    /// The CUDA compiler of a stage, by its base image and what its lineage installs or copies.
    #[must_use]
    pub fn compiler(&self, stage: StageId) -> Compiler<'_> {
        let Some(base) = self.base_of(stage) else { return Compiler::Unknown };
        let mut found: Vec<(Option<CudaVersion>, &Origin)> = Vec::new();
        match base.has_nvcc {
            Some(true) => found.push((base.cuda, &base.origin)),
            Some(false) => {}
            None => return Compiler::Unknown,
        }
        let here = |other: StageId| self.inherits(stage, other);
        for package in
            self.packages.iter().filter(|package| here(package.stage) && has_compiler(&package.name))
        {
            let version = super::from_dockerfile::cuda_of_package(package);
            found.push((version.filter(|(_, major)| !major).map(|(version, _)| version), &package.origin));
        }
        for package in
            self.conda.iter().filter(|package| here(package.stage) && CONDA.contains(&package.name.as_str()))
        {
            let used = self.cuda.iter().find(|used| used.origin == package.origin && !used.major_only);
            found.push((used.map(|used| used.version), &package.origin));
        }
        let wheels = self
            .python
            .iter()
            .filter(|wheel| here(wheel.stage) && wheel.name.starts_with("nvidia-cuda-nvcc"));
        found.extend(wheels.map(|wheel| (None, &wheel.origin)));
        for used in self.cuda.iter().filter(|used| here(used.stage)) {
            let folder = || !used.what.contains(".so") && used.what.starts_with("/usr/local/cuda");
            if used.kind == CudaUseKind::Installer || (used.kind == CudaUseKind::Copied && folder()) {
                found.push(((!used.major_only).then_some(used.version), &used.origin));
            }
        }
        // A copy of a whole root can hold anything.
        let root = self.copies.iter().filter(|copy| here(copy.stage) && copy.from != CopyFrom::Context).any(
            |copy| {
                copy.sources.iter().any(|word| {
                    matches!(word.text.as_deref(), None | Some("/" | "/usr" | "/usr/local" | "/opt"))
                })
            },
        );
        let [(Some(version), origin), rest @ ..] = found.as_slice() else {
            return if found.is_empty() && !root { Compiler::Absent } else { Compiler::Unknown };
        };
        let same = |other: &CudaVersion| (other.major, other.minor) == (version.major, version.minor);
        if root || !rest.iter().all(|(other, _)| other.as_ref().is_some_and(same)) {
            return Compiler::Unknown;
        }
        Compiler::Known(*version, origin)
    }
}

#[cfg(test)]
mod tests {
    use super::Compiler;
    use crate::facts::from_dockerfile::testing::facts;

    fn compiler(text: &str) -> String {
        let facts = facts(text);
        match facts.compiler(facts.target) {
            Compiler::Absent => "none".to_owned(),
            Compiler::Known(version, _) => version.minor_only().to_string(),
            Compiler::Unknown => "?".to_owned(),
        }
    }

    #[test]
    fn compilers_of_bases_and_packages() {
        assert_eq!(compiler("FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\n"), "12.4");
        assert_eq!(compiler("FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\n"), "none");
        assert_eq!(compiler("FROM pytorch/pytorch:2.5.1-cuda12.4-cudnn9-devel\n"), "12.4");
        assert_eq!(compiler("FROM example.com/x:1\n"), "?");
        assert_eq!(compiler("FROM ubuntu:22.04\nRUN apt-get install -y cuda-nvcc-12-4\n"), "12.4");
        assert_eq!(compiler("FROM ubuntu:22.04\nRUN apt-get install -y cuda-toolkit\n"), "?");
        assert_eq!(
            compiler("FROM nvidia/cuda:12.6.3-devel-ubuntu22.04\nRUN apt-get install -y cuda-nvcc-12-4\n"),
            "?"
        );
        assert_eq!(
            compiler(
                "FROM debian:12\nCOPY --from=nvidia/cuda:12.4.1-devel-ubuntu22.04 /usr/local/cuda /usr/local/cuda\n"
            ),
            "12.4"
        );
    }
}
