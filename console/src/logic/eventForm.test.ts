import { describe, expect, it } from "vitest";

import { eventFormOf, eventSettingsOf, missingInEvent, NEW_EVENT, notifyingText, periodText } from "./eventForm";

const LEAK = {
  code: "leak",
  settings: {
    name: "Leak",
    type: "critical" as const,
    description: "Water.",
    show_on_timeline: true,
    notifying: { email: true, webhooks: false, limit_period_s: 600, after_count: 3 },
  },
};

describe("the form of an event", () => {
  it("gives back what it was filled from", () => {
    expect(eventSettingsOf(eventFormOf(LEAK))).toEqual(LEAK.settings);
  });

  it("sends no period when the notifications are not limited", () => {
    const form = { ...eventFormOf(LEAK), isLimited: false };
    expect(eventSettingsOf(form).notifying?.limit_period_s).toBeNull();
  });

  it("asks for a name, a code that devices can send, and one that is free", () => {
    expect(missingInEvent(NEW_EVENT, [])).toContain("a name");
    expect(missingInEvent({ ...NEW_EVENT, name: "Leak" }, [])).toContain("the code");
    expect(missingInEvent({ ...NEW_EVENT, name: "Leak", code: "leak!" }, [])).toContain("letters");
    expect(missingInEvent({ ...NEW_EVENT, name: "Leak", code: "leak" }, ["leak"])).toContain("already");
    expect(missingInEvent({ ...NEW_EVENT, name: "Leck", code: "Nässe_1" }, ["leak"])).toBeNull();
  });

  it("asks for numbers where a field was emptied", () => {
    const form = { ...eventFormOf(LEAK), afterCount: "" };
    expect(missingInEvent(form, [])).toContain("how many times");
    expect(missingInEvent({ ...form, email: false }, [])).toBeNull();
    expect(eventSettingsOf({ ...form, email: false }).notifying?.after_count).toBe(1);
  });
});

describe("who is told, in words", () => {
  it("names channels, count and period", () => {
    expect(notifyingText(LEAK.settings.notifying)).toBe("e-mail, after 3 events, once in 10 min");
    expect(notifyingText({ email: true, webhooks: true, limit_period_s: null, after_count: 1 })).toBe("e-mail and webhooks");
    expect(notifyingText(undefined)).toBe("nobody");
  });

  it("takes the largest unit without a rest", () => {
    expect([90, 60, 7_200, 86_400, 90_000].map(periodText)).toEqual(["90 s", "1 min", "2 h", "1 d", "25 h"]);
  });
});
