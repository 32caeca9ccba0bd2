import { ACCENT, COLOURS } from './tokens.ts';

/** Appearance of the pages that an operator chooses. */
export type Brand = {
  readonly name: string;
  readonly logoUrl: string | undefined;
  /** `#rrggbb` */
  readonly colour: string | undefined;
  readonly termsUrl: string | undefined;
  readonly privacyUrl: string | undefined;
};

export const DEFAULT_BRAND: Brand = {
  name: 'Sallyport',
  logoUrl: undefined,
  colour: undefined,
  termsUrl: undefined,
  privacyUrl: undefined,
};

type Rgb = readonly [number, number, number];

const rgbOf = (colour: string): Rgb => {
  const value = Number.parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
};

const hexOf = (rgb: Rgb): string =>
  `#${rgb.map((channel) => Math.round(channel).toString(16).padStart(2, '0')).join('')}`;

/** WCAG 2.2, relative luminance. */
const luminanceOf = (rgb: Rgb): number => {
  const [red, green, blue] = rgb.map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

/** WCAG 2.2, contrast ratio: 1 to 21. */
export function contrastOf(first: string, second: string): number {
  const [light, dark] = [luminanceOf(rgbOf(first)), luminanceOf(rgbOf(second))].sort((a, b) => b - a) as [
    number,
    number,
  ];
  return (light + 0.05) / (dark + 0.05);
}

/** Contrast of texts and of buttons: WCAG 2.2 §1.4.3 requires 4.5, §1.4.11 requires 3; the rest covers rounding. */
const [READ, SEEN] = [4.6, 3.1];
const STEPS = 20;

/** The shade nearest to a colour that has this contrast with each of the grounds, mixed with black or white. */
function readableOn(colour: string, grounds: readonly string[], mixedWith: string, contrast: number): string {
  const [from, to] = [rgbOf(colour), rgbOf(mixedWith)];
  for (let step = 0; step < STEPS; step += 1) {
    const shade = hexOf(from.map((channel, at) => channel + ((to[at]! - channel) * step) / STEPS) as unknown as Rgb);
    if (grounds.every((ground) => contrastOf(shade, ground) >= contrast)) return shade;
  }
  return mixedWith;
}

const [BLACK, WHITE] = ['#000000', '#ffffff'];
/** Grounds on which links stand, in light and in dark. */
const GROUNDS = ['ground', 'side', 'card', 'raised', 'hover', 'good-ground', 'warn-ground', 'bad-ground'] as const;

type InBoth = readonly [light: string, dark: string];

/** The colours of all that people see, with those of a brand. Links have `accent`; buttons have `solid`, and `on` on it. */
export function coloursOf({ colour = ACCENT }: Pick<Brand, 'colour'>) {
  const inBoth = (contrast: number): InBoth => [
    readableOn(
      colour,
      GROUNDS.map((name) => COLOURS[name][0]),
      BLACK,
      contrast,
    ),
    readableOn(
      colour,
      GROUNDS.map((name) => COLOURS[name][1]),
      WHITE,
      contrast,
    ),
  ];
  const solid = inBoth(SEEN);
  const textOn = (ground: string): string => (contrastOf(ground, WHITE) >= READ ? WHITE : BLACK);
  return { ...COLOURS, accent: inBoth(READ), solid, on: solid.map(textOn) as unknown as InBoth };
}
