//! File names as reports and fingerprints write them: relative to a root, with `/`.

/// Turns names as the user gave them into names relative to a root (the repository), so that fingerprints, SARIF and
/// annotations are the same wherever the program is started. Pure text: no file system is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathBase {
    root: Vec<String>,
    current: Vec<String>,
}

impl PathBase {
    /// Names given from `current` are written relative to `root`; both are absolute.
    #[must_use]
    pub fn new(root: &str, current: &str) -> Self {
        Self { root: steps(&[], root), current: steps(&[], current) }
    }

    /// The name relative to the root. What lies outside the root keeps its (tidied) name, and so does `-`, standard input.
    #[must_use]
    pub fn relative(&self, name: &str) -> String {
        if name == "-" {
            return name.to_owned();
        }
        let absolute = is_absolute(name);
        let start = if absolute { &[][..] } else { &self.current[..] };
        let full = steps(start, name);
        if !self.root.is_empty()
            && let Some(rest) = full.strip_prefix(&self.root[..])
        {
            return if rest.is_empty() { ".".to_owned() } else { rest.join("/") };
        }
        let own = steps(&[], name).join("/");
        match (absolute, own.is_empty()) {
            (true, _) if cfg!(windows) => own,
            (true, _) => format!("/{own}"),
            (false, true) => ".".to_owned(),
            (false, false) => own,
        }
    }
}

fn is_separator(c: char) -> bool {
    c == '/' || (cfg!(windows) && c == '\\')
}

fn is_absolute(name: &str) -> bool {
    name.starts_with(is_separator) || (cfg!(windows) && name.chars().nth(1) == Some(':'))
}

/// The folders and file of a name, `.` and `..` resolved by text.
fn steps(start: &[String], name: &str) -> Vec<String> {
    let mut steps = start.to_vec();
    for step in name.split(is_separator) {
        match step {
            "" | "." => {}
            ".." if steps.last().is_some_and(|last| last != "..") => {
                steps.pop();
            }
            step => steps.push(step.to_owned()),
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_from_every_folder() {
        let top = PathBase::new("/home/me/repo", "/home/me/repo");
        let sub = PathBase::new("/home/me/repo", "/home/me/repo/images");
        for name in [
            "images/Dockerfile",
            "./images/Dockerfile",
            "/home/me/repo/images/Dockerfile",
            "x/../images/Dockerfile",
        ] {
            assert_eq!(top.relative(name), "images/Dockerfile");
        }
        assert_eq!(sub.relative("Dockerfile"), "images/Dockerfile");
        assert_eq!(sub.relative("../Dockerfile"), "Dockerfile");
        assert_eq!(sub.relative("-"), "-");
    }

    #[test]
    fn names_outside_the_root_stay() {
        let base = PathBase::new("/home/me/repo", "/home/me/repo");
        assert_eq!(base.relative("/etc/Dockerfile"), "/etc/Dockerfile");
        assert_eq!(base.relative("../other/Dockerfile"), "../other/Dockerfile");
        assert_eq!(PathBase::default().relative("./a//b/Dockerfile"), "a/b/Dockerfile");
        assert_eq!(PathBase::default().relative("../a"), "../a");
    }
}
