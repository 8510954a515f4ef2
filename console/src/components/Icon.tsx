const SHAPES = {
  devices: "M5 4h14a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1ZM9 9h6v6H9zM9 1.5V4M15 1.5V4M9 20v2.5M15 20v2.5M1.5 9H4M1.5 15H4M20 9h2.5M20 15h2.5",
  bench: "M3 11 12 4l9 7M5.5 9.5V20h13V9.5M10 20v-6h4v6",
  setup: "M12 20h.01M8.5 16.4a5 5 0 0 1 7 0M5 12.9a10 10 0 0 1 14 0M1.8 9.3a15 15 0 0 1 20.4 0",
  template: "M4 4h16v5H4zM4 12h7v8H4zM14 12h6v8h-6z",
  key: "M14.5 9.5a4.5 4.5 0 1 0-4.2 4.5L12 15.7h2v2h2v2h4v-3.4l-5.8-5.6c.2-.4.3-.8.3-1.2ZM8.5 8.5h.01",
  history: "M3.5 12a8.5 8.5 0 1 0 2.6-6.1L3.5 8.4M3.5 3.5v5h5M12 7.5V12l3.2 1.9",
  chart: "M4 4v16h16M7.5 14.5l3.5-4 3 2.5 5-6",
  server: "M4 4h16v6.5H4zM4 13.5h16V20H4zM7.5 7.25h.01M7.5 16.75h.01M11 7.25h5.5M11 16.75h5.5",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M13 4.5v5M7 14.5v5",
  download: "M12 3v10M8 9.5l4 4 4-4M4 15v5h16v-5",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  plus: "M12 5v14M5 12h14",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "m5 12.5 4.5 4.5L19 7.5",
  cross: "M6 6l12 12M18 6 6 18",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2v2.5M12 19.5V22M4.9 4.9l1.8 1.8M17.3 17.3l1.8 1.8M2 12h2.5M19.5 12H22M4.9 19.1l1.8-1.8M17.3 6.7l1.8-1.8",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z",
  back: "M14.5 5 8 12l6.5 7",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM15.5 15.5 20.5 20.5",
  plug: "M9 2.5v5M15 2.5v5M6.5 7.5h11v4a5.5 5.5 0 0 1-11 0zM12 17v4.5",
  button: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16ZM12 8.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7Z",
  move: "M3 12h18M16 7l5 5-5 5",
  open: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  truck: "M2 6h12v10H2zM14 10h4.5L22 13v3h-8zM6.5 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM17.5 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  globe: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM3 12h18M12 3c5 5 5 13 0 18M12 3c-5 5-5 13 0 18",
  trash: "M4 6.5h16M9 6V3.5h6V6M6 6.5 7 20.5h10l1-14M10 10.5v6M14 10.5v6",
  pencil: "M4 20h4L20 8l-4-4L4 16zM13.5 6.5l4 4",
  shield: "M12 3 4.5 6v6c0 4.5 3.2 7.7 7.5 9 4.3-1.3 7.5-4.5 7.5-9V6z",
  warning: "M12 4 2.5 20h19zM12 10v4.5M12 17.4h.01",
  bell: "M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 2h-15zM10 21.5h4",
} as const;

export type IconName = keyof typeof SHAPES;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg
      aria-hidden="true"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === "more" ? 3 : 1.7}
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d={SHAPES[name]} />
    </svg>
  );
}
