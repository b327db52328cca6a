//! placeholder
use super::args::ExplainArgs;
use super::output::{Screen, Stop};
use std::io::Write;
pub(super) fn run(_: &ExplainArgs, _: &Screen, _: &mut dyn Write) -> Result<u8, Stop> {
    Ok(0)
}
