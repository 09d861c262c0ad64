/** Light or dark: what the address says, else what was chosen here before, else what the system prefers. */
import { computed, effect, signal } from "@preact/signals";
import { query, setQuery } from "./router";

export type Theme = "light" | "dark";

const key = "skopos.theme";
const known = (text: string | null): Theme | undefined => (text === "light" || text === "dark" ? text : undefined);

/** Storage may be forbidden; the choice then lasts as long as the address. */
function remembered(): Theme | undefined {
  try {
    return known(localStorage.getItem(key));
  } catch {
    return undefined;
  }
}

const system = matchMedia("(prefers-color-scheme: dark)");
const prefersDark = signal(system.matches);
system.addEventListener("change", () => {
  prefersDark.value = system.matches;
});
const chosen = signal(remembered());

export const theme = computed<Theme>(() => known(query.value.get("theme")) ?? chosen.value ?? (prefersDark.value ? "dark" : "light"));

export function toggleTheme(): void {
  const next: Theme = theme.peek() === "dark" ? "light" : "dark";
  chosen.value = next;
  try {
    localStorage.setItem(key, next);
  } catch {
    // Only convenience is lost.
  }
  setQuery({ theme: next }, true);
}

export function applyTheme(): void {
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
  });
}
