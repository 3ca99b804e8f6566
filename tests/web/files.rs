//! Picture files that browsers read otherwise than the command line: turned ones, cut ones, and pixels that are falsified.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use serde_json::json;
use wgvae::data::{self, ColourRule, Reading, Resize};

use crate::browser::{Browser, Tab};
use crate::common::containers::{exif, packed, png, png_chunk, profile, webp};
use crate::common::profiles::{P3, matrix, srgb_curve};

/// A picture without symmetry.
fn drawn(width: u32, height: u32) -> RgbImage {
    let at = |x: u32, y: u32| Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, ((x * y) % 251) as u8]);
    RgbImage::from_fn(width, height, at)
}

fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::from(picture.clone()).write_to(&mut bytes, format).expect("encoded");
    bytes.into_inner()
}

/// The page's pixels of a file, or its words.
fn read(
    browser: &mut Browser,
    tab: &Tab,
    (name, bytes): (&str, &[u8]),
    colour: ColourRule,
) -> Result<Vec<u8>, String> {
    let bytes = STANDARD.encode(bytes);
    let script = format!(
        "(async () => {{ const {{ read }} = await import('./photograph.js'); \
         const bytes = Uint8Array.from(atob('{bytes}'), (c) => c.charCodeAt(0)); \
         try {{ return {{ pixels: [...await read(new File([bytes], '{name}'), 32, 'stretch', '{colour}')] }}; }} \
         catch (error) {{ return {{ said: error.message }}; }} }})()"
    );
    let answer = browser.eval(tab, &script);
    match answer["said"].as_str() {
        Some(said) => Err(said.to_owned()),
        None => Ok(serde_json::from_value(answer["pixels"].clone()).expect("pixels")),
    }
}

/// The page reads what the command line reads, with at most `unit` of difference, and refuses what it refuses.
fn reads_alike(
    browser: &mut Browser,
    tab: &Tab,
    at: &Path,
    (name, bytes): (&str, &[u8]),
    (colour, unit): (ColourRule, u8),
) {
    let path = at.join(name);
    std::fs::write(&path, bytes).expect("written");
    let program = data::load(&path, 32, Reading { resize: Resize::Stretch, colour });
    let page = read(browser, tab, (name, bytes), colour);
    match (program, page) {
        (Ok(program), Ok(page)) => {
            let page: Vec<u8> = page.chunks(4).flat_map(|pixel| &pixel[..3]).copied().collect();
            let far = program.iter().zip(&page).map(|(a, b)| a.abs_diff(*b)).max().expect("pixels");
            assert!(far <= unit, "{name}: {far}/255 from the program's");
        }
        (Err(program), Err(page)) => println!("{name}: {program}; the page: {page}"),
        (program, page) => panic!("{name}: program {program:?}, page {page:?}"),
    }
}

pub(crate) fn are_read_alike(browser: &mut Browser, tab: &Tab, at: &Path) {
    let picture = drawn(90, 61);
    let [png_plain, webp_plain, bmp] =
        [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp].map(|format| encoded(&picture, format));
    let mut by_rule = |name: &str, bytes: &[u8], rule| reads_alike(browser, tab, at, (name, bytes), rule);
    // browsers convert in their own way, and round to 8 bits before the reduction
    let display_p3 = matrix("Display P3", P3, [srgb_curve(), srgb_curve(), srgb_curve()]);
    let wide = png(&png_plain, &png_chunk(b"iCCP", &[b"x\0\0", &packed(&display_p3)[..]].concat()), false);
    by_rule("wide.png", &wide, (ColourRule::AsStored, 0));
    by_rule("wide_converted.png", &wide, (ColourRule::Srgb, 2));
    let mut alike = |name: &str, bytes: &[u8], unit| by_rule(name, bytes, (ColourRule::Srgb, unit));
    for orientation in 1..=8 {
        let of = exif(orientation);
        let text = [b"Raw profile type exif\0\0", &packed(&profile("exif", &of))[..]].concat();
        let xmp = format!("XML:com.adobe.xmp\0\0\0\0\0<a tiff:Orientation=\"{orientation}\"/>");
        for (kind, chunk) in [
            ("exif", png_chunk(b"eXIf", &of)),
            ("text", png_chunk(b"zTXt", &text)),
            ("xmp", png_chunk(b"iTXt", xmp.as_bytes())),
        ] {
            for behind in [false, true] {
                alike(&format!("{kind}_{orientation}_{behind}.png"), &png(&png_plain, &chunk, behind), 0);
            }
        }
        let prefixed = [&b"Exif\0\0"[..], &of].concat();
        for (kind, flags, of) in [
            ("plain", Some(8), &of),
            ("prefixed", Some(8), &prefixed),
            ("unannounced", Some(0), &of),
            ("bare", None, &of),
        ] {
            alike(&format!("{kind}_{orientation}.webp"), &webp(&webp_plain, [90, 61], flags, of), 0);
        }
    }
    alike("whole.bmp", &bmp, 0);
    // cut at several places, and without the last bytes only
    let jpeg = encoded(&picture, ImageFormat::Jpeg);
    for (name, bytes) in [("png", &png_plain), ("webp", &webp_plain), ("bmp", &bmp), ("jpg", &jpeg)] {
        for end in [bytes.len() / 3, bytes.len() / 2, bytes.len() * 9 / 10, bytes.len() - 30] {
            alike(&format!("cut_at_{end}.{name}"), &bytes[..end], 1);
        }
    }
    alike("whole.jpg", &jpeg, 1);
    alike("no_end_marker.jpg", &jpeg[..jpeg.len() - 2], 1);
    alike("zeros_for_an_end.jpg", &[&jpeg[..jpeg.len() - 2], &[0; 2000]].concat(), 1);
    // and Photoshop's bytes behind the end
    alike("more_behind.jpg", &[&jpeg[..], &[7; 500]].concat(), 1);
}

/// A browser that gives other pixels than a canvas has, as a protection against fingerprinting.
pub(crate) fn falsified_pixels_are_told(browser: &mut Browser, url: &str, photo: &Path) {
    let white = "const get = CanvasRenderingContext2D.prototype.getImageData; \
        CanvasRenderingContext2D.prototype.getImageData = function (...box) { \
        const image = get.apply(this, box); image.data.fill(255); return image; }";
    let noise = white.replace("fill(255)", "forEach((v, i, all) => (all[i] = v ^ (i % 97 === 0)))");
    for (lies, refused) in [(white, true), (noise.as_str(), false)] {
        let tab = browser.tab(800, lies);
        browser.open(&tab, url);
        browser.drop_files(&tab, &[photo]);
        if refused {
            browser.until(&tab, "document.getElementById('problem').textContent.includes('fingerprinting')");
            assert_eq!(browser.eval(&tab, "document.getElementById('figure-a').hidden"), json!(true));
        } else {
            browser
                .until(&tab, "document.getElementById('caption').textContent.startsWith('Reconstruction')");
        }
        browser.call(&tab, "Page.close", json!({}));
    }
}
