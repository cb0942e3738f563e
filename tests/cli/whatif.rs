//! What-if questions: the record as it is, beside what another target or other values would make of it.

use serde_json::{Value, json};

use crate::office::Office;

/// Counts of the two sections that were published for January and February 2020; nothing is known of the other months.
fn counts(by_class: [u64; 6], met: u64, unmet: u64, longest: u64) -> Value {
    let names = ["I", "II", "III", "IV", "V", "InferiorV"];
    let classes: Vec<_> = names.iter().zip(by_class).map(|(class, sections)| json!([class, sections])).collect();
    json!({ "classes": classes, "met": met, "unmet": unmet, "unassessed": 20, "longest_unmet_run": longest })
}

fn changes(answer: &Value) -> Vec<String> {
    let list = answer["changes"].as_array().expect("a list");
    let text = |change: &Value, field: &str| change.pointer(field).and_then(Value::as_str).unwrap_or("-").to_owned();
    let line = |change: &Value| {
        let at = |field: &str| text(change, field);
        let (period, section, name) = (at("/period"), at("/section"), at("/name"));
        let (before, after) =
            ((at("/before/class"), at("/before/verdict")), (at("/after/class"), at("/after/verdict")));
        format!("{period} {section} {name}: {} {} -> {} {}", before.0, before.1, after.0, after.1)
    };
    list.iter().map(line).collect()
}

#[test]
fn another_target_or_other_values_are_counted_beside_the_record() {
    let office = Office::published();
    let before = counts([0, 2, 0, 2, 0, 0], 2, 2, 2);
    let stricter = office.ask(["whatif", "2020", "--target", "I"]);
    assert_eq!((&stricter["before"], &stricter["after"]), (&before, &counts([0, 2, 0, 2, 0, 0], 0, 4, 2)));
    assert_eq!(changes(&stricter), ["2020-01 b 前油坊: II met -> II unmet", "2020-02 b 前油坊: II met -> II unmet"]);
    let cleaner = office.ask(["whatif", "2020", "--change", "nh3n=80"]);
    assert_eq!((&cleaner["before"], &cleaner["after"]), (&before, &counts([0, 2, 2, 0, 0, 0], 4, 0, 0)));
    assert_eq!(
        changes(&cleaner),
        ["2020-01 a 高唐北湖: IV unmet -> III met", "2020-02 a 高唐北湖: IV unmet -> III met"]
    );
    assert_eq!((&cleaner["changed"], cleaner["periods"].as_array().map(Vec::len)), (&json!(2), Some(12)));
    let nothing = office.ask(["whatif", "2020"]);
    assert_eq!((&nothing["before"], &nothing["after"], &nothing["changed"]), (&before, &before, &json!(0)));
}

#[test]
fn what_stands_on_the_record_is_what_evaluate_says() {
    let office = Office::published();
    let evaluated = office.ask(["evaluate", "2020-02"]);
    let verdicts: Vec<_> = evaluated.as_array().expect("a list").iter().map(|line| &line["verdict"]).collect();
    let asked = office.ask(["whatif", "2020-02", "--target", "V"]);
    let unmet = verdicts.iter().filter(|verdict| ***verdict == "unmet").count();
    assert_eq!((&asked["before"]["unmet"], &asked["after"]["unmet"]), (&json!(unmet), &json!(0)));
    assert_eq!(unmet, 1);
    let head = office.head();
    let table = office.run(["whatif", "2020-02", "--target", "V"]).exits(0);
    assert!(table.out.contains("IV unmet") && table.out.contains("1 verdicts or classes would change"), "{table:?}");
    assert_eq!(office.head(), head, "a question records nothing");
}

#[test]
fn words_that_cannot_be_meant_are_refused_with_a_remedy() {
    let office = Office::open();
    for (args, words) in [
        (["whatif", "2020", "--target", "VI"], "is no target class"),
        (["whatif", "2020", "--change", "tn=80"], "not assessed"),
        (["whatif", "2020", "--change", "nh3n"], "INDICATOR=PERCENT"),
        (["whatif", "2020", "--change", "nh3n=100001"], "100000"),
        (["whatif", "1820", "--target", "I"], "1820"),
    ] {
        let ran = office.run(args).exits(2);
        assert!(ran.err.contains(words), "{ran:?}");
    }
    let ran = office.run(["whatif", "2019-01", "--target", "I"]).exits(1);
    assert!(ran.err.contains("no_plan_in_force") || ran.err.contains("no plan"), "{ran:?}");
}
