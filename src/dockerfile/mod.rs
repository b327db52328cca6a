//! Bytes of a Dockerfile to a tree with spans, stages, ARG/ENV evaluation and the shell words of RUN. Knows no CUDA, does no I/O.

pub mod shell;
