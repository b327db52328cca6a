//! `cudalint matrix INPUT`: the facts of an input as the question that the matrix answers.

use std::io::Write;

use super::args::{CheckArgs, GlobalArgs, MatrixArgs, PlainFormat};
use super::check;
use super::compat::Program;
use super::data::today;
use super::matrix::{MatrixInput, matrix};
use super::matrix_drawn::write_matrix;
use super::output::{Paint, Screen, Stop, write_json};
use super::target::load_config;
use crate::compat::require::{HookOptions, read_environment};
use crate::compat::{CompatLibrary, DeviceCode, Ptx, Tables};
use crate::engine::{Inspection, inspect};
use crate::facts::DriverLibraryKind;
use crate::report::visible;

/// Runs the command; exit status 0, or 4 when part of the input could not be read.
pub(super) fn run(
    args: &MatrixArgs,
    global: &GlobalArgs,
    screen: &Screen,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Stop> {
    let checked = CheckArgs {
        target: args.target.clone(),
        build: args.build.clone(),
        image: args.image.clone(),
        config: args.config.clone(),
        ..CheckArgs::default()
    };
    let config = load_config(&args.config)?;
    let options = check::options(&checked, global, config.as_ref(), err)?;
    let input = check::one_input(&args.input)?;
    let inspection = match inspect(&input, &options) {
        Ok(inspection) => inspection,
        Err(problem) => return check::unreadable(&problem, screen, err),
    };
    let question = question(&inspection, &options.tables);
    let grid = matrix(&question, &options.target, &options.tables, today());
    match args.format {
        PlainFormat::Json => write_json(&grid, out)?,
        PlainFormat::Human => {
            let cuda = question
                .program
                .cuda
                .map_or_else(|| "no CUDA version known".to_owned(), |cuda| format!("CUDA {cuda}"));
            writeln!(out, "{}", Paint::Bold.on(&format!("{}: {cuda}", visible(&inspection.input)), screen))?;
            for problem in &inspection.problems {
                writeln!(out, "{} {}", Paint::Caution.on("incomplete:", screen), visible(problem))?;
            }
            writeln!(out)?;
            write_matrix(&grid, args.reasons, screen, out)?;
        }
    }
    Ok(if inspection.complete { 0 } else { 4 })
}

/// What is asked: the greatest CUDA version in use (what runs it runs the older ones), the device code file by file, the
/// compat library, and the requirements that the hook would pass on.
fn question(inspection: &Inspection, tables: &Tables) -> MatrixInput {
    let mut codes: Vec<(String, DeviceCode)> = Vec::new();
    for file in &inspection.device_code {
        let ptx = file.ptx.iter().map(|ptx| Ptx { target: ptx.target, isa: ptx.isa }).collect();
        let code = DeviceCode { sass: file.sass.clone(), ptx };
        if !code.is_empty() && !codes.iter().any(|(_, other)| *other == code) {
            codes.push((file.path.clone(), code));
        }
    }
    let cuda = inspection.cuda.iter().map(|used| used.version).max();
    MatrixInput {
        program: Program { cuda, code: None, compat: compat_library(inspection) },
        codes,
        requirements: requirements(inspection, tables),
    }
}

/// The compat library: a file of the image, else a package by its name.
fn compat_library(inspection: &Inspection) -> Option<CompatLibrary> {
    let file = inspection
        .driver_libraries
        .iter()
        .find(|file| file.kind == DriverLibraryKind::Compat && file.version.is_some());
    if let Some(file) = file {
        return Some(CompatLibrary { libcuda: file.version.clone(), ..CompatLibrary::default() });
    }
    let packages = inspection.packages.iter().filter(|package| package.name.starts_with("cuda-compat-"));
    packages.filter_map(|package| package.name.parse().ok()).max().map(CompatLibrary::package)
}

/// The requirements that the hook passes on when the container is started with all GPUs.
fn requirements(inspection: &Inspection, tables: &Tables) -> Vec<String> {
    let mut pairs: Vec<(&str, &str)> =
        inspection.env.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?))).collect();
    // `docker run --gpus all` and device plugins set it whatever the image says.
    pairs.push(("NVIDIA_VISIBLE_DEVICES", "all"));
    let reading = read_environment(&pairs, &HookOptions::default(), tables);
    reading.devices().map(|devices| devices.requirements.clone()).unwrap_or_default()
}
