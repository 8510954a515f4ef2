import { Button, Skeleton, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { putRecipients } from "../api/actions";
import { recipientsQuery } from "../api/queries";
import { IconButton } from "./IconButton";
import { ProblemNote } from "./ProblemNote";

/** Addresses a template has at most. Source: the HTTP API. */
const RECIPIENTS_MAX = 10;

/** Who gets the e-mails of the template. */
export function RecipientsPanel({ templateId }: { templateId: string }) {
  const queries = useQueryClient();
  const query = useQuery(recipientsQuery(templateId));
  const [address, setAddress] = useState("");
  const save = useMutation({
    mutationFn: (email: string[]) => putRecipients(templateId, email),
    onSuccess: (stored) => queries.setQueryData(recipientsQuery(templateId).queryKey, stored),
  });
  const email = query.data?.email ?? [];
  const added = address.trim();
  return (
    <section className="card" aria-labelledby="recipients-title">
      <div className="card-head">
        <h2 id="recipients-title">Recipients</h2>
      </div>
      {query.isPending && <Skeleton height={60} radius="md" aria-label="Loading the recipients" />}
      {query.isError && <ProblemNote error={query.error} onRetry={() => void query.refetch()} />}
      {query.data && (
        <div className="stack tight">
          {email.length === 0 && <p className="soft">Nobody gets e-mails about this template’s devices.</p>}
          <ul className="lined-list">
            {email.map((one) => (
              <li key={one}>
                <span className="grow break">{one}</span>
                <IconButton
                  label={`Remove ${one}`}
                  icon="cross"
                  iconSize={16}
                  disabled={save.isPending}
                  onClick={() => save.mutate(email.filter((other) => other !== one))}
                />
              </li>
            ))}
          </ul>
          {save.error && <ProblemNote error={save.error} />}
          {email.length < RECIPIENTS_MAX ? (
            <form
              className="field-with-button"
              onSubmit={(event) => {
                event.preventDefault();
                save.mutate([...email, added], { onSuccess: () => setAddress("") });
              }}
            >
              <TextInput
                type="email"
                label="E-mail address"
                value={address}
                onChange={(event) => setAddress(event.currentTarget.value)}
              />
              <Button type="submit" loading={save.isPending} disabled={added === "" || email.includes(added)}>
                Add
              </Button>
            </form>
          ) : (
            <p className="soft small">A template has {RECIPIENTS_MAX} recipients at most.</p>
          )}
        </div>
      )}
    </section>
  );
}
