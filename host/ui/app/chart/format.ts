/** One value as the page shows it: mapped, scaled to its unit, rounded, coloured. */
import type { Theme } from "../theme";
import { numberOf } from "./columns";
import { colorOf, scaleColor, seriesColor } from "./palette";
import { type Surroundings, unitOf } from "./units";
import type { FieldConfig, Mapping, Reading, Values } from "./view";

export type Raw = number | string | null;

export interface Shown {
  prefix: string;
  text: string;
  suffix: string;
  /** What a mapping says about colour. */
  color: string | undefined;
}

export const whole = (shown: Shown): string => shown.prefix + shown.text + shown.suffix;

export const isMissing = (value: Raw): boolean => value === null || (typeof value === "number" && Number.isNaN(value));
const formats = new Map<string, Intl.NumberFormat>();

function digits(value: number, decimals: number, fixed: boolean, language: string): string {
  const key = `${language}/${decimals}/${fixed}`;
  let format = formats.get(key);
  if (format === undefined) {
    const maximumFractionDigits = Math.max(0, Math.min(20, decimals));
    format = new Intl.NumberFormat(language, {
      useGrouping: false,
      maximumFractionDigits,
      minimumFractionDigits: fixed ? maximumFractionDigits : 0,
    });
    formats.set(key, format);
  }
  // Never "-0".
  return format.format(value === 0 ? 0 : value).replace(/^-(?=0(?:[.,]0*)?$)/, "");
}

/** Three significant digits, and every digit before the point. */
function usualDecimals(value: number): number {
  const size = Math.abs(value);
  return size === 0 || !Number.isFinite(size) ? 0 : Math.max(0, Math.min(15, 2 - Math.floor(Math.log10(size))));
}

/** A number in its unit, without mappings. */
export function quantity(value: number, id: string, decimals: number | null, at: Surroundings): Shown {
  if (!Number.isFinite(value))
    return { prefix: "", text: Number.isNaN(value) ? "NaN" : value > 0 ? "+∞" : "−∞", suffix: "", color: undefined };
  const unit = unitOf(id);
  if ("write" in unit) return { prefix: "", text: unit.write(value, decimals, at), suffix: "", color: undefined };
  let { number, prefix, suffix } = unit.scale(value);
  const places = decimals ?? usualDecimals(number);
  // 999.999 k is one million once it is rounded.
  const rounded = Number(number.toFixed(Math.min(20, places)));
  if (decimals === null && rounded !== number && Number.isFinite(rounded) && number !== 0) {
    // A little more, so that the product does not fall short of the next step by its own rounding.
    const again = unit.scale(value * (rounded / number) * (1 + 1e-12));
    if (again.suffix !== suffix) ({ number, prefix, suffix } = again);
  }
  return { prefix, text: digits(number, places, decimals !== null, at.language), suffix, color: undefined };
}

/** Labels of an axis: all with the same number of decimals, enough to tell each exactly. */
export function ticks(values: readonly number[], id: string, decimals: number | null, at: Surroundings): string[] {
  const unit = unitOf(id);
  if ("write" in unit) return values.map((value) => unit.write(value, decimals, at));
  const scaled = values.map((value) => unit.scale(Number(value.toPrecision(12))));
  let places = 0;
  const exact = (): boolean =>
    scaled.every(
      ({ number }) => Math.abs(number * 10 ** places - Math.round(number * 10 ** places)) < 1e-4 * Math.max(1, Math.abs(number)),
    );
  while (places < 9 && !exact()) places += 1;
  // Fewer decimals than that would put a wrong number beside a line of the grid.
  const fixed = decimals !== null && decimals >= places;
  return scaled.map(({ number, prefix, suffix }) => prefix + digits(number, fixed ? decimals : places, fixed, at.language) + suffix);
}

const expressions = new Map<string, RegExp | undefined>();

/** `/…/flags` or the bare pattern; one that is no regular expression fits nothing. */
function expression(pattern: string): RegExp | undefined {
  if (!expressions.has(pattern)) {
    const delimited = /^\/(.*)\/([dgimsuvy]*)$/s.exec(pattern);
    try {
      expressions.set(
        pattern,
        delimited === null ? new RegExp(`^(?:${pattern})$`) : new RegExp(delimited[1] ?? "", (delimited[2] ?? "").replace("g", "")),
      );
    } catch {
      expressions.set(pattern, undefined);
    }
  }
  return expressions.get(pattern);
}

/** The first mapping that fits, with the groups of its expression put into its text. */
export function mapped(value: Raw, mappings: readonly Mapping[]): { text: string; color: string } | undefined {
  for (const { matches, text, color } of mappings) {
    switch (matches.kind) {
      case "text":
        if (
          value !== null &&
          (String(value) === matches.value || (typeof value === "number" && matches.value.trim() !== "" && Number(matches.value) === value))
        )
          return { text, color };
        break;
      case "range": {
        const [low, high] = matches.value;
        const from = low === null ? -Infinity : numberOf(low);
        const to = high === null ? Infinity : numberOf(high);
        if (typeof value === "number" && value >= from && value <= to) return { text, color };
        break;
      }
      case "pattern": {
        if (value === null) break;
        // Long texts are not worth a page that hangs on an unlucky expression.
        const found = expression(matches.value)?.exec(String(value).slice(0, 1000));
        if (found != null) return { text: text.replace(/\$(\d)/g, (_, group: string) => found[Number(group)] ?? ""), color };
        break;
      }
      case "missing":
        if (isMissing(value)) return { text, color };
        break;
      case "empty":
        if (value === "") return { text, color };
        break;
    }
  }
  return undefined;
}

/** A value as text. */
export function show(value: Raw, config: FieldConfig, at: Surroundings): Shown {
  const hit = mapped(value, config.mappings);
  const color = hit?.color || undefined;
  if (hit !== undefined && hit.text !== "") return { prefix: "", text: hit.text, suffix: "", color };
  if (isMissing(value)) return { prefix: "", text: config.no_value || "–", suffix: "", color };
  if (typeof value === "string") return { prefix: "", text: value, suffix: "", color };
  return { ...quantity(value as number, config.unit, config.decimals, at), color };
}

/** The colour of the last threshold that the value reaches. The first one begins at minus infinity. */
export function thresholdColor(value: number, config: FieldConfig): string | undefined {
  let color = config.thresholds[0]?.color;
  for (const threshold of config.thresholds.slice(1)) {
    if (value >= numberOf(threshold.value)) color = threshold.color;
  }
  return color;
}

/** How far a value is between two ends, from 0 to 1. */
export const partOf = (value: number, low: number, high: number): number =>
  high > low ? Math.max(0, Math.min(1, (value - low) / (high - low))) : 0;

/**
 * The colour of a value: its mapping's, else what the field's configuration says. `index` counts series for the palette;
 * `ends` are those of the data, for a scale without its own.
 */
export function colorFor(
  value: number,
  config: FieldConfig,
  index: number,
  theme: Theme,
  ends: readonly [number, number] = [0, 100],
  mapping?: string,
): string {
  const usual = seriesColor(index, theme);
  if (mapping !== undefined) return colorOf(mapping, theme) ?? usual;
  switch (config.color.kind) {
    case "fixed":
      return colorOf(config.color.value, theme) ?? usual;
    case "thresholds":
      return colorOf(thresholdColor(value, config) ?? "", theme) ?? usual;
    case "scale":
      return scaleColor(config.color.value, partOf(value, config.min ?? ends[0], config.max ?? ends[1]));
    default:
      return usual;
  }
}

/** The value of a reading. */
export function rawOf(value: Reading["value"]): Raw {
  switch (value.kind) {
    case "missing":
      return null;
    case "number":
      return numberOf(value.value);
    default:
      return value.value;
  }
}

/** A cell of a column. */
export function cellOf(values: Values, row: number): Raw {
  if (values.kind === "numbers") return numberOf(values.value[row]);
  return values.value[row] ?? null;
}

/** A cell as text: a time in the zone of the page, everything else by its configuration. */
export function showCell(values: Values, row: number, config: FieldConfig, at: Surroundings): Shown {
  const value = cellOf(values, row);
  if (values.kind === "times" && config.unit === "") return show(value, { ...config, unit: "dateTimeAsLocal" }, at);
  return show(value, config, at);
}
