//! CU304: a layer of an image holds files of a driver.

use super::names::driver_file;
use crate::diagnostics::{RuleId, Severity};
use crate::facts::{DriverLibraryFile, DriverLibraryKind};
use crate::rules::{Context, Rule, Sink};

pub(super) struct DriverLibraryInLayer;

impl Rule for DriverLibraryInLayer {
    fn id(&self) -> RuleId {
        RuleId::new("CU304")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU304-driver-library-in-layer.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let Some(image) = &cx.facts.image else { return };
        if image.kernel_modules {
            return;
        }
        for file in image.driver_libraries.iter().filter(|file| driver_file(&file.path).is_some()) {
            let path = &file.path;
            match (file.dangling_link, file.kind) {
                (true, _) => out
                    .finding(&file.origin, format!("{path} is a link to a driver file that is not in the image"))
                    .severity(Severity::Info)
                    .help("harmless where the runtime mounts the file; left over from a driver package or a build with the NVIDIA runtime")
                    .emit(),
                (false, DriverLibraryKind::Empty) => out
                    .finding(
                        &file.origin,
                        format!("{path} is empty: left by a build that ran with the NVIDIA runtime as default; the container may fail to start (`file exists`)"),
                    )
                    .help("build with the plain runtime (docker buildx with the container driver, or \"default-runtime\": \"runc\")")
                    .emit(),
                (false, DriverLibraryKind::Real) => out
                    .finding(&file.origin, real(cx, file))
                    .help("remove the package or COPY that brings it; the runtime mounts the host's own file")
                    .emit(),
                // Stubs outside a stubs folder and compat libraries have rules of their own.
                (false, DriverLibraryKind::Stub | DriverLibraryKind::Compat) => {}
            }
        }
    }
}

fn real(cx: &Context<'_>, file: &DriverLibraryFile) -> String {
    let path = &file.path;
    let Some(version) = &file.version else {
        return format!(
            "{path} belongs to a host driver; it shadows or clashes with the one the runtime mounts"
        );
    };
    let base =
        format!("{path} comes from driver {version}; it shadows or clashes with the one the runtime mounts");
    match cx.target.describe_other_than(version) {
        Some(others) => format!("{base} (hosts with {others} get a version mismatch)"),
        None => base,
    }
}
