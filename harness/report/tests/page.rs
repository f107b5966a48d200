//! What report.html must hold: it asks for nothing, hostile names stay text, its pick is that of `recommend`.

use super::*;

/// The tags of a page with their attributes, outside its charts, whose lines break by the length of names, and its
/// program.
fn tags(html: &str) -> Vec<String> {
    let program = html.rfind("<script>").unwrap();
    let charts = html[..program].split("<svg ").enumerate();
    let outside = charts.map(|(at, text)| match at {
        0 => text,
        _ => text.split_once("</svg>").unwrap().1,
    });
    let tags = outside.flat_map(|text| text.split('<').skip(1));
    tags.map(|tag| tag.split('>').next().unwrap().to_string())
        .collect()
}

#[test]
fn a_page_asks_for_nothing_and_runs_one_script_that_its_policy_names() {
    for (shape, results) in shapes() {
        let html = printed(&results, "report.html");
        for outside in [
            "src=",
            "@import",
            "url(",
            "<link",
            "<iframe",
            "<object",
            "http-equiv=\"refresh",
        ] {
            let program = html.rfind("<script>").unwrap();
            assert!(!html[..program].contains(outside), "{shape}: {outside}");
        }
        assert_eq!(html.matches("<script").count(), 1, "{shape}");
        assert!(html.contains("default-src 'none'") && html.contains("script-src 'sha256-"));
    }
}

#[test]
fn hostile_names_make_no_tag_and_no_attribute_in_a_page() {
    let hostile =
        "'\"><img src=x onerror=alert(1)></script><script>alert(2)</script>\u{1b}[2J\u{202e}=1+1";
    let mut results = troubled(4, 2);
    let honest = tags(&printed(&results, "report.html"));
    let plan = &mut results.plan.scenarios[0];
    let (scenario, method) = (plan.name.clone(), plan.methods[0].name.clone());
    plan.name = hostile.to_string();
    plan.about = hostile.to_string();
    plan.methods[0].name = hostile.to_string();
    plan.methods[0].version = Some(hostile.to_string());
    for row in &mut results.rows {
        row.scenario = hostile.into();
        if row.method == method {
            row.method = hostile.into();
        }
        row.error = format!("{hostile}{}", row.error).into();
    }
    results.host.command.push(hostile.to_string());
    let html = printed(&results, "report.html");
    let found = tags(&html);
    let names = |tags: &[String]| -> Vec<String> {
        let name = |tag: &String| {
            tag.split_whitespace()
                .next()
                .unwrap_or_default()
                .to_string()
        };
        tags.iter().map(name).collect()
    };
    assert_eq!(names(&found), names(&honest), "{scenario}");
    let program = html.rfind("<script>").unwrap();
    for tag in ["<img", "<script"] {
        assert!(!html[..program].contains(tag), "{tag}");
    }
    assert!(!html.contains('\u{1b}') && !html.contains('\u{202e}'));
}

#[test]
fn the_page_s_pick_is_that_of_recommend_for_the_same_question() {
    for results in [results("pair", 12, 2, 3), policies(6, 5), troubled(4, 3)] {
        let name = results.plan.scenarios[0].name.clone();
        let mut assumed = Assumptions::default();
        for (devices, link) in [(1000.0, "4G"), (3.0, "modem"), (1e6, "data centre")] {
            assumed.fleet.devices = devices;
            assumed.fleet.link = link.to_string();
            let reading = stats::read(&results);
            let page = views::page(&results, &reading, &assumed, Page::Report);
            let answer = page.iter().find_map(|block| match block {
                Block::Part { blocks, .. } => blocks.iter().find_map(|block| match block {
                    Block::Answer(answer) => Some(answer.pick.clone()),
                    _ => None,
                }),
                _ => None,
            });
            let said = recommendation(&results, &assumed, Some(&name), 3, 200).unwrap();
            let pick = format!("Pick: {}\n", answer.unwrap());
            assert!(said.contains(&pick), "{pick}{said}");
        }
    }
}
