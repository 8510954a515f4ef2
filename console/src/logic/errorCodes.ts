type CodeMeaning = { what: string; next: string };

/** What a board's `last_error` means. Source: reference/edgent-device.md §3. */
const MEANINGS: Record<number, CodeMeaning> = {
  700: { what: "The settings sent to the board were not valid.", next: "Fill in the setup page again." },
  701: { what: "The board could not join the Wi-Fi.", next: "Check that the network is on and the password is right." },
  702: { what: "The board reached the Wi-Fi but not the cloud.", next: "Check host and port, and that the network has internet." },
  703: { what: "The cloud refused the token.", next: "Start a new setup: a token works once and for one board." },
  704: { what: "The network failed for a reason the board does not know.", next: "Try again, nearer to the router." },
  705: { what: "The cloud connection failed for a reason the board does not know.", next: "Try again." },
  710: { what: "The cloud's name could not be looked up.", next: "Check the host, and that the network has internet." },
  711: { what: "The cloud's certificate was not accepted.", next: "The board must trust the server's certificate authority." },
  712: { what: "The network shows a sign-in page of its own.", next: "Use a network without a sign-in page." },
  720: { what: "The Wi-Fi network was not found.", next: "Check its name, and that it is on and in range." },
  721: { what: "No cable is plugged in.", next: "Plug in the network cable." },
  722: { what: "The Wi-Fi password was not accepted.", next: "Type the password again." },
  723: { what: "The network gave the board no address.", next: "Restart the router, or set a static address." },
  730: { what: "There is no SIM card.", next: "Insert a SIM card." },
  731: { what: "The SIM card is locked.", next: "Unlock it with its PIN." },
  732: { what: "The SIM card's PIN is wrong.", next: "Enter the right PIN." },
};

/** Meaning of an error code; `null` for "no error". */
export function codeMeaning(code: number | null | undefined): CodeMeaning | null {
  if (code === null || code === undefined || code === 0) return null;
  return MEANINGS[code] ?? { what: `The board reported error ${code}.`, next: "Look at its serial log." };
}
