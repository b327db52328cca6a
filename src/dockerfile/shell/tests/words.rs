//! Words: pieces, places, values.

use crate::dockerfile::shell::{Local, Value, Word, is_posix_shell, scan};
use crate::limits::Limits;
use crate::span::Span;

fn place(text: &str, span: Span) -> &str {
    text.get(span.start..span.end).expect("a span inside the text")
}

fn first_word(text: &str) -> Word {
    scan(&format!("x {text}"), &Limits::default()).commands[0].words[1].clone()
}

#[track_caller]
fn resolves(text: &str, expected: Option<&str>) {
    let lookup = |name: &str| match name {
        "V" => Value::Set("12.4.1".to_owned()),
        "E" => Value::Set(String::new()),
        "N" => Value::Unset,
        _ => Value::Unknown,
    };
    assert_eq!(first_word(text).resolve_values(&lookup).as_deref(), expected, "{text}");
}

#[test]
fn values() {
    resolves("a'b'\"c\"", Some("abc"));
    resolves("torch==${V}", Some("torch==12.4.1"));
    resolves("$V-$N-$E", Some("12.4.1--"));
    resolves("${V:-x}${N:-x}${E:-x}${E-x}", Some("12.4.1xx"));
    resolves("${V:+x}${N:+y}${E+z}", Some("xz"));
    resolves("${N:-${V}}", Some("12.4.1"));
    resolves("${V%.*}:${V%%.*}:${V#*.}:${V##*.}", Some("12.4:12:4.1:1"));
    resolves("${V/./-}:${V//./}:${V//./-}", Some("12-4.1:1241:12-4-1"));
    resolves("${V:0:2}:${V:3}", Some("12:4.1"));
    resolves("${#V}", Some("6"));
    resolves("${V%.[0-9]}", Some("12.4"));
    resolves("${U}", None);
    resolves("${U:-x}", None);
    resolves("$(date)", None);
    resolves("${!V}", None);
    resolves("${V?no}", Some("12.4.1"));
    resolves("'$V'", Some("$V"));
    resolves("\\$V", Some("$V"));
}

#[test]
fn places_go_through_quotes() {
    let text = r#"bash -c "pip install \"torch==$V\"" x"#;
    let script = scan(text, &Limits::default());
    let word = &script.commands[1].words[2];
    assert_eq!(word.text, "torch==$V");
    // The escaped quote's own byte, not the backslash that the outer shell takes off.
    assert_eq!(place(text, word.span), r#""torch==$V\""#);
    let span = word.map(Span::new(0, 5));
    assert_eq!(place(text, span), "torch");
    let span = word.map(Span::new(7, 9));
    assert_eq!(place(text, span), "$V");
}

#[test]
fn parts_of_words() {
    let text = "x LD_LIBRARY_PATH=\"/a:/usr/lib64/stubs:$OLD:\"/b";
    let script = scan(text, &Limits::default());
    let (name, value) = script.commands[0].words[1].assignment().expect("assignment");
    assert_eq!(name, "LD_LIBRARY_PATH");
    let parts = value.split(&[':']);
    let texts: Vec<_> = parts.iter().map(|part| part.text.as_str()).collect();
    assert_eq!(texts, ["/a", "/usr/lib64/stubs", "$OLD", "/b"]);
    assert_eq!(place(text, parts[1].span), "/usr/lib64/stubs");
    assert!(!parts[2].is_fully_literal());
}

#[test]
fn fields_are_split_where_the_shell_splits() {
    let lookup = |name: &str| if name == "P" { Value::Set("a b".into()) } else { Value::Unknown };
    let script = scan("apt-get $P x$P \"$P\" $N", &Limits::default());
    let resolved = script.commands[0].resolved(&lookup);
    let words: Vec<_> = resolved.words.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(words, ["apt-get", "a", "b", "xa", "b", "a b", "$N"]);
    assert!(!resolved.words[6].is_fully_literal());
    assert_eq!(resolved.words[2].span, script.commands[0].words[1].span);
}

#[test]
fn variables_of_the_script() {
    let text = "V=12 && export W=13; for x in a b; do f $x; done; (V=1); if t; then V=2; fi; g";
    let script = scan(text, &Limits::default());
    let variables = script.variables();
    let at = |name: &str| {
        script.commands.iter().position(|c| c.words.first().is_some_and(|w| w.text == name)).expect("command")
    };
    let value = |command: &str, name: &str| match variables.local(at(command), name) {
        Local::Value(word) => format!("={}", word.text),
        Local::Each(words) => words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(","),
        other => format!("{other:?}"),
    };
    assert_eq!(value("f", "x"), "a,b");
    assert_eq!(value("f", "V"), "=12");
    assert_eq!(value("f", "W"), "=13");
    assert_eq!(value("t", "V"), "=12");
    assert_eq!(value("g", "V"), "Unknown");
    assert_eq!(value("g", "Q"), "Unset");
}

#[test]
fn failures_that_are_ignored() {
    let ignored = |text: &str| scan(text, &Limits::default()).failure_ignored(0);
    assert!(ignored("a || true"));
    assert!(ignored("a && b || :"));
    assert!(ignored("(a; b) || echo no"));
    assert!(ignored("if a; then b; fi"));
    assert!(ignored("! a"));
    assert!(ignored("a &"));
    assert!(!ignored("a && b"));
    assert!(!ignored("a; b || true"));
    assert!(!ignored("a || b"));
    assert!(!ignored("a || exit 1"));
}

#[test]
fn posix_shells() {
    let is = |args: &[&str]| is_posix_shell(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
    assert!(is(&["/bin/sh", "-c"]));
    assert!(is(&["/bin/bash", "-o", "pipefail", "-c"]));
    assert!(is(&["conda", "run", "-n", "x", "/bin/bash", "-c"]));
    assert!(is(&["/usr/local/bin/_dockerfile_shell.sh"]));
    assert!(!is(&["powershell", "-Command"]));
    assert!(!is(&["C:\\Windows\\System32\\cmd.exe", "/S", "/C"]));
    assert!(!is(&["pwsh", "-c"]));
    assert!(!is(&[]));
}

#[test]
fn programs_behind_prefixes() {
    let program = |text: &str| {
        let script = scan(text, &Limits::default());
        let command = &script.commands[0];
        let program = command.program().expect("program");
        let args: Vec<_> = program.args.iter().map(|arg| arg.text.as_str()).collect();
        format!("{}|{}", program.name, args.join(" "))
    };
    assert_eq!(program("sudo -E -u root apt-get update"), "apt-get|update");
    assert_eq!(program("env -u X A=1 B=2 pip install x"), "pip|install x");
    assert_eq!(program("sudo A=1 pip install x"), "pip|install x");
    assert_eq!(program("time -p nice -n 5 make -j"), "make|-j");
    assert_eq!(program("timeout -k 5 600 pip install x"), "pip|install x");
    assert_eq!(program("xargs -n 1 -a f apt-get install -y"), "apt-get|install -y");
    assert_eq!(program("\\rm -rf /x"), "rm|-rf /x");
    assert_eq!(program("/usr/bin/apt-get update"), "apt-get|update");
    assert_eq!(program("command -v nvcc"), "command|-v nvcc");
    assert_eq!(program("exec nohup stdbuf -oL x y"), "x|y");
    assert_eq!(program("$SUDO apt-get update"), "apt-get|update");
    assert_eq!(program("conda run -n env pip install x"), "pip|install x");
    assert_eq!(program("busybox sh -c x"), "sh|-c x");
    assert_eq!(program("${PIP} install x"), "|install x");
    assert_eq!(program("/opt/$V/bin/pip install x"), "pip|install x");
}
