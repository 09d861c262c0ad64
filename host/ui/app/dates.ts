/** Dates and times for people, as their language writes them, on the clocks of a zone. What is typed in stays as `time-range.ts` reads it. */

/** What a text about time depends on besides the instant. */
export interface Where {
  /** A tag for `Intl`. */
  language: string;
  /** An IANA name. */
  zone: string;
}

const day: Intl.DateTimeFormatOptions = { month: "short", day: "numeric" };
const minute: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit" };
const second: Intl.DateTimeFormatOptions = { ...minute, second: "2-digit" };

const styles = {
  /** Fri, 20 Nov 2026, 09:00:00 */
  full: { year: "numeric", weekday: "short", ...day, ...second },
  /** 20 Nov 2026, 09:00:00 */
  seconds: { year: "numeric", ...day, ...second },
  /** 20 Nov 2026, 09:00 */
  minutes: { year: "numeric", ...day, ...minute },
  /** 09:00:00 */
  clock: second,
  clockMillis: { ...second, fractionalSecondDigits: 3 },
  clockMinutes: minute,
  dayMinutes: { ...day, ...minute },
  day,
  month: { year: "numeric", month: "short" },
  year: { year: "numeric" },
} satisfies Record<string, Intl.DateTimeFormatOptions>;
export type Style = keyof typeof styles;

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(style: Style, { language, zone }: Where): Intl.DateTimeFormat {
  const key = `${style} ${language} ${zone}`;
  let format = formats.get(key);
  if (format === undefined) {
    // Midnight is 00:00 and not 24:00.
    format = new Intl.DateTimeFormat(language, { ...styles[style], hourCycle: "h23", timeZone: zone });
    formats.set(key, format);
  }
  return format;
}

const possible = (instant: number): boolean => Number.isFinite(instant) && Math.abs(instant) <= 8.64e15;

/** An instant in Unix milliseconds as text; a dash for what is no date. */
export function when(instant: number, style: Style, where: Where): string {
  return possible(instant) ? formatOf(style, where).format(instant) : "–";
}

/** Two instants as one text, with the day once if it is the same. */
export function between(from: number, to: number, where: Where): string {
  return possible(from) && possible(to) ? formatOf("minutes", where).formatRange(from, to) : "–";
}

/** For a time that the API answers as text; what is no date stays as it is. */
export function whenText(text: string, where: Where): string {
  const instant = Date.parse(text);
  return Number.isNaN(instant) ? text : when(instant, "full", where);
}
