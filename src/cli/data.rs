//! `cudalint data`: what the knowledge tables hold, and how old they are; and `--data FILE` of every command.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::args::{DataArgs, PlainFormat};
use super::output::{Paint, Screen, Stop, write_json, write_wrapped};
use crate::compat::Tables;
use crate::compat::tables::Summary;
use crate::config::ConfigFile;
use crate::date::{Date, PartialDate};
use crate::limits::Limits;

/// Days after which the tables are called old: NVIDIA brings a CUDA release about every two months.
const OLD_AFTER_DAYS: i64 = 180;

/// Today, by the system clock, in UTC.
pub(super) fn today() -> Date {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Date::from_unix_seconds(since.map_or(0, |since| since.as_secs()))
}

/// The built-in tables with the rows of data files: those that the configuration names, then those of the command line.
///
/// # Errors
/// A file that cannot be read, or everything wrong with the first one that is no data file.
pub(super) fn load_tables(files: &[PathBuf], config: Option<&ConfigFile>) -> Result<Arc<Tables>, Stop> {
    let limit = Limits::default().text_bytes;
    let mut tables = Tables::builtin().clone();
    if let Some(config) = config {
        for file in &config.config.data {
            let path = config.resolve(&file.value);
            let text = read_text(&path, limit).map_err(|why| {
                let message = format!("the data file {} cannot be read: {why}", path.display());
                Stop::from(config.error_at(file.span, message, None))
            })?;
            tables = extended(&tables, &text, &path)?;
        }
    }
    for path in files {
        let text = read_text(path, limit).map_err(|why| {
            Stop::usage(format!("the data file {} cannot be read: {why}", path.display()), None)
        })?;
        tables = extended(&tables, &text, path)?;
    }
    Ok(Arc::new(tables))
}

fn extended(tables: &Tables, text: &str, path: &Path) -> Result<Tables, Stop> {
    let name = path.display().to_string();
    tables.with_extension(text, &name).map_err(|errors| Stop::data(errors, text))
}

/// Reads a text of at most `limit` bytes.
pub(super) fn read_text(path: &Path, limit: u64) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    text_of(file, limit)
}

/// Reads all of a text of at most `limit` bytes.
pub(super) fn text_of(reader: impl Read, limit: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(format!("it has more than {limit} bytes"));
    }
    String::from_utf8(bytes)
        .map_err(|error| format!("it is no UTF-8 from byte {} on", error.utf8_error().valid_up_to()))
}

/// The answer as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    version: &'static str,
    today: String,
    age_days: Option<i64>,
    #[serde(flatten)]
    summary: &'a Summary,
    sources: Vec<SourceLine<'a>>,
}

#[derive(Serialize)]
struct SourceLine<'a> {
    key: &'a str,
    title: &'a str,
    url: &'a [String],
    confidence: &'a str,
    read: PartialDate,
}

/// Prints what the tables hold.
pub(super) fn run(
    args: &DataArgs,
    tables: &Tables,
    today: Date,
    screen: &Screen,
    out: &mut dyn Write,
) -> Result<u8, Stop> {
    let summary = tables.summary();
    let age = summary.as_of.and_then(PartialDate::day).map(|as_of| today.days_since(as_of));
    match args.format {
        PlainFormat::Json => {
            let sources = tables.sources().all().iter().map(|source| SourceLine {
                key: &source.key,
                title: &source.title,
                url: &source.url,
                confidence: &source.confidence,
                read: source.read,
            });
            let answer = Answer {
                schema: "cudalint/1",
                version: env!("CARGO_PKG_VERSION"),
                today: today.to_string(),
                age_days: age,
                summary: &summary,
                sources: sources.collect(),
            };
            write_json(&answer, out)?;
        }
        PlainFormat::Human => write_human(&summary, age, tables, screen, out)?,
    }
    Ok(0)
}

fn write_human(
    summary: &Summary,
    age: Option<i64>,
    tables: &Tables,
    screen: &Screen,
    out: &mut dyn Write,
) -> io::Result<()> {
    let date = summary.as_of.map_or_else(|| "an unknown date".to_owned(), |date| date.to_string());
    let old = age.is_some_and(|age| age > OLD_AFTER_DAYS);
    let age = match age {
        Some(0) => ", which is today".to_owned(),
        Some(1) => ", 1 day ago".to_owned(),
        Some(age) if age > 1 => format!(", {age} days ago"),
        _ => String::new(),
    };
    writeln!(out, "Knowledge tables of cudalint {}, as of {date}{age}.", env!("CARGO_PKG_VERSION"))?;
    if old {
        let text = "They are old: newer drivers, toolkits and GPUs are answered with unknown. Update cudalint, or add \
                    rows with --data FILE.";
        write_wrapped(("", 0), 0, &Paint::Caution.on(text, screen), screen, out)?;
    }
    for name in &summary.extended_by {
        writeln!(out, "Extended by {}.", crate::report::visible(name))?;
    }
    writeln!(out)?;
    let newest = [
        ("newest CUDA toolkit", summary.newest_toolkit.map(|version| version.to_string())),
        ("newest driver", summary.newest_driver.as_ref().map(ToString::to_string)),
        ("newest nvidia/cuda image", summary.newest_cuda_image.map(|version| version.to_string())),
        (
            "forward compatibility",
            summary.forward_edition.as_ref().map(|edition| format!("edition {edition}")),
        ),
    ];
    for (what, value) in newest {
        writeln!(out, "  {what:<26}{}", value.as_deref().unwrap_or("none"))?;
    }
    writeln!(out)?;
    let head = format!("  {:<16}{:>5}  {:<12}{}", "table", "rows", "oldest", "newest");
    writeln!(out, "{}", Paint::Bold.on(&head, screen))?;
    let shown = |date: Option<PartialDate>| date.map_or_else(|| "-".to_owned(), |date| date.to_string());
    for table in &summary.tables {
        let (oldest, newest) = (shown(table.oldest), shown(table.newest));
        writeln!(out, "  {:<16}{:>5}  {oldest:<12}{newest}", table.table, table.rows)?;
    }
    writeln!(out)?;
    if !screen.verbose {
        let number = tables.sources().all().len();
        return writeln!(out, "{number} sources; -v lists them.");
    }
    writeln!(out, "{}", Paint::Bold.on("  sources", screen))?;
    for source in tables.sources().all() {
        let first = format!("  {:<18}", source.key);
        let width = first.chars().count();
        let text = format!("{} ({}, read {})", source.title, source.confidence, source.read);
        write_wrapped((&first, width), 20, &text, screen, out)?;
        for url in &source.url {
            writeln!(out, "{:20}{}", "", Paint::Dim.on(url, screen))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn today_is_later_than_this_program() {
        assert!(today() > "2026-01-01".parse().unwrap());
    }

    #[test]
    fn files_extend_the_tables_or_say_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("good.toml");
        std::fs::write(
            &good,
            "[table]\nsource = [\"drivers\"]\nas_of = \"2026-12-01\"\n[[branch]]\nbranch = 700\nsm_min = 75\nsm_max = 121\n",
        )
        .unwrap();
        let tables = load_tables(std::slice::from_ref(&good), None).unwrap();
        assert_eq!(tables.extended_by(), [good.display().to_string()]);
        let bad = folder.path().join("bad.toml");
        std::fs::write(&bad, "[[branhc]]\nbranch = 700\n").unwrap();
        let stop = load_tables(&[good, bad], None).unwrap_err();
        assert_eq!(stop.text(), "there is no table `branhc`");
        let mut out = Vec::new();
        stop.write(&Screen::PLAIN, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("bad.toml:1:3") && text.contains("did you mean `branch`?"), "{text}");
        let missing = load_tables(&[folder.path().join("none.toml")], None).unwrap_err();
        assert!(missing.text().contains("none.toml cannot be read"), "{}", missing.text());
    }

    #[test]
    fn configured_files_are_relative_to_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cudalint.toml");
        std::fs::write(&path, "data = [\"more.toml\"]\n").unwrap();
        let config = ConfigFile::load(&path, &Limits::default()).unwrap();
        let stop = load_tables(&[], Some(&config)).unwrap_err();
        assert!(stop.text().contains("more.toml cannot be read"), "{}", stop.text());
        std::fs::write(folder.path().join("more.toml"), "").unwrap();
        assert_eq!(load_tables(&[], Some(&config)).unwrap().extended_by().len(), 1);
    }

    #[test]
    fn both_formats_tell_age_and_content() {
        let today = "2027-11-25".parse().unwrap();
        let mut out = Vec::new();
        let args = DataArgs { format: PlainFormat::Human };
        assert_eq!(run(&args, Tables::builtin(), today, &Screen::PLAIN, &mut out).unwrap(), 0);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("days ago") && text.contains("They are old") && text.contains("branch"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let mut out = Vec::new();
        let args = DataArgs { format: PlainFormat::Json };
        run(&args, Tables::builtin(), today, &Screen::PLAIN, &mut out).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["schema"], "cudalint/1");
        assert!(json["age_days"].as_i64().unwrap() > 300);
        assert!(json["sources"].as_array().unwrap().len() > 20);
    }
}
