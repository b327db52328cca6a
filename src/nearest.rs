//! The nearest of several known words to an unknown one, for "did you mean".

/// The word of `known` nearest to `word` by edit distance (letters' case aside), if it is near enough to be meant:
/// at most a third of the longer word's letters differ, up to five, and at least one may. Ties go to the first. Words too
/// long to be compared have none.
#[must_use]
pub fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    if word.len() > MAX_WORD {
        return None;
    }
    let lower = word.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        let length = lower.chars().count().max(candidate.chars().count());
        let bound = (length / 3).clamp(1, 5);
        let distance = edit_distance(&lower, &candidate.to_lowercase());
        if distance <= bound && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Longest word that is compared; longer ones are cut, so that hostile input costs no more than this squared.
const MAX_WORD: usize = 128;

/// Least number of inserted, removed, replaced or swapped neighbouring letters between two words.
#[must_use]
pub fn edit_distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().take(MAX_WORD).collect();
    let right: Vec<char> = right.chars().take(MAX_WORD).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = Vec::with_capacity(right.len() + 1);
        let mut previous = i + 1;
        row.push(previous);
        for (j, b) in right.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut cost = (at(&last, j) + usize::from(a != b)).min(at(&last, j + 1) + 1).min(previous + 1);
            if i > 0 && j > 0 && left.get(i - 1) == Some(b) && right.get(j - 1) == Some(a) {
                cost = cost.min(at(&before_last, j - 1) + 1);
            }
            previous = cost;
            row.push(cost);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(edit_distance("", ""), 0);
        assert_eq!(edit_distance("a100", "a10"), 1);
        assert_eq!(edit_distance("ab", "ba"), 1);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
    }

    #[test]
    fn near_and_far() {
        assert_eq!(nearest("toolkti", ["toolkit", "branch"]), Some("toolkit"));
        assert_eq!(nearest("xyz", ["toolkit", "branch"]), None);
        assert_eq!(nearest("Branhc", ["toolkit", "branch"]), Some("branch"));
        assert_eq!(nearest("CU31", ["CU301", "CU601"]), Some("CU301"));
        assert_eq!(
            nearest("driver-packge-in-image", ["driver-package-in-image", "x"]),
            Some("driver-package-in-image")
        );
        assert_eq!(nearest("zebra", ["CU301"]), None);
        assert_eq!(nearest(&"C".repeat(100_000), ["CU301"]), None);
    }
}
