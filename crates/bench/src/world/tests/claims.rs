//! Claim codes and release without a network, in virtual time with the real portal and the real device.

use super::*;

async fn type_code(stage: &Stage, code: &[u8]) -> (u16, String) {
    let phone = Phone::join(stage.bench(), &stage.board).unwrap();
    let fields: [(&str, &[u8]); 5] = [
        ("ssid", HOME_SSID.as_bytes()),
        ("pass", HOME_PASSWORD.as_bytes()),
        ("blynk", code),
        ("host", CLOUD_HOST.as_bytes()),
        ("port_ssl", b"443"),
    ];
    let answer = phone.post_form("/config", &fields).await.unwrap();
    (answer.status, answer.text())
}

async fn switch_on(stage: &Stage) {
    stage.bench().give_power(&stage.board).unwrap();
    assert!(stage.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
}

async fn status(stage: &Stage) -> String {
    Phone::join(stage.bench(), &stage.board).unwrap().get("/status.json").await.unwrap().text()
}

#[test]
fn a_typed_claim_code_leads_to_a_home_with_the_token_and_leaves_no_code_in_flash() {
    play(|stage| async move {
        switch_on(&stage).await;
        let (token, code) = stage.world.cloud.create_claim_code();
        assert_eq!(type_code(&stage, &code.reveal().to_ascii_lowercase()).await.0, 200);
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", MINUTE).await, "{}", stage.serial());
        assert!(stage.world.cloud.is_online(&token));
        let image = stage.bench().flash_image(&stage.board).unwrap();
        let has = |trace: &[u8]| image.windows(trace.len()).any(|window| window == trace);
        let plain: Vec<u8> = code.reveal().iter().copied().filter(|byte| *byte != b'-').collect();
        assert!(has(token.reveal()) && !has(&plain) && !has(code.reveal()));
        assert!(!stage.serial().contains(str::from_utf8(code.reveal()).unwrap()));
        // The same code again, for a board whose owner resets it by its button: it is used up.
        stage.bench().press_button(&stage.board, Duration::from_secs(11)).unwrap();
        assert!(stage.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        stage.world.pass(MINUTE).await;
        assert_eq!(type_code(&stage, code.reveal()).await.0, 200);
        stage.world.pass(MINUTE).await;
        let told = status(&stage).await;
        assert!(told.contains("does not know this claim code") && told.contains("703"), "{told}");
        assert!(!stage.view().flash.is_home_stored);
    });
}

#[test]
fn a_mistyped_code_is_refused_by_the_portal_before_anything_is_tried() {
    play(|stage| async move {
        switch_on(&stage).await;
        let (_, code) = stage.world.cloud.create_claim_code();
        let mut mistyped = code.reveal().to_vec();
        mistyped.swap(0, 8);
        if mistyped == code.reveal() {
            mistyped[0] = if mistyped[0] == b'A' { b'B' } else { b'A' };
        }
        let (code, text) = type_code(&stage, &mistyped).await;
        assert_eq!(code, 500, "as clients of stock firmware expect");
        assert!(text.contains("typing mistake"), "{text}");
        assert!(!stage.serial().contains("Connecting to"), "{}", stage.serial());
    });
}

#[test]
fn a_power_cut_in_the_middle_of_a_claim_lets_the_owner_type_the_code_again() {
    play(|stage| async move {
        switch_on(&stage).await;
        let (token, code) = stage.world.cloud.create_claim_code();
        type_code(&stage, code.reveal()).await;
        let is_connecting = |view: &BoardView| view.report.state == "CONNECTING_CLOUD";
        assert!(stage.wait(MINUTE, is_connecting).await, "{}", stage.serial());
        stage.bench().cut_power(&stage.board).unwrap();
        assert!(!stage.view().flash.is_home_stored, "nothing was stored");
        switch_on(&stage).await;
        type_code(&stage, code.reveal()).await;
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", MINUTE).await, "{}", stage.serial());
        assert!(stage.world.cloud.is_online(&token));
    });
}

/// Sets the board up, gives it away while it has no network, and opens its hotspot at the next owner's.
async fn stranded_and_released(stage: &Stage) -> Secret {
    let token = stage.set_up().await;
    stage.bench().cut_power(&stage.board).unwrap();
    stage.bench().move_board(&stage.board, Some(stage.other.clone())).unwrap();
    stage.world.cloud.give_away(&token);
    switch_on(stage).await;
    assert!(stage.view().flash.is_home_stored);
    token
}

async fn hand_over(stage: &Stage, order: &str) -> (u16, String) {
    let phone = Phone::join(stage.bench(), &stage.board).unwrap();
    let answer = phone.post_form("/release", &[("order", order.as_bytes())]).await.unwrap();
    (answer.status, answer.text())
}

#[test]
fn a_board_far_from_any_network_is_released_by_a_phone_and_its_receipt_confirms_it() {
    play(|stage| async move {
        let token = stranded_and_released(&stage).await;
        let traces = stage.world.cloud.release_traces(&token);
        let order = stage.world.cloud.release_order_text(&token).unwrap();
        let (code, text) = hand_over(&stage, &order).await;
        assert_eq!(code, 200, "{text}");
        let receipt = text.split('"').find(|part| part.starts_with("rehome-receipt-1.")).unwrap().to_owned();
        assert!(!stage.bench().holds_secrets(&stage.board).unwrap());
        let image = stage.bench().flash_image(&stage.board).unwrap();
        assert!(!traces.iter().any(|trace| image.windows(trace.len()).any(|window| window == trace)));
        assert_eq!(stage.world.cloud.token_state(&token), Some(TokenState::ReleasePending), "nobody told it");
        assert!(!stage.world.cloud.hand_in_receipt(&token, receipt.split_at(receipt.len() - 1).0));
        assert!(stage.world.cloud.hand_in_receipt(&token, &receipt));
        assert_eq!(stage.world.cloud.token_state(&token), Some(TokenState::ReleaseConfirmed));
        // The door stays open for the new owner, and a replay does nothing to them.
        let second = stage.set_up_at_the_other_place().await;
        stage.bench().move_board(&stage.board, None).unwrap();
        assert!(stage.wait(30 * MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        let (code, text) = hand_over(&stage, &order).await;
        assert_eq!(code, 403, "{text}");
        assert!(stage.view().flash.is_home_stored && text.contains("for another device"), "{text}");
        assert!(stage.world.cloud.release_order_text(&second).is_none(), "it was not released");
    });
}

#[test]
fn no_cut_and_no_changed_character_of_an_order_erases_a_board() {
    play(|stage| async move {
        let token = stranded_and_released(&stage).await;
        let order = stage.world.cloud.release_order_text(&token).unwrap();
        for at in (0..order.len()).step_by(3) {
            let mut changed = order.clone().into_bytes();
            changed[at] = if changed[at] == b'1' { b'0' } else { b'1' };
            for text in [order.split_at(at).0.to_owned(), String::from_utf8(changed).unwrap()] {
                let (code, answer) = hand_over(&stage, &text).await;
                assert!(code == 400 || code == 403, "{text}: {answer}");
            }
        }
        assert!(stage.view().flash.is_home_stored);
        assert_eq!(hand_over(&stage, &order).await.0, 200, "the whole one is obeyed");
    });
}
