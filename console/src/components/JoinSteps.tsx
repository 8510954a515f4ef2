import { Anchor } from "@mantine/core";

import { expectedHotspotName, type FirmwareFamily } from "../logic/hotspotName";
import { FIXED_PORTS, isFixedPort, takesPort } from "../logic/firmwareKinds";
import { HOTSPOT_PAGE, openHotspotQrText, setupLink, type CloudBinding } from "../logic/setupLink";
import "../styles/setup.css";
import { CopyField } from "./CopyField";
import { QrCode } from "./QrCode";

type Props = {
  family: FirmwareFamily;
  templateName: string;
  binding: CloudBinding;
  /** Name of the hotspot where it is known, as on the bench. */
  hotspotName?: string;
};

/** How to get a real board, its phone hotspot and these values together. */
export function JoinSteps(props: Props) {
  return (
    <ol className="join">
      <li>
        <div className="stack">
          <strong>Power the board and join its hotspot</strong>
          <HotspotHint {...props} />
        </div>
      </li>
      <li>{props.family === "rehome" ? <RehomePage binding={props.binding} /> : <EdgentPage {...props} />}</li>
      <li>
        <div className="stack">
          <strong>Choose your Wi-Fi on that page</strong>
          <span className="soft">The board then leaves its hotspot and connects. This page follows along.</span>
        </div>
      </li>
    </ol>
  );
}

function HotspotHint({ family, templateName, hotspotName }: Props) {
  if (hotspotName) {
    return (
      <div className="with-qr">
        <QrCode text={openHotspotQrText(hotspotName)} label={`Code to join the hotspot ${hotspotName}`} size={132} />
        <p className="grow soft">
          Scan the code with your phone’s camera, or choose <strong className="break">{hotspotName}</strong> in its
          Wi-Fi settings. It has no password.
        </p>
      </div>
    );
  }
  return (
    <p className="soft">
      In your phone’s Wi-Fi settings choose{" "}
      <strong className="break mono">{expectedHotspotName(family, templateName)}</strong>; the last four characters
      differ from board to board. If your firmware has a prefix of its own, it stands in place of “Blynk”.
    </p>
  );
}

function RehomePage({ binding }: { binding: CloudBinding }) {
  const link = setupLink(HOTSPOT_PAGE, binding);
  return (
    <div className="stack">
      <strong>Open the board’s setup page</strong>
      <div className="with-qr">
        <QrCode text={link} label="Code that opens the board's setup page" size={196} />
        <div className="stack tight grow">
          <span className="soft">
            Scan this with the same phone, or{" "}
            <Anchor href={link} target="_blank" rel="noreferrer">
              open the page here
            </Anchor>{" "}
            when this computer has joined the hotspot. Token and host are already filled in.
          </span>
          {binding.claim_code && (
            <>
              <CopyField label="Claim code" value={binding.claim_code} />
              <span className="soft small">
                Short enough to type in place of the token. Good for one board and until this setup ends.
              </span>
            </>
          )}
          <CopyField label="Token" value={binding.token} />
          <CopyField label="Host" value={binding.host} />
          <CopyField label="Port" value={String(binding.port)} />
        </div>
      </div>
    </div>
  );
}

function EdgentPage({ family, binding }: Props) {
  return (
    <div className="stack">
      <strong>
        Open{" "}
        <Anchor href={HOTSPOT_PAGE} target="_blank" rel="noreferrer">
          {HOTSPOT_PAGE}
        </Anchor>{" "}
        and fill in
      </strong>
      <div className="stack tight">
        <CopyField label="Token" value={binding.token} />
        <CopyField label="Host" value={binding.host} />
        {takesPort(family) && <CopyField label="Port" value={String(binding.port)} />}
      </div>
      {takesPort(family) ? (
        <span className="soft small">
          The phone has no internet while it is on the hotspot: copy the values first.
        </span>
      ) : (
        <FixedPorts binding={binding} />
      )}
    </div>
  );
}

/** Where new Edgent connects to, and what follows when this server listens elsewhere. */
function FixedPorts({ binding: { host, port } }: { binding: CloudBinding }) {
  if (isFixedPort(port)) {
    return (
      <span className="soft small">
        There is no field for the port: new Edgent tries {FIXED_PORTS}, and this server answers on {port}. Copy the
        values first, the phone has no internet while it is on the hotspot.
      </span>
    );
  }
  return (
    <p className="notice wait">
      New Edgent takes no port: it tries {FIXED_PORTS}, and this server answers on {port}. Forward port 443 of{" "}
      <span className="break">{host}</span> to it, or start it with{" "}
      <span className="mono break">--listen-tls 0.0.0.0:443</span>; until then the board does not find it.
    </p>
  );
}
