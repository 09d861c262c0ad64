/** The dashboard's variables, each a choice that stands in the address as `var-<name>`. */
import type { Variable } from "../api";
import { Popover } from "../parts/popover";
import { query, setQuery } from "../router";
import { t } from "../text";

const all = "$__all";

/** What is chosen: what the address says, else what the dashboard was saved with. */
export function chosen(variables: readonly Variable[], parameters: URLSearchParams): Record<string, string[]> {
  return Object.fromEntries(
    variables.map((variable) => {
      const asked = parameters.getAll(`var-${variable.name}`);
      return [variable.name, asked.length > 0 ? asked : variable.current];
    }),
  );
}

/** The choice with one value switched: everything stands alone, and nothing chosen means everything if that is possible. */
export function switched(now: readonly string[], value: string, includeAll: boolean): string[] {
  if (value === all) return [all];
  const others = now.filter((one) => one !== all);
  const next = others.includes(value) ? others.filter((one) => one !== value) : [...others, value];
  return next.length > 0 || !includeAll ? next : [all];
}

export function Variables({ variables }: { variables: readonly Variable[] }) {
  const values = chosen(variables, query.value);
  const shown = variables.filter(({ hide, type }) => hide !== 2 && type !== "constant");
  if (shown.length === 0) return null;
  return (
    <div class="variables" role="group" aria-label={t("variables.label")}>
      {shown.map((variable) => (
        <Choice key={variable.name} variable={variable} now={values[variable.name] ?? []} />
      ))}
    </div>
  );
}

function Choice({ variable, now }: { variable: Variable; now: readonly string[] }) {
  const label = variable.label || variable.name;
  const set = (values: string[], replace = false): void => setQuery({ [`var-${variable.name}`]: values }, replace);
  // The server names this one in English.
  const named = variable.options.map((option) => (option.value === all ? { ...option, text: t("variables.all") } : option));
  const options =
    variable.include_all && !named.some(({ value }) => value === all) ? [{ text: t("variables.all"), value: all }, ...named] : named;
  const name = variable.hide === 1 ? null : <span class="variable-name">{label}</span>;
  if (variable.type === "textbox") {
    return (
      <label class="variable">
        {name}
        <input value={now[0] ?? ""} aria-label={label} spellcheck={false} onChange={(event) => set([event.currentTarget.value])} />
      </label>
    );
  }
  if (!variable.multi) {
    const current = now[0] ?? "";
    // A value from the address need not be among the options.
    const known = options.some(({ value }) => value === current) || current === "";
    return (
      <label class="variable">
        {name}
        <select value={current} aria-label={label} onChange={(event) => set([event.currentTarget.value])}>
          {!known && <option value={current}>{current}</option>}
          {options.map(({ text, value }) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </label>
    );
  }
  const texts = now.map((value) => options.find((option) => option.value === value)?.text ?? value);
  const summary = texts.length > 2 ? t("variables.chosen", { n: texts.length }) : texts.join(", ") || t("variables.none");
  return (
    <div class="variable">
      {name}
      <Popover label={`${label}: ${summary}`} button={<span class="range-text">{summary}</span>}>
        {() => (
          <ul class="checks">
            {options.slice(0, 500).map(({ text, value }) => (
              <li key={value}>
                <label>
                  <input type="checkbox" checked={now.includes(value)} onChange={() => set(switched(now, value, variable.include_all))} />
                  {text}
                </label>
              </li>
            ))}
            {options.length > 500 && <li class="muted">{t("variables.more", { n: options.length - 500 })}</li>}
          </ul>
        )}
      </Popover>
    </div>
  );
}
