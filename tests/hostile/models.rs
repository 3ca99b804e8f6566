//! Damaged models, read as by `wgvae sample`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wgvae::checkpoint::{Model, read_model, write_model};
use wgvae::config::Likelihood;
use wgvae::config::ModelConfig;
use wgvae::model::StateDict;

use crate::common::report;
use crate::memory::Memory;
use crate::mutate::{edge, mutate};

/// Number of damaged models.
const MODELS: u64 = 12_000;
/// Allowed growth of memory in MiB: the file is a few dozen KiB and is held at most twice, as bytes and as floats; the
/// rest is kept by the allocator. Trusting a header would take gigabytes.
const MAX_MIB: u64 = 32;

const CONFIG: ModelConfig = ModelConfig::reference(16, 1, 2);

/// A valid model: its header, and the data after it.
fn model(folder: &Path) -> (String, Vec<u8>) {
    let path = folder.join("whole.safetensors");
    write_model(&path, &StateDict::initial(&CONFIG, 1), (CONFIG, Likelihood::default())).expect("written");
    let bytes = std::fs::read(&path).expect("read");
    assert_eq!(read_model(&path).expect("a valid model").config, CONFIG);
    let len = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    (String::from_utf8(bytes[8..8 + len].to_vec()).expect("JSON"), bytes[8 + len..].to_vec())
}

/// A file of `header` and `data`; the length field is that of the header unless given.
fn file(header: &str, data: &[u8], len: Option<u64>) -> Vec<u8> {
    let len = len.unwrap_or(header.len() as u64).to_le_bytes();
    [&len, header.as_bytes(), data].concat()
}

/// Replaces one number of `header`, in a shape or an offset, by an edge case or a nearby number.
fn number(rng: &mut ChaCha8Rng, header: &mut String) {
    let digits: Vec<_> =
        header.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect();
    let Some(&at) = digits.get(rng.random_range(0..digits.len().max(1))) else { return };
    let is_digit = |c: char| c.is_ascii_digit();
    let begin = header[..at].rfind(|c| !is_digit(c)).map_or(0, |at| at + 1);
    let end = header[at..].find(|c| !is_digit(c)).map_or(header.len(), |len| at + len);
    let was: u64 = header[begin..end].parse().unwrap_or(0);
    let now = match rng.random_range(0..8) {
        0 => "-1".into(),
        1 => "1e30".into(),
        2 => "99999999999999999999999999".into(),
        3 => was.saturating_add(4).to_string(),
        4 => was.saturating_sub(4).to_string(),
        5 => was.saturating_mul(2).to_string(),
        _ => edge(rng).to_string(),
    };
    header.replace_range(begin..end, &now);
}

/// Damages the header's content; it stays JSON in most cases.
fn claim(rng: &mut ChaCha8Rng, header: &mut String) {
    match rng.random_range(0..6) {
        0 => {
            let types = ["F64", "BF16", "F16", "I8", "U64", "BOOL", "F4", "F8_E8M0", "C64", "X", ""];
            let dtype = types[rng.random_range(0..types.len())];
            let at: Vec<usize> = header.match_indices("\"F32\"").map(|(at, _)| at).collect();
            if !at.is_empty() {
                let at = at[rng.random_range(0..at.len())];
                header.replace_range(at + 1..at + 4, dtype);
            }
        }
        1 => {
            // one name twice, or one under another's
            let names = ["fc_mu.weight", "fc_mu.bias", "encoder.0.weight", "decoder.0.bias", "format"];
            let [from, to] = [0, 1].map(|_| names[rng.random_range(0..names.len())]);
            *header = header.replacen(&format!("\"{from}\""), &format!("\"{to}\""), 1);
        }
        2 => {
            let depth = [10, 127, 129, 5000][rng.random_range(0..4)];
            let [open, close] = if rng.random() { ["[", "]"] } else { ["{\"a\":", "}"] };
            let nest = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let at = header.find('{').map_or(0, |at| at + 1);
            header.insert_str(at, &format!("\"deep\":{nest},"));
        }
        3 => {
            // another rank
            let at: Vec<usize> = header.match_indices("\"shape\":[").map(|(at, _)| at + 9).collect();
            if !at.is_empty() {
                let at = at[rng.random_range(0..at.len())];
                let more = ["0,", "1,", "4611686018427387904,", "9223372036854775808,2,"];
                header.insert_str(at, more[rng.random_range(0..more.len())]);
            }
        }
        _ => number(rng, header),
    }
}

#[test]
fn damaged_models_are_read_or_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x.safetensors");
    let (header, data) = model(folder.path());
    let (memory, began) = (Memory::watch(), Instant::now());
    let (mut read, mut refused) = (0, 0);
    for seed in 0..MODELS {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let mut claims = header.clone();
        let structured = rng.random_range(0..3) > 0;
        if structured {
            (0..rng.random_range(1..=2)).for_each(|_| claim(rng, &mut claims));
        }
        let len = (rng.random_range(0..16) == 0).then(|| edge(rng));
        let mut bytes = file(&claims, &data, len);
        if !structured || rng.random_range(0..8) == 0 {
            let whole = bytes.clone();
            mutate(rng, &mut bytes, &whole, 8 + header.len());
        }
        std::fs::write(&path, &bytes).expect("file");
        match catch_unwind(AssertUnwindSafe(|| read_model(&path))) {
            Ok(Ok(Model { config, weights, .. })) => {
                assert_eq!(config.checked().map_err(|e| e.to_string()), Ok(config), "model {seed}");
                let held: usize = weights.tensors.iter().map(|tensor| tensor.values.len()).sum();
                assert_eq!(held as u64, wgvae::model::parameter_count(&config), "model {seed}");
                read += 1;
            }
            Ok(Err(error)) => {
                let text = error.to_string();
                assert!(text.contains("x.safetensors"), "model {seed}: {text}");
                assert!(text.len() < 2000 && !text.contains('\u{1b}'), "model {seed}: {text:?}");
                refused += 1;
            }
            Err(_) => panic!("model {seed} brings the reader down: {claims}"),
        }
    }
    let (seconds, grown) = (began.elapsed().as_secs_f64(), memory.grown());
    println!(
        "{MODELS} damaged models: {refused} refused, {read} read, {seconds:.1} s, memory grown by {grown:?} MiB"
    );
    report::checked(MODELS as usize, "damaged files");
    assert!(read > MODELS / 50 && refused > MODELS / 2, "the damage is too strong or too weak");
    assert!(grown.is_none_or(|grown| grown <= MAX_MIB), "memory has grown by {grown:?} MiB");
}

/// One tensor of a header.
fn entry(name: &str, dtype: &str, shape: &str, offsets: [u64; 2]) -> String {
    format!("\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{offsets:?}}}")
}

#[test]
fn a_header_is_a_claim() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x.safetensors");
    let (header, data) = model(folder.path());
    let says = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("file");
        let text = read_model(&path).expect_err("a refusal").to_string();
        text.strip_prefix(&format!("{}: ", path.display())).expect("the file's name").to_owned()
    };
    let whole = |reason: &str| {
        format!("not a whole safetensors file ({reason}); it may be truncated or of another kind")
    };
    assert_eq!(says(b""), whole("header too small"));
    assert_eq!(says(&file(&header, &data, Some(u64::MAX))), whole("header too large"));
    assert_eq!(says(&file(&header, &data, Some(99_999_999))), whole("invalid header length"));
    assert_eq!(says(&file(&header, &data[4..], None)), whole("incomplete metadata, file not fully covered"));
    assert_eq!(
        says(&file(&header, &[&data[..], b"more"].concat(), None)),
        whole("incomplete metadata, file not fully covered")
    );

    let first = |shape, offsets| entry("encoder.0.weight", "F32", shape, offsets);
    let made =
        |entries: &[String], len: usize| file(&format!("{{{}}}", entries.join(",")), &vec![0; len], None);
    // overlapping tensors, which would turn a small file into large tensors
    let overlap = [first("[2,1,1,1]", [0, 8]), entry("fc_mu.weight", "F32", "[1,1]", [4, 8])];
    assert_eq!(says(&made(&overlap, 8)), whole("invalid offset for tensor `fc_mu.weight`"));
    assert_eq!(
        says(&made(&[first("[1,3,4,4]", [0, 4])], 4)),
        whole("invalid shape, data type, or offset for tensor")
    );
    let product = first("[4294967296,4294967296,1,1]", [0, 4]);
    assert_eq!(
        says(&made(&[product], 4)),
        whole("overflow computing buffer size from shape and/or element type")
    );
    // an element count of zero fits any size: no unchecked arithmetic with the other dimensions
    let claimed = |first: String, head: String| {
        let shape = |name: &str| match name {
            "encoder.0.weight" => first.clone(),
            "fc_mu.weight" => head.clone(),
            _ => "[0]".to_owned(),
        };
        let names = StateDict::names(&CONFIG).into_iter();
        let claims: Vec<_> = names.map(|(name, _)| entry(&name, "F32", &shape(&name), [0, 0])).collect();
        says(&made(&claims, 0))
    };
    for huge in [u64::MAX, 1 << 61, 1 << 32] {
        let text = claimed(format!("[{huge},0,4,4]"), format!("[0,{huge}]"));
        assert!(text.contains("not a square picture's model") || text.contains("impossible sizes"), "{text}");
    }
    assert_eq!(
        claimed("[0,3,4,4]".to_owned(), "[0,0]".to_owned()),
        "impossible sizes: --size 0: must be a multiple of 16 between 16 and 4096, for example 16"
    );
    let integers = header.replacen("\"F32\"", "\"I32\"", 1);
    assert!(says(&file(&integers, &data, None)).ends_with(" is I32; F32, F16, BF16 and F64 are read"));
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(says(&file(&deep, &data, None)).contains("safetensors file (invalid JSON in header"));
}

/// Names and types in a file reach the terminal in error messages.
#[test]
fn words_of_a_file_have_no_power_over_the_terminal() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x.safetensors");
    let (header, data) = model(folder.path());
    let end = data.len() as u64;
    let further = [
        entry("\\u001b[2J", "F32", "[0]", [end, end]),
        entry("\\u001b[2J", "I32", "[0]", [end, end]),
        entry("\\u001b[2J", "F32", "[1]", [2, 6]),
        entry("more", "\\u001b[2J", "[0]", [end, end]),
    ];
    for one in further {
        std::fs::write(&path, file(&header.replacen('{', &format!("{{{one},"), 1), &data, None))
            .expect("file");
        // a tensor of no layer is left out, and named
        let text = read_model(&path).map_or_else(|error| error.to_string(), |model| model.notes.join("; "));
        assert!(text.contains("\\u{1b}[2J") && !text.contains('\u{1b}'), "{text:?}");
    }
}
