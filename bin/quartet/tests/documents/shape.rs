//! Whether what a command prints looks as it is shown: numbers and roots may differ, `…` stands for anything.

/// Stands for anything: in a line, or alone for any lines.
const ANYTHING: char = '…';

/// Of what is printed, so much is said; more can be megabytes.
const MOST_CHARACTERS: usize = 1000;

/// Says what differs, if anything does.
pub(crate) fn difference(shown: &[String], printed: &str) -> Option<String> {
    let pattern: Vec<_> = shown.iter().map(|line| shape(line)).collect();
    let lines: Vec<_> = printed.lines().map(shape).collect();
    (!lines_match(&pattern, &lines)).then(|| {
        let shown = shown.join("\n");
        let printed: String = printed.chars().take(MOST_CHARACTERS).collect();
        format!("shown:\n{shown}\nprinted:\n{printed}")
    })
}

/// The line with its roots as `0x`, its numbers as `0` and its columns one blank apart.
fn shape(line: &str) -> String {
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shape = String::new();
    let mut rest = line.as_str();
    while let Some(first) = rest.chars().next() {
        let length = if let Some(root) = rest.strip_prefix("0x") {
            shape.push_str("0x");
            let digits = digits(root, 16);
            // A shortened root is as good as a whole one.
            let after = root[digits..].strip_prefix(ANYTHING);
            let tail = after.map_or(0, |tail| ANYTHING.len_utf8() + self::digits(tail, 16));
            2 + digits + tail
        } else if first.is_ascii_digit() {
            shape.push('0');
            digits(rest, 10)
        } else {
            shape.push(first);
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    shape
}

/// How many digits the text begins with.
fn digits(text: &str, radix: u32) -> usize {
    text.find(|c: char| !c.is_digit(radix))
        .unwrap_or(text.len())
}

fn lines_match(pattern: &[String], lines: &[String]) -> bool {
    match pattern.split_first() {
        None => lines.is_empty(),
        Some((any, rest)) if any.chars().eq([ANYTHING]) => {
            (0..=lines.len()).any(|skipped| lines_match(rest, &lines[skipped..]))
        }
        Some((first, rest)) => lines
            .split_first()
            .is_some_and(|(line, lines)| line_matches(first, line) && lines_match(rest, lines)),
    }
}

fn line_matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split(ANYTHING);
    let Some(mut rest) = parts.next().and_then(|start| line.strip_prefix(start)) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(end) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(end)
}

#[test]
fn numbers_and_roots_may_differ_and_words_may_not() {
    let differs = |shown: &[&str], printed: &str| {
        let shown: Vec<_> = shown.iter().map(|line| (*line).to_owned()).collect();
        difference(&shown, printed).is_some()
    };
    assert!(!differs(
        &[r#"{"root":"0xfd9c…6ff2","slot":8}"#],
        r#"{"root":"0x12ab","slot":4711}"#
    ));
    assert!(!differs(&["a  12"], "a 3"));
    assert!(!differs(&["begin", "…", "end 1"], "begin\nx\ny\nend 2"));
    assert!(!differs(&["…", "x …"], "x y"));
    assert!(!differs(&["a … c…"], "a b b c d"));
    assert!(!differs(&["root=0x5f16…4820"], "root=0x69cd…a6b6"));
    assert!(differs(&["synced"], "stalled"));
    assert!(differs(&[r#"{"a":1}"#], r#"{"a":null}"#));
    assert!(differs(&["a"], "a\nb"));
    assert!(differs(&["a", "b"], "a"));
    assert!(differs(&["a … c"], "a b"));
}
