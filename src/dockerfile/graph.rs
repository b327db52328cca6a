//! Builds the stages of a Dockerfile: evaluates ARG and ENV in order, resolves bases and links.

use std::collections::HashMap;

use super::Dockerfile;
use super::ast::{ArgDeclaration, FromClause, Instruction, InstructionKind, KeyValue, Problem, ProblemKind};
use super::expand::{self, Budget, Mode};
use super::image_name::ImageName;
use super::platform::Platform;
use super::scope::Timeline;
use super::stages::{
    Assignment, AssignmentKind, Base, BaseEnv, BuildOptions, Link, LinkKind, LinkSource, ResolvedBase, Role,
    Stage,
};
use super::value::{ExpandError, Lookup, Origin, OriginKind, UnknownReason, Value};
use crate::span::{Span, Spanned};

/// PATH of `FROM scratch` (BuildKit's `system.DefaultPathEnv`).
const SCRATCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Work charged for each variable that an ONBUILD trigger sets, so that many stages below many triggers stay small.
const TRIGGER_COST: usize = 1_024;

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
            globals: predefined(options),
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
fn predefined(options: &BuildOptions) -> HashMap<String, Lookup> {
    let platform = |prefix: &str, platform: &Platform| {
        [
            (format!("{prefix}PLATFORM"), platform.to_string()),
            (format!("{prefix}OS"), platform.os.clone()),
            (format!("{prefix}OSVERSION"), String::new()),
            (format!("{prefix}ARCH"), platform.architecture.clone()),
            (format!("{prefix}VARIANT"), platform.variant.clone().unwrap_or_default()),
        ]
    };
    let stage = options.target.clone().unwrap_or_else(|| "default".to_owned());
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

    /// The value of an expansion; an error is reported and makes it unknown.
    fn settle(&mut self, result: Result<Value, ExpandError>, span: Span) -> Value {
        result.unwrap_or_else(|error| {
            self.problem(span, ProblemKind::Expansion(error.clone()));
            Value::unknown(UnknownReason::Error(error))
        })
    }

    fn expand_global(&mut self, text: &Spanned<String>, own: &str) -> (Value, bool) {
        let mut self_reference = false;
        let globals = &self.globals;
        let mode = Mode { escape: self.graph.escape, quotes: true };
        let result = expand::expand(&text.value, mode, &self.graph.budget, &mut |name| {
            self_reference |= name == own;
            globals.get(name).cloned().unwrap_or(Lookup::Unset)
        });
        (self.settle(result, text.span), self_reference)
    }

    fn global_args(&mut self, index: usize, declarations: &[ArgDeclaration]) {
        for declaration in declarations {
            let name = &declaration.name;
            let previous = previous(self.globals.get(&name.value).cloned(), &name.value);
            let mut self_reference = false;
            let value = match (self.options.build_args.get(&name.value), &declaration.default) {
                (Some(given), _) => Some(given_value(given, name)),
                (None, Some(default)) => {
                    let (value, own) = self.expand_global(default, &name.value);
                    self_reference = own;
                    Some(value.with_origin(Origin {
                        kind: OriginKind::ArgDefault,
                        name: name.value.as_str().into(),
                        span: Some(default.span),
                    }))
                }
                (None, None) => None,
            };
            match &value {
                Some(value) => {
                    self.globals.insert(name.value.clone(), Lookup::Set(value.clone()));
                }
                None => {
                    let unset = Lookup::ArgWithoutValue(without_value(name));
                    self.globals.entry(name.value.clone()).or_insert(unset);
                }
            }
            self.graph.global_args.push(Assignment {
                kind: AssignmentKind::Arg,
                name: name.clone(),
                raw: declaration.default.clone(),
                value,
                previous,
                instruction: index,
                position: index,
                self_reference,
            });
        }
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
        let triggers = match base {
            Base::Stage(stage) => self.triggers_of(stage),
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
    fn triggers_of(&self, stage: usize) -> Vec<usize> {
        let range = self.graph.stages.get(stage).map(|stage| stage.instructions.clone()).unwrap_or_default();
        let mut triggers = Vec::new();
        for index in range {
            let kind = self.dockerfile.instructions.get(index).map(|instruction| &instruction.kind);
            if matches!(kind, Some(InstructionKind::Onbuild(_))) {
                if !self.graph.budget.take(TRIGGER_COST) {
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

    /// Up to where assignments are visible to an instruction: a trigger sees those of earlier triggers, which stand
    /// at the same position.
    fn horizon(site: Site) -> usize {
        if site.trigger { site.position + 1 } else { site.position }
    }

    fn expand_in_stage(
        &mut self,
        text: &Spanned<String>,
        own: &str,
        stage: usize,
        at: usize,
    ) -> (Value, bool) {
        let mut self_reference = false;
        let graph = &self.graph;
        let mode = Mode { escape: graph.escape, quotes: true };
        let result = expand::expand(&text.value, mode, &graph.budget, &mut |name| {
            self_reference |= name == own;
            graph.lookup(stage, at, name)
        });
        (self.settle(result, text.span), self_reference)
    }

    fn env(&mut self, pairs: &[KeyValue], site: Site) {
        let at = Self::horizon(site);
        let mut assignments = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let (key, _) = self.expand_in_stage(&pair.key, "", site.stage, at);
            let name = key.as_str().unwrap_or(&pair.key.value).to_owned();
            let (value, self_reference) = self.expand_in_stage(&pair.value, &name, site.stage, at);
            let value = value.with_origin(Origin {
                kind: OriginKind::Env,
                name: name.as_str().into(),
                span: Some(pair.value.span),
            });
            assignments.push(Assignment {
                kind: AssignmentKind::Env,
                previous: previous(Some(self.graph.lookup(site.stage, at, &name)), &name),
                name: Spanned::new(name, pair.key.span),
                raw: Some(pair.value.clone()),
                value: Some(value),
                instruction: site.instruction,
                position: site.position,
                self_reference,
            });
        }
        for assignment in assignments {
            self.graph.assign(site.stage, assignment);
        }
    }

    /// ARG in a stage. Its names take effect one after another, unlike those of ENV.
    fn args(&mut self, declarations: &[ArgDeclaration], site: Site) {
        let at = site.position + 1;
        for declaration in declarations {
            let name = &declaration.name;
            let mut self_reference = false;
            let value = match (self.options.build_args.get(&name.value), &declaration.default) {
                (Some(given), _) => Some(given_value(given, name)),
                (None, Some(default)) => {
                    let (value, own) = self.expand_in_stage(default, &name.value, site.stage, at);
                    self_reference = own;
                    Some(value.with_origin(Origin {
                        kind: OriginKind::ArgDefault,
                        name: name.value.as_str().into(),
                        span: Some(default.span),
                    }))
                }
                (None, None) => match self.globals.get(&name.value) {
                    Some(Lookup::Set(value)) => Some(value.clone()),
                    _ => None,
                },
            };
            let assignment = Assignment {
                kind: AssignmentKind::Arg,
                name: name.clone(),
                raw: declaration.default.clone(),
                value,
                previous: previous(Some(self.graph.lookup(site.stage, at, &name.value)), &name.value),
                instruction: site.instruction,
                position: site.position,
                self_reference,
            };
            self.graph.assign(site.stage, assignment);
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

fn given_value(given: &str, name: &Spanned<String>) -> Value {
    Value::known(given).with_origin(Origin {
        kind: OriginKind::BuildArg,
        name: name.value.as_str().into(),
        span: Some(name.span),
    })
}

/// The origin of an ARG that nothing gives a value.
pub(super) fn without_value(name: &Spanned<String>) -> Origin {
    Origin { kind: OriginKind::ArgWithoutValue, name: name.value.as_str().into(), span: Some(name.span) }
}

/// What a look-up says about the value before an assignment.
fn previous(found: Option<Lookup>, name: &str) -> Option<Value> {
    match found? {
        Lookup::Set(value) => Some(value),
        Lookup::Unset => None,
        Lookup::ArgWithoutValue(origin) => {
            let reason = UnknownReason::ArgWithoutValue(origin.name.clone());
            Some(Value::unknown(reason).with_origin(origin))
        }
        Lookup::MaybeInBase => Some(Value::unknown(UnknownReason::BaseEnvironment(name.into()))),
    }
}
