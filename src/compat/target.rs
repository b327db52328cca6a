//! What an image is meant to run on: drivers and GPUs in pools, and who injects the driver.

use std::fmt;

use super::drivers::DriverSet;
use super::gpu::Gpu;
use super::version::DriverVersion;

/// Who injects the driver into the container, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HostProfile {
    /// The container toolkit's hook (`docker run --gpus`): requirements are checked.
    #[default]
    Docker,
    /// A CDI specification: requirements are not checked.
    Cdi,
    /// Google Kubernetes Engine: the driver is mounted at /usr/local/nvidia, requirements are not checked.
    Gke,
    /// Jetson, csv mode of the toolkit: requirements are checked by another evaluator.
    Jetson,
}

impl HostProfile {
    /// Whether NVIDIA_REQUIRE_* decides about the start of a container.
    #[must_use]
    pub fn checks_requirements(self) -> bool {
        matches!(self, Self::Docker | Self::Jetson)
    }
}

/// Machines of one kind: a set of drivers and a list of GPUs, every one of the set possibly with every one of the list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pool {
    /// Its name in the fleet; `None` for the target that the command line names.
    pub name: Option<String>,
    /// Its drivers; `None` not given.
    pub drivers: Option<DriverSet>,
    /// Its Jetson Linux release, where that was given instead of a driver (`36.4`).
    pub l4t: Option<String>,
    /// Its GPUs; empty = not given.
    pub gpus: Vec<Gpu>,
}

/// The machines that an image is meant for. Without pools nothing is known about them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Target {
    pools: Vec<Pool>,
    host: HostProfile,
    architecture: String,
    platform_given: bool,
}

impl Target {
    /// Puts a target together; `architecture` is docker's word for the platform's (`amd64`, `arm64`).
    #[must_use]
    pub fn new(pools: Vec<Pool>, host: HostProfile, architecture: impl Into<String>) -> Self {
        Self { pools, host, architecture: architecture.into(), platform_given: false }
    }

    /// Notes that the architecture was asked for, not taken for lack of anything else.
    #[must_use]
    pub fn with_platform_given(self, platform_given: bool) -> Self {
        Self { platform_given, ..self }
    }

    /// Whether the architecture was asked for.
    #[must_use]
    pub fn platform_given(&self) -> bool {
        self.platform_given
    }

    /// The pools.
    #[must_use]
    pub fn pools(&self) -> &[Pool] {
        &self.pools
    }

    /// Pools whose drivers are given.
    pub fn with_drivers(&self) -> impl Iterator<Item = (&Pool, &DriverSet)> {
        self.pools.iter().filter_map(|pool| pool.drivers.as_ref().map(|drivers| (pool, drivers)))
    }

    /// All GPUs, each once, in the order given.
    #[must_use]
    pub fn gpus(&self) -> Vec<&Gpu> {
        let mut gpus: Vec<&Gpu> = Vec::new();
        for gpu in self.pools.iter().flat_map(|pool| &pool.gpus) {
            if !gpus.contains(&gpu) {
                gpus.push(gpu);
            }
        }
        gpus
    }

    /// Who injects the driver.
    #[must_use]
    pub fn host(&self) -> HostProfile {
        self.host
    }

    /// Architecture of the platform (`amd64`, `arm64`).
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The target's driver sets without those that consist of `version` alone, for a message; `None` when nothing is left.
    #[must_use]
    pub fn describe_other_than(&self, version: &DriverVersion) -> Option<String> {
        let mut others: Vec<String> = self
            .with_drivers()
            .filter(|(_, drivers)| drivers.points().iter().any(|point| point.version != *version))
            .map(|(_, drivers)| format!("driver {drivers}"))
            .collect();
        others.dedup();
        (!others.is_empty()).then(|| others.join(", "))
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.drivers.as_ref().map(|drivers| format!("driver {drivers}")));
        parts.extend(self.l4t.as_ref().map(|release| format!("L4T {release}")));
        parts.extend(self.gpus.iter().map(|gpu| gpu.name.clone()));
        f.pad(&parts.join(", "))
    }
}
