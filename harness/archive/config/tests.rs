//! Claims about what is kept of a config.

use serde_json::json;

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn of(config: &Value) -> Result<NormalConfig> {
    normal(config.to_string().as_bytes())
}

#[test]
fn times_are_written_alike_and_no_other_text_is_taken_for_one() {
    let said = "2024-01-02T03:04:05.000+01:00";
    let config = json!({
        "author": said,
        "created": said,
        "history": [{ "created": said, "comment": said }],
        "rootfs": { "diff_ids": [] },
    });
    let written: Value = serde_json::from_str(&of(&config).unwrap().json).unwrap();
    let utc = "2024-01-02T02:04:05Z";
    assert_eq!(
        (&written["author"], &written["created"]),
        (&json!(said), &json!(utc))
    );
    let step = &written["history"][0];
    assert_eq!(
        (&step["comment"], &step["created"]),
        (&json!(said), &json!(utc))
    );
}

#[test]
fn a_diff_id_is_64_hexadecimal_digits() {
    let with = |id: &str| of(&json!({ "rootfs": { "diff_ids": [id] } }));
    let upper = format!("sha256:{}", ID.to_uppercase());
    assert_eq!(with(&upper).unwrap().diff_ids, [ID]);
    let (short, other) = (&ID[1..], ID.replace('0', "g"));
    for wrong in [short, &other, ""].map(|hex| format!("sha256:{hex}")) {
        let why = with(&wrong).err().unwrap().to_string();
        assert!(
            why.contains("not a sha256") && why.contains(&wrong),
            "{why}"
        );
    }
}
