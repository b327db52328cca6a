//! CU214: CUDA_VERSION in the environment of an image that is not NVIDIA's.

use crate::compat::CudaVersion;
use crate::compat::require::{HookOptions, read_environment};
use crate::diagnostics::{RuleId, Severity};
use crate::rules::support::variable_origin;
use crate::rules::{Context, Rule, Sink};

const VARIABLE: &str = "CUDA_VERSION";

pub(super) struct CudaVersionEnvInvalid;

impl Rule for CudaVersionEnvInvalid {
    fn id(&self) -> RuleId {
        RuleId::new("CU214")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU214-cuda-version-env-invalid.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(env) = facts.final_env() else { return };
        let Some(var) = env.get(VARIABLE).filter(|var| !var.from_base) else { return };
        let Some(value) = var.value.as_deref().filter(|value| !value.is_empty()) else { return };
        let requirement_absent = env.is_unset("NVIDIA_REQUIRE_CUDA")
            || env.get("NVIDIA_REQUIRE_CUDA").is_some_and(|var| var.value.as_deref() == Some(""));
        if !requirement_absent {
            return;
        }
        let origin = variable_origin(facts, VARIABLE, &var.origin);
        // What the hook makes of the variable once a GPU is asked for.
        let asked = [("NVIDIA_VISIBLE_DEVICES", "all"), (VARIABLE, value)];
        let reading = read_environment(&asked, &HookOptions::default(), cx.tables);
        match reading.devices() {
            None => out
                .finding(
                    origin,
                    format!(
                        "{VARIABLE}={value} is not a version: the NVIDIA hook reads it and refuses to start the container \
                         (`invalid CUDA version`)"
                    ),
                )
                .help("rename the variable, or make it an ARG, which does not reach the image")
                .emit(),
            Some(devices) if value.parse::<CudaVersion>().is_err() => out
                .finding(
                    origin,
                    format!(
                        "{VARIABLE}={value} is no CUDA version, and without NVIDIA_REQUIRE_CUDA the NVIDIA hook reads it as one: it \
                         asks for `{}` and gives the image all GPUs and all capabilities",
                        devices.requirements.join("`, `")
                    ),
                )
                .severity(Severity::Warning)
                .help("rename the variable, or make it an ARG, which does not reach the image")
                .emit(),
            Some(devices) => out
                .finding(
                    origin,
                    format!(
                        "{VARIABLE}={value} without NVIDIA_REQUIRE_CUDA makes this a legacy CUDA image: the hook asks for `{}` \
                         and gives it all GPUs and all capabilities",
                        devices.requirements.join("`, `")
                    ),
                )
                .severity(Severity::Info)
                .help("rename the variable unless that is meant")
                .emit(),
        }
    }
}
