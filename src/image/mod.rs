//! Image reference to manifest, config and ordered layers, and each layer to a stream of entries with bounded readers. Knows no ELF, CUDA or rules.
