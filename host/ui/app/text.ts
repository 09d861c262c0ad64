/**
 * The words of the interface. Every sentence that people read stands in a table, one file per language with the same keys;
 * `text/en.json` is the one that the others are compared with. English is part of the page's script; another table is loaded
 * before anything is drawn in it, so that nobody waits for a language that is not theirs.
 *
 * Which language: what the address says (`?lang=ko`), else what was chosen here before, else the browser's first that has a
 * table, else English.
 */
import { computed, effect, signal } from "@preact/signals";
import { query, setQuery } from "./router";
import en from "./text/en.json";

/** A sentence, or one for each plural form that `Intl.PluralRules` knows in that language. */
export type Entry = string | { [form: string]: string };
export type Key = keyof typeof en;
export type Table = Record<Key, Entry>;
export type Language = "en" | "ko";

/** Tables besides English by their tag. Another language is a line here, its file, and a choice in `otherLanguage`. */
const others: Record<Exclude<Language, "en">, () => Promise<{ default: Table }>> = { ko: () => import("./text/ko.json") };
const tables: Partial<Record<Language, Table>> = { en };
const fallback: Language = "en";
const storageKey = "skopos.language";

/** The language that a tag such as `ko-KR` means, if there is a table for it. */
function known(tag: string | null): Language | undefined {
  const short = tag?.toLowerCase().split("-")[0] ?? "";
  return short === "en" || Object.hasOwn(others, short) ? (short as Language) : undefined;
}

/** The first of these that has a table, English if none has. */
export function chooseLanguage(asked: string | null, stored: string | null, preferred: readonly string[]): Language {
  for (const tag of [asked, stored, ...preferred]) {
    const language = known(tag);
    if (language !== undefined) return language;
  }
  return fallback;
}

/** Storage may be forbidden; the choice then lasts as long as the address. */
function remembered(): string | null {
  try {
    return localStorage.getItem(storageKey);
  } catch {
    return null;
  }
}

const chosen = signal(remembered());
const wanted = computed(() => chooseLanguage(query.value.get("lang"), chosen.value, navigator.languages));

/** The language that the page is drawn in; it changes once the table of the wanted one is there. */
export const language = signal<Language>(fallback);
/** The tag for dates and numbers: the browser's own kind of that language, such as `en-GB`, if it has one. */
export const locale = computed(() => navigator.languages.find((tag) => known(tag) === language.value) ?? language.value);
/** What the switch in the header changes to. */
export const otherLanguage = computed<Language>(() => (language.value === "en" ? "ko" : "en"));

/** Follows the wanted language from now on. Resolves when the first one is ready; one that cannot be loaded stays English. */
export function startLanguage(): Promise<void> {
  return new Promise((ready) => {
    effect(() => {
      const next = wanted.value;
      loadTable(next).then((table) => {
        if (wanted.peek() === next && table !== undefined) language.value = next;
        ready();
      });
    });
    effect(() => {
      document.documentElement.lang = language.value;
    });
  });
}

async function loadTable(next: Language): Promise<Table | undefined> {
  if (tables[next] === undefined && next !== "en") {
    try {
      tables[next] = (await others[next]()).default;
    } catch {
      // The network: English is better than an empty page.
    }
  }
  return tables[next];
}

/** Changes the language, in the address and for the next visit. */
export function switchLanguage(to: Language): void {
  chosen.value = to;
  try {
    localStorage.setItem(storageKey, to);
  } catch {
    // Only convenience is lost.
  }
  setQuery({ lang: to }, true);
}

const rules = new Map<string, Intl.PluralRules>();

function pluralForm(n: number, tag: string): string {
  let rule = rules.get(tag);
  if (rule === undefined) rules.set(tag, (rule = new Intl.PluralRules(tag)));
  return rule.select(n);
}

/** Puts values into `{name}` places. `{n}` also chooses the plural form. A place without a value stays as it is. */
export function fill(entry: Entry, values: Record<string, string | number>, tag: string): string {
  const n = values.n;
  const sentence = typeof entry === "string" ? entry : ((typeof n === "number" ? entry[pluralForm(n, tag)] : undefined) ?? entry.other ?? "");
  return sentence.replace(/\{(\w+)\}/g, (place, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) return place;
    return typeof value === "number" ? value.toLocaleString(tag) : value;
  });
}

/** Whether the table has a sentence for it. */
export const has = (key: string): key is Key => Object.hasOwn(en, key);

/** The sentence of this key in the language of the page. Drawing it follows the language. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return fill((tables[language.value] ?? en)[key], values, locale.value);
}
