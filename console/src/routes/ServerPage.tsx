import { Button, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { serverQuery } from "../api/queries";
import type { ServerInfo } from "../api/types";
import { CopyField } from "../components/CopyField";
import { PageHead } from "../components/PageHead";
import { ProblemNote } from "../components/ProblemNote";
import { isThisMachineOnly } from "../logic/hostKind";
import { saveFile } from "../logic/saveFile";

export function ServerPage() {
  const query = useQuery(serverQuery);
  return (
    <div className="page">
      <PageHead title="Server">What to point a real board at.</PageHead>
      {query.isPending && <Skeleton height={200} radius="md" aria-label="Loading the server's addresses" />}
      {query.isError && <ProblemNote error={query.error} onRetry={() => void query.refetch()} />}
      {query.data && <ServerDetails server={query.data} />}
    </div>
  );
}

function ServerDetails({ server }: { server: ServerInfo }) {
  return (
    <div className="columns">
      <section className="card stack" aria-labelledby="addresses-title">
        <h2 id="addresses-title">Addresses for boards</h2>
        <CopyField label="Host" value={server.host} />
        <CopyField label="TLS port" value={String(server.tls_port)} />
        <CopyField label="Plain port" value={String(server.plain_port)} />
        {isThisMachineOnly(server.host) && (
          <p className="notice wait">
            <strong>{server.host}</strong> is this computer only. For boards on your network, start the server with{" "}
            <code className="mono">--listen 0.0.0.0:{server.plain_port}</code>,{" "}
            <code className="mono">--listen-tls 0.0.0.0:{server.tls_port}</code> and{" "}
            <code className="mono">--public-host</code> with this computer’s address.
          </p>
        )}
        <CopyField label="Time zone" value={server.time_zone} />
        <p className="soft small">
          The time zone is that of devices which told none; <code className="mono">--time-zone</code> sets it.
        </p>
        <p className="soft small">
          HTTP, WebSocket and the Blynk protocol share each port. Use TLS wherever the firmware can.
        </p>
      </section>
      <section className="card stack" aria-labelledby="certificate-title">
        <h2 id="certificate-title">Certificate authority</h2>
        {server.ca_certificate_pem ? (
          <CertificateDownload pem={server.ca_certificate_pem} />
        ) : (
          <p className="soft">The server uses a certificate that was given to it; there is nothing to install.</p>
        )}
        <p className="soft small">Server version {server.version}</p>
      </section>
    </div>
  );
}

function CertificateDownload({ pem }: { pem: string }) {
  return (
    <>
      <p className="soft">
        The server made its own certificate on its first start. Firmware that checks certificates needs this authority
        compiled in.
      </p>
      <div>
        <Button
          variant="default"
          onClick={() => saveFile("rehome-ca.pem", "application/x-pem-file", pem)}
        >
          Download rehome-ca.pem
        </Button>
      </div>
    </>
  );
}
