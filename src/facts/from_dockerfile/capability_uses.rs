//! Signs that a driver capability is needed at run time: NVML tools, video codecs, rendering.
//!
//! Which capability mounts which library: NVIDIA Container Toolkit documentation, "Driver capabilities".

use crate::dockerfile::shell::tools::files::writes;
use crate::facts::manifest::normalize_name;
use crate::facts::{Capability, CapabilityUse, Command, CommandRole, Facts, Origin, StageId};

use super::Extraction;
use super::words::{contains_word, shown};

/// Python distributions that call NVML.
const NVML_DISTRIBUTIONS: &[&str] = &[
    "nvidia-ml-py",
    "nvidia-ml-py3",
    "pynvml",
    "gpustat",
    "nvitop",
    "py3nvml",
    "nvsmi",
    "gputil",
    "nvidia-smi",
];
/// System packages that call NVML.
const NVML_PACKAGES: &[&str] =
    &["datacenter-gpu-manager", "python3-pynvml", "python3-py3nvml", "nvtop", "gpustat", "dcgm", "nvitop"];
/// Python distributions that call NVENC or NVDEC.
const VIDEO_DISTRIBUTIONS: &[&str] = &["pynvvideocodec", "pynvcodec", "videoprocessingframework", "vpf"];
/// Options of FFmpeg's and OpenCV's build that link the codecs.
const VIDEO_BUILD_OPTIONS: &[&str] =
    &["--enable-nvenc", "--enable-nvdec", "--enable-cuvid", "--enable-ffnvcodec"];
/// Encoders and decoders of FFmpeg and GStreamer that run on the GPU.
const VIDEO_CODECS: &[&str] = &[
    "h264_nvenc",
    "hevc_nvenc",
    "av1_nvenc",
    "h264_cuvid",
    "hevc_cuvid",
    "av1_cuvid",
    "vp9_cuvid",
    "mpeg2_cuvid",
    "mjpeg_cuvid",
    "nvh264enc",
    "nvh265enc",
    "nvh264dec",
    "nvh265dec",
];
/// System packages and distributions that render on the GPU.
const GRAPHICS_PACKAGES: &[&str] = &["virtualgl", "vulkan-tools", "vulkan-utils", "isaacsim"];
/// Files that tell the loaders of Vulkan and EGL where NVIDIA's driver is.
const ICD_FILES: &[&str] = &["nvidia_icd.json", "10_nvidia.json", "nvidia_layers.json"];
/// Images whose programs render.
const GRAPHICS_IMAGES: &[&str] =
    &["nvcr.io/nvidia/isaac-sim", "nvcr.io/nvidia/omniverse", "nvcr.io/nvidia/isaac-lab"];

pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let mut uses = Uses { found: Vec::new(), instruction: 0 };
    for command in &facts.commands {
        uses.instruction = command.instruction;
        utility_of_command(command, &mut uses);
        video_of_command(command, &mut uses);
        graphics_of_command(command, &mut uses);
    }
    let python = facts.python.iter().filter(|requirement| !requirement.not_installed);
    for requirement in python {
        uses.instruction = requirement.instruction;
        let name = requirement.name.as_str();
        let place = (requirement.stage, &requirement.origin);
        if NVML_DISTRIBUTIONS.contains(&name) {
            uses.push(Capability::Utility, name, place);
        }
        if VIDEO_DISTRIBUTIONS.contains(&name) {
            uses.push(Capability::Video, name, place);
        }
        if GRAPHICS_PACKAGES.contains(&name) {
            uses.push(Capability::Graphics, name, place);
        }
    }
    for package in facts.packages.iter().filter(|package| !package.removed) {
        uses.instruction = package.instruction;
        let name = package.name.as_str();
        let place = (package.stage, &package.origin);
        if NVML_PACKAGES.contains(&name) || name.starts_with("datacenter-gpu-manager-") {
            uses.push(Capability::Utility, name, place);
        }
        if GRAPHICS_PACKAGES.contains(&name) {
            uses.push(Capability::Graphics, name, place);
        }
    }
    graphics_of_environment(facts, &mut uses);
    graphics_of_copies(facts, &mut uses);
    graphics_of_writes(cx, &mut uses);
    for stage in &facts.stages {
        if let Some(base) = &stage.base
            && let Some(repository) = &base.repository
            && GRAPHICS_IMAGES.iter().any(|image| repository.starts_with(image))
        {
            uses.push(Capability::Graphics, repository, (stage.id, &base.origin));
        }
    }
    let mut found = Vec::with_capacity(uses.found.len());
    for (mut one, instruction) in uses.found {
        if one.capability == Capability::Graphics && renders_in_software(facts, one.stage) {
            one.strong = false;
        }
        if one.origin.as_file().is_some_and(|(file, _)| file != cx.file) {
            one.through = cx.tree.instructions.get(instruction).map(|found| cx.origin(found.span));
        }
        found.push(one);
    }
    found.sort_by(|a, b| a.origin.cmp(&b.origin).then(a.capability.cmp(&b.capability)));
    found.dedup();
    facts.capability_uses.extend(found);
}

struct Uses {
    /// Each with the number of the instruction that brings it.
    found: Vec<(CapabilityUse, usize)>,
    /// Number of the instruction that is looked at.
    instruction: usize,
}

impl Uses {
    fn push(&mut self, capability: Capability, what: &str, place: (StageId, &Origin)) {
        let (stage, origin) = place;
        let found = CapabilityUse {
            stage,
            capability,
            what: what.to_owned(),
            strong: true,
            origin: origin.clone(),
            through: None,
        };
        self.found.push((found, self.instruction));
    }
}

/// Whether a command runs in the container, not in the build.
fn at_run_time(command: &Command) -> bool {
    matches!(
        command.role,
        CommandRole::Cmd | CommandRole::Entrypoint | CommandRole::Healthcheck | CommandRole::StartScript
    )
}

fn utility_of_command(command: &Command, uses: &mut Uses) {
    if !at_run_time(command) {
        return;
    }
    let place = (command.stage, &command.origin);
    if let Some(
        program @ ("nvidia-smi" | "nvtop" | "nvitop" | "gpustat" | "dcgmi" | "nv-hostengine"
        | "dcgm-exporter"),
    ) = command.program.as_deref()
    {
        uses.push(Capability::Utility, program, place);
    }
    if command.code.as_deref().is_some_and(|code| contains_word(code, "nvidia-smi")) {
        uses.push(Capability::Utility, "nvidia-smi", place);
    }
}

fn video_of_command(command: &Command, uses: &mut Uses) {
    for word in &command.args {
        let text = shown(word);
        let place = (command.stage, &word.origin);
        if at_run_time(command) {
            if let Some(codec) = VIDEO_CODECS.iter().find(|codec| contains_word(&text, codec)) {
                uses.push(Capability::Video, codec, place);
            }
            continue;
        }
        if let Some(option) = VIDEO_BUILD_OPTIONS.iter().find(|option| contains_word(&text, option)) {
            uses.push(Capability::Video, option, place);
        }
        if matches!(command.program.as_deref(), Some("git" | "wget" | "curl"))
            && text.contains("nv-codec-headers")
        {
            uses.push(Capability::Video, "nv-codec-headers", place);
        }
        if matches!(command.program.as_deref(), Some("git")) && text.contains("VideoProcessingFramework") {
            uses.push(Capability::Video, "VideoProcessingFramework", place);
        }
        for option in ["WITH_NVCUVID", "WITH_NVCUVENC"] {
            if defines_true(&text, option) {
                uses.push(Capability::Video, option, place);
            }
        }
    }
    if at_run_time(command) && command.program.as_deref() == Some("ffmpeg") {
        let pairs = command.args.iter().zip(command.args.iter().skip(1));
        for (option, value) in pairs {
            if option.text.as_deref() == Some("-hwaccel")
                && matches!(value.text.as_deref(), Some("cuda" | "nvdec" | "cuvid"))
            {
                uses.push(Capability::Video, "-hwaccel", (command.stage, &option.origin));
            }
        }
    }
}

/// Whether a word sets a CMake switch: `-DNAME=ON`, or `NAME=ON` behind a `-D` of its own.
pub(super) fn defines_true(text: &str, name: &str) -> bool {
    text.split_whitespace().any(|part| {
        let part = part.strip_prefix("-D").unwrap_or(part);
        part.split_once('=').is_some_and(|(left, value)| {
            let left = left.split(':').next().unwrap_or(left);
            left == name && matches!(value.to_ascii_uppercase().as_str(), "ON" | "1" | "TRUE" | "YES" | "Y")
        })
    })
}

fn graphics_of_command(command: &Command, uses: &mut Uses) {
    if at_run_time(command) {
        match command.program.as_deref() {
            Some(program @ ("vglrun" | "vulkaninfo" | "eglinfo")) => {
                uses.push(Capability::Graphics, program, (command.stage, &command.origin));
            }
            Some("blender") => {
                for (option, engine) in command.args.iter().zip(command.args.iter().skip(1)) {
                    let eevee = engine.text.as_deref().is_some_and(|engine| engine.contains("EEVEE"));
                    if matches!(option.text.as_deref(), Some("-E" | "--engine")) && eevee {
                        uses.push(Capability::Graphics, "blender EEVEE", (command.stage, &engine.origin));
                    }
                }
            }
            _ => {}
        }
        return;
    }
    for word in &command.args {
        let text = shown(word).to_ascii_lowercase();
        if matches!(command.program.as_deref(), Some("wget" | "curl" | "dpkg" | "apt-get" | "apt"))
            && text.rsplit('/').next().is_some_and(|file| file.starts_with("virtualgl"))
            && text.contains(".deb")
        {
            uses.push(Capability::Graphics, "VirtualGL", (command.stage, &word.origin));
        }
    }
}

/// Whether an environment variable asks for rendering on the GPU.
fn renders(name: &str, value: &str) -> bool {
    match name {
        "MUJOCO_GL" | "PYOPENGL_PLATFORM" => value.eq_ignore_ascii_case("egl"),
        "__EGL_VENDOR_LIBRARY_FILENAMES"
        | "__EGL_VENDOR_LIBRARY_DIRS"
        | "VK_ICD_FILENAMES"
        | "VK_DRIVER_FILES" => value.contains("nvidia"),
        "__GLX_VENDOR_LIBRARY_NAME" => value == "nvidia",
        name => name.starts_with("VGL_") && !value.is_empty(),
    }
}

fn graphics_of_environment(facts: &Facts, uses: &mut Uses) {
    for set in facts.env_sets.iter().filter(|set| set.effective) {
        if let Some(value) = &set.value
            && renders(&set.name, value)
        {
            let what =
                if set.name.starts_with("VGL_") { set.name.clone() } else { format!("{}={value}", set.name) };
            uses.push(Capability::Graphics, &what, (set.stage, &set.origin));
        }
    }
}

/// Loader files of Vulkan and EGL that name NVIDIA's driver, written by hand or copied from another image.
fn graphics_of_copies(facts: &Facts, uses: &mut Uses) {
    for copy in &facts.copies {
        let paths = copy.sources.iter().chain(std::iter::once(&copy.destination));
        for word in paths {
            let text = shown(word);
            let file = text.rsplit('/').next().unwrap_or(&text).to_owned();
            if ICD_FILES.contains(&file.as_str()) {
                uses.push(Capability::Graphics, &file, (copy.stage, &word.origin));
                break;
            }
        }
    }
    for command in facts.commands.iter().filter(|command| matches!(command.role, CommandRole::Run)) {
        for word in &command.args {
            let text = shown(word);
            let file = text.rsplit('/').next().unwrap_or(&text);
            let known = ICD_FILES.iter().find(|known| **known == file);
            if let Some(known) = known
                && matches!(command.program.as_deref(), Some("tee" | "cp" | "mv" | "curl" | "wget"))
            {
                uses.push(Capability::Graphics, known, (command.stage, &word.origin));
            }
        }
    }
}

/// The same files written by a RUN: `echo '{…}' > /etc/vulkan/icd.d/nvidia_icd.json`.
fn graphics_of_writes(cx: &Extraction<'_>, uses: &mut Uses) {
    for executed in cx.executed.iter().filter(|executed| executed.at_build()) {
        for write in writes(&executed.script) {
            let file = write.target.text.rsplit('/').next().unwrap_or_default();
            if ICD_FILES.contains(&file) {
                let origin = executed.origin_of(write.target.span);
                uses.push(Capability::Graphics, file, (executed.stage, &origin));
            }
        }
    }
}

/// Whether the environment of a stage chooses software rendering.
fn renders_in_software(facts: &Facts, stage: StageId) -> bool {
    facts.stage(stage).is_some_and(|stage| {
        let chosen =
            |name: &str, value: &str| stage.env.value(name).is_some_and(|set| normalize_name(set) == value);
        chosen("LIBGL_ALWAYS_SOFTWARE", "1")
            || chosen("LIBGL_ALWAYS_SOFTWARE", "true")
            || chosen("MUJOCO_GL", "osmesa")
            || chosen("PYOPENGL_PLATFORM", "osmesa")
    })
}

#[cfg(test)]
mod tests {
    use crate::facts::Capability;
    use crate::facts::from_dockerfile::testing::{at, facts};

    /// What is seen, by capability.
    fn shown(text: &str) -> Vec<(Capability, String, bool)> {
        let facts = facts(text);
        facts.capability_uses.iter().map(|one| (one.capability, one.what.clone(), one.strong)).collect()
    }

    fn uses(capability: Capability, what: &str) -> (Capability, String, bool) {
        (capability, what.to_owned(), true)
    }

    #[test]
    fn tools_that_need_nvml() {
        let nvml = |text: &str| shown(text).contains(&uses(Capability::Utility, "nvidia-smi"));
        assert!(nvml("FROM x\nHEALTHCHECK CMD nvidia-smi -L\n"));
        assert!(nvml("FROM x\nCMD [\"/bin/sh\", \"-c\", \"nvidia-smi -L; exec plugin\"]\n"));
        assert!(!nvml("FROM x\nRUN nvidia-smi || true\n"));
        assert_eq!(shown("FROM x\nRUN pip install gpustat\n"), [uses(Capability::Utility, "gpustat")]);
    }

    #[test]
    fn codecs() {
        let found = shown(
            "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nCMD [\"ffmpeg\", \"-hwaccel\", \"cuda\", \"-i\", \"in.mp4\", \"-c:v\", \"hevc_nvenc\", \"out.mp4\"]\n",
        );
        assert_eq!(found, [uses(Capability::Video, "-hwaccel"), uses(Capability::Video, "hevc_nvenc")]);
        let found =
            shown("FROM x\nRUN ./configure --enable-nvenc --prefix=/x && cmake -D WITH_NVCUVID=ON .\n");
        assert_eq!(
            found,
            [uses(Capability::Video, "--enable-nvenc"), uses(Capability::Video, "WITH_NVCUVID")]
        );
        assert!(shown("FROM x\nRUN apt-get install -y ffmpeg\nCMD ffmpeg -i a b\n").is_empty());
        assert_eq!(
            shown("FROM x\nRUN pip install PyNvVideoCodec==1.0.2\n"),
            [uses(Capability::Video, "pynvvideocodec")]
        );
    }

    #[test]
    fn rendering() {
        assert_eq!(shown("FROM x\nENV MUJOCO_GL=egl\n"), [uses(Capability::Graphics, "MUJOCO_GL=egl")]);
        assert!(shown("FROM x\nENV MUJOCO_GL=egl\nENV MUJOCO_GL=osmesa\n").is_empty());
        assert_eq!(
            shown("FROM x\nCOPY nvidia_icd.json /etc/vulkan/icd.d/\n"),
            [uses(Capability::Graphics, "nvidia_icd.json")]
        );
        let software = shown("FROM x\nENV PYOPENGL_PLATFORM=egl LIBGL_ALWAYS_SOFTWARE=1\n");
        assert_eq!(software.iter().map(|(.., strong)| *strong).collect::<Vec<_>>(), [false]);
        let facts = facts("FROM x\nENV A=b MUJOCO_GL=egl\n");
        assert_eq!(at(&facts, &facts.capability_uses[0].origin), "MUJOCO_GL=egl");
    }
}
