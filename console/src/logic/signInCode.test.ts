import { expect, test, vi } from "vitest";

import { takeSignInCode } from "./signInCode";

test("the code leaves the address bar and the rest of the address stays", () => {
  const replaceState = vi.fn();
  const code = takeSignInCode({ hash: "#sign-in=a%2Bb", pathname: "/bench", search: "?board=b1" }, { replaceState });
  expect(code).toBe("a+b");
  expect(replaceState).toHaveBeenCalledWith(null, "", "/bench?board=b1");
});

test("any other fragment is left alone", () => {
  const replaceState = vi.fn();
  expect(takeSignInCode({ hash: "#main", pathname: "/", search: "" }, { replaceState })).toBeNull();
  expect(replaceState).not.toHaveBeenCalled();
});
