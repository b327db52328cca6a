//! The `WWW-Authenticate` header: any text is read or refused, and no parameter comes twice.
#![no_main]

use cudalint::image::parse_challenges;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &str| {
    if let Ok(challenges) = parse_challenges(header) {
        for challenge in challenges {
            assert!(!challenge.scheme.is_empty());
            let mut names: Vec<_> = challenge.parameters.iter().map(|(name, _)| name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), challenge.parameters.len());
        }
    }
});
