//! What the container toolkit's hook (legacy mode) reads out of a container's environment.

use std::collections::{BTreeMap, BTreeSet};

use super::semver::SemVer;
use crate::compat::tables::Tables;

/// Settings of the host that the reading depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookOptions {
    /// Whether unprivileged containers may ask for devices by variable (`accept-nvidia-visible-devices-envvar-when-unprivileged`).
    pub accept_envvar_unprivileged: bool,
    /// Whether the container is privileged.
    pub privileged: bool,
    /// Whether devices may be asked for by mounts (`accept-nvidia-visible-devices-as-volume-mounts`).
    pub accept_volume_mounts: bool,
    /// The container's mounts, `SOURCE:DESTINATION`; a lone path is a destination with /dev/null mounted on it.
    pub mounts: Vec<String>,
    /// `disable-require = true` in the host's config.toml.
    pub config_disable_require: bool,
    /// Variables that are preferred to NVIDIA_VISIBLE_DEVICES, comma-separated (`swarm-resource`).
    pub swarm_resource: Option<String>,
}

impl Default for HookOptions {
    fn default() -> Self {
        Self {
            accept_envvar_unprivileged: true,
            privileged: false,
            accept_volume_mounts: false,
            mounts: Vec::new(),
            config_disable_require: false,
            swarm_resource: None,
        }
    }
}

/// What the hook hands on for a GPU container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Devices {
    /// Device names; none = driver files without GPUs.
    pub devices: Vec<String>,
    /// Driver capabilities, sorted, comma-separated.
    pub capabilities: String,
    /// Requirements passed on, sorted; all must hold.
    pub requirements: Vec<String>,
}

/// The hook's reading of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookReading {
    /// Whether the image counts as a legacy CUDA image (CUDA_VERSION without NVIDIA_REQUIRE_CUDA).
    pub legacy: bool,
    /// The result: what is handed on, `None` when it is no GPU container, or the text of a panic, after which the
    /// container does not start.
    pub outcome: Result<Option<Devices>, String>,
}

impl HookReading {
    /// Whether the hook acts on the container at all; `None` when it crashes.
    #[must_use]
    pub fn gpu(&self) -> Option<bool> {
        self.outcome.as_ref().ok().map(Option::is_some)
    }

    /// What is handed on, if anything.
    #[must_use]
    pub fn devices(&self) -> Option<&Devices> {
        self.outcome.as_ref().ok().and_then(Option::as_ref)
    }

    /// The text of the panic, if there is one.
    #[must_use]
    pub fn panic(&self) -> Option<&str> {
        self.outcome.as_ref().err().map(String::as_str)
    }
}

/// Reads an environment as the hook does; of two equal names the later wins.
#[must_use]
pub fn read_environment<N: AsRef<str>, V: AsRef<str>>(
    environment: &[(N, V)],
    options: &HookOptions,
    tables: &Tables,
) -> HookReading {
    let mut values: BTreeMap<&str, &str> =
        environment.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    let words = tables.require();
    if options.config_disable_require {
        values.insert(&words.environment().disable_variable, "true");
    }
    let hook = Hook { values, options, tables };
    HookReading { legacy: hook.is_legacy(), outcome: hook.read() }
}

struct Hook<'h> {
    values: BTreeMap<&'h str, &'h str>,
    options: &'h HookOptions,
    tables: &'h Tables,
}

impl Hook<'_> {
    fn value(&self, name: &str) -> &str {
        self.values.get(name).copied().unwrap_or_default()
    }

    fn is_legacy(&self) -> bool {
        !self.value("CUDA_VERSION").is_empty() && self.value("NVIDIA_REQUIRE_CUDA").is_empty()
    }

    fn read(&self) -> Result<Option<Devices>, String> {
        let Some(devices) = self.visible_devices() else { return Ok(None) };
        for (variable, word) in [
            ("NVIDIA_MIG_CONFIG_DEVICES", "MIG_CONFIG_DEVICES"),
            ("NVIDIA_MIG_MONITOR_DEVICES", "MIG_MONITOR_DEVICES"),
        ] {
            if !self.options.privileged && !self.value(variable).is_empty() {
                return Err(format!("cannot set {word} in non privileged container"));
            }
        }
        let capabilities = self.capabilities()?;
        let requirements = self.requirements()?;
        Ok(Some(Devices { devices, capabilities, requirements }))
    }

    /// The devices asked for; `None` = no GPU container.
    fn visible_devices(&self) -> Option<Vec<String>> {
        if self.options.accept_volume_mounts {
            let mounted = self.devices_from_mounts();
            if !mounted.is_empty() {
                return Some(mounted);
            }
        }
        let devices = self.devices_from_variables()?;
        (self.options.privileged || self.options.accept_envvar_unprivileged).then_some(devices)
    }

    fn devices_from_variables(&self) -> Option<Vec<String>> {
        let preferred = self.options.swarm_resource.as_deref().unwrap_or_default();
        let mut variables: Vec<&str> = preferred
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty() && self.values.contains_key(name))
            .collect();
        if variables.is_empty() {
            variables.push("NVIDIA_VISIBLE_DEVICES");
        }
        let mut is_set = false;
        let mut devices: Vec<String> = Vec::new();
        for value in variables.iter().filter_map(|name| self.values.get(name)) {
            is_set = true;
            devices
                .extend(value.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned));
        }
        if !is_set && self.is_legacy() {
            devices.push("all".to_owned());
        }
        if devices.is_empty() || devices.iter().any(|device| device == "void") {
            return None;
        }
        match devices.iter().find(|device| *device == "all" || *device == "none") {
            Some(word) if word == "all" => Some(vec!["all".to_owned()]),
            Some(_) => Some(Vec::new()),
            None => Some(last_of_each(devices)),
        }
    }

    fn devices_from_mounts(&self) -> Vec<String> {
        const ROOT: &str = "/var/run/nvidia-container-devices";
        let mut seen = BTreeSet::new();
        let mut devices = Vec::new();
        for mount in &self.options.mounts {
            let (source, destination) = mount.split_once(':').unwrap_or(("/dev/null", mount));
            if clean_path(source) != "/dev/null" {
                continue;
            }
            let destination = clean_path(destination);
            if !seen.insert(destination.clone()) {
                continue;
            }
            let Some(rest) = destination.strip_prefix(ROOT) else { continue };
            let device = rest.trim_matches('/');
            if device.is_empty() || device.starts_with("imex/") {
                continue;
            }
            match device.strip_prefix("cdi/") {
                None => devices.push(device.to_owned()),
                Some(name) => devices.extend(cdi_name(name)),
            }
        }
        devices
    }

    fn capabilities(&self) -> Result<String, String> {
        let words = self.tables.require().capabilities();
        let supported: BTreeSet<&str> = words.supported.iter().map(String::as_str).collect();
        let join = |set: &BTreeSet<&str>| set.iter().copied().collect::<Vec<_>>().join(",");
        let variable = self.values.get("NVIDIA_DRIVER_CAPABILITIES").copied();
        if variable.is_none() && self.is_legacy() {
            return Ok(join(&supported));
        }
        let Some(text) = variable.filter(|text| !text.is_empty()) else {
            return Ok(join(&words.default.iter().map(String::as_str).collect()));
        };
        let asked: BTreeSet<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        if asked.contains(words.all_word.as_str()) {
            return Ok(join(&supported));
        }
        let allowed: BTreeSet<&str> = asked.intersection(&supported).copied().collect();
        if allowed.len() == asked.len() {
            Ok(join(&allowed))
        } else {
            Err(format!(
                "unsupported capabilities found in '{}' (allowed '{}')",
                join(&asked),
                join(&allowed)
            ))
        }
    }

    fn requirements(&self) -> Result<Vec<String>, String> {
        let words = self.tables.require().environment();
        let disable = self.value(&words.disable_variable);
        if words.disable_true.iter().any(|word| word == disable) {
            return Ok(Vec::new());
        }
        let is_requirement =
            |name: &str| name.starts_with(&words.prefix) && !name.starts_with(&words.excluded_prefix);
        let mut requirements: Vec<String> = self
            .values
            .iter()
            .filter(|(name, _)| is_requirement(name))
            .map(|(_, value)| (*value).to_owned())
            .collect();
        if self.is_legacy() {
            let text = self.value("CUDA_VERSION");
            let failed = |error: String| {
                format!(
                    "failed to get requirements failed to get version: invalid CUDA version {text}: {error}"
                )
            };
            let version =
                SemVer::parse(text).map_err(|error| failed(format!("invalid version string: {error}")))?;
            for (number, which) in [(version.major(), "major"), (version.minor(), "minor")] {
                if u32::try_from(number).is_err() {
                    return Err(failed(format!("invalid {which} version")));
                }
            }
            requirements.push(format!("cuda>={}.{}", version.major(), version.minor()));
        }
        requirements.sort();
        Ok(requirements)
    }
}

/// Each name once, at the place of its last mention.
fn last_of_each(devices: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut kept: Vec<String> =
        devices.into_iter().rev().filter(|device| seen.insert(device.clone())).collect();
    kept.reverse();
    kept
}

/// `vendor/class=device`, also asked for as `vendor/class/device`; other forms are ignored with a warning.
fn cdi_name(name: &str) -> Option<String> {
    if let Some((kind, device)) = name.split_once('=')
        && kind.split('/').count() == 2
        && !device.is_empty()
        && !device.contains('/')
    {
        return Some(name.to_owned());
    }
    let mut parts = name.splitn(3, '/');
    let (vendor, class, device) = (parts.next()?, parts.next()?, parts.next()?);
    Some(format!("{vendor}/{class}={device}"))
}

/// Shortest form of an absolute path without touching a file system.
fn clean_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(environment: &[&str], options: &HookOptions) -> HookReading {
        let pairs: Vec<(&str, &str)> = environment.iter().map(|pair| pair.split_once('=').unwrap()).collect();
        read_environment(&pairs, options, Tables::builtin())
    }

    fn plain(environment: &[&str]) -> HookReading {
        read(environment, &HookOptions::default())
    }

    fn requirements(environment: &[&str]) -> Vec<String> {
        plain(environment).devices().unwrap().requirements.clone()
    }

    #[test]
    fn legacy_versions() {
        let of = |version: &str| plain(&[&format!("CUDA_VERSION={version}")]);
        for (version, requirement) in [
            ("12-4", "cuda>=12.0"),
            ("12.4.1+local", "cuda>=12.4"),
            ("012.04", "cuda>=12.4"),
            ("10.2.89", "cuda>=10.2"),
        ] {
            assert_eq!(of(version).devices().unwrap().requirements, [requirement], "{version}");
        }
        for version in ["12.4.1.2", "12.x", "latest", "12.4 ", "V12"] {
            let message = format!(
                "failed to get requirements failed to get version: invalid CUDA version {version}: invalid version string: invalid semantic version"
            );
            assert_eq!(of(version).panic(), Some(message.as_str()));
        }
        assert!(
            of("4294967296")
                .panic()
                .unwrap()
                .ends_with("invalid CUDA version 4294967296: invalid major version")
        );
        assert!(of("12.4294967296").panic().unwrap().ends_with("invalid minor version"));
        let switched_off = plain(&["CUDA_VERSION=cu124", "NVIDIA_DISABLE_REQUIRE=1"]);
        assert_eq!(switched_off.devices().unwrap().requirements, [""; 0], "the version is not looked at");
        assert!(switched_off.legacy);
    }

    #[test]
    fn a_blank_requirement_keeps_an_image_legacy() {
        assert_eq!(
            requirements(&["NVIDIA_VISIBLE_DEVICES=all", "CUDA_VERSION=12.4.1", "NVIDIA_REQUIRE_CUDA="]),
            ["", "cuda>=12.4"]
        );
        assert_eq!(
            requirements(&[
                "NVIDIA_VISIBLE_DEVICES=all",
                "CUDA_VERSION=12.4.1",
                "NVIDIA_REQUIRE_ARCH=arch>=7.0"
            ]),
            ["arch>=7.0", "cuda>=12.4"],
            "other requirements do not stop the rule"
        );
    }

    #[test]
    fn the_switch_takes_gos_words_only() {
        for word in ["1", "t", "T", "true", "TRUE", "True"] {
            let environment = [
                "NVIDIA_VISIBLE_DEVICES=all",
                "NVIDIA_REQUIRE_CUDA=cuda>=99",
                &format!("NVIDIA_DISABLE_REQUIRE={word}"),
            ];
            assert_eq!(requirements(&environment), [""; 0], "{word}");
        }
        for word in ["", "yes", "on", "y", "tRUE", " true", "0", "f", "F", "false", "FALSE", "False"] {
            let environment = [
                "NVIDIA_VISIBLE_DEVICES=all",
                "NVIDIA_REQUIRE_CUDA=cuda>=99",
                &format!("NVIDIA_DISABLE_REQUIRE={word}"),
            ];
            assert_eq!(requirements(&environment), ["cuda>=99"], "{word}");
        }
        let host_off = HookOptions { config_disable_require: true, ..HookOptions::default() };
        let reading = read(
            &["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_REQUIRE_CUDA=cuda>=99", "NVIDIA_DISABLE_REQUIRE=0"],
            &host_off,
        );
        assert_eq!(reading.devices().unwrap().requirements, [""; 0], "the host's word wins");
    }

    #[test]
    fn every_variable_with_the_prefix_counts() {
        assert_eq!(
            requirements(&[
                "NVIDIA_VISIBLE_DEVICES=all",
                "NVIDIA_REQUIRE_=cuda>=1",
                "NVIDIA_REQUIRE_JETPACKX=a",
                "NVIDIA_REQUIREX=b"
            ]),
            ["cuda>=1"]
        );
    }

    #[test]
    fn visible_devices() {
        let devices = |value: &str| {
            let reading = plain(&[&format!("NVIDIA_VISIBLE_DEVICES={value}")]);
            reading.devices().map(|devices| devices.devices.join(" "))
        };
        assert_eq!(devices("void"), None);
        assert_eq!(devices("0,void"), None);
        assert_eq!(devices("none,void"), None);
        assert_eq!(devices(","), None);
        assert_eq!(devices("none").as_deref(), Some(""));
        assert_eq!(devices("0,all").as_deref(), Some("all"));
        assert_eq!(devices("none,all").as_deref(), Some(""), "the first special word wins");
        assert_eq!(devices("all,none").as_deref(), Some("all"));
        assert_eq!(devices("ALL").as_deref(), Some("ALL"), "a device name");
        assert_eq!(devices("0,1,0").as_deref(), Some("1 0"));
        assert_eq!(devices("nvidia.com/gpu=0").as_deref(), Some("nvidia.com/gpu=0"));
    }

    #[test]
    fn unprivileged_requests_by_variable_can_be_refused() {
        let strict = HookOptions { accept_envvar_unprivileged: false, ..HookOptions::default() };
        assert_eq!(read(&["NVIDIA_VISIBLE_DEVICES=all"], &strict).gpu(), Some(false));
        let by_mount = HookOptions {
            accept_volume_mounts: true,
            mounts: vec!["/var/run/nvidia-container-devices/0".to_owned(), "/data".to_owned()],
            ..strict.clone()
        };
        assert_eq!(read(&["NVIDIA_VISIBLE_DEVICES=all"], &by_mount).devices().unwrap().devices, ["0"]);
        let not_accepted = HookOptions { accept_volume_mounts: false, ..by_mount };
        assert_eq!(read(&["NVIDIA_VISIBLE_DEVICES=all"], &not_accepted).gpu(), Some(false));
    }

    #[test]
    fn mounts() {
        let of = |mounts: &[&str]| {
            let options = HookOptions {
                accept_volume_mounts: true,
                mounts: mounts.iter().map(|mount| (*mount).to_owned()).collect(),
                ..HookOptions::default()
            };
            read(&["NVIDIA_VISIBLE_DEVICES=7"], &options).devices().unwrap().devices.clone()
        };
        let root = "/var/run/nvidia-container-devices";
        assert_eq!(
            of(&[&format!("{root}/GPU-1"), &format!("{root}/./GPU-1/"), &format!("{root}/GPU-2")]),
            ["GPU-1", "GPU-2"]
        );
        assert_eq!(
            of(&[&format!("{root}/imex/0"), &format!("{root}/cdi/nvidia.com/gpu=all")]),
            ["nvidia.com/gpu=all"]
        );
        assert_eq!(of(&[&format!("{root}/cdi/nvidia.com/gpu/0")]), ["nvidia.com/gpu=0"]);
        assert_eq!(of(&[root]), ["7"], "the root alone names no device");
        assert_eq!(of(&[]), ["7"]);
    }

    #[test]
    fn swarm_variables_are_preferred_when_present() {
        let options = HookOptions { swarm_resource: Some("A, B".to_owned()), ..HookOptions::default() };
        assert_eq!(
            read(&["NVIDIA_VISIBLE_DEVICES=0", "B=2,3", "A=1"], &options).devices().unwrap().devices,
            ["1", "2", "3"]
        );
        assert_eq!(read(&["NVIDIA_VISIBLE_DEVICES=0"], &options).devices().unwrap().devices, ["0"]);
        assert_eq!(
            read(&["NVIDIA_VISIBLE_DEVICES=0", "A="], &options).gpu(),
            Some(false),
            "present but empty"
        );
    }

    #[test]
    fn capability_words() {
        let of = |value: &str| {
            let environment = ["NVIDIA_VISIBLE_DEVICES=all", &format!("NVIDIA_DRIVER_CAPABILITIES={value}")];
            match plain(&environment).outcome {
                Ok(devices) => devices.unwrap().capabilities,
                Err(panic) => panic,
            }
        };
        assert_eq!(of(""), "compute,utility");
        assert_eq!(of("video"), "video");
        assert_eq!(of("all,bogus"), "compat32,compute,display,graphics,ngx,utility,video");
        assert_eq!(
            of("utility,bogus,compute"),
            "unsupported capabilities found in 'bogus,compute,utility' (allowed 'compute,utility')"
        );
        assert_eq!(of("none"), "unsupported capabilities found in 'none' (allowed '')");
        assert_eq!(of("compute,,"), "compute");
        assert_eq!(of(" "), "", "set, but to nothing");
        assert_eq!(of("compute utility"), "unsupported capabilities found in 'compute utility' (allowed '')");
        let legacy = plain(&["CUDA_VERSION=12.4", "NVIDIA_DRIVER_CAPABILITIES="]);
        assert_eq!(legacy.devices().unwrap().capabilities, "compute,utility", "set, though empty");
    }

    #[test]
    fn nothing_is_looked_at_when_it_is_no_gpu_container() {
        let reading =
            plain(&["CUDA_VERSION=bad", "NVIDIA_VISIBLE_DEVICES=void", "NVIDIA_DRIVER_CAPABILITIES=bogus"]);
        assert_eq!((reading.legacy, reading.gpu()), (true, Some(false)));
    }

    #[test]
    fn mig_management_needs_privileges() {
        let environment = ["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_MIG_CONFIG_DEVICES=all"];
        assert_eq!(
            plain(&environment).panic(),
            Some("cannot set MIG_CONFIG_DEVICES in non privileged container")
        );
        let privileged = HookOptions { privileged: true, ..HookOptions::default() };
        assert_eq!(read(&environment, &privileged).gpu(), Some(true));
    }
}
