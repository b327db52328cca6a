//! Tests of the scanner as a whole.

mod big;
mod bodies;
mod properties;
mod words;

use super::*;
use crate::limits::Limits;

fn list(text: &str) -> Vec<String> {
    let script = scan(text, &Limits::default());
    for command in &script.commands {
        assert!(text.get(command.span.start..command.span.end).is_some(), "{text:?} {command:?}");
    }
    script
        .commands
        .iter()
        .map(|command| {
            let assignments = command.assignments.iter().map(|a| format!("{}:={}", a.name, a.value.text));
            assignments
                .chain(command.words.iter().map(|word| word.text.clone()))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(list(text), expected, "{text}");
}

#[test]
fn chains_and_pipes() {
    check(
        "apt-get update && apt-get install -y curl; ls || true",
        &["apt-get update", "apt-get install -y curl", "ls", "true"],
    );
    check("curl -fsSL https://x/y | bash -s -- -y", &["curl -fsSL https://x/y", "bash -s -- -y"]);
    check("a & b |& c\nd", &["a", "b", "c", "d"]);
}

#[test]
fn quoting() {
    check(r#"echo 'a && b' "c; d" e\ f"#, &["echo a && b c; d e f"]);
    check(r#"echo "a\"b" '' "$X" $'a\nb'"#, &["echo a\"b  $X a\nb"]);
    check("echo a\\\nb", &["echo ab"]);
    check("echo # no && c\nd", &["echo", "d"]);
    check("echo a#b", &["echo a#b"]);
    check("pip install \"torch==${V:-2.1}\" 'x[y]'", &["pip install torch==${V:-2.1} x[y]"]);
    check("echo é && écho ü", &["echo é", "écho ü"]);
    check("echo \\é", &["echo é"]);
}

#[test]
fn substitutions_and_nested_scripts() {
    check("a $(b $(c) d) e", &["a $(b $(c) d) e", "b $(c) d", "c"]);
    check("a `b \\`c\\` d`", &["a `b \\`c\\` d`", "b `c` d", "c"]);
    check("a \"$(b \"c d\")\"", &["a $(b \"c d\")", "b c d"]);
    check("bash -lc 'a && b'", &["bash -lc a && b", "a", "b"]);
    check(
        r#"sh -c "pip install \"torch==$V\"""#,
        &[r#"sh -c pip install "torch==$V""#, "pip install torch==$V"],
    );
    check(
        "eval \"$(conda shell.bash hook)\" && x",
        &["eval $(conda shell.bash hook)", "$(conda shell.bash hook)", "conda shell.bash hook", "x"],
    );
    check("diff <(a) <(b)", &["diff <(a) <(b)", "a", "b"]);
    check("X=$((1 + $(nproc))) y", &["X:=$((1 + $(nproc))) y", "nproc"]);
    check("$((a); b)", &["$((a); b)", "a", "b"]);
    check("echo ${A:-$(b)}", &["echo ${A:-$(b)}", "b"]);
    check("echo 'pip install x' | sh", &["echo pip install x", "pip install x", "sh"]);
    check("x $(case a in a) b;; esac) c", &["x $(case a in a) b;; esac) c", "b"]);
    check("x $(cat <<E\n)\nE\n) y", &["x $(cat <<E\n)\nE\n) y", "cat"]);
}

#[test]
fn compound_commands() {
    check("if a; then b; elif c; then d; else e; fi; f", &["a", "b", "c", "d", "e", "f"]);
    check("for x in 1 2; do a $x; done && b", &["a $x", "b"]);
    check("while a; do b; done; until c\ndo d\ndone", &["a", "b", "c", "d"]);
    check("case $x in a|b) c;; (d) e ;; *) f; esac; g", &["c", "e", "f", "g"]);
    check("f() { a; }; function g { b; }; h () (c)\nf", &["a", "b", "c", "f"]);
    check("(a; b) | c", &["a", "b", "c"]);
    check("{ a; b; } > f && c", &["a", "b", "c"]);
    check("[[ -f x && $a =~ ^(b|c)$ ]] && d", &["[[ -f x && $a =~ ^(b|c)$ ]]", "d"]);
    check("[[\n ! -f x &&\n -d y\n]] && d", &["[[ ! -f x && -d y ]]", "d"]);
    check("[[ a == @(x|y|\n\tz) ]]; b", &["[[ a == @(x|y|\n\tz) ]]", "b"]);
    check("time { a; } && time b", &["a", "time b"]);
    check("((i++)); a", &["((i++))", "a"]);
    check("! a && b", &["a", "b"]);
    check("for ((i=0; i<3; i++)); do a; done", &["a"]);
    check("A=(1 2 '3 4') B=x c", &["A:=(1 2 '3 4') B:=x c"]);
}

#[test]
fn redirections() {
    let script = scan("a 2>&1 >/x <y &>z >|w <<< \"h $V\" 3>>q", &Limits::default());
    let ops: Vec<_> =
        script.commands[0].redirections.iter().map(|r| (r.fd, r.op, r.target.text.as_str())).collect();
    use RedirectionOp as Op;
    assert_eq!(
        ops,
        [
            (Some(2), Op::DupOut, "1"),
            (None, Op::Write, "/x"),
            (None, Op::Read, "y"),
            (None, Op::WriteBoth, "z"),
            (None, Op::Clobber, "w"),
            (None, Op::HereString, "h $V"),
            (Some(3), Op::Append, "q"),
        ]
    );
}

#[test]
fn redirections_of_groups() {
    let script = scan("{ a; } 2>&1 > \\\n  /f && (b) 1>&2\nc", &Limits::default());
    let targets: Vec<Vec<_>> = script
        .groups
        .iter()
        .map(|group| group.redirections.iter().map(|r| (r.fd, r.target.text.as_str())).collect())
        .collect();
    assert_eq!(targets, [vec![(Some(2), "1"), (None, "/f")], vec![(Some(1), "2")]]);
    assert_eq!(script.commands.len(), 3);
    assert_eq!(script.groups[0].separator_after, Separator::And);
    assert_eq!(script.groups[1].separator_after, Separator::Newline);
}

#[test]
fn heredocs() {
    check("cat <<EOF > f && b\npip install x\nEOF\nc", &["cat", "b", "c"]);
    check("bash <<'EOF'\npip install x && y\nEOF\nc", &["bash", "pip install x", "y", "c"]);
    check("bash <<-EOF\n\tpip install $V\n\tEOF\nc", &["bash", "pip install $V", "c"]);
    check("cat <<EOF | bash\na\nEOF\n", &["cat", "bash", "a"]);
    check("<<EOF\nset -e\na \\$b\nEOF\n", &["", "set -e", "a $b"]);
    check("python3 <<EOF\nimport torch\nEOF", &["python3"]);
    check("bash <<< 'a && b'", &["bash", "a", "b"]);
    check("cat <<A <<B\n1\nA\n2\nB\nc", &["cat", "c"]);
}

#[test]
fn broken_text_keeps_its_commands() {
    check("if a; then b && c", &["a", "b", "c"]);
    check("a; fi; b; done; } ; c", &["a", "b", "c"]);
    check("a $(b && c", &["a $(b && c", "b", "c"]);
    check("for x in 1 2; pip install y", &["pip install y"]);
    check("case x in apt-get install foo; b", &["apt-get install foo", "b"]);
    check("(a; b", &["a", "b"]);
    check("a ) b", &["a", "b"]);
    check("&& a || ; b", &["a", "b"]);
}
