//! Builds the stages of a Dockerfile: evaluates ARG and ENV in order, resolves bases and links.

mod variables;

use std::collections::HashMap;

use super::Dockerfile;
use super::ast::{FromClause, Instruction, InstructionKind, Problem, ProblemKind};
use super::expand::Budget;
use super::image_name::ImageName;
use super::platform::Platform;
use super::scope::Timeline;
use super::stages::{
    Assignment, Base, BaseEnv, BuildOptions, Link, LinkKind, LinkSource, ResolvedBase, Role, Setting, Stage,
};
use super::value::{Lookup, Origin, OriginKind, Value};
use crate::span::{Span, Spanned};

/// PATH of `FROM scratch` (BuildKit's `system.DefaultPathEnv`).
const SCRATCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Work charged for each ONBUILD trigger that runs, so that many stages below many triggers stay small.
const TRIGGER_COST: usize = 1_024;

/// Work charged for each variable that is set, beside its value.
const ASSIGNMENT_COST: usize = 256;

/// The stages of a Dockerfile under given build options.
#[derive(Debug)]
pub struct StageGraph {
    /// ARGs before the first FROM.
    pub global_args: Vec<Assignment>,
    /// All stages, in order.
    pub stages: Vec<Stage>,
    /// The stage that is built; `None` where the file has none, or none of the asked name.
    pub target: Option<usize>,
    /// What BuildKit would refuse and the parser could not see.
    pub problems: Vec<Problem>,
    pub(super) escape: char,
    pub(super) timelines: Vec<Timeline>,
    pub(super) budget: Budget,
    /// Some assignments are missing, so nothing is known of any variable.
    pub(super) exhausted: bool,
}

impl StageGraph {
    /// Evaluates a Dockerfile. `base_env` is asked once for each stage that stands on an image with a known reference.
    #[must_use]
    pub fn build(
        dockerfile: &Dockerfile,
        options: &BuildOptions,
        base_env: &mut dyn FnMut(&ResolvedBase<'_>) -> BaseEnv,
    ) -> Self {
        let mut builder = Builder {
            dockerfile,
            options,
            base_env,
            globals: predefined(options, dockerfile),
            names: HashMap::new(),
            last_from: dockerfile
                .instructions
                .iter()
                .enumerate()
                .filter_map(|(index, instruction)| match &instruction.kind {
                    InstructionKind::From(from) => {
                        Some((from.name.as_ref()?.value.to_ascii_lowercase(), index))
                    }
                    _ => None,
                })
                .collect(),
            graph: Self {
                global_args: Vec::new(),
                stages: Vec::new(),
                target: None,
                problems: Vec::new(),
                escape: dockerfile.escape,
                timelines: Vec::new(),
                budget: Budget::default(),
                exhausted: false,
            },
        };
        builder.run();
        let Builder { names, mut graph, .. } = builder;
        graph.target = match &options.target {
            None => graph.stages.len().checked_sub(1),
            Some(target) => names
                .get(&target.to_ascii_lowercase())
                .copied()
                .or_else(|| target.parse().ok().filter(|index| *index < graph.stages.len())),
        };
        graph.assign_roles();
        // Questions asked later have work of their own, also when building spent all.
        graph.budget = Budget::default();
        graph
    }

    /// Marks what the target stands on and what that takes from.
    fn assign_roles(&mut self) {
        let Some(target) = self.target else { return };
        let mut open = Vec::new();
        let mark = |stages: &mut Vec<Stage>, open: &mut Vec<usize>, from: usize, role: Role| {
            let mut next = Some(from);
            while let Some(stage) = next.and_then(|index| stages.get_mut(index)) {
                if stage.role >= role {
                    break;
                }
                stage.role = role;
                open.push(stage.index);
                next = match stage.base {
                    Base::Stage(base) => Some(base),
                    _ => None,
                };
            }
        };
        mark(&mut self.stages, &mut open, target, Role::Shipped);
        while let Some(index) = open.pop() {
            let links = self.stages.get(index).map(|stage| stage.links.clone()).unwrap_or_default();
            for link in links {
                if let LinkSource::Stage(source) = link.source {
                    mark(&mut self.stages, &mut open, source, Role::Used);
                }
            }
        }
    }
}

/// Platform ARGs that FROM and global ARGs see without a declaration.
fn predefined(options: &BuildOptions, dockerfile: &Dockerfile) -> HashMap<String, Lookup> {
    let platform = |prefix: &str, platform: &Platform| {
        [
            (format!("{prefix}PLATFORM"), platform.to_string()),
            (format!("{prefix}OS"), platform.os.clone()),
            (format!("{prefix}OSVERSION"), String::new()),
            (format!("{prefix}ARCH"), platform.architecture.clone()),
            (format!("{prefix}VARIANT"), platform.variant.clone().unwrap_or_default()),
        ]
    };
    let last = dockerfile.instructions.iter().rev().find_map(|instruction| match &instruction.kind {
        InstructionKind::From(from) => Some(from.name.as_ref()),
        _ => None,
    });
    let last = last.flatten().map(|name| name.value.to_ascii_lowercase());
    let stage = options.target.clone().or(last).unwrap_or_else(|| "default".to_owned());
    platform("TARGET", &options.platform)
        .into_iter()
        .chain(platform("BUILD", &options.build_platform))
        .chain([("TARGETSTAGE".to_owned(), stage)])
        .map(|(name, value)| {
            let (kind, value) = match options.build_args.get(&name) {
                Some(given) => (OriginKind::BuildArg, given.clone()),
                None => (OriginKind::Predefined, value),
            };
            let origin = Origin { kind, name: name.as_str().into(), span: None };
            (name, Lookup::Set(Value::known(value).with_origin(origin)))
        })
        .collect()
}

struct Builder<'a> {
    dockerfile: &'a Dockerfile,
    options: &'a BuildOptions,
    base_env: &'a mut dyn FnMut(&ResolvedBase<'_>) -> BaseEnv,
    globals: HashMap<String, Lookup>,
    /// Stages by lower-case name; the last of a name counts.
    names: HashMap<String, usize>,
    /// Index of the last FROM that gives a name, by lower-case name.
    last_from: HashMap<String, usize>,
    graph: StageGraph,
}

/// Where an instruction takes effect.
#[derive(Debug, Clone, Copy)]
struct Site {
    stage: usize,
    /// Index of the instruction as written.
    instruction: usize,
    /// Index at which it takes effect.
    position: usize,
    trigger: bool,
}

impl Builder<'_> {
    fn run(&mut self) {
        let dockerfile = self.dockerfile;
        for (index, instruction) in dockerfile.instructions.iter().enumerate() {
            if let InstructionKind::From(from) = &instruction.kind {
                self.stage(index, instruction, from);
                continue;
            }
            let Some(stage) = self.graph.stages.len().checked_sub(1) else {
                match &instruction.kind {
                    InstructionKind::Arg(declarations) => self.global_args(index, declarations),
                    // The parser has already said what is wrong with these.
                    InstructionKind::Unknown => {}
                    _ => self.problem(instruction.keyword.span, ProblemKind::NoStage),
                }
                continue;
            };
            if let Some(stage) = self.graph.stages.get_mut(stage) {
                stage.instructions.end = index + 1;
            }
            self.evaluate(instruction, Site { stage, instruction: index, position: index, trigger: false });
        }
    }

    fn problem(&mut self, span: Span, kind: ProblemKind) {
        self.graph.problems.push(Problem { span, kind });
    }

    fn stage(&mut self, index: usize, instruction: &Instruction, from: &FromClause) {
        let (reference, _) = self.expand_global(&from.image, "");
        let platform = instruction
            .flag("platform")
            .and_then(|flag| flag.value.as_ref())
            .map(|value| self.expand_global(value, "").0);
        let span = from.image.span;
        let stage_index = self.graph.stages.len();
        let mut base_env = BaseEnv::Unknown;
        let base = match reference.as_str() {
            None => Base::Unknown { reference, span },
            Some("") => {
                if !from.image.value.is_empty() {
                    self.problem(span, ProblemKind::EmptyBase);
                }
                Base::Unknown { reference, span }
            }
            Some(text) => match self.names.get(&text.to_ascii_lowercase()) {
                Some(stage) => Base::Stage(*stage),
                None if text == "scratch" => {
                    base_env = BaseEnv::Known(vec![("PATH".to_owned(), SCRATCH_PATH.to_owned())]);
                    Base::Scratch
                }
                None => {
                    let name = ImageName::parse(text);
                    let pulled = match &platform {
                        None => Some(self.options.platform.clone()),
                        Some(platform) => platform.as_str().and_then(Platform::parse),
                    };
                    match &name {
                        Some(name) => {
                            base_env = (self.base_env)(&ResolvedBase {
                                reference: text,
                                name,
                                platform: pulled.as_ref(),
                            });
                        }
                        None => self.problem(span, ProblemKind::ImageName(text.to_owned())),
                    }
                    Base::Image { reference, name, span }
                }
            },
        };
        let parent = match base {
            Base::Stage(stage) => self.graph.stages.get(stage),
            _ => None,
        };
        let inherit = |settings: fn(&Stage) -> &Vec<Setting>| -> Vec<Setting> {
            let last = parent.and_then(|stage| settings(stage).last());
            last.map(|last| Setting { position: index, ..last.clone() }).into_iter().collect()
        };
        let shells = inherit(|stage| &stage.shells);
        let users = inherit(|stage| &stage.users);
        let workdirs = inherit(|stage| &stage.workdirs);
        let triggers = match base {
            Base::Stage(stage) => self.triggers_of(stage, span),
            _ => Vec::new(),
        };
        if let Some(name) = &from.name {
            self.names.insert(name.value.to_ascii_lowercase(), stage_index);
        }
        self.graph.timelines.push(Timeline::default());
        self.graph.stages.push(Stage {
            index: stage_index,
            name: from.name.clone(),
            from: index,
            instructions: index + 1..index + 1,
            base,
            platform,
            assignments: Vec::new(),
            links: Vec::new(),
            shells,
            users,
            workdirs,
            triggers: triggers.clone(),
            role: Role::Unused,
            base_env,
        });
        let dockerfile = self.dockerfile;
        for trigger in triggers {
            if let Some(InstructionKind::Onbuild(child)) =
                dockerfile.instructions.get(trigger).map(|instruction| &instruction.kind)
            {
                let site = Site { stage: stage_index, instruction: trigger, position: index, trigger: true };
                self.evaluate(child, site);
            }
        }
    }

    /// ONBUILD instructions of a stage, as long as the budget lasts.
    fn triggers_of(&mut self, stage: usize, span: Span) -> Vec<usize> {
        let range = self.graph.stages.get(stage).map(|stage| stage.instructions.clone()).unwrap_or_default();
        let mut triggers = Vec::new();
        for index in range {
            let kind = self.dockerfile.instructions.get(index).map(|instruction| &instruction.kind);
            if matches!(kind, Some(InstructionKind::Onbuild(_))) {
                if !self.graph.budget.take(TRIGGER_COST) {
                    self.exhaust(span);
                    break;
                }
                triggers.push(index);
            }
        }
        triggers
    }

    fn evaluate(&mut self, instruction: &Instruction, site: Site) {
        match &instruction.kind {
            InstructionKind::Env(pairs) => self.env(pairs, site),
            InstructionKind::Arg(declarations) => self.args(declarations, site),
            InstructionKind::Shell(_) => self.setting(None, site, |stage| &mut stage.shells),
            InstructionKind::User(user) => {
                let (value, _) = self.expand_in_stage(user, "", site.stage, Self::horizon(site));
                self.setting(Some(value), site, |stage| &mut stage.users);
            }
            InstructionKind::Workdir(path) => {
                let value = self.workdir(path, site);
                self.setting(Some(value), site, |stage| &mut stage.workdirs);
            }
            InstructionKind::Copy(_) => {
                if let Some(from) = instruction.flag("from").and_then(|flag| flag.value.as_ref())
                    && !from.value.is_empty()
                {
                    self.link(LinkKind::Copy, from, site);
                }
            }
            InstructionKind::Run(_) => {
                for flag in &instruction.flags {
                    if let Some(from) = flag.mount_value("from").filter(|from| !from.value.is_empty()) {
                        self.link(LinkKind::Mount, from, site);
                    }
                }
            }
            _ => {}
        }
    }

    fn link(&mut self, kind: LinkKind, from: &Spanned<String>, site: Site) {
        let text = from.value.as_str();
        let source = if text.contains('$') {
            self.problem(from.span, ProblemKind::VariableInFrom);
            LinkSource::Unknown
        } else if let Some(stage) =
            self.names.get(&text.to_ascii_lowercase()).filter(|stage| **stage < site.stage)
        {
            LinkSource::Stage(*stage)
        } else if let (LinkKind::Copy, Ok(index)) = (kind, text.parse::<usize>()) {
            if index < site.stage {
                LinkSource::Stage(index)
            } else {
                self.problem(from.span, ProblemKind::LaterStage(text.to_owned()));
                LinkSource::Unknown
            }
        } else if self.is_later_name(text, site.stage) {
            self.problem(from.span, ProblemKind::LaterStage(text.to_owned()));
            LinkSource::Unknown
        } else {
            LinkSource::Image { reference: text.to_owned(), name: ImageName::parse(text) }
        };
        let link = Link { kind, source, span: from.span, instruction: site.instruction };
        if let Some(stage) = self.graph.stages.get_mut(site.stage) {
            stage.links.push(link);
        }
    }

    /// Whether this stage or one behind it has that name.
    fn is_later_name(&self, text: &str, stage: usize) -> bool {
        let from = self.graph.stages.get(stage).map_or(0, |stage| stage.from);
        self.last_from.get(&text.to_ascii_lowercase()).is_some_and(|last| *last >= from)
    }
}
