//! The stages of a build: bases, lineage, what is copied from where, and the environment at every instruction.

use std::collections::BTreeMap;
use std::ops::Range;

use super::image_name::ImageName;
use super::platform::Platform;
use super::value::Value;
use crate::span::{Span, Spanned};

/// What `docker build` is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildOptions {
    /// `--build-arg NAME=VALUE`.
    pub build_args: BTreeMap<String, String>,
    /// `--target`: a stage name or index; the last stage without it.
    pub target: Option<String>,
    /// `--platform`.
    pub platform: Platform,
    /// The platform of the machine that builds.
    pub build_platform: Platform,
}

/// A base image whose reference is known, for the caller to find its environment.
#[derive(Debug)]
pub struct ResolvedBase<'a> {
    /// The reference as it came out of the expansion.
    pub reference: &'a str,
    /// Its parts.
    pub name: &'a ImageName,
    /// The platform it is pulled for; `None` where that is not known.
    pub platform: Option<&'a Platform>,
}

/// The environment of a base image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseEnv {
    /// All of it.
    Known(Vec<(String, String)>),
    /// Nobody knows.
    Unknown,
}

/// What a stage stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// An earlier stage.
    Stage(usize),
    /// An image (or a named context of that name, which the file can not tell).
    Image {
        /// The expanded reference; its text is known.
        reference: Value,
        /// Its parts; `None` where it is no valid image name.
        name: Option<ImageName>,
        /// The reference as written.
        span: Span,
    },
    /// `FROM scratch`.
    Scratch,
    /// The reference is not known.
    Unknown {
        /// What is known of it.
        reference: Value,
        /// The reference as written.
        span: Span,
    },
}

/// Whether the target needs a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The build does not run it.
    Unused,
    /// It runs, and only what is copied or mounted from it can reach the target.
    Used,
    /// It is the target or a base of it: its files and environment are in the image.
    Shipped,
}

/// Whether a variable is for the build or goes into the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AssignmentKind {
    /// ARG: visible to later instructions of the stage and of stages that build on it, not in the image.
    Arg,
    /// ENV.
    Env,
}

/// One variable set by ARG or ENV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// ARG or ENV.
    pub kind: AssignmentKind,
    /// The name (expanded, for ENV) and its place.
    pub name: Spanned<String>,
    /// The value as written; `None` for ARG without a default.
    pub raw: Option<Spanned<String>>,
    /// The place of `raw` in the text of its instruction (below ONBUILD: of the trigger); empty without one.
    pub raw_range: Range<usize>,
    /// The expanded value; `None` for an ARG that has none (no default, build argument or global ARG).
    pub value: Option<Value>,
    /// What the name stood for before; `None` where nothing defined it.
    pub previous: Option<Value>,
    /// Index of the instruction that is written there.
    pub instruction: usize,
    /// Index of the instruction at which it takes effect: the FROM of this stage for a trigger of ONBUILD.
    pub position: usize,
    /// The value refers to its own name, as in `PATH=/x:$PATH`.
    pub self_reference: bool,
}

/// How a stage takes files from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkKind {
    /// `COPY --from`
    Copy,
    /// `RUN --mount=from`
    Mount,
}

/// What `--from` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkSource {
    /// An earlier stage.
    Stage(usize),
    /// An image, or a named context of that name.
    Image {
        /// The reference as written; `--from` is never expanded.
        reference: String,
        /// Its parts; `None` where it is no valid image name.
        name: Option<ImageName>,
    },
    /// Not known: it holds a variable, or names a stage that is not earlier.
    Unknown,
}

/// A `COPY --from` or `RUN --mount=from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Which of the two.
    pub kind: LinkKind,
    /// What it names.
    pub source: LinkSource,
    /// The value of `from`.
    pub span: Span,
    /// Index of the instruction that is written there.
    pub instruction: usize,
}

/// A SHELL, USER or WORKDIR in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Index of the instruction that is written there: SHELL, USER or WORKDIR, or an ONBUILD that holds one.
    pub instruction: usize,
    /// Index of the instruction at which it takes effect in the stage.
    pub position: usize,
    /// The expanded user, or the absolute working folder; `None` for SHELL.
    pub value: Option<Value>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its number, from 0.
    pub index: usize,
    /// Its name as written.
    pub name: Option<Spanned<String>>,
    /// Index of its FROM in [`super::Dockerfile::instructions`].
    pub from: usize,
    /// Indices of the instructions behind FROM, up to the next FROM.
    pub instructions: Range<usize>,
    /// What it stands on.
    pub base: Base,
    /// `--platform` of FROM, expanded.
    pub platform: Option<Value>,
    /// Variables in the order they are set; triggers of the base stage come first.
    pub assignments: Vec<Assignment>,
    /// `COPY --from` and `RUN --mount=from`; triggers of the base stage come first.
    pub links: Vec<Link>,
    /// SHELLs in order; the first may come from the stage this one stands on.
    pub shells: Vec<Setting>,
    /// USERs in order, as `shells`.
    pub users: Vec<Setting>,
    /// WORKDIRs in order, as `shells`.
    pub workdirs: Vec<Setting>,
    /// Indices of the ONBUILD instructions of the base stage that run at the beginning of this one.
    pub triggers: Vec<usize>,
    /// Whether the target needs it.
    pub role: Role,
    /// The environment of the base image, scratch included; `Unknown` for a stage that stands on another one.
    pub base_env: BaseEnv,
}
