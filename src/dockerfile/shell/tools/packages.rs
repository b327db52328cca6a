//! System package managers: what is installed, removed, held or upgraded.

use super::args::{Args, Flag, Spec, has, is_expansion};
use super::package_word::{PackageWord, package};
use crate::dockerfile::shell::word::Word;
use crate::span::Span;

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the programs'")]
pub enum PackageManager {
    AptGet,
    Apt,
    Aptitude,
    AptMark,
    Dpkg,
    Dnf,
    Yum,
    Microdnf,
    Tdnf,
    Zypper,
    Rpm,
    Apk,
    Pacman,
}

impl PackageManager {
    /// The manager behind a program's base name.
    #[must_use]
    pub fn from_program(name: &str) -> Option<Self> {
        Some(match name {
            "apt-get" => Self::AptGet,
            "apt" => Self::Apt,
            "aptitude" => Self::Aptitude,
            "apt-mark" => Self::AptMark,
            "dpkg" => Self::Dpkg,
            "dnf" | "dnf5" | "dnf-3" => Self::Dnf,
            "yum" => Self::Yum,
            "microdnf" => Self::Microdnf,
            "tdnf" => Self::Tdnf,
            "zypper" => Self::Zypper,
            "rpm" => Self::Rpm,
            "apk" => Self::Apk,
            "pacman" => Self::Pacman,
            _ => return None,
        })
    }

    /// Whether it manages Debian packages.
    #[must_use]
    pub fn is_debian(self) -> bool {
        matches!(self, Self::AptGet | Self::Apt | Self::Aptitude | Self::AptMark | Self::Dpkg)
    }

    /// Whether it manages RPM packages.
    #[must_use]
    pub fn is_rpm(self) -> bool {
        matches!(self, Self::Dnf | Self::Yum | Self::Microdnf | Self::Tdnf | Self::Zypper | Self::Rpm)
    }
}

/// What a package manager is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PackageAction {
    /// Install or reinstall packages.
    Install,
    /// Remove packages.
    Remove,
    /// Remove packages and their configuration.
    Purge,
    /// Remove what nothing needs any more, beside the packages named.
    Autoremove,
    /// Upgrade installed packages: all, or those named.
    Upgrade,
    /// Upgrade with removals and new packages: `dist-upgrade`, `full-upgrade`, `distro-sync`, `dup`.
    DistUpgrade,
    /// Refresh the package lists.
    Update,
    /// Keep packages at their version.
    Hold,
    /// Stop keeping them.
    Unhold,
    /// Fetch packages without installing them.
    Download,
    /// Install what building a package needs.
    BuildDependencies,
    /// Something else; see [`PackageCommand::subcommand`].
    Other,
}

/// A call of a package manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageCommand {
    /// Which one.
    pub manager: PackageManager,
    /// What it does.
    pub action: PackageAction,
    /// The subcommand or option that says so, as written; empty when there is none.
    pub subcommand: String,
    /// Where that stands.
    pub subcommand_span: Span,
    /// The packages named.
    pub packages: Vec<PackageWord>,
    /// All options.
    pub flags: Vec<Flag>,
}

impl PackageCommand {
    /// Whether one of `names` (with dashes) is among the options.
    #[must_use]
    pub fn has_flag(&self, names: &[&str]) -> bool {
        has(&self.flags, names)
    }

    /// Recommended (weak) dependencies are left out.
    #[must_use]
    pub fn no_recommends(&self) -> bool {
        let options =
            self.flags.iter().filter(|flag| matches!(flag.name.as_str(), "-o" | "--option" | "--setopt"));
        let mut values = options.filter_map(|flag| flag.value.as_ref());
        self.has_flag(&["--no-install-recommends", "--without-recommends", "-R", "--no-recommends"])
            || values.any(|value| {
                let text = value.text.to_ascii_lowercase();
                let option = text.split_once('=').map(|(name, value)| (name, value.trim_matches('"')));
                matches!(
                    option,
                    Some(("apt::install-recommends", "0" | "false" | "no"))
                        | Some(("install_weak_deps", "0" | "false" | "no"))
                )
            })
    }

    /// Signatures of packages are not checked.
    #[must_use]
    pub fn unauthenticated(&self) -> bool {
        self.has_flag(&[
            "--allow-unauthenticated",
            "--force-yes",
            "--allow-insecure-repositories",
            "--nogpgcheck",
            "--no-gpg-checks",
            "--allow-untrusted",
            "--nosignature",
            "--no-gpgchecks",
        ])
    }

    /// Questions are answered with yes.
    #[must_use]
    pub fn assumes_yes(&self) -> bool {
        self.has_flag(&[
            "-y",
            "--yes",
            "--assume-yes",
            "--assumeyes",
            "-n",
            "--non-interactive",
            "--noconfirm",
        ]) || self.flags.iter().filter(|flag| flag.name == "-q").count() > 1
    }
}

const APT: Spec = Spec::new(&[
    "-t",
    "--target-release",
    "--default-release",
    "-o",
    "--option",
    "-c",
    "--config-file",
    "-a",
    "--host-architecture",
    "-P",
    "--build-profiles",
]);
const DNF: Spec = Spec::new(&[
    "-c",
    "--config",
    "--releasever",
    "--installroot",
    "--setopt",
    "--enablerepo",
    "--disablerepo",
    "--repo",
    "--repoid",
    "-x",
    "--exclude",
    "--excludepkgs",
    "--forcearch",
    "--repofrompath",
    "--downloaddir",
    "--destdir",
    "-d",
    "-e",
    "--debuglevel",
    "--errorlevel",
    "--rpmverbosity",
    "--advisory",
    "--comment",
    "-R",
    "--randomwait",
    "--disableplugin",
    "--enableplugin",
    "--save",
]);
const ZYPPER: Spec = Spec::new(&[
    "-r",
    "--repo",
    "--from",
    "-t",
    "--type",
    "-R",
    "--root",
    "-c",
    "--config",
    "-D",
    "--reposd-dir",
    "-C",
    "--cache-dir",
    "--solv-cache-dir",
    "--pkg-cache-dir",
    "-p",
    "--plus-repo",
    "--plus-content",
    "--releasever",
]);
const APK: Spec = Spec::new(&[
    "-t",
    "--virtual",
    "-X",
    "--repository",
    "-p",
    "--root",
    "--arch",
    "--repositories-file",
    "--keys-dir",
    "--cache-dir",
    "--wait",
    "-o",
    "--output",
]);
const PACMAN: Spec =
    Spec::new(&["-r", "--root", "-b", "--dbpath", "--cachedir", "--config", "--arch", "--ignore"]);
const DPKG: Spec =
    Spec::new(&["--admindir", "--root", "--instdir", "--log", "--path-exclude", "--path-include"]);
const RPM: Spec =
    Spec::new(&["--root", "-r", "--prefix", "--relocate", "--dbpath", "--define", "-D", "--excludepath"]);

/// Reads a call of `manager`.
#[must_use]
pub fn read(manager: PackageManager, words: &[Word]) -> PackageCommand {
    use PackageManager as Manager;
    match manager {
        Manager::Dpkg | Manager::Rpm | Manager::Pacman => by_option(manager, words),
        _ => by_subcommand(manager, words),
    }
}

fn by_subcommand(manager: PackageManager, words: &[Word]) -> PackageCommand {
    use PackageManager as Manager;
    let spec = match manager {
        Manager::Dnf | Manager::Yum | Manager::Microdnf | Manager::Tdnf => DNF,
        Manager::Zypper => ZYPPER,
        Manager::Apk => APK,
        _ => APT,
    };
    // apt takes `package-` for "remove", so a leading dash is always an option.
    let mut args = Args::parse(words, spec);
    let subcommand = args.subcommand().unwrap_or_default();
    let mut action =
        if is_expansion(&subcommand) { PackageAction::Other } else { action_of(manager, &subcommand.text) };
    if matches!(action, PackageAction::Remove | PackageAction::Autoremove) && args.has(&["--purge"]) {
        action = PackageAction::Purge;
    }
    if action == PackageAction::Install
        && args.has(&["-d", "--download-only", "--downloadonly"])
        && !matches!(manager, Manager::Apk)
    {
        action = PackageAction::Download;
    }
    let group = subcommand.text.starts_with("group") || subcommand.text == "module";
    if group && matches!(subcommand.text.as_str(), "group" | "module") {
        action = args.subcommand().map_or(PackageAction::Other, |verb| match verb.text.as_str() {
            "install" => PackageAction::Install,
            "remove" => PackageAction::Remove,
            _ => PackageAction::Other,
        });
    }
    if matches!((manager, subcommand.text.as_str()), (_, "versionlock"))
        && args.operands.first().is_some_and(|word| word.text == "add")
    {
        args.subcommand();
    }
    let packages = args.operands.iter().map(|word| {
        let package = package(manager, word);
        PackageWord { group: group || package.group, ..package }
    });
    let packages = packages.collect();
    PackageCommand {
        manager,
        action,
        subcommand_span: subcommand.span,
        subcommand: subcommand.text,
        packages,
        flags: args.flags,
    }
}

fn action_of(manager: PackageManager, subcommand: &str) -> PackageAction {
    use PackageAction as Action;
    use PackageManager as Manager;
    match (manager, subcommand) {
        (Manager::AptMark, "hold") => Action::Hold,
        (Manager::AptMark, "unhold") => Action::Unhold,
        (Manager::AptMark, _) => Action::Other,
        (Manager::Apk, "add") => Action::Install,
        (Manager::Apk, "del") => Action::Remove,
        (Manager::Apk, "update") => Action::Update,
        (Manager::Apk, "fetch") => Action::Download,
        (Manager::Zypper, "in" | "si") => Action::Install,
        (Manager::Zypper, "rm") => Action::Remove,
        (Manager::Zypper, "up" | "patch" | "update") => Action::Upgrade,
        (Manager::Zypper, "dup") => Action::DistUpgrade,
        (Manager::Zypper, "ref" | "refresh") => Action::Update,
        (Manager::Zypper, "al" | "addlock") => Action::Hold,
        (Manager::Zypper, "rl" | "removelock") => Action::Unhold,
        (_, "install" | "reinstall" | "localinstall" | "groupinstall" | "satisfy") => Action::Install,
        (_, "remove" | "erase" | "rm" | "groupremove") => Action::Remove,
        (_, "purge" | "autopurge") => Action::Purge,
        (_, "autoremove" | "auto-remove") => Action::Autoremove,
        (_, "dist-upgrade" | "full-upgrade" | "distro-sync" | "dsync") => Action::DistUpgrade,
        (
            _,
            "upgrade" | "safe-upgrade" | "upgrade-minimal" | "update-minimal" | "update-to" | "localupdate",
        ) => Action::Upgrade,
        (Manager::AptGet | Manager::Apt | Manager::Aptitude, "update") => Action::Update,
        (_, "update") => Action::Upgrade,
        (_, "check-update" | "makecache") => Action::Update,
        (_, "hold" | "versionlock") => Action::Hold,
        (_, "unhold") => Action::Unhold,
        (_, "download" | "source") => Action::Download,
        (_, "build-dep" | "builddep") => Action::BuildDependencies,
        _ => Action::Other,
    }
}

fn by_option(manager: PackageManager, words: &[Word]) -> PackageCommand {
    use PackageAction as Action;
    use PackageManager as Manager;
    let spec = match manager {
        Manager::Dpkg => DPKG,
        Manager::Pacman => PACMAN,
        _ => RPM,
    };
    let args = Args::parse(words, spec);
    let action = |flag: &Flag| -> Option<Action> {
        Some(match (manager, flag.name.as_str()) {
            (Manager::Dpkg, "-i" | "--install" | "--unpack") => Action::Install,
            (Manager::Dpkg, "-r" | "--remove") => Action::Remove,
            (Manager::Dpkg, "-P" | "--purge") => Action::Purge,
            (Manager::Pacman, "-S" | "--sync" | "-U" | "--upgrade") => Action::Install,
            (Manager::Pacman, "-R" | "--remove") => Action::Remove,
            (Manager::Rpm, "-i" | "-U" | "-F" | "--install" | "--upgrade" | "--freshen" | "--reinstall") => {
                Action::Install
            }
            (Manager::Rpm, "-e" | "--erase") => Action::Remove,
            _ => return None,
        })
    };
    // `rpm -qi` asks, and `dpkg -l` lists.
    let asks = match manager {
        Manager::Rpm => args.has(&["-q", "--query", "-V", "--verify", "-K", "--import", "--eval", "-E"]),
        Manager::Pacman => args.has(&["-Q", "--query"]),
        _ => false,
    };
    let found = args.flags.iter().find_map(|flag| Some((action(flag)?, flag))).filter(|_| !asks);
    let (mut action, subcommand, subcommand_span) = match found {
        Some((action, flag)) => (action, flag.name.clone(), flag.span),
        None => (Action::Other, String::new(), Span::default()),
    };
    if manager == Manager::Pacman && subcommand == "-S" && args.operands.is_empty() {
        action = if args.has(&["-u", "--sysupgrade"]) { Action::Upgrade } else { Action::Update };
    }
    let packages = args.operands.iter().map(|word| package(manager, word)).collect();
    PackageCommand { manager, action, subcommand, subcommand_span, packages, flags: args.flags }
}
