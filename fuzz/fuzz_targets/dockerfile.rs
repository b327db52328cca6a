//! Parser, expansion and stage graph on any bytes: no panic, spans in bounds, maps that hold.

#![no_main]

use cudalint::dockerfile::{BaseEnv, BuildOptions, Dockerfile, InstructionKind, StageGraph};
use cudalint::limits::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let file = Dockerfile::parse(data, &Limits::default());
    let mut end = 0;
    for instruction in &file.instructions {
        assert!(end <= instruction.span.start && instruction.span.end <= data.len());
        end = instruction.span.end;
        let whole = instruction.text.span();
        assert!(instruction.span.start <= whole.start && whole.end <= instruction.header.end);
        for heredoc in &instruction.heredocs {
            assert!(heredoc.terminator.end <= instruction.span.end);
        }
    }
    let options = BuildOptions::default();
    for known in [true, false] {
        let graph = StageGraph::build(&file, &options, &mut |_| match known {
            true => BaseEnv::Known(vec![("PATH".to_owned(), "/usr/bin".to_owned())]),
            false => BaseEnv::Unknown,
        });
        for (index, instruction) in file.instructions.iter().enumerate() {
            if let (InstructionKind::Workdir(path), Some(stage)) = (&instruction.kind, graph.stage_of(index))
            {
                let _ = graph.scope(stage, index).expand(&path.value);
            }
        }
        for stage in 0..graph.stages.len().min(64) {
            let _ = graph.image_env(stage);
        }
    }
});
