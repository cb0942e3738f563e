//! What a measurement takes: bytes on the disk, bytes of memory.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes of a block as the system counts them.
const BLOCK_BYTES: u64 = 512;

/// Bytes that the blocks of a directory's files take on the disk.
///
/// # Errors
/// Where a part of it cannot be read.
pub fn bytes(directory: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        total += if metadata.is_dir() { bytes(&entry.path())? } else { metadata.blocks() * BLOCK_BYTES };
    }
    Ok(total)
}

/// The most memory that this process has had at once, in bytes.
///
/// # Errors
/// Where the system does not tell.
pub fn peak_memory_bytes() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kibibytes.map(|count| count * 1024).ok_or_else(|| io::Error::other("/proc/self/status has no VmHWM"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_directory_are_those_of_its_files_at_every_depth() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(bytes(directory.path()).expect("it can be read"), 0);
        let below = directory.path().join("below");
        std::fs::create_dir(&below).expect("it can be made");
        for path in [directory.path().join("a"), below.join("b")] {
            let file = std::fs::File::create(&path).expect("it can be made");
            std::io::Write::write_all(&mut &file, &[1; 8192]).expect("it can be written");
            file.sync_all().expect("it can be synced");
        }
        assert_eq!(bytes(directory.path()).expect("it can be read"), 2 * 8192);
    }

    #[test]
    fn memory_that_was_used_counts_toward_the_peak() {
        const MORE_BYTES: usize = 64 << 20;
        let before = peak_memory_bytes().expect("the system tells");
        drop(std::hint::black_box(vec![1_u8; MORE_BYTES]));
        assert!(peak_memory_bytes().expect("the system tells") >= before.max(MORE_BYTES as u64));
    }
}
