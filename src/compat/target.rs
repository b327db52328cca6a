//! What an image is meant to run on: drivers, GPUs, and who injects the driver.

use crate::compat::version::DriverVersion;

/// The drivers and GPUs an image is meant for, in pools. Empty when the user named none.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Architecture of the platform, as docker spells it (`amd64`, `arm64`).
    pub architecture: String,
}

impl Target {
    /// Architecture of the platform (`amd64`, `arm64`).
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The target's drivers that are not `version`, for a message; `None` without a target.
    #[must_use]
    pub fn describe_other_than(&self, _version: &DriverVersion) -> Option<String> {
        None
    }
}
