//! Compares the ELF reader with measured facts of public NVIDIA libraries.
//!
//! The libraries may not be shipped, so this runs where they were downloaded: `CUDALINT_CUDA_SAMPLES` names a folder of
//! `PACKAGE-VERSION-PLATFORM/PATH` files, `CUDALINT_ELF_TRUTH` the JSON file of facts. Without both it does nothing.
//! Every file of the facts that lies in the folder is compared.
#![allow(clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::PathBuf;

use cudalint::elf::{
    CodeKind, Compression, CudartKind, FileKind, Problem, ScannedFile, Scanner, SectionClass, SmSuffix,
    prefilter,
};
use cudalint::limits::Limits;
use serde_json::Value;

/// kind, SM with suffix, PTX ISA, compressed → count.
type Listing = BTreeMap<(String, String, Option<String>, bool), u64>;

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn listing(value: &Value) -> Listing {
    let mut out = Listing::new();
    // A list of rows, or such a list for each section.
    let by_section = value.as_object().into_iter().flat_map(|sections| sections.values());
    for row in by_section.chain([value]).filter_map(Value::as_array).flatten() {
        let text = |key: &str| row[key].as_str().map(str::to_owned);
        let key = (
            text("kind").unwrap_or_default(),
            text("sm").unwrap_or_default(),
            text("ptx_isa"),
            row["compressed"].as_bool().unwrap_or_default(),
        );
        *out.entry(key).or_default() += row["count"].as_u64().unwrap_or_default();
    }
    out
}

/// What cuobjdump would list: it shows neither link-time IR nor, in releases before 13, Zstandard and target suffixes.
fn ours(file: &ScannedFile, sections: &[SectionClass], old_tool: bool) -> Listing {
    let mut out = Listing::new();
    for entry in file.device_code.entries.iter().filter(|entry| sections.contains(&entry.section)) {
        let kind = match entry.kind {
            CodeKind::Sass => "elf",
            CodeKind::Ptx => "ptx",
            // The tool lists none, but the facts on other sections do, which it does not look into.
            CodeKind::Nvvm if sections == [SectionClass::Other] => "nvvm",
            _ => continue,
        };
        let compressed = match entry.compression {
            Compression::None => false,
            Compression::Zstd => !old_tool,
            Compression::Lz4 | Compression::Other => true,
        };
        let mut target = entry.target;
        if old_tool && target.number >= 100 {
            target.suffix = SmSuffix::None;
        }
        let key = (kind.to_owned(), target.to_string(), entry.ptx_isa.map(|isa| isa.to_string()), compressed);
        *out.entry(key).or_default() += entry.count;
    }
    out
}

fn fatbin_agrees(file: &ScannedFile, truth: &Value) -> Result<(), String> {
    use SectionClass::{File, NvFatbin, Other, RelFatbin, Unknown};
    if truth.is_null() {
        let found = ours(file, &[File, NvFatbin, Other, RelFatbin, Unknown], false);
        return if found.is_empty() { Ok(()) } else { Err(format!("no fatbin expected, found {found:?}")) };
    }
    let old_tool = truth["tool"].as_str().is_some_and(|tool| tool.contains(" 12."));
    let linked = ours(file, &[NvFatbin], old_tool);
    let all = ours(file, &[NvFatbin, RelFatbin], old_tool);
    let expected = listing(&truth["default"]);
    // Without .nv_fatbin the default listing shows relocatable code.
    let got = if linked.is_empty() { &all } else { &linked };
    if *got != expected && all != expected {
        return Err(format!("default listing: got {got:?}, expected {expected:?}"));
    }
    if !truth["all"].is_null() && all != listing(&truth["all"]) {
        return Err(format!("-all listing: got {all:?}, expected {:?}", listing(&truth["all"])));
    }
    if !truth["elsewhere_by_reader"].is_null() {
        let other = ours(file, &[Other], old_tool);
        let expected = listing(&truth["elsewhere_by_reader"]);
        if other != expected {
            return Err(format!("elsewhere: got {other:?}, expected {expected:?}"));
        }
    }
    Ok(())
}

fn differences(file: &ScannedFile, truth: &Value) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    let mut check = |what: &'static str, got: String, expected: String| {
        if got != expected {
            out.push((what, format!("got {got}, expected {expected}")));
        }
    };
    let show = |value: &Option<String>| format!("{value:?}");
    let text = |key: &str| show(&truth[key].as_str().map(str::to_owned));

    let kind = if truth["format"] == "ar" { FileKind::Archive } else { FileKind::Elf };
    check("format", format!("{:?}", file.kind), format!("{kind:?}"));
    check("size", file.size.to_string(), truth["size"].to_string());
    check("problems", format!("{:?}", file.problems), "[]".to_owned());
    let cudart = file.cudart.as_ref();
    if file.kind == FileKind::Elf {
        check(
            "cudart",
            show(&cudart.and_then(|c| c.version()).map(|(v, _)| v.to_string())),
            text("cudart_version"),
        );
        let is_static = cudart.is_some_and(|cudart| cudart.kind == CudartKind::Static);
        check("static", is_static.to_string(), truth["static_cudart"].to_string());
    }
    if let Some(cudart) = cudart {
        check("disagreements", format!("{:?}", cudart.disagreements()), "[]".to_owned());
        if let (Some((patch, _)), Some(label)) = (cudart.patch(), truth["cudart_package_version"].as_str()) {
            check("patch", patch.to_string(), label.to_owned());
        }
    }
    if let Some(elf) = &file.elf {
        check("machine", elf.machine.to_string(), truth["machine"].as_str().unwrap_or_default().to_owned());
        check("soname", show(&elf.soname), text("soname"));
        check("rpath", show(&elf.rpath), text("rpath"));
        check("runpath", show(&elf.runpath), text("runpath"));
        // The tool behind the facts refuses notes that patchelf misaligned.
        if !truth["build_id"].is_null() {
            check("build_id", show(&elf.build_id), text("build_id"));
        }
        check("needed", format!("{:?}", elf.needed), format!("{:?}", strings(&truth["needed"])));
        let defined: Vec<_> =
            elf.version_definitions.iter().map(|definition| definition.name.clone()).collect();
        let expected = strings(&truth["verdef"]);
        // The base entry and one child may carry the same text; only the set matters.
        check(
            "verdef",
            format!("{:?}", defined.iter().collect::<BTreeSet<_>>()),
            format!("{:?}", expected.iter().collect::<BTreeSet<_>>()),
        );
        for (from, versions) in truth["verneed_cuda"].as_object().into_iter().flatten() {
            let got = elf.version_needs.iter().find(|need| need.file == *from).map(|need| {
                let mut versions = need.versions.clone();
                versions.sort_unstable();
                versions
            });
            let mut expected = strings(versions);
            expected.sort_unstable();
            check("verneed", format!("{got:?}"), format!("{:?}", Some(expected)));
        }
        check("stub", file.stub.to_string(), truth["is_stub"].to_string());
        let driver = file.driver.as_ref().and_then(|driver| driver.version.as_ref());
        if driver.is_some() && !file.stub {
            check("driver", show(&driver.map(|(version, _)| version.to_string())), text("driver_version"));
        }
    }
    if let Err(message) = fatbin_agrees(file, &truth["fatbin"]) {
        out.push(("fatbin", message));
    }
    out
}

#[test]
fn agrees_with_measured_files() {
    let (Some(folder), Some(truth)) =
        (std::env::var_os("CUDALINT_CUDA_SAMPLES"), std::env::var_os("CUDALINT_ELF_TRUTH"))
    else {
        eprintln!("skipped: CUDALINT_CUDA_SAMPLES and CUDALINT_ELF_TRUTH are not set");
        return;
    };
    let truth: Value = serde_json::from_reader(File::open(truth).expect("the facts")).expect("JSON");
    let limits = Limits::default();
    let raised = Limits { elf_kept_bytes: 512 << 20, ..Limits::default() };
    let scanner = Scanner::new(&limits);
    let mut too_large = Vec::new();
    let (mut files, mut bytes, mut peak) = (0_usize, 0, 0);
    let mut known_drivers = BTreeMap::<String, u32>::new();
    let mut failures = BTreeMap::<&str, Vec<String>>::new();
    for row in truth["files"].as_array().expect("files") {
        let get = &row["get"];
        let word = |key: &str| get[key].as_str();
        let platform = word("platform").or_else(|| word("arch")).unwrap_or_default();
        let package = format!(
            "{}-{}-{platform}",
            word("package").unwrap_or_default(),
            word("version").unwrap_or_default()
        );
        let path = row["path"].as_str().expect("a path");
        let on_disk = PathBuf::from(&folder).join(&package).join(path);
        let Ok(mut reader) = File::open(&on_disk) else { continue };
        let name = path.rsplit('/').next().unwrap_or(path);
        let mut first = [0; 8];
        reader.read_exact(&mut first).expect("a file of some bytes");
        if !prefilter(&first, row["size"].as_u64().unwrap_or_default(), name) {
            failures.entry("prefilter").or_default().push(path.to_owned());
        }
        reader.rewind().expect("a file");
        let size = row["size"].as_u64().unwrap_or_default();
        let mut file = scanner.scan(&reader, size, name);
        peak = peak.max(file.peak_kept_bytes);
        if file.problems.iter().any(|problem| matches!(problem, Problem::Limit { .. })) {
            // The limit's message says to raise it; that must help.
            too_large.push(path);
            reader.rewind().expect("a file");
            file = Scanner::new(&raised).scan(&reader, size, name);
        }
        files += 1;
        bytes += file.size;
        if let Some((_, source)) = file.driver.as_ref().and_then(|driver| driver.version.as_ref()) {
            *known_drivers.entry(format!("{source:?}")).or_default() += 1;
        }
        for (what, message) in differences(&file, row) {
            failures.entry(what).or_default().push(format!("{package}/{path}: {message}"));
        }
    }
    println!(
        "{files} files, {bytes} bytes, at most {peak} bytes kept, driver versions known from {known_drivers:?}"
    );
    for (what, messages) in &failures {
        println!("{what}: {} differ", messages.len());
        for message in messages.iter().take(40) {
            println!("   {message}");
        }
    }
    assert!(files > 0, "no file of the facts lies in the folder");
    println!("beyond the default limit: {too_large:?}");
    assert!(too_large.len() * 50 <= files, "{} of {files} files need a raised limit", too_large.len());
    assert!(failures.is_empty(), "{} kinds of facts differ", failures.len());
}
