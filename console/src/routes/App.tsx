import { Loader } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { useEffect, useRef } from "react";

import { signInWithLink } from "../api/actions";
import { sessionQuery } from "../api/queries";
import { ProblemNote } from "../components/ProblemNote";
import { router } from "./router";
import { SignInPage } from "./SignInPage";

/** Shows the sign-in form or, once somebody is signed in, the console. The address stays what it was. */
export function App({ signInCode }: { signInCode: string | null }) {
  const queries = useQueryClient();
  const link = useMutation({
    mutationFn: signInWithLink,
    onSettled: () => queries.invalidateQueries({ queryKey: sessionQuery.queryKey }),
  });
  const isLinkUsed = useRef(false);
  useEffect(() => {
    if (signInCode === null || isLinkUsed.current) return;
    isLinkUsed.current = true;
    link.mutate(signInCode);
  }, [signInCode, link]);

  const isExchanging = signInCode !== null && (link.isIdle || link.isPending);
  const session = useQuery({ ...sessionQuery, enabled: !isExchanging });

  if (session.data) return <RouterProvider router={router} />;
  if (isExchanging || session.isPending) {
    return (
      <main className="sign-in">
        <Loader aria-label="Signing in" />
      </main>
    );
  }
  if (session.error) {
    return (
      <main className="sign-in">
        <ProblemNote error={session.error} onRetry={() => void session.refetch()} />
      </main>
    );
  }
  return <SignInPage linkError={link.error} />;
}
