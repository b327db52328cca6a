//! Conditions whose outcome is known while an image is built: values that are compared, the processor, and tests for a
//! driver, which no build has.

use super::Extraction;
use super::executed::Runner;
use crate::compat::tables::image::Arch;
use crate::dockerfile::shell::{Command, PieceKind, SubstitutionKind, Word};

/// Programs of the driver.
const DRIVER_PROGRAMS: &[&str] = &["nvidia-smi", "nvidia-modprobe", "nvidia-debugdump"];
/// Where the driver's files appear; none of it is there in a build.
const DRIVER_PATHS: &[&str] = &["/dev/nvidia", "/proc/driver/nvidia"];

/// What is known of the build that runs a command.
pub(super) struct Build {
    /// RUN asks for a GPU device, so there may be a driver.
    gpu_device: bool,
    /// The processor that the stage is built for.
    arch: Option<Arch>,
}

impl Build {
    pub fn new(cx: &Extraction<'_>, runner: &Runner) -> Self {
        let arch = if cx.amd64(runner.stage) {
            Some(Arch::Amd64)
        } else {
            cx.arm64(runner.stage).then_some(Arch::Arm64)
        };
        Self { gpu_device: runner.gpu_device, arch }
    }

    /// Whether a command ends with success; `None` when that cannot be told.
    pub fn succeeds(&self, command: &Command) -> Option<bool> {
        let (name, args) = command.words.split_first()?;
        match (name.literal()?, args) {
            ("true" | ":", _) => Some(true),
            ("false", _) => Some(false),
            ("[", [args @ .., end]) if end.text == "]" => self.test(args, false),
            ("[[", [args @ .., end]) if end.text == "]]" => self.test(args, true),
            ("test", args) => self.test(args, false),
            ("command", [option, program]) if matches!(option.text.as_str(), "-v" | "-V") => {
                self.finds(program)
            }
            ("which" | "type" | "hash", [program]) => self.finds(program),
            ("type", [option, program]) if option.text.starts_with('-') => self.finds(program),
            (program, _) if is_driver_program(program) => self.without_driver(),
            _ => None,
        }
    }

    /// What asks for the driver fails, unless RUN may have one.
    fn without_driver(&self) -> Option<bool> {
        (!self.gpu_device).then_some(false)
    }

    fn finds(&self, program: &Word) -> Option<bool> {
        if is_driver_program(program.literal()?) { self.without_driver() } else { None }
    }

    fn test(&self, args: &[Word], double: bool) -> Option<bool> {
        match args {
            [not, rest @ ..] if not.text == "!" && !rest.is_empty() => {
                self.test(rest, double).map(|outcome| !outcome)
            }
            [operator, value] => match operator.text.as_str() {
                "-n" => self.value(value).map(|value| !value.is_empty()),
                "-z" => self.value(value).map(|value| value.is_empty()),
                "-e" | "-f" | "-x" | "-d" | "-r" | "-s" | "-c" | "-L" | "-h" => {
                    let path = value.literal()?;
                    let of_driver = DRIVER_PATHS.iter().any(|start| path.starts_with(start))
                        || (path.starts_with('/') && is_driver_program(path));
                    if of_driver { self.without_driver() } else { None }
                }
                _ => None,
            },
            [left, operator, right] => {
                // In `[[ … ]]` the right side is a pattern.
                if double && right.has_glob() {
                    return None;
                }
                let (left, right) = (self.value(left)?, self.value(right)?);
                let numbers = || Some((left.trim().parse::<i64>().ok()?, right.trim().parse::<i64>().ok()?));
                match operator.text.as_str() {
                    "=" | "==" => Some(left == right),
                    "!=" => Some(left != right),
                    "-eq" => numbers().map(|(left, right)| left == right),
                    "-ne" => numbers().map(|(left, right)| left != right),
                    "-lt" => numbers().map(|(left, right)| left < right),
                    "-le" => numbers().map(|(left, right)| left <= right),
                    "-gt" => numbers().map(|(left, right)| left > right),
                    "-ge" => numbers().map(|(left, right)| left >= right),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The value of a word: written out, or the processor that a command prints.
    fn value<'w>(&self, word: &'w Word) -> Option<&'w str>
    where
        Self: 'w,
    {
        if let Some(value) = word.literal() {
            return Some(value);
        }
        let [piece] = word.pieces.as_slice() else { return None };
        if piece.kind != PieceKind::Substitution(SubstitutionKind::Command) {
            return None;
        }
        let command = word.text.strip_prefix("$(").and_then(|text| text.strip_suffix(')'));
        let command = command.or_else(|| word.text.strip_prefix('`')?.strip_suffix('`'))?;
        let words: Vec<&str> = command.split_whitespace().collect();
        match (words.as_slice(), self.arch?) {
            (["uname", "-m"] | ["arch"], Arch::Amd64) => Some("x86_64"),
            (["uname", "-m"] | ["arch"], Arch::Arm64) => Some("aarch64"),
            (["dpkg", "--print-architecture"], Arch::Amd64) => Some("amd64"),
            (["dpkg", "--print-architecture"], Arch::Arm64) => Some("arm64"),
            _ => None,
        }
    }
}

/// Whether a word names a program of the driver, by name or path.
fn is_driver_program(word: &str) -> bool {
    DRIVER_PROGRAMS.contains(&word.rsplit('/').next().unwrap_or(word))
}

#[cfg(test)]
mod tests {
    use crate::facts::from_dockerfile::testing::facts;

    /// Programs of the commands that a RUN really runs, tests left out.
    fn runs(text: &str) -> Vec<String> {
        let facts = facts(&format!("FROM debian:12\nARG GPU=0\nARG CUDA\nARG TARGETARCH\nRUN {text}\n"));
        let shown = facts.commands.iter().filter_map(|command| command.program.clone());
        shown.filter(|program| !matches!(program.as_str(), "[" | "[[" | "test")).collect()
    }

    #[test]
    fn branches_by_known_values() {
        assert_eq!(runs("if [ \"$GPU\" = \"1\" ]; then a; else b; fi; c"), ["b", "c"]);
        assert_eq!(runs("if [ $GPU -eq 0 ]; then a; else b; fi"), ["a"]);
        assert_eq!(
            runs("if [ $GPU = 1 ]; then a; elif [ $GPU = 0 ]; then b; elif x; then c; else d; fi"),
            ["b"]
        );
        assert_eq!(runs("if [ $GPU = 1 ]; then a; elif x; then c; else d; fi"), ["x", "c", "d"]);
        assert_eq!(runs("[ $GPU = 1 ] && a; b"), ["b"]);
        assert_eq!(runs("[ $GPU = 1 ] && a || b"), ["b"]);
        assert_eq!(runs("[ $GPU = 0 ] || { a; b; }"), Vec::<String>::new());
        assert_eq!(runs("if [[ $GPU != 0 ]]; then bash -c 'a; b'; fi; echo $(c)"), ["echo", "c"]);
        assert_eq!(
            runs("if [ $TARGETARCH = arm64 ]; then a; elif [ \"$(uname -m)\" = x86_64 ]; then b; fi"),
            ["uname", "b"]
        );
    }

    #[test]
    fn what_is_not_known_closes_nothing() {
        assert_eq!(runs("if [ \"$CUDA\" = 1 ]; then a; else b; fi"), ["a", "b"]);
        assert_eq!(runs("if x; then a; else b; fi"), ["x", "a", "b"]);
        assert_eq!(runs("if [ $GPU = 1 ] || x; then a; fi"), ["x", "a"]);
        assert_eq!(runs("while [ $GPU = 1 ]; do a; done"), ["a"]);
        assert_eq!(runs("x && [ $GPU = 0 ] && a"), ["x", "a"]);
        assert_eq!(runs("if [ -f /etc/x ]; then a; fi"), ["a"]);
        for set in
            ["printf -v X 1", "let X=1", "((X=1))", ": $((X += 1))", ": ${X:=1}", "read X < /x", "((++X))"]
        {
            assert_eq!(runs(&format!("{set}; if [ \"$X\" = 1 ]; then a; fi")).last().unwrap(), "a", "{set}");
        }
        // A number that is only read stays known.
        assert_eq!(runs("X=2; : $((X + 1)); if [ $X == 1 ]; then a; fi"), [":"]);
    }

    #[test]
    fn a_build_has_no_driver() {
        assert_eq!(
            runs("if command -v nvidia-smi > /dev/null; then nvidia-smi -L; else b; fi"),
            ["command", "b"]
        );
        assert_eq!(runs("[ -x /usr/bin/nvidia-smi ] && nvidia-smi; b"), ["b"]);
        assert_eq!(runs("if ! which nvidia-smi; then a; else b; fi"), ["which", "a"]);
        assert_eq!(runs("if nvidia-smi; then a; else b; fi"), ["nvidia-smi", "b"]);
        assert_eq!(runs("if [ -e /dev/nvidiactl ]; then a; fi"), Vec::<String>::new());
        assert_eq!(
            runs("--device=nvidia.com/gpu=all if command -v nvidia-smi; then nvidia-smi; fi"),
            ["command", "nvidia-smi"]
        );
    }
}
