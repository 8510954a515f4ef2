//! The consoles of a board with our firmware: over its serial port, and from the cloud.

use super::*;

/// INTERNAL `dbg` as a server sends it.
fn dbg(words: &str) -> Vec<u8> {
    let body = format!("dbg\0{words}");
    let mut frame = vec![17, 0, 9];
    frame.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend(body.bytes());
    frame
}

impl Stage {
    /// Types a line and returns what is printed within three seconds.
    async fn types(&self, line: &str) -> String {
        let (_, before) = self.bench().serial_from(&self.board, u64::MAX).unwrap();
        self.bench().type_line(&self.board, line).unwrap();
        self.world.pass(Duration::from_secs(3)).await;
        self.bench().serial_from(&self.board, before).unwrap().0
    }
}

#[test]
fn the_serial_console_tells_what_edgents_tells_and_no_secret() {
    play(|stage| async move {
        let token = stage.set_up().await;
        let info = stage.types("devinfo").await;
        assert!(info.contains("\"tmpl_id\":\"TMPLtest\"") && info.contains("\"fw_ver\""), "{info}");
        let wifi = stage.types("wifi").await;
        assert!(wifi.contains("mac:  24:6F:28") && wifi.contains("ssid: Nest "), "{wifi}");
        assert!(stage.types("wifi scan").await.contains(" dBm ch "));
        let status = stage.types("status").await;
        assert!(status.contains("state:   RUNNING") && status.contains("hotspot: closed"), "{status}");
        assert!(stage.types("firmware").await.contains("Version: "));
        assert!(stage.types("HELP").await.contains("devinfo wifi config status reboot firmware"));
        assert!(stage.types("connect x y").await.contains("Command not found."));
        for secret in [HOME_PASSWORD.as_bytes(), token.reveal()] {
            let serial = stage.serial();
            assert!(!serial.contains(std::str::from_utf8(secret).unwrap()), "{serial}");
        }
    });
}

#[test]
fn the_serial_console_opens_the_door_restarts_and_erases_nothing() {
    play(|stage| async move {
        stage.set_up().await;
        assert!(stage.types("config erase").await.contains("Hold the button"));
        assert!(stage.view().flash.is_home_stored && stage.view().report.state == "RUNNING");
        stage.types("config").await;
        assert!(stage.view().hotspot_ssid.is_some() && stage.view().report.state == "RUNNING");
        stage.world.pass(15 * MINUTE).await;
        assert!(stage.view().hotspot_ssid.is_none(), "{}", stage.serial());
        assert!(stage.types("reboot").await.contains("boot 2"));
        // In recovery it is the same console.
        stage.bench().move_board(&stage.board, Some(stage.other.clone())).unwrap();
        assert!(stage.wait(20 * MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        stage.types("config erase").await;
        assert!(stage.view().flash.is_home_stored);
    });
}

#[test]
fn the_cloud_reaches_the_same_console_and_a_home_with_a_key_ignores_its_erase() {
    play(|stage| async move {
        let token = stage.set_up().await;
        for (words, printed) in
            [("status", "state:   RUNNING"), ("firmware", "Version: "), ("nonsense", "Command not found.")]
        {
            stage.world.cloud.send_raw(&token, dbg(words));
            stage.world.pass(Duration::from_secs(1)).await;
            assert!(stage.serial().contains(printed), "{words}: {}", stage.serial());
        }
        stage.world.cloud.send_raw(&token, dbg("config erase"));
        stage.world.pass(MINUTE).await;
        assert!(stage.view().flash.is_home_stored && stage.world.cloud.is_online(&token));
        stage.world.cloud.send_raw(&token, dbg("config start"));
        stage.world.pass(Duration::from_secs(1)).await;
        assert!(stage.view().hotspot_ssid.is_some());
        stage.world.cloud.send_raw(&token, dbg("reboot"));
        stage.world.pass(MINUTE).await;
        assert!(
            stage.serial().contains("boot 2") && stage.world.cloud.is_online(&token),
            "{}",
            stage.serial()
        );
    });
}

#[test]
fn what_is_no_line_is_refused_and_stock_boards_read_none() {
    play(|stage| async move {
        for line in [&"x".repeat(256), "two\nlines"] {
            let refused = stage.bench().type_line(&stage.board, line);
            assert!(matches!(refused, Err(ChangeBenchError::Invalid { .. })), "{line}");
        }
        let mut board = new_board(None);
        board.firmware = FirmwareSpec::EdgentNew.build();
        let stock = stage.bench().add_board(board).unwrap();
        assert!(stage.bench().type_line(&stock, "help").is_err());
    });
}
