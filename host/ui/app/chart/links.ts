/** Data links: addresses of a field's configuration with the values of a row in them. Only http and this server are followed. */
import { prefix } from "../router";
import { cellOf } from "./format";
import type { Field } from "./view";

export interface LinkPlace {
  field: Field;
  /** The fields of the row, by which `__data.fields` names its cells. */
  fields: readonly Field[];
  row: number;
  /** As shown, without a link. */
  text: string;
  /** Unix milliseconds. */
  from: number;
  to: number;
}

/** The value of a variable such as `__value.raw` or `__data.fields["pod"]`; none if it is not one of a row. */
function valueOf(name: string, place: LinkPlace): string | undefined {
  const cell = (field: Field | undefined): string => {
    const value = field === undefined ? null : cellOf(field.values, place.row);
    return value === null || Number.isNaN(value) ? "" : String(value);
  };
  const [head = "", ...rest] = name.split(".");
  const tail = rest.join(".");
  switch (head) {
    case "__from":
      return String(Math.round(place.from));
    case "__to":
      return String(Math.round(place.to));
    case "__url_time_range":
      return `from=${Math.round(place.from)}&to=${Math.round(place.to)}`;
    case "__value":
      return tail === "text" ? place.text : cell(place.field);
    case "__cell":
      return cell(place.field);
    case "__field":
      return tail === "name" ? place.field.name : tail.startsWith("labels.") ? (place.field.labels[tail.slice(7)] ?? "") : undefined;
    case "__series":
      return place.field.display_name;
    default: {
      const numbered = /^__cell_(\d+)$/.exec(name);
      if (numbered !== null) return cell(place.fields[Number(numbered[1])]);
      const named = /^__data\.fields(?:\.(.+)|\[\s*(?:"([^"]*)"|'([^']*)'|(\d+))\s*\])(?:\.(?:text|numeric|time))?$/.exec(name);
      if (named === null) return undefined;
      if (named[4] !== undefined) return cell(place.fields[Number(named[4])]);
      const wanted = named[1] ?? named[2] ?? named[3];
      return cell(place.fields.find((field) => field.display_name === wanted) ?? place.fields.find((field) => field.name === wanted));
    }
  }
}

/** The address with its variables filled in, or none if a browser must not follow it. */
export function linkOf(url: string, place: LinkPlace): string | undefined {
  const filled = url.replace(/\$\{([^}:]+)(?::([^}]*))?\}|\$(__\w+)/g, (all, braced?: string, format?: string, bare?: string) => {
    const name = (braced ?? bare ?? "").trim();
    const value = valueOf(name, place);
    if (value === undefined) return all;
    return format === "raw" || name === "__url_time_range" ? value : encodeURIComponent(value);
  });
  return followed(filled);
}

/** What a browser may follow, on this server below the prefix; browsers leave out white space, and so do we. */
function followed(address: string): string | undefined {
  const filled = address.replace(/[\u0000-\u001f]/g, "").trim();
  if (/^https?:\/\//i.test(filled)) return filled;
  // `//host` would be another server, and a scheme of its own might be a script.
  if (/^[a-z][a-z0-9+.-]*:/i.test(filled) || /^[\\/]{2}/.test(filled) || filled === "") return undefined;
  return `${prefix}/${filled.replace(/^\.?\/+/, "")}`;
}
