import { expect, test } from "vitest";

import { FIRMWARE_KINDS, FIXED_PORTS, isFixedPort, takesPort } from "./firmwareKinds";

test("only new Edgent cannot be told a port", () => {
  expect(FIRMWARE_KINDS.filter(({ id }) => !takesPort(id)).map(({ id }) => id)).toEqual(["edgent-new"]);
});

test("new Edgent finds a server on the two ports that it tries", () => {
  expect([443, 9443, 8443, 80].map(isFixedPort)).toEqual([true, true, false, false]);
  expect(FIXED_PORTS).toBe("443, then 9443");
});
