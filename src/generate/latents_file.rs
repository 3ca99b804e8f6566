//! Files of latents: `.safetensors` with names and classes, `.npy` for NumPy, `.csv` for spreadsheets.
//! Read this for the layout of each format.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::Encoded;
use crate::data::{Mark, write_whole};
use crate::error::{Error, Result};

/// Latents from a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredLatents {
    /// points in latent space, `[N, Z]`
    pub values: Vec<f32>,
    /// names of the rows, if the file has one for each
    pub names: Vec<String>,
    /// digest of the model that they are of, if the file has it
    pub model: Option<u32>,
}

/// First bytes of an `.npy` file.
const NPY: &[u8] = b"\x93NUMPY";

fn kind(path: &Path) -> Result<&'static str> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    ["safetensors", "npy", "csv"].into_iter().find(|known| *known == extension).ok_or_else(|| {
        let path = crate::data::printable(path);
        Error::Usage(format!("{path}: latents are .safetensors, .npy or .csv files"))
    })
}

/// Checks that the file extension is supported: better before an hour of encoding than after it.
///
/// # Errors
/// [`Error::Usage`] with the list of supported extensions.
pub fn check_extension(path: &Path) -> Result<()> {
    kind(path).map(|_| ())
}

/// Writes latents in the format of the file extension. `.npy` holds only the means, `[N, Z]`.
///
/// # Errors
/// If the extension is not supported, or the file cannot be written.
pub fn write_latents(path: &Path, encoded: &Encoded) -> Result<()> {
    let bytes = latents_file(path, encoded, None)?;
    write_whole(path, |file| file.write_all(&bytes))
}

/// Encodes the file of [`write_latents`]. Only safetensors has room for the mark and the digest of the model.
///
/// # Errors
/// If the extension is not supported.
pub fn latents_file(path: &Path, encoded: &Encoded, mark: Option<(&Mark, u32)>) -> Result<Vec<u8>> {
    match kind(path)? {
        "npy" => Ok(npy(&encoded.mu, encoded.dims)),
        "csv" => Ok(csv(encoded).into_bytes()),
        _ => tensors(path, encoded, mark),
    }
}

fn tensors(path: &Path, encoded: &Encoded, mark: Option<(&Mark, u32)>) -> Result<Vec<u8>> {
    let shape = vec![encoded.len(), encoded.dims];
    let wrong = |e: safetensors::SafeTensorError| Error::model(path, e.to_string());
    // names need quoting and escaping, which JSON does
    let list = |texts: &[String]| serde_json::to_string(texts).unwrap_or_default();
    let mut about: HashMap<String, String> =
        [("names".into(), list(&encoded.names)), ("classes".into(), list(&encoded.classes))].into();
    if let Some((mark, model)) = mark {
        about.insert("made_by".into(), mark.text(None));
        about.insert("model".into(), format!("{model:08x}"));
    }
    let mu = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(&encoded.mu)).map_err(wrong)?;
    let logvar = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(&encoded.logvar));
    let bytes = safetensors::serialize([("mu", mu), ("logvar", logvar.map_err(wrong)?)], Some(about));
    Ok(with_sorted_header(&bytes.map_err(wrong)?))
}

/// Sorts the header of a safetensors file, so that equal content gives equal bytes: the metadata are in the order of a
/// hash map, which varies between processes.
fn with_sorted_header(bytes: &[u8]) -> Vec<u8> {
    let sorted = || {
        let length = u64::from_le_bytes(*bytes.first_chunk()?);
        let (header, data) = bytes.get(8..)?.split_at_checked(length as usize)?;
        let header: serde_json::Value = serde_json::from_slice(header).ok()?;
        let mut header = header.to_string().into_bytes();
        // padded with spaces, so that the data are aligned
        header.resize(header.len().next_multiple_of(8), b' ');
        Some([&(header.len() as u64).to_le_bytes()[..], &header, data].concat())
    };
    sorted().unwrap_or_else(|| bytes.to_vec())
}

/// Version 1.0 of NumPy's format.
fn npy(values: &[f32], dims: usize) -> Vec<u8> {
    let rows = values.len() / dims.max(1);
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dims}), }}");
    // the data begin at a multiple of 64 bytes
    let before = NPY.len() + 4;
    let padding = 63 - (before + header.len()) % 64;
    header.push_str(&" ".repeat(padding));
    header.push('\n');
    let length = (header.len() as u16).to_le_bytes();
    [NPY, &[1, 0], &length, header.as_bytes(), bytemuck::cast_slice(values)].concat()
}

fn csv(encoded: &Encoded) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = String::from("name,class");
    for what in ["mu", "logvar"] {
        for i in 0..encoded.dims {
            let _ = write!(text, ",{what}{i}");
        }
    }
    text.push('\n');
    for (at, (name, class)) in encoded.names.iter().zip(&encoded.classes).enumerate() {
        let _ = write!(text, "{},{}", quoted(name), quoted(class));
        let row = at * encoded.dims..(at + 1) * encoded.dims;
        for value in encoded.mu[row.clone()].iter().chain(&encoded.logvar[row]) {
            let _ = write!(text, ",{value}");
        }
        text.push('\n');
    }
    text
}

/// Reads points in latent space, `[N, dims]`, from any of the formats: the tensor `z` or else `mu`; the columns `z0..`
/// or else `mu0..`; the array.
///
/// # Errors
/// [`Error::Model`] if the file is damaged, or contains something else.
pub fn read_latents(path: &Path, dims: usize) -> Result<StoredLatents> {
    let kind = kind(path)?;
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let stored = match kind {
        "npy" => from_npy(&bytes, dims).map(|values| StoredLatents { values, ..StoredLatents::default() }),
        "csv" => from_csv(&String::from_utf8_lossy(&bytes), dims),
        _ => from_tensors(&bytes, dims),
    };
    let mut stored = stored.map_err(|reason| Error::model(path, reason))?;
    let values = &stored.values;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::model(path, format!("row {}: {} is not a finite number", at / dims, values[at])));
    }
    if stored.names.len() * dims != values.len() {
        stored.names.clear();
    }
    Ok(stored)
}

fn shaped(shape: &[usize], dims: usize) -> std::result::Result<(), String> {
    if matches!(shape, [rows, columns] if *rows > 0 && *columns == dims) {
        return Ok(());
    }
    Err(format!("is {shape:?} and should be [N, {dims}]: latents of another model"))
}

fn from_tensors(bytes: &[u8], dims: usize) -> std::result::Result<StoredLatents, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| format!("not a whole safetensors file ({e})"))?;
    let view = file.tensor("z").or_else(|_| file.tensor("mu")).map_err(|_| "has no tensor z or mu")?;
    shaped(view.shape(), dims)?;
    if view.dtype() != Dtype::F32 {
        return Err(format!("is of {:?}; F32 is read", view.dtype()));
    }
    let about = SafeTensors::read_metadata(bytes).ok().and_then(|(_, header)| header.metadata().clone());
    let about = about.unwrap_or_default();
    let names = about.get("names").and_then(|names| serde_json::from_str(names).ok()).unwrap_or_default();
    let model = about.get("model").and_then(|model| u32::from_str_radix(model, 16).ok());
    Ok(StoredLatents { values: bytemuck::pod_collect_to_vec(view.data()), names, model })
}

fn from_npy(bytes: &[u8], dims: usize) -> std::result::Result<Vec<f32>, String> {
    let damaged = || "not a whole .npy file".to_owned();
    let rest = bytes.strip_prefix(NPY).ok_or_else(damaged)?;
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        _ => return Err(damaged()),
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(damaged)?;
    let header: String = String::from_utf8_lossy(header).chars().filter(|c| !c.is_whitespace()).collect();
    if !header.contains("'fortran_order':False") {
        return Err("is stored by columns; save it with np.ascontiguousarray".into());
    }
    let between = |from: &str, to: &str| Some(header.split_once(from)?.1.split_once(to)?.0.to_owned());
    let shape = between("'shape':(", ")").ok_or_else(damaged)?;
    let shape: Vec<usize> =
        shape.split(',').filter(|n| !n.is_empty()).filter_map(|n| n.parse().ok()).collect();
    shaped(&shape, dims)?;
    let values: Vec<f32> = match between("'descr':'", "'").as_deref() {
        Some("<f4") => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Some("<f8") => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        other => return Err(format!("is of {}; '<f4' and '<f8' are read", other.unwrap_or("no type"))),
    };
    if values.len() != shape[0].saturating_mul(dims) {
        return Err(format!("is {shape:?} and holds {} numbers", values.len()));
    }
    Ok(values)
}

/// The fields of a CSV line; quoted fields may contain commas and doubled quotes.
fn fields(line: &str) -> Vec<String> {
    let (mut all, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    all.push(field);
    all
}

/// Names with line breaks are not supported; [`write_latents`] writes one only if a picture's name contains it.
fn from_csv(text: &str, dims: usize) -> std::result::Result<StoredLatents, String> {
    let mut lines = text.lines();
    let head = fields(lines.next().unwrap_or_default());
    let columns = |what: &str| -> Option<Vec<usize>> {
        (0..dims).map(|i| head.iter().position(|name| *name == format!("{what}{i}"))).collect()
    };
    let columns = columns("z").or_else(|| columns("mu"));
    let columns = columns.ok_or_else(|| format!("has no columns z0 to z{0}, or mu0 to mu{0}", dims - 1))?;
    let name = head.iter().position(|column| column == "name");
    let mut stored = StoredLatents::default();
    let values = &mut stored.values;
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let row = fields(line);
        stored.names.extend(name.and_then(|at| row.get(at).cloned()));
        for &column in &columns {
            let field = row.get(column).map_or("", String::as_str);
            let value = field.trim().parse::<f32>();
            values.push(value.map_err(|_| format!("line {}: {field:?} is not a number", number + 2))?);
        }
    }
    if values.is_empty() { Err("holds no rows".into()) } else { Ok(stored) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Encoded {
        Encoded {
            dims: 3,
            names: vec!["a, \"b\".png".into(), "c.png".into()],
            classes: vec!["x".into(), String::new()],
            mu: vec![1.0, -2.5, 3.0e-8, 0.1, 0.2, 0.3],
            logvar: vec![-1.0; 6],
        }
    }

    #[test]
    fn every_format_gives_back_the_bits() {
        let folder = tempfile::tempdir().expect("folder");
        for extension in ["safetensors", "npy", "csv"] {
            let path = folder.path().join(format!("latents.{extension}"));
            write_latents(&path, &example()).expect("written");
            let stored = read_latents(&path, 3).expect("read");
            assert_eq!(stored.values, example().mu, "{extension}");
            let names = if extension == "npy" { Vec::new() } else { example().names };
            assert_eq!(stored.names, names, "{extension}");
            let error = read_latents(&path, 4).expect_err("another model's").to_string();
            assert!(error.contains("latents."), "{error}");
        }
        let bytes = npy(&example().mu, 3);
        assert_eq!((bytes.len() - 24) % 64, 0, "the data is aligned");
    }

    #[test]
    fn damaged_latents_are_refused() {
        let refuse = |name: &str, bytes: &[u8]| {
            let folder = tempfile::tempdir().expect("folder");
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("written");
            read_latents(&path, 3).expect_err("refused").to_string()
        };
        let whole = npy(&example().mu, 3);
        assert!(refuse("a.npy", &whole[..whole.len() - 1]).contains("holds 5 numbers"));
        assert!(refuse("a.npy", b"\x93NUMPY\x01\0\xff\xffxx").contains("not a whole"));
        assert!(refuse("a.npy", &npy(&[1.0, f32::NAN, 0.0], 3)).contains("not a finite number"));
        assert!(refuse("a.csv", b"name,mu0,mu1\n").contains("no columns z0 to z2"));
        assert!(refuse("a.csv", b"z0,z1,z2\n1,2\n").contains("line 2"));
        assert!(refuse("a.safetensors", b"12345678").contains("not a whole"));
        assert!(refuse("a.txt", b"").contains(".safetensors, .npy or .csv"));
    }
}
