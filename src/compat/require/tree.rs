//! A requirement expression as a tree with spans: alternatives (OR, at blanks) of terms (AND, at commas).

use crate::span::Span;

/// What a term asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Property {
    /// CUDA version that the host's driver reports, major.minor.
    Cuda,
    /// Full version of the host's driver.
    Driver,
    /// Compute capability of each visible GPU.
    Arch,
    /// Brand word of each visible GPU.
    Brand,
}

impl Property {
    /// Reads a name in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Cuda, Self::Driver, Self::Arch, Self::Brand]
            .into_iter()
            .find(|p| name.eq_ignore_ascii_case(p.name()))
    }

    /// The name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Driver => "driver",
            Self::Arch => "arch",
            Self::Brand => "brand",
        }
    }
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`, also written `!`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
}

impl Operator {
    /// In the order in which the C code tries them.
    const ALL: [Self; 6] =
        [Self::Equal, Self::NotEqual, Self::Less, Self::LessEqual, Self::Greater, Self::GreaterEqual];

    /// The operator's own text.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }

    /// The first operator that begins with the whole run of operator characters: `!` is `!=`, `==` and `<>` are none.
    fn from_run(run: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.text().starts_with(run))
    }

    /// Whether a value that compares to the wanted one like this satisfies the operator.
    #[must_use]
    pub fn accepts(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterEqual => ordering.is_ge(),
        }
    }
}

/// One condition, `name op value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// What it asks about.
    pub property: Property,
    /// The operator.
    pub operator: Operator,
    /// The name as written.
    pub name: String,
    /// The wanted value as written.
    pub value: String,
}

impl Term {
    /// Bytes of the term as the C code formats it for its message buffer.
    #[must_use]
    pub fn formatted_len(&self) -> usize {
        self.name.len() + 1 + self.operator.text().len() + 1 + self.value.len()
    }
}

/// What is wrong with a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TermProblem {
    /// Nothing before the operator.
    #[error("the name is missing")]
    NoName,
    /// No operator at all.
    #[error("there is no operator")]
    NoOperator,
    /// Operator characters that make no operator (`==`, `=>`, `<>`).
    #[error("this is no operator; there are =, !=, <, <=, > and >=")]
    BadOperator,
    /// Nothing behind the operator.
    #[error("the value is missing")]
    NoValue,
    /// A name other than cuda, driver, arch, brand.
    #[error("unknown name; there are cuda, driver, arch and brand")]
    UnknownName,
    /// A value that cannot be compared (only found when it is compared).
    #[error("the value is no version; only digits and dots are allowed")]
    BadVersion,
    /// `brand` with an operator other than `=` and `!=` (only found when it is compared).
    #[error("a brand can only be compared by = and !=")]
    BrandOrder,
    /// The term is false and its text does not fit the C code's message buffer.
    #[error("the text is too long for the checking program, which then calls the whole expression invalid")]
    TooLong,
}

/// A malformed term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct TermError {
    /// What is wrong.
    pub problem: TermProblem,
    /// Where, in the expression's bytes.
    pub span: Span,
}

/// One alternative: its terms must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// Place of the whole alternative.
    pub span: Span,
    /// Its non-empty parts with their places; malformed ones are kept, they matter only when they are reached.
    pub terms: Vec<(Span, Result<Term, TermError>)>,
}

/// A requirement, the value of one NVIDIA_REQUIRE_* variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    text: String,
    /// The alternatives that are not empty text (one may still consist of commas only).
    pub alternatives: Vec<Alternative>,
}

impl Expression {
    /// Parses a text; never fails, malformed terms are part of the tree.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut alternatives = Vec::new();
        for (at, word) in split_with_offsets(text, 0, ' ') {
            if word.is_empty() {
                continue;
            }
            let terms = split_with_offsets(word, at, ',')
                .filter(|(_, part)| !part.is_empty())
                .map(|(at, part)| (Span::new(at, at + part.len()), parse_term(part, at)))
                .collect();
            alternatives.push(Alternative { span: Span::new(at, at + word.len()), terms });
        }
        Self { text: text.to_owned(), alternatives }
    }

    /// The text as given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of a span of this expression.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// What error messages quote: the text up to the first blank (empty when it begins with one).
    #[must_use]
    pub fn quoted(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }

    /// All malformed terms, also those that no evaluation reaches.
    pub fn malformed(&self) -> impl Iterator<Item = &TermError> {
        self.alternatives
            .iter()
            .flat_map(|alternative| &alternative.terms)
            .filter_map(|(_, term)| term.as_ref().err())
    }
}

fn split_with_offsets(text: &str, base: usize, separator: char) -> impl Iterator<Item = (usize, &str)> {
    let mut at = base;
    text.split(separator).map(move |part| {
        let start = at;
        at += part.len() + separator.len_utf8();
        (start, part)
    })
}

const OPERATOR_CHARS: [char; 4] = ['<', '>', '=', '!'];

fn parse_term(part: &str, at: usize) -> Result<Term, TermError> {
    let whole = Span::new(at, at + part.len());
    let error = |problem, span| Err(TermError { problem, span });
    let Some(name_len) = part.find(OPERATOR_CHARS) else {
        return error(TermProblem::NoOperator, whole);
    };
    let (name, rest) = part.split_at_checked(name_len).unwrap_or((part, ""));
    if name.is_empty() {
        return error(TermProblem::NoName, whole);
    }
    let value = rest.trim_start_matches(OPERATOR_CHARS);
    let run_len = rest.len() - value.len();
    let run = rest.get(..run_len).unwrap_or_default();
    let run_span = Span::new(at + name_len, at + name_len + run_len);
    let Some(operator) = Operator::from_run(run) else {
        return error(TermProblem::BadOperator, run_span);
    };
    if value.is_empty() {
        return error(TermProblem::NoValue, run_span);
    }
    let Some(property) = Property::from_name(name) else {
        return error(TermProblem::UnknownName, Span::new(at, at + name_len));
    };
    Ok(Term { property, operator, name: name.to_owned(), value: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_point_at_the_parts() {
        let text = "cuda>=12.4  brand=tesla,,driver<>536 ,";
        let expression = Expression::parse(text);
        let parts: Vec<Vec<&str>> = expression
            .alternatives
            .iter()
            .map(|alternative| alternative.terms.iter().map(|(span, _)| expression.slice(*span)).collect())
            .collect();
        assert_eq!(parts, [vec!["cuda>=12.4"], vec!["brand=tesla", "driver<>536"], vec![]]);
        let errors: Vec<_> = expression.malformed().map(|e| (e.problem, expression.slice(e.span))).collect();
        assert_eq!(errors, [(TermProblem::BadOperator, "<>")]);
        assert_eq!(expression.quoted(), "cuda>=12.4");
        assert_eq!(Expression::parse(" cuda>=1").quoted(), "");
    }

    #[test]
    fn every_problem_has_its_place() {
        for (text, problem, place) in [
            (">=12.2", TermProblem::NoName, ">=12.2"),
            ("12.2", TermProblem::NoOperator, "12.2"),
            ("cuda=>1", TermProblem::BadOperator, "=>"),
            ("cuda==1", TermProblem::BadOperator, "=="),
            ("cuda>=!1", TermProblem::BadOperator, ">=!"),
            ("cuda>=", TermProblem::NoValue, ">="),
            ("gpu>=1", TermProblem::UnknownName, "gpu"),
            ("cud>=1", TermProblem::UnknownName, "cud"),
            ("\tcuda>=1", TermProblem::UnknownName, "\tcuda"),
        ] {
            let expression = Expression::parse(text);
            let errors: Vec<_> =
                expression.malformed().map(|e| (e.problem, expression.slice(e.span))).collect();
            assert_eq!(errors, [(problem, place)], "{text}");
        }
        assert_eq!(Expression::parse("cuda!1").malformed().count(), 0, "a lone ! is !=");
    }
}
