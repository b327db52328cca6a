//! Architecture lists in every spelling, with the place of each entry.

use super::*;
use crate::facts::FileId;

const PLACE: Place = Place { stage: StageId(0), instruction: 1 };

fn word(raw: &str) -> Word {
    Word {
        text: (!raw.contains('$')).then(|| raw.replace('"', "")),
        raw: raw.to_owned(),
        origin: Origin::file(FileId(0), Span::new(100, 100 + raw.len())),
    }
}

/// `8.0 sass`, `9.0 both`, `native -`: the entries of a list.
fn shown_entries(list: &ArchList) -> Vec<String> {
    list.entries
        .iter()
        .map(|entry| {
            let form = match (entry.sass, entry.ptx) {
                (true, true) => "both",
                (true, false) => "sass",
                (false, true) => "ptx",
                (false, false) => "none",
            };
            entry.target.map_or_else(|| format!("{} {form}", entry.word), |target| format!("{target} {form}"))
        })
        .collect()
}

fn value(raw: &str, kind: ArchListKind) -> ArchList {
    list_of_word(&word(raw), kind, "X", PLACE).unwrap_or_else(|| panic!("{raw}"))
}

fn lists(line: &[&str]) -> Vec<ArchList> {
    let words: Vec<Word> = line.iter().map(|raw| word(raw)).collect();
    lists_of_options(&words, "nvcc", PLACE)
}

#[test]
fn torch_lists() {
    let list = value("8.0;8.6 9.0a+PTX", ArchListKind::TorchCudaArchList);
    assert_eq!(shown_entries(&list), ["8.0 sass", "8.6 sass", "9.0a both"]);
    assert!(list.complete);
    let list = value("Kepler;Ampere+PTX", ArchListKind::TorchCudaArchList);
    assert_eq!(shown_entries(&list), ["3.5 both", "8.0 sass", "8.6 both"]);
    assert!(list.complete);
    let list = value("Volta+Tegra Maxwell;Nosuch", ArchListKind::TorchCudaArchList);
    assert_eq!(shown_entries(&list), ["7.2 sass", "5.0 sass", "5.2 both", "Nosuch sass"]);
    let list = value("8.0;$EXTRA", ArchListKind::TorchCudaArchList);
    assert!(!list.complete && list.entries.len() == 1);
    assert!(list_of_word(&word(""), ArchListKind::TorchCudaArchList, "X", PLACE).is_none());
}

#[test]
fn places_of_entries() {
    let list = value("8.0;8.6", ArchListKind::TorchCudaArchList);
    assert_eq!(list.entries[1].origin, Origin::file(FileId(0), Span::new(104, 107)));
}

#[test]
fn cmake_lists() {
    let found = lists(&["-S", ".", "-DCMAKE_CUDA_ARCHITECTURES=75;80-real;90-virtual", "-D", "GGML_CUDA=ON"]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, ArchListKind::CmakeCudaArchitectures);
    assert_eq!(shown_entries(&found[0]), ["7.5 both", "8.0 sass", "9.0 ptx"]);
    let found = lists(&["-DCMAKE_CUDA_ARCHITECTURES:STRING=native"]);
    assert_eq!(shown_entries(&found[0]), ["native sass"]);
    assert!(found[0].complete);
}

#[test]
fn gencode_of_one_command_is_one_list() {
    let found = lists(&[
        "-gencode",
        "arch=compute_80,code=sm_80",
        "-gencode=arch=compute_90,code=[sm_90,compute_90]",
    ]);
    assert_eq!(found.len(), 1);
    assert_eq!(shown_entries(&found[0]), ["8.0 sass", "9.0 sass", "9.0 ptx"]);
    assert_eq!(found[0].entries[0].origin, Origin::file(FileId(0), Span::new(121, 126)));
    assert!(found[0].complete);
}

#[test]
fn options_in_a_quoted_variable_of_make() {
    let found = lists(&[
        "-C",
        "/src",
        "ARCH=\"-gencode arch=compute_75,code=sm_75 -gencode arch=compute_89,code=[sm_89,compute_89]\"",
    ]);
    assert_eq!(found.len(), 1);
    assert_eq!(shown_entries(&found[0]), ["7.5 sass", "8.9 sass", "8.9 ptx"]);
}

#[test]
fn short_arch_keeps_ptx() {
    assert_eq!(shown_entries(&lists(&["-arch=sm_86", "-o", "app"])[0]), ["8.6 both"]);
    assert_eq!(shown_entries(&lists(&["-arch", "native"])[0]), ["native sass"]);
    assert!(lists(&["-arch=x86_64", "-march=native"]).is_empty());
}

#[test]
fn code_says_what_is_made() {
    let found = lists(&["-arch=compute_80", "-code=sm_80,sm_86", "-o", "app"]);
    assert_eq!(shown_entries(&found[0]), ["8.0 sass", "8.6 sass"]);
    assert_eq!((found.len(), found[0].raw.as_str()), (1, "sm_80,sm_86"));
    let found = lists(&["-arch", "compute_80", "-code", "compute_80"]);
    assert_eq!(shown_entries(&found[0]), ["8.0 ptx"]);
}

#[test]
fn unknown_parts_make_a_list_incomplete() {
    let found = lists(&["-gencode", "arch=compute_80,code=$CODE"]);
    assert!(!found[0].complete);
}

#[test]
fn lists_of_a_dockerfile() {
    use crate::facts::from_dockerfile::testing::{at, facts};
    let facts = facts(
        "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\nARG TORCH_CUDA_ARCH_LIST=\"8.0;8.6+PTX\"\nENV CUDAARCHS=75\nRUN TCNN_CUDA_ARCHITECTURES=86 pip install x && nvcc -gencode arch=compute_80,code=sm_80 -o a a.cu\nRUN cmake -DCMAKE_CUDA_ARCHITECTURES=\"80;90\" .\nRUN echo -gencode arch=compute_50,code=sm_50\n",
    );
    let shown: Vec<(&str, &str)> =
        facts.arch_lists.iter().map(|list| (list.carrier.as_str(), at(&facts, &list.origin))).collect();
    assert_eq!(
        shown,
        [
            ("CUDAARCHS", "75"),
            ("TORCH_CUDA_ARCH_LIST", "8.0;8.6+PTX"),
            ("TCNN_CUDA_ARCHITECTURES", "86"),
            ("nvcc", "arch=compute_80,code=sm_80"),
            ("CMAKE_CUDA_ARCHITECTURES", "80;90"),
        ]
    );
    let last = &facts.arch_lists[4].entries[1];
    assert_eq!(at(&facts, &last.origin), "90");
    assert_eq!(facts.arch_lists[3].instruction, 3);
}
