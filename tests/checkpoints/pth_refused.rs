//! Refused `.pth` files, and their error messages.

use wgvae::checkpoint::pth;

use crate::common::pth::{Entry, fixture, pickle, pth, tensor, zip};

/// `bytes` are refused as a file or as a model, and the reason has all of `parts`.
fn refuses(what: &str, bytes: &[u8], parts: &[&str]) {
    let reason = pth::read(bytes).and_then(|value| pth::training(value, &["a"])).expect_err(what);
    println!("{what}: {reason}");
    for part in parts {
        assert!(reason.contains(part), "{what}: {part:?} is missing in: {reason}");
    }
}

#[test]
fn nothing_is_executed() {
    let says = |operations: &[u8], parts: &[&str]| {
        let what = String::from_utf8_lossy(operations).escape_debug().to_string();
        refuses(&what, &pth(&pickle(operations), &[]), parts);
    };
    let asks = ["holds an object of os.system and no state_dict"];
    says(b"cos\nsystem\nX\x07\0\0\0echo hi\x85R", &asks);
    says(b"X\x02\0\0\0osX\x06\0\0\0system\x93X\x07\0\0\0echo hi\x85R", &asks);
    says(b"(X\x07\0\0\0echo hiios\nsystem\n", &asks);
    says(b"(cos\nsystem\nX\x07\0\0\0echo hio", &asks);
    says(b"cos\nsystem\nX\x07\0\0\0echo hi\x85\x81", &asks);
    says(b"cos\nsystem\n)}\x92", &asks);
    // its value may be called and filled, and does not change
    says(b"cos\nsystem\n)R)R}b]a(NNe(NNuNNs(N\x90", &asks);
    says(b"cbuiltins\neval\n", &["the class or function builtins.eval"]);
    says(b"cnumpy.core.multiarray\nscalar\n", &["numpy.core.multiarray.scalar"]);
    says(b"ctorch\nload\n", &["torch.load"]);
    says(b"ctorch\nComplexFloatStorage\n", &["torch.ComplexFloatStorage"]);
    says(b"ccollections\nOrderedDict\n)}\x92", &["an object of collections.OrderedDict"]);
    says(b"(ccollections\nOrderedDict\no", &["an object of collections.OrderedDict"]);
    // as the model's tensor
    says(b"}X\x01\0\0\0acos\nsystem\n)Rs", &["a is an object of os.system, not a tensor"]);
    // allowed names can only be used for their purpose
    says(b"X\x02\0\0\0os)R", &["calls a text"]);
    says(b"K\x01)}\x92", &["calls an int"]);
    says(b"ctorch\nFloatStorage\n)R", &["an object of torch.FloatStorage"]);
    says(b"ccollections\nOrderedDict\n](K\x01K\x02e\x85R", &["an object of collections.OrderedDict"]);
    says(b"}}b", &["sets attributes of a dictionary"]);
    says(b"P0\n", &["operation 0x50"]);
    says(b"\x82\x01", &["operation 0x82"]);
    says(b"\x97", &["buffers that are outside the file"]);
    says(b"\x98", &["buffers that are outside the file"]);
    let long = [b"c".as_slice(), &[b'm'; 5000], b"\n\x1b[31m\xe2\x80\xae\n"].concat();
    says(&long, &["mmm...", "\\u{1b}[31m\\u{202e}"]);
}

#[test]
fn files_of_another_kind() {
    let save = "torch.save(model.state_dict(), path)";
    refuses("a module", &fixture("module.pth"), &["an object of torch.nn.modules.linear.Linear", save]);
    refuses("TorchScript", &fixture("torchscript.pth"), &["TorchScript", save]);
    refuses("deflated", &fixture("deflated.pth"), &["is compressed"]);
    // each is allowed beside a model, but not as the tensor that the model needs
    refuses("sparse", &fixture("sparse.pth"), &["a is an object of torch._utils._rebuild_sparse_tensor"]);
    refuses("complex", &fixture("complex.pth"), &["a is an object of torch.ComplexFloatStorage"]);
    refuses("negated", &fixture("negated.pth"), &["a is an object", "negation"]);
    refuses("nothing", b"", &["empty"]);
    refuses("a picture", b"\x89PNG\r\n\x1a\n", &["not a file of torch.save"]);
    refuses("a pickle", b"\x80\x04N.", &["bare pickle", save]);
    refuses("a tape archive", &[&[b'x'; 257][..], b"ustar"].concat(), &["tar archive", "0.1.10", save]);
    refuses("another zip", &zip(&[Entry::new("word/document.xml", b"<xml>")]), &["no data.pkl"]);
    refuses("an empty zip", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", &["no data.pkl"]);
    let data = Entry::new("a/data.pkl", b"\x80\x02N.");
    let order = |order| zip(&[data.clone(), Entry::new("a/byteorder", order)]);
    refuses("big-endian", &order(b"big"), &["big-endian"]);
    refuses("middle-endian", &order(b"mid\ndle"), &["byte order (mid\\ndle)"]);
    assert!(pth::read(&order(b"little")).is_ok());
}

#[test]
fn damaged_archives() {
    let whole = fixture("state_dict.pth");
    for length in 0..whole.len() {
        assert!(pth::read(&whole[..length]).is_err(), "the first {length} bytes");
    }
    println!("{} truncations refused", whole.len());
    refuses("half a file", &whole[..whole.len() / 2], &["truncated"]);
    let entry = |name: &str, bytes: &[u8]| Entry::new(name, bytes);
    let data = entry("a/data.pkl", b"\x80\x02N.");
    let with = |more: Entry| zip(&[data.clone(), more]);
    assert!(pth::read(&with(entry("a/data/", b""))).is_ok(), "a folder's own entry");
    refuses("twice", &with(entry("a/data.pkl", b"\x80\x02N.")), &["two entries named a/data.pkl"]);
    for name in ["a/../data/0", "../data/0", "/data/0", "a//0", "a/./0", "a\\0", "0", "a/\0", "a/0/", ""] {
        refuses("a name", &with(entry(name, b"0")), &["impossible name"]);
    }
    refuses("another folder", &with(entry("b/data/0", b"")), &["b/data/0 is outside the folder"]);
    let mut other = entry("a/data/0", b"1234");
    other.crc ^= 1;
    refuses("a checksum", &with(other.clone()), &["data/0 is damaged"]);
    other.crc = 0;
    assert!(pth::read(&with(other.clone())).is_ok(), "a file without checksums");
    other.at = Some(0);
    refuses("a place", &with(other.clone()), &["not where it should be"]);
    other.at = Some(u32::MAX - 1);
    refuses("a place", &with(other), &["not where it should be"]);
    let mut file = with(entry("a/data/0", b"1234"));
    let at = file.len() - 22 - 46 - 8 + 20;
    for length in [5u32, 90, u32::MAX - 1] {
        file[at..at + 4].copy_from_slice(&length.to_le_bytes());
        file[at + 4..at + 8].copy_from_slice(&length.to_le_bytes());
        refuses("a length", &file, &["data/0 is outside the file"]);
    }
    file[at..at + 4].copy_from_slice(&3u32.to_le_bytes());
    refuses("two lengths", &file, &["two lengths"]);
    let mut file = with(entry("a/data/0", b"1234"));
    let at = file.len() - 22 - 2 * 46 - 10 - 8 + 8;
    file[at] = 1;
    refuses("a secret", &file, &["encrypted"]);
}

/// An entry that overlaps the next one.
#[test]
fn overlapping_entries() {
    let inner = zip(&[Entry::new("a/data/0", b"1234")]);
    let inner = &inner[..30 + 8 + 4];
    let mut entries = [Entry::new("a/data.pkl", inner), Entry::new("a/data/0", b"1234")];
    entries[1].at = Some(30 + 10);
    refuses("an entry within another", &zip(&entries), &["data.pkl and data/0 overlap"]);
}

#[test]
fn views_beyond_their_storage() {
    let numbers = [0u8; 16];
    let says = |held: u32, start: i32, shape: &[u64], strides: &[u64], part: &str| {
        let file = pth(&pickle(&tensor(held, start, shape, strides)), &[&numbers]);
        refuses(&format!("{held} {start} {shape:?} {strides:?}"), &file, &[part]);
    };
    assert!(pth::read(&pth(&pickle(&tensor(4, 1, &[3], &[1])), &[&numbers])).is_ok());
    says(5, 0, &[4], &[1], "data/0 has 16 bytes");
    says(u32::MAX, 0, &[4], &[1], "data/0 has 16 bytes");
    says(4, 1, &[4], &[1], "beyond the 4 numbers");
    says(4, -1, &[4], &[1], "impossible size");
    says(4, 0, &[2], &[u64::MAX], "impossible size");
    says(4, 0, &[2], &[i64::MAX as u64], "beyond the 4 numbers");
    says(4, 0, &[1 << 40], &[1], "beyond the 4 numbers");
    says(4, 0, &[1 << 62, 1 << 62], &[0, 0], "impossible");
    says(4, 0, &[1 << 40], &[0], "far more numbers than the file holds");
    says(4, 0, &[1 << 20], &[0], "far more numbers than the file holds");
    says(4, 0, &[4], &[1, 1], "differ in length");
    says(4, 0, &[1; 17], &[1; 17], "17 dimensions");
    refuses("a missing storage", &pth(&pickle(&tensor(4, 0, &[4], &[1])), &[]), &["no entry data/0"]);
}

#[test]
fn dictionaries_as_torch_never_saves() {
    let says = |operations: &[u8], part: &str| {
        let what = String::from_utf8_lossy(operations).escape_debug().to_string();
        refuses(&what, &pth(&pickle(operations), &[]), &[part]);
    };
    says(b"}(X\x01\0\0\0aK\x01X\x01\0\0\0aK\x02u", "holds a twice");
    says(b"}(K\x07NK\x07Nu", "holds 7 twice");
    says(b"}(K\x07u", "damaged");
    says(b"](K\x07s", "damaged");
    says(b"NN", "damaged");
    says(b"(N", "damaged");
    // operations that would pop below a mark
    says(b"](K\x01\x86t\x86", "damaged");
    says(b"]K\x01(at\x86", "damaged");
}

/// A file in the layout before PyTorch 1.6 is refused wherever it is cut, and if its storages are not what its tensors say.
#[test]
fn damaged_legacy_files() {
    let whole = fixture("legacy.pth");
    for length in 0..whole.len() {
        assert!(pth::read(&whole[..length]).is_err(), "the first {length} bytes");
    }
    refuses("half a file", &whole[..whole.len() - 9], &["too early", "truncated"]);
    // the last storage is a bias of one number
    let mut other = whole.clone();
    let at = other.len() - 4 - 8;
    other[at] += 1;
    refuses("a length", &other, &["has 2 numbers, and should have 1"]);
    other[at..at + 8].fill(0xff);
    refuses("a huge length", &other, &["numbers, and should have 1"]);
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut other = whole.clone();
            other[at] ^= 1 << bit;
            // no panic; the bits of the parameters may be any
            let _ = pth::read(&other).and_then(|value| pth::training(value, &["0.weight"]));
        }
    }
    let version = whole.windows(3).position(|bytes| bytes == b"M\xe9\x03").expect("1001");
    let mut other = whole.clone();
    other[version + 1] = 0;
    refuses("a version", &other, &["unknown version"]);
    let order = whole.windows(2).position(|bytes| bytes == b"\x88X").expect("little_endian");
    let mut other = whole;
    other[order] = 0x89;
    refuses("big-endian", &other, &["big-endian"]);
}
