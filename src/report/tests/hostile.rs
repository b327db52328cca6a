//! Any bytes, any places: no format panics, none lets a control character through.

use proptest::prelude::*;

use super::*;
use crate::diagnostics::FilePlace;
use crate::span::LineColumn;

/// A place in the source, or, now and then, one that does not belong to it.
fn place(source: &[u8], start: usize, length: usize, wrong: bool) -> Location {
    let start = start % (source.len() + 1);
    let end = (start + length).min(source.len());
    if wrong {
        let lie = LineColumn { line: start + 1, column: length };
        return Location::File(FilePlace {
            file: "f".into(),
            span: Span::new(start * 7, start * 9),
            start: lie,
            end: lie,
        });
    }
    Location::File(place_in("f", source, start, end))
}

proptest! {
    #[test]
    fn nothing_panics_and_nothing_escapes(
        source in proptest::collection::vec(
            prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'\t'), Just(b' '), Just(0x1b), Just(0xc3), Just(0xa9), any::<u8>()],
            0..300,
        ),
        places in proptest::collection::vec((0_usize..400, 0_usize..200, proptest::bool::weighted(0.1)), 1..6),
        message in proptest::collection::vec(prop_oneof![any::<char>(), Just('\u{9b}'), Just('\u{1b}'), Just('`'), Just('\n')], 0..40),
        width in 0_usize..120,
        unicode in any::<bool>(),
    ) {
        let message: String = message.into_iter().collect();
        let mut finding = file_finding("CU301", Severity::Warning, &message);
        finding.help = Some(message.clone());
        let mut places = places.into_iter().map(|(start, length, wrong)| place(&source, start, length, wrong));
        finding.location = places.next().unwrap();
        finding.related = places.map(|place| (place, message.clone())).collect();
        let outcome = outcome(vec![input("f", InputKind::Dockerfile, &[("f", &source)], vec![finding])]);
        for (format, _) in Format::ALL {
            let shown = text(format, &outcome, |options| {
                options.width = width;
                options.unicode = unicode;
            });
            prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{format}: {shown:?}");
            prop_assert_eq!(&shown, &text(format, &outcome, |options| {
                options.width = width;
                options.unicode = unicode;
            }));
        }
    }
}
