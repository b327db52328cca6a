//! The image that ships with the repository is what our own code makes, and a scan of it says what the README shows.

mod support;

use std::path::{Path, PathBuf};

use cudalint::compat::{DriverSpec, HostProfile, Pool, Tables, Target};
use cudalint::diagnostics::{Location, Severity};
use support::image::oci::layout_files;
use support::image::{check_layout, shipped};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/images/leaked-driver")
}

fn read_all(folder: &Path, prefix: &str, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            read_all(&path, &format!("{name}/"), out);
        } else {
            out.push((name, std::fs::read(path).unwrap()));
        }
    }
}

/// `UPDATE_FIXTURES=1` writes the image anew.
#[test]
fn the_committed_image_is_the_generated_one() {
    let image = shipped();
    let mut wanted = layout_files(&[(&image, Some("latest"))]);
    wanted.sort();
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        if folder().exists() {
            std::fs::remove_dir_all(folder()).unwrap();
        }
        for (name, bytes) in &wanted {
            let path = folder().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
    let mut found = Vec::new();
    read_all(&folder(), "", &mut found);
    found.sort();
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found), names(&wanted));
    assert!(found == wanted, "the committed image differs; UPDATE_FIXTURES=1 writes it anew");
}

#[test]
fn a_scan_names_layer_file_and_instruction() {
    let tables = Tables::builtin();
    let drivers = DriverSpec::parse("525", tables).unwrap().drivers().cloned();
    let pool = Pool { drivers, ..Pool::default() };
    let options = cudalint::engine::Options {
        target: Target::new(vec![pool], HostProfile::Docker, "amd64"),
        ..support::options()
    };
    let outcome = check_layout(&folder(), &options);
    assert!(outcome.complete, "{:?}", outcome.problems);
    let errors: Vec<(&str, String)> = outcome
        .known()
        .map(|reported| &reported.finding)
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| {
            let place = match &finding.location {
                Location::Layer { index, path, created_by, .. } => {
                    format!(
                        "{index} {} <- {}",
                        path.as_deref().unwrap_or(""),
                        created_by.as_deref().unwrap_or("")
                    )
                }
                Location::Config { key, .. } => key.to_string(),
                Location::File(place) => place.file.to_string(),
            };
            (finding.rule.as_str(), place)
        })
        .collect();
    let leaked = "RUN /bin/sh -c ./install-monitoring.sh # buildkit";
    let folder = "/usr/lib/x86_64-linux-gnu";
    assert!(
        errors.contains(&("CU304", format!("2 {folder}/libnvidia-ml.so.535.104.05 <- {leaked}"))),
        "{errors:?}"
    );
    assert!(errors.contains(&("CU304", format!("2 {folder}/libcuda.so.1 <- {leaked}"))), "{errors:?}");
    assert!(errors.contains(&("CU802", "Env.NVIDIA_REQUIRE_CUDA".to_owned())), "{errors:?}");
}
