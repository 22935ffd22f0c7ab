use super::*;

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn sheet(pairs: &[(&str, &str)]) -> Sheet {
    let mut sheet = Sheet::default();
    for (text, value) in pairs {
        sheet.put(name(text), SecretValue::from(value.as_bytes()));
    }
    sheet
}

fn compare(sheet: &Sheet, text: &str) -> Result<Edits, Vec<Problem>> {
    let rules = Rules { name: &|name| name.as_str() != "LD_PRELOAD", empty: false };
    sheet.compare(&SecretValue::from(text.as_bytes()), &rules)
}

fn summary(sheet: &Sheet, text: &str) -> String {
    compare(sheet, text).map_or_else(
        |problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        |edits| edits.to_string(),
    )
}

fn text_of(value: &SecretValue) -> String {
    String::from_utf8(value.reveal().to_vec()).unwrap()
}

#[test]
fn a_text_that_comes_back_as_it_was_changes_nothing() {
    let values = ["plain", "with space", "two\nlines\n", "'\"\\", "a\rb\r\nc", "#", "$HOME ${X}", " \t", "ünï\u{2028}"];
    let mut before = Sheet::default();
    for (n, value) in values.iter().enumerate() {
        before.put(name(&format!("N{n}")), SecretValue::from(value.as_bytes()));
    }
    let text = before.text(&["heading".to_owned()]).unwrap();
    assert!(compare(&before, &text_of(&text)).unwrap().is_empty());
    // As editors for Windows save it: line ends inside values are LF in either case.
    let before = sheet(&[("A", "one"), ("B", "two words"), ("C", "two\nlines")]);
    let text = text_of(&before.text(&[]).unwrap()).replace('\n', "\r\n");
    assert!(compare(&before, &text).unwrap().is_empty());
}

#[test]
fn only_what_changed_is_named() {
    let before = sheet(&[("A", "1"), ("B", "2"), ("C", "3"), ("D", "4")]);
    assert_eq!(summary(&before, "A=1\nB=two\nE=new\nX=4\n"), "changed B; added E; removed C; renamed D to X");
    assert_eq!(summary(&before, "# all as it was\nD=4\nC='3'\nexport B=2\nA=\"1\""), "");
}

#[test]
fn equal_values_are_renamed_one_by_one() {
    let before = sheet(&[("A", "same"), ("B", "same"), ("C", "other")]);
    assert_eq!(summary(&before, "C=other\nX=same\nY=same\nZ=same\n"), "added Z; renamed A to X, B to Y");
}

#[test]
fn every_line_that_cannot_be_taken_is_named_by_number_alone() {
    let before = sheet(&[("A", "1")]);
    let text = "A=1\nhunter2\nB='hunter3\nLD_PRELOAD=hunter4\nA=\nC=\"x\" hunter5\nA=hunter6\n";
    let said = summary(&before, text);
    for line in ["line 2: no `=`", "line 3: B: unterminated quote", "line 4: LD_PRELOAD changes how", "line 6: C: text"]
    {
        assert!(said.contains(line), "{said}");
    }
    assert!(said.contains("line 5: A: set again on line 7"), "{said}");
    assert!(!said.contains("hunter"), "{said}");
    assert_eq!(summary(&before, "A="), "line 1: A is empty (`--allow-empty` takes it)");
}

#[test]
fn what_is_no_text_is_left_out_and_never_removed() {
    let mut before = sheet(&[("A", "1")]);
    before.put(name("DER"), SecretValue::from(&b"\xff\xfe"[..]));
    before.put(name("NUL"), SecretValue::from(&b"a\0b"[..]));
    let text = text_of(&before.text(&[]).unwrap());
    assert!(text.contains("left as they are: DER, NUL\n") && !text.contains("DER="), "{text}");
    assert!(compare(&before, &text).unwrap().is_empty());
    assert_eq!(summary(&before, "A=1\nDER=now-text\n"), "changed DER");
}

#[test]
fn problems_stand_on_top_and_count_from_there() {
    let text = SecretValue::from(&b"# heading\nA=1\nbroken\nmore\n"[..]);
    let mut problems = compare(&Sheet::default(), &text_of(&text)).unwrap_err();
    let again = annotate(&text, &mut problems);
    assert_eq!(text_of(&again), "# vault: line 5: no `=`\n# vault: line 6: no `=`\n# heading\nA=1\nbroken\nmore\n");
    // One is mended; what was said before goes away.
    let text = SecretValue::from(text_of(&again).replace("more\n", "B=2\n").as_bytes());
    let mut problems = compare(&Sheet::default(), &text_of(&text)).unwrap_err();
    assert_eq!(problems, [Problem { line: 5, why: "no `=`".to_owned() }]);
    let again = annotate(&text, &mut problems);
    assert_eq!(text_of(&again), "# vault: line 4: no `=`\n# heading\nA=1\nbroken\nB=2\n");
}

#[test]
fn a_clash_shows_both_values_and_has_to_be_settled() {
    let base = sheet(&[("A", "1"), ("B", "2"), ("C", "3"), ("D", "4"), ("E", "5")]);
    let edits = compare(&base, "A=mine\nC=3\nD=also mine\nE2=5\nNEW=x\n").unwrap();
    assert_eq!(edits.to_string(), "changed A, D; added NEW; removed B; renamed E to E2");
    // In between A and C got other values and B went.
    let now = sheet(&[("A", "theirs"), ("C", "33"), ("D", "4"), ("E", "5")]);
    let text = text_of(&now.text_again(&[], &base, &edits, &[name("A")]).unwrap());
    assert_eq!(
        text,
        "\nC=33\nD='also mine'\nE2=5\nNEW=x\n<<<<<<< what you typed\nA=mine\n=======\nA=theirs\n\
         >>>>>>> what is there now\n"
    );
    let problems = compare(&now, &text).unwrap_err();
    assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [6, 7, 8, 10]);
    assert!(problems[0].why.starts_with("two values"), "{problems:?}");
    let settled =
        text.replace("<<<<<<< what you typed\nA=mine\n=======\n", "").replace(">>>>>>> what is there now\n", "");
    assert_eq!(summary(&now, &settled), "changed D; added NEW; renamed E to E2");
}

#[test]
fn debug_shows_no_value() {
    let before = sheet(&[("A", "hunter2")]);
    let edits = compare(&before, "A=hunter3\nB=hunter4\n").unwrap();
    assert!(!format!("{before:?} {edits:?}").contains("hunter"));
}
