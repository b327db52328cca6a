//! What people see at a terminal.

use super::*;

#[test]
fn plain() {
    insta::assert_snapshot!(text(Format::Human, &sample(), |_| ()));
}

#[test]
fn verbose_lists_what_stayed_open() {
    insta::assert_snapshot!(text(Format::Human, &sample(), |options| options.verbose = true));
}

#[test]
fn ascii_and_narrow() {
    insta::assert_snapshot!(text(Format::Human, &sample(), |options| {
        options.unicode = false;
        options.width = 60;
    }));
}

#[test]
fn coloured() {
    let coloured = text(Format::Human, &sample(), |options| options.color = true);
    assert!(coloured.contains("\x1b[1;31merror[CU301]\x1b[0m"), "{coloured}");
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, text(Format::Human, &sample(), |_| ()));
    assert!(!text(Format::Human, &sample(), |_| ()).contains('\x1b'));
}

#[test]
fn nothing_found() {
    let clean = outcome(vec![InputOutcome::new("Dockerfile", InputKind::Dockerfile)]);
    assert_eq!(text(Format::Human, &clean, |_| ()), "Nothing found in 1 input.\n");
    assert_eq!(text(Format::Human, &clean, |options| options.quiet = true), "");
}

/// A finding on `word` in a file of its own.
fn only(source: &[u8], word: &str) -> Outcome {
    let at = memchr::memmem::find(source, word.as_bytes()).unwrap();
    let mut finding = file_finding("CU301", Severity::Warning, "message");
    finding.location = Location::File(place_in("Dockerfile", source, at, at + word.len()));
    outcome(vec![input("Dockerfile", InputKind::Dockerfile, &[("Dockerfile", source)], vec![finding])])
}

#[test]
fn bytes_of_the_input_reach_the_terminal_harmless() {
    let source = b"FROM a\r\n\tRUN \x1b[31mred \xff\xfe WORD \xe2\x80\xae after \x07\r\nCMD x\r\n";
    let mut outcome = only(source, "WORD");
    outcome.inputs[0].findings[0].finding.message = "a\x1b]0;title\x07b".into();
    outcome.inputs[0].findings[0].finding.help = Some("first\x08\nsecond".into());
    let shown = text(Format::Human, &outcome, |_| ());
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    insta::assert_snapshot!(shown);
    for (format, name) in Format::ALL {
        let shown = text(format, &outcome, |options| options.verbose = true);
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{name}: {shown:?}");
    }
}

#[test]
fn long_lines_are_cropped_around_the_words() {
    let mut source = b"FROM a\nRUN ".to_vec();
    source.extend(std::iter::repeat_n(b'x', 3_000_000));
    source.extend_from_slice(b" nvidia-driver-535 ");
    source.extend(std::iter::repeat_n(b'y', 3_000_000));
    source.push(b'\n');
    let shown = text(Format::Human, &only(&source, "nvidia-driver-535"), |_| ());
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    insta::assert_snapshot!(shown);
    for (format, name) in Format::ALL {
        assert!(text(format, &only(&source, "nvidia-driver-535"), |_| ()).len() < 20_000, "{name}");
    }
}

#[test]
fn words_over_several_lines_and_at_the_edges() {
    let source = b"RUN one \\\n\n  two \\\n  three";
    insta::assert_snapshot!(
        "several_lines",
        text(Format::Human, &only(source, "one \\\n\n  two \\\n  three"), |_| ())
    );
    let mut at_end = only(b"FROM a\n", "a");
    at_end.inputs[0].findings[0].finding.location = Location::File(place_in("Dockerfile", b"FROM a\n", 7, 7));
    insta::assert_snapshot!("empty_at_end", text(Format::Human, &at_end, |_| ()));
    let empty = at("Dockerfile", 0, 0);
    let mut nothing = only(b"a", "a");
    nothing.inputs[0].findings[0].finding.location = empty;
    nothing.inputs[0].sources.insert("Dockerfile".into(), Arc::from(&b""[..]));
    assert!(text(Format::Human, &nothing, |_| ()).starts_with("Dockerfile:1:1: warning[CU301] message\n"));
    nothing.inputs[0].findings[0].finding.location = at("Dockerfile", 90, 99);
    assert!(text(Format::Human, &nothing, |_| ()).starts_with("Dockerfile:1:91: warning[CU301] message\n"));
}

use crate::diagnostics::testing::at;

#[test]
fn far_places_get_an_excerpt_each() {
    let source: String = (1..=100).map(|line| format!("RUN step{line:03}\n")).collect();
    let mut outcome = only(source.as_bytes(), "step050");
    let spot = |word: &str| spot(&source, "Dockerfile", word);
    outcome.inputs[0].findings[0].finding.related =
        vec![(spot("step010"), "set here".into()), (spot("step052"), "used here".into())];
    insta::assert_snapshot!(text(Format::Human, &outcome, |_| ()));
}

#[test]
fn passwords_in_the_source_are_masked() {
    let source = b"RUN pip install --index-url https://me:s3cret@pypi.example/simple WORD\n";
    let shown = text(Format::Human, &only(source, "WORD"), |_| ());
    assert!(shown.contains("https://me:******@pypi.example/simple WORD"), "{shown}");
    for (format, name) in Format::ALL {
        assert!(!text(format, &only(source, "WORD"), |_| ()).contains("s3cret"), "{name}");
    }
}

#[test]
fn broken_configurations_are_shown_with_their_place() {
    let error = crate::diagnostics::testing::place_in("cudalint.toml", b"[lint]\nselct = []\n", 7, 12);
    let problem = Problem {
        message: "`selct` is no key here; did you mean `select`?".into(),
        help: Some("possible here: `select`, `ignore`".into()),
        location: Some(Location::File(error)),
    };
    let (paths, mut out) = (PathBase::default(), Vec::new());
    let source: Arc<[u8]> = Arc::from(&b"[lint]\nselct = []\n"[..]);
    super::super::write_problem(&problem, &source, &Options::plain(&paths), &mut out).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}

#[test]
fn passwords_are_masked_wherever_the_words_begin() {
    let source = b"RUN pip install \xff --index-url https://me:s3cret@pypi.example/simple\n";
    for word in ["me:s3cret", "s3cret@pypi", "https://me", "cret", "simple"] {
        for (format, name) in Format::ALL {
            let shown = text(format, &only(source, word), |_| ());
            assert!(!shown.contains("s3c") && !shown.contains("cret"), "{name} at {word}: {shown}");
        }
    }
}
