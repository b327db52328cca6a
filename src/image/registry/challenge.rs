//! The `WWW-Authenticate` header, parsed strictly (RFC 9110 section 11.6.1): a hostile registry writes it.

/// One authentication scheme that a server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme in lower case (`bearer`, `basic`).
    pub scheme: String,
    /// Its parameters, names in lower case, no name twice.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The value of a parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A header that does not follow the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// Longer than any honest one.
    #[error("it is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// A scheme is missing.
    #[error("a scheme name is missing")]
    Scheme,
    /// A parameter is malformed.
    #[error("a parameter is malformed")]
    Parameter,
    /// A quoted string has no end or holds a control character.
    #[error("a quoted string is malformed")]
    Quoted,
    /// A parameter comes twice.
    #[error("a parameter comes twice")]
    Duplicate,
}

const MAX_LENGTH: usize = 8_192;

/// Reads every challenge in one header value.
///
/// # Errors
/// When the value does not follow the grammar; a half-understood header is never used.
pub fn parse_challenges(header: &str) -> Result<Vec<Challenge>, ChallengeError> {
    if header.len() > MAX_LENGTH {
        return Err(ChallengeError::TooLong);
    }
    let mut scanner = Scanner { rest: header };
    let mut found = Vec::new();
    loop {
        scanner.skip(&[' ', '\t', ',']);
        if scanner.rest.is_empty() {
            return Ok(found);
        }
        let scheme = scanner.token().ok_or(ChallengeError::Scheme)?.to_ascii_lowercase();
        let mut challenge = Challenge { scheme, parameters: Vec::new() };
        if scanner.rest.starts_with(' ') {
            scanner.skip(&[' ']);
            if !scanner.token68() {
                scanner.parameters(&mut challenge.parameters)?;
            }
        } else if !(scanner.rest.is_empty() || scanner.rest.starts_with([',', '\t'])) {
            return Err(ChallengeError::Scheme);
        }
        found.push(challenge);
    }
}

#[derive(Clone, Copy)]
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn skip(&mut self, characters: &[char]) {
        self.rest = self.rest.trim_start_matches(characters);
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn token(&mut self) -> Option<&'a str> {
        let token = self.take_while(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c));
        (!token.is_empty()).then_some(token)
    }

    /// Skips a token68 that is the whole of a challenge's credentials (`Negotiate TlRMTVNT…==`).
    fn token68(&mut self) -> bool {
        let mut ahead = *self;
        let body = ahead.take_while(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
        ahead.skip(&['=']);
        ahead.skip(&[' ', '\t']);
        if body.is_empty() || !(ahead.rest.is_empty() || ahead.rest.starts_with(',')) {
            return false;
        }
        *self = ahead;
        true
    }

    /// Reads parameters up to the end or up to the next scheme.
    fn parameters(&mut self, into: &mut Vec<(String, String)>) -> Result<(), ChallengeError> {
        loop {
            let name = self.token().ok_or(ChallengeError::Parameter)?.to_ascii_lowercase();
            self.skip(&[' ', '\t']);
            self.rest = self.rest.strip_prefix('=').ok_or(ChallengeError::Parameter)?;
            self.skip(&[' ', '\t']);
            let value = if let Some(quoted) = self.rest.strip_prefix('"') {
                self.rest = quoted;
                self.quoted()?
            } else {
                self.token().ok_or(ChallengeError::Parameter)?.to_owned()
            };
            if into.iter().any(|(known, _)| *known == name) {
                return Err(ChallengeError::Duplicate);
            }
            into.push((name, value));
            self.skip(&[' ', '\t']);
            if self.rest.is_empty() {
                return Ok(());
            }
            if !self.rest.starts_with(',') {
                return Err(ChallengeError::Parameter);
            }
            self.skip(&[' ', '\t', ',']);
            let mut ahead = *self;
            let named = ahead.token().is_some();
            ahead.skip(&[' ', '\t']);
            if self.rest.is_empty() || !named || !ahead.rest.starts_with('=') {
                return Ok(());
            }
        }
    }

    fn quoted(&mut self) -> Result<String, ChallengeError> {
        let mut value = String::new();
        let mut characters = self.rest.chars();
        while let Some(c) = characters.next() {
            let c = match c {
                '"' => {
                    self.rest = characters.as_str();
                    return Ok(value);
                }
                '\\' => characters.next().ok_or(ChallengeError::Quoted)?,
                c => c,
            };
            if c.is_control() && c != '\t' {
                return Err(ChallengeError::Quoted);
            }
            value.push(c);
        }
        Err(ChallengeError::Quoted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(header: &str) -> String {
        match parse_challenges(header) {
            Ok(found) => found
                .iter()
                .map(|challenge| {
                    let parameters: Vec<String> =
                        challenge.parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
                    format!("{}({})", challenge.scheme, parameters.join(";"))
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn honest_headers() {
        assert_eq!(
            show(
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="a:b:pull,push""#
            ),
            "bearer(realm=https://auth.docker.io/token;service=registry.docker.io;scope=a:b:pull,push)"
        );
        assert_eq!(show(r#"BASIC Realm = "a \"b\\" "#), r#"basic(realm=a "b\)"#);
        assert_eq!(
            show(r#"Basic realm="x", Bearer realm="y",service=z"#),
            "basic(realm=x) bearer(realm=y;service=z)"
        );
        assert_eq!(show("Negotiate, NTLM TlRMTVNT==, Basic realm=x"), "negotiate() ntlm() basic(realm=x)");
        assert_eq!(show(""), "");
    }

    #[test]
    fn hostile_headers_are_refused() {
        for header in [
            "Bearer realm=\"x",
            "Bearer realm=\"x\\",
            "Bearer realm=\"a\",realm=\"b\"",
            "Bearer realm=\"a\nb\"",
            "Bearer realm=\"a\" service=\"b\"",
            "=\"x\"",
            "Bearer realm=\"a\";x",
            "Bearer\u{e9} realm=x",
            &format!("Bearer realm=\"{}\"", "a".repeat(9_000)),
        ] {
            assert!(show(header).starts_with("error"), "{header}: {}", show(header));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read_or_refused(header in "\\PC{0,60}|[A-Za-z ,=\"\\\\]{0,60}") {
            let _ = parse_challenges(&header);
        }

        #[test]
        fn a_quoted_value_comes_back(value in "[ -~]{0,40}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let found = parse_challenges(&format!("Bearer realm=\"{quoted}\"")).unwrap();
            proptest::prop_assert_eq!(found[0].parameter("realm"), Some(value.as_str()));
        }
    }
}
