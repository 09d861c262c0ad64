/** What formatting depends on besides the value: language, zone, now. */
import { zone } from "../page-state";
import { locale } from "../text";
import type { Surroundings } from "./units";

/** Reads the page's state: a component that calls this draws again when the zone or the language changes. */
export const surroundings = (): Surroundings => ({ language: locale.value, zone: zone.value, now: Date.now() });
