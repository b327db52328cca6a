//! curl, wget, aria2c and git clone: what is fetched, where to.

use super::args::{Args, Flag, Spec};
use crate::dockerfile::shell::word::Word;

/// A download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// `curl`, `wget` or `aria2c`.
    pub program: String,
    /// The addresses.
    pub urls: Vec<Word>,
    /// The file that is written, where it is named; `-` is standard output.
    pub output: Option<Word>,
    /// The folder that is written to, where it is named.
    pub directory: Option<Word>,
    /// The file is named after the address.
    pub remote_name: bool,
    /// The content goes to standard output.
    pub to_stdout: bool,
    /// Certificates are not checked.
    pub insecure: bool,
    /// All options.
    pub flags: Vec<Flag>,
}

/// `git clone`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitClone {
    /// The repository.
    pub url: Word,
    /// `--branch`: a branch or tag.
    pub branch: Option<Word>,
    /// The folder named for it.
    pub directory: Option<Word>,
    /// Submodules are fetched too.
    pub recursive: bool,
    /// All options.
    pub flags: Vec<Flag>,
}

const CURL: Spec = Spec::new(&[
    "-o",
    "--output",
    "-H",
    "--header",
    "-d",
    "--data",
    "--data-raw",
    "--data-binary",
    "-X",
    "--request",
    "-A",
    "--user-agent",
    "-e",
    "--referer",
    "-u",
    "--user",
    "-x",
    "--proxy",
    "-m",
    "--max-time",
    "--retry",
    "--retry-delay",
    "--retry-max-time",
    "--connect-timeout",
    "-C",
    "--continue-at",
    "-b",
    "--cookie",
    "-c",
    "--cookie-jar",
    "-E",
    "--cert",
    "--key",
    "--cacert",
    "--capath",
    "-T",
    "--upload-file",
    "-w",
    "--write-out",
    "-K",
    "--config",
    "-z",
    "--time-cond",
    "-y",
    "-Y",
    "-r",
    "--range",
    "--url",
    "--limit-rate",
    "--output-dir",
    "--resolve",
    "-F",
    "--form",
    "--proto",
    "--proto-redir",
    "--interface",
    "--ciphers",
    "--max-filesize",
    "--max-redirs",
    "-D",
    "--dump-header",
    "--noproxy",
    "--netrc-file",
    "--oauth2-bearer",
    "--tls-max",
]);
const WGET: Spec = Spec::new(&[
    "-O",
    "--output-document",
    "-P",
    "--directory-prefix",
    "-o",
    "--output-file",
    "-a",
    "--append-output",
    "-U",
    "--user-agent",
    "--header",
    "-t",
    "--tries",
    "-T",
    "--timeout",
    "-e",
    "--execute",
    "-i",
    "--input-file",
    "-w",
    "--wait",
    "--waitretry",
    "-Q",
    "--quota",
    "-l",
    "--level",
    "-A",
    "-R",
    "-D",
    "-I",
    "-X",
    "-B",
    "--user",
    "--password",
    "--post-data",
    "--ca-certificate",
    "--read-timeout",
    "--connect-timeout",
    "--dns-timeout",
    "--retry-on-http-error",
    "--cut-dirs",
    "--limit-rate",
]);
const ARIA2: Spec = Spec::new(&["-o", "--out", "-d", "--dir", "-x", "-s", "-k", "-j", "-i", "--header"]);
const GIT: Spec = Spec::new(&[
    "-b",
    "--branch",
    "--depth",
    "-o",
    "--origin",
    "-c",
    "--config",
    "-C",
    "--reference",
    "-j",
    "--jobs",
    "--separate-git-dir",
    "--filter",
    "--template",
    "--shallow-since",
    "--shallow-exclude",
    "-u",
    "--upload-pack",
]);

/// Reads a download by `program`; `None` for other programs.
#[must_use]
pub fn read(program: &str, words: &[Word]) -> Option<Download> {
    let (spec, output, directory): (_, &[&str], &[&str]) = match program {
        "curl" => (CURL, &["-o", "--output"], &["--output-dir"]),
        "wget" | "wget2" => (WGET, &["-O", "--output-document"], &["-P", "--directory-prefix"]),
        "aria2c" => (ARIA2, &["-o", "--out"], &["-d", "--dir"]),
        _ => return None,
    };
    let curl = program == "curl";
    let args = Args::parse(words, spec);
    let mut urls = args.operands.clone();
    urls.extend(args.cloned(&["--url"]));
    urls.sort_by_key(|url| url.span);
    let output = args.value(output).cloned();
    let remote_name =
        if curl { args.has(&["-O", "--remote-name", "--remote-name-all", "-J"]) } else { output.is_none() };
    let to_stdout = match &output {
        Some(output) => output.text == "-" || output.text == "/dev/stdout",
        None => curl && !remote_name,
    };
    let insecure = if curl { args.has(&["-k", "--insecure"]) } else { args.has(&["--no-check-certificate"]) };
    Some(Download {
        program: program.to_owned(),
        urls,
        output,
        directory: args.value(directory).cloned(),
        remote_name,
        to_stdout,
        insecure,
        flags: args.flags,
    })
}

/// Reads the words of git; `None` unless they are a clone.
#[must_use]
pub fn git_clone(words: &[Word]) -> Option<GitClone> {
    let mut args = Args::parse(words, GIT);
    if args.subcommand()?.text != "clone" {
        return None;
    }
    let url = args.subcommand()?;
    Some(GitClone {
        url,
        branch: args.value(&["-b", "--branch"]).cloned(),
        directory: args.operands.first().cloned(),
        recursive: args.has(&["--recursive", "--recurse-submodules"]),
        flags: args.flags,
    })
}
