/**
 * The words of the interface. Every sentence that people read stands in a table, one file per language with the same keys;
 * `en.json` is the one that the others are compared with.
 */
import en from "./text/en.json";

/** A sentence, or one for each plural form that `Intl.PluralRules` knows in that language. */
export type Entry = string | { [form: string]: string };
export type Key = keyof typeof en;
export type Table = Record<Key, Entry>;

/** Languages by their tag. Another one is a line here and its table. */
const tables: Record<string, Table> = { en };
const fallback = "en";

/** The language of the address, else the browser's first that has a table. */
export function chooseLanguage(asked: string | null, preferred: readonly string[]): string {
  const wanted = asked === null ? preferred : [asked, ...preferred];
  for (const tag of wanted) {
    const short = tag.toLowerCase().split("-")[0] ?? "";
    if (Object.hasOwn(tables, short)) return short;
  }
  return fallback;
}

export const language = chooseLanguage(new URLSearchParams(location.search).get("lang"), navigator.languages);
const plural = new Intl.PluralRules(language);

/** Puts values into `{name}` places. `{n}` also chooses the plural form. A place without a value stays as it is. */
export function fill(entry: Entry, values: Record<string, string | number>, rules: Intl.PluralRules): string {
  const n = values.n;
  const sentence = typeof entry === "string" ? entry : ((typeof n === "number" ? entry[rules.select(n)] : undefined) ?? entry.other ?? "");
  return sentence.replace(/\{(\w+)\}/g, (place, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) return place;
    return typeof value === "number" ? value.toLocaleString(language) : value;
  });
}

/** Whether the table has a sentence for it. */
export const has = (key: string): key is Key => Object.hasOwn(en, key);

/** The sentence of this key in the language of the page. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  const table = tables[language] ?? en;
  return fill(table[key], values, plural);
}
