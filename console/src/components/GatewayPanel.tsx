import { Switch } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";

import { setGatewayApi } from "../api/actions";
import { templateQuery, templatesQuery } from "../api/queries";
import type { Template } from "../api/types";
import { ProblemNote } from "./ProblemNote";

/** Whether devices of the template may speak for others. */
export function GatewayPanel({ template }: { template: Template }) {
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: (isOn: boolean) => setGatewayApi(template.id, isOn),
    onSuccess: (changed) => {
      queries.setQueryData(templateQuery(template.id).queryKey, changed);
      void queries.invalidateQueries({ queryKey: templatesQuery.queryKey });
    },
  });
  return (
    <section className="card stack" aria-labelledby="gateway-title">
      <h2 id="gateway-title">Gateways</h2>
      <Switch
        label="Gateway API"
        description="Devices of this template may speak MQTT for other devices. Leave it off unless they are gateways."
        checked={template.gateway_api}
        disabled={change.isPending}
        onChange={(event) => change.mutate(event.currentTarget.checked)}
      />
      {change.error && <ProblemNote error={change.error} />}
    </section>
  );
}
