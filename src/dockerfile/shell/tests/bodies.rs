//! A table of RUN bodies and the commands in them.

use crate::dockerfile::shell::{Command, Context, HeredocUse, scan};
use crate::limits::Limits;
use std::fmt::Write;

const BODIES: &[&str] = &[
    // Chains.
    "apt-get update && apt-get install -y --no-install-recommends cuda-toolkit-12-4 && rm -rf /var/lib/apt/lists/*",
    "set -ex; pip install torch==2.1.0; pip cache purge",
    "apt-get update || true; apt-get install -y curl &",
    "a && b || c; d",
    "cd /src && make -j$(nproc) && make install",
    // Pipes.
    "curl -fsSL https://nvidia.github.io/libnvidia-container/gpgkey | gpg --dearmor -o /usr/share/keyrings/n.gpg",
    "curl -fsSL https://ollama.com/install.sh | sh",
    "wget -qO- https://x/y.tgz | tar xz -C /opt",
    "echo 'deb https://x /' | sudo tee -a /etc/apt/sources.list.d/cuda.list > /dev/null",
    "cat requirements.txt | grep -v torch | xargs -n 1 pip install",
    "yes |& head -1",
    "! grep -q torch f | wc -l",
    // Subshells and groups.
    "(cd /tmp && make) && ls",
    "{ echo /a; echo /b; } > /etc/ld.so.conf.d/x.conf && ldconfig",
    "( ( a ); b ) | c",
    "time (make && make install)",
    // if, for, while, case, functions.
    "if [ \"$TARGETARCH\" = amd64 ]; then apt-get install -y cuda-toolkit-12-4; else echo no; fi",
    "if ! command -v nvcc >/dev/null 2>&1; then exit 1; elif x; then y; fi && z",
    "for v in 11-8 12-4; do apt-get install -y cuda-toolkit-$v; done",
    "for f in *.deb; do dpkg -i \"$f\" || apt-get -f install -y; done; ldconfig",
    "for i in `seq 3`\ndo\n  echo $i\ndone",
    "while read -r p; do pip install \"$p\"; done < requirements.txt",
    "until nc -z x 1; do sleep 1; done && y",
    "case \"$TARGETARCH\" in amd64|x86_64) A=x86_64;; arm64) A=sbsa ;; *) exit 1;; esac && curl -O https://x/$A/y.deb",
    "case $(uname -m) in (aarch64) pip install a;; esac",
    "install() { apt-get install -y \"$@\"; }; install cuda-12-4",
    "function f { pip install torch; }\nf",
    "f () if true; then a; fi",
    "[[ \"$CUDA\" == 12.* && -d /usr/local ]] && ln -s a b",
    "[ -f x ] && a || b",
    "(( N > 3 )) && a",
    "for ((i=0;i<3;i++)); do a $i; done",
    "select x in a b; do c; done",
    // Environment prefixes.
    "DEBIAN_FRONTEND=noninteractive apt-get install -y x",
    "TORCH_CUDA_ARCH_LIST=\"8.0;9.0+PTX\" FORCE_CUDA=1 pip install --no-build-isolation .",
    "A=1 B='2 3' C=$(d) e",
    "A=(cuda 'x y' $Z) && echo ${A[@]}",
    "export LD_LIBRARY_PATH=/usr/local/cuda/lib64:$LD_LIBRARY_PATH PATH=\"/x:${PATH}\" && nvcc --version",
    "X=1; Y+=2",
    // Programs in front of programs.
    "sudo -E apt-get install -y cuda",
    "env -u X A=1 /usr/bin/pip3 install torch",
    "nohup timeout 600 nice -n 5 make &",
    "exec conda run -n base pip install x",
    "find /wheels -name '*.whl' -exec sh -c 'pip install \"$1\"' _ {} \\;",
    // Nested scripts.
    "bash -lc 'source activate x && pip install \"torch==2.1\"'",
    "bash -euxo pipefail -c \"apt-get update; apt-get install -y $PKGS\"",
    "sh -c \"sh -c 'a \\\"b c\\\"'\"",
    "su - user -c 'pip install --user x'",
    "eval \"$(micromamba shell hook --shell bash)\" && micromamba activate",
    "eval 'a; b'",
    // Substitutions.
    "V=$(cat v | tr -d '\\n') && echo \"${V:-$(default)}\" `old \\`deep\\``",
    "echo $((1 << 2)) $(( (1 + 2) * 3 )) $((a); (b))",
    "diff <(sort a) >(tee b)",
    "pip install \"torch==$(python -c 'import x; print(x.v)')\"",
    // Heredocs.
    "cat <<EOF > /etc/x.conf && ldconfig\n/usr/local/cuda/lib64\n$(date)\nEOF\necho done",
    "cat <<'EOF' | bash\napt-get install -y x && y\nEOF",
    "bash -s arg <<-'E'\n\tpip install x\n\tif a; then b; fi\n\tE\nlast",
    "python3 - <<PY\nimport torch; print(torch.cuda.is_available())\nPY",
    "<<EOF\nset -e\napt-get update\npip install \"$X\"\nEOF",
    "<<EOF\n#!/usr/bin/env python3\nprint(1)\nEOF",
    "cat <<A >a; cat <<B >b\nx\nA\ny\nB\nz",
    "tee /a <<EOF\npip install no\nEOF",
    "bash <<< 'pip install x'",
    "while read l; do x $l; done <<EOF\nrow\nEOF",
    // Redirections.
    "a >/dev/null 2>&1 && b &> c; d 2>>e </f >|g {fd}>h 3<&0",
    "pip install torch>=2.0",
    ">f a",
    // Quoting.
    "echo 'it'\\''s' \"a \\\"b\\\" $V\" $'tab\\t' \\$x \"\\$y\" \"a\\b\"",
    "echo \"# no comment\" a#b # comment && c\nd",
    "echo \"multi\nline\" && a\\\nb",
    "python -c \"import torch; assert torch.cuda.is_available()\"",
    "printf '%s\\n' \"deb [signed-by=/k] https://x /\" > /etc/apt/sources.list.d/c.list",
    // Unicode.
    "echo \"größe ≥ 1\" && pip install naïve # ümlaut",
    "echo 日本語 && 命令 \"$(é)\"",
    // Broken text.
    "if true; then apt-get install -y x",
    "echo \"unterminated && pip install x",
    "a $(b && c",
    "a && && b; ; | c",
    "cat <<EOF\nno end",
    "a; done; fi; } ) b",
    "for x in a b; pip install $x; done",
];

fn context(context: Context) -> String {
    let marks = [
        (context.subshell, "subshell"),
        (context.substitution, "substitution"),
        (context.nested_script, "script"),
        (context.function, "function"),
        (context.condition, "condition"),
        (context.branch, "branch"),
        (context.loop_body, "loop"),
    ];
    let marks: Vec<_> = marks.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
    if marks.is_empty() { String::new() } else { format!("  [{}]", marks.join(" ")) }
}

fn render(text: &str, command: &Command, out: &mut String) {
    let mut parts: Vec<String> = Vec::new();
    for assignment in &command.assignments {
        let plus = if assignment.append { "+" } else { "" };
        if assignment.elements.is_empty() {
            parts.push(format!("{}{plus}={}", assignment.name, assignment.value.text));
        } else {
            let elements: Vec<_> = assignment.elements.iter().map(|word| word.text.as_str()).collect();
            parts.push(format!("{}{plus}=({})", assignment.name, elements.join("|")));
        }
    }
    for word in &command.words {
        parts.push(if word.is_fully_literal() { word.text.clone() } else { format!("~{}", word.text) });
    }
    for redirection in &command.redirections {
        let fd = redirection.fd.map(|fd| fd.to_string()).unwrap_or_default();
        let usage = redirection.heredoc.as_ref().map(|heredoc| match &heredoc.usage {
            HeredocUse::Data => " data".to_owned(),
            HeredocUse::Shell => " shell".to_owned(),
            HeredocUse::Interpreter(name) => format!(" {name}"),
        });
        parts.push(format!(
            "{fd}{:?}:{}{}",
            redirection.op,
            redirection.target.text,
            usage.unwrap_or_default()
        ));
    }
    let negated = if command.negated { "! " } else { "" };
    let shown = parts.join(" | ").replace('\n', "⏎").replace('\t', "→");
    let indent = "  ".repeat(command.depth as usize + 1);
    let (before, after) = (command.separator_before, command.separator_after);
    writeln!(out, "{indent}{negated}{shown}{}  {before:?}..{after:?}", context(command.context))
        .expect("write");
    assert!(text.get(command.span.start..command.span.end).is_some());
}

#[test]
fn commands_of_run_bodies() {
    let mut out = String::new();
    for body in BODIES {
        writeln!(out, "{}", body.replace('\n', "⏎").replace('\t', "→")).expect("write");
        let script = scan(body, &Limits::default());
        for command in &script.commands {
            render(body, command, &mut out);
        }
        for problem in &script.problems {
            writeln!(out, "  ?? {:?} {}..{}", problem.kind, problem.span.start, problem.span.end)
                .expect("write");
        }
        out.push('\n');
    }
    insta::assert_snapshot!(out);
}
