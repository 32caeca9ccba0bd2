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

/** WCAG 2.2 §1.4.3 requires 4.5; the rest covers the rounding of channels. */
const LEAST_CONTRAST = 4.6;
const STEPS = 20;

/** The shade nearest to a colour that can be read on each of the grounds, mixed with black or white. */
function readableOn(colour: string, grounds: readonly string[], mixedWith: string): string {
  const [from, to] = [rgbOf(colour), rgbOf(mixedWith)];
  for (let step = 0; step < STEPS; step += 1) {
    const shade = hexOf(from.map((channel, at) => channel + ((to[at]! - channel) * step) / STEPS) as unknown as Rgb);
    if (grounds.every((ground) => contrastOf(shade, ground) >= LEAST_CONTRAST)) return shade;
  }
  return mixedWith;
}

const [BLACK, WHITE] = ['#000000', '#ffffff'];
/** Ground and card of the stylesheet, in light and dark. */
const LIGHT_GROUNDS = ['#eef1f6', WHITE];
const DARK_GROUNDS = ['#0f151e', '#182130'];

export type Accents = {
  readonly light: string;
  readonly onLight: string;
  readonly dark: string;
  readonly onDark: string;
};

const textOn = (accent: string): string => (contrastOf(accent, WHITE) >= LEAST_CONTRAST ? WHITE : BLACK);

/** The colour of a brand in light and dark, and the text colours of its buttons. */
export function accentsOf(colour: string): Accents {
  const light = readableOn(colour, LIGHT_GROUNDS, BLACK);
  const dark = readableOn(colour, DARK_GROUNDS, WHITE);
  return { light, onLight: textOn(light), dark, onDark: textOn(dark) };
}
