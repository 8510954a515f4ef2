import { ActionIcon, Tooltip, type ActionIconProps } from "@mantine/core";
import type { ComponentProps } from "react";

import { Icon, type IconName } from "./Icon";

type ButtonProps = ActionIconProps & Omit<ComponentProps<"button">, keyof ActionIconProps>;

type Props = Omit<ButtonProps, "children" | "size"> & {
  /** What it does, on its tip and for those who do not see the icon. */
  label: string;
  icon: IconName;
  /** Edge of the icon in pixels. */
  iconSize: number;
};

/** A button with an icon in place of words. */
export function IconButton({ label, icon, iconSize, ...button }: Props) {
  return (
    <Tooltip label={label}>
      <ActionIcon aria-label={label} {...button}>
        <Icon name={icon} size={iconSize} />
      </ActionIcon>
    </Tooltip>
  );
}
