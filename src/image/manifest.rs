//! Manifests and indexes: Docker schema 2 and OCI, told apart by shape when no media type says it.

use serde::Deserialize;

use super::config::{null_default, parse_object};
use super::digest::{Digest, DigestError};
use super::platform::Platform;

/// Media types that a client asks a registry for, most wanted first.
pub const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// A pointer to a blob, with its digest and size checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Media type; empty when not stated.
    pub media_type: String,
    /// Digest of the blob.
    pub digest: Digest,
    /// Size of the blob in bytes; `None` when the manifest states none or a negative one.
    pub size: Option<u64>,
    /// Whether the blob lives elsewhere (`urls`), as Windows base layers do. Such addresses are never followed.
    pub foreign: bool,
    /// Platform, in an index.
    pub platform: Option<Platform>,
    /// `org.opencontainers.image.ref.name`, in a layout's index.
    pub name: Option<String>,
}

/// A parsed manifest document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// A list of images by platform.
    Index(Vec<Descriptor>),
}

/// One image: its config and its layers, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The config blob.
    pub config: Descriptor,
    /// The layer blobs.
    pub layers: Vec<Descriptor>,
}

/// Why a document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// No JSON, or a field of the wrong type.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A digest that is none.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// Docker's schema 1, which has no config and no content addresses.
    #[error("it is a Docker schema 1 manifest")]
    Schema1,
    /// Neither an image nor an index.
    #[error("it is neither an image manifest nor an index{}", media(.0))]
    Unknown(String),
}

fn media(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" (`{text}`)") }
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawDocument {
    #[serde(deserialize_with = "null_default")]
    schema_version: i64,
    #[serde(deserialize_with = "null_default")]
    media_type: String,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
    manifests: Option<Vec<RawDescriptor>>,
    fs_layers: Option<serde_json::Value>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(deserialize_with = "null_default")]
    media_type: String,
    #[serde(deserialize_with = "null_default")]
    digest: String,
    size: Option<i64>,
    urls: Option<Vec<String>>,
    platform: Option<RawPlatform>,
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawPlatform {
    #[serde(deserialize_with = "null_default")]
    os: String,
    #[serde(deserialize_with = "null_default")]
    architecture: String,
    variant: Option<String>,
}

impl RawDescriptor {
    fn checked(self) -> Result<Descriptor, DigestError> {
        let mut annotations = self.annotations.unwrap_or_default();
        let reference =
            annotations.get("vnd.docker.reference.type").is_some_and(|kind| kind == "attestation-manifest");
        let platform = self.platform.map(|raw| Platform {
            os: raw.os,
            arch: raw.architecture,
            variant: raw.variant.filter(|variant| !variant.is_empty()),
        });
        let unknown = || Platform { os: "unknown".to_owned(), arch: "unknown".to_owned(), variant: None };
        Ok(Descriptor {
            digest: Digest::parse(&self.digest)?,
            size: self.size.and_then(|size| u64::try_from(size).ok()),
            foreign: self.urls.is_some_and(|urls| !urls.is_empty()) || self.media_type.contains("foreign"),
            media_type: self.media_type,
            platform: if reference { Some(unknown()) } else { platform },
            name: annotations.remove("org.opencontainers.image.ref.name"),
        })
    }
}

impl Document {
    /// Reads a manifest or an index.
    ///
    /// # Errors
    /// When it is no JSON of that shape, holds a malformed digest, or is a schema 1 manifest.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let raw: RawDocument = parse_object(bytes)?;
        if raw.schema_version == 1
            || raw.fs_layers.is_some()
            || raw.media_type.contains("distribution.manifest.v1")
        {
            return Err(DocumentError::Schema1);
        }
        // A document that is both could be read as one by this tool and as the other by an engine: the media type
        // decides, and without one it is refused (OCI image specification, manifest.md; CVE-2021-41190).
        let says_index = raw.media_type.contains("index") || raw.media_type.contains("manifest.list");
        let says_manifest = !raw.media_type.is_empty() && !says_index;
        match (raw.config, raw.layers, raw.manifests) {
            (None, None, Some(manifests)) if !says_manifest => {
                Ok(Self::Index(manifests.into_iter().map(RawDescriptor::checked).collect::<Result<_, _>>()?))
            }
            (Some(config), layers, None) if !says_index => Ok(Self::Manifest(Manifest {
                config: config.checked()?,
                layers: layers
                    .unwrap_or_default()
                    .into_iter()
                    .map(RawDescriptor::checked)
                    .collect::<Result<_, _>>()?,
            })),
            _ => Err(DocumentError::Unknown(raw.media_type.chars().take(120).collect())),
        }
    }
}

/// The choice of one image out of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The manifests to try in order: those of the platform, or entries that state none and must be looked into.
    Take(Vec<Descriptor>),
    /// Nothing fits; the platforms that are there.
    Nothing(Vec<String>),
}

/// Chooses the entry of `index` for `platform`. Attestations (`unknown/unknown`) do not count. Entries that are
/// indexes themselves, or that state no platform, come behind the ones that fit.
#[must_use]
pub fn choose(index: &[Descriptor], platform: &Platform) -> Choice {
    let images = index.iter().filter(|entry| entry.platform.as_ref().is_none_or(|p| p.os != "unknown"));
    let mut exact = Vec::new();
    let mut open = Vec::new();
    let mut available = Vec::new();
    for entry in images {
        match &entry.platform {
            Some(stated) if platform.accepts(stated) => exact.push(entry.clone()),
            Some(stated) => available.push(stated.to_string()),
            None => open.push(entry.clone()),
        }
    }
    // `linux/arm` without a variant: the highest one is what an engine on a current machine takes.
    exact.sort_by(|a, b| variant(b).cmp(&variant(a)));
    exact.append(&mut open);
    if exact.is_empty() {
        available.sort();
        available.dedup();
        return Choice::Nothing(available);
    }
    Choice::Take(exact)
}

fn variant(entry: &Descriptor) -> Option<&str> {
    entry.platform.as_ref().and_then(|platform| platform.variant.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> String {
        format!("sha256:{}", format!("{byte:02x}").repeat(32))
    }

    #[test]
    fn both_dialects_with_and_without_media_type() {
        for media in ["", r#""mediaType":"application/vnd.docker.distribution.manifest.v2+json","#] {
            let text = format!(
                r#"{{{media}"schemaVersion":2,"config":{{"digest":"{}","size":2}},"layers":[{{"digest":"{}","size":-5}},
                {{"digest":"{}","mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","urls":["http://169.254.169.254/"]}}]}}"#,
                digest(1),
                digest(2),
                digest(3)
            );
            let Document::Manifest(manifest) = Document::parse(text.as_bytes()).unwrap() else {
                panic!("no manifest")
            };
            assert_eq!(manifest.config.size, Some(2));
            assert_eq!(manifest.layers[0].size, None);
            assert!(manifest.layers[1].foreign && !manifest.layers[0].foreign);
        }
    }

    #[test]
    fn hostile_documents_are_refused() {
        let refused = |text: &str| Document::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(refused(r#"{"schemaVersion":1,"fsLayers":[]}"#).contains("schema 1"));
        assert!(refused(r#"{"config":{"digest":"sha256:../../../etc/passwd"}}"#).contains("no digest"));
        let both = format!(r#"{{"config":{{"digest":"{0}"}},"manifests":[{{"digest":"{0}"}}]}}"#, digest(1));
        assert!(refused(&both).contains("neither"));
        assert!(refused("{}").contains("neither"));
        assert!(refused("{").contains("EOF"));
        assert!(refused("[2]").contains("no JSON object"));
    }

    #[test]
    fn an_index_gives_the_platform_and_never_an_attestation() {
        let entry =
            |byte, platform: &str| format!(r#"{{"digest":"{}","platform":{platform}}}"#, digest(byte));
        let text = format!(
            r#"{{"manifests":[{},{},{}]}}"#,
            entry(1, r#"{"os":"unknown","architecture":"unknown"}"#),
            entry(2, r#"{"os":"linux","architecture":"arm64","variant":"v8"}"#),
            entry(3, r#"{"os":"linux","architecture":"amd64"}"#)
        );
        let Document::Index(index) = Document::parse(text.as_bytes()).unwrap() else { panic!("no index") };
        let Choice::Take(found) = choose(&index, &Platform::default()) else { panic!("nothing") };
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].digest.to_string(), digest(3));
        let missing = Platform::parse("linux/s390x").unwrap();
        assert_eq!(
            choose(&index, &missing),
            Choice::Nothing(vec!["linux/amd64".to_owned(), "linux/arm64/v8".to_owned()])
        );
    }
}
