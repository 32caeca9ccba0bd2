/** The look of all that people see: pages, console and mails. A brand replaces `accent`, `solid`, `on` and the mark. */

/** Each colour in light and in dark. Texts keep a contrast of 4.5 on every ground (WCAG 2.2 §1.4.3). */
export const COLOURS = {
  ground: ['#fbfbfc', '#0d0e11'],
  side: ['#f4f4f6', '#101115'],
  card: ['#ffffff', '#15161b'],
  raised: ['#ffffff', '#1b1d23'],
  hover: ['#f0f0f3', '#1f2128'],
  line: ['#e4e4e9', '#262831'],
  edge: ['#85858f', '#747684'],
  ink: ['#1b1b21', '#ececf1'],
  dim: ['#5f606b', '#a1a3b0'],
  good: ['#0d6b3f', '#6cd8a1'],
  warn: ['#835100', '#f0be6a'],
  bad: ['#b3182c', '#ff949f'],
  'bad-solid': ['#b3182c', '#c8283c'],
  'good-ground': ['#e8f6ee', '#12261c'],
  'warn-ground': ['#fdf3e1', '#2a2110'],
  'bad-ground': ['#fdecee', '#2d1418'],
} as const satisfies Readonly<Record<string, readonly [light: string, dark: string]>>;

/** The colour of buttons, links and the mark where a brand has none. */
export const ACCENT = '#4340d3';

export const SIZES = {
  font: 'Inter,system-ui,-apple-system,Segoe UI,Roboto,sans-serif',
  mono: 'ui-monospace,SF Mono,SFMono-Regular,Menlo,Consolas,monospace',
  title: '1.4rem',
  small: '.85rem',
  radius: '8px',
  'radius-card': '12px',
  pad: '1.1rem',
} as const;
