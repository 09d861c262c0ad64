/** What the head is made of: how much there is, and the names and labels that make the most of it. At upstream's address. */
import type { TsdbStatus, TsdbStatusEntry } from "../api";
import { quantity, whole } from "../chart/format";
import { surroundings } from "../chart/surroundings";
import { when } from "../dates";
import { useFetched } from "../fetched";
import { type Key, locale, t } from "../text";
import { FetchedPage } from "./fetched-page";

const lists = [
  ["seriesCountByMetricName", "tsdb.by-metric", "tsdb.series"],
  ["seriesCountByLabelValuePair", "tsdb.by-pair", "tsdb.series"],
  ["labelValueCountByLabelName", "tsdb.by-label", "tsdb.values"],
  ["memoryInBytesByLabelName", "tsdb.by-memory", "tsdb.memory"],
] as const satisfies readonly (readonly [keyof TsdbStatus, Key, Key])[];

export function TsdbStatusPage() {
  const fetched = useFetched<TsdbStatus>("/api/v1/status/tsdb?limit=10");
  const head = fetched.data?.headStats;
  return (
    <FetchedPage title={t("nav.tsdb-status")} note={head === undefined ? undefined : summary(head)} fetched={fetched}>
      {(data) =>
        lists.map(([name, title, unit]) => (
          <section key={name}>
            <h2>{t(title)}</h2>
            <List entries={data[name] ?? []} title={t(title)} unit={t(unit)} bytes={name === "memoryInBytesByLabelName"} />
          </section>
        ))
      }
    </FetchedPage>
  );
}

function summary({ numSeries, minTime, maxTime }: NonNullable<TsdbStatus["headStats"]>): string {
  const here = surroundings();
  const n = numSeries.toLocaleString(locale.value);
  if (numSeries === 0 || minTime > maxTime) return t("tsdb.empty");
  return t("tsdb.summary", { n, from: when(minTime, "minutes", here), to: when(maxTime, "minutes", here) });
}

function List({ entries, title, unit, bytes }: { entries: TsdbStatusEntry[]; title: string; unit: string; bytes: boolean }) {
  const shown = (value: number): string => (bytes ? whole(quantity(value, "bytes", null, surroundings())) : value.toLocaleString(locale.value));
  return (
    <div class="scroll card">
      <table aria-label={title}>
        <thead>
          <tr>
            <th>{t("tsdb.name")}</th>
            <th class="right">{unit}</th>
          </tr>
        </thead>
        <tbody>
          {entries.map(({ name, value }) => (
            <tr key={name}>
              <td class="wrap">
                <code>{name}</code>
              </td>
              <td class="right">{shown(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
