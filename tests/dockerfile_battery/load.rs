//! Reads the cases of the battery.

/// One Dockerfile of the battery.
pub struct Case {
    /// What it shows.
    #[allow(dead_code, reason = "one of the two tests prints names")]
    pub name: String,
    /// Its bytes.
    pub source: Vec<u8>,
}

/// All cases. In the data file a case begins with `=== name`; `␍` and `␉` stand for carriage return and tab,
/// `⟦xNN⟧` for a byte, and `⟦END⟧` takes the last line feed away.
pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("cases.txt").lines() {
        if let Some(name) = line.strip_prefix("=== ") {
            cases.push(Case { name: name.to_owned(), source: Vec::new() });
            continue;
        }
        let case = cases.last_mut().expect("the file begins with a case");
        let line = line.replace('␍', "\r").replace('␉', "\t");
        let mut rest = line.as_str();
        while let Some((before, code)) = rest.split_once("⟦x") {
            let (code, after) = code.split_once('⟧').expect("a byte ends");
            case.source.extend_from_slice(before.as_bytes());
            case.source.push(u8::from_str_radix(code, 16).expect("two hexadecimal digits"));
            rest = after;
        }
        match rest.strip_suffix("⟦END⟧") {
            Some(rest) => case.source.extend_from_slice(rest.as_bytes()),
            None => {
                case.source.extend_from_slice(rest.as_bytes());
                case.source.push(b'\n');
            }
        }
    }
    cases
}
