/** Colours of charts: one palette for series, the names that dashboards use, and continuous scales. */
import type { Theme } from "../theme";

/**
 * Colours for series in their order. Neighbours differ in lightness as well as in hue, so that they stay apart for people who
 * see fewer colours; after the last one, lines are dashed.
 */
const series: Record<Theme, readonly string[]> = {
  dark: ["#6ea8fe", "#f2b134", "#4cc38a", "#f0719b", "#9f8cf2", "#5bd1d7", "#f08a5d", "#b8cc52", "#d98ae0", "#9aa9bd"],
  light: ["#2563c9", "#c77700", "#178a57", "#cc3366", "#6a4fd0", "#0f8a99", "#c6502a", "#71830f", "#a545b0", "#5d6b80"],
};

/** How many series have a colour of their own. */
export const paletteLength = series.dark.length;

export const seriesColor = (index: number, theme: Theme): string => series[theme][index % paletteLength] ?? "#888888";

/** Lengths of dashes for series that share a colour with an earlier one. */
export const seriesDash = (index: number): number[] => [[], [8, 4], [2, 3], [10, 3, 2, 3]][Math.floor(index / paletteLength) % 4] ?? [];

/** The dashboards' hues, from `super-light-` to `dark-`. */
const hues: Record<string, readonly [superLight: string, light: string, plain: string, semiDark: string, dark: string]> = {
  red: ["#ffb3b8", "#ff8088", "#ee4c58", "#d9323f", "#b81f2b"],
  orange: ["#ffd0a3", "#ffb36b", "#fb923c", "#ec7616", "#c95a06"],
  yellow: ["#fff1a8", "#fde46b", "#f5c518", "#dba900", "#b58900"],
  green: ["#bfe8b8", "#92d488", "#5fb958", "#419a3d", "#2c7d2b"],
  blue: ["#bcdcff", "#86bcff", "#4d94f5", "#2f78dd", "#1c5cba"],
  purple: ["#dfc8f8", "#c9a3f2", "#a974e6", "#9055d3", "#7239b3"],
  gray: ["#d3d9e2", "#b3bcc9", "#8c97a8", "#6b7687", "#4d5766"],
};
const shades = ["super-light-", "light-", "", "semi-dark-", "dark-"];

const text: Record<Theme, string> = { dark: "#d9dfe8", light: "#1b2330" };

const simple: Record<string, string> = { black: "#000000", white: "#ffffff", transparent: "#00000000", grey: "#8c97a8" };

/** `#rrggbb`, `#rrggbbaa` or none if this is no colour. */
export function colorOf(name: string, theme: Theme): string | undefined {
  if (/^#([0-9a-f]{6}|[0-9a-f]{8})$/i.test(name)) return name.toLowerCase();
  const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])$/i.exec(name);
  if (short !== null) return `#${short[1]}${short[1]}${short[2]}${short[2]}${short[3]}${short[3]}`.toLowerCase();
  if (name === "text") return text[theme];
  if (Object.hasOwn(simple, name)) return simple[name];
  const rgb = /^rgba?\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*(?:,\s*([\d.]+)\s*)?\)$/.exec(name);
  if (rgb !== null) return hex([Number(rgb[1]), Number(rgb[2]), Number(rgb[3])], rgb[4] === undefined ? 1 : Number(rgb[4]));
  for (const [i, shade] of shades.entries()) {
    const hue = shade !== "" && name.startsWith(shade) ? name.slice(shade.length) : shade === "" ? name : "";
    if (Object.hasOwn(hues, hue)) return hues[hue]?.[i];
  }
  return undefined;
}

type Rgb = [number, number, number];

const byte = (value: number): string =>
  Math.max(0, Math.min(255, Math.round(value)))
    .toString(16)
    .padStart(2, "0");
const hex = (rgb: Rgb, alpha = 1): string => `#${rgb.map(byte).join("")}${alpha >= 1 ? "" : byte(alpha * 255)}`;
const parse = (color: string): Rgb => [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16) || 0) as Rgb;

/** The colour with its opacity multiplied. */
export function faded(color: string, opacity: number): string {
  const own = color.length === 9 ? Number.parseInt(color.slice(7), 16) / 255 : 1;
  return hex(parse(color), own * Math.max(0, Math.min(1, opacity)));
}

/** How light a colour is to the eye, from 0 to 1 (WCAG's relative luminance). */
function luminance(color: string): number {
  const [r, g, b] = parse(color).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Contrasts that WCAG wants of letters, with a little to spare. */
const contrast = { large: 3.2, small: 4.7 };

/** The colour moved towards the text's until it reads as text on the panel's ground. */
export function readable(color: string, theme: Theme, letters: keyof typeof contrast = "small"): string {
  const ground = luminance(ink[theme].ground);
  for (let part = 0; part < 1; part += 0.1) {
    const tried = mixed(color, ink[theme].text, part);
    const light = luminance(tried);
    if ((Math.max(light, ground) + 0.05) / (Math.min(light, ground) + 0.05) >= contrast[letters]) return tried;
  }
  return ink[theme].text;
}

/** Whether white text is easier to read on this colour than black text (WCAG contrast). */
export function wantsWhite(color: string): boolean {
  const light = luminance(color);
  return 1.05 / (light + 0.05) >= (light + 0.05) / 0.05;
}

export function mixed(a: string, b: string, part: number): string {
  const from = parse(a);
  const to = parse(b);
  return hex(from.map((value, i) => value + ((to[i] ?? 0) - value) * part) as Rgb);
}

/** A neighbour on the colour circle, for gradients. */
export function turned(color: string, degrees: number): string {
  const [r, g, b] = parse(color);
  const angle = (degrees * Math.PI) / 180;
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  // Rotation about the grey axis.
  const third = (1 - cos) / 3;
  const root = Math.sqrt(1 / 3) * sin;
  return hex([
    r * (cos + third) + g * (third - root) + b * (third + root),
    r * (third + root) + g * (cos + third) + b * (third - root),
    r * (third - root) + g * (third + root) + b * (cos + third),
  ]);
}

const scales: Record<string, readonly string[]> = {
  "continuous-GrYlRd": ["#419a3d", "#f5c518", "#d9323f"],
  "continuous-RdYlGr": ["#d9323f", "#f5c518", "#419a3d"],
  "continuous-BlYlRd": ["#2f78dd", "#f5c518", "#d9323f"],
  "continuous-YlRd": ["#fde46b", "#d9323f"],
  "continuous-BlPu": ["#2f78dd", "#9055d3"],
  "continuous-YlBl": ["#fde46b", "#2f78dd"],
  "continuous-blues": ["#bcdcff", "#1c5cba"],
  "continuous-reds": ["#ffb3b8", "#b81f2b"],
  "continuous-greens": ["#bfe8b8", "#2c7d2b"],
  "continuous-purples": ["#dfc8f8", "#7239b3"],
};

/** The colour at a part from 0 to 1 of a scale; one that is not known is drawn as blues. */
export function scaleColor(name: string, part: number): string {
  const stops = (Object.hasOwn(scales, name) ? scales[name] : undefined) ?? (scales["continuous-blues"] as readonly string[]);
  const at = Math.max(0, Math.min(1, Number.isFinite(part) ? part : 0)) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  return mixed(stops[low] ?? "#888888", stops[low + 1] ?? "#888888", at - low);
}

/** What the canvas needs of the theme, since a canvas does not read style sheets. */
export const ink: Record<Theme, { text: string; axis: string; grid: string; ground: string; empty: string }> = {
  dark: { text: "#d9dfe8", axis: "#98a3b3", grid: "#252c37", ground: "#171c24", empty: "#2a313c" },
  light: { text: "#1b2330", axis: "#5b6675", grid: "#e8ebf0", ground: "#ffffff", empty: "#e4e8ee" },
};
