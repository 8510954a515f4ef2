import { ActionIcon, Button, createTheme, Drawer, Menu, Modal, Select, Tooltip, type MantineColorsTuple } from "@mantine/core";

/** Shades of the accent; the values that the stylesheet uses are in `styles/tokens.css`. */
const harbour: MantineColorsTuple = [
  "#e6f7f3",
  "#cdebe4",
  "#9fd8cb",
  "#6dc3b1",
  "#43b09a",
  "#249c86",
  "#138775",
  "#0e7569",
  "#0b5e55",
  "#074840",
];

// The pages are served with a content security policy that forbids <style> elements. What needs one
// (locking the scroll position, CSS variables made at run time) is switched off here and in `main.tsx`.
export const theme = createTheme({
  primaryColor: "harbour",
  primaryShade: { light: 7, dark: 5 },
  colors: { harbour },
  autoContrast: true,
  defaultRadius: "md",
  focusRing: "auto",
  cursorType: "pointer",
  components: {
    ActionIcon: ActionIcon.extend({ defaultProps: { variant: "subtle", color: "gray" } }),
    Button: Button.extend({ defaultProps: { radius: "md" } }),
    Drawer: Drawer.extend({ defaultProps: { lockScroll: false, closeButtonProps: { "aria-label": "Close" } } }),
    Menu: Menu.extend({ defaultProps: { shadow: "md", withinPortal: true } }),
    Modal: Modal.extend({
      defaultProps: { lockScroll: false, centered: true, closeButtonProps: { "aria-label": "Close" } },
    }),
    Select: Select.extend({ defaultProps: { allowDeselect: false } }),
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 300, withArrow: true } }),
  },
});
