//! A rule's page for the terminal: Markdown as the pages use it, wrapped; examples with the flags that they are run with.

use std::io::{self, Write};

use super::output::{Paint, Screen, write_wrapped};
use super::rules::{extras, severity_paint, severity_word};
use crate::report::{visible, wrap};
use crate::rules::Page;

/// Writes a page.
pub(super) fn write_page(page: &Page, screen: &Screen, out: &mut dyn Write) -> io::Result<()> {
    let title = format!("{} {}", page.id, page.name);
    write!(out, "{}", Paint::Bold.on(&title, screen))?;
    let severity = severity_paint(page).on(severity_word(page), screen);
    let mut rest = vec![format!("group {}", page.group), format!("since {}", page.since)];
    let extras = extras(page);
    if !extras.is_empty() {
        rest.insert(0, extras);
    }
    writeln!(out, " [{severity}]\n{}", Paint::Dim.on(&rest.join(", "), screen))?;
    write_wrapped(("", 0), 0, &page.summary, screen, out)?;
    Body { screen, out, paragraph: String::new(), indent: 0 }.write(&page.body, &page.name)
}

struct Body<'a> {
    screen: &'a Screen,
    out: &'a mut dyn Write,
    paragraph: String,
    /// Blanks before the lines below the first of the paragraph.
    indent: usize,
}

impl Body<'_> {
    fn write(mut self, body: &str, name: &str) -> io::Result<()> {
        let mut lines = body.lines();
        while let Some(line) = lines.next() {
            let trimmed = line.trim();
            if let Some(info) = trimmed.strip_prefix("```") {
                self.flush()?;
                self.caption(info)?;
                for code in lines.by_ref().take_while(|line| line.trim() != "```") {
                    writeln!(self.out, "    {}", Paint::Info.on(&visible(code), self.screen))?;
                }
            } else if let Some(title) = heading(trimmed) {
                self.flush()?;
                // The page repeats its name as the first heading.
                if title != name {
                    writeln!(self.out, "\n{}", Paint::Bold.on(&visible(title), self.screen))?;
                }
            } else if trimmed.is_empty() {
                self.flush()?;
            } else if let Some(item) = trimmed.strip_prefix("- ").or_else(|| trimmed.strip_prefix("* ")) {
                self.flush()?;
                self.indent = 4;
                self.paragraph.push_str(item);
            } else if trimmed.starts_with('|') {
                self.flush()?;
                if !trimmed.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ')) {
                    let cells: Vec<&str> = trimmed.trim_matches('|').split('|').map(str::trim).collect();
                    self.paragraph.push_str(&cells.join("  "));
                    self.indent = 4;
                    self.flush()?;
                }
            } else {
                if !self.paragraph.is_empty() {
                    self.paragraph.push(' ');
                }
                self.paragraph.push_str(trimmed);
            }
        }
        self.flush()
    }

    /// The flags that a block is checked with.
    fn caption(&mut self, info: &str) -> io::Result<()> {
        let flags = info.split_whitespace().skip(1).filter_map(|word| {
            let (name, value) = word.split_once('=')?;
            matches!(name, "driver" | "gpu" | "host" | "platform" | "target")
                .then(|| format!("--{name} {value}"))
        });
        let flags: Vec<String> = flags.collect();
        if flags.is_empty() {
            return writeln!(self.out);
        }
        let text = format!("  with {}", flags.join(" "));
        writeln!(self.out, "\n{}", Paint::Dim.on(&visible(&text), self.screen))
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.paragraph.is_empty() {
            return Ok(());
        }
        let text = inline(&std::mem::take(&mut self.paragraph));
        let is_item = std::mem::take(&mut self.indent) > 0;
        let (first, rest) = if is_item { ("  - ", 4) } else { ("  ", 2) };
        let text = visible(&text).into_owned();
        for (at, line) in wrap(&text, self.screen.width.saturating_sub(rest).max(20)).iter().enumerate() {
            match at {
                0 => writeln!(self.out, "{first}{line}")?,
                _ => writeln!(self.out, "{:rest$}{line}", "")?,
            }
        }
        Ok(())
    }
}

fn heading(line: &str) -> Option<&str> {
    let title = line.trim_start_matches('#');
    (title.len() < line.len()).then(|| title.strip_prefix(' ')).flatten()
}

/// Bold marks and the angle brackets of addresses left out; code keeps its backticks, since they tell where it ends.
fn inline(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for (at, part) in text.split('`').enumerate() {
        if at > 0 {
            result.push('`');
        }
        if at % 2 == 1 {
            result.push_str(part);
        } else {
            result.push_str(&addresses(&part.replace("**", "")));
        }
    }
    result
}

/// `<https://…>` without its brackets.
fn addresses(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for (at, part) in text.split("<http").enumerate() {
        match (at, part.split_once('>')) {
            (0, _) => result.push_str(part),
            (_, Some((address, after))) => result.extend(["http", address, after]),
            (_, None) => result.extend(["<http", part]),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{find_page, pages};

    fn shown(page: &Page, screen: &Screen) -> String {
        let mut out = Vec::new();
        write_page(page, screen, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_page_reads_well() {
        let text = shown(find_page("CU801").unwrap(), &Screen::PLAIN);
        assert!(
            text.starts_with(
                "CU801 driver-too-old [error]\n--driver --gpu --unsafe-fixes, group target, since "
            ),
            "{text}"
        );
        assert!(text.contains("\nWhy\n"), "{text}");
        assert!(
            text.contains(
                "\n  with --driver 470 --gpu rtx3090\n    FROM nvidia/cuda:13.0.2-runtime-ubuntu22.04\n"
            ),
            "{text}"
        );
        assert!(!text.contains("```") && !text.contains("expect="), "{text}");
    }

    #[test]
    fn every_page_fits_but_for_examples_and_addresses() {
        for page in pages() {
            for line in shown(page, &Screen::PLAIN).lines() {
                let long_word = line.split_whitespace().any(|word| word.chars().count() > 60);
                assert!(
                    line.starts_with("    ") || long_word || line.chars().count() <= 80,
                    "{}: {line}",
                    page.id
                );
            }
        }
    }

    #[test]
    fn colours_are_for_screens_that_have_them() {
        let page = find_page("CU801").unwrap();
        assert!(!shown(page, &Screen::PLAIN).contains('\u{1b}'));
        assert!(shown(page, &Screen { color: true, ..Screen::PLAIN }).contains("\u{1b}[1;31merror"));
    }

    #[test]
    fn marks_are_left_out() {
        assert_eq!(
            inline("**Note** >= `a **b** <c>` <https://x.y>, b > c"),
            "Note >= `a **b** <c>` https://x.y, b > c"
        );
        assert_eq!((heading("## Why"), heading("#hash"), heading("x")), (Some("Why"), None, None));
    }
}
