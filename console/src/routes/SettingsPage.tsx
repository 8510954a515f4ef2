import { Button, PasswordInput, SegmentedControl, useMantineColorScheme, type MantineColorScheme } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { setPassword, signOut } from "../api/actions";
import { sessionQuery } from "../api/queries";
import { PageHead } from "../components/PageHead";
import { ProblemNote } from "../components/ProblemNote";
import { TemplatePolicies } from "../components/TemplatePolicies";

/** Characters a password has at least. Source: the HTTP API. */
const PASSWORD_LEN_MIN = 10;

export function SettingsPage() {
  return (
    <div className="page">
      <PageHead title="Settings" />
      <PasswordCard />
      <TemplatePolicies />
      <ColourCard />
      <SignOutCard />
    </div>
  );
}

function PasswordCard() {
  const queries = useQueryClient();
  const hasPassword = useQuery(sessionQuery).data?.has_password ?? false;
  const [password, setValue] = useState("");
  const [repeated, setRepeated] = useState("");
  const save = useMutation({
    mutationFn: () => setPassword(password),
    onSuccess: () => {
      setValue("");
      setRepeated("");
      void queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
    },
  });
  const isTooShort = password !== "" && password.length < PASSWORD_LEN_MIN;
  const isDifferent = repeated !== "" && repeated !== password;
  const isReady = password.length >= PASSWORD_LEN_MIN && repeated === password;
  return (
    <section className="card" aria-labelledby="password-title">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <h2 id="password-title">{hasPassword ? "Change the password" : "Set a password"}</h2>
        {!hasPassword && <p className="soft">Until you set one, only the server’s sign-in link lets you in.</p>}
        {save.error && <ProblemNote error={save.error} />}
        {save.isSuccess && password === "" && <p className="notice">The password is set.</p>}
        <input type="text" name="username" autoComplete="username" value="owner" readOnly hidden />
        <PasswordInput
          label="New password"
          description={`At least ${PASSWORD_LEN_MIN} characters`}
          error={isTooShort ? `${PASSWORD_LEN_MIN - password.length} more characters` : undefined}
          autoComplete="new-password"
          value={password}
          onChange={(event) => setValue(event.currentTarget.value)}
          maw={380}
        />
        <PasswordInput
          label="Repeat it"
          error={isDifferent ? "The two are not the same" : undefined}
          autoComplete="new-password"
          value={repeated}
          onChange={(event) => setRepeated(event.currentTarget.value)}
          maw={380}
        />
        <div>
          <Button type="submit" disabled={!isReady} loading={save.isPending}>
            {hasPassword ? "Change password" : "Set password"}
          </Button>
        </div>
      </form>
    </section>
  );
}

function ColourCard() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <section className="card stack" aria-labelledby="colour-title">
      <h2 id="colour-title">Colours</h2>
      <div>
        <SegmentedControl
          aria-label="Colours"
          value={colorScheme}
          onChange={(value) => setColorScheme(value as MantineColorScheme)}
          data={[
            { value: "auto", label: "As the system" },
            { value: "light", label: "Light" },
            { value: "dark", label: "Dark" },
          ]}
        />
      </div>
    </section>
  );
}

function SignOutCard() {
  const queries = useQueryClient();
  const leave = useMutation({
    mutationFn: signOut,
    onSuccess: () => {
      queries.setQueryData(sessionQuery.queryKey, null);
      queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== sessionQuery.queryKey[0] });
    },
  });
  return (
    <section className="card stack" aria-labelledby="session-title">
      <h2 id="session-title">This browser</h2>
      {leave.error && <ProblemNote error={leave.error} />}
      <div>
        <Button variant="default" loading={leave.isPending} onClick={() => leave.mutate()}>
          Sign out
        </Button>
      </div>
    </section>
  );
}
