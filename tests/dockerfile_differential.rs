//! Our reading of Dockerfiles against BuildKit's, over the battery and generated mutations of it.
//!
//! Runs when CUDALINT_DOCKERFILE_ORACLE names a Python that has PyPI's `dockerfile` package (BuildKit's parser
//! compiled in); without it there is nothing to compare with and the test passes.
//!
//! Differences that are meant, and left out of the comparison:
//! - A blank between `<<` and the delimiter: BuildKit takes it since 0.14, the package's BuildKit 0.12 does not.
//! - Flags beyond ASCII: BuildKit reads them byte by byte as Latin-1.
//! - A backslash in flags under `# escape=` with a backtick: BuildKit 0.12 takes it as the escape character all the same.
//! - A no-break space in a directive: newer BuildKits skip it.
//! - Substitutions that BuildKit 0.12 does not know yet (`${v/a/b}`, `${v#p}`, `${v%p}`) stop its search for heredocs.
//! - Text behind a JSON array: BuildKit 0.12 ignores it, newer ones take the line as shell text.
//! - NUL bytes: the package passes C strings.
//! - What only BuildKit's later stage refuses (too few arguments, blank names) is an `Unknown` node with a problem
//!   here; only keyword and lines are compared.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

#[path = "dockerfile_battery/load.rs"]
mod load;

use std::io::Write as _;
use std::process::{Command, Stdio};

use cudalint::dockerfile::{
    CommandForm, Dockerfile, Healthcheck, Instruction, InstructionKind, KeyValue, ProblemKind,
};
use cudalint::limits::Limits;
use cudalint::span::LineIndex;
use serde_json::{Value, json};

/// The same generator everywhere and always (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(bits).unwrap() % below
    }
}

const INSERTS: [&str; 44] = [
    "\\\n",
    "\n",
    "\\",
    "\"",
    "'",
    "$",
    "${x}",
    "${x:-y}",
    " ",
    "\t",
    "#",
    "# c\n",
    "[",
    "]",
    "[\"a\"]",
    ",",
    "=",
    "--x=y ",
    "--from=a ",
    "`",
    "\r\n",
    "\r",
    "<<EOF",
    "<<-EOF",
    "<<'EOF'",
    "\nEOF\n",
    "EOF",
    "<",
    "<<",
    "RUN ",
    "ENV ",
    "COPY ",
    "ONBUILD ",
    "a b",
    "\u{a0}",
    "é",
    "\\\\\n",
    "\n\n",
    "\n  # d\n",
    " \\ \n",
    "HEALTHCHECK CMD ",
    "-- ",
    "LABEL a=b\n",
    "\"a b\"",
];

/// Small changes of a text.
fn mutate(random: &mut Random, pool: &[String]) -> String {
    let mut text = pool[random.next(pool.len())].clone();
    for _ in 0..=random.next(4) {
        let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let at = ends[random.next(ends.len())];
        match random.next(6) {
            0..3 => text.insert_str(at, INSERTS[random.next(INSERTS.len())]),
            3 => {
                let to = ends[random.next(ends.len())];
                if at < to && to - at < 12 {
                    text.replace_range(at..to, "");
                }
            }
            4 => {
                let other = &pool[random.next(pool.len())];
                let lines: Vec<&str> = other.split_inclusive('\n').collect();
                if !lines.is_empty() {
                    text.insert_str(at, lines[random.next(lines.len())]);
                }
            }
            _ => text.push_str(&pool[random.next(pool.len())]),
        }
    }
    text
}

fn pairs(pairs: &[KeyValue]) -> Vec<String> {
    pairs.iter().flat_map(|pair| [pair.key.value.clone(), pair.value.value.clone()]).collect()
}

fn command(instruction: &Instruction, command: &cudalint::dockerfile::Command) -> (Vec<String>, bool) {
    match &command.form {
        CommandForm::Shell(range) => {
            let text = instruction.text.get(range.clone()).to_owned();
            (if text.is_empty() { Vec::new() } else { vec![text] }, false)
        }
        CommandForm::Exec(words) => (words.iter().map(|word| word.value.clone()).collect(), true),
    }
}

/// Argument words and the JSON flag; `None` where only BuildKit's later stage would say more.
fn words(instruction: &Instruction) -> Option<(Vec<String>, bool)> {
    let plain =
        |words: &[cudalint::span::Spanned<String>]| words.iter().map(|word| word.value.clone()).collect();
    let json = instruction.text.text.starts_with('[');
    Some(match &instruction.kind {
        InstructionKind::Run(run) | InstructionKind::Cmd(run) | InstructionKind::Entrypoint(run) => {
            command(instruction, run)
        }
        InstructionKind::Healthcheck(Healthcheck::None) => (vec![instruction.text.text.clone()], false),
        InstructionKind::Healthcheck(Healthcheck::Cmd(cmd)) => {
            let (mut words, json) = command(instruction, cmd);
            words.insert(0, instruction.text.get(0..3).to_owned());
            (words, json)
        }
        InstructionKind::Env(all) | InstructionKind::Label(all) => (pairs(all), false),
        InstructionKind::Arg(all) => {
            let word = |arg: &cudalint::dockerfile::ArgDeclaration| match &arg.default {
                Some(default) => format!("{}={}", arg.name.value, default.value),
                None => arg.name.value.clone(),
            };
            (all.iter().map(word).collect(), false)
        }
        InstructionKind::Shell(words) => (plain(words), true),
        InstructionKind::Expose(words) => (plain(words), false),
        InstructionKind::Volume(words) => (plain(words), json && !words.is_empty() && is_json(instruction)),
        InstructionKind::User(word)
        | InstructionKind::Workdir(word)
        | InstructionKind::StopSignal(word)
        | InstructionKind::Maintainer(word) => (vec![word.value.clone()], false),
        _ => return None,
    })
}

fn is_json(instruction: &Instruction) -> bool {
    serde_json::from_str::<Vec<String>>(&instruction.text.text).is_ok()
}

/// Compares one instruction with the oracle's; says what differs.
fn differs(file: &Dockerfile, index: &LineIndex, ours: &Instruction, theirs: &Value) -> Option<String> {
    let source = file.source.as_slice();
    let line = |offset| index.line_column(source, offset).line;
    let lines = json!([line(ours.span.start), line(ours.span.end)]);
    let want = json!([theirs["start_line"], theirs["end_line"]]);
    if lines != want {
        return Some(format!("lines {lines}, not {want}"));
    }
    let (ours, sub) = match &ours.kind {
        InstructionKind::Onbuild(child) => (&**child, true),
        _ => (ours, false),
    };
    let keyword = ours.keyword.value.as_str();
    let theirs_keyword = theirs[if sub { "sub_cmd" } else { "cmd" }].as_str().unwrap_or("").to_uppercase();
    if keyword != "?" && keyword != theirs_keyword {
        return Some(format!("keyword {keyword}, not {theirs_keyword}"));
    }
    let header = String::from_utf8_lossy(ours.header.slice(source));
    let odd_flags =
        header.contains("--") && (!header.is_ascii() || (file.escape == '`' && header.contains('\\')));
    if matches!(ours.kind, InstructionKind::Unknown) || odd_flags {
        return None;
    }
    if !sub {
        let flags: Vec<String> = ours
            .flags
            .iter()
            .map(|flag| match &flag.value {
                Some(value) => format!("--{}={}", flag.name.value, value.value),
                None => format!("--{}", flag.name.value),
            })
            .collect();
        if json!(flags) != theirs["flags"] {
            return Some(format!("flags {flags:?}, not {}", theirs["flags"]));
        }
    }
    let value: Vec<String> = serde_json::from_value(theirs["value"].clone()).unwrap();
    match &ours.kind {
        InstructionKind::From(from) => {
            let first = value.first().map(String::as_str).unwrap_or("");
            if from.image.value != first {
                return Some(format!("image {:?}, not {value:?}", from.image.value));
            }
            if let Some(name) = &from.name
                && (value.len() != 3 || value[2] != name.value)
            {
                return Some(format!("stage {:?}, not {value:?}", name.value));
            }
        }
        InstructionKind::Copy(transfer) | InstructionKind::Add(transfer) => {
            let mut rest = value.iter();
            let mut paths = transfer.sources.iter().chain([&transfer.dest]);
            if !paths.all(|path| rest.any(|word| *word == path.value)) {
                return Some(format!("paths {:?} {:?}, not {value:?}", transfer.sources, transfer.dest));
            }
            if value.len() != transfer.sources.len() + transfer.heredocs.len() + 1 {
                return Some(format!("heredocs {:?}, not {value:?}", transfer.heredocs));
            }
            if json!(transfer.json) != theirs["json"] {
                return Some("json".to_owned());
            }
        }
        _ => {
            if let Some((words, json)) = words(ours)
                && (words != value || json!(json) != theirs["json"])
            {
                return Some(format!("words {words:?} {json}, not {value:?} {}", theirs["json"]));
            }
        }
    }
    if !sub {
        let heredocs: Vec<Value> = ours
            .heredocs
            .iter()
            .map(|heredoc| {
                let content = std::str::from_utf8(heredoc.body.span.slice(source)).unwrap();
                json!({"name": heredoc.delimiter, "fd": heredoc.fd, "content": content})
            })
            .collect();
        if json!(heredocs) != theirs["heredocs"] {
            return Some(format!("heredocs {heredocs:?}, not {}", theirs["heredocs"]));
        }
    }
    None
}

/// Compares one file.
fn compare(text: &str, answer: &Value) -> Option<String> {
    let file = Dockerfile::parse(text.as_bytes(), &Limits::default());
    if let Some(error) = answer.get("error") {
        let found = file.problems.is_empty().then(|| format!("BuildKit refuses it: {error}"));
        return found;
    }
    if answer.get("unreadable").is_some() {
        return None;
    }
    let fatal = file.problems.iter().find(|problem| {
        matches!(
            problem.kind,
            ProblemKind::UnterminatedHeredoc(_)
                | ProblemKind::NotStringArray
                | ProblemKind::MissingEquals { .. }
                | ProblemKind::DuplicateDirective(_)
                | ProblemKind::InvalidEscape(_)
                | ProblemKind::LineTooLong
                | ProblemKind::NoInstructions
        )
    });
    if let Some(problem) = fatal {
        return Some(format!("BuildKit takes it: {}", problem.kind));
    }
    let commands = answer["commands"].as_array().unwrap();
    if commands.len() != file.instructions.len() {
        return Some(format!("{} instructions, not {}", file.instructions.len(), commands.len()));
    }
    let index = LineIndex::new(text.as_bytes());
    file.instructions.iter().zip(commands).find_map(|(ours, theirs)| differs(&file, &index, ours, theirs))
}

/// Whether an instruction has text behind a JSON array.
fn has_json_tail(instruction: &Instruction) -> bool {
    let text = match &instruction.kind {
        InstructionKind::Onbuild(child) => return has_json_tail(child),
        InstructionKind::Healthcheck(Healthcheck::Cmd(cmd)) => match &cmd.form {
            CommandForm::Shell(range) => instruction.text.get(range.clone()),
            CommandForm::Exec(_) => return false,
        },
        _ => instruction.text.text.trim_start(),
    };
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    matches!(values.next(), Some(Ok(Value::Array(_)))) && !text[values.byte_offset()..].trim().is_empty()
}

/// Whether the package's BuildKit reads a text differently for a reason given above.
fn is_known_difference(text: &str) -> bool {
    let marker = text.contains("<<");
    let joined = text.replace("\\\r\n", "").replace("\\\n", "").replace('`', "\\");
    let blank = ["<< ", "<<\t", "<<\r", "<<\\", "<<\n"].iter().any(|mark| joined.contains(mark));
    let file = Dockerfile::parse(text.as_bytes(), &Limits::default());
    let lines = file.instructions.iter().map(|instruction| instruction.text.text.as_str());
    let newer = lines.flat_map(|line| line.split("${").skip(1)).any(|rest| {
        let name = rest.trim_start_matches(|ch: char| ch.is_alphanumeric() || ch == '_');
        name.starts_with(['/', '#', '%'])
    });
    text.contains('\0')
        || text.contains("\\u0000")
        || text.contains("# \u{a0}")
        || text.contains("#\u{a0}")
        || blank
        || (marker && newer)
        || file.instructions.iter().any(has_json_tail)
}

#[test]
fn agrees_with_buildkit() {
    let Some(python) = std::env::var_os("CUDALINT_DOCKERFILE_ORACLE") else { return };
    let pool: Vec<String> =
        load::cases().into_iter().filter_map(|case| String::from_utf8(case.source).ok()).collect();
    let mut random = Random(0x00c0_ffee);
    let mut texts = pool.clone();
    texts.extend(std::iter::repeat_with(|| mutate(&mut random, &pool)).take(3_000));
    texts.retain(|text| !is_known_difference(text));
    assert!(texts.len() > 2_700, "{}", texts.len());

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/differential/dockerfile_oracle.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the oracle starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input: String = texts.iter().map(|text| format!("{}\n", json!(text))).collect();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("the oracle ends");
    writer.join().expect("no panic").expect("the oracle reads all");
    assert!(output.status.success());

    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .expect("JSON")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(answers.len(), texts.len());
    let refused = answers.iter().filter(|answer| answer.get("error").is_some()).count();
    let wrong: Vec<String> = texts
        .iter()
        .zip(&answers)
        .filter_map(|(text, answer)| compare(text, answer).map(|what| format!("{text:?}\n  {what}")))
        .collect();
    eprintln!("{} texts, {refused} refused by BuildKit", texts.len());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong[..wrong.len().min(25)].join("\n"));
}
