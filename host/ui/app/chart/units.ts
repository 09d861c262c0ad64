/**
 * How a quantity is written. The ids are those of dashboards; `host/dashboards` passes them on as they are. A unit either
 * scales a number and puts a symbol beside it, or writes the whole text itself.
 */
import { when } from "../dates";
import { has, type Key, t } from "../text";
import { offsetAt } from "../time-range";

export interface Scaled {
  number: number;
  prefix: string;
  suffix: string;
}

export interface Surroundings {
  /** A tag for `Intl`: digits and dates. */
  language: string;
  /** An IANA name. */
  zone: string;
  /** Unix milliseconds, for `dateTimeFromNow`. */
  now: number;
}

export type Unit =
  | { scale: (value: number) => Scaled; base: 10 | 2 | 60 }
  | { write: (value: number, decimals: number | null, at: Surroundings) => string; base: 10 | 60 };

const plain = (number: number, suffix = "", prefix = ""): Scaled => ({ number, prefix, suffix });
const beside = (symbol: string): Unit => ({ scale: (value) => plain(value, symbol && ` ${symbol}`), base: 10 });

/** Divides by the step while the number is that large, and names the step. */
function stepped(step: number, names: readonly string[], start = 0, base: 10 | 2 = 10): Unit {
  return {
    base,
    scale: (value) => {
      let number = value;
      let at = start;
      while (Math.abs(number) >= step && at < names.length - 1) {
        number /= step;
        at += 1;
      }
      const name = names[at] ?? "";
      return plain(number, name && ` ${name}`);
    },
  };
}

const large = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"];
const small = ["", "m", "µ", "n", "p"];

/** With the prefixes of the International System, downwards too if that is usual for the unit. */
function si(symbol: string, start = 0, downwards = true): Unit {
  return {
    base: 10,
    scale: (value) => {
      let number = value * 1000 ** start;
      let at = 0;
      const size = Math.abs(number);
      if (size >= 1) for (; Math.abs(number) >= 1000 && at < large.length - 1; at++) number /= 1000;
      else if (downwards && size > 0) for (; Math.abs(number) < 1 && -at < small.length - 1; at--) number *= 1000;
      return plain(number, ` ${at < 0 ? (small[-at] ?? "") : (large[at] ?? "")}${symbol}`);
    },
  };
}

const decimal = (symbol: string, start = 0): Unit =>
  stepped(
    1000,
    large.slice(0, 9).map((prefix) => prefix + symbol),
    start,
  );
const binary = (symbol: string, start = 0): Unit =>
  stepped(
    1024,
    ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"].map((prefix) => prefix + symbol),
    start,
    2,
  );

const counts = ["", "K", "Mil", "Bil", "Tri", "Quadr", "Quint"];
const count = (symbol: string): Unit =>
  stepped(
    1000,
    counts.map((name) => [name, symbol].filter(Boolean).join(" ")),
  );

function currency(symbol: string, after = false): Unit {
  const names = ["", "K", "M", "B", "T"];
  return {
    base: 10,
    scale: (value) => {
      let number = value;
      let at = 0;
      for (; Math.abs(number) >= 1000 && at < names.length - 1; at++) number /= 1000;
      return after ? plain(number, `${names[at] ?? ""} ${symbol}`) : plain(number, names[at] ?? "", symbol);
    },
  };
}

const spans: readonly [seconds: number, symbol: string][] = [
  [365 * 86400, "y"],
  [7 * 86400, "w"],
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
  [1e-3, "ms"],
  [1e-6, "µs"],
  [1e-9, "ns"],
];

/** The symbol as it stands after a number. Parts of a second have the same one in every language. */
const afterNumber = (symbol: string): string => (has(`unit.${symbol}`) ? t(`unit.${symbol}` as Key) : ` ${symbol}`);

/** A length of time given in multiples of so many seconds, written in the largest unit that fits. */
function time(seconds: number): Unit {
  return {
    base: 60,
    scale: (value) => {
      // Rounded, so that 0.3 of a millisecond is not 299.99999 of a microsecond.
      const length = Number((value * seconds).toPrecision(12));
      if (length === 0) return plain(0, afterNumber(spans.find(([size]) => size <= seconds)?.[1] ?? "s"));
      const [size, symbol] = spans.find(([size]) => Math.abs(length) >= size) ?? [1e-9, "ns"];
      return plain(length / size, afterNumber(symbol));
    },
  };
}

/** `2 d 3 h 20 min`: so many parts as decimals are asked for, two if none. */
function lengthOfTime(seconds: number): Unit {
  return {
    base: 60,
    write: (value, decimals) => {
      let rest = Math.abs(value * seconds);
      const parts: string[] = [];
      for (const [size, symbol] of spans) {
        if (parts.length > (decimals ?? 1)) break;
        const last = parts.length === (decimals ?? 1) || size === 1e-9;
        const whole = last && size < 1 ? Math.round(rest / size) : Math.floor(rest / size + 1e-9);
        if (whole < 1) continue;
        parts.push(`${whole}${afterNumber(symbol)}`);
        rest -= whole * size;
      }
      return (value < 0 ? "−" : "") + (parts.length === 0 ? `0${afterNumber(seconds < 1 ? "ms" : "s")}` : parts.join(" "));
    },
  };
}

const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");

/** `27:46:39`, with days apart where the unit has them. */
const clock = (seconds: number, days: boolean): Unit => ({
  base: 60,
  write: (value) => {
    const all = Math.round(Math.abs(value * seconds));
    const whole = days ? Math.floor(all / 86400) : 0;
    const rest = all - whole * 86400;
    return `${value < 0 ? "−" : ""}${whole > 0 ? `${whole}${afterNumber("d")} ` : ""}${two(rest / 3600)}:${two((rest / 60) % 60)}:${two(rest % 60)}`;
  },
});

const words = (no: Key, yes: Key): Unit => ({ base: 10, write: (value) => t(value === 0 ? no : yes) });

const bounded = (decimals: number): number => Math.max(0, Math.min(20, decimals));

/** Dates are Unix milliseconds. */
const date = (write: (value: number, at: Surroundings) => string): Unit => ({
  base: 60,
  write: (value, _, at) => (Number.isFinite(value) && Math.abs(value) <= 8.64e15 ? write(value, at) : "–"),
});

const sameDay = (a: number, b: number, zone: string): boolean =>
  Math.floor((a + offsetAt(a, zone)) / 86_400_000) === Math.floor((b + offsetAt(b, zone)) / 86_400_000);

/** AM or PM, 오전 or 오후: `Intl` writes AM in Korean too, which nobody says. */
const halfOfDay = (wall: Date): string => t(wall.getUTCHours() < 12 ? "unit.am" : "unit.pm");

/** A date by the marks of `moment`, those that dashboards use. */
export function dateBy(pattern: string, value: number, at: Surroundings): string {
  const wall = new Date(value + offsetAt(value, at.zone));
  const month = (style: "long" | "short"): string => wall.toLocaleDateString(at.language, { month: style, timeZone: "UTC" });
  const weekday = (style: "long" | "short"): string => wall.toLocaleDateString(at.language, { weekday: style, timeZone: "UTC" });
  const twelve = wall.getUTCHours() % 12 || 12;
  const marks: Record<string, () => string> = {
    YYYY: () => String(wall.getUTCFullYear()),
    YY: () => two(wall.getUTCFullYear() % 100),
    MMMM: () => month("long"),
    MMM: () => month("short"),
    MM: () => two(wall.getUTCMonth() + 1),
    M: () => String(wall.getUTCMonth() + 1),
    DD: () => two(wall.getUTCDate()),
    D: () => String(wall.getUTCDate()),
    dddd: () => weekday("long"),
    ddd: () => weekday("short"),
    HH: () => two(wall.getUTCHours()),
    H: () => String(wall.getUTCHours()),
    hh: () => two(twelve),
    h: () => String(twelve),
    mm: () => two(wall.getUTCMinutes()),
    ss: () => two(wall.getUTCSeconds()),
    SSS: () => String(wall.getUTCMilliseconds()).padStart(3, "0"),
    A: () => halfOfDay(wall),
    a: () => halfOfDay(wall).toLowerCase(),
  };
  return pattern.replace(
    /\[([^\]]*)\]|YYYY|YY|MMMM|MMM|MM|M|DD|D|dddd|ddd|HH|H|hh|h|mm|ss|SSS|A|a/g,
    (mark, quoted?: string) => quoted ?? marks[mark]?.() ?? mark,
  );
}

/** `in 5 min`, `3 h ago` in the language of the page. */
export function fromNow(value: number, at: Surroundings): string {
  const seconds = (value - at.now) / 1000;
  const units: [number, Intl.RelativeTimeFormatUnit][] = [
    [365 * 86400, "year"],
    [30 * 86400, "month"],
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
  ];
  const [size, name] = units.find(([size]) => Math.abs(seconds) >= size) ?? ([1, "second"] as const);
  return new Intl.RelativeTimeFormat(at.language, { style: "narrow" }).format(Math.round(seconds / size), name);
}

const radix = (prefix: string): Unit => ({
  base: 10,
  write: (value) =>
    Number.isFinite(value) ? (value < 0 ? "−" : "") + prefix + Math.abs(Math.round(value)).toString(16).toUpperCase() : String(value),
});

const iso = "YYYY-MM-DD HH:mm:ss";

const units: Record<string, Unit> = {
  none: beside(""),
  string: { base: 10, write: (value) => String(value) },
  short: count(""),
  sishort: si("", 0, true),
  percent: { scale: (value) => plain(value, "%"), base: 10 },
  percentunit: { scale: (value) => plain(value * 100, "%"), base: 10 },
  humidity: beside("%H"),
  dB: beside("dB"),
  hex: radix(""),
  hex0x: radix("0x"),
  sci: { base: 10, write: (value, decimals) => value.toExponential(decimals === null ? undefined : bounded(decimals)) },
  locale: {
    base: 10,
    write: (value, decimals, at) =>
      value.toLocaleString(
        at.language,
        decimals === null ? {} : { minimumFractionDigits: bounded(decimals), maximumFractionDigits: bounded(decimals) },
      ),
  },
  // On request: 1.2만, 3.4억 in Korean.
  compact: {
    base: 10,
    write: (value, decimals, at) =>
      new Intl.NumberFormat(at.language, { notation: "compact", maximumFractionDigits: decimals === null ? 1 : bounded(decimals) }).format(value),
  },
  // Data
  bytes: binary("B"),
  kbytes: binary("B", 1),
  mbytes: binary("B", 2),
  gbytes: binary("B", 3),
  tbytes: binary("B", 4),
  pbytes: binary("B", 5),
  decbytes: decimal("B"),
  deckbytes: decimal("B", 1),
  decmbytes: decimal("B", 2),
  decgbytes: decimal("B", 3),
  dectbytes: decimal("B", 4),
  bits: binary("b"),
  decbits: decimal("b"),
  // Data rates
  Bps: decimal("B/s"),
  binBps: binary("B/s"),
  bps: decimal("b/s"),
  binbps: binary("b/s"),
  KBs: decimal("B/s", 1),
  MBs: decimal("B/s", 2),
  GBs: decimal("B/s", 3),
  KiBs: binary("B/s", 1),
  MiBs: binary("B/s", 2),
  GiBs: binary("B/s", 3),
  Kbits: decimal("b/s", 1),
  Mbits: decimal("b/s", 2),
  Gbits: decimal("b/s", 3),
  pps: decimal("p/s"),
  // Throughput
  ops: count("ops/s"),
  reqps: count("req/s"),
  rps: count("rd/s"),
  wps: count("wr/s"),
  iops: count("io/s"),
  eps: count("evt/s"),
  cps: count("c/s"),
  mps: count("msg/s"),
  cpm: count("c/min"),
  opm: count("ops/min"),
  reqpm: count("req/min"),
  rpm: count("rd/min"),
  wpm: count("wr/min"),
  epm: count("evt/min"),
  // Time
  s: time(1),
  ms: time(1e-3),
  µs: time(1e-6),
  ns: time(1e-9),
  m: time(60),
  h: time(3600),
  d: time(86400),
  dtdurations: lengthOfTime(1),
  dtdurationms: lengthOfTime(1e-3),
  dthms: clock(1, false),
  dtdhms: clock(1, true),
  timeticks: clock(0.01, true),
  clocks: clock(1, false),
  clockms: clock(1e-3, false),
  dateTimeAsIso: date((value, at) => dateBy(iso, value, at)),
  dateTimeAsIsoNoDateIfToday: date((value, at) => dateBy(sameDay(value, at.now, at.zone) ? "HH:mm:ss" : iso, value, at)),
  dateTimeAsUS: date((value, at) => dateBy("MM/DD/YYYY h:mm:ss a", value, at)),
  dateTimeAsUSNoDateIfToday: date((value, at) => dateBy(sameDay(value, at.now, at.zone) ? "h:mm:ss a" : "MM/DD/YYYY h:mm:ss a", value, at)),
  dateTimeAsLocal: date((value, at) => when(value, "seconds", at)),
  dateTimeAsSystem: date((value, at) => dateBy(iso, value, at)),
  dateTimeFromNow: date(fromNow),
  // Truth
  bool: words("unit.false", "unit.true"),
  bool_yes_no: words("unit.no", "unit.yes"),
  bool_on_off: words("unit.off", "unit.on"),
  // Physics
  hertz: si("Hz", 0, false),
  rothz: beside("Hz"),
  rotrpm: beside("rpm"),
  celsius: { scale: (value) => plain(value, " °C"), base: 10 },
  fahrenheit: { scale: (value) => plain(value, " °F"), base: 10 },
  kelvin: beside("K"),
  volt: si("V"),
  kvolt: si("V", 1),
  amp: si("A"),
  kamp: si("A", 1),
  mamp: si("A", -1),
  watt: si("W"),
  kwatt: si("W", 1),
  mwatt: si("W", -1),
  voltamp: si("VA"),
  joule: si("J"),
  watth: si("Wh"),
  kwatth: si("Wh", 1),
  ohm: si("Ω"),
  farad: si("F"),
  henry: si("H"),
  lengthm: si("m"),
  lengthmm: si("m", -1),
  lengthkm: si("m", 1),
  velocityms: beside("m/s"),
  velocitykmh: beside("km/h"),
  pressurebar: si("bar"),
  pressurehpa: beside("hPa"),
  massg: si("g"),
  masskg: si("g", 1),
  litre: si("L"),
  lux: beside("lx"),
  degree: { scale: (value) => plain(value, "°"), base: 10 },
  // Money
  currencyKRW: currency("₩"),
  currencyUSD: currency("$"),
  currencyEUR: currency("€"),
  currencyGBP: currency("£"),
  currencyJPY: currency("¥"),
  currencyCNY: currency("¥"),
  currencyINR: currency("₹"),
  currencyRUB: currency("₽"),
  currencyBRL: currency("R$"),
  currencyCHF: currency("CHF"),
  currencySEK: currency("kr", true),
  currencyNOK: currency("kr", true),
  currencyPLN: currency("zł", true),
  currencyBTC: currency("₿"),
};

/** The unit of an id. One that is not known is written beside the number, so that nothing is hidden. */
export function unitOf(id: string): Unit {
  if (id === "") return units.none as Unit;
  if (Object.hasOwn(units, id)) return units[id] as Unit;
  const colon = id.indexOf(":");
  const rest = id.slice(colon + 1);
  switch (colon < 0 ? "" : id.slice(0, colon)) {
    case "prefix":
      return { scale: (value) => plain(value, "", rest), base: 10 };
    case "suffix":
      return { scale: (value) => plain(value, rest && ` ${rest}`), base: 10 };
    case "count":
      return count(rest);
    case "currency":
      return currency(rest);
    case "time":
      return date((value, at) => dateBy(rest, value, at));
    case "si": {
      const step = ["p", "n", "µ", "m", "", "k", "M", "G", "T"].indexOf(rest.length > 1 ? (rest[0] ?? "") : "");
      return step < 0 ? si(rest) : si(rest.slice(rest.length > 1 && step !== 4 ? 1 : 0), step - 4);
    }
    default:
      return beside(id);
  }
}
