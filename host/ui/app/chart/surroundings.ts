/** What formatting depends on besides the value: language, zone, now. */
import { zone } from "../page-state";
import { language } from "../text";
import type { Surroundings } from "./units";

/** Reads the page's state: a component that calls this draws again when the zone changes. */
export const surroundings = (): Surroundings => ({ language, zone: zone.value, now: Date.now() });
