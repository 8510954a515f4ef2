import { Button, PasswordInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { signInWithPassword } from "../api/actions";
import { ProblemNote } from "../components/ProblemNote";

export function SignInPage({ linkError }: { linkError: Error | null }) {
  const queries = useQueryClient();
  const [password, setPassword] = useState("");
  const signIn = useMutation({
    mutationFn: signInWithPassword,
    onSuccess: () => queries.resetQueries(),
    onSettled: () => setPassword(""),
  });
  useEffect(() => {
    document.title = "Sign in · Rehome";
  }, []);
  return (
    <main className="sign-in">
      <form
        className="card stack"
        onSubmit={(event) => {
          event.preventDefault();
          signIn.mutate(password);
        }}
      >
        <div className="row">
          <img src="/icon.svg" alt="" width={36} height={36} />
          <h1>Rehome</h1>
        </div>
        {linkError && !signIn.error && <ProblemNote error={linkError} />}
        {signIn.error && <ProblemNote error={signIn.error} />}
        <PasswordInput
          label="Password"
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          required
          autoFocus
        />
        <Button type="submit" loading={signIn.isPending} disabled={password === ""}>
          Sign in
        </Button>
        <p className="soft small">
          No password yet? Open the sign-in link that the server printed when it started. It works once, for 15
          minutes; starting the server again prints a new one.
        </p>
      </form>
    </main>
  );
}
