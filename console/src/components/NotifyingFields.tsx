import { Checkbox, NumberInput } from "@mantine/core";

import { AFTER_COUNT_MAX, LIMIT_PERIOD_S_MAX, type NotifyingForm } from "../logic/eventForm";

type Props = {
  form: NotifyingForm;
  change: (changes: Partial<NotifyingForm>) => void;
  /** What is counted, in the plural: "events". */
  counted: string;
};

/** Who is told, and when. */
export function NotifyingFields({ form, change, counted }: Props) {
  const tells = form.email || form.webhooks;
  return (
    <fieldset className="plain-fieldset stack tight">
      <legend>Tell</legend>
      <Checkbox
        label="The recipients, by e-mail"
        checked={form.email}
        onChange={(event) => change({ email: event.currentTarget.checked })}
      />
      <Checkbox
        label="The webhooks"
        checked={form.webhooks}
        onChange={(event) => change({ webhooks: event.currentTarget.checked })}
      />
      {tells && (
        <>
          <NumberInput
            label={`Only after so many ${counted}`}
            description="1 tells of each."
            min={1}
            max={AFTER_COUNT_MAX}
            allowDecimal={false}
            hideControls
            maw={240}
            value={form.afterCount}
            onChange={(afterCount) => change({ afterCount })}
          />
          <Checkbox
            label="At most one notification in a period"
            checked={form.isLimited}
            onChange={(event) => change({ isLimited: event.currentTarget.checked })}
          />
          {form.isLimited && (
            <NumberInput
              label="Period in seconds"
              min={1}
              max={LIMIT_PERIOD_S_MAX}
              allowDecimal={false}
              hideControls
              maw={240}
              value={form.limitPeriod}
              onChange={(limitPeriod) => change({ limitPeriod })}
            />
          )}
        </>
      )}
    </fieldset>
  );
}
