const SIGN_IN_FRAGMENT = /^#sign-in=([^&]+)$/;

/** Returns the code of a one-time sign-in link and takes it out of the address bar and the history. */
export function takeSignInCode(
  location: Pick<Location, "hash" | "pathname" | "search">,
  history: Pick<History, "replaceState">,
): string | null {
  const code = SIGN_IN_FRAGMENT.exec(location.hash)?.[1];
  if (code === undefined) return null;
  history.replaceState(null, "", location.pathname + location.search);
  try {
    return decodeURIComponent(code);
  } catch {
    return code;
  }
}
