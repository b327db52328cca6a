//! What the library has to say besides its answers, on standard error: warnings, and with `-v` more. Words of the crates
//! below are left out.

use std::io::Write;

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::args::GlobalArgs;
use crate::report::visible;

struct StandardError;

static LOGGER: StandardError = StandardError;

impl Log for StandardError {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("cudalint") && metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            // Where standard error is gone, nobody is left to be told.
            drop(writeln!(std::io::stderr(), "{}", line(record.level(), &record.args().to_string())));
        }
    }

    fn flush(&self) {}
}

fn line(level: Level, message: &str) -> String {
    let word = match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "note",
        Level::Debug | Level::Trace => "debug",
    };
    format!("{word}: {}", visible(message))
}

/// How much is said: errors with `-q`, warnings, notes with `-v`, everything with `-vv`.
fn level(quiet: bool, verbose: u8) -> LevelFilter {
    match (quiet, verbose) {
        (true, _) => LevelFilter::Error,
        (false, 0) => LevelFilter::Warn,
        (false, 1) => LevelFilter::Info,
        (false, _) => LevelFilter::Debug,
    }
}

/// Lets the library speak for the rest of this process.
pub(super) fn install(global: &GlobalArgs) {
    // Whoever uses the library with a logger of their own keeps it.
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(level(global.quiet, global.verbose));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_levels() {
        assert_eq!(line(Level::Warn, "a\u{1b}b"), "warning: a␛b");
        assert_eq!(line(Level::Info, "a"), "note: a");
        assert_eq!(level(true, 2), LevelFilter::Error);
        assert_eq!(level(false, 0), LevelFilter::Warn);
        assert_eq!(level(false, 1), LevelFilter::Info);
    }

    #[test]
    fn only_our_own_words_are_said() {
        let metadata = |target| Metadata::builder().target(target).level(Level::Error).build();
        log::set_max_level(LevelFilter::Error);
        assert!(LOGGER.enabled(&metadata("cudalint::engine")));
        assert!(!LOGGER.enabled(&metadata("rustls::conn")));
    }
}
