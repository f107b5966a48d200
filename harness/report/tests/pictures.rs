//! How report.html looks in a browser, at a desktop's and a phone's width, held against pictures that somebody has looked
//! at and approved: harness/report/approved. APPROVE=1 writes them anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// Names and widths of the windows, in CSS pixels.
const WINDOWS: [(&str, usize); 2] = [("desktop", 1280), ("phone", 390)];
/// The first screens of a page: the answer, the ranking, the first charts.
const HEIGHT: usize = 4000;
/// Each square of so many pixels a side becomes one before a picture is kept or compared: how letters are smoothed then
/// hardly shows.
const SHRINK: usize = 5;
/// How far a channel of 255 may be off before a place has changed, and how many places of 1,000 may have.
const FAR: u8 = 32;
const FEW: usize = 5;

/// Rows of pixels, three channels each.
#[derive(PartialEq)]
struct Picture {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    fn read(path: &Path) -> Picture {
        let mut decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap()));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let about = reader.next_frame(&mut bytes).unwrap();
        let channels = about.color_type.samples();
        assert!(channels >= 3, "{}: not in colour", path.display());
        let pixels = bytes[..about.buffer_size()].chunks_exact(channels);
        Picture {
            width: about.width as usize,
            pixels: pixels.map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
        }
    }

    fn write(&self, path: &Path) {
        let height = self.pixels.len() / self.width;
        let file = fs::File::create(path).unwrap();
        let mut encoder = png::Encoder::new(file, self.width as u32, height as u32);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(self.pixels.as_flattened()).unwrap();
    }

    /// The left upper corner, so many pixels wide and high.
    fn corner(&self, width: usize, height: usize) -> Picture {
        let rows = self.pixels.chunks_exact(self.width).take(height);
        Picture {
            width,
            pixels: rows.flat_map(|row| row[..width].to_vec()).collect(),
        }
    }

    /// Each square of SHRINK pixels as their mean.
    fn shrunk(&self) -> Picture {
        let (width, height) = (self.width / SHRINK, self.pixels.len() / self.width / SHRINK);
        let mean = |at: usize| {
            let (x, y) = (at % width * SHRINK, at / width * SHRINK);
            let places =
                (0..SHRINK * SHRINK).map(|at| (y + at / SHRINK) * self.width + x + at % SHRINK);
            [0, 1, 2].map(|channel| {
                let sum: usize = places
                    .clone()
                    .map(|at| usize::from(self.pixels[at][channel]))
                    .sum();
                (sum / (SHRINK * SHRINK)) as u8
            })
        };
        Picture {
            width,
            pixels: (0..width * height).map(mean).collect(),
        }
    }

    /// How many places of 1,000 are another.
    fn differs(&self, other: &Picture) -> usize {
        if (self.width, self.pixels.len()) != (other.width, other.pixels.len()) {
            return 1000;
        }
        let far = |(one, other): (&[u8; 3], &[u8; 3])| {
            let mut channels = one.iter().zip(other);
            channels.any(|(one, other)| one.abs_diff(*other) > FAR)
        };
        let places = self.pixels.iter().zip(&other.pixels);
        places.filter(|pair| far(*pair)).count() * 1000 / self.pixels.len()
    }
}

/// The page in a letter that is the same on every machine.
fn lettered(html: &str) -> String {
    html.replacen(
        "style-src 'unsafe-inline'",
        "font-src *; style-src 'unsafe-inline'",
        1,
    )
    .replacen(
        "<style>\n",
        "<style>\n@font-face { font-family: Known; src: url(known.ttf); }\n* { font-family: Known !important; }\n",
        1,
    )
}

/// What a browser shows of the page in a window of that width.
fn seen(dir: &Path, width: usize) -> Picture {
    let frame = format!(
        "<!doctype html><body style=\"margin:0\"><iframe src=\"report.html\" style=\"border:0;width:{width}px;height:{HEIGHT}px\"></iframe>"
    );
    fs::write(dir.join("frame.html"), frame).unwrap();
    let shot = dir.join("shot.png");
    let output = Command::new("timeout")
        .args(["120", "chromium", "--headless", "--disable-gpu"])
        // Debian's sandbox needs what a container may lack, and refuses root. The page is our own.
        .args(["--no-sandbox", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--hide-scrollbars", "--force-device-scale-factor=1"])
        .arg("--allow-file-access-from-files")
        .arg(format!("--window-size=1400,{HEIGHT}"))
        .arg("--virtual-time-budget=20000")
        .arg(format!("--user-data-dir={}", dir.join("profile").display()))
        .arg(format!("--screenshot={}", shot.display()))
        .arg(format!("file://{}", dir.join("frame.html").display()))
        .env("HOME", dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(shot.is_file(), "{said}");
    Picture::read(&shot).corner(width, HEIGHT)
}

#[test]
fn the_page_looks_as_it_was_approved_on_a_desktop_and_on_a_phone() {
    if which::which("chromium").is_err() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("known.ttf"), dejavu::sans::regular()).unwrap();
    let page = printed(&results("twelve", 12, 2, 3), "report.html");
    fs::write(dir.join("report.html"), lettered(&page)).unwrap();
    let approved = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("harness/report/approved");
    for (window, width) in WINDOWS {
        let seen = seen(dir, width).shrunk();
        let file = approved.join(format!("{window}.png"));
        if std::env::var_os("APPROVE").is_some() {
            seen.write(&file);
            continue;
        }
        let differs = Picture::read(&file).differs(&seen);
        if differs > FEW {
            let other = std::env::temp_dir().join(format!("delta-lab-{window}.png"));
            seen.write(&other);
            panic!(
                "{differs} places of 1,000 are not as in {}: look at {}, and approve it with APPROVE=1",
                file.display(),
                other.display()
            );
        }
    }
}
