//! Figures over time, as SVG: panels below each other with one axis of time.

use std::fmt::Write as _;

/// A picture.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// What its horizontal axis counts, and up to where.
    pub across: (String, f64),
    /// From top to bottom.
    pub panels: Vec<Panel>,
    /// Stretches of the horizontal axis that are marked.
    pub marked: Vec<(f64, f64)>,
    /// What the marks mean.
    pub mark: String,
}

/// A part of a picture.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it shows, with the unit.
    pub title: String,
    /// Whether each step up is ten times as much.
    pub logarithmic: bool,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// A line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 44.0;
const HEIGHT: f64 = 130.0;
const GAP: f64 = 44.0;
const COLORS: [&str; 4] = ["#2f6fde", "#d64545", "#52606d", "#e9a23b"];

impl Plot {
    /// The picture.
    pub fn svg(&self) -> String {
        let height = TOP + (HEIGHT + GAP) * self.panels.len() as f64 + 16.0;
        let title = escaped(&self.title);
        let mut svg = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" font-family="system-ui, sans-serif" font-size="12">
<title>{title}</title>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="24" font-size="15" font-weight="600" fill="#1f2933">{title}</text>
"##
        );
        for (index, panel) in self.panels.iter().enumerate() {
            self.panel(&mut svg, panel, TOP + 20.0 + (HEIGHT + GAP) * index as f64);
        }
        if !self.marked.is_empty() {
            let _ = writeln!(
                svg,
                r##"<rect x="{LEFT}" y="{:.1}" width="12" height="10" fill="#f0e2c4"/><text x="{:.1}" y="{:.1}" fill="#616e7c">{}</text>"##,
                height - 15.0,
                LEFT + 18.0,
                height - 6.0,
                escaped(&self.mark)
            );
        }
        svg + "</svg>\n"
    }

    fn panel(&self, svg: &mut String, panel: &Panel, top: f64) {
        let (scale, bottom) = (Scale::of(panel), top + HEIGHT);
        let x = |at: f64| LEFT + (WIDTH - LEFT - RIGHT) * at / self.across.1.max(f64::MIN_POSITIVE);
        let y = |value: f64| bottom - HEIGHT * scale.share(value);
        for (from, to) in &self.marked {
            let _ = writeln!(
                svg,
                r##"<rect x="{:.1}" y="{top}" width="{:.1}" height="{HEIGHT}" fill="#f0e2c4"/>"##,
                x(*from),
                (x(*to) - x(*from)).max(0.8)
            );
        }
        for tick in scale.ticks() {
            let _ = writeln!(
                svg,
                r##"<line x1="{LEFT}" y1="{0:.1}" x2="{1:.1}" y2="{0:.1}" stroke="#e4e7eb"/><text x="{2:.1}" y="{3:.1}" text-anchor="end" fill="#616e7c">{4}</text>"##,
                y(tick),
                WIDTH - RIGHT,
                LEFT - 6.0,
                y(tick) + 4.0,
                number(tick)
            );
        }
        for tick in across_ticks(self.across.1) {
            let _ = writeln!(
                svg,
                r##"<text x="{:.1}" y="{:.1}" text-anchor="middle" fill="#616e7c">{}</text>"##,
                x(tick),
                bottom + 16.0,
                number(tick)
            );
        }
        let _ = writeln!(
            svg,
            r##"<text x="{LEFT}" y="{:.1}" font-weight="600" fill="#1f2933">{}</text><text x="{:.1}" y="{:.1}" fill="#616e7c">{}</text>"##,
            top - 7.0,
            escaped(&panel.title),
            WIDTH - RIGHT + 8.0,
            bottom + 16.0,
            escaped(&self.across.0)
        );
        for (index, line) in panel.lines.iter().enumerate() {
            let color = COLORS[index % COLORS.len()];
            let points: Vec<String> =
                line.points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
            let _ = writeln!(
                svg,
                r#"<polyline points="{}" fill="none" stroke="{color}" stroke-width="1.3"/><text x="{:.1}" y="{:.1}" fill="{color}">{}</text>"#,
                points.join(" "),
                WIDTH - RIGHT + 8.0,
                top + 14.0 + 17.0 * index as f64,
                escaped(&line.name)
            );
        }
    }
}

/// From values to shares of the height.
struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    fn of(panel: &Panel) -> Self {
        let values = || panel.lines.iter().flat_map(|line| line.points.iter().map(|(_, value)| *value));
        let most = values().fold(0.0, f64::max);
        if panel.logarithmic {
            let least = values().filter(|value| *value > 0.0).fold(f64::MAX, f64::min).min(most.max(1e-3));
            let low = least.log10().floor();
            return Self { low, high: most.max(1e-3).log10().ceil().max(low + 1.0), logarithmic: true };
        }
        Self { low: 0.0, high: if most > 0.0 { most * 1.1 } else { 1.0 }, logarithmic: false }
    }

    fn share(&self, value: f64) -> f64 {
        let value = if self.logarithmic { value.max(1e-9).log10() } else { value };
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            return (self.low as i32..=self.high as i32).map(|exponent| 10_f64.powi(exponent)).collect();
        }
        let step = round_step(self.high / 4.0);
        (0..=4).map(|n| step * f64::from(n)).filter(|tick| *tick <= self.high).collect()
    }
}

fn across_ticks(end: f64) -> Vec<f64> {
    let step = round_step(end / 10.0);
    (0..=20).map(|n| step * f64::from(n)).filter(|tick| *tick <= end * 1.001).collect()
}

/// The next of 1, 2, 5, 10, 20 …
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.max(1e-9).log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= step * 0.999);
    round.unwrap_or(10.0) * power
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_in_their_panel() {
        let line = Line { name: "p99".to_owned(), points: vec![(0.0, 0.4), (30.0, 1800.0), (60.0, 3.0)] };
        let panel =
            |logarithmic| Panel { title: "latency, ms".to_owned(), logarithmic, lines: vec![line.clone()] };
        let plot = Plot {
            title: "a < b".to_owned(),
            across: ("minutes".to_owned(), 60.0),
            panels: vec![panel(true), panel(false)],
            marked: vec![(10.0, 11.0)],
            mark: "an outage".to_owned(),
        };
        let svg = plot.svg();
        assert!(svg.contains("a &lt; b") && svg.ends_with("</svg>\n"), "{svg}");
        for y in svg.split("points=\"").skip(1).flat_map(|rest| rest.split('"').next().unwrap().split(' ')) {
            let y: f64 = y.split_once(',').unwrap().1.parse().unwrap();
            assert!((TOP..TOP + 2.0 * (HEIGHT + GAP) + 20.0).contains(&y), "{y}");
        }
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!([0.3, 7.0, 40.0, 26.0].map(round_step).map(number), ["0.5", "10", "50", "50"]);
        assert_eq!(number(0.5), "0.5");
        assert_eq!(number(100.0), "100");
    }
}
