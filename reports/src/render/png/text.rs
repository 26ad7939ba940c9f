//! The finished picture: text on top of the shapes, and the PNG file.
//!
//! Text is set here rather than by plotters, whose ab_glyph backend leaves out the bearing of each glyph.

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _};

use super::ChartError;
use super::canvas::Colour;

pub(super) const TITLE: f64 = 40.0;
pub(super) const SUBTITLE: f64 = 26.0;
pub(super) const NAME: f64 = 26.0;
pub(super) const SMALL: f64 = 22.0;

/// Subsets of Roboto; see `assets/LICENSE-Roboto.txt`.
const REGULAR: &[u8] = include_bytes!("../../../assets/Roboto-Regular-subset.ttf");
const MEDIUM: &[u8] = include_bytes!("../../../assets/Roboto-Medium-subset.ttf");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Medium,
}

/// Which point of a text is placed; always half-way up its capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

pub(super) struct Image {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
    regular: FontRef<'static>,
    medium: FontRef<'static>,
}

impl Image {
    /// From three bytes a pixel, row by row.
    pub(super) fn new(pixels: Vec<u8>, width: u32, height: u32) -> Result<Self, ChartError> {
        let (regular, medium) = (FontRef::try_from_slice(REGULAR)?, FontRef::try_from_slice(MEDIUM)?);
        Ok(Self { width, height, pixels, regular, medium })
    }

    /// `size` is that of the em, in pixels. A character that the font does not have is drawn as its replacement.
    pub(super) fn text(
        &mut self,
        at: (f64, f64),
        text: &str,
        size: f64,
        weight: Weight,
        colour: Colour,
        anchor: Anchor,
    ) {
        let font = self.font(weight).clone();
        let scale = scale(&font, size);
        let shift = match anchor {
            Anchor::Left => 0.0,
            Anchor::Middle => self.width_of(text, size, weight) / 2.0,
            Anchor::Right => self.width_of(text, size, weight),
        };
        // Capitals of Roboto are 0.711 em high.
        let baseline = single(at.1 + size * 0.711 / 2.0);
        let mut x = single(at.0 - shift);
        let scaled = font.as_scaled(scale);
        for c in text.chars() {
            let id = glyph(&font, c);
            let glyph = id.with_scale_and_position(scale, ab_glyph::point(x, baseline));
            x += scaled.h_advance(id);
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|dx, dy, coverage| self.blend((corner.x, corner.y), (dx, dy), colour, coverage));
            }
        }
    }

    pub(super) fn width_of(&self, text: &str, size: f64, weight: Weight) -> f64 {
        let font = self.font(weight);
        let scaled = font.as_scaled(scale(font, size));
        text.chars().map(|c| f64::from(scaled.h_advance(glyph(font, c)))).sum()
    }

    /// The text, or as much of its beginning as is not wider than `width`, with an ellipsis.
    pub(super) fn fitted(&self, text: &str, size: f64, weight: Weight, width: f64) -> String {
        let mut fitted = text.to_owned();
        let mut left = text.chars().count();
        while left > 0 && self.width_of(&fitted, size, weight) > width {
            left -= 1;
            fitted = text.chars().take(left).chain(['\u{2026}']).collect();
        }
        fitted
    }

    /// A white veil, for text to stand out from lines behind it.
    pub(super) fn veil(&mut self, (left, top): (f64, f64), (right, bottom): (f64, f64)) {
        const VEIL: f32 = 0.82;
        for dy in 0..whole(bottom - top) {
            for dx in 0..whole(right - left) {
                self.blend((single(left.floor()), single(top.floor())), (dx, dy), Colour(255, 255, 255), VEIL);
            }
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, ChartError> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(bytes)
    }

    fn font(&self, weight: Weight) -> &FontRef<'static> {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Medium => &self.medium,
        }
    }

    fn blend(&mut self, corner: (f32, f32), (dx, dy): (u32, u32), colour: Colour, coverage: f32) {
        let (x, y) = (f64::from(corner.0) + f64::from(dx), f64::from(corner.1) + f64::from(dy));
        if x < 0.0 || y < 0.0 || x >= f64::from(self.width) || y >= f64::from(self.height) {
            return;
        }
        let at = (whole(y) * self.width + whole(x)) as usize * 3;
        for (pixel, ink) in self.pixels[at..at + 3].iter_mut().zip([colour.0, colour.1, colour.2]) {
            let mixed = f32::from(*pixel) + (f32::from(ink) - f32::from(*pixel)) * coverage.clamp(0.0, 1.0);
            *pixel = u8::try_from(whole(f64::from(mixed.round()))).unwrap_or(u8::MAX);
        }
    }
}

fn glyph(font: &FontRef<'_>, c: char) -> ab_glyph::GlyphId {
    const NOT_THERE: ab_glyph::GlyphId = ab_glyph::GlyphId(0);
    match font.glyph_id(c) {
        NOT_THERE => font.glyph_id(char::REPLACEMENT_CHARACTER),
        id => id,
    }
}

/// `ab_glyph` measures by the height of a line, people measure by the em.
fn scale(font: &FontRef<'_>, size: f64) -> PxScale {
    let em = font.units_per_em().unwrap_or(2_048.0);
    PxScale::from(single(size) * font.height_unscaled() / em)
}

#[expect(clippy::cast_possible_truncation, reason = "a thousandth of a pixel is not seen")]
fn single(value: f64) -> f32 {
    value as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates; negative is out of the picture"
)]
fn whole(value: f64) -> u32 {
    value as u32
}
