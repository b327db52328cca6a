//! Images for tests: described in TOML as rule pages do, and the image that ships with the repository.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::Path;

use cudalint::diagnostics::InputOutcome;
use cudalint::engine::{Input, Options, check};
use cudalint::image::ImageSource;

#[path = "elf.rs"]
pub mod elf;
#[path = "oci.rs"]
pub mod oci;

use elf::Code;
use oci::{BuiltImage, ImageBuilder, LayerBuilder, Packing, write_layout};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    #[serde(default)]
    env: Vec<String>,
    layer: Vec<Layer>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Layer {
    created_by: String,
    #[serde(default)]
    file: Vec<File>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: String,
    kind: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    cuda: String,
    #[serde(default)]
    drivers: Vec<u32>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    sass: Vec<String>,
    #[serde(default)]
    ptx: Vec<(String, String)>,
}

fn content(file: &File) -> Vec<u8> {
    match file.kind.as_str() {
        "libcuda" => elf::libcuda(&file.version).build(),
        "libnvidia-ml" => elf::libnvidia_ml(&file.version).build(),
        "libcuda-stub" => elf::libcuda_stub().build(),
        "cudart" => elf::cudart(&file.version).build(),
        "compat" => elf::compat_libcuda(&file.version, &file.cuda, &file.drivers).build(),
        "program" => {
            let codes: Vec<Code> = file
                .sass
                .iter()
                .map(|target| Code::sass(target))
                .chain(file.ptx.iter().map(|(target, isa)| Code::ptx(target, isa)))
                .collect();
            elf::consumer("12").fatbin(&codes).build()
        }
        "empty" => Vec::new(),
        "text" => file.text.clone().into_bytes(),
        other => panic!("`{other}` is no kind of file"),
    }
}

/// Checks an image that is described in TOML.
pub fn check_image_block(text: &str, options: &Options) -> InputOutcome {
    let description: Description = toml::from_str(text).unwrap();
    let mut image = ImageBuilder::new();
    for layer in &description.layer {
        let mut tar = LayerBuilder::new();
        for file in &layer.file {
            let path = file.path.trim_start_matches('/');
            tar = if file.kind == "link" {
                tar.symlink(path, &file.target)
            } else {
                tar.file(path, &content(file))
            };
        }
        image = image.layer(tar.build(), Packing::Plain, &layer.created_by);
    }
    for pair in &description.env {
        let (name, value) = pair.split_once('=').unwrap();
        image = image.env(name, value);
    }
    check_built(&image.build(), options)
}

/// Checks an image from a layout in a temporary folder.
pub fn check_built(image: &BuiltImage, options: &Options) -> InputOutcome {
    let folder = tempfile::tempdir().unwrap();
    write_layout(folder.path(), &[(image, Some("latest"))]);
    check_layout(folder.path(), options)
}

/// Checks the image of a layout.
pub fn check_layout(folder: &Path, options: &Options) -> InputOutcome {
    let given = format!("oci:{}", folder.display());
    let input = Input::Image { source: ImageSource::parse(&given).unwrap(), given: "image".to_owned() };
    check(&[input], options).inputs.pop().unwrap()
}

/// The image that ships with the repository: a service on CUDA 12.8 that was built on a host whose driver leaked in.
pub fn shipped() -> BuiltImage {
    let requirement = "cuda>=12.8 brand=unknown,driver>=535,driver<536 brand=tesla,driver>=535,driver<536 \
                       brand=unknown,driver>=550,driver<551 brand=tesla,driver>=550,driver<551";
    let system = LayerBuilder::new()
        .file("etc/os-release", b"ID=ubuntu\nVERSION_ID=\"22.04\"\nNAME=\"Ubuntu\"\n")
        .file("lib64/ld-linux-x86-64.so.2", b"")
        .file("etc/ld.so.conf.d/cuda.conf", b"/usr/local/cuda/lib64\n")
        .build();
    let runtime = LayerBuilder::new()
        .file("usr/local/cuda-12.8/lib64/libcudart.so.12.8.90", &elf::cudart("12.8").build())
        .symlink("usr/local/cuda-12.8/lib64/libcudart.so.12", "libcudart.so.12.8.90")
        .symlink("usr/local/cuda", "cuda-12.8")
        .build();
    let leaked = LayerBuilder::new()
        .file("usr/lib/x86_64-linux-gnu/libnvidia-ml.so.535.104.05", &elf::libnvidia_ml("535.104.05").build())
        .symlink("usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1", "libnvidia-ml.so.535.104.05")
        .file("usr/lib/x86_64-linux-gnu/libcuda.so.1", b"")
        .build();
    let service = elf::consumer("12").fatbin(&[Code::sass("80"), Code::sass("86"), Code::ptx("86", "8.7")]);
    let application = LayerBuilder::new().file("opt/service/bin/service", &service.build()).build();
    ImageBuilder::new()
        .layer(system, Packing::Plain, "ADD rootfs.tar.gz / # buildkit")
        .env("CUDA_VERSION", "12.8.1")
        .env("NVIDIA_REQUIRE_CUDA", requirement)
        .env("NVIDIA_VISIBLE_DEVICES", "all")
        .env("NVIDIA_DRIVER_CAPABILITIES", "compute,utility")
        .env("LD_LIBRARY_PATH", "/usr/local/cuda/lib64")
        .layer(runtime, Packing::Plain, "RUN /bin/sh -c apt-get install -y cuda-cudart-12-8 # buildkit")
        .layer(leaked, Packing::Plain, "RUN /bin/sh -c ./install-monitoring.sh # buildkit")
        .layer(application, Packing::Plain, "COPY service /opt/service/bin/service # buildkit")
        .set("Entrypoint", serde_json::json!(["/opt/service/bin/service"]))
        .build()
}
