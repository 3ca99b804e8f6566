//! Small ICC profiles, and what they should give.

/// One tag of a profile: its name and its data.
pub(crate) type Tag = ([u8; 4], Vec<u8>);

/// A profile of version 2 for `space` ("RGB ", "GRAY", "CMYK"), connecting through `pcs` ("XYZ ", "Lab ").
pub(crate) fn profile(space: &[u8; 4], pcs: &[u8; 4], tags: &[Tag]) -> Vec<u8> {
    let mut head = vec![0; 128];
    head[8] = 2;
    head[12..16].copy_from_slice(if space == b"CMYK" { b"prtr" } else { b"mntr" });
    head[16..20].copy_from_slice(space);
    head[20..24].copy_from_slice(pcs);
    head[36..40].copy_from_slice(b"acsp");
    head[68..80].copy_from_slice(&xyz([0.9642, 1.0, 0.8249])[8..]);
    let mut table = (tags.len() as u32).to_be_bytes().to_vec();
    let mut body: Vec<u8> = Vec::new();
    let begin = 128 + 4 + 12 * tags.len();
    for (name, data) in tags {
        table.extend(name);
        table.extend(((begin + body.len()) as u32).to_be_bytes());
        table.extend((data.len() as u32).to_be_bytes());
        body.extend(data);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let whole = (begin + body.len()) as u32;
    head[..4].copy_from_slice(&whole.to_be_bytes());
    [head, table, body].concat()
}

/// A name.
pub(crate) fn desc(name: &str) -> Tag {
    let mut data = [&b"desc\0\0\0\0"[..], &(name.len() as u32 + 1).to_be_bytes(), name.as_bytes()].concat();
    data.resize(data.len() + 1 + 4 + 4 + 2 + 1 + 67, 0);
    (*b"desc", data)
}

fn xyz(values: [f64; 3]) -> Vec<u8> {
    let fixed = values.map(|value| ((value * 65536.0).round() as i32).to_be_bytes()).concat();
    [&b"XYZ \0\0\0\0"[..], &fixed].concat()
}

/// A curve of `curv` with these entries: none is linear, one is a power in units of 1/256.
pub(crate) fn curv(entries: &[u16]) -> Vec<u8> {
    let entries_bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.to_be_bytes()).collect();
    [&b"curv\0\0\0\0"[..], &(entries.len() as u32).to_be_bytes(), &entries_bytes].concat()
}

/// A curve of `para`.
pub(crate) fn para(kind: u16, values: &[f64]) -> Vec<u8> {
    let fixed: Vec<u8> =
        values.iter().flat_map(|value| ((value * 65536.0).round() as i32).to_be_bytes()).collect();
    [&b"para\0\0\0\0"[..], &kind.to_be_bytes(), &[0, 0], &fixed].concat()
}

/// Colorants relative to D50, red first.
pub(crate) const SRGB: [[f64; 3]; 3] =
    [[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.7141]];
pub(crate) const ADOBE: [[f64; 3]; 3] =
    [[0.60974, 0.31111, 0.01947], [0.20528, 0.62567, 0.06087], [0.14919, 0.06322, 0.74457]];
pub(crate) const P3: [[f64; 3]; 3] =
    [[0.51512, 0.2412, -0.00105], [0.29198, 0.69225, 0.04189], [0.1571, 0.06657, 0.78407]];

/// A matrix profile with a curve for each channel.
pub(crate) fn matrix(name: &str, colorants: [[f64; 3]; 3], curves: [Vec<u8>; 3]) -> Vec<u8> {
    let [red, green, blue] = curves;
    let [r, g, b] = colorants.map(xyz);
    let tags = [
        desc(name),
        (*b"rXYZ", r),
        (*b"gXYZ", g),
        (*b"bXYZ", b),
        (*b"rTRC", red),
        (*b"gTRC", green),
        (*b"bTRC", blue),
    ];
    profile(b"RGB ", b"XYZ ", &tags)
}

/// sRGB's curve as a parametric one.
pub(crate) fn srgb_curve() -> Vec<u8> {
    para(3, &[2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.04045])
}

/// The sRGB byte of light.
pub(crate) fn srgb_byte(light: f64) -> u8 {
    let light = light.clamp(0.0, 1.0);
    let value = if light <= 0.0031308 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (255.0 * value).round() as u8
}

/// The light of an sRGB value from 0 to 1.
pub(crate) fn srgb_light(value: f64) -> f64 {
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// sRGB of light in the space of `colorants`, by the published matrix from D50 to linear sRGB (Lindbloom).
pub(crate) fn to_srgb(light: [f64; 3], colorants: [[f64; 3]; 3]) -> [u8; 3] {
    const TO_SRGB: [[f64; 3]; 3] = [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.033454],
        [0.0719453, -0.2289914, 1.4052427],
    ];
    let xyz = [0, 1, 2].map(|axis| (0..3).map(|c| colorants[c][axis] * light[c]).sum::<f64>());
    TO_SRGB.map(|row| srgb_byte(row[0] * xyz[0] + row[1] * xyz[1] + row[2] * xyz[2]))
}
