//! Flags and commands, in one place: help, man page and completions come from here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

/// Find out, before anything is deployed, whether a container's CUDA code runs on your NVIDIA drivers and GPUs.
#[derive(Debug, Parser)]
#[command(name = "cudalint", version, about, max_term_width = 100, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "INPUT is a Dockerfile, a folder that is searched for Dockerfiles, `-` (a Dockerfile on standard \
input), or an image: NAME[:TAG][@DIGEST] from a registry, or docker://, docker-daemon:, oci:, oci-archive:, \
docker-archive:, dir: as skopeo spells them.\n\nExit status: 0 clean, 1 findings at or above --fail-on, 2 usage or \
configuration, 3 nothing to check, 4 scan incomplete."
)]
pub(super) struct Cli {
    /// What to do; without a command the inputs are checked.
    #[command(subcommand)]
    pub(super) command: Option<Command>,

    /// Options of `check`, the default command.
    #[command(flatten)]
    pub(super) check: CheckArgs,

    /// Options that every command takes.
    #[command(flatten)]
    pub(super) global: GlobalArgs,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check inputs against the rules (the default command)
    Check(Box<CheckArgs>),
    /// Show facts: CUDA libraries, versions, SM and PTX coverage, requirement, least driver
    Inspect(Box<InspectArgs>),
    /// Show the verdict per driver branch and GPU, with the reason of each cell
    Matrix(Box<MatrixArgs>),
    /// Answer the compatibility question without an image
    Compat(CompatArgs),
    /// Say what the container runtime makes of a requirement or an environment
    Require(RequireArgs),
    /// Print the page of a rule, or the rules behind a run-time error message
    Explain(ExplainArgs),
    /// List the rules
    Rules(RulesArgs),
    /// Show which knowledge tables are built in, and how old they are
    Data(DataArgs),
    /// Show or clear what registries said and is kept between runs
    Cache(CacheArgs),
    /// Print shell completions
    Completions {
        /// Shell to complete for
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(super) struct GlobalArgs {
    /// When to colour the output
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub(super) color: When,
    /// Say less: findings only, no summary
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(super) quiet: bool,
    /// Say more: also what stayed unknown
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    pub(super) verbose: u8,
    /// Extend or replace rows of the knowledge tables (repeatable)
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Target")]
    pub(super) data: Vec<PathBuf>,
}

/// When to do something that depends on the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Drivers, GPUs and host the image is meant for.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct TargetArgs {
    /// Host drivers: 525 · 525.60.13 · 525..=550 · ">=525.60.13, <580" · 470,535,550 · l4t:36.4 · host
    #[arg(long, value_name = "SPEC", help_heading = "Target")]
    pub(super) driver: Option<String>,
    /// GPUs: h100,l4 · sm_90 · 9.0 · 8.6@consumer
    #[arg(long, value_name = "LIST", help_heading = "Target")]
    pub(super) gpu: Option<String>,
    /// A named set of drivers and GPUs from the configuration
    #[arg(long, value_name = "NAME", conflicts_with_all = ["driver", "gpu"], help_heading = "Target")]
    pub(super) fleet: Option<String>,
    /// Drivers and GPUs of a cluster: the output of `kubectl get nodes -o json`, or `-` to read it from standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["driver", "gpu", "fleet"], value_hint = ValueHint::FilePath, help_heading = "Target")]
    pub(super) nodes: Option<PathBuf>,
    /// Who injects the driver, and where
    #[arg(long, value_name = "PROFILE", help_heading = "Target")]
    pub(super) host: Option<Host>,
}

/// Host profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Host {
    /// The container runtime's hook (`docker run --gpus`)
    Docker,
    /// CDI: requirements are not checked
    Cdi,
    /// GKE: the driver is mounted at /usr/local/nvidia
    Gke,
    /// Jetson: csv mode
    Jetson,
}

/// How a Dockerfile is built.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct BuildArgs {
    /// Platform, as docker build has it [default: linux/amd64]
    #[arg(long, value_name = "OS/ARCH", help_heading = "Build")]
    pub(super) platform: Option<String>,
    /// Value of a build argument (repeatable)
    #[arg(long = "build-arg", value_name = "NAME=VALUE", help_heading = "Build")]
    pub(super) build_args: Vec<String>,
    /// Stage to build
    #[arg(long, value_name = "STAGE", help_heading = "Build")]
    pub(super) target: Option<String>,
    /// Build context [default: the Dockerfile's folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Build")]
    pub(super) context: Option<PathBuf>,
}

/// How images are read.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct ImageArgs {
    /// Use no network
    #[arg(long, help_heading = "Images")]
    pub(super) offline: bool,
    /// Read the config of base images from their registry instead of the built-in table
    #[arg(long, conflicts_with = "offline", help_heading = "Images")]
    pub(super) resolve_base: bool,
    #[command(flatten)]
    pub(super) cache: CacheFolder,
    /// Keep nothing between runs, and use nothing that was kept
    #[arg(long, help_heading = "Images")]
    pub(super) no_cache: bool,
    /// A registry that may be spoken to over plain HTTP (repeatable); this machine always may
    #[arg(long = "insecure-registry", value_name = "HOST", help_heading = "Images")]
    pub(super) insecure_registries: Vec<String>,
    /// Layers read at the same time
    #[arg(long, value_name = "N", help_heading = "Images")]
    pub(super) jobs: Option<usize>,
    /// Raise or lower a limit (repeatable)
    #[arg(long = "limit", value_name = "NAME=VALUE", help_heading = "Images")]
    pub(super) limits: Vec<String>,
    /// Certificate authorities to trust instead of the system's (PEM)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Images")]
    pub(super) ca_file: Option<PathBuf>,
    /// Show progress while layers are read
    #[arg(long, value_name = "WHEN", help_heading = "Output")]
    pub(super) progress: Option<When>,
}

/// Where the cache is.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct CacheFolder {
    /// Folder for what registries said [default: cudalint in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "CUDALINT_CACHE_DIR", value_hint = ValueHint::DirPath, help_heading = "Images")]
    pub(super) cache_dir: Option<PathBuf>,
}

/// Options of `cache`.
#[derive(Debug, Args)]
pub(super) struct CacheArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub(super) command: CacheCommand,
}

/// What to do with the cache.
#[derive(Debug, Subcommand)]
pub(super) enum CacheCommand {
    /// Show where it is and how much it holds
    Info {
        #[command(flatten)]
        folder: CacheFolder,
        /// Output format
        #[arg(long, value_name = "FORMAT", default_value = "human", help_heading = "Output")]
        format: PlainFormat,
    },
    /// Delete what it holds
    Clear {
        #[command(flatten)]
        folder: CacheFolder,
    },
}

/// Where the configuration comes from.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct ConfigArgs {
    /// Configuration file [default: cudalint.toml here or above]
    #[arg(long, value_name = "FILE", env = "CUDALINT_CONFIG", value_hint = ValueHint::FilePath, help_heading = "Configuration")]
    pub(super) config: Option<PathBuf>,
    /// Read no configuration file
    #[arg(long, conflicts_with = "config", help_heading = "Configuration")]
    pub(super) isolated: bool,
}

/// Options of `check`.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct CheckArgs {
    /// Dockerfiles, folders, `-`, or images
    #[arg(value_name = "INPUT", value_hint = ValueHint::AnyPath)]
    pub(super) inputs: Vec<String>,
    #[command(flatten)]
    pub(super) target: TargetArgs,
    #[command(flatten)]
    pub(super) build: BuildArgs,
    #[command(flatten)]
    pub(super) image: ImageArgs,
    #[command(flatten)]
    pub(super) config: ConfigArgs,

    /// Show an image's findings at the lines of this Dockerfile that made them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Images")]
    pub(super) dockerfile: Option<PathBuf>,

    /// Output format
    #[arg(
        long,
        value_name = "FORMAT",
        env = "CUDALINT_FORMAT",
        default_value = "human",
        help_heading = "Output"
    )]
    pub(super) format: Format,
    /// Write to a file instead of standard output
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(super) output: Option<PathBuf>,

    /// Least severity that makes the exit status 1
    #[arg(long, value_name = "SEVERITY", help_heading = "Rules")]
    pub(super) fail_on: Option<FailOn>,
    /// What stayed unknown counts as a failure
    #[arg(long, help_heading = "Rules")]
    pub(super) strict: bool,
    /// Exit with 0 whatever was found
    #[arg(long, help_heading = "Rules")]
    pub(super) exit_zero: bool,
    /// Rules to run, by id, name, group or prefix
    #[arg(long, value_name = "RULES", value_delimiter = ',', help_heading = "Rules")]
    pub(super) select: Vec<String>,
    /// Rules to leave out
    #[arg(long, value_name = "RULES", value_delimiter = ',', help_heading = "Rules")]
    pub(super) ignore: Vec<String>,
    /// Rules to run besides the selected ones
    #[arg(long, value_name = "RULES", value_delimiter = ',', help_heading = "Rules")]
    pub(super) extend_select: Vec<String>,
    /// Leave out what this file lists
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Rules")]
    pub(super) baseline: Option<PathBuf>,
    /// Write today's findings to the baseline file
    #[arg(long, help_heading = "Rules")]
    pub(super) write_baseline: bool,
    /// Leave out files that .gitignore excludes even when they are named
    #[arg(long, help_heading = "Rules")]
    pub(super) force_exclude: bool,

    /// Apply safe fixes
    #[arg(long, help_heading = "Fixes")]
    pub(super) fix: bool,
    /// Apply all fixes
    #[arg(long, help_heading = "Fixes")]
    pub(super) unsafe_fixes: bool,
    /// Show the fixes as a diff instead of applying them
    #[arg(long, help_heading = "Fixes")]
    pub(super) diff: bool,
}

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Format {
    /// For people, with excerpts
    #[default]
    Human,
    /// One line a finding
    Concise,
    /// One JSON document
    Json,
    /// One JSON document a line: an input each, then the summary
    Jsonl,
    /// SARIF 2.1.0
    Sarif,
    /// GitHub annotations
    Github,
    /// GitLab code quality
    Gitlab,
    /// JUnit XML
    Junit,
    /// Checkstyle XML
    Checkstyle,
    /// Markdown
    Markdown,
    /// A page
    Html,
}

/// Values of `--fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// Errors only
    Error,
    /// Warnings and errors
    Warning,
    /// Everything
    Info,
    /// Nothing
    Never,
}

/// Formats of the commands that are no check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum PlainFormat {
    /// For people
    #[default]
    Human,
    /// One JSON document
    Json,
}

/// Options of `inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A Dockerfile, an image, or a single ELF file
    #[arg(value_name = "INPUT", value_hint = ValueHint::AnyPath)]
    pub(super) input: String,
    #[command(flatten)]
    pub(super) build: BuildArgs,
    #[command(flatten)]
    pub(super) image: ImageArgs,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "human", help_heading = "Output")]
    pub(super) format: PlainFormat,
}

/// Options of `matrix`.
#[derive(Debug, Args)]
pub(super) struct MatrixArgs {
    /// A Dockerfile or an image
    #[arg(value_name = "INPUT", value_hint = ValueHint::AnyPath)]
    pub(super) input: String,
    #[command(flatten)]
    pub(super) target: TargetArgs,
    #[command(flatten)]
    pub(super) build: BuildArgs,
    #[command(flatten)]
    pub(super) image: ImageArgs,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    /// Give the reason of each cell
    #[arg(long, help_heading = "Output")]
    pub(super) reasons: bool,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "human", help_heading = "Output")]
    pub(super) format: PlainFormat,
}

/// Options of `compat`.
#[derive(Debug, Args)]
pub(super) struct CompatArgs {
    /// CUDA version of the program: 12.4.1
    #[arg(long, value_name = "VERSION", required_unless_present_any = ["sass", "ptx"])]
    pub(super) cuda: Option<String>,
    #[command(flatten)]
    pub(super) target: TargetArgs,
    /// Platform of the program [default: linux/amd64]
    #[arg(long, value_name = "OS/ARCH", help_heading = "Target")]
    pub(super) platform: Option<String>,
    /// Machine code in the program: 8.0,9.0a or sm_80,sm_90a
    #[arg(long, value_name = "LIST")]
    pub(super) sass: Option<String>,
    /// PTX in the program: 9.0, or 9.0:8.4 with the version of its instruction set
    #[arg(long, value_name = "LIST")]
    pub(super) ptx: Option<String>,
    /// The cuda-compat package in the container: 12-4
    #[arg(long, value_name = "X-Y")]
    pub(super) compat_package: Option<String>,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "human", help_heading = "Output")]
    pub(super) format: PlainFormat,
}

/// Options of `require`.
#[derive(Debug, Args)]
#[command(
    after_help = "What is not given is unknown to the container library, and a condition about what it does not know is \
true. Over a set of drivers the CUDA version of each comes from the tables unless --cuda gives one.\n\nExit status: 0 \
satisfied (or unknown over a set), 1 unsatisfied or invalid, 2 usage."
)]
pub(super) struct RequireArgs {
    /// Requirements, each as one NVIDIA_REQUIRE_* variable holds it
    #[arg(value_name = "EXPR")]
    pub(super) exprs: Vec<String>,
    /// Version of the host driver (535.104.05), `host`, or a set of drivers (525, 525..=550)
    #[arg(long, value_name = "SPEC", conflicts_with = "env", help_heading = "Host")]
    pub(super) driver: Option<String>,
    /// CUDA version that the host driver reports
    #[arg(long, value_name = "VERSION", conflicts_with = "env", help_heading = "Host")]
    pub(super) cuda: Option<String>,
    /// Brand of the visible GPU: tesla, geforce, …
    #[arg(long, value_name = "WORD", conflicts_with = "env", help_heading = "Host")]
    pub(super) brand: Option<String>,
    /// Compute capability of the visible GPU
    #[arg(long, value_name = "CC", conflicts_with = "env", help_heading = "Host")]
    pub(super) arch: Option<String>,
    /// Who evaluates: the runtime's hook, CDI and GKE (nobody), or the csv mode of Jetson
    #[arg(long, value_name = "PROFILE", default_value = "docker", help_heading = "Host")]
    pub(super) host: Host,
    /// Variables of the container's environment (repeatable): say what the hook makes of them
    #[arg(long, value_name = "NAME=VALUE", num_args = 0.., conflicts_with = "exprs", help_heading = "Environment")]
    pub(super) env: Option<Vec<String>>,
    /// The container is privileged
    #[arg(long, help_heading = "Environment")]
    pub(super) privileged: bool,
    /// Host option accept-nvidia-visible-devices-envvar-when-unprivileged
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "Environment")]
    pub(super) accept_envvar_unprivileged: Option<bool>,
    /// Host option accept-nvidia-visible-devices-as-volume-mounts
    #[arg(long, help_heading = "Environment")]
    pub(super) accept_volume_mounts: bool,
    /// A mount of the container (repeatable): SOURCE:DESTINATION, or a destination that /dev/null is mounted on
    #[arg(long = "mount", alias = "mounts", value_name = "PATH", help_heading = "Environment")]
    pub(super) mounts: Vec<String>,
    /// Host option disable-require
    #[arg(long, help_heading = "Environment")]
    pub(super) config_disable_require: bool,
    /// Host option swarm-resource
    #[arg(long, value_name = "NAME", help_heading = "Environment")]
    pub(super) swarm_resource: Option<String>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "human", help_heading = "Output")]
    pub(super) format: PlainFormat,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// A rule's id or name, or the text of a run-time error
    #[arg(value_name = "RULE|TEXT", required = true)]
    pub(super) what: Vec<String>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "human", help_heading = "Output")]
    pub(super) format: PlainFormat,
}

/// Options of `rules`.
#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "human", help_heading = "Output")]
    pub(super) format: PlainFormat,
}

/// Options of `data`.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "human", help_heading = "Output")]
    pub(super) format: PlainFormat,
}
