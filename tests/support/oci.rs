//! Container images made by code: layers, OCI layouts and archives, and what `docker save` writes.
//!
//! Everything is deterministic (fixed times, owners and order), so the same calls give the same digests.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use cudalint::image::Digest;
use serde_json::{Value, json};

/// How a layer is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// Compresses `tar`.
pub fn pack(tar: &[u8], packing: Packing) -> Vec<u8> {
    match packing {
        Packing::Plain => tar.to_vec(),
        Packing::Gzip => gzip(tar),
        Packing::Zstd => zstd::encode_all(tar, 3).expect("zstd"),
    }
}

/// One gzip member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("gzip");
    encoder.finish().expect("gzip")
}

/// The tar stream of a layer, entry by entry.
pub struct LayerBuilder {
    tar: tar::Builder<Vec<u8>>,
}

impl Default for LayerBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl LayerBuilder {
    pub fn new() -> Self {
        Self { tar: tar::Builder::new(Vec::new()) }
    }

    pub fn header(kind: tar::EntryType, size: u64, mode: u32) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_712_000_000);
        header
    }

    pub fn file(self, path: &str, content: &[u8]) -> Self {
        self.file_with_mode(path, content, 0o644)
    }

    pub fn file_with_mode(mut self, path: &str, content: &[u8], mode: u32) -> Self {
        let mut header = Self::header(tar::EntryType::Regular, content.len() as u64, mode);
        self.tar.append_data(&mut header, path, content).expect("tar file");
        self
    }

    pub fn folder(mut self, path: &str) -> Self {
        let mut header = Self::header(tar::EntryType::Directory, 0, 0o755);
        self.tar.append_data(&mut header, path, std::io::empty()).expect("tar folder");
        self
    }

    pub fn symlink(mut self, path: &str, target: &str) -> Self {
        let mut header = Self::header(tar::EntryType::Symlink, 0, 0o777);
        self.tar.append_link(&mut header, path, target).expect("tar link");
        self
    }

    pub fn hardlink(mut self, path: &str, target: &str) -> Self {
        let mut header = Self::header(tar::EntryType::Link, 0, 0o644);
        self.tar.append_link(&mut header, path, target).expect("tar link");
        self
    }

    /// Deletes `path` of the layers below.
    pub fn whiteout(self, path: &str) -> Self {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let slash = if folder.is_empty() { "" } else { "/" };
        self.file(&format!("{folder}{slash}.wh.{name}"), b"")
    }

    /// Hides what the layers below have in `folder`.
    pub fn opaque(self, folder: &str) -> Self {
        self.file(&format!("{folder}/.wh..wh..opq"), b"")
    }

    /// An entry with exactly these bytes as its name (at most 100), whatever they mean.
    pub fn raw(mut self, kind: tar::EntryType, name: &[u8], link: &[u8], content: &[u8]) -> Self {
        let mut header = Self::header(kind, content.len() as u64, 0o644);
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
        header.set_cksum();
        self.tar.append(&header, content).expect("tar entry");
        self
    }

    /// A PAX header for the next entry.
    pub fn pax(mut self, records: &[(&str, &str)]) -> Self {
        let records = records.iter().map(|(key, value)| (*key, value.as_bytes()));
        self.tar.append_pax_extensions(records).expect("pax");
        self
    }

    /// The tar stream with its end.
    pub fn build(self) -> Vec<u8> {
        self.tar.into_inner().expect("tar end")
    }

    /// The tar stream so far, without an end.
    pub fn build_open(mut self) -> Vec<u8> {
        let end = self.tar.get_ref().len();
        self.tar.finish().expect("tar end");
        let mut bytes = self.tar.into_inner().expect("tar end");
        bytes.truncate(end);
        bytes
    }
}

struct LayerSpec {
    tar: Vec<u8>,
    blob: Vec<u8>,
    packing: Packing,
    created_by: String,
}

/// An image before it gets its digests.
pub struct ImageBuilder {
    os: String,
    arch: String,
    variant: Option<String>,
    config: serde_json::Map<String, Value>,
    layers: Vec<LayerSpec>,
    empty_steps: Vec<(usize, String)>,
    docker: bool,
}

impl Default for ImageBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ImageBuilder {
    /// An empty linux/amd64 image in OCI format.
    pub fn new() -> Self {
        Self {
            os: "linux".to_owned(),
            arch: "amd64".to_owned(),
            variant: None,
            config: serde_json::Map::new(),
            layers: Vec::new(),
            empty_steps: Vec::new(),
            docker: false,
        }
    }

    pub fn platform(mut self, os: &str, arch: &str, variant: Option<&str>) -> Self {
        self.os = os.to_owned();
        self.arch = arch.to_owned();
        self.variant = variant.map(str::to_owned);
        self
    }

    /// Docker schema 2 media types instead of OCI's.
    pub fn docker(mut self) -> Self {
        self.docker = true;
        self
    }

    /// Adds a layer.
    pub fn layer(self, tar: Vec<u8>, packing: Packing, created_by: &str) -> Self {
        let blob = pack(&tar, packing);
        self.layer_with_blob(tar, blob, packing, created_by)
    }

    /// Adds a layer whose blob is exactly `blob`; `tar` gives the diffID.
    pub fn layer_with_blob(
        mut self,
        tar: Vec<u8>,
        blob: Vec<u8>,
        packing: Packing,
        created_by: &str,
    ) -> Self {
        self.layers.push(LayerSpec { tar, blob, packing, created_by: created_by.to_owned() });
        self
    }

    /// A history step without a layer.
    pub fn step(mut self, created_by: &str) -> Self {
        self.empty_steps.push((self.layers.len(), created_by.to_owned()));
        self
    }

    /// Sets a key of the run-time config (`Cmd`, `User`, `Labels`, …).
    pub fn set(mut self, key: &str, value: Value) -> Self {
        self.config.insert(key.to_owned(), value);
        self
    }

    /// Adds an environment variable and its history step.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        let entry = self.config.entry("Env").or_insert_with(|| json!([]));
        entry.as_array_mut().expect("Env is a list").push(json!(format!("{name}={value}")));
        self.step(&format!("ENV {name}={value}"))
    }

    pub fn build(self) -> BuiltImage {
        let mut blobs = BTreeMap::new();
        let mut put = |bytes: Vec<u8>| {
            let digest = Digest::sha256(&bytes);
            blobs.insert(digest.to_string(), bytes);
            digest.to_string()
        };
        let mut history = Vec::new();
        let mut steps = self.empty_steps.into_iter().peekable();
        let mut descriptors = Vec::new();
        let mut diff_ids = Vec::new();
        let mut tars = Vec::new();
        for (index, layer) in self.layers.into_iter().enumerate() {
            while let Some((_, step)) = steps.next_if(|(at, _)| *at <= index) {
                history.push(
                    json!({"created": "2024-04-01T19:33:20Z", "created_by": step, "empty_layer": true}),
                );
            }
            history.push(json!({"created": "2024-04-01T19:33:20Z", "created_by": layer.created_by}));
            let diff_id = Digest::sha256(&layer.tar).to_string();
            let size = layer.blob.len();
            descriptors.push(json!({
                "mediaType": layer_media_type(layer.packing, self.docker),
                "digest": put(layer.blob),
                "size": size,
            }));
            tars.push((diff_id.clone(), layer.tar));
            diff_ids.push(diff_id);
        }
        for (_, step) in steps {
            history.push(json!({"created": "2024-04-01T19:33:20Z", "created_by": step, "empty_layer": true}));
        }
        let mut config = json!({
            "created": "2024-04-01T19:33:20Z",
            "architecture": self.arch,
            "os": self.os,
            "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": history,
        });
        if let Some(variant) = &self.variant {
            config["variant"] = json!(variant);
        }
        let config = config.to_string().into_bytes();
        let config_size = config.len();
        let config_digest = put(config.clone());
        let (manifest_type, config_type) = if self.docker {
            (
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.container.image.v1+json",
            )
        } else {
            ("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.config.v1+json")
        };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": {"mediaType": config_type, "digest": config_digest, "size": config_size},
            "layers": descriptors,
        })
        .to_string()
        .into_bytes();
        let digest = put(manifest.clone());
        let mut platform = json!({"os": self.os, "architecture": self.arch});
        if let Some(variant) = &self.variant {
            platform["variant"] = json!(variant);
        }
        BuiltImage { blobs, manifest, digest, media_type: manifest_type.to_owned(), config, platform, tars }
    }
}

fn layer_media_type(packing: Packing, docker: bool) -> &'static str {
    match (packing, docker) {
        (Packing::Gzip, true) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        (_, true) => "application/vnd.docker.image.rootfs.diff.tar",
        (Packing::Plain, false) => "application/vnd.oci.image.layer.v1.tar",
        (Packing::Gzip, false) => "application/vnd.oci.image.layer.v1.tar+gzip",
        (Packing::Zstd, false) => "application/vnd.oci.image.layer.v1.tar+zstd",
    }
}

/// An image with its blobs, manifest and config included.
#[derive(Clone)]
pub struct BuiltImage {
    pub blobs: BTreeMap<String, Vec<u8>>,
    pub manifest: Vec<u8>,
    pub digest: String,
    pub media_type: String,
    pub config: Vec<u8>,
    pub platform: Value,
    /// The inflated layers by diffID, in order.
    pub tars: Vec<(String, Vec<u8>)>,
}

impl BuiltImage {
    /// The descriptor for an index.
    pub fn descriptor(&self, name: Option<&str>) -> Value {
        let mut descriptor = json!({
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.manifest.len(),
            "platform": self.platform,
        });
        if let Some(name) = name {
            descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        }
        descriptor
    }

    /// Digests of the layer blobs, oldest first.
    pub fn layer_digests(&self) -> Vec<String> {
        let manifest: Value = serde_json::from_slice(&self.manifest).expect("own manifest");
        let layers = manifest["layers"].as_array().expect("layers");
        layers.iter().map(|layer| layer["digest"].as_str().expect("digest").to_owned()).collect()
    }

    /// Puts other bytes behind a layer's digest, as a damaged or hostile store would.
    pub fn tamper(&mut self, layer: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let digest = self.layer_digests().swap_remove(layer);
        change(self.blobs.get_mut(&digest).expect("layer blob"));
    }
}

/// An index over `descriptors`.
pub fn index(descriptors: &[Value]) -> Vec<u8> {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": descriptors,
    })
    .to_string()
    .into_bytes()
}

/// The files of an OCI layout that holds `images` under their names.
pub fn layout_files(images: &[(&BuiltImage, Option<&str>)]) -> Vec<(String, Vec<u8>)> {
    let descriptors: Vec<Value> = images.iter().map(|(image, name)| image.descriptor(*name)).collect();
    let mut files = vec![
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json".to_owned(), index(&descriptors)),
    ];
    for (image, _) in images {
        for (digest, bytes) in &image.blobs {
            files.push((format!("blobs/{}", digest.replace(':', "/")), bytes.clone()));
        }
    }
    files
}

/// Writes an OCI layout folder.
pub fn write_layout(folder: &Path, images: &[(&BuiltImage, Option<&str>)]) {
    for (name, bytes) in layout_files(images) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        std::fs::write(path, bytes).expect("file");
    }
}

/// A tar file of `files` in their order.
pub fn tar_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let layer = files.iter().fold(LayerBuilder::new(), |layer, (name, bytes)| layer.file(name, bytes));
    layer.build()
}

/// The files of `docker save` in the old layout (a folder for each layer) or the new one (blobs).
pub fn docker_archive_files(image: &BuiltImage, tags: &[&str], old: bool) -> Vec<(String, Vec<u8>)> {
    let config_hex = Digest::sha256(&image.config).hex().to_owned();
    let mut files = Vec::new();
    let mut layers = Vec::new();
    for (number, (diff_id, tar)) in image.tars.iter().enumerate() {
        let name = if old {
            format!("{}/layer.tar", format!("{number:02x}").repeat(32))
        } else {
            format!("blobs/{}", diff_id.replace(':', "/"))
        };
        files.push((name.clone(), tar.clone()));
        layers.push(name);
    }
    let config_name = if old { format!("{config_hex}.json") } else { format!("blobs/sha256/{config_hex}") };
    files.push((config_name.clone(), image.config.clone()));
    let manifest = json!([{"Config": config_name, "RepoTags": tags, "Layers": layers}]);
    files.push(("manifest.json".to_owned(), manifest.to_string().into_bytes()));
    files
}
