//! Image references and transports: any text is read or refused, and what is read reads back the same.
#![no_main]

use cudalint::image::{ImageSource, Reference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = ImageSource::parse(text) {
        assert!(error.offset <= text.chars().count());
    }
    if let Ok(reference) = Reference::parse(text) {
        let shown = reference.to_string();
        assert_eq!(Reference::parse(&shown).map(|again| again.to_string()), Ok(shown));
    }
});
