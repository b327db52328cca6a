//! The scan itself: levels of text, from the outermost inwards, read one after the other.

use super::nested;
use super::source::{Inner, Source};
use super::state::Level;
use super::types::{Command, Context, HeredocUse, Problem, RedirectionOp, Script, Separator};
use super::word::SubstitutionKind;
use crate::limits::Limits;
use crate::span::Span;
use std::rc::Rc;

/// Reads shell text. Never fails: broken text gives the commands that can be told apart and [`Script::problems`].
#[must_use]
pub fn scan(text: &str, limits: &Limits) -> Script {
    let source = Rc::new(Source::whole(text));
    let range = Span::new(0, text.len());
    let first = Item {
        source,
        range,
        depth: 0,
        context: Context::default(),
        parent: None,
        group: None,
        arm: 0,
        whole: true,
    };
    let mut scanner =
        Scanner { limits, script: Script::default(), queue: vec![first], words: 0, pipelines: 0 };
    while let Some(item) = scanner.queue.pop() {
        if u64::from(item.depth) > limits.shell_depth {
            scanner.script.exceeded.get_or_insert("shell_depth");
            continue;
        }
        if scanner.full() {
            break;
        }
        Level::new(&mut scanner, &item).run();
    }
    scanner.finish()
}

/// A text that waits to be read.
#[derive(Debug)]
pub(super) struct Item<'t> {
    pub source: Rc<Source<'t>>,
    pub range: Span,
    pub depth: u32,
    pub context: Context,
    pub parent: Option<usize>,
    pub group: Option<usize>,
    pub arm: usize,
    /// It is the text that the caller gave.
    pub whole: bool,
}

/// What all levels share.
#[derive(Debug)]
pub(super) struct Scanner<'t, 'l> {
    limits: &'l Limits,
    pub script: Script,
    queue: Vec<Item<'t>>,
    words: u64,
    pipelines: usize,
}

impl<'t> Scanner<'t, '_> {
    /// Counts a word; `false` once there are too many.
    pub fn count_word(&mut self) -> bool {
        self.words = self.words.saturating_add(1);
        !self.full()
    }

    /// Whether no more words may be kept; notes it.
    pub fn full(&mut self) -> bool {
        let full = self.words > self.limits.shell_words;
        if full {
            self.script.exceeded = Some("shell_words");
        }
        full
    }

    pub fn new_pipeline(&mut self) -> usize {
        self.pipelines = self.pipelines.saturating_add(1);
        self.pipelines
    }

    /// Queues substitutions of a word.
    pub fn queue_inner(
        &mut self,
        source: &Rc<Source<'t>>,
        inner: Vec<(Inner, SubstitutionKind)>,
        at: &Place,
        parent: Option<usize>,
    ) {
        for (inner, _) in inner {
            let (source, range) = match inner {
                Inner::Range(range) => (Rc::clone(source), range),
                Inner::Text(text) => {
                    let range = Span::new(0, text.text.len());
                    (Rc::new(text), range)
                }
            };
            let context = Context { substitution: true, ..at.context };
            let depth = at.depth.saturating_add(1);
            self.queue.push(Item {
                source,
                range,
                depth,
                context,
                parent,
                group: at.group,
                arm: at.arm,
                whole: false,
            });
        }
    }

    /// Queues a text that a command hands to another shell.
    pub fn queue_script(&mut self, text: Source<'t>, at: &Place, parent: Option<usize>, deeper: bool) {
        let range = Span::new(0, text.text.len());
        let context = Context { nested_script: at.context.nested_script || deeper, ..at.context };
        let depth = at.depth.saturating_add(u32::from(deeper));
        let source = Rc::new(text);
        self.queue.push(Item {
            source,
            range,
            depth,
            context,
            parent,
            group: at.group,
            arm: at.arm,
            whole: false,
        });
    }

    /// Adds a finished command, queues what it runs; gives its index.
    pub fn add_command(&mut self, command: Command, place: &Place) -> usize {
        let index = self.script.commands.len();
        if let Some(words) = nested::script_words(&command.words).filter(|words| !words.is_empty()) {
            let text = nested::source_of(words);
            self.queue_script(text, place, Some(index), true);
        }
        if command.separator_before.is_pipe() {
            self.feed_shell(index, &command, place);
        }
        let here =
            command.redirections.iter().find(|redirection| redirection.op == RedirectionOp::HereString);
        if let Some(here) = here.filter(|_| nested::stdin_use(&command) == HeredocUse::Shell) {
            self.queue_script(nested::source_of([&here.target]), place, Some(index), true);
        }
        self.script.commands.push(command);
        index
    }

    /// `echo '…' | sh`, `cat <<EOF | bash`: the text before the pipe is what the shell runs.
    fn feed_shell(&mut self, index: usize, command: &Command, place: &Place) {
        if nested::stdin_use(command) != HeredocUse::Shell {
            return;
        }
        let before = self.script.commands.last().filter(|before| {
            before.pipeline == command.pipeline
                && before.pipeline_index.checked_add(1) == Some(command.pipeline_index)
        });
        let Some(words) = before.and_then(nested::printed_words).filter(|words| !words.is_empty()) else {
            return;
        };
        let text = nested::source_of(words);
        self.queue_script(text, place, Some(index), true);
    }

    pub fn problem(&mut self, problem: Problem) {
        self.script.problems.push(problem);
    }

    /// Brings commands into the order of the text.
    fn finish(mut self) -> Script {
        let mut order: Vec<usize> = (0..self.script.commands.len()).collect();
        let key = |index: &usize| {
            self.script.commands.get(*index).map(|command| (command.span.start, command.depth))
        };
        order.sort_by_key(key);
        let mut place = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            if let Some(slot) = place.get_mut(*old) {
                *slot = new;
            }
        }
        let mut slots: Vec<Option<Command>> = self.script.commands.into_iter().map(Some).collect();
        let ordered = order.into_iter().filter_map(|old| slots.get_mut(old)?.take());
        self.script.commands = ordered
            .map(|command| Command {
                parent: command.parent.and_then(|parent| place.get(parent).copied()),
                ..command
            })
            .collect();
        for group in &mut self.script.groups {
            group.command = group.command.and_then(|command| place.get(command).copied());
        }
        self.script.problems.sort_by_key(|problem| problem.span);
        self.script
    }
}

/// Where in the structure a level stands right now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub depth: u32,
    pub context: Context,
    pub group: Option<usize>,
    /// See [`Command::arm`].
    pub arm: usize,
}

/// The separator that a newline or operator gives to the commands on both sides.
pub(super) fn set_after(script: &mut Script, index: usize, separator: Separator) {
    if let Some(command) = script.commands.get_mut(index) {
        command.separator_after = separator;
    }
}
