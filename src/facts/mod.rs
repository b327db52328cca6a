//! The vocabulary between input and judgement: statements about an image or a Dockerfile, each with its provenance.
//!
//! Facts are computed once per input and read-only afterwards. They carry no severity and no wording. A statement
//! that cannot be made (an ARG without value, a private base) is absent or `None`, never guessed.

mod code_path;
mod compilation;
mod environment;
pub mod from_dockerfile;
pub mod from_image;
mod gpu_use;
mod image;
pub mod manifest;
mod origin;
mod package;
mod stage;
mod statement;
mod toolkit;
pub mod wheels;

pub use code_path::may_be_code;
pub use compilation::{
    ArchEntry, ArchList, ArchListKind, CompileSignal, SourceBuild, UnreadKind, UnreadStep,
};
pub use environment::{EnvSet, EnvVar, Environment};
pub use gpu_use::{
    Capability, CapabilityUse, CudaPath, CudaUse, CudaUseKind, GpuPayload, GpuQuery, LoaderEntry, LoaderVia,
    PayloadKind,
};
pub use image::{
    CudartFile, DeviceCodeFile, DriverLibraryFile, DriverLibraryKind, ImageFacts, InstalledPackage,
    LayerFacts, Libc, LoaderFile, NeededLibrary, PythonDistribution,
};
pub use origin::{FileId, Origin, SourceFile};
pub use package::{
    CondaPackage, PackageInstall, PackageManager, PythonIndex, PythonRequirement, PythonTool, RepositoryUse,
    RepositoryUseKind, SystemUpgrade, UnreadInstall,
};
pub use stage::{Base, BaseKind, Flavour, Os, Stage, StageId};
pub use statement::{
    Command, CommandRole, Copy, CopyFrom, Export, ExportKind, FileOperation, FileOperationKind, Installer,
    Word,
};
pub use toolkit::Compiler;

/// What kind of input the facts were read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// A Dockerfile, with what its build context adds.
    Dockerfile,
    /// A built image: config and layers.
    Image,
}

/// Everything known about one input.
///
/// An image is described with the same words as a Dockerfile where they fit: it has exactly one stage, whose
/// environment comes from the config.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Dockerfile or image.
    pub kind: InputKind,
    /// Texts that origins point into: the Dockerfile first, then files of the build context.
    pub sources: Vec<SourceFile>,
    /// Build stages in order of the file; one for an image. Never empty in facts that reach a rule.
    pub stages: Vec<Stage>,
    /// The stage that is built by default or by `--target`.
    pub target: StageId,
    /// ENV assignments in order of the file, all stages.
    pub env_sets: Vec<EnvSet>,
    /// COPY and ADD instructions.
    pub copies: Vec<Copy>,
    /// Images whose files a RUN mounts (`--mount=from=IMAGE`), with the stage that does.
    pub mounted_images: Vec<(StageId, Base)>,
    /// Commands that RUN executes, and those of CMD, ENTRYPOINT and HEALTHCHECK.
    pub commands: Vec<Command>,
    /// Self-extracting installers of NVIDIA's that RUN starts.
    pub installers: Vec<Installer>,
    /// System packages installed.
    pub packages: Vec<PackageInstall>,
    /// Python distributions installed by pip, uv, poetry and their like.
    pub python: Vec<PythonRequirement>,
    /// Installs by Python tools and conda of which it is not known what they bring.
    pub unread_installs: Vec<UnreadInstall>,
    /// Packages installed by conda, mamba, micromamba or pixi.
    pub conda: Vec<CondaPackage>,
    /// Lists of GPU architectures handed to a compiler.
    pub arch_lists: Vec<ArchList>,
    /// GPU extensions built from source.
    pub source_builds: Vec<SourceBuild>,
    /// Signs that something is compiled.
    pub compiles: Vec<CompileSignal>,
    /// Signs that something is compiled when the container runs.
    pub run_time_compiles: Vec<CompileSignal>,
    /// Steps of the build whose work cannot be read.
    pub unread_steps: Vec<UnreadStep>,
    /// ln, cp, mv, install and rm on libraries and CUDA paths.
    pub file_operations: Vec<FileOperation>,
    /// Directories that reach the dynamic loader by other means than ENV, and by ENV.
    pub loader: Vec<LoaderEntry>,
    /// Commands that ask for a GPU while building.
    pub gpu_queries: Vec<GpuQuery>,
    /// Uses of NVIDIA's package repositories and keys.
    pub repositories: Vec<RepositoryUse>,
    /// Variables exported inside a RUN or in a shell start-up file.
    pub exports: Vec<Export>,
    /// `apt-get upgrade` and its like.
    pub upgrades: Vec<SystemUpgrade>,
    /// Signs that a driver capability is needed.
    pub capability_uses: Vec<CapabilityUse>,
    /// What makes this a GPU image.
    pub payload: Vec<GpuPayload>,
    /// CUDA versions in use, with how each is known.
    pub cuda: Vec<CudaUse>,
    /// Mentions of versioned CUDA folders (`/usr/local/cuda-12.4`).
    pub cuda_paths: Vec<CudaPath>,
    /// What only a built image shows.
    pub image: Option<ImageFacts>,
}

impl Facts {
    /// Facts that state nothing yet.
    #[must_use]
    pub fn empty(kind: InputKind) -> Self {
        Self {
            kind,
            sources: Vec::new(),
            stages: Vec::new(),
            target: StageId(0),
            env_sets: Vec::new(),
            copies: Vec::new(),
            mounted_images: Vec::new(),
            commands: Vec::new(),
            installers: Vec::new(),
            packages: Vec::new(),
            python: Vec::new(),
            unread_installs: Vec::new(),
            conda: Vec::new(),
            arch_lists: Vec::new(),
            source_builds: Vec::new(),
            compiles: Vec::new(),
            run_time_compiles: Vec::new(),
            unread_steps: Vec::new(),
            file_operations: Vec::new(),
            loader: Vec::new(),
            gpu_queries: Vec::new(),
            repositories: Vec::new(),
            exports: Vec::new(),
            upgrades: Vec::new(),
            capability_uses: Vec::new(),
            payload: Vec::new(),
            cuda: Vec::new(),
            cuda_paths: Vec::new(),
            image: None,
        }
    }

    /// The stage with this number.
    #[must_use]
    pub fn stage(&self, id: StageId) -> Option<&Stage> {
        self.stages.get(id.0)
    }

    /// The stage that is built.
    #[must_use]
    pub fn target_stage(&self) -> Option<&Stage> {
        self.stage(self.target)
    }

    /// Whether `stage` is the target or one of the stages it is FROM.
    #[must_use]
    pub fn in_final_lineage(&self, stage: StageId) -> bool {
        self.target_stage().is_some_and(|target| target.lineage.contains(&stage))
    }

    /// Whether files of `stage` reach the shipped image: it is in the final lineage or copied from into it.
    #[must_use]
    pub fn is_shipped(&self, stage: StageId) -> bool {
        self.stage(stage).is_some_and(|stage| stage.shipped)
    }

    /// Whether Python distributions and conda packages of `stage` reach the shipped image.
    #[must_use]
    pub fn ships_packages(&self, stage: StageId) -> bool {
        self.stage(stage).is_some_and(|stage| stage.packages_shipped)
    }

    /// Whether a CUDA version in use reaches the shipped image.
    #[must_use]
    pub fn ships_cuda(&self, used: &CudaUse) -> bool {
        match used.kind {
            CudaUseKind::Wheel | CudaUseKind::Conda => self.ships_packages(used.stage),
            _ => self.is_shipped(used.stage),
        }
    }

    /// Whether what lies at `path` in `stage` reaches the shipped image: the stage is in the final lineage, or a COPY of
    /// the final lineage takes the path or a folder around it.
    #[must_use]
    pub fn ships_path(&self, stage: StageId, path: &str) -> bool {
        let path = format!("/{}", path.trim_matches('/'));
        self.in_final_lineage(stage)
            || self.copies.iter().any(|copy| {
                let CopyFrom::Stage(source) = &copy.from else { return false };
                self.in_final_lineage(copy.stage)
                    && self.inherits(*source, stage)
                    && copy.sources.iter().filter_map(|word| word.text.as_deref()).any(|taken| {
                        let taken = format!("/{}", taken.trim_matches('/'));
                        is_within(&path, &taken)
                    })
            })
    }

    /// Whether compiled code of `stage` can reach the shipped image: see [`Stage::ships_code`].
    #[must_use]
    pub fn ships_code(&self, stage: StageId) -> bool {
        self.stage(stage).is_some_and(|stage| stage.ships_code)
    }

    /// The image at the root of the final lineage.
    #[must_use]
    pub fn final_base(&self) -> Option<&Base> {
        self.target_stage().map(|stage| &stage.root)
    }

    /// The environment of the shipped image.
    #[must_use]
    pub fn final_env(&self) -> Option<&Environment> {
        self.target_stage().map(|stage| &stage.env)
    }

    /// The root image of a stage's lineage.
    #[must_use]
    pub fn base_of(&self, stage: StageId) -> Option<&Base> {
        self.stage(stage).map(|stage| &stage.root)
    }

    /// Whether two stages share a lineage, `earlier` being `later` or one of the stages that `later` is FROM.
    #[must_use]
    pub fn inherits(&self, later: StageId, earlier: StageId) -> bool {
        self.stage(later).is_some_and(|stage| stage.lineage.contains(&earlier))
    }
}

/// Whether an absolute path is `folder` or lies in it.
pub(crate) fn is_within(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
