//! Package repositories and their keys: apt-key, gpg, add-apt-repository, `config-manager --add-repo`, `rpm --import`.

use super::args::{Args, Spec};
use crate::dockerfile::shell::word::Word;

/// A change of repositories or keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryCommand {
    /// `apt-key add FILE`; `-` and no operand read standard input.
    AptKeyAdd {
        /// The file.
        source: Option<Word>,
    },
    /// `apt-key adv --fetch-keys URL`, `--recv-keys ID`, or the same by `gpg`.
    FetchKeys {
        /// `apt-key` or `gpg`.
        program: String,
        /// Addresses of keys.
        urls: Vec<Word>,
        /// Key identifiers.
        keys: Vec<Word>,
        /// `--keyserver`
        keyserver: Option<Word>,
    },
    /// `apt-key del ID`
    AptKeyDelete {
        /// Key identifiers.
        keys: Vec<Word>,
    },
    /// `gpg --dearmor`
    Dearmor {
        /// `-o FILE`
        output: Option<Word>,
        /// The key's file; `None` for standard input.
        input: Option<Word>,
    },
    /// `add-apt-repository LINE`
    AddAptRepository {
        /// The source line, address or `ppa:`.
        source: Word,
        /// `--remove`
        remove: bool,
    },
    /// `dnf config-manager --add-repo URL`, `yum-config-manager --add-repo`, `zypper addrepo URL`
    AddRepository {
        /// The program.
        program: String,
        /// Address or file.
        source: Word,
    },
    /// `rpm --import FILE`
    RpmImport {
        /// Files and addresses.
        sources: Vec<Word>,
    },
}

/// Reads a change of repositories or keys; `None` for other commands.
#[must_use]
pub fn read(program: &str, words: &[Word]) -> Option<RepositoryCommand> {
    match program {
        "apt-key" => apt_key(words),
        "gpg" | "gpg2" => gpg(words),
        "add-apt-repository" | "apt-add-repository" => {
            let spec = Spec::new(&[
                "-c",
                "--component",
                "-p",
                "--pocket",
                "-k",
                "--keyserver",
                "-S",
                "--sourceslist",
            ]);
            let args = Args::parse(words, spec);
            let remove = args.has(&["-r", "--remove"]);
            let named = args.value(&["-S", "--sourceslist"]).cloned();
            let source = named.or_else(|| args.operands.into_iter().next())?;
            Some(RepositoryCommand::AddAptRepository { source, remove })
        }
        "dnf" | "dnf5" | "yum" | "microdnf" | "tdnf" => {
            let args = Args::parse(words, Spec::new(&["--add-repo", "--from-repofile", "-c", "--setopt"]));
            let mut operands = args.operands.iter();
            if !operands.any(|word| word.text == "config-manager") {
                return None;
            }
            let options = ["--add-repo", "--from-repofile"];
            // dnf5: `config-manager addrepo --from-repofile=URL`.
            let source = args.value(&options).or_else(|| operands.find(|word| word.text.contains("://")))?;
            Some(RepositoryCommand::AddRepository { program: program.to_owned(), source: source.clone() })
        }
        "yum-config-manager" => {
            let args = Args::parse(words, Spec::new(&["--add-repo", "--setopt"]));
            let source = args.value(&["--add-repo"])?.clone();
            Some(RepositoryCommand::AddRepository { program: program.to_owned(), source })
        }
        "zypper" => {
            let mut args =
                Args::parse(words, Spec::new(&["-t", "--type", "-p", "--priority", "--root", "-R"]));
            let verb = args.subcommand()?;
            let source = args
                .operands
                .into_iter()
                .next()
                .filter(|_| matches!(verb.text.as_str(), "ar" | "addrepo"))?;
            Some(RepositoryCommand::AddRepository { program: program.to_owned(), source })
        }
        "rpm" => {
            let args = Args::parse(words, Spec::new(&["--root", "--dbpath"]));
            args.has(&["--import"]).then_some(RepositoryCommand::RpmImport { sources: args.operands })
        }
        _ => None,
    }
}

fn apt_key(words: &[Word]) -> Option<RepositoryCommand> {
    let spec = Spec::new(&["--keyring", "--keyserver", "--keyserver-options"]);
    let mut args = Args::parse(words, spec);
    let verb = args.subcommand()?;
    match verb.text.as_str() {
        "add" => {
            let source = args.operands.into_iter().find(|word| word.text != "-");
            Some(RepositoryCommand::AptKeyAdd { source })
        }
        "del" | "remove" => Some(RepositoryCommand::AptKeyDelete { keys: args.operands }),
        "adv" => Some(fetch("apt-key", args)),
        _ => None,
    }
}

fn gpg(words: &[Word]) -> Option<RepositoryCommand> {
    let spec = Spec::new(&[
        "-o",
        "--output",
        "--keyring",
        "--homedir",
        "--keyserver",
        "--keyserver-options",
        "--primary-keyring",
        "--no-default-keyring-file",
        "--passphrase",
        "--status-fd",
        "--logger-fd",
    ]);
    let args = Args::parse(words, spec);
    if args.has(&["--dearmor", "--dearmour"]) {
        let output = args.value(&["-o", "--output"]).cloned();
        let input = args.operands.into_iter().find(|word| word.text != "-");
        return Some(RepositoryCommand::Dearmor { output, input });
    }
    let fetches = args.has(&["--fetch-keys", "--fetch-key", "--recv-keys", "--recv-key", "--recv"]);
    fetches.then(|| fetch("gpg", args))
}

fn fetch(program: &str, args: Args) -> RepositoryCommand {
    // `--recv-keys=ID` and `--recv-keys ID` are both common.
    let mut operands = args.operands.clone();
    operands.extend(args.cloned(&["--fetch-keys", "--fetch-key", "--recv-keys", "--recv-key", "--recv"]));
    let (urls, keys) = operands.into_iter().partition(|word| word.text.contains("://"));
    let keyserver = args.value(&["--keyserver"]).cloned();
    RepositoryCommand::FetchKeys { program: program.to_owned(), urls, keys, keyserver }
}
