//! Content addressing: what is put is got, once, and what was altered is neither got nor overlooked.

use std::time::{Duration, SystemTime};

use super::*;

fn attachments() -> (tempfile::TempDir, Attachments) {
    let dir = tempfile::tempdir().unwrap();
    let attachments = Attachments::at(dir.path().join("attachments"));
    (dir, attachments)
}

fn files(attachments: &Attachments) -> Vec<PathBuf> {
    let entries = |dir: &Path| std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries(attachments.dir()).flat_map(|dir| entries(&dir)).collect()
}

#[test]
fn what_is_put_is_got_and_stands_once_under_its_hash() {
    let (_dir, attachments) = attachments();
    let sha256 = attachments.put(b"abc").unwrap();
    assert_eq!(sha256.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(attachments.put(b"abc").unwrap(), sha256);
    assert_eq!(attachments.get(sha256).unwrap(), b"abc");
    let file = attachments.dir().join("ba/7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(files(&attachments), [file], "no second copy, no temporary file");
    assert_eq!(attachments.verify(), Stored { sound: 1, ..Stored::default() });
}

#[test]
fn an_altered_file_is_refused_and_put_right_by_the_next_put() {
    let (_dir, attachments) = attachments();
    let sha256 = attachments.put(b"abc").unwrap();
    let [file] = &files(&attachments)[..] else { panic!("one file") };
    for altered in [&b"abd"[..], b"ab", b""] {
        std::fs::write(file, altered).unwrap();
        assert!(matches!(attachments.get(sha256), Err(AttachmentError::Altered { .. })), "{altered:?}");
        assert_eq!(attachments.verify(), Stored { altered: vec![file.clone()], ..Stored::default() });
    }
    attachments.put(b"abc").unwrap();
    assert_eq!(attachments.get(sha256).unwrap(), b"abc");
}

#[test]
fn what_is_missing_or_of_another_size_is_named() {
    let (_dir, attachments) = attachments();
    let sha256 = hash(b"abc");
    let error = attachments.get(sha256).unwrap_err();
    assert!(matches!(error, AttachmentError::Missing { .. }), "{error}");
    attachments.put(b"abc").unwrap();
    let named = Attachment { name: "a".into(), media_type: "text/plain".into(), bytes: 3, sha256 };
    attachments.check(&named).unwrap();
    let error = attachments.check(&Attachment { bytes: 4, ..named }).unwrap_err();
    assert!(matches!(error, AttachmentError::OtherSize { stored: 3, named: 4, .. }), "{error}");
}

#[test]
fn empty_and_oversized_content_is_refused() {
    let (_dir, attachments) = attachments();
    let largest = usize::try_from(ATTACHMENT_BYTES_MAX).unwrap();
    assert!(matches!(attachments.put(b""), Err(AttachmentError::Size)));
    assert!(matches!(attachments.put(&vec![0; largest + 1]), Err(AttachmentError::Size)));
    let sha256 = attachments.put(&vec![0; largest]).unwrap();
    assert_eq!(attachments.get(sha256).unwrap().len(), largest);
}

/// Something that stands where a file should and cannot be read: a link to itself.
fn make_unreadable(file: &Path) {
    std::fs::remove_file(file).unwrap();
    std::os::unix::fs::symlink(file, file).unwrap();
}

#[test]
fn what_cannot_be_read_is_told_beside_the_rest_and_put_right_by_the_next_put_or_copy() {
    let (_dir, attachments) = attachments();
    let [first, second, third] = [b"abc", b"abd", b"abe"].map(|bytes| attachments.put(bytes).unwrap());
    let file = attachments.path(first);
    make_unreadable(&file);
    std::fs::write(attachments.path(second), "other").unwrap();
    let Stored { sound, altered, unreadable } = attachments.verify();
    assert_eq!((sound, altered), (1, vec![attachments.path(second)]));
    let [(path, _)] = &unreadable[..] else { panic!("{unreadable:?}") };
    assert_eq!(*path, file);
    assert!(matches!(attachments.get(first), Err(AttachmentError::File { .. })));

    attachments.put(b"abc").unwrap();
    assert_eq!(attachments.get(first).unwrap(), b"abc");
    let (_dir, copies) = self::attachments();
    copies.copy_from(&attachments, third).unwrap();
    make_unreadable(&copies.path(third));
    copies.copy_from(&attachments, third).unwrap();
    assert_eq!(copies.get(third).unwrap(), b"abe");
}

#[test]
fn what_a_killed_put_left_is_cleared_away_and_what_another_writes_is_not() {
    let (_dir, attachments) = attachments();
    let sha256 = hash(b"abc");
    let path = attachments.path(sha256);
    let dir = path.parent().unwrap();
    std::fs::create_dir_all(dir).unwrap();
    let (left, written) = (dir.join(".tmpleft"), dir.join(".tmpwritten"));
    for file in [&left, &written] {
        std::fs::write(file, "ab").unwrap();
    }
    let earlier = SystemTime::now() - Duration::from_hours(25);
    File::options().write(true).open(&left).unwrap().set_modified(earlier).unwrap();
    attachments.put(b"abc").unwrap();
    let mut found = files(&attachments);
    found.sort();
    assert_eq!(found, [written, path]);
}
