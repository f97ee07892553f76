//! The filter that ships, with less memory than it asks for: it traps when it needs more.

use std::fs;
use std::path::PathBuf;

use tollgate_e2e::envoy::module;
use tollgate_e2e::scratch;

/// The module with at most so many pages of 64 KiB more than it begins with.
pub fn limited(pages: u64) -> PathBuf {
    let file = scratch().join("limited.wasm");
    let bytes = fs::read(module()).expect("the module");
    fs::write(&file, with_limit(&bytes, pages).expect("a module with a memory")).expect("a file");
    file
}

/// Another maximum in the memory section (WebAssembly 1.0, section 5.5.8).
fn with_limit(module: &[u8], pages: u64) -> Option<Vec<u8>> {
    const MEMORY: u8 = 5;
    let mut out = module.get(..8)?.to_vec();
    let mut rest = module.get(8..)?;
    while let Some((id, after)) = rest.split_first() {
        let (length, content) = number(after)?;
        let (content, next) = content.split_at_checked(usize::try_from(length).ok()?)?;
        if *id == MEMORY {
            // One memory; flags; the initial size; the maximum, if the flags have it.
            let (initial, _) = number(content.get(2..)?)?;
            let section = [vec![1, 1], leb(initial), leb(initial + pages)].concat();
            out.extend([vec![MEMORY], leb(section.len() as u64), section].concat());
        } else {
            out.extend(&rest[..rest.len() - next.len()]);
        }
        rest = next;
    }
    Some(out)
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

fn leb(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_memory_section_changes() {
        let head = [0, b'a', b's', b'm', 1, 0, 0, 0];
        let module = [&head[..], &[3, 1, 0], &[5, 3, 1, 0, 19], &[7, 1, 0]].concat();
        let want = [&head[..], &[3, 1, 0], &[5, 5, 1, 1, 19, 147, 1], &[7, 1, 0]].concat();
        assert_eq!(with_limit(&module, 128), Some(want));
    }
}
