//! Keeps credentials that stand in addresses out of every report.

use std::ops::Range;

/// Bytes of `text` that are a password or token in an address (`https://user:secret@host`, `https://token@host`).
/// `git@` and other bare names of ssh addresses are no secrets.
#[must_use]
pub fn secrets(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| memchr::memmem::find(rest, b"://")) {
        let scheme_end = from + at;
        let start = scheme_end + 3;
        let rest = text.get(start..).unwrap_or_default();
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"/\"'`<>\\".contains(byte);
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        let authority = rest.get(..length).unwrap_or_default();
        if let Some(host) = memchr::memrchr(b'@', authority) {
            let user = authority.get(..host).unwrap_or_default();
            let ssh = text.get(..scheme_end).is_some_and(|before| before.ends_with(b"ssh"));
            match memchr::memchr(b':', user) {
                Some(colon) => found.push(start + colon + 1..start + host),
                None if user.is_empty() || user == b"git" || ssh => {}
                None => found.push(start..start + host),
            }
        }
        from = start + length;
    }
    found
}

/// The text with every credential replaced by `***`.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for secret in secrets(text.as_bytes()) {
        out.push_str(text.get(from..secret.start).unwrap_or_default());
        if !secret.is_empty() {
            out.push_str("***");
        }
        from = secret.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// The name of an input with credentials replaced, also where no `://` announces them (`user:secret@registry/image`).
#[must_use]
pub fn redact_input(input: &str) -> String {
    let masked = redact(input);
    let Some((before, after)) = masked.split_once('@') else { return masked };
    let is_digest = after.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'_' | b'-'))
            && hex.len() >= 32
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    if is_digest || before.contains('/') {
        return masked;
    }
    match before.split_once(':') {
        Some((user, _)) => format!("{user}:***@{after}"),
        None => masked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_tokens_in_addresses_are_masked() {
        for (text, masked) in [
            (
                "pip install -i https://me:s3cret@pypi.example/simple x",
                "pip install -i https://me:***@pypi.example/simple x",
            ),
            ("git+https://ghp_abc@github.com/x", "git+https://***@github.com/x"),
            ("https://u:p@h/ and https://u:q@h/", "https://u:***@h/ and https://u:***@h/"),
            ("https://u:p@ss@h/", "https://u:***@h/"),
            ("git+ssh://git@github.com/x", "git+ssh://git@github.com/x"),
            ("https://pypi.org/simple/a@b", "https://pypi.org/simple/a@b"),
            ("https://:@h", "https://:@h"),
            ("://", "://"),
        ] {
            assert_eq!(redact(text), masked);
        }
    }

    #[test]
    fn references_keep_their_digest_and_lose_their_password() {
        let digest = format!("registry.example/app:1@sha256:{}", "a".repeat(64));
        assert_eq!(redact_input(&digest), digest);
        let short = format!("app:1@sha256:{}", "a".repeat(64));
        assert_eq!(redact_input(&short), short);
        assert_eq!(redact_input("me:s3cret@registry.example/app:1"), "me:***@registry.example/app:1");
        assert_eq!(
            redact_input("docker://me:s3cret@registry.example/app:1"),
            "docker://me:***@registry.example/app:1"
        );
        assert_eq!(redact_input("images/app@2/Dockerfile"), "images/app@2/Dockerfile");
    }
}
