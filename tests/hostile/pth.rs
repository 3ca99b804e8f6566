//! Small `.pth` files that would exhaust memory, time or the stack of a careless reader.

use std::time::Instant;

use wgvae::checkpoint::pth;

use crate::common::pth::{pickle, pth, tensor};
use crate::memory::Memory;

/// Checks that `operations` are refused with `part` in the message, within a short time.
fn refuses(what: &str, operations: &[u8], part: &str) {
    let start = Instant::now();
    let reason = pth::read(&pth(&pickle(operations), &[&[0; 16]])).expect_err(what);
    println!("{what}: {reason} ({:.2} s)", start.elapsed().as_secs_f64());
    assert!(reason.contains(part), "{what}: {part:?} is missing in: {reason}");
    assert!(start.elapsed().as_secs() < 20, "{what} took {:?}", start.elapsed());
}

/// In one test, because memory belongs to the whole process.
#[test]
fn bounded() {
    let memory = Memory::watch();
    // a list of ten lists of ten lists ...
    let mut laughs = b"]q\0".to_vec();
    for level in 1..=30u8 {
        laughs.extend([b']', b'q', level, b'(']);
        laughs.extend([b'h', level - 1].repeat(10));
        laughs.push(b'e');
    }
    laughs.splice(0..0, *b"(");
    laughs.extend(*b"t");
    refuses("ten to the thirty", &laughs, "more than 1048576 values");
    refuses("a list in itself", b"]q\0h\0a", "nested deeper than 64");
    refuses("a dictionary in itself", b"}q\0K\0h\0s", "nested deeper than 64");
    refuses(
        "deep lists",
        &[&b"]".repeat(200_000)[..], &b"a".repeat(199_999)].concat(),
        "nested deeper than 64",
    );
    refuses("deep tuples", &[&b")"[..], &b"\x85".repeat(500_000)].concat(), "nested deeper than 64");
    refuses("marks", &b"(".repeat(3_000_000), "items at once");
    refuses("items", &b"N".repeat(3_000_000), "items at once");
    refuses("lists", &[&b"("[..], &b"]".repeat(3_000_000)].concat(), "items at once");
    refuses("lists of one", &[&b"("[..], &b"]Na".repeat(3_000_000)].concat(), "items at once");
    refuses("dictionaries", &[&b"]"[..], &b"}K\0Nsa".repeat(3_000_000)].concat(), "objects");
    let batches = [&b"("[..], &b"N".repeat(1000), b"e"].concat().repeat(10_000);
    refuses("a long list", &[&b"]"[..], &batches].concat(), "more than 2097152 items");
    refuses(
        "long tuples",
        &[&b"]"[..], &[&b"("[..], &b"N".repeat(1000), b"ta"].concat().repeat(10_000)].concat(),
        "items",
    );
    let memo: Vec<u8> =
        (0..3_000_000u32).flat_map(|index| [&b"r"[..], &index.to_le_bytes()].concat()).collect();
    refuses("a memo", &[&b"N"[..], &memo].concat(), "remembers more than");
    let claim = |operation: &[u8], claimed: &[u8]| [operation, claimed].concat();
    for (operation, width) in [(b'X', 4), (b'B', 4), (b'\x8b', 4), (b'\x8d', 8), (b'\x8e', 8), (b'\x96', 8)] {
        refuses("a claimed length", &claim(&[operation], &[0xff; 8][..width]), "ends too early");
    }
    refuses("a far memo", b"Nr\xff\xff\xff\xffj\xfe\xff\xff\xff", "damaged");

    // texts and tensors that are referenced many times
    let long = [&b"X"[..], &40_000_000u32.to_le_bytes(), &b"a".repeat(40_000_000)].concat();
    let texts = [&long[..], b"q\0", b"](", &b"h\0".repeat(200_000), b"e\x86"].concat();
    let start = Instant::now();
    assert!(pth::read(&pth(&pickle(&texts), &[])).is_ok(), "texts are not copied");
    println!("8 TB of texts: {:.2} s, grown by {:?} MiB", start.elapsed().as_secs_f64(), memory.grown());
    refuses(
        "a long text as keys",
        &[&b"]"[..], &long, b"q\0a(", &b"}h\0Ns".repeat(200_000), b"e"].concat(),
        "name of",
    );
    let encoded = |count: usize| {
        let text = "\u{e9}".repeat(1_000_000);
        let text = [&b"X"[..], &2_000_000u32.to_le_bytes(), text.as_bytes()].concat();
        let call = [&b"c_codecs\nencode\n"[..], &text, b"X\x06\0\0\0latin1\x86Rq\0"].concat();
        [&b"]"[..], &call, b"a(", &b"h\0".repeat(count), b"e"].concat()
    };
    refuses("bytes", &encoded(100_000), "far more numbers than the file holds");
    let views = [&b"]"[..], &tensor(4, 0, &[4], &[1]), b"q\0a(", &b"h\0".repeat(200_000), b"e"].concat();
    refuses("tensors", &views, "far more numbers than the file holds");
    let empty =
        [&b"]"[..], &tensor(4, 0, &[0; 16], &[1; 16]), b"q\0a(", &b"h\0".repeat(2_000_000), b"e"].concat();
    refuses("empty tensors", &empty, "items at once");
    let small = [&b"]"[..], &[&b"("[..], &b"}K\0Ns".repeat(1000), b"e"].concat().repeat(500)].concat();
    assert!(pth::read(&pth(&pickle(&small), &[])).is_ok(), "many small dictionaries are many, not too many");
    println!("500000 dictionaries: grown by {:?} MiB", memory.grown());
    // values that are kept by the name of their class
    let objects = b"cos\nsystem\n)R0".repeat(1_000_000);
    refuses("objects", &[&objects[..], b"N"].concat(), "objects");
    let filled = [&b"cos\nsystem\n)R("[..], &b"N".repeat(1000), b"e"].concat();
    let filled = [&filled[..], &[&b"("[..], &b"N".repeat(1000), b"u"].concat().repeat(10_000)].concat();
    assert!(pth::read(&pth(&pickle(&filled), &[])).is_ok(), "what they are filled with is not kept");
    let nested = [&b")"[..], &b"ctorch._tensor\n_rebuild_from_type_v2\nN\x87".repeat(10_000)].concat();
    assert!(pth::read(&pth(&pickle(&[&nested[..], b"\x85R"].concat()), &[])).is_err(), "calls within calls");
    // names of tensors repeat the keys above them: 60 levels of the same 1000 bytes, and a thousand of them below
    let key = [&b"X"[..], &1000u32.to_le_bytes(), &b"k".repeat(1000), b"q\0"].concat();
    let inner: Vec<u8> =
        (0..2000u16).flat_map(|name| [&b"M"[..], &name.to_le_bytes(), b"h\x01"].concat()).collect();
    let inner = [&tensor(4, 0, &[0], &[1])[..], b"q\x010}(", &inner, b"u"].concat();
    let mut deep = key;
    deep.push(b'0');
    deep.extend(b"}h\0".repeat(60));
    deep.extend(inner);
    deep.extend(b"s".repeat(60));
    let file = pth(&pickle(&deep), &[&[0; 16]]);
    let reason = pth::read(&file).and_then(|value| pth::training(value, &["a"])).expect_err("long names");
    assert!(reason.contains("names of more than"), "{reason}");
    refuses("a large pickle", &vec![b'N'; 65 << 20], "more than the 67108864");

    let grown = memory.grown();
    assert!(grown.is_none_or(|grown| grown < 800), "memory has grown by {grown:?} MiB");
}
