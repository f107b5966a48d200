//! What every plot must hold, over charts of many shapes made from seeds.

use std::fmt::Write;

use resvg::{tiny_skia, usvg};

use super::examples::*;
use super::*;

/// Where each text of a chart lies, as laid out with the embedded font.
pub fn text_boxes(svg: &str) -> (tiny_skia::Rect, Vec<(String, tiny_skia::Rect)>) {
    fn collect(group: &usvg::Group, found: &mut Vec<(String, tiny_skia::Rect)>) {
        for node in group.children() {
            match node {
                usvg::Node::Group(group) => collect(group, found),
                usvg::Node::Text(text) => {
                    let words = text.chunks().iter().map(|chunk| chunk.text()).collect();
                    found.push((words, text.abs_bounding_box()));
                }
                _ => {}
            }
        }
    }
    let tree = png::layout(svg).unwrap();
    let page = tree.size().to_rect(0.0, 0.0).unwrap();
    let mut found = Vec::new();
    collect(tree.root(), &mut found);
    (page, found)
}

/// Fails where a text of a chart leaves the page or touches another.
pub fn check_texts(shape: &str, svg: &str) {
    let (page, texts) = text_boxes(svg);
    assert!(texts.len() > 5, "{shape}: hardly any text");
    let mut wrong = String::new();
    for (at, (words, place)) in texts.iter().enumerate() {
        let inside = place.left() >= 8.0
            && place.top() >= 8.0
            && place.right() <= page.right() - 8.0
            && place.bottom() <= page.bottom() - 8.0;
        if !inside {
            writeln!(wrong, "{words:?} at {place:?} leaves {page:?}").unwrap();
        }
        for (other, there) in &texts[at + 1..] {
            if place.intersect(there).is_some() {
                writeln!(wrong, "{words:?} touches {other:?}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{shape}:\n{wrong}");
}

#[test]
fn no_text_of_a_plot_leaves_the_page_or_touches_another() {
    for (shape, plot) in examples() {
        let svg = plot.svg().unwrap().unwrap();
        check_texts(shape, &svg);
    }
}

#[test]
fn a_plot_without_figures_is_none() {
    let mut empty = bars(3, 1.0, 2.0);
    for group in &mut empty.groups {
        group.bars = vec![Bar::Absent("not run")];
    }
    let (mut lines, mut points) = (sweep(), predictor());
    for series in &mut lines.series {
        series.points = vec![(1.0, f64::NAN)];
    }
    points.dots.clear();
    for plot in [Plot::Bars(empty), Plot::Lines(lines), Plot::Points(points)] {
        assert_eq!(plot.svg().unwrap(), None);
        assert!(!plot.alt().is_empty());
    }
}

#[test]
fn a_plot_is_one_picture_with_a_description_and_hostile_names_stay_text() {
    for (shape, plot) in examples() {
        let svg = plot.svg().unwrap().unwrap();
        assert!(
            svg.starts_with("<svg role=\"img\" aria-label=\""),
            "{shape}"
        );
        assert!(!svg.contains("<script"), "{shape}");
        let alt = plot.alt();
        assert!(
            alt.ends_with('.') && alt.contains("chart. "),
            "{shape}: {alt}"
        );
    }
    let (_, plot) = &hostile()[0];
    let (_, texts) = text_boxes(&plot.svg().unwrap().unwrap());
    let is_shown = texts
        .iter()
        .any(|(words, _)| words.contains("<script>alert(0)"));
    assert!(is_shown, "{texts:?}");
}

#[test]
fn the_same_figures_make_the_same_plot() {
    let draw = || -> Vec<_> {
        let plots = examples().into_iter();
        plots.map(|(_, plot)| plot.svg().unwrap()).collect()
    };
    assert_eq!(draw(), draw());
}

/// How many straight pieces of this colour and width a chart has.
fn paths(svg: &str, color: plotters::style::RGBColor, width: u32) -> usize {
    let (red, green, blue) = (color.0, color.1, color.2);
    let stroke = format!("stroke=\"#{red:02X}{green:02X}{blue:02X}\" stroke-width=\"{width}\"");
    svg.lines()
        .filter(|line| line.starts_with("<polyline") && line.contains(&stroke))
        .count()
}

#[test]
fn lines_beyond_the_eighth_are_grey_and_named_beneath() {
    let svg = Plot::Lines(history()).svg().unwrap().unwrap();
    assert_eq!(paths(&svg, palette::GREY, 1), 2);
    assert!(
        svg.contains(&format!("In grey: {}, {}.", method(8), method(9))),
        "{svg}"
    );
    for (color, _) in palette::SERIES {
        assert!(paths(&svg, color, 2) >= 1);
    }
}

#[test]
fn a_series_without_figures_is_said_to_have_none() {
    let mut lines = sweep();
    lines.series[0].points.clear();
    let svg = Plot::Lines(lines).svg().unwrap().unwrap();
    assert!(svg.contains("Without figures: fastcdc."));
}

#[test]
fn every_point_in_front_is_named_once_and_no_grey_one_is() {
    let points = pareto(false);
    let (_, texts) = text_boxes(&Plot::Points(points.clone()).svg().unwrap().unwrap());
    for dot in &points.dots {
        let times = texts.iter().filter(|(words, _)| *words == dot.name).count();
        assert_eq!(times, usize::from(dot.front), "{}", dot.name);
    }
}

#[test]
fn a_name_without_room_is_said_beneath() {
    let mut points = pareto(true);
    for dot in &mut points.dots {
        dot.at = (1e6, 1e9);
        dot.name = format!("{} {}", dot.name, "and so on ".repeat(4));
    }
    let svg = Plot::Points(points).svg().unwrap().unwrap();
    assert!(svg.contains("without room for a name: "));
    check_texts("all on one spot", &svg);
}

#[test]
fn longer_bars_are_for_larger_figures_on_either_axis() {
    for (low, high) in [(1e9, 5e9), (1e3, 1e12)] {
        let mut chart = bars(12, low, high);
        for group in &mut chart.groups {
            group.bars.truncate(1);
        }
        chart.groups.pop();
        let svg = chart.draw().unwrap().unwrap();
        let widths: Vec<i32> = svg
            .lines()
            .filter(|line| line.starts_with("<rect") && line.contains("#0B4A82"))
            .filter_map(|line| {
                line.split("width=\"")
                    .nth(1)?
                    .split('"')
                    .next()?
                    .parse()
                    .ok()
            })
            .skip(1)
            .collect();
        let mut rows: Vec<(u64, i32)> = chart
            .groups
            .iter()
            .map(|group| match &group.bars[0] {
                Bar::Shown { ends, .. } => ends[0].0,
                Bar::Absent(_) => 0,
            })
            .zip(widths)
            .collect();
        assert_eq!(rows.len(), 11);
        rows.sort_unstable();
        assert!(rows.windows(2).all(|two| two[0].1 <= two[1].1), "{rows:?}");
        assert!(rows[0].1 < rows[10].1, "{rows:?}");
    }
}

#[test]
fn a_picture_is_a_png_of_twice_the_size() {
    let svg = Plot::Lines(cliff()).svg().unwrap().unwrap();
    let picture = Plot::png(&svg).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
    let (page, _) = text_boxes(&svg);
    let width = u32::from_be_bytes(picture[16..20].try_into().unwrap());
    assert_eq!(width as f32, page.width() * 2.0);
    assert!(Plot::png("no picture").is_err());
}
