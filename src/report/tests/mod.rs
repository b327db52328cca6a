//! Every format on outcomes made by hand.

mod formats;
mod hostile;
mod human;

use std::sync::Arc;

use super::{Format, Options, RuleManual, render};
use crate::diagnostics::testing::{file_finding, place_in};
use crate::diagnostics::{
    Edit, Finding, Fingerprinter, Fix, FleetNames, InputKind, InputOutcome, Location, Outcome, PathBase,
    Problem, RuleId, RuleInfo, Safety, Severity, Tool, VerdictWord,
};
use crate::span::Span;

const DOCKERFILE: &str = "\
FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04
ENV NVIDIA_DRIVER_CAPABILITIES=utility
RUN apt-get update && apt-get install -y \\
    python3 \\
    nvidia-driver-535 \\
    && rm -rf /var/lib/apt/lists/*
COPY requirements.txt .
RUN pip install -r requirements.txt
";
const REQUIREMENTS: &str = "torch==2.6.0\nfaster-whisper==1.0.3\n";

/// A finding on the first occurrence of `word` in `source`.
fn on(
    rule: &'static str,
    name: &'static str,
    severity: Severity,
    source: &str,
    file: &str,
    word: &str,
) -> Finding {
    let mut finding = file_finding(rule, severity, "");
    finding.name = name;
    finding.location = spot(source, file, word);
    finding
}

fn spot(source: &str, file: &str, word: &str) -> Location {
    let at = source.find(word).unwrap();
    Location::File(place_in(file, source.as_bytes(), at, at + word.len()))
}

fn input(name: &str, kind: InputKind, sources: &[(&str, &[u8])], findings: Vec<Finding>) -> InputOutcome {
    let mut input = InputOutcome::new(name, kind);
    input.sources = sources.iter().map(|(name, bytes)| (Arc::from(*name), Arc::from(*bytes))).collect();
    let paths = PathBase::default();
    input.findings = Fingerprinter { paths: &paths, input: name, sources: &input.sources }.assign(findings);
    input
}

fn outcome(inputs: Vec<InputOutcome>) -> Outcome {
    let tool = Tool { name: "cudalint".into(), version: "0.1.0".into(), data_as_of: "2026-08-21".into() };
    let fleet = FleetNames { drivers: vec!["525".into()], gpus: vec!["a100".into(), "l4".into()] };
    Outcome::new(tool, fleet, inputs)
}

fn dockerfile_input() -> InputOutcome {
    let name = "images/Dockerfile";
    let mut package =
        on("CU301", "driver-package-in-image", Severity::Error, DOCKERFILE, name, "nvidia-driver-535");
    package.message =
        "`nvidia-driver-535` puts a host driver into the image; its libnvidia-ml shadows the one that the \
        container runtime injects"
            .into();
    package.help = Some(
        "take it out; the container runtime brings the driver's libraries from the host, and what programs need to be \
         built against is in cuda-driver-dev"
            .into(),
    );
    package.related =
        vec![(spot(DOCKERFILE, name, "FROM nvidia"), "this base expects the host's driver".into())];
    let Location::File(place) = &package.location else { unreachable!() };
    package.fixes = vec![Fix {
        title: "remove `nvidia-driver-535`".into(),
        safety: Safety::Unsafe,
        edits: vec![Edit { file: name.into(), span: place.span, replacement: String::new() }],
    }];
    let mut capability =
        on("CU202", "driver-capabilities-missing-compute", Severity::Warning, DOCKERFILE, name, "utility");
    capability.message = "NVIDIA_DRIVER_CAPABILITIES lacks `compute`, which CUDA programs need".into();
    capability.pools = vec!["a100-old".into()];
    capability.fixes = vec![Fix {
        title: "add `compute`".into(),
        safety: Safety::Safe,
        edits: vec![Edit { file: name.into(), span: Span::new(75, 75), replacement: "compute,".into() }],
    }];
    let mut wheel = on(
        "CU508",
        "framework-cudnn-mismatch",
        Severity::Error,
        REQUIREMENTS,
        "images/requirements.txt",
        "faster-whisper==1.0.3",
    );
    wheel.message = "faster-whisper 1.0.3 loads cuDNN 8, the image has cuDNN 9".into();
    wheel.related = vec![
        (spot(REQUIREMENTS, "images/requirements.txt", "torch==2.6.0"), "brings cuDNN 9".into()),
        (spot(DOCKERFILE, name, "-r requirements.txt"), "is installed here".into()),
    ];
    let mut open = on("CU801", "driver-too-old", Severity::Info, DOCKERFILE, name, "nvidia/cuda:12.4.1");
    open.message = "whether driver 590 runs CUDA 12.4 is not in the tables".into();
    open.verdict = Some(VerdictWord::Unknown);
    let mut input = input(
        name,
        InputKind::Dockerfile,
        &[(name, DOCKERFILE.as_bytes()), ("images/requirements.txt", REQUIREMENTS.as_bytes())],
        vec![package, capability, wheel, open],
    );
    input.suppressed = 2;
    input.baselined = 1;
    input
}

fn image_input() -> InputOutcome {
    let mut library =
        file_finding("CU304", Severity::Error, "the host's libnvidia-ml 535.104.05 is in the image");
    library.name = "driver-library-in-layer";
    library.help = Some("delete it in the instruction that brings it".into());
    library.location = Location::Layer {
        index: 3,
        digest: format!("sha256:{}", "1a2b3c4d".repeat(8)).into(),
        path: Some("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1".into()),
        created_by: Some(
            "RUN |1 TOKEN=abc /bin/sh -c apt-get install -y libnvidia-compute-535 # buildkit".into(),
        ),
        place: None,
    };
    let mut require =
        file_finding("CU802", Severity::Warning, "NVIDIA_REQUIRE_CUDA refuses driver 525 on GeForce");
    require.name = "require-cuda-unsatisfied";
    require.verdict = Some(VerdictWord::Some);
    require.location = Location::Config { key: "Env.NVIDIA_REQUIRE_CUDA".into(), place: None };
    let name = "registry.example/team/app:1.0";
    let mut input = input(name, InputKind::Image, &[], vec![library, require]);
    input.complete = false;
    input.problems = vec![Problem {
        message: "layer 5 ends after 10 of 20 bytes; its files are not judged".into(),
        help: Some("pull the image again".into()),
        location: None,
    }];
    input
}

fn sample() -> Outcome {
    outcome(vec![
        dockerfile_input(),
        image_input(),
        InputOutcome::new("clean/Dockerfile", InputKind::Dockerfile),
    ])
}

fn manuals() -> Vec<RuleManual<'static>> {
    let info = |id, name, group, severity| RuleInfo {
        id: RuleId::new(id),
        name,
        group,
        severity,
        opt_in: false,
        needs_target: false,
    };
    vec![
        RuleManual {
            info: info("CU301", "driver-package-in-image", "driver", Severity::Error),
            summary: "A package of the host driver is installed in the image",
            body: "# driver-package-in-image\n\n## What happens\n\nIt *breaks*.\n",
        },
        RuleManual {
            info: info("CU202", "driver-capabilities-missing-compute", "env", Severity::Warning),
            summary: "NVIDIA_DRIVER_CAPABILITIES lacks compute",
            body: "# driver-capabilities-missing-compute\n",
        },
    ]
}

fn text(format: Format, outcome: &Outcome, change: impl FnOnce(&mut Options<'_>)) -> String {
    let paths = PathBase::default();
    let manuals = manuals();
    let mut options = Options { rules: &manuals, ..Options::plain(&paths) };
    change(&mut options);
    let mut out = Vec::new();
    render(format, outcome, &options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}
