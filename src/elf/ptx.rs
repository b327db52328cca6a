//! PTX text: `.version` and `.target`.

use super::device::{PtxIsa, SmSuffix, SmTarget};

/// The ISA and the target that PTX text states before its first function; `None` when `text` is no PTX.
pub(super) fn header(text: &[u8]) -> Option<(PtxIsa, SmTarget)> {
    let mut isa = None;
    let mut in_comment = false;
    for line in text.split(|byte| *byte == b'\n') {
        // Comments stand before the directives; binary data has no such lines.
        let line = std::str::from_utf8(line).ok()?.trim();
        if in_comment || line.starts_with("/*") {
            in_comment = !line.ends_with("*/");
            continue;
        }
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        let mut words = line.split([' ', '\t', ',']).filter(|word| !word.is_empty());
        match (words.next(), isa) {
            (Some(".version"), None) => isa = Some(version(words.next()?)?),
            (Some(".target"), Some(isa)) => {
                return words.find_map(target).map(|target| (isa, target));
            }
            _ => return None,
        }
    }
    None
}

fn version(word: &str) -> Option<PtxIsa> {
    let (major, minor) = word.split_once('.')?;
    Some(PtxIsa { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

fn target(word: &str) -> Option<SmTarget> {
    let number = word.strip_prefix("sm_")?;
    let (number, suffix) = match (number.strip_suffix('a'), number.strip_suffix('f')) {
        (Some(number), _) => (number, SmSuffix::ArchSpecific),
        (_, Some(number)) => (number, SmSuffix::Family),
        _ => (number, SmSuffix::None),
    };
    Some(SmTarget { number: number.parse().ok()?, suffix })
}

#[cfg(test)]
mod tests {
    use super::header;

    fn read(text: &str) -> Option<String> {
        header(text.as_bytes()).map(|(isa, target)| format!("{isa} {target}"))
    }

    #[test]
    fn reads_the_directives() {
        let text = "//\n// Generated\n/* a\n b */\n\n.version 8.4\n.target sm_90a, texmode_independent\n.address_size 64\n";
        assert_eq!(read(text).as_deref(), Some("8.4 90a"));
        assert_eq!(read(".version 9.0\r\n.target\tsm_100f\r\n").as_deref(), Some("9.0 100f"));
    }

    #[test]
    fn refuses_other_text() {
        for text in [
            "",
            "// only\n",
            ".version x\n",
            "#!/bin/sh\n.version 8.4\n",
            ".version 8.4\n.func\n",
            ".target sm_90\n",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(header(b".version 8.4\n\xff\xff\n.target sm_90\n"), None);
    }
}
