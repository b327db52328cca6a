//! Requirement texts: both evaluators and the hook's reading must come back on anything, with consistent outcomes.
#![no_main]

use cudalint::compat::Tables;
use cudalint::compat::require::{
    CsvHost, Expression, GpuFacts, HookOptions, HostFacts, Verdict, evaluate, evaluate_csv, read_environment,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let tables = Tables::builtin();
    let host = HostFacts {
        driver: Some("535.104.05".to_owned()),
        cuda: Some("12.2".to_owned()),
        gpus: vec![GpuFacts { brand: Some("Tesla".to_owned()), arch: Some("8.0".to_owned()) }],
    };
    let outcome = evaluate(&[text], &host, tables);
    assert_eq!(outcome.message.is_none(), outcome.verdict == Verdict::Satisfied);
    let expression = Expression::parse(text);
    if let Some(deciding) = outcome.deciding {
        assert_eq!(expression.slice(deciding.span), deciding.text);
    }
    for alternative in &expression.alternatives {
        for (span, _) in &alternative.terms {
            assert!(!expression.slice(*span).is_empty());
        }
    }
    let _ = evaluate_csv(&[text], &CsvHost { cuda: Some("12.2".to_owned()), arch: Some("8.7".to_owned()) });
    let environment =
        [("NVIDIA_VISIBLE_DEVICES", text), ("CUDA_VERSION", text), ("NVIDIA_DRIVER_CAPABILITIES", text)];
    let _ = read_environment(&environment, &HookOptions::default(), tables);
});
