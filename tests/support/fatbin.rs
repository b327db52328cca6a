//! Writes fatbin containers.

/// One piece of device code: a fatbin entry.
#[derive(Debug, Clone)]
pub struct Code {
    kind: u16,
    sm: u32,
    suffix: u64,
    major: u16,
    minor: u16,
    compression: u64,
    options: String,
    payload: Vec<u8>,
    concatenated: Vec<Code>,
}

impl Code {
    fn new(kind: u16, target: &str) -> Self {
        let (number, suffix) = match target.as_bytes().last() {
            Some(b'a') => (&target[..target.len() - 1], 0x10_0000),
            Some(b'f') => (&target[..target.len() - 1], 0x20_0000),
            _ => (target, 0),
        };
        Self {
            kind,
            sm: number.parse().expect("an SM number"),
            suffix,
            major: 1,
            minor: 7,
            compression: 0,
            options: String::new(),
            payload: vec![0x5a; 64],
            concatenated: Vec::new(),
        }
    }

    /// A cubin for `90`, `90a`, `100f`. Its payload is a cubin header of toolkit 12.4 without code.
    pub fn sass(target: &str) -> Self {
        let mut code = Self::new(2, target);
        code.payload = cubin(code.sm, 124);
        code
    }

    /// PTX of an ISA (`8.4`) for a target.
    pub fn ptx(target: &str, isa: &str) -> Self {
        let (major, minor) = isa.split_once('.').expect("major.minor");
        let mut code = Self::new(1, target);
        (code.major, code.minor) = (major.parse().expect("major"), minor.parse().expect("minor"));
        code
    }

    /// NVVM IR.
    pub fn nvvm(target: &str) -> Self {
        Self::new(8, target)
    }

    /// Several codes in one concatenated entry.
    pub fn concatenated(codes: &[Self]) -> Self {
        let mut code = Self::new(0x100, "0");
        (code.major, code.minor) = (0, 1);
        code.concatenated = codes.to_vec();
        code.zstd()
    }

    /// Marks the payload as LZ4. The payload becomes one run of literals, which is a valid block.
    pub fn lz4(mut self) -> Self {
        self.compression = 0x2000;
        let literals = std::mem::take(&mut self.payload);
        self.payload = vec![0xf0];
        let mut rest = literals.len() - 15;
        while rest >= 255 {
            self.payload.push(255);
            rest -= 255;
        }
        self.payload.push(rest as u8);
        self.payload.extend_from_slice(&literals);
        self
    }

    /// Marks the payload as Zstandard. It is never decoded.
    pub fn zstd(mut self) -> Self {
        self.compression = 0x8000;
        self
    }

    /// The ptxas options that an entry carries, such as `--compile-only`.
    pub fn options(mut self, text: &str) -> Self {
        self.options = text.to_owned();
        self
    }

    /// Replaces the payload.
    pub fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// The 64 fixed bytes.
    fn header(&self, header_bytes: usize, payload_bytes: usize, options: usize) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&self.kind.to_le_bytes());
        out.extend_from_slice(&0x0101u16.to_le_bytes());
        out.extend_from_slice(&(header_bytes as u32).to_le_bytes());
        out.extend_from_slice(&(payload_bytes as u64).to_le_bytes());
        let compressed = if self.compression == 0 { 0 } else { self.payload.len() as u32 };
        out.extend_from_slice(&compressed.to_le_bytes());
        out.extend_from_slice(&(options as u32).to_le_bytes());
        out.extend_from_slice(&self.minor.to_le_bytes());
        out.extend_from_slice(&self.major.to_le_bytes());
        out.extend_from_slice(&self.sm.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&(0x11 | self.suffix | self.compression).to_le_bytes());
        out.extend_from_slice(&[0; 16]);
        out
    }

    fn build(&self) -> Vec<u8> {
        let mut tail = Vec::new();
        if !self.concatenated.is_empty() {
            let mut members = Vec::new();
            for code in &self.concatenated {
                members.extend_from_slice(&code.header(0, 0, 0));
                members.extend_from_slice(&[0; 8]);
                members.extend_from_slice(&0u32.to_le_bytes());
                members.extend_from_slice(&(code.options.len() as u32).to_le_bytes());
                members.extend_from_slice(code.options.as_bytes());
                members.resize((members.len() + 1).next_multiple_of(8), 0);
            }
            tail.extend_from_slice(&(self.concatenated.len() as u32).to_le_bytes());
            tail.extend_from_slice(&(members.len() as u32 + 8).to_le_bytes());
            tail.extend_from_slice(&members);
        } else if !self.options.is_empty() {
            tail.extend_from_slice(&72u32.to_le_bytes());
            tail.extend_from_slice(&(self.options.len() as u32).to_le_bytes());
            tail.extend_from_slice(self.options.as_bytes());
            tail.resize((tail.len() + 1).next_multiple_of(8), 0);
        }
        let payload_bytes = self.payload.len().next_multiple_of(8);
        let options = if tail.is_empty() { 0 } else { 64 };
        let mut out = self.header(64 + tail.len(), payload_bytes, options);
        out.extend_from_slice(&tail);
        out.extend_from_slice(&self.payload);
        out.resize(out.len().next_multiple_of(8), 0);
        out
    }
}

/// A fatbin container.
pub fn fatbin(codes: &[Code]) -> Vec<u8> {
    let entries: Vec<u8> = codes.iter().flat_map(Code::build).collect();
    let mut out = vec![0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0];
    out.extend_from_slice(&(entries.len() as u64).to_le_bytes());
    out.extend_from_slice(&entries);
    out
}

/// The ELF header of a cubin of the old layout; `release` is the toolkit's times ten.
pub fn cubin(sm: u32, release: u32) -> Vec<u8> {
    let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0x33, 7, 0, 0, 0, 0, 0, 0, 0];
    out.extend_from_slice(&2u16.to_le_bytes());
    out.extend_from_slice(&190u16.to_le_bytes());
    out.extend_from_slice(&release.to_le_bytes());
    out.resize(48, 0);
    out.extend_from_slice(&(sm << 16 | sm).to_le_bytes());
    out.resize(64, 0);
    out
}
