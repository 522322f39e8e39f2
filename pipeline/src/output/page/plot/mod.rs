//! What plots are made of: scales with their ticks, a frame with axes, marks.

mod scale;

use std::fmt::Write as _;

use maud::{Markup, Render, html};

pub(super) use scale::Scale;

/// A coordinate in pixels, with a digit behind the point.
#[derive(Clone, Copy)]
pub(super) struct Px(pub(super) f64);

impl Render for Px {
    fn render_to(&self, buffer: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(buffer, "{:.1}", self.0);
    }
}

/// Room around the field of a plot.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 52.0;

/// A plot's size, scales and labels.
pub(super) struct Plot {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) x_label: String,
    pub(super) y_label: String,
    /// What the plot shows, for who cannot see it.
    pub(super) title: String,
}

impl Plot {
    /// Of the usual size.
    pub(super) fn new(
        x: Scale,
        y: Scale,
        (x_label, y_label): (&str, &str),
        title: impl Into<String>,
    ) -> Self {
        Self {
            width: 560.0,
            height: 350.0,
            x,
            y,
            x_label: x_label.to_owned(),
            y_label: y_label.to_owned(),
            title: title.into(),
        }
    }

    /// Of another size.
    #[must_use]
    pub(super) fn sized(mut self, width: f64, height: f64) -> Self {
        (self.width, self.height) = (width, height);
        self
    }

    /// Where a value lies.
    pub(super) fn at_x(&self, value: f64) -> Px {
        Px(LEFT + self.x.share(value) * (self.width - LEFT - RIGHT))
    }

    /// Where a value lies; large ones are above.
    pub(super) fn at_y(&self, value: f64) -> Px {
        Px(self.height - BOTTOM - self.y.share(value) * (self.height - TOP - BOTTOM))
    }

    /// The points of a line through these values.
    pub(super) fn line(&self, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        let mut text = String::new();
        for (x, y) in points {
            let _ = write!(text, "{:.1},{:.1} ", self.at_x(x).0, self.at_y(y).0);
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// The points of a line that goes level and then up or down.
    pub(super) fn steps(&self, points: &[(f64, f64)]) -> String {
        self.line(corners(points))
    }

    /// The whole picture, with `marks` in it.
    pub(super) fn draw(&self, marks: &Markup) -> Markup {
        let (left, right) = (LEFT, self.width - RIGHT);
        let (top, bottom) = (TOP, self.height - BOTTOM);
        html! {
            svg.plot viewBox={ "0 0 " (self.width) " " (self.height) } role="img" aria-label=(self.title) {
                @for (value, text) in self.y.ticks() {
                    line.grid x1=(Px(left)) x2=(Px(right)) y1=(self.at_y(value)) y2=(self.at_y(value)) {}
                    text.tick x=(Px(left - 7.0)) y=(Px(self.at_y(value).0 + 4.0)) text-anchor="end" { (text) }
                }
                @for (value, text) in self.x.ticks() {
                    line.grid y1=(Px(top)) y2=(Px(bottom)) x1=(self.at_x(value)) x2=(self.at_x(value)) {}
                    text.tick x=(self.at_x(value)) y=(Px(bottom + 18.0)) text-anchor="middle" { (text) }
                }
                polyline.axis points={ (Px(left)) "," (Px(top)) " " (Px(left)) "," (Px(bottom)) " " (Px(right)) "," (Px(bottom)) } {}
                text.title x=(Px(f64::midpoint(left, right))) y=(Px(self.height - 8.0)) text-anchor="middle" { (self.x_label) }
                text.title transform={ "translate(15 " (Px(f64::midpoint(top, bottom))) ") rotate(-90)" } text-anchor="middle" { (self.y_label) }
                (marks)
            }
        }
    }
}

/// Where a line turns that goes level from each point to below or above the next, and then there.
pub(super) fn corners(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut corners = Vec::with_capacity(points.len() * 2);
    for (place, &(x, y)) in points.iter().enumerate() {
        if place > 0 {
            corners.push((x, points[place - 1].1));
        }
        corners.push((x, y));
    }
    corners
}

/// Which of nine classes of colour a correlation has, from -1 to 1.
pub(super) fn ninth(correlation: f64) -> usize {
    (((correlation.clamp(-1.0, 1.0) + 1.0) * 4.5) as usize).min(8)
}

/// A list of what colours, or dashes, mean.
pub(super) fn key<'a>(entries: impl IntoIterator<Item = (String, &'a str)>) -> Markup {
    html! {
        ul.key {
            @for (class, text) in entries {
                li { svg viewBox="0 0 26 10" aria-hidden="true" { line class={ "curve " (class) } x1="0" x2="26" y1="5" y2="5" {} } (text) }
            }
        }
    }
}
