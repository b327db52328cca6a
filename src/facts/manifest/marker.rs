//! Environment markers (PEP 508): whether a requirement applies in a Linux image.

/// What is known of the machine that a requirement is installed on. It runs Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MarkerEnvironment<'a> {
    /// Python's major and minor version.
    pub python: Option<(u32, u32)>,
    /// `platform_machine` (`x86_64`, `aarch64`).
    pub machine: Option<&'a str>,
    /// Extra that is being installed, for markers of lock files.
    pub extra: Option<&'a str>,
}

/// Most parentheses inside each other; deeper ones make the answer unknown.
const MAX_DEPTH: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    /// A comparison operator, `in` and `not in` among them.
    Operator(String),
    /// A quoted text.
    Text(String),
    /// A variable.
    Name(String),
}

/// One level of parentheses: finished alternatives, and the conjunction being read.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// Value of the alternatives before; `Some(false)` with none.
    any: Option<bool>,
    /// Value of the conjunction so far; `Some(true)` with none.
    all: Option<bool>,
}

impl Level {
    const NEW: Self = Self { any: Some(false), all: Some(true) };

    fn value(self) -> Option<bool> {
        or(self.any, self.all)
    }
}

/// Whether `marker` holds; `None` when that depends on something unknown, or the marker cannot be read.
#[must_use]
pub fn evaluate(marker: &str, environment: MarkerEnvironment<'_>) -> Option<bool> {
    let tokens = tokens(marker)?;
    let mut stack = vec![Level::NEW];
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Open => {
                if stack.len() > MAX_DEPTH {
                    return None;
                }
                stack.push(Level::NEW);
                at += 1;
            }
            Token::Close => {
                let inner = stack.pop()?.value();
                let outer = stack.last_mut()?;
                outer.all = and(outer.all, inner);
                at += 1;
            }
            Token::And => at += 1,
            Token::Or => {
                let level = stack.last_mut()?;
                *level = Level { any: level.value(), all: Some(true) };
                at += 1;
            }
            left @ (Token::Name(_) | Token::Text(_)) => {
                let (Some(Token::Operator(operator)), Some(right)) = (tokens.get(at + 1), tokens.get(at + 2))
                else {
                    return None;
                };
                let value = compare(left, operator, right, environment);
                let level = stack.last_mut()?;
                level.all = and(level.all, value);
                at += 3;
            }
            Token::Operator(_) => return None,
        }
    }
    match stack.as_slice() {
        [level] if !tokens.is_empty() => level.value(),
        _ => None,
    }
}

fn and(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn or(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

fn tokens(marker: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = marker.trim_start();
    while let Some(first) = rest.chars().next() {
        let after_first = rest.get(first.len_utf8()..)?;
        rest = match first {
            '(' => {
                tokens.push(Token::Open);
                after_first
            }
            ')' => {
                tokens.push(Token::Close);
                after_first
            }
            '\'' | '"' => {
                let (text, after) = after_first.split_once(first)?;
                tokens.push(Token::Text(text.to_owned()));
                after
            }
            '=' | '<' | '>' | '!' | '~' => {
                let end = rest.find(|c| !matches!(c, '=' | '<' | '>' | '!' | '~')).unwrap_or(rest.len());
                let (operator, after) = rest.split_at_checked(end)?;
                tokens.push(Token::Operator(operator.to_owned()));
                after
            }
            c if c.is_ascii_alphabetic() => {
                let end = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))
                    .unwrap_or(rest.len());
                let (word, after) = rest.split_at_checked(end)?;
                match word {
                    "and" => tokens.push(Token::And),
                    "or" => tokens.push(Token::Or),
                    "in" => tokens.push(Token::Operator("in".to_owned())),
                    "not" => {
                        rest = after.trim_start().strip_prefix("in")?.trim_start();
                        tokens.push(Token::Operator("not in".to_owned()));
                        continue;
                    }
                    word => tokens.push(Token::Name(word.to_owned())),
                }
                after
            }
            _ => return None,
        }
        .trim_start();
    }
    Some(tokens)
}

/// One comparison; `None` unknown.
fn compare(left: &Token, operator: &str, right: &Token, environment: MarkerEnvironment<'_>) -> Option<bool> {
    let (name, text, swapped) = match (left, right) {
        (Token::Name(name), Token::Text(text)) => (name.as_str(), text.as_str(), false),
        (Token::Text(text), Token::Name(name)) => (name.as_str(), text.as_str(), true),
        _ => return None,
    };
    let known = match name {
        "sys_platform" | "sys.platform" => "linux",
        "platform_system" => "Linux",
        "os_name" | "os.name" => "posix",
        "platform_machine" | "platform.machine" => environment.machine?,
        "extra" => environment.extra?,
        "python_version" => return compare_python(environment.python?, operator, text, swapped),
        _ => return None,
    };
    match operator {
        "==" | "===" => Some(known == text),
        "!=" => Some(known != text),
        "in" if !swapped => Some(text.contains(known)),
        "in" => Some(known.contains(text)),
        "not in" if !swapped => Some(!text.contains(known)),
        "not in" => Some(!known.contains(text)),
        _ => None,
    }
}

fn compare_python(python: (u32, u32), operator: &str, text: &str, swapped: bool) -> Option<bool> {
    if swapped || matches!(operator, "in" | "not in") {
        return None;
    }
    let (wildcard, text) = match text.strip_suffix(".*") {
        Some(stem) => (true, stem),
        None => (false, text),
    };
    let mut numbers = text.split('.');
    let major: u32 = numbers.next()?.trim().parse().ok()?;
    let minor: Option<u32> = match numbers.next() {
        Some(number) => Some(number.trim().parse().ok()?),
        None => None,
    };
    if wildcard && minor.is_none() {
        return match operator {
            "==" => Some(python.0 == major),
            "!=" => Some(python.0 != major),
            _ => None,
        };
    }
    let other = (major, minor.unwrap_or(0));
    match operator {
        "==" | "===" => Some(python == other),
        "!=" => Some(python != other),
        ">=" => Some(python >= other),
        "<=" => Some(python <= other),
        ">" => Some(python > other),
        "<" => Some(python < other),
        "~=" => Some(python.0 == major && python >= other),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn linux(marker: &str) -> Option<bool> {
        evaluate(marker, MarkerEnvironment { python: Some((3, 11)), machine: Some("x86_64"), extra: None })
    }

    #[test]
    fn platforms() {
        assert_eq!(linux("sys_platform == 'linux'"), Some(true));
        assert_eq!(linux("sys_platform == \"darwin\""), Some(false));
        assert_eq!(linux("platform_system != 'Windows'"), Some(true));
        assert_eq!(linux("'arm' in platform_machine"), Some(false));
        assert_eq!(linux("sys_platform not in 'darwin win32'"), Some(true));
        assert_eq!(evaluate("platform_machine == 'aarch64'", MarkerEnvironment::default()), None);
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert_eq!(
            linux("sys_platform == 'linux' or sys_platform == 'darwin' and platform_machine == 'arm64'"),
            Some(true)
        );
        assert_eq!(
            linux("(sys_platform == 'linux' or sys_platform == 'darwin') and platform_machine == 'arm64'"),
            Some(false)
        );
        assert_eq!(linux("implementation_name == 'cpython' and sys_platform == 'win32'"), Some(false));
        assert_eq!(linux("implementation_name == 'cpython' and sys_platform == 'linux'"), None);
    }

    #[test]
    fn python_versions_compare_as_numbers() {
        assert_eq!(linux("python_version >= '3.9'"), Some(true));
        assert_eq!(linux("python_version < '3.9'"), Some(false));
        assert_eq!(linux("python_version == '3.*'"), Some(true));
        assert_eq!(evaluate("python_version < '3.9'", MarkerEnvironment::default()), None);
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        for marker in
            ["", "sys_platform", "== 'x'", "sys_platform == 'linux' )", "(sys_platform == 'linux'", "a & b"]
        {
            assert_eq!(linux(marker), None, "{marker}");
        }
        let deep = format!("{}sys_platform == 'linux'{}", "(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(linux(&deep), None);
    }

    proptest! {
        #[test]
        fn never_panics(marker in "[a-z_ '\"()=<>!~.0-9]{0,80}") {
            let _ = linux(&marker);
        }
    }
}
