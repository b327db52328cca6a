//! Driver specifications, GPU lists, image tags and data files: anything must come back, sets are never empty nor unsorted.
#![no_main]

use cudalint::compat::image::cuda_tag;
use cudalint::compat::nodes::parse_nodes;
use cudalint::compat::{DriverSpec, GpuList, Tables};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let tables = Tables::builtin();
    match DriverSpec::parse(text, tables) {
        Ok(DriverSpec::Drivers(set)) => {
            let versions: Vec<_> = set.points().iter().map(|point| &point.version).collect();
            assert!(!versions.is_empty());
            assert!(versions.is_sorted_by(|a, b| a < b));
        }
        Ok(_) => {}
        Err(error) => {
            let _ = error.to_string();
        }
    }
    let _ = GpuList::parse(text, tables).map_err(|error| error.to_string());
    let _ = cuda_tag(text, tables);
    let _ = parse_nodes(text, tables).map_err(|error| error.to_string());
    if let Err(errors) = tables.with_extension(text, "fuzz") {
        assert!(!errors.0.is_empty());
    }
});
