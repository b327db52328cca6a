//! What machines read.

use super::*;

macro_rules! snapshots {
    ($($name:ident => $format:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            insta::assert_snapshot!(text(Format::$format, &sample(), |_| ()));
        })*
    };
}

snapshots! {
    concise => Concise,
    json => Json,
    jsonl => Jsonl,
    sarif => Sarif,
    github => Github,
    gitlab => Gitlab,
    junit => Junit,
    checkstyle => Checkstyle,
    markdown => Markdown,
    html => Html,
}

#[test]
fn formats_are_named_and_misspellings_met() {
    for (format, word) in Format::ALL {
        assert_eq!(word.parse::<Format>(), Ok(format));
        assert_eq!(format.to_string(), word);
    }
    let error = "sarf".parse::<Format>().unwrap_err().to_string();
    assert_eq!(error, "`sarf` is no output format; did you mean `sarif`?");
    assert_eq!("x".parse::<Format>().unwrap_err().to_string(), "`x` is no output format");
}

#[test]
fn every_format_takes_an_outcome_without_inputs() {
    for (format, name) in Format::ALL {
        assert!(!text(format, &outcome(vec![]), |_| ()).is_empty(), "{name}");
    }
}

#[test]
fn the_committed_json_schema_is_current() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/cudalint-1.schema.json");
    let schema = crate::report::json_schema();
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap() == schema,
        "run the tests with UPDATE_SCHEMAS=1 and commit"
    );
}

#[test]
fn json_fits_its_schema() {
    let schema: serde_json::Value = serde_json::from_str(&crate::report::json_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut with_place = sample();
    for input in &mut with_place.inputs {
        for reported in &mut input.findings {
            if let Location::Layer { place, .. } | Location::Config { place, .. } =
                &mut reported.finding.location
            {
                *place = Some(place_in("Dockerfile", b"RUN x", 0, 3));
            }
        }
    }
    for outcome in [sample(), with_place, outcome(vec![])] {
        let value: serde_json::Value = serde_json::from_str(&text(Format::Json, &outcome, |_| ())).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
    }
    let mut broken: serde_json::Value = serde_json::from_str(&text(Format::Json, &sample(), |_| ())).unwrap();
    broken["inputs"][0]["findings"][0]["severity"] = "fatal".into();
    assert!(!validator.is_valid(&broken));
    broken["inputs"][0]["findings"][0]["severity"] = "error".into();
    assert!(validator.is_valid(&broken));
    broken["inputs"][0]["findings"][0].as_object_mut().unwrap().remove("fingerprint");
    assert!(!validator.is_valid(&broken));
}

#[test]
fn json_lines_are_one_object_each_and_end_with_the_summary() {
    let lines = text(Format::Jsonl, &sample(), |_| ());
    let values: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = values.iter().map(|value| value["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["input", "input", "input", "summary"]);
    assert!(values.iter().all(|value| value["schema"] == "cudalint/1"));
    assert_eq!(values[3]["summary"]["error"], 3);
}

#[test]
fn sarif_refers_to_its_rules_and_counts_utf16() {
    let source = "RUN é😀 WORD\n";
    let mut finding = on("CU301", "n", Severity::Error, source, "a b/Dockerfile", "WORD");
    finding.message = "m".into();
    let one = outcome(vec![input(
        "x",
        InputKind::Dockerfile,
        &[("a b/Dockerfile", source.as_bytes())],
        vec![finding],
    )]);
    let value: serde_json::Value = serde_json::from_str(&text(Format::Sarif, &one, |_| ())).unwrap();
    let place = &value["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a%20b/Dockerfile");
    assert_eq!((&place["region"]["startColumn"], &place["region"]["endColumn"]), (&9.into(), &13.into()));

    let value: serde_json::Value = serde_json::from_str(&text(Format::Sarif, &sample(), |_| ())).unwrap();
    let run = &value["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 5);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        assert_eq!(result["partialFingerprints"]["cudalint/v1"].as_str().unwrap().len(), 64);
    }
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
}

#[test]
fn annotations_are_folded_after_ten_of_a_level() {
    let many = |severity, number: usize| {
        let source = "x\n".repeat(number);
        let findings = (0..number)
            .map(|at| {
                let mut finding = file_finding("CU301", severity, "50% of: a, b\nand more");
                finding.location = Location::File(place_in("a,b:c", source.as_bytes(), at * 2, at * 2 + 1));
                finding
            })
            .collect();
        input("i", InputKind::Dockerfile, &[("a,b:c", source.as_bytes())], findings)
    };
    let all = outcome(vec![many(Severity::Info, 12), many(Severity::Error, 12), many(Severity::Warning, 10)]);
    let shown = text(Format::Github, &all, |_| ());
    let levels = |level: &str| shown.lines().filter(|line| line.starts_with(&format!("::{level} "))).count();
    assert_eq!((levels("error"), levels("warning"), levels("notice")), (10, 10, 10));
    assert!(shown.starts_with("::error file=a%2Cb%3Ac,line=1,endLine=1,col=1,endColumn=2,title=CU301 some-rule::50%25 of: a, b%0Aand more\n"), "{shown}");
    assert!(
        shown
            .contains("::notice title=cudalint::2 errors, 3 notices more: see the log or the step summary\n"),
        "{shown}"
    );
}

#[test]
fn no_text_of_the_input_starts_a_workflow_command() {
    let mut evil = sample();
    evil.inputs[1].problems[0].message = "::error::forged".into();
    evil.inputs[1].input = "\n::warning::forged ##[error]forged".into();
    let shown = text(Format::Github, &evil, |_| ());
    assert!(
        shown.lines().filter(|line| line.starts_with("::")).all(|line| line.contains("title=CU")),
        "{shown}"
    );
}

#[test]
fn gitlab_fingerprints_are_unique() {
    let twice = outcome(vec![image_input(), image_input()]);
    let value: serde_json::Value = serde_json::from_str(&text(Format::Gitlab, &twice, |_| ())).unwrap();
    let mut prints: Vec<&str> =
        value.as_array().unwrap().iter().map(|issue| issue["fingerprint"].as_str().unwrap()).collect();
    let all = prints.len();
    prints.sort_unstable();
    prints.dedup();
    assert_eq!((prints.len(), all), (4, 4));
}

#[test]
fn markup_of_the_input_stays_text() {
    let mut evil = sample();
    evil.inputs[0].findings[1].finding.message = "<script>alert(1)</script> | `x|y` @all [a](b)".into();
    for format in [Format::Html, Format::Junit, Format::Checkstyle, Format::Markdown] {
        assert!(!text(format, &evil, |_| ()).contains("<script>"), "{format}");
    }
    let shown = text(Format::Markdown, &evil, |_| ());
    assert!(shown.contains("\\| `x\\|y` &#64;all \\[a\\](b)"), "{shown}");
}

#[test]
fn a_password_in_a_reference_is_in_no_output() {
    let mut image = image_input();
    image.input = "docker://me:c4n4ry@registry.example/app:1".into();
    image.problems[0].message = "GET https://me:c4n4ry@registry.example/v2/ answered 401".into();
    let bare = InputOutcome { input: "me:c4n4ry@registry.example/app:1".into(), ..image.clone() };
    let all = outcome(vec![image, bare]);
    for (format, name) in Format::ALL {
        for verbose in [false, true] {
            let shown = text(format, &all, |options| options.verbose = verbose);
            assert!(shown.contains("registry.example"), "{name}");
            assert!(!shown.contains("c4n4ry"), "{name}: {shown}");
        }
    }
    let (paths, mut summary) = (PathBase::default(), Vec::new());
    crate::report::write_step_summary(&all, &Options::plain(&paths), &mut summary).unwrap();
    assert!(!String::from_utf8(summary).unwrap().contains("c4n4ry"));
}

#[test]
fn long_step_summaries_are_cut_below_the_limit() {
    let mut long = sample();
    for reported in &mut long.inputs[0].findings {
        reported.finding.message = "é".repeat(300_000);
    }
    let (paths, mut summary) = (PathBase::default(), Vec::new());
    crate::report::write_step_summary(&long, &Options::plain(&paths), &mut summary).unwrap();
    assert!(summary.len() < 1_048_576, "{}", summary.len());
    assert!(String::from_utf8(summary).unwrap().contains("The rest was cut"));
}
