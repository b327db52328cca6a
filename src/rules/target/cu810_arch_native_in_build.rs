//! CU810: `native` as an architecture.

use crate::diagnostics::RuleId;
use crate::facts::{BaseKind, CommandRole};
use crate::rules::support::mentions;
use crate::rules::{Context, Rule, Sink};

pub(super) struct ArchNativeInBuild;

impl Rule for ArchNativeInBuild {
    fn id(&self) -> RuleId {
        RuleId::new("CU810")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU810-arch-native-in-build.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let help = "name the architectures, such as \"75;80;86;89;90\"";
        let jetson = |stage| facts.base_of(stage).is_some_and(|base| base.kind == BaseKind::Jetson);
        for list in facts
            .arch_lists
            .iter()
            .filter(|list| facts.stage(list.stage).is_some_and(|stage| stage.used) && !jetson(list.stage))
        {
            let device = facts
                .commands
                .iter()
                .any(|command| command.instruction == list.instruction && command.gpu_device);
            if let Some(entry) = list
                .entries
                .iter()
                .find(|entry| entry.word.eq_ignore_ascii_case("native"))
                .filter(|_| !device)
            {
                out.finding(
                    &entry.origin,
                    format!(
                        "`native` in {} asks for the GPU of the build machine; docker build has none",
                        list.carrier
                    ),
                )
                .help(help)
                .emit();
            }
        }
        // llama.cpp: GGML_NATIVE=ON chooses the present GPU's architecture.
        for command in facts
            .commands
            .iter()
            .filter(|command| matches!(command.role, CommandRole::Run | CommandRole::BuildScript))
        {
            if command.gpu_device || !mentions(command, "GGML_NATIVE") || jetson(command.stage) {
                continue;
            }
            let on = |name: &str| {
                ["ON", "on", "1", "TRUE"].iter().any(|value| mentions(command, &format!("-D{name}={value}")))
            };
            if on("GGML_NATIVE") && on("GGML_CUDA") && !mentions(command, "CMAKE_CUDA_ARCHITECTURES") {
                out.finding(
                    &command.origin,
                    "`GGML_NATIVE=ON` asks for the GPU of the build machine; docker build has none",
                )
                .help("set GGML_NATIVE=OFF and CMAKE_CUDA_ARCHITECTURES")
                .emit();
            }
        }
    }
}
