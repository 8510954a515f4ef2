//! What must hold for whatever an application sends to the local API. Shared by the replayed corpus and the fuzz target.

use device_linux::local_api::{Conversation, LINE_BYTES_MAX};
use serde_json::Value;

/// The longest answer: a refusal that repeats an unknown key, each byte of it as `\u00xx`.
const ANSWER_BYTES_MAX: usize = 6 * LINE_BYTES_MAX + 1024;

/// Sends the bytes as one application does and looks at every answer.
pub(crate) fn check_lines(sent: &[u8]) {
    let lines: Vec<&[u8]> = sent.split(|byte| *byte == b'\n').collect();
    let Some((unfinished, whole)) = lines.split_last() else { return };
    let too_long = whole.iter().position(|line| line.len() > LINE_BYTES_MAX);
    let is_asked = |line: &&&[u8]| !line.iter().all(u8::is_ascii_whitespace);
    let asked: Vec<&[u8]> =
        whole[..too_long.unwrap_or(whole.len())].iter().filter(is_asked).copied().collect();
    let mut conversation = Conversation::default();
    let result = conversation.answer(sent);
    let is_ended = too_long.is_some() || unfinished.len() > LINE_BYTES_MAX;
    assert_eq!(
        result.is_err(),
        is_ended,
        "a line that is too long ends the connection, and nothing else does"
    );
    let answers = result.unwrap_or_else(|answers| answers);
    assert_eq!(answers.len(), asked.len(), "one answer for each line");
    for (line, answer) in asked.iter().zip(&answers) {
        check_answer(line, answer);
    }
    check_last_write(&mut conversation, &asked, &answers);
}

fn check_answer(line: &[u8], answer: &str) {
    assert!(answer.len() <= ANSWER_BYTES_MAX, "{} bytes", answer.len());
    assert_eq!(answer.find('\n'), Some(answer.len() - 1), "one line, with its end");
    let answer: Value = serde_json::from_str(answer).expect("an answer is JSON");
    let is_done = answer["ok"].as_bool().expect("every answer says whether it was done");
    assert_eq!(is_done, answer["error"].is_null(), "{answer}");
    if is_done {
        let request: Value = serde_json::from_slice(line).expect("what is done was understood");
        let known = ["write", "read", "state", "subscribe", "console"];
        assert!(request["do"].as_str().is_some_and(|order| known.contains(&order)), "{request}");
    }
}

/// Returns the pin and the value of a write that was done.
fn written(line: &[u8], answer: &str) -> Option<(u64, Value)> {
    let request: Value = serde_json::from_slice(line).ok()?;
    let is_done = answer == "{\"ok\":true}\n" && request["do"] == "write";
    is_done.then(|| (request["pin"].as_u64().unwrap_or(u64::MAX), request["value"].clone()))
}

/// What was written is what is read, as the text that goes to the cloud.
fn check_last_write(conversation: &mut Conversation, asked: &[&[u8]], answers: &[String]) {
    let mut writes = asked.iter().zip(answers).filter_map(|(line, answer)| written(line, answer));
    let Some((pin, value)) = writes.next_back() else { return };
    assert!(pin <= 255);
    let read = format!("{{\"do\":\"read\",\"pin\":{pin}}}\n");
    let answers = conversation.answer(read.as_bytes()).expect("a short line");
    let answer: Value = serde_json::from_str(&answers[0]).expect("an answer is JSON");
    let text = answer["values"][0].as_str().expect("a value is text");
    assert!(text.len() <= device::OUTGOING_VALUE_BYTES_MAX && !text.contains('\0'), "{text:?}");
    match value {
        Value::String(sent) => assert_eq!(text, sent),
        Value::Bool(is_on) => assert_eq!(text, if is_on { "1" } else { "0" }),
        Value::Number(number) => assert_eq!(text, number.to_string()),
        other => panic!("{other} was taken as a value"),
    }
}
