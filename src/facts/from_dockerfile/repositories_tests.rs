//! Package sources, keys and switched-off checks in the commands and files that set them up.

use super::super::testing::{at, facts};
use crate::facts::{Facts, RepositoryUseKind as Kind};

fn uses(facts: &Facts) -> Vec<(Kind, &str, bool)> {
    facts.repositories.iter().map(|r| (r.kind, r.url.as_str(), r.dynamic)).collect()
}

const REPO: &str = "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/x86_64";

#[test]
fn keys_reach_apt_in_many_ways() {
    let facts = facts(&format!(
        "FROM ubuntu:22.04\nRUN curl -fsSL {REPO}/3bf863cc.pub | apt-key add -\nRUN apt-key adv --fetch-keys {REPO}/7fa2af80.pub\nRUN wget {REPO}/7fa2af80.pub && apt-key add 7fa2af80.pub\nRUN apt-key del 7fa2af80\nRUN apt-key adv --keyserver k --recv-keys F60F4B3D7FA2AF80\nRUN curl -fsSL https://nvidia.github.io/libnvidia-container/gpgkey | gpg --dearmor -o /k.gpg\nRUN curl -fsSL https://example.com/key | apt-key add -\n"
    ));
    let key = format!("{REPO}/3bf863cc.pub");
    let old = format!("{REPO}/7fa2af80.pub");
    assert_eq!(
        uses(&facts),
        [
            (Kind::AptKey, key.as_str(), false),
            (Kind::AptKey, old.as_str(), false),
            (Kind::AptKey, "7fa2af80.pub", false),
            (Kind::AptKeyDelete, "7fa2af80", false),
            (Kind::AptKey, "F60F4B3D7FA2AF80", false),
            (Kind::Key, "https://nvidia.github.io/libnvidia-container/gpgkey", false),
        ]
    );
    assert_eq!(at(&facts, &facts.repositories[0].origin), key);
}

#[test]
fn sources_are_found_in_files_and_arguments() {
    let facts = facts(&format!(
        "FROM ubuntu:22.04\nRUN echo \"deb [trusted=yes] http://developer.download.nvidia.com/compute/cuda/repos/ubuntu2004/x86_64 /\" > /etc/apt/sources.list.d/cuda.list\nARG D=ubuntu2204\nRUN echo \"deb https://nvidia.github.io/x/$D/$(uname -m) /\" | tee /etc/apt/sources.list.d/n.list\nRUN dnf config-manager --add-repo {REPO}/cuda-rhel9.repo\nADD {REPO}/cuda.repo /etc/yum.repos.d/\nRUN wget -q {REPO}/cuda-keyring_1.1-1_all.deb && dpkg -i cuda-keyring_1.1-1_all.deb\n"
    ));
    let rhel = format!("{REPO}/cuda-rhel9.repo");
    let added = format!("{REPO}/cuda.repo");
    let keyring = format!("{REPO}/cuda-keyring_1.1-1_all.deb");
    assert_eq!(
        uses(&facts),
        [
            (
                Kind::Source,
                "http://developer.download.nvidia.com/compute/cuda/repos/ubuntu2004/x86_64",
                false
            ),
            (Kind::Source, "https://nvidia.github.io/x/ubuntu2204/$(uname -m)", true),
            (Kind::Source, rhel.as_str(), false),
            (Kind::Source, added.as_str(), false),
            (Kind::Keyring, keyring.as_str(), false),
            (Kind::Keyring, "cuda-keyring_1.1-1_all.deb", false),
        ]
    );
    assert_eq!(facts.repositories[0].unverified, ["http", "trusted=yes"]);
    assert_eq!(
        at(&facts, &facts.repositories[0].origin),
        "http://developer.download.nvidia.com/compute/cuda/repos/ubuntu2004/x86_64"
    );
}

#[test]
fn a_key_file_may_come_from_elsewhere() {
    let apt_keys = |text: &str| -> Vec<String> {
        let facts = facts(text);
        let keys = facts.repositories.iter().filter(|found| found.kind == Kind::AptKey);
        keys.map(|found| at(&facts, found.apt_key.as_ref().unwrap()).to_owned()).collect()
    };
    let source = format!("RUN echo \"deb {REPO} /\" > /etc/apt/sources.list.d/cuda.list\n");
    for text in [
        "ADD https://nvidia.github.io/libnvidia-container/gpgkey /tmp/n.gpg\nRUN apt-key add /tmp/n.gpg\n"
            .to_owned(),
        format!("RUN wget -O /tmp/n.pub {REPO}/3bf863cc.pub\nRUN sudo apt-key add /tmp/n.pub\n"),
        format!("COPY keys/n.gpg /tmp/\nRUN apt-key add /tmp/n.gpg\n{source}"),
        format!("RUN curl -fsSL {REPO}/3bf863cc.pub \\\n | apt-key add -\n"),
        format!("RUN apt-key adv \\\n --fetch-keys {REPO}/3bf863cc.pub\n"),
    ] {
        assert_eq!(apt_keys(&format!("FROM ubuntu:20.04\n{text}")), ["apt-key"], "{text}");
    }
    for text in [
        "COPY keys/n.gpg /tmp/\nRUN apt-key add /tmp/n.gpg\n".to_owned(),
        format!("COPY d.gpg e.gpg /tmp/\nRUN apt-key add /tmp/d.gpg && apt-key add /tmp/e.gpg\n{source}"),
        "ADD https://example.com/key /tmp/n.gpg\nRUN apt-key add /tmp/n.gpg\n".to_owned(),
    ] {
        assert!(apt_keys(&format!("FROM ubuntu:20.04\n{text}")).is_empty(), "{text}");
    }
}

#[test]
fn sources_are_found_in_copied_heredocs() {
    let facts = facts(
        "FROM ubuntu:22.04\nCOPY <<EOF /etc/apt/sources.list.d/cuda.list\ndeb [trusted=yes] http://developer.download.nvidia.com/compute/cuda/repos/ubuntu2004/x86_64 /\n# deb https://nvidia.github.io/x /\ndeb https://developer.download.nvidia.com/compute/machine-learning/repos/ubuntu2004/x86_64 /\nEOF\nCOPY <<EOF /etc/yum.repos.d/cuda.repo\n[cuda]\nbaseurl=https://developer.download.nvidia.com/compute/cuda/repos/rhel9/x86_64\ngpgcheck=0\nEOF\n",
    );
    let found: Vec<_> =
        facts.repositories.iter().map(|r| (at(&facts, &r.origin), r.unverified.join(" "))).collect();
    assert_eq!(
        found,
        [
            (
                "http://developer.download.nvidia.com/compute/cuda/repos/ubuntu2004/x86_64",
                "http trusted=yes".to_owned()
            ),
            (
                "https://developer.download.nvidia.com/compute/machine-learning/repos/ubuntu2004/x86_64",
                String::new()
            ),
            (
                "https://developer.download.nvidia.com/compute/cuda/repos/rhel9/x86_64",
                "gpgcheck=0".to_owned()
            ),
        ]
    );
}

#[test]
fn switched_off_verification_is_told() {
    let facts = facts(&format!(
        "FROM ubuntu:22.04\nRUN wget --no-check-certificate {REPO}/x.deb\nRUN apt-get install -y --allow-unauthenticated cuda-toolkit-12-4\nRUN apt-get install -y --allow-unauthenticated curl\n"
    ));
    let found: Vec<_> =
        facts.repositories.iter().map(|r| (at(&facts, &r.origin), r.unverified.join(" "))).collect();
    let deb = format!("{REPO}/x.deb");
    assert_eq!(
        found,
        [
            (deb.as_str(), "--no-check-certificate".to_owned()),
            ("--allow-unauthenticated", "--allow-unauthenticated".to_owned()),
        ]
    );
}
