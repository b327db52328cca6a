//! The patterns of `${v#p}`, `${v%p}` and `${v/p/r}`: `*` any text, `?` one character, `\` before these and itself.
//! There are no bracket expressions (BuildKit's `convertShellPatternToRegex`), and neither wildcard takes a line feed.

use super::expand::Budget;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Any,
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Token>);

impl Pattern {
    /// Compiles; `None` for an escape before a character that needs none.
    pub(super) fn new(text: &str) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(ch) = chars.next() {
            let token = match ch {
                '*' if tokens.last() == Some(&Token::Any) => continue,
                '*' => Token::Any,
                '?' => Token::One,
                // `\}` and `\/` stand for the character; the escape only kept it inside `${...}`.
                '\\' if matches!(chars.peek(), Some('}' | '/')) => continue,
                '\\' => match chars.next() {
                    Some(ch @ ('*' | '?' | '\\')) => Token::Literal(ch),
                    _ => return None,
                },
                ch => Token::Literal(ch),
            };
            tokens.push(token);
        }
        Some(Self(tokens))
    }

    /// Where a match that begins at the first character ends (in characters): the shortest, or the longest.
    /// The outer `None` says that the budget is spent.
    fn end(&self, text: &[char], longest: bool, budget: &Budget) -> Option<Option<usize>> {
        let width = self.0.len() + 1;
        if !budget.take(width) {
            return None;
        }
        let mut states = vec![false; width];
        if let Some(first) = states.first_mut() {
            *first = true;
        }
        let mut best = None;
        let mut rest = text.iter();
        let mut at = 0;
        loop {
            // A star may match nothing.
            let mut carry = false;
            for (index, state) in states.iter_mut().enumerate() {
                *state |= carry;
                carry = *state && self.0.get(index) == Some(&Token::Any);
            }
            if states.last() == Some(&true) {
                best = Some(at);
                if !longest {
                    break;
                }
            }
            let Some(ch) = rest.next() else { break };
            if !budget.take(width) {
                return None;
            }
            let mut alive = false;
            let mut before = false;
            for (index, state) in states.iter_mut().enumerate() {
                let here = *state;
                let token = self.0.get(index);
                let stays = here && token == Some(&Token::Any) && *ch != '\n';
                *state = before || stays;
                before = here
                    && match token {
                        Some(Token::Literal(literal)) => literal == ch,
                        Some(Token::One) => *ch != '\n',
                        _ => false,
                    };
                alive |= *state;
            }
            if !alive {
                break;
            }
            at += 1;
        }
        Some(best)
    }

    /// The text without the shortest or longest match at its beginning; `None` when the budget is spent.
    pub(super) fn trim_prefix(&self, text: &str, longest: bool, budget: &Budget) -> Option<String> {
        let chars: Vec<char> = text.chars().collect();
        let cut = self.end(&chars, longest, budget)?.unwrap_or(0);
        Some(chars.iter().skip(cut).collect())
    }

    /// The text without the shortest or longest match at its end; `None` when the budget is spent.
    pub(super) fn trim_suffix(&self, text: &str, longest: bool, budget: &Budget) -> Option<String> {
        let backwards = Self(self.0.iter().rev().copied().collect());
        let chars: Vec<char> = text.chars().rev().collect();
        let cut = backwards.end(&chars, longest, budget)?.unwrap_or(0);
        Some(chars.iter().skip(cut).rev().collect())
    }

    /// The text with the first match, or all matches, replaced; `None` when the budget is spent.
    pub(super) fn replace(&self, text: &str, with: &str, all: bool, budget: &Budget) -> Option<String> {
        let chars: Vec<char> = text.chars().collect();
        let mut out = String::new();
        let mut rest = chars.as_slice();
        // An empty match right behind another match does not count.
        let mut after_match = false;
        loop {
            let end = self.end(rest, true, budget)?;
            match end {
                Some(len) if len > 0 || !after_match => {
                    if !budget.take(with.len()) {
                        return None;
                    }
                    out.push_str(with);
                    rest = rest.get(len..).unwrap_or_default();
                    after_match = len > 0;
                    if !all {
                        break;
                    }
                    if len > 0 {
                        if rest.is_empty() {
                            break;
                        }
                        continue;
                    }
                }
                _ => {}
            }
            after_match = false;
            let Some((first, others)) = rest.split_first() else { break };
            out.push(*first);
            rest = others;
        }
        out.extend(rest.iter());
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    #[test]
    fn prefixes_and_suffixes() {
        let budget = Budget::default();
        let prefix = |p: &str, longest| pattern(p).trim_prefix("foobarfoo.tar.gz", longest, &budget).unwrap();
        assert_eq!(prefix("*o", false), "obarfoo.tar.gz");
        assert_eq!(prefix("*o", true), ".tar.gz");
        assert_eq!(prefix("x", true), "foobarfoo.tar.gz");
        assert_eq!(prefix("f??b", true), "arfoo.tar.gz");
        let suffix = |p: &str, longest| pattern(p).trim_suffix("foobarfoo.tar.gz", longest, &budget).unwrap();
        assert_eq!(suffix(".*", false), "foobarfoo.tar");
        assert_eq!(suffix(".*", true), "foobarfoo");
        assert_eq!(suffix("*", true), "");
        assert_eq!(suffix("*", false), "foobarfoo.tar.gz");
    }

    #[test]
    fn replacements() {
        let budget = Budget::default();
        let replace = |p: &str, text: &str, all| pattern(p).replace(text, "-", all, &budget).unwrap();
        assert_eq!(replace(".", "12.4.1", false), "12-4.1");
        assert_eq!(replace(".", "12.4.1", true), "12-4-1");
        assert_eq!(replace(".*", "12.4.1", true), "12-");
        assert_eq!(replace("", "ab", true), "-a-b-");
        assert_eq!(replace("", "ab", false), "-ab");
        assert_eq!(replace("x", "ab", true), "ab");
        assert_eq!(replace("b", "ab", true), "a-");
        assert_eq!(replace("\\*", "a*b", true), "a-b");
        assert_eq!(replace("\\/", "a/b", true), "a-b");
    }

    #[test]
    fn escapes_that_mean_nothing_are_errors() {
        assert_eq!(Pattern::new("\\a"), None);
        assert_eq!(Pattern::new("a\\"), None);
    }

    #[test]
    fn hostile_patterns_run_out_of_budget() {
        let budget = Budget::default();
        let text = "a".repeat(100_000);
        assert_eq!(pattern(&"*a".repeat(10_000)).replace(&text, "b", true, &budget), None);
    }
}
