/**
 * Stands in for the package `style-mod`, with which the editor brings its rules into the page (`vite.config.ts` points here).
 * The package writes a `<style>` element into documents, which `style-src 'self'` refuses; sheets made by script and adopted
 * by the document are no inline style.
 */
import { StyleModule as Package } from "../../node_modules/style-mod/src/style-mod.js";

/** In the order of their weight, the weakest first. */
const mounted: Package[] = [];
let sheet: CSSStyleSheet | undefined;

export class StyleModule extends Package {
  static override mount(root: Document | ShadowRoot | DocumentOrShadowRoot, modules: Package | readonly Package[]): void {
    let changed = false;
    let at = 0;
    for (const one of Array.isArray(modules) ? (modules as readonly Package[]) : [modules as Package]) {
      const known = mounted.indexOf(one);
      if (known >= at) {
        at = known + 1;
        continue;
      }
      if (known >= 0) mounted.splice(known, 1);
      at = known >= 0 ? at - 1 : at;
      mounted.splice(at, 0, one);
      at += 1;
      changed = true;
    }
    sheet ??= new CSSStyleSheet();
    if (changed) sheet.replaceSync(mounted.map((one) => one.getRules()).join("\n"));
    // Before the page's own sheets, which may then say otherwise.
    if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets = [sheet, ...root.adoptedStyleSheets];
  }
}
