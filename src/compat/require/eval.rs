//! Exact evaluation on one host, as nvidia-container-cli does it: left to right, lazily, one visible GPU after the other.

use std::cmp::Ordering;

use super::tree::{Expression, Operator, Property, Term, TermProblem};
use crate::compat::tables::Tables;
use crate::span::Span;

/// What the container library knows of a visible GPU; `None` = it could not tell, which makes conditions true.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GpuFacts {
    /// Brand word (`GeForce`, `Tesla`), any case.
    pub brand: Option<String>,
    /// Compute capability, `8.6`.
    pub arch: Option<String>,
}

/// What the container library knows of the host; `None` = it could not tell, which makes conditions true.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostFacts {
    /// Version of the kernel driver.
    pub driver: Option<String>,
    /// CUDA version it reports, `12.4`.
    pub cuda: Option<String>,
    /// The visible GPUs; none = `arch` and `brand` are true.
    pub gpus: Vec<GpuFacts>,
}

/// How an evaluation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The container starts.
    Satisfied,
    /// A requirement is not met: the container is not created.
    Unsatisfied,
    /// A term that was reached is malformed: the container is not created.
    Invalid,
}

/// The part of the expressions that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deciding {
    /// Which of the expressions.
    pub expression: usize,
    /// Its place in that expression: the satisfied alternative; the malformed part; the false term of the only
    /// alternative; or, where none of several holds, the whole text.
    pub span: Span,
    /// The text there.
    pub text: String,
    /// Which visible GPU it was about, where one was.
    pub gpu: Option<usize>,
}

/// The outcome of an evaluation, with what decided it and the message that the program prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// What decided; `None` where there was nothing to decide (no or only empty expressions).
    pub deciding: Option<Deciding>,
    /// What is wrong with the deciding term, when the verdict is invalid.
    pub problem: Option<TermProblem>,
    /// The program's error text; `None` when satisfied.
    pub message: Option<String>,
}

const SATISFIED: Outcome =
    Outcome { verdict: Verdict::Satisfied, deciding: None, problem: None, message: None };

/// Evaluates requirements (the values of several NVIDIA_REQUIRE_* variables, all must hold) on a host: for each visible
/// GPU in turn, or once without a GPU when none is visible. The first failure ends it.
#[must_use]
pub fn evaluate<T: AsRef<str>>(expressions: &[T], host: &HostFacts, tables: &Tables) -> Outcome {
    let limits = tables.require().language();
    if expressions.len() > limits.max_requirements && limits.max_requirements > 0 {
        let message = Some("too many requirements".to_owned());
        return Outcome { verdict: Verdict::Invalid, deciding: None, problem: None, message };
    }
    let parsed: Vec<Expression> = expressions.iter().map(|text| Expression::parse(text.as_ref())).collect();
    evaluate_parsed(&parsed, host, tables)
}

/// [`evaluate`] on parsed expressions.
pub(super) fn evaluate_parsed(parsed: &[Expression], host: &HostFacts, tables: &Tables) -> Outcome {
    let limit = tables.require().language().message_limit;
    let mut outcome = SATISFIED;
    let visible: Vec<(Option<usize>, Option<&GpuFacts>)> = if host.gpus.is_empty() {
        vec![(None, None)]
    } else {
        host.gpus.iter().enumerate().map(|(index, gpu)| (Some(index), Some(gpu))).collect()
    };
    for (index, gpu) in visible {
        for (number, expression) in parsed.iter().enumerate() {
            let mut one = evaluate_expression(expression, host, gpu, limit);
            if let Some(deciding) = &mut one.deciding {
                deciding.expression = number;
                deciding.gpu = index;
            }
            let failed = one.verdict != Verdict::Satisfied;
            if failed || outcome.deciding.is_none() {
                outcome = one;
            }
            if failed {
                return outcome;
            }
        }
    }
    outcome
}

/// Evaluates one expression for one visible GPU (`None`: no GPU is visible). `message_limit` is the size of the C
/// program's buffer for a false term (0: no limit).
#[must_use]
pub fn evaluate_expression(
    expression: &Expression,
    host: &HostFacts,
    gpu: Option<&GpuFacts>,
    message_limit: usize,
) -> Outcome {
    let deciding = |span: Span| {
        Some(Deciding { expression: 0, span, text: expression.slice(span).to_owned(), gpu: None })
    };
    let mut holds = true;
    let mut failed = Span::new(0, expression.text().len());
    for alternative in &expression.alternatives {
        let mut stopped = false;
        for (span, term) in &alternative.terms {
            let result = term.as_ref().map_err(|error| error.problem).and_then(|term| {
                let truth = evaluate_term(term, host, gpu)?;
                let too_long = !truth && message_limit > 0 && term.formatted_len() >= message_limit;
                if too_long { Err(TermProblem::TooLong) } else { Ok(truth) }
            });
            match result {
                Ok(truth) => holds = truth,
                Err(problem) => {
                    let message = Some("invalid expression".to_owned());
                    return Outcome {
                        verdict: Verdict::Invalid,
                        deciding: deciding(*span),
                        problem: Some(problem),
                        message,
                    };
                }
            }
            if !holds {
                // With one alternative its false term decides, with several the whole text.
                if expression.alternatives.len() == 1 {
                    failed = *span;
                }
                stopped = true;
                break;
            }
        }
        // An alternative of commas only ends the walk with the truth so far, as in the original.
        if !stopped {
            if holds {
                return Outcome { deciding: deciding(alternative.span), ..SATISFIED };
            }
            break;
        }
    }
    if holds {
        return SATISFIED;
    }
    let quoted = expression.quoted();
    let advice = if quoted.starts_with("cuda>=") {
        ", please update your driver to a newer version, or use an earlier cuda container"
    } else {
        ""
    };
    Outcome {
        verdict: Verdict::Unsatisfied,
        deciding: deciding(failed),
        problem: None,
        message: Some(format!("unsatisfied condition: {quoted}{advice}")),
    }
}

fn evaluate_term(term: &Term, host: &HostFacts, gpu: Option<&GpuFacts>) -> Result<bool, TermProblem> {
    let version = |known: Option<&String>| match known {
        None => Ok(true),
        Some(known) => compare_versions(known, term.operator, &term.value).ok_or(TermProblem::BadVersion),
    };
    match term.property {
        Property::Cuda => version(host.cuda.as_ref()),
        Property::Driver => version(host.driver.as_ref()),
        Property::Arch => version(gpu.and_then(|gpu| gpu.arch.as_ref())),
        Property::Brand => match gpu.and_then(|gpu| gpu.brand.as_ref()) {
            None => Ok(true),
            Some(brand) => match term.operator {
                Operator::Equal => Ok(brand.eq_ignore_ascii_case(&term.value)),
                Operator::NotEqual => Ok(!brand.eq_ignore_ascii_case(&term.value)),
                _ => Err(TermProblem::BrandOrder),
            },
        },
    }
}

/// Compares two versions as libnvidia-container does; `None` = one of them is no version to it.
///
/// All characters are checked first (digits and dots only). Numbers are then compared one by one; a number that does not
/// fit 64 bits, or a dot where a number must begin, is an error only when it is reached. Runs of dots count as one. What
/// is left over of the longer version counts as nothing when it holds only dots and zeros.
fn compare_versions(left: &str, operator: Operator, right: &str) -> Option<bool> {
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !plain(left) || !plain(right) {
        return None;
    }
    let (mut left, mut right) = (left, right);
    while !left.is_empty() && !right.is_empty() {
        let (number, left_rest) = leading_number(left)?;
        let (wanted, right_rest) = leading_number(right)?;
        if number != wanted {
            return Some(operator.accepts(number.cmp(&wanted)));
        }
        left = left_rest.trim_start_matches('.');
        right = right_rest.trim_start_matches('.');
    }
    let rest = |text: &str| !text.trim_start_matches(['.', '0']).is_empty();
    let ordering = match (rest(left), rest(right)) {
        (false, true) => Ordering::Less,
        (true, false) => Ordering::Greater,
        _ => Ordering::Equal,
    };
    Some(operator.accepts(ordering))
}

/// The number at the start of a text of digits and dots, below 2^64 - 1 (that value itself is the C function's error
/// value), and the rest.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find('.').unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    let number = digits.parse::<u64>().ok().filter(|number| *number != u64::MAX)?;
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(driver: &str, cuda: &str, gpus: &[(&str, &str)]) -> HostFacts {
        let gpus = gpus
            .iter()
            .map(|(brand, arch)| GpuFacts {
                brand: Some((*brand).to_owned()),
                arch: Some((*arch).to_owned()),
            })
            .collect();
        HostFacts { driver: Some(driver.to_owned()), cuda: Some(cuda.to_owned()), gpus }
    }

    fn run(text: &str) -> Outcome {
        evaluate(&[text], &host("535.104.05", "12.2", &[("tesla", "8.0")]), Tables::builtin())
    }

    #[test]
    fn version_comparison_follows_the_c_code() {
        let compare = compare_versions;
        assert_eq!(compare("12", Operator::Equal, "12.0.0"), Some(true));
        assert_eq!(compare("12..2", Operator::Equal, "12.2"), Some(true), "runs of dots count as one");
        assert_eq!(compare("12.2", Operator::Less, "12.2.1"), Some(true));
        assert_eq!(compare("12.2", Operator::NotEqual, "12.2.1"), Some(true));
        assert_eq!(compare("450.80.02", Operator::Equal, "450.80.2"), Some(true));
        assert_eq!(compare("12.2", Operator::Equal, ".12.2"), None, "a leading dot is no number");
        assert_eq!(compare("12.2", Operator::GreaterEqual, "18446744073709551614"), Some(false));
        assert_eq!(
            compare("12.2", Operator::GreaterEqual, "18446744073709551615"),
            None,
            "the error value of strtoumax"
        );
        assert_eq!(compare("12.2", Operator::GreaterEqual, "99999999999999999999"), None);
        assert_eq!(
            compare("12.2", Operator::Less, "13.99999999999999999999"),
            Some(true),
            "decided before it is read"
        );
        assert_eq!(
            compare("12", Operator::Less, "12.99999999999999999999"),
            Some(true),
            "left over, never read"
        );
        assert_eq!(compare("12", Operator::Equal, "12.x"), None);
        assert_eq!(compare("12", Operator::Less, "12.05"), Some(true), "the rest .05 is more than zeros");
    }

    #[test]
    fn an_alternative_of_commas_ends_the_walk() {
        assert_eq!(run("cuda>=99 , cuda>=12.2").verdict, Verdict::Unsatisfied, "what follows is never read");
        assert_eq!(run("cuda>=99 , bogus").verdict, Verdict::Unsatisfied);
        assert_eq!(run(", bogus").verdict, Verdict::Satisfied);
        assert_eq!(run("cuda>=12.2, bogus").verdict, Verdict::Satisfied);
    }

    #[test]
    fn a_false_term_ends_its_alternative() {
        assert_eq!(run("cuda>=99,bogus driver>=1").verdict, Verdict::Satisfied);
        assert_eq!(run("driver>=1,cuda>=99 bogus>1").verdict, Verdict::Invalid);
        let outcome = run("cuda>=12.0,cuda>=12.x");
        assert_eq!(outcome.problem, Some(TermProblem::BadVersion));
        assert_eq!(outcome.deciding.map(|d| d.text).as_deref(), Some("cuda>=12.x"));
    }

    #[test]
    fn messages_quote_the_text_before_the_first_blank() {
        assert_eq!(run(" cuda>=99").message.as_deref(), Some("unsatisfied condition: "));
        assert_eq!(run("arch>=9.0 cuda>=99").message.as_deref(), Some("unsatisfied condition: arch>=9.0"));
        let advice = ", please update your driver to a newer version, or use an earlier cuda container";
        assert_eq!(
            run("cuda>=12.0,driver>=999").message,
            Some(format!("unsatisfied condition: cuda>=12.0,driver>=999{advice}"))
        );
        assert_eq!(run("Cuda>=99").message.as_deref(), Some("unsatisfied condition: Cuda>=99"));
        assert_eq!(run("cuda>99").message.as_deref(), Some("unsatisfied condition: cuda>99"));
    }

    #[test]
    fn long_false_terms_are_invalid_from_128_bytes_on() {
        let brand = |length: usize| format!("brand={}", "x".repeat(length));
        // "brand = " is eight bytes
        assert_eq!(run(&brand(119)).verdict, Verdict::Unsatisfied, "127 bytes fit");
        assert_eq!(run(&brand(120)).verdict, Verdict::Invalid, "128 do not");
        assert_eq!(
            run(&format!("brand!={}", "x".repeat(300))).verdict,
            Verdict::Satisfied,
            "true terms are not printed"
        );
        assert_eq!(run(&format!("cuda>={}9", "0".repeat(300))).verdict, Verdict::Satisfied, "leading zeros");
    }

    #[test]
    fn every_visible_gpu_must_pass() {
        let both = host("535.104.05", "12.2", &[("tesla", "8.0"), ("geforce", "7.5")]);
        let outcome = evaluate(&["arch>=7.0", "arch>=8.0"], &both, Tables::builtin());
        assert_eq!(outcome.verdict, Verdict::Unsatisfied);
        assert_eq!(outcome.deciding.map(|d| (d.expression, d.gpu)), Some((1, Some(1))));
        assert_eq!(evaluate(&["brand=geforce"], &both, Tables::builtin()).verdict, Verdict::Unsatisfied);
        let none = HostFacts { gpus: Vec::new(), ..both };
        assert_eq!(evaluate(&["arch>=99,brand>=x"], &none, Tables::builtin()).verdict, Verdict::Satisfied);
    }

    #[test]
    fn what_the_library_could_not_tell_is_true_and_unchecked() {
        let nothing = HostFacts::default();
        assert_eq!(evaluate(&["cuda>=x"], &nothing, Tables::builtin()).verdict, Verdict::Satisfied);
        assert_eq!(
            evaluate(&["cuda>="], &nothing, Tables::builtin()).verdict,
            Verdict::Invalid,
            "but it is parsed"
        );
    }

    #[test]
    fn no_more_than_32_requirements() {
        let host = HostFacts::default();
        assert_eq!(evaluate(&["cuda>=1"; 32], &host, Tables::builtin()).verdict, Verdict::Satisfied);
        let outcome = evaluate(&["cuda>=1"; 33], &host, Tables::builtin());
        assert_eq!(outcome.verdict, Verdict::Invalid);
        assert_eq!(outcome.message.as_deref(), Some("too many requirements"));
        assert_eq!(evaluate::<&str>(&[], &host, Tables::builtin()), SATISFIED);
    }
}
