import { Button, Modal, Skeleton, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { createWebhook, deleteWebhook } from "../api/actions";
import { webhooksQuery } from "../api/queries";
import type { CreatedWebhook, Webhook } from "../api/types";
import { CopyField } from "./CopyField";
import { DeleteDialog } from "./DeleteDialog";
import { IconButton } from "./IconButton";
import { ProblemNote } from "./ProblemNote";

/** Webhooks a template has at most. Source: the HTTP API. */
const WEBHOOKS_MAX = 10;

/** Addresses that are called about the template's devices. */
export function WebhooksPanel({ templateId }: { templateId: string }) {
  const query = useQuery(webhooksQuery(templateId));
  const [isAdding, setAdding] = useState(false);
  const [doomed, setDoomed] = useState<Webhook | null>(null);
  const webhooks = query.data?.items ?? [];
  return (
    <section className="card" aria-labelledby="webhooks-title">
      <div className="card-head">
        <h2 id="webhooks-title">Webhooks</h2>
        <Button
          size="xs"
          variant="default"
          onClick={() => setAdding(true)}
          disabled={!query.data || webhooks.length >= WEBHOOKS_MAX}
        >
          Add a webhook
        </Button>
      </div>
      {query.isPending && <Skeleton height={60} radius="md" aria-label="Loading the webhooks" />}
      {query.isError && <ProblemNote error={query.error} onRetry={() => void query.refetch()} />}
      {query.data && webhooks.length === 0 && <p className="soft">No address is called about this template’s devices.</p>}
      {webhooks.length > 0 && (
        <ul className="lined-list">
          {webhooks.map((webhook) => (
            <li key={webhook.id}>
              <span className="grow break">
                <strong>{webhook.name}</strong>
                <br />
                <span className="mono small">{webhook.url}</span>
              </span>
              <IconButton
                label={`Delete ${webhook.name}`}
                icon="trash"
                iconSize={16}
                onClick={() => setDoomed(webhook)}
              />
            </li>
          ))}
        </ul>
      )}
      {isAdding && <AddWebhook templateId={templateId} onClose={() => setAdding(false)} />}
      {doomed && (
        <DeleteDialog
          title={`Delete the webhook ${doomed.name}?`}
          confirm="Delete the webhook"
          remove={() => deleteWebhook(templateId, doomed.id)}
          queryKey={webhooksQuery(templateId).queryKey}
          onClose={() => setDoomed(null)}
        >
          <p>Its address is called no more, and its secret is gone for good.</p>
        </DeleteDialog>
      )}
    </section>
  );
}

function AddWebhook({ templateId, onClose }: { templateId: string; onClose: () => void }) {
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [url, setUrl] = useState("");
  const create = useMutation({
    mutationFn: () => createWebhook(templateId, name.trim(), url.trim()),
    // The answer has the secret; it does not stay in memory when the dialog is closed.
    gcTime: 0,
    onSuccess: () => queries.invalidateQueries({ queryKey: webhooksQuery(templateId).queryKey }),
  });
  if (create.data) return <Secret created={create.data} onClose={onClose} />;
  return (
    <Modal opened onClose={onClose} title="Add a webhook" size="lg">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate();
        }}
      >
        {create.error && <ProblemNote error={create.error} />}
        <TextInput
          label="Name"
          maxLength={80}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          data-autofocus
          required
        />
        <TextInput
          label="Address"
          description="Events that tell the webhooks are posted to it as JSON, signed with a secret that you get next."
          placeholder="https://"
          maxLength={1024}
          value={url}
          onChange={(event) => setUrl(event.currentTarget.value)}
          required
        />
        <div className="row">
          <Button type="submit" loading={create.isPending} disabled={name.trim() === "" || url.trim() === ""}>
            Add
          </Button>
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
        </div>
      </form>
    </Modal>
  );
}

function Secret({ created, onClose }: { created: CreatedWebhook; onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} closeOnClickOutside={false} title={`The secret of ${created.webhook.name}`} size="lg">
      <div className="stack">
        <p className="notice wait">Copy it now: it is shown this once. With it the receiver checks that a call came from here.</p>
        <CopyField label="Secret" value={created.secret} />
        <div>
          <Button onClick={onClose}>I have copied it</Button>
        </div>
      </div>
    </Modal>
  );
}
