//! Content addressing: what is put is got, once, and what was altered is neither got nor overlooked.

use super::*;

fn attachments() -> (tempfile::TempDir, Attachments) {
    let dir = tempfile::tempdir().unwrap();
    let attachments = Attachments::at(dir.path().join("attachments"));
    (dir, attachments)
}

fn files(attachments: &Attachments) -> Vec<PathBuf> {
    entries(attachments.dir()).unwrap().iter().flat_map(|dir| entries(dir).unwrap()).collect()
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
    assert_eq!(attachments.verify().unwrap(), Stored { sound: 1, altered: vec![] });
}

#[test]
fn an_altered_file_is_refused_and_put_right_by_the_next_put() {
    let (_dir, attachments) = attachments();
    let sha256 = attachments.put(b"abc").unwrap();
    let [file] = &files(&attachments)[..] else { panic!("one file") };
    for altered in [&b"abd"[..], b"ab", b""] {
        std::fs::write(file, altered).unwrap();
        assert!(matches!(attachments.get(sha256), Err(AttachmentError::Altered { .. })), "{altered:?}");
        assert_eq!(attachments.verify().unwrap(), Stored { sound: 0, altered: vec![file.clone()] });
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
