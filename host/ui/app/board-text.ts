/** Texts of dashboards in the language of the page. A board carries them itself, under `translations`. */
import type { PanelAnswer } from "./chart/view";
import { language } from "./text";

/** By language, then by the text as it stands in the board. */
export type Translations = Record<string, Record<string, string>>;

/** The text in the language of the page, else as it is. */
export function inLanguage(translations: Translations | undefined, text: string): string {
  const texts = translations?.[language.value];
  return texts !== undefined && Object.hasOwn(texts, text) ? (texts[text] ?? text) : text;
}

/** The answer with the names of its series in the language of the page. */
export function answerInLanguage(translations: Translations | undefined, answer: PanelAnswer): PanelAnswer {
  if (translations?.[language.value] === undefined) return answer;
  const frames = answer.frames.map((frame) => ({
    ...frame,
    name: inLanguage(translations, frame.name),
    fields: frame.fields.map((field) => ({ ...field, display_name: inLanguage(translations, field.display_name) })),
  }));
  return { ...answer, frames };
}
