//! `cudalint inspect`: facts of one input, for people and as JSON.

use std::io::Write;

use super::args::{CheckArgs, GlobalArgs, InspectArgs, PlainFormat};
use super::check;
use super::output::{Paint, Screen, Stop, write_json};
use crate::engine::{Inspection, inspect};

/// Runs the command; exit status 0, or 4 when part of the input could not be read.
pub(super) fn run(
    args: &InspectArgs,
    global: &GlobalArgs,
    screen: &Screen,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Stop> {
    let checked = CheckArgs { build: args.build.clone(), image: args.image.clone(), ..CheckArgs::default() };
    let options = check::options(&checked, global, None, err)?;
    let input = check::one_input(&args.input)?;
    let inspection = match inspect(&input, &options) {
        Ok(inspection) => inspection,
        Err(problem) => return check::unreadable(&problem, screen, err),
    };
    match args.format {
        PlainFormat::Json => write_json(&inspection, out)?,
        PlainFormat::Human => human(&inspection, screen, out)?,
    }
    Ok(if inspection.complete { 0 } else { 4 })
}

fn human(inspection: &Inspection, screen: &Screen, out: &mut dyn Write) -> Result<(), Stop> {
    let title = |text: &str| Paint::Bold.on(text, screen);
    let layer = |layer: Option<usize>| layer.map(|layer| format!(" (layer {layer})")).unwrap_or_default();
    writeln!(out, "{}", title(&crate::report::visible(&inspection.input)))?;
    for problem in &inspection.problems {
        writeln!(out, "  {} {}", Paint::Caution.on("incomplete:", screen), crate::report::visible(problem))?;
    }
    section(out, &title("CUDA in use"), &inspection.cuda, |used| {
        let version =
            if used.major_only { format!("{}.x", used.version.major) } else { used.version.to_string() };
        format!("{version}  {}", used.what)
    })?;
    section(out, &title("CUDA runtimes"), &inspection.cuda_runtimes, |file| {
        let version = file
            .build
            .clone()
            .or_else(|| file.version.map(|version| version.to_string()))
            .unwrap_or_else(|| "unknown".to_owned());
        format!(
            "{version}  {}, {}{} by {}",
            file.path,
            file.linkage,
            layer(file.layer),
            file.version_from.join(", ")
        )
    })?;
    section(out, &title("Driver libraries"), &inspection.driver_libraries, |file| {
        let version = file.version.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string);
        format!(
            "{version}  {}, {}{}",
            file.path,
            format!("{:?}", file.kind).to_lowercase(),
            layer(file.layer)
        )
    })?;
    section(out, &title("GPU code"), &inspection.device_code, |code| {
        let mut words: Vec<String> = code.sass.iter().map(|target| target.sm_name()).collect();
        words.extend(code.ptx.iter().map(|ptx| {
            let isa = ptx.isa.map(|isa| format!(" (ISA {isa})")).unwrap_or_default();
            format!("{}{isa}", ptx.target.compute_name())
        }));
        format!("{}{}: {}", code.path, layer(code.layer), words.join(" "))
    })?;
    section(out, &title("Python"), &inspection.python_cuda, |wheel| {
        let version = wheel.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        let cuda = wheel.cuda.map(|cuda| format!(", CUDA {cuda}")).unwrap_or_default();
        format!("{}{version}{cuda}", wheel.name)
    })?;
    section(out, &title("Packages"), &inspection.packages, |package| {
        let version = package.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        format!("{}{version}", package.name)
    })?;
    let env: Vec<(&String, &Option<String>)> = inspection.env.iter().collect();
    section(out, &title("Environment"), &env, |(name, value)| {
        format!("{name}={}", value.as_deref().unwrap_or("(unknown)"))
    })?;
    let least = inspection.least_driver.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    writeln!(out, "\n{} {least}", title("Least driver"))?;
    Ok(())
}

fn section<T>(out: &mut dyn Write, title: &str, rows: &[T], line: impl Fn(&T) -> String) -> Result<(), Stop> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    for row in rows {
        writeln!(out, "  {}", crate::report::visible(&line(row)))?;
    }
    Ok(())
}
