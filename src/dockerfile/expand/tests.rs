//! Operators, quotes, errors, unknown values and bounds.

use super::*;

fn lookup(name: &str) -> Lookup {
    match name {
        "v" => Lookup::Set(Value::known("12.4.1")),
        "empty" => Lookup::Set(Value::known("")),
        "path" => Lookup::Set(Value::known("/usr/lib/x.tar.gz")),
        "arg" => Lookup::ArgWithoutValue(Origin {
            kind: super::super::value::OriginKind::ArgWithoutValue,
            name: "arg".into(),
            span: None,
        }),
        "base" => Lookup::MaybeInBase,
        "half" => Lookup::Set(Value {
            text: None,
            pieces: Arc::new([
                Piece::Text("12.".into()),
                Piece::Unknown(UnknownReason::BaseEnvironment("minor".into())),
            ]),
            origins: Arc::new([]),
        }),
        _ => Lookup::Unset,
    }
}

fn run(text: &str) -> Result<Value, ExpandError> {
    expand(text, Mode { escape: '\\', quotes: true }, &Budget::default(), &mut lookup)
}

#[track_caller]
fn known(text: &str, want: &str) {
    assert_eq!(run(text).map(|value| value.text.map(|text| text.to_string())), Ok(Some(want.to_owned())));
}

#[test]
fn every_operator() {
    known("a$v-b", "a12.4.1-b");
    known("${v}x", "12.4.1x");
    known("${no:-d}|${no-d}|${empty:-d}|${empty-d}|${v:-d}", "d|d|d||12.4.1");
    known("${no:+a}|${no+a}|${empty:+a}|${empty+a}|${v:+a}", "|||a|a");
    known("${v:?e}${v?e}${empty?e}", "12.4.112.4.1");
    known(
        "${path#*/}|${path##*/}|${path%.*}|${path%%.*}",
        "usr/lib/x.tar.gz|x.tar.gz|/usr/lib/x.tar|/usr/lib/x",
    );
    known("${v/./-}|${v//./-}|${path/\\/usr/}", "12-4.1|12-4-1|/lib/x.tar.gz");
    known("${no:-${no2:-${v%.*}}}", "12.4");
    known("$no|$|$.|$1|${no}", "|$|$.||");
}

#[test]
fn quotes_and_escapes() {
    known(r#"'$v' "$v" \$v "\$v" "a\b" \a"#, r"$v 12.4.1 $v $v a\b a");
    known(r#""a'b'" 'a"b'"#, r#"a'b' a"b"#);
    known("a\\", "a");
    let heredoc = expand("'$v'", Mode { escape: '\\', quotes: false }, &Budget::default(), &mut lookup);
    assert_eq!(heredoc.map(|value| value.text.map(|text| text.to_string())), Ok(Some("'12.4.1'".to_owned())));
    let tick = expand("`$v\\", Mode { escape: '`', quotes: true }, &Budget::default(), &mut lookup);
    assert_eq!(tick.map(|value| value.text.map(|text| text.to_string())), Ok(Some("$v\\".to_owned())));
}

#[test]
fn errors_are_those_of_buildkit() {
    for text in [
        "'a",
        "\"a",
        "${v",
        "${v:-a",
        "${",
        "${}",
        "${{v}}",
        "${:v}",
        "${v^^}",
        "${v:0:3}",
        "${v@Q}",
        "${v:#a}",
        "${no:?}",
        "${no?x}",
        "${empty:?}",
        "${v/a}",
        "${v/a/b",
        "${v#\\a}",
    ] {
        assert!(run(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_not_known_stays_unknown() {
    let arg = run("nvidia/cuda:$arg-base").unwrap();
    assert_eq!(arg.text, None);
    assert_eq!(arg.as_built().as_deref(), Some("nvidia/cuda:-base"));
    assert_eq!(arg.args().collect::<Vec<_>>(), ["arg"]);
    assert_eq!(arg.pieces.len(), 3);
    let base = run("/x:$base").unwrap();
    assert_eq!((base.text.clone(), base.as_built()), (None, None));
    assert_eq!(run("${base:-d}").unwrap().text, None);
    assert_eq!(run("${half%.*}").unwrap().text, None);
    assert_eq!(run("${v/$base/x}").unwrap().text, None);
    // Its text decides, and part of it is known.
    known("${half:+yes}", "yes");
    // An author who gives a default gives a value.
    known("${arg:-d}|${arg-d}", "d|d");
    // A build argument may be given; without one BuildKit leaves the alternative out.
    let alternate = run("x${arg:+a}${arg+b}").unwrap();
    assert_eq!((alternate.as_str(), alternate.as_built().as_deref()), (None, Some("x")));
    assert_eq!(run("${arg:-d}").unwrap().args().collect::<Vec<_>>(), ["arg"]);
}

#[test]
fn size_and_work_are_bounded() {
    let long = "a".repeat(LONGEST_VALUE + 1);
    assert_eq!(run(&long).unwrap().reason(), Some(&UnknownReason::TooLarge));
    known(&format!("{}x{}", "${no:-".repeat(200_000), "}".repeat(200_000)), "x");
    let open = "${no:-a".repeat(200_000);
    assert_eq!(run(&open), Err(ExpandError::MissingBrace));
}
