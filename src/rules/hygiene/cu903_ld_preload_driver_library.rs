//! CU903: LD_PRELOAD names a driver or CUDA library.

use crate::diagnostics::{RuleId, Safety};
use crate::rules::driver::driver_file;
use crate::rules::support::{delete_assignment, effective_set, variable_origin};
use crate::rules::{Context, Rule, Sink};

const VARIABLE: &str = "LD_PRELOAD";

pub(super) struct LdPreloadDriverLibrary;

impl Rule for LdPreloadDriverLibrary {
    fn id(&self) -> RuleId {
        RuleId::new("CU903")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU903-ld-preload-driver-library.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let Some(var) = cx.facts.final_env().and_then(|env| env.get(VARIABLE)) else { return };
        let Some(value) = var.value.as_deref() else { return };
        let Some(library) = value.split([':', ' ']).find(|path| is_driver_or_cuda(path)) else { return };
        let mut draft = out
            .finding(
                variable_origin(cx.facts, VARIABLE, &var.origin),
                format!("LD_PRELOAD of `{library}` forces one driver or CUDA build into every process, hooks included"),
            )
            .help("delete it; the loader finds the driver's own library");
        if let Some(edit) = effective_set(cx.facts, VARIABLE).and_then(|set| delete_assignment(cx.facts, set))
        {
            draft = draft.fix(Safety::Unsafe, "delete the assignment", &[edit]);
        }
        draft.emit();
    }
}

fn is_driver_or_cuda(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    driver_file(path).is_some()
        || name.starts_with("libcuda.so")
        || name.starts_with("libcudart.so")
        || path.split('/').any(|part| part == "stubs" || part.starts_with("compat")) && name.contains(".so")
}
