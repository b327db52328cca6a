//! Shell scanner and argument readers on any text: no panic, spans in bounds and on character boundaries.

#![no_main]

use cudalint::dockerfile::shell::{Value, interpret, scan, tools};
use cudalint::limits::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let script = scan(text, &Limits::default());
    let variables = script.variables();
    for (index, command) in script.commands.iter().enumerate() {
        assert!(text.get(command.span.start..command.span.end).is_some());
        for word in &command.words {
            assert!(text.get(word.span.start..word.span.end).is_some());
            for segment in &word.segments {
                let here = word.text.get(segment.offset..segment.offset + segment.len);
                assert!(here.is_some() && here == text.get(segment.source..segment.source + segment.len));
            }
        }
        let resolved = command.resolved(&|name| match name.len() % 3 {
            0 => Value::Set(" a  b ".to_owned()),
            1 => Value::Unset,
            _ => Value::Unknown,
        });
        let _ = (interpret(command), interpret(&resolved), variables.local(index, "V"));
        let _ = (script.failure_ignored(index), script.pipe_target(index));
    }
    let _ = tools::files::writes(&script);
});
