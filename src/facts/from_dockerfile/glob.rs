//! File name patterns with `*`, `?` and `[…]`, as shells and package managers match them.

/// Whether `text` matches `pattern` as a whole. Linear in their product at worst; a `[…]` set stands for any one byte.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    if !pattern.contains(['*', '?', '[']) {
        return pattern == text;
    }
    let tokens = tokens(pattern);
    let text = text.as_bytes();
    let (mut token, mut at) = (0, 0);
    // Where the last star stands, and how far the text was when it took its last byte.
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match tokens.get(token) {
            Some(Token::Star) => {
                star = Some((token, at));
                token += 1;
            }
            Some(Token::Any) => {
                token += 1;
                at += 1;
            }
            Some(Token::Byte(byte)) if text.get(at) == Some(byte) => {
                token += 1;
                at += 1;
            }
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                token = place + 1;
                at = taken + 1;
            }
        }
    }
    tokens.iter().skip(token).all(|token| matches!(token, Token::Star))
}

enum Token {
    Star,
    Any,
    Byte(u8),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut out = Vec::with_capacity(pattern.len());
    let mut bytes = pattern.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'*' => {
                if !matches!(out.last(), Some(Token::Star)) {
                    out.push(Token::Star);
                }
            }
            b'?' => out.push(Token::Any),
            b'[' => match pattern.get(at + 1..).and_then(|rest| rest.find(']')) {
                Some(end) => {
                    out.push(Token::Any);
                    bytes.nth(end);
                }
                None => out.push(Token::Byte(byte)),
            },
            byte => out.push(Token::Byte(byte)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_a_whole() {
        for (pattern, text, fits) in [
            ("cuda-compat*", "cuda-compat-12-4", true),
            ("*/compat", "/usr/local/cuda/compat", true),
            ("/usr/local/cuda*/lib64", "/usr/local/cuda-12.4/lib64", true),
            ("libcudnn[89]", "libcudnn8", true),
            ("lib?", "lib", false),
            ("cuda", "cuda-12", false),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxcxxb", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }
}
