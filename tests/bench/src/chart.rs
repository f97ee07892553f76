//! The picture: what a request costs, in relation to the router alone.

use std::fmt::Write as _;

use crate::report::Report;
use crate::series::Row;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 430.0;
const RIGHT: f64 = 60.0;
const TOP: f64 = 64.0;
const LINE: f64 = 24.0;

/// Bars for the medians, with the middle half of the rounds.
pub fn svg(report: &Report) -> String {
    let rows: Vec<&Row> = report.requests.iter().filter(|row| !row.id.starts_with("bare")).collect();
    let most = rows.iter().map(|row| row.ratio.high).fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / most;
    let x = |ratio: f64| LEFT + ratio * scale;
    let height = TOP + LINE * rows.len() as f64 + 34.0;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" font-family="system-ui, sans-serif" font-size="13">
<title>Envoy's CPU time for a request, in relation to the router alone</title>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="26" font-size="16" font-weight="600" fill="#1f2933">Envoy's CPU time for a request, in relation to the router alone</text>
<text x="16" y="46" fill="#616e7c">Median of {} rounds, all in one run; the line is the middle half. Shorter is better.</text>
"##,
        report.paces.0.rounds
    );
    let bottom = TOP + LINE * rows.len() as f64;
    for tick in 0..=(most.floor() as u32) {
        let at = x(f64::from(tick));
        let (color, dashes) = if tick == 1 { ("#52606d", "4 3") } else { ("#e4e7eb", "none") };
        let _ = writeln!(
            svg,
            r##"<line x1="{at:.1}" y1="{TOP}" x2="{at:.1}" y2="{bottom}" stroke="{color}" stroke-dasharray="{dashes}"/><text x="{at:.1}" y="{:.1}" text-anchor="middle" fill="#616e7c">{tick} ×</text>"##,
            bottom + 18.0
        );
    }
    for (index, row) in rows.iter().enumerate() {
        let y = TOP + LINE * index as f64;
        let ours = row.title.starts_with("**");
        let color = if ours { "#2f6fde" } else { "#9fb3c8" };
        let weight = if ours { "600" } else { "400" };
        let middle = y + LINE / 2.0;
        let _ = writeln!(
            svg,
            r##"<text x="{:.1}" y="{:.1}" text-anchor="end" font-weight="{weight}" fill="#1f2933">{}</text><rect x="{LEFT}" y="{:.1}" width="{:.1}" height="{:.1}" rx="2" fill="{color}"/><line x1="{:.1}" y1="{middle:.1}" x2="{:.1}" y2="{middle:.1}" stroke="#1f2933" stroke-width="1.5"/><text x="{:.1}" y="{:.1}" fill="#1f2933">{:.2}</text>"##,
            LEFT - 10.0,
            y + 16.0,
            plain(row.title),
            y + 4.0,
            row.ratio.median * scale,
            LINE - 8.0,
            x(row.ratio.low),
            x(row.ratio.high),
            x(row.ratio.high.max(row.ratio.median)) + 8.0,
            y + 16.0,
            row.ratio.median,
        );
    }
    svg + "</svg>\n"
}

fn plain(title: &str) -> String {
    let plain: String = title.chars().filter(|character| !matches!(character, '*' | '`')).collect();
    plain.replace('&', "&amp;").replace('<', "&lt;")
}
