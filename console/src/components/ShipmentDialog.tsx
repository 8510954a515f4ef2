import { Button, Modal, NumberInput, SegmentedControl, Select, TextInput } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { createShipment } from "../api/actions";
import { firmwareListQuery, shipmentQuery, shipmentsQuery, templatesQuery } from "../api/queries";
import type { FirmwareImage, Template } from "../api/types";
import {
  AUDIENCES,
  missingInShipment,
  newShipmentForm,
  shipmentOf,
  withImage,
  type ShipmentForm,
} from "../logic/shipmentForm";
import { RULES } from "../logic/shipmentWords";
import { DevicePicker } from "./DevicePicker";
import { ProblemNote } from "./ProblemNote";

type Props = {
  /** The image to ship; null to choose one in the dialog. */
  image: FirmwareImage | null;
  onClose: () => void;
};

type FieldsProps = { form: ShipmentForm; change: (changes: Partial<ShipmentForm>) => void };

/** Makes a shipment. It runs as soon as it is made. */
export function ShipmentDialog(props: Props) {
  const templates = useQuery(templatesQuery);
  return (
    <Modal opened onClose={props.onClose} title="Ship firmware" size="lg">
      {templates.error && <ProblemNote error={templates.error} onRetry={() => void templates.refetch()} />}
      {templates.data && <NewShipment {...props} templates={templates.data.items} />}
    </Modal>
  );
}

function NewShipment({ image, templates, onClose }: Props & { templates: Template[] }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const listed = useInfiniteQuery(firmwareListQuery).data?.pages.flatMap(({ items }) => items) ?? [];
  // An image that was uploaded just now may not be in the list yet.
  const images = image && !listed.some(({ id }) => id === image.id) ? [image, ...listed] : listed;
  const [form, setForm] = useState(() =>
    image ? withImage(newShipmentForm(templates), image, templates) : newShipmentForm(templates),
  );
  const change = (changes: Partial<ShipmentForm>) => setForm((before) => ({ ...before, ...changes }));
  const create = useMutation({
    mutationFn: () => createShipment(shipmentOf(form)),
    onSuccess: (shipment) => {
      queries.setQueryData(shipmentQuery(shipment.id).queryKey, shipment);
      void queries.invalidateQueries({ queryKey: shipmentsQuery.queryKey });
      onClose();
      void navigate({ to: "/firmware/shipments/$shipmentId", params: { shipmentId: shipment.id } });
    },
  });
  const chosen = images.find(({ id }) => id === form.firmwareId);
  const missing = missingInShipment(form, chosen);
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (!missing) create.mutate();
      }}
    >
      {create.error && <ProblemNote error={create.error} />}
      <Select
        label="Image"
        placeholder="Choose"
        searchable={images.length > 8}
        data={images.map(({ id, file_name, version }) => ({ value: id, label: `${file_name}, version ${version}` }))}
        value={form.firmwareId}
        onChange={(id) => {
          const found = images.find((candidate) => candidate.id === id);
          if (found) setForm((before) => withImage(before, found, templates));
        }}
      />
      <TextInput
        label="Name of the shipment"
        value={form.name}
        maxLength={80}
        onChange={(event) => change({ name: event.currentTarget.value })}
      />
      <Audience form={form} change={change} image={chosen} templates={templates} />
      <Limits form={form} change={change} />
      {missing && <p className="soft small">{missing}</p>}
      <div className="row">
        <Button type="submit" loading={create.isPending} disabled={missing !== null}>
          Ship now
        </Button>
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

function Audience(props: FieldsProps & { image: FirmwareImage | undefined; templates: Template[] }) {
  const { form, change, image, templates } = props;
  const isOtherType = image !== undefined && form.templateId !== null && image.kind !== form.templateId;
  return (
    <>
      <Select
        label="Template"
        description="The product whose devices get it"
        placeholder="Choose"
        searchable={templates.length > 8}
        data={templates.map(({ id, name }) => ({ value: id, label: name }))}
        value={form.templateId}
        onChange={(templateId) => change({ templateId, deviceIds: [] })}
      />
      {isOtherType && (
        <p className="notice wait">
          The image is of type <span className="mono break">{image.kind}</span>. Devices of this template that report
          another firmware type are passed over.
        </p>
      )}
      <div className="stack tight">
        <SegmentedControl
          fullWidth
          aria-label="Which devices"
          data={AUDIENCES}
          value={form.audience}
          onChange={(value) => {
            const audience = AUDIENCES.find((known) => known.value === value)?.value;
            if (audience) change({ audience });
          }}
        />
        {form.audience === "all" && <p className="soft small">Devices that join the template later get it too.</p>}
      </div>
      {form.audience === "share" && (
        <NumberInput
          label="Share of the devices"
          description="Chosen evenly, another choice in each shipment"
          suffix=" %"
          min={1}
          max={100}
          allowDecimal={false}
          value={form.percent}
          onChange={(percent) => change({ percent })}
        />
      )}
      {form.audience === "chosen" && form.templateId && (
        <DevicePicker
          templateId={form.templateId}
          value={form.deviceIds}
          onChange={(deviceIds) => change({ deviceIds })}
        />
      )}
      <Select
        label="Who needs it"
        description="The other devices are passed over."
        data={RULES}
        value={form.rule}
        onChange={(value) => {
          const rule = RULES.find((known) => known.value === value)?.value;
          if (rule) change({ rule });
        }}
      />
    </>
  );
}

function Limits({ form, change }: FieldsProps) {
  return (
    <div className="shipment-limits">
      <NumberInput
        label="Canaries"
        description="Get it first; the rest follows once half of them run it. Empty: everyone at once."
        placeholder="none"
        suffix=" %"
        min={1}
        max={100}
        allowDecimal={false}
        value={form.canaryPercent}
        onChange={(canaryPercent) => change({ canaryPercent })}
      />
      <NumberInput
        label="Failure limit"
        description="Above this share of failed devices it stops by itself."
        suffix=" %"
        min={0}
        max={100}
        allowDecimal={false}
        value={form.failurePercentMax}
        onChange={(failurePercentMax) => change({ failurePercentMax })}
      />
      <NumberInput
        label="Attempts"
        description="Downloads for one device in 24 hours."
        min={1}
        max={100}
        allowDecimal={false}
        value={form.attemptsMax}
        onChange={(attemptsMax) => change({ attemptsMax })}
      />
    </div>
  );
}
