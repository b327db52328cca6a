//! The second evaluator: the container toolkit's own, used on Tegra (csv mode). Everything is parsed before anything is
//! evaluated, names are case-sensitive, unknown names are ignored, `driver` and `brand` have no value.

use super::semver::SemVer;
use super::tree::Operator;

/// What the toolkit found out about a Tegra host; `None` = it could not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CsvHost {
    /// CUDA version of the driver.
    pub cuda: Option<String>,
    /// Compute capability of GPU 0.
    pub arch: Option<String>,
}

/// How the toolkit's evaluation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CsvOutcome {
    /// The container starts.
    Satisfied,
    /// It is refused with this text (after "requirements not met: ").
    Refused(String),
}

/// A condition with the host's value.
struct Factor<'t> {
    name: &'static str,
    host: &'t str,
    /// `None`: an operator that the evaluator does not know.
    operator: Option<Operator>,
    value: &'t str,
}

/// Evaluates requirements as the toolkit does in csv mode; all must hold.
#[must_use]
pub fn evaluate_csv<T: AsRef<str>>(requirements: &[T], host: &CsvHost) -> CsvOutcome {
    let mut parsed = Vec::new();
    for requirement in requirements {
        match parse(requirement.as_ref(), host) {
            Ok(alternatives) => parsed.push(alternatives),
            Err(message) => return CsvOutcome::Refused(message),
        }
    }
    for alternatives in parsed.iter().filter(|alternatives| !alternatives.is_empty()) {
        if let Err(message) = assert_any(alternatives) {
            return CsvOutcome::Refused(message);
        }
    }
    CsvOutcome::Satisfied
}

fn parse<'t>(requirement: &'t str, host: &'t CsvHost) -> Result<Vec<Vec<Factor<'t>>>, String> {
    let mut alternatives = Vec::new();
    if requirement.trim().is_empty() {
        return Ok(alternatives);
    }
    for term in requirement.split(' ') {
        let mut factors = Vec::new();
        for part in term.split(',').filter(|part| !part.trim().is_empty()) {
            if let Some(factor) = parse_factor(part, host)? {
                factors.push(factor);
            }
        }
        if !factors.is_empty() {
            alternatives.push(factors);
        }
    }
    Ok(alternatives)
}

fn parse_factor<'t>(part: &'t str, host: &'t CsvHost) -> Result<Option<Factor<'t>>, String> {
    let Some(at) = part.find(['<', '>', '=', '!']) else {
        return Err(format!("invalid constraint: {part}"));
    };
    let (name, condition) = part.split_at_checked(at).unwrap_or((part, ""));
    let (name, value_of_host) = match name {
        "cuda" => ("cuda", host.cuda.as_deref().unwrap_or_default()),
        "arch" => ("arch", host.arch.as_deref().unwrap_or_default()),
        "driver" => ("driver", ""),
        "brand" => ("brand", ""),
        _ => return Ok(None),
    };
    const ORDER: [Operator; 6] = [
        Operator::NotEqual,
        Operator::LessEqual,
        Operator::GreaterEqual,
        Operator::Equal,
        Operator::Less,
        Operator::Greater,
    ];
    let found = ORDER.into_iter().find_map(|op| condition.strip_prefix(op.text()).map(|value| (op, value)));
    let (operator, value) = found.map_or((None, condition), |(op, value)| (Some(op), value));
    if name != "brand" {
        SemVer::parse(value).map_err(|error| format!("invalid version string: {error}"))?;
    }
    Ok(Some(Factor { name, host: value_of_host, operator, value }))
}

fn assert_any(alternatives: &[Vec<Factor<'_>>]) -> Result<(), String> {
    if let [only] = alternatives {
        return assert_all(only);
    }
    if alternatives.iter().any(|factors| assert_all(factors).is_ok()) {
        return Ok(());
    }
    let words = |factors: &Vec<Factor<'_>>| factors.iter().map(Factor::text).collect::<Vec<_>>().join("&&");
    Err(format!("{} not met", alternatives.iter().map(words).collect::<Vec<_>>().join("||")))
}

fn assert_all(factors: &[Factor<'_>]) -> Result<(), String> {
    factors.iter().try_for_each(Factor::assert)
}

impl Factor<'_> {
    fn text(&self) -> String {
        format!("{}{}{}", self.name, self.operator.map_or("", Operator::text), self.value)
    }

    fn assert(&self) -> Result<(), String> {
        let ordering = if self.name == "brand" {
            self.host.cmp(self.value)
        } else {
            let invalid = |error| format!("invalid value for {}: {error}", self.name);
            let host = SemVer::parse(self.host).map_err(invalid)?;
            host.compare(&SemVer::parse(self.value).map_err(invalid)?)
        };
        let Some(operator) = self.operator else {
            return Err("invalid operator ".to_owned());
        };
        if operator.accepts(ordering) {
            Ok(())
        } else {
            Err(format!("unsatisfied condition: {} ({}={})", self.text(), self.name, self.host))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(requirements: &[&str]) -> String {
        let host = CsvHost { cuda: Some("12.2".to_owned()), arch: Some("8.7".to_owned()) };
        match evaluate_csv(requirements, &host) {
            CsvOutcome::Satisfied => "satisfied".to_owned(),
            CsvOutcome::Refused(message) => message,
        }
    }

    #[test]
    fn unseen_siblings_of_the_recorded_cases() {
        assert_eq!(run(&["driver>=535"]), "invalid value for driver: invalid semantic version");
        assert_eq!(run(&["cuda>=12.0,driver>=535"]), "invalid value for driver: invalid semantic version");
        assert_eq!(run(&["brand=tesla"]), "unsatisfied condition: brand=tesla (brand=)");
        assert_eq!(run(&["brand=tesla,driver>=470 arch>=8.0"]), "satisfied");
        assert_eq!(
            run(&["brand=tesla,driver>=470 arch>=9.0"]),
            "brand=tesla&&driver>=470||arch>=9.0 not met"
        );
        assert_eq!(run(&["brand!tesla"]), "invalid operator ");
        assert_eq!(run(&["cuda"]), "invalid constraint: cuda");
        assert_eq!(run(&["cuda>=12.0 bogus"]), "invalid constraint: bogus");
        assert_eq!(run(&["cuda=>12.0"]), "invalid version string: invalid semantic version");
        assert_eq!(run(&["cuda<>12.0"]), "invalid version string: invalid semantic version");
        assert_eq!(run(&["cuda>="]), "invalid version string: invalid semantic version");
        assert_eq!(run(&["Driver>=x", "foo=1"]), "satisfied");
        assert_eq!(run(&[" , "]), "satisfied");
        assert_eq!(run(&["cuda>=v12.2"]), "satisfied");
        assert_eq!(run(&["cuda>=012.02"]), "satisfied", "leading zeros are coerced");
        assert_eq!(run(&["cuda>12.2-rc1"]), "satisfied");
        assert_eq!(run(&["cuda=12.2.0+local"]), "satisfied", "metadata does not count");
        assert_eq!(run(&["cuda>=12.2\tdriver>=1"]), "invalid version string: invalid semantic version");
        assert_eq!(run(&["cuda>=12", "foo>=1 bar>=2"]), "satisfied");
        assert_eq!(run(&[]), "satisfied");
    }

    #[test]
    fn what_could_not_be_found_out_fails() {
        let unknown = CsvHost::default();
        assert_eq!(
            evaluate_csv(&["cuda>=1"], &unknown),
            CsvOutcome::Refused("invalid value for cuda: invalid semantic version".to_owned())
        );
        assert_eq!(evaluate_csv(&["cuda>=1 brand!=x"], &unknown), CsvOutcome::Satisfied);
    }
}
